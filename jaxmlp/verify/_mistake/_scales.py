"""A factor that is missing or too much, in words: a sign, the batch size, an upstream number, another constant."""

import math

import numpy as np

from .._line import _relate
from .._line._matching import snapped
from .._line._offers import Offer
from .._program._expressions import multiplied, negated, rewritten
from .._program._trace import Literal
from .._report import _words
from .._report._gradient_report import Finding
from ._explanation import Explanation
from ._names import joined


def by_a_factor(e: Explanation, correction: float, *, must: str | None = None) -> list[Finding]:
    """A factor that is missing or too much: a sign, the batch size, another constant, or a sign and one of these; with
    what the statement must compute, if that is not simply a multiple of what it does.
    """
    if (upstream := _ignored(e, correction)) is not None:
        return [_words.missing_upstream(e.paths, upstream=upstream or None, place=e.place())]
    size = snapped(abs(correction))
    times = lambda number: None if _is_of_a_part(e) else rewritten(e.text, lambda node: multiplied(node, number))
    signs = []
    if correction < 0:
        place = e.place(rewritten(e.text, negated) if size == 1 and not _is_of_a_part(e) else None)
        signs = [_words.sign(e.paths, part=not _negates_leaves(e), place=place)]
    if size == 1:
        return signs
    count: float | None = e.facts.get("number of examples")
    if count is not None:
        return [*signs, _words.counted_batch(e.paths, int(count), place=e.place())]
    for batch in e.batches:
        if size in (batch, snapped(1 / batch)) and not _is_repeated(e, size):
            must = must or (None if signs else times(size))
            return [*signs, _words.scale_batch(e.paths, snapped(1 / size), batch, place=e.place(must))]
    if (entries := _entries(e, size)) is not None and not signs:
        return [_words.counted_entries(e.paths, **entries, too_large=size < 1, place=e.place())]
    if (other := _another_count(e, size)) is not None:
        return [*signs, _words.another_count(e.paths, *other, place=e.place())]
    is_short = len(f"{size:g}") < 6 and not signs
    is_short = is_short and not e.alias  # what hands its argument on is to be mended where it does
    must = must or (times(size) if is_short else None)
    return [*signs, _words.scale_constant(e.paths, float(f"{1 / size:.6g}"), place=e.place(must))]


def _is_of_a_part(e: Explanation) -> bool:
    """Whether a part of what the statement gives has the factor, and the rest has not."""
    corrected = e.corrected() if e.out is not None else None
    return corrected is not None and _relate.multiple(corrected, e.actual) is None


def factor_of_a_number(e: Explanation, expected: _relate.Values) -> float | None:
    """By which factor a single number of the data, such as a count of examples, differs from the one that belongs; or
    a single number that is the same whatever the parameters are, such as a sign.
    """
    if e.out is None or e.actual[0].size != 1:
        return None
    is_still = len(expected) > 1 and _relate.is_constant(e.actual) and _relate.is_constant(expected)
    if not is_still and not e.case.depends_on(e.out).isdisjoint(e.case.params):
        return None
    times = _relate.multiple(e.actual, expected)
    return None if times is None else 1 / times


def of_data(e: Explanation) -> list[Finding]:
    """What the loss multiplies by that is data, such as the mask of a dropout, if it is all that is missing."""
    corrected = e.corrected()
    for slope in e.case.knowledge.slopes.values() if corrected is not None and e.out is not None else ():
        if slope.values[0].shape == e.actual[0].shape and not _relate.is_constant(slope.values):
            times = tuple(a * s for a, s in zip(e.actual, slope.values, strict=True))
            if _relate.same(times, corrected or ()) and e.case.is_of_data(slope):
                # Of several layers each has its own.
                is_one = len(e.mistake.instances) == 1
                what = (e.case.names.known(slope) or _in_terms_of_an_argument(e, slope.values)) if is_one else None
                return [_words.missing_factor(e.paths, what=what, place=e.place())]
    return []


def _in_terms_of_an_argument(e: Explanation, values: _relate.Values) -> str | None:
    """An argument of which something is a multiple, and the number: `mask * 1.25`."""
    for variable in e.case.bench.program.inputs:
        factor, name = _relate.multiple(values, e.case.bench.run.at(variable)), e.case.names.of(variable)
        if factor is not None and name:
            return name if snapped(factor) == 1 else f"{name} * {float(f'{factor:.6g}'):g}"
    return None


