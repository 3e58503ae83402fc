"""Whether a formula is wrong in itself that a statement calls: then its line carries the mistake, and not the call."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from .._line import _relate
from .._line._patches import with_inputs
from .._line._relate import Values
from .._program._sites import results
from .._program._stacks import Frame
from .._report import _words
from .._report._gradient_report import Finding
from ._explanation import Explanation
from ._names import line_of


_OF_A_SLOPE = frozenset(
    "unknown missing-term double-counted-term scale-constant wrong-forward sign wrong-reduction-axis".split()
).union(
    f"{word}-{what}"
    for word in ("missing", "extra", "wrong")
    for what in ("activation-derivative", "factor", "operand")
)
"""What is said of a statement that calls the slope of an activation, where that is wrong."""


def in_a_formula(e: Explanation, findings: list[Finding]) -> list[Finding]:
    """The findings, at the line of a formula that nothing else calls: where it must give the slope of an activation,
    and neither is the slope of another one nor would be right with another argument.
    """
    bench = e.case.bench
    fits = {finding.cause for finding in findings} <= _OF_A_SLOPE and not e.site.is_formula
    corrected_there = e.helper() if fits else None
    inner = corrected_there or (_called(e) if fits else None)
    everywhere = () if inner is None else tuple(i for i in range(len(e.case.places)) if _stands_in(e, i, inner))
    run = tuple(i for i in everywhere if i in e.run)
    outs = results(bench.program, run)
    if inner is None or len(outs) != 1 or not {i for each in e.site.instances for i in each}.issuperset(everywhere):
        return findings
    made = [bench.values(e.run, e.mistake.patches, k) for k in range(bench.count)] if corrected_there else []
    expected = tuple(values[outs[0]] for values in made if values and outs[0] in values)
    expected = expected if corrected_there else _needed(e, outs[0])
    if len(expected) < bench.count:
        return findings
    # `exp` of the logarithm of a softmax gives that as well.
    if e.edit.kind != "normalized" and gives_of_another(e, run, outs[0], expected):
        return findings
    line = line_of(inner, e.case.source)
    of_a_value = {finding.cause for finding in findings} == {"wrong-forward"} and e.edit.kind in ("known", "normalized")
    inside = set(e.mistake.patches).issubset(everywhere) and e.edit.kind in ("term", "number", "axes")
    # Which axes a sum goes over is written nowhere else.
    is_its_own = e.edit.kind == "axes" or e.case.forward.find(expected) is not None or _is_a_slope_of_one(e, expected)
    if of_a_value or (inside and is_its_own):
        return [replace(finding, line=line, computes=None, must=None) for finding in findings]
    if e.case.slopes.find(expected) is None:
        return findings
    if _is_of_another_activation(e, run, outs[0]):
        # What is said of a part of the formula is not true of all that the statement gives.
        is_a_part = inside and _relate.multiple(bench.run.at(outs[0]), expected) is None
        return [_words.wrong_slope(e.paths, place=e.place())] if is_a_part else findings
    if _relate.same(tuple(-value for value in bench.run.at(outs[0])), expected):
        return [_words.sign(e.paths, place=replace(e.place(), line=line, name=None))]
    return [_words.wrong_slope(e.paths, place=replace(e.place(), line=line, name=None))]


def _is_a_slope_of_one(e: Explanation, values: Values) -> bool:
    """Whether a single number is a slope of the loss: there is no other that it could be by chance."""
    slopes = e.case.knowledge.slopes.values() if values[0].size == 1 and len(values) > 1 else ()
    return any(slope.values[0].size == 1 and _relate.same(slope.values, values) for slope in slopes)


def _called(e: Explanation) -> Frame | None:
    """The line of the only formula that the statement calls."""
    frames: dict[tuple[str, str], Frame] = {}
    for index in e.run if e.frame and not e.alias else ():
        stacks = e.case.bench.program.equations[index].stacks
        innermost = next((frame for stack in reversed(stacks) for frame in stack if frame), None)
        named = innermost is not None and not innermost.function.endswith("<lambda>")
        if innermost and named and e.frame is not None and innermost.function != e.frame.function:
            frames[innermost.file, innermost.function] = innermost
    return next(iter(frames.values())) if len(frames) == 1 else None


def _needed(e: Explanation, out: int) -> Values:
    """What a formula must give where it is a factor of what the statement gives; empty if it cannot be told."""
    given, corrected = e.case.bench.run.at(out), e.corrected()
    if e.edit.kind == "operand" and e.facts["used"] == out:
        offered = tuple(e.facts["offer"].at(0, k) for k in range(len(given)))
        return offered if offered[0].shape == given[0].shape else ()
    if corrected is None or corrected[0].shape != e.actual[0].shape or given[0].shape != e.actual[0].shape:
        return ()
    with np.errstate(all="ignore"):
        needed = tuple(g * (c / a) for g, c, a in zip(given, corrected, e.actual, strict=True))
    return needed if all(np.isfinite(value).all() for value in needed) else ()


def _stands_in(e: Explanation, index: int, inner: Frame) -> bool:
    stacks = e.case.bench.program.equations[index].stacks
    return any(f and (f.file, f.function) == (inner.file, inner.function) for stack in stacks for f in stack)


def _is_of_another_activation(e: Explanation, run: tuple[int, ...], out: int) -> bool:
    """Whether a formula gives the slope of a usual activation, be it of its argument or of that activation's result,
    or a value of the loss.
    """
    given = e.case.bench.run.at(out)
    if e.case.slopes.find(given) is not None or e.case.forward.find(given) is not None:
        return True
    for z in map(e.case.bench.run.at, _read(e, run)):
        with np.errstate(all="ignore"):
            s, t = ([function(v) for v in z] for function in (lambda v: 1 / (1 + np.exp(-v)), np.tanh))
        slopes = [[v * (1 - v) for v in s], [1 - v**2 for v in t], [1.0 * (v > 0) for v in z], s]
        slopes += [[v * (1 - v) for v in z], [1 - v**2 for v in z]]
        if any(_relate.same(given, tuple(slope)) for slope in slopes):
            return True
    return False


def _read(e: Explanation, run: tuple[int, ...]) -> set[int]:
    """What equations read of others."""
    equations = [e.case.bench.program.equations[index] for index in run]
    inside = {out for equation in equations for out in equation.outputs}
    return {atom for equation in equations for atom in equation.inputs if isinstance(atom, int)} - inside


def gives_of_another(e: Explanation, run: tuple[int, ...], out: int, expected: Values) -> bool:
    """Whether the equations of a formula give `expected` of another value of the loss than the one they read."""
    return any(_relate.same(given, expected) for given in _of_other_values(e, run, out))


def slopes_of_others(e: Explanation, run: tuple[int, ...], out: int) -> list[Values]:
    """The slopes of the loss that the equations of a formula give of other values than the one they read."""
    each = _of_other_values(e, run, out, same_shape=False)
    return [given for given in each if e.case.slopes.find(given) is not None]


def _of_other_values(e: Explanation, run: tuple[int, ...], out: int, *, same_shape: bool = True) -> Iterator[Values]:
    """What the equations of a formula give of each value of the loss, if they read one."""
    bench, read = e.case.bench, _read(e, run)
    if len(read) != 1:
        return
    [argument] = read
    shape, negative = bench.run.at(argument)[0].shape, tuple(-value for value in bench.run.at(argument))
    for quantity in e.quantities():
        if quantity.kind != "value" or (same_shape and quantity.values[0].shape != shape):
            continue
        if _relate.same(quantity.values, negative):  # whose sign is the formula's own
            continue
        patches = {}
        for index in run:
            positions = [p for p, atom in enumerate(bench.program.equations[index].inputs) if atom == argument]
            if positions:
                patches[index] = with_inputs(positions, lambda point, values=quantity.values: values[point])
        made = [bench.values(run, patches, k) for k in range(bench.count)]
        result = tuple(each[out] for each in made if each is not None and out in each)
        if len(result) == bench.count:
            yield result
