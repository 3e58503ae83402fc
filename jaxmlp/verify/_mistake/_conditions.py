"""Which mistake: what is let through by conditions and masks, beside what must be."""

from dataclasses import replace

import numpy as np

from .._line import _relate
from .._line._bench import RIGHT
from .._line._offers import Offer
from .._line._patches import after
from .._line._relate import Values
from .._program._trace import Literal
from .._report import _words
from .._report._gradient_report import Finding
from .._report._words import Place
from ._explanation import Explanation
from ._names import line_of


_ORDERS = ("gt", "ge", "lt", "le")
_CONDITIONS = (*_ORDERS, "eq", "ne")


def is_of_another_condition(e: Explanation) -> bool:
    """Whether the statement gives what it must, once its conditions are turned at the entries that are wrong."""
    bench, expected = e.case.bench, e.corrected()
    conditions = [i for i in e.run if bench.program.equations[i].name in _CONDITIONS]
    if expected is None or not conditions or expected[0].shape != e.actual[0].shape:
        return False
    wrong = [np.abs(a - b) > RIGHT * np.abs(b).max(initial=0) for a, b in zip(e.actual, expected, strict=True)]
    if all(w.all() for w in wrong):
        return False
    turned = {index: after(0, lambda value, point: value ^ wrong[point]) for index in conditions}
    found = [bench.values(e.run, turned, k) for k in range(bench.count)]
    given = tuple(values[e.out] for values in found if values is not None and e.out in values)
    return len(given) == bench.count and _relate.same(given, expected)


def decides_nothing(e: Explanation, slope: Offer) -> bool:
    """Whether the statement compares numbers, which comes out alike for all of them, and lacks a slope that is one of
    two numbers: that of a leaky relu, where it asks for the sign of something that has none.
    """
    bench = e.case.bench
    compared = [equation for equation in map(bench.program.equations.__getitem__, e.run) if equation.name in _ORDERS]
    asked = [values for equation in compared for values in map(bench.run.at, equation.outputs)]
    asked = [values for values in asked if values[0].shape == slope.shape]
    return bool(asked) and len(np.unique(slope.values[0])) == 2 and all(len(np.unique(values)) == 1 for values in asked)


def asks_another_layer(e: Explanation) -> bool:
    """Whether the statement compares values of the forward pass that are fewer than its own numbers: a slope of one or
    zero is taken at the output of another layer.
    """
    bench = e.case.bench
    compared = [equation for equation in map(bench.program.equations.__getitem__, e.run) if equation.name in _ORDERS]
    asked = [atom for equation in compared for atom in equation.inputs if isinstance(atom, int)]
    values = [bench.run.at(atom) for atom in asked if e.case.is_made_of_params(atom)]
    return any(v[0].size < e.actual[0].size and e.case.forward.find(v) is not None for v in values)


def is_right_on_part_of_a_branch(e: Explanation, expected: Values) -> bool:
    """Whether a statement with two branches gives what it must at some of the entries of one, and not at the others."""
    bench = e.case.bench
    wrong = [np.abs(a - b) > RIGHT * np.abs(b).max(initial=0) for a, b in zip(e.actual, expected, strict=True)]
    for index in e.run:
        equation = bench.program.equations[index]
        if equation.name != "select_n" or bench.run.at(equation.outputs[0])[0].shape != wrong[0].shape:
            continue
        conditions = bench.run.at(equation.inputs[0])
        if conditions[0].shape != wrong[0].shape:
            continue
        in_branch = [np.concatenate([w[c == b] for w, c in zip(wrong, conditions, strict=True)]) for b in (0, 1)]
        if any(branch.any() and not branch.all() for branch in in_branch):
            return True
    return False


def is_masked_in_vain(e: Explanation, expected: Values) -> bool:
    """Whether a mask of the data, such as that of a dropout, makes zeros where none belong; classes are no mask."""
    program, bench, actual = e.case.bench.program, e.case.bench, e.actual
    if actual[0].shape != expected[0].shape:
        return False
    wrong = [(a == 0) & (x != 0) for a, x in zip(actual, expected, strict=True)]
    if not any(w.any() for w in wrong):
        return False
    for variable in (*program.inputs, *program.makers):
        mask = bench.run.at(variable)
        if mask[0].shape != actual[0].shape or mask[0].dtype.kind not in "fb" or not _relate.is_masked_constant(mask):
            continue
        hidden = [(m == 0) & (x != 0) for m, x in zip(mask, expected, strict=True)]
        if all(np.array_equal(w, h) for w, h in zip(wrong, hidden, strict=True)) and not _is_one_of_each(mask[0]):
            if e.case.depends_on(variable).isdisjoint(e.case.params):
                return True
    return False