def _entries(e: Explanation, size: float) -> dict[str, int] | None:
    """The count of all numbers of the output, and that of the examples, if it is the factor or divides by it."""
    program = e.case.loss.program
    last = max([equation.outputs[0] for equation in program.equations if equation.name == "dot_general"], default=None)
    shape = () if last is None else e.case.loss.at(last)[0].shape
    count = math.prod(shape)
    batch = next((length for length in shape if length in e.batches), None)
    is_it = batch is not None and count > batch and size in (count, snapped(1 / count))
    return {"count": count, "batch": batch} if is_it and batch is not None else None


def _another_count(e: Explanation, size: float) -> tuple[int, int] | None:
    """The length of another axis that divides where the number of examples ought to, and that number."""
    bench, equations = e.case.bench, e.case.bench.program.equations
    read = [bench.run.at(atom)[0].shape for index in e.run for atom in equations[index].inputs]
    given = [bench.run.at(atom)[0].shape for atom in bench.program.inputs if atom not in e.case.params]
    read += [shape for shape in given if len(shape) == 2 and not e.batches.isdisjoint(shape)]
    for index in e.run if size else ():
        equation = equations[index]
        positions = {"div": (1,), "mul": (0, 1)}.get(equation.name, ())
        literals = [atom.value for atom in map(equation.inputs.__getitem__, positions) if isinstance(atom, Literal)]
        for value in (float(literal) for literal in literals if literal.ndim == 0 and literal):
            count = snapped(1 / value if equation.name == "mul" else value)
            batch = snapped(count / size)
            is_a_length = any(count in shape for shape in read) and batch in e.batches
            if is_a_length and count > 1 and count % batch and batch % count:
                return int(count), int(batch)
    return None


def _negates_leaves(e: Explanation) -> bool:
    """Whether the leaves, and not only a part of them, have the wrong sign, or a wrong factor with it."""
    bench = e.case.bench
    given = {path: bench.run.at(variable) for path, variable in bench.leaves.items() if path in e.paths}
    factors = [
        _relate.multiple(values, tuple(leaves[path] for leaves in bench.truth)) for path, values in given.items()
    ]
    return all(factor is not None and factor < 0 for factor in factors)


def _is_repeated(e: Explanation, size: float) -> bool:
    """Whether the statement repeats parts of what it reads so many times, as the way back from a pooling does."""
    program, given = e.case.bench.program, e.actual[0].shape
    shapes = [e.case.bench.run.at(atom)[0].shape for index in e.run for atom in program.equations[index].inputs]
    alike = [shape for shape in shapes if len(shape) == len(given) and 1 not in shape]
    copies = {math.prod(given) / math.prod(shape) for shape in alike if math.prod(shape)}
    return any(copy > 1 and size in (copy, 1 / copy) for copy in copies)


def times_the_slope(e: Explanation, offer: Offer, what: str | None) -> str | None:
    """The operand that has to be multiplied by a slope, times that, if both have names."""
    corrected, bench = e.corrected(), e.case.bench
    for atom in dict.fromkeys(atom for index in e.run for atom in bench.program.equations[index].inputs):
        name = e.case.names.of(atom) if isinstance(atom, int) else None
        if name and what and corrected and bench.run.at(atom)[0].shape == offer.shape:
            made = tuple(v * offer.at(0, k) for k, v in enumerate(bench.run.at(atom)))
            if _relate.same(made, corrected):
                return joined(what, f"{name} * ({{}})")
    return None


def _ignored(e: Explanation, correction: float) -> str | None:
    """The name, or "", of a number that a function is given and never reads, if it is all that is missing there."""
    if correction == 1 or not e.ignores_an_argument():
        return None
    bench = e.case.bench
    for variable in (*bench.program.inputs, *bench.program.makers):
        values = bench.run.at(variable)
        if (
            values[0].size == 1
            and values[0].dtype.kind == "f"
            and _relate.same(values, (np.array(correction),) * len(values))
        ):
            return e.case.names.of(variable) or ""
    return None
