"""The mistake of a gradient that cannot be looked into: the one that, put into the true gradient, gives the same."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import jax
import numpy as np

from .._line import _relate
from .._line._bench import Bench
from .._line._known import known
from .._line._localize import localized
from .._line._matching import snapped
from .._line._offers import Offer, offered
from .._line._quantities import Run
from .._line._relate import Values
from .._program._call import split
from .._program._sites import Site, sites
from .._program._source import Source
from .._program._trace import Literal, Program, traced
from .._program._tree import named_leaves
from .._report import _words
from .._report._gradient_report import Finding
from .._report._words import Place
from ._case import Case
from ._loss_statements import targets
from ._mutant import Mutant
from ._names import Names
from ._patient import named_inputs, Patient


def recognized(patient: Patient, seen: Sequence[dict[str, np.ndarray]], wrong: Sequence[str]) -> list[Finding]:
    """The mistakes that lead from the true gradient to what was `seen` of the leaves `wrong` at each point.

    The line is the one of the loss whose derivative is wrong. To be called where 64-bit types are on.
    """
    program = traced(jax.grad(patient.loss), patient.points[0], *patient.args)
    loss = traced(patient.loss, patient.points[0], *patient.args)
    arrays = [split((params, *patient.args))[0] for params in patient.points]
    paths = list(named_leaves(jax.tree.unflatten(program.structure, range(len(program.outputs)))))
    aims = [
        {path: leaves[path] if path in wrong else truth[path] for path in paths}
        for leaves, truth in zip(seen, patient.truth, strict=True)
    ]
    bench, source = Bench(program, arrays, paths, aims), Source(patient.loss)
    places = [part for site in sites(bench.program, source, paths) if not site.leaf for part in _alike(program, site)]
    params, inputs = named_inputs(program, patient, patient.loss)
    knowledge, run = known(loss, loss.inputs[: len(params)], arrays), Run(loss, arrays)
    names = Names(bench, (), inputs | _in(bench, run, targets(loss, sites(loss, source, []))), knowledge, {})
    case = Case(bench, source, names, knowledge, run, patient.batches, params, dict(zip(params, paths, strict=True)))
    multiples = [
        path for path in wrong if _relate.multiple(_of(aims, path), bench.run.at(bench.leaves[path])) is not None
    ]
    offers = offered(bench, places, inputs, knowledge, ())
    mistakes = localized(bench, places, offers, knowledge, wrong, patient.batches, planted=frozenset(_WORDS))
    mutants = (Mutant(case, mistake, source.places(loss), frozenset(multiples)) for mistake in mistakes)
    return [finding for mutant in mutants for finding in [_said(mutant)] if finding is not None]


def _of(leaves: Sequence[dict[str, np.ndarray]], path: str) -> Values:
    return tuple(each[path] for each in leaves)


def _alike(program: Program, site: Site) -> Iterator[Site]:
    """The executions of a line that do the same: those of the forward pass, and those of the way back."""
    found: dict[tuple[str, ...], list[tuple[int, ...]]] = {}
    for run in site.instances:
        found.setdefault(tuple(program.equations[index].name for index in run), []).append(run)
    yield from (replace(site, instances=tuple(runs), calls=()) for runs in found.values())


def _in(bench: Bench, loss: Run, names: dict[int, str]) -> dict[int, str]:
    """The names of values of the loss, by the variables that have them in the gradient."""
    found = {}
    for variable, name in names.items():
        values = loss.at(variable)
        for own in bench.program.makers:
            mine = bench.run.at(own)
            if all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in zip(mine, values, strict=True)):
                found.setdefault(own, name)
    return found


def _said(m: Mutant) -> Finding | None:
    found, kind = _of_a_penalty(m), m.mistake.edit.kind
    if found is None and m.is_forward:
        # Nobody adds to a value of the forward pass what the loss has elsewhere: that it gives the same is by chance.
        return _words.wrong_forward(m.paths, place=m.place) if kind != "plus" else None
    return found or _WORDS[kind](m)


def _of_a_penalty(m: Mutant) -> Finding | None:
    """Where the leaves are right but for what comes of the parameters alone."""
    bench, factor = m.case.bench, 0.0
    of_params = [v for v in (*m.case.params, *bench.program.makers) if m.case.depends_on(v)]
    of_params = [v for v in of_params if bench.run.at(v)[0].dtype.kind == "f" and m.case.is_of_params_alone(v)]
    for path in m.paths:
        truth = bench.run.at(bench.leaves[path])
        excess = tuple(a - b for a, b in zip(_of(bench.truth, path), truth, strict=True))
        found = [c for v in of_params for c in [_relate.multiple(excess, bench.run.at(v))] if c is not None]
        if not found:
            return None
        factor = found[-1]
    words = _words.missing_regularization if snapped(factor) == -1 else _words.wrong_regularization
    return words(m.paths, place=m.place)


def _scaled(m: Mutant) -> Finding:
    if m.mistake.edit.kind == "number" and m.mistake.factor == 0 and m.is_within_a_slope:
        return _words.wrong_slope(m.paths, place=m.place)
    return _by(m, m.mistake.factor, m.place)


def _term(m: Mutant) -> Finding:
    atom = m.facts["equation"].inputs[m.facts["operand"]]
    if m.is_within_a_slope:
        return _words.wrong_slope(m.paths, place=m.place)
    return _by(m, m.mistake.factor, m.place_of_term(atom), m.case.names.of(atom))


def _by(m: Mutant, factor: float, place: Place, term: str | None = None) -> Finding:
    """The leaves, or a term of them, are so many times what they must be."""
    size, part = snapped(abs(factor)), not m.scaled.issuperset(m.paths)
    if size == 0:
        return _words.missing_term(m.paths, term=term, place=place)
    if part and factor == 2:
        return _words.double_counted(m.paths, term=term, place=place)
    if size == 1:
        return _words.sign(m.paths, part=part, place=place)
    for batch in m.case.batches:
        if size in (batch, snapped(1 / batch)):
            return _words.scale_batch(m.paths, size, batch, part=part, place=place)
    return _words.scale_constant(m.paths, float(f"{factor:.6g}"), part=part, place=place)


def _times(m: Mutant) -> Finding:
    return _factor(m, _words.extra_slope, _words.extra_factor)


def _over(m: Mutant) -> Finding:
    return _factor(m, _words.missing_slope, _words.missing_factor)


def _factor(m: Mutant, slope: Callable[..., Finding], factor: Callable[..., Finding]) -> Finding:
    offer: Offer = m.facts["offer"]
    if offer.quantity is not None and m.is_of_an_activation(offer.quantity):
        return slope(m.paths, slope=m.described(offer), place=m.place_of(offer.quantity))
    return factor(m.paths, what=m.described(offer), place=m.place)


def _dropped(m: Mutant) -> Finding:
    atom, equation = m.facts["dropped"], m.facts["equation"]
    values = tuple(np.asarray(value, np.float64) for value in m.case.bench.run.at(atom))
    name = m.case.names.of(atom)
    is_term = equation.name == "sub"
    if not is_term and atom not in m.case.bench.program.inputs and m.is_slope(values):
        return _words.missing_slope(m.paths, slope=m.case.names.slope(values), place=m.place)
    if m.is_within_a_slope and atom not in m.case.bench.program.inputs:
        return _words.wrong_slope(m.paths, place=m.place)
    if is_term:
        return _words.missing_term(m.paths, term=name, place=m.place)
    return _words.missing_factor(m.paths, what=name, place=m.place)


def _operand(m: Mutant) -> Finding:
    offer, atom = m.facts["offer"], m.facts["used"]
    used, instead, values = m.described(offer), m.case.names.of(atom), m.case.bench.run.at(atom)
    # What was used may be the slope of a part, as `2 * (a - y)` is of `(tanh(z) - y) ** 2`.
    found = None if isinstance(atom, Literal) else _slope_between(m, offer, values)
    if found is not None:
        return found
    if (offer.quantity is not None and m.is_of_an_activation(offer.quantity)) or m.is_slope(values):
        return _words.wrong_slope(m.paths, used=used, place=m.place)
    return _words.wrong_operand(m.paths, used=used, instead=instead, place=m.place)


def _slope_between(m: Mutant, used: Offer, instead: Values) -> Finding | None:
    """The slope that `used` lacks to be `instead`, or has too much."""
    actual = tuple(used.at(0, point) for point in range(m.case.bench.count))
    for quantity in m.slopes:
        if quantity.values[0].shape != actual[0].shape:
            continue
        for words, less, more in ((_words.missing_slope, actual, instead), (_words.extra_slope, instead, actual)):
            product = tuple(a * slope for a, slope in zip(less, quantity.values, strict=True))
            if _relate.multiple(product, more) is not None:
                return words(m.paths, slope=m.case.names.known(quantity), place=m.place_of(quantity))
    return None


def _plus(m: Mutant) -> Finding:
    if m.is_within_a_slope:
        return _words.wrong_slope(m.paths, place=m.place)
    return (_words.double_counted if m.mistake.factor > 0 else _words.missing_term)(m.paths, place=m.place)


def _transposed(m: Mutant) -> Finding:
    return _words.transposed_within(m.paths, place=m.place)


def _axes(m: Mutant) -> Finding:
    return _words.wrong_axis(m.paths, actual=m.facts["axes"] or None, expected=m.facts["was"], place=m.place)


def _mask(m: Mutant) -> Finding:
    return _words.wrong_mask(m.paths, place=m.place)


def _slope(m: Mutant) -> Finding:
    if not m.is_of_an_activation(m.facts["offer"].quantity):
        return _words.extra_factor(m.paths, place=m.place)
    return _words.wrong_slope(m.paths, used=m.described(m.facts["offer"]), place=m.place)


_WORDS: dict[str, Callable[[Mutant], Finding]] = {
    "scale": _scaled,
    "number": _scaled,
    "term": _term,
    "times": _times,
    "over": _over,
    "slope": _slope,
    "dropped": _dropped,
    "operand": _operand,
    "plus": _plus,
    "transpose": _transposed,
    "product": _transposed,
    "axes": _axes,
    "mask": _mask,
}