def _is_one_of_each(mask: np.ndarray) -> bool:
    """Whether along some axis one number alone is not zero everywhere, as where classes are one-hot."""
    return any((np.count_nonzero(mask, axis) == 1).all() for axis in range(mask.ndim) if mask.shape[axis] > 2)


def masked_otherwise(e: Explanation, actual: Values, expected: Values, *, place: Place | None = None) -> Finding | None:
    """That the two differ in where they are zero alone: a wrong mask, or the slope of a relu where a leaky one has a
    smaller slope.
    """
    if not _relate.is_another_mask(actual, expected):
        return None
    slopes = [s.values for s in e.case.knowledge.slopes.values() if s.values[0].shape == actual[0].shape]
    if any(_is_open_where(slope, actual) for slope in slopes):
        return _words.wrong_slope(e.paths, place=place or e.place())
    return _words.wrong_mask(e.paths, place=place or e.place())


def _is_open_where(slope: Values, kept: Values) -> bool:
    """Whether a slope is one number wherever `kept` is not zero, and smaller, but nowhere zero, elsewhere."""
    flat = lambda values: np.concatenate([np.ravel(value) for value in values])
    is_kept, slopes = flat(kept) != 0, flat(slope)
    is_one_number = np.ptp(slopes[is_kept]) == 0 and slopes.all()
    return bool(is_one_number and (np.abs(slopes[~is_kept]) < np.abs(slopes[is_kept][0])).all())


def at_its_condition(e: Explanation, findings: list[Finding]) -> list[Finding]:
    """The findings, at the condition of the forward pass that a value is put through, if all that the value lacks is
    that it is zero in more places: `where(z < 3, da, 0)`, where `z > -3` is needed as well.
    """
    bench, program = e.case.bench, e.case.bench.program
    if e.edit.kind != "times" or e.out is None or len(e.site.instances) > 1:
        return findings
    offer = e.facts["offer"]
    if not all(np.isin(e.mistake.factor * offer.at(0, k), (0.0, 1.0)).all() for k in range(bench.count)):
        return findings
    value = e.out
    while len(users := [i for i in program.users.get(value, ()) if set(bench.reached((i,))) & set(e.paths)]) == 1:
        equation = program.equations[users[0]]
        others = [atom for atom in equation.inputs if atom != value]
        frame = e.case.places[users[0]]
        if equation.name == "select_n" and equation.inputs[0] != value:
            condition, *branches = others
            if not isinstance(condition, int) or condition not in program.makers:
                return findings
            depends = not e.case.depends_on(condition).isdisjoint(e.case.params)
            if frame is None or not depends or not all(_relate.is_zero(bench.run.at(atom)) for atom in branches):
                return findings
            compared = program.equations[program.makers[condition]].inputs
            if not _is_between_bounds(offer, [bench.run.at(atom) for atom in compared]):
                return findings
            place = replace(e.place(), line=line_of(frame, e.case.source), name=None)
            return [_words.wrong_mask(e.paths, place=place)]
        if equation.name not in ("mul", "div", "neg") or not all(isinstance(atom, Literal) for atom in others):
            return findings
        [value] = equation.outputs
    return findings


def _is_between_bounds(offer: Offer, compared: list[_relate.Values]) -> bool:
    """Whether a factor is zero on one side of bounds for something that a condition compares, as a mask that was drawn
    at random is not.
    """
    for values in compared:
        kept = [np.asarray(offer.at(0, point)).astype(bool) for point in range(len(values))]
        if all(value.shape == keep.shape and value.dtype.kind == "f" for value, keep in zip(values, kept, strict=True)):
            sides = [(value[keep], value[~keep]) for value, keep in zip(values, kept, strict=True)]
            if all(not _is_within(*side) for side in sides) or all(not _is_within(*side[::-1]) for side in sides):
                return True
    return False


def _is_within(values: np.ndarray, others: np.ndarray) -> bool:
    """Whether any of `others` lies between `values`."""
    return bool(((others > values.min(initial=np.inf)) & (others < values.max(initial=-np.inf))).any())
