"""Which mistake, where a statement of single numbers runs many times: told from all of its runs together."""

from collections.abc import Iterator, Sequence

import numpy as np

from .._line import _relate
from .._line._quantities import Quantity
from .._line._relate import Values
from .._program._sites import results
from .._report import _words
from .._report._gradient_report import Finding
from ._explanation import Explanation


_LEAST = 4
"""In how many runs, at least, a factor is to be another number of one array."""

_SAME = 1e-8


def another_factor_in_each_run(e: Explanation) -> Finding | None:
    """A product in which a number of one array stands, in each run, where one of another array belongs."""
    every = every_run(e) if len(e.mistake.instances) >= _LEAST else None
    if every is None:
        return None
    actual, expected = every
    for name, used in _factors(e):
        if used[0].shape != actual[0].shape or not all(a.all() and x.all() for a, x in zip(*every, strict=True)):
            continue
        needed = tuple(u * (x / a) for u, x, a in zip(used, expected, actual, strict=True))
        if _relate.is_constant(needed) or _relate.multiple(needed, used) is not None:
            continue
        for quantity in e.case.knowledge.quantities:
            if quantity.kind in ("value", "cotangent") and _consists_of(needed, quantity):
                instead = e.case.names.known(quantity)
                return _words.wrong_operand(e.paths, used=name, instead=instead, place=e.place())
    return None


def the_same_factor_in_each_run(e: Explanation) -> Finding | None:
    """A product in which every run computes the same array anew that is right in one run alone: as in a loop that
    takes the slope at the values of the last example.
    """
    every = every_run(e) if len(e.mistake.instances) > 1 else None
    if every is None or every[0][0][0].size < 2:
        return None
    equations = e.case.bench.program.equations
    for spots in zip(*e.mistake.instances, strict=False):
        products = [equations[index].inputs for index in spots if equations[index].name == "mul"]
        for factors in zip(*products, strict=False) if len(products) == len(spots) else ():
            used = stacked(e, [*factors]) if len({*factors}) == len(spots) else None
            is_one = used is not None and used[0].shape == every[0][0].shape and not np.ptp(used[0], axis=0).any()
            if is_one and sum(_relate.same(a, x) for a, x in zip(*map(_runs, every), strict=True)) == 1:
                return _words.wrong_operand(e.paths, used=e.case.names.of(factors[0]), instead=None, place=e.place())
    return None


def _runs(every: Values) -> list[Values]:
    """What is given in each run."""
    return [tuple(value[run] for value in every) for run in range(len(every[0]))]


def a_factor_too_much(e: Explanation) -> Finding | None:
    """A number that a product has in each run, and that does not belong there."""
    every = every_run(e) if len(e.mistake.instances) > 1 else None
    if every is None:
        return None
    actual, expected = every
    for name, used in _factors(e):
        if used[0].shape == actual[0].shape and not _relate.is_constant(used):
            product = tuple(x * u for x, u in zip(expected, used, strict=True))
            if _relate.multiple(actual, product) is not None:
                return _words.extra_factor(e.paths, what=name, place=e.place())
    return None


def a_slope_in_each_run(e: Explanation) -> Finding | None:
    """A slope of the loss that is missing or too much, of which each run takes one number."""
    every = every_run(e) if len(e.mistake.instances) > 1 else None
    if every is None or every[0][0].ndim > 1:
        return None
    actual, expected = every
    for quantity in e.case.knowledge.quantities:
        is_a_slope = quantity.kind == "slope" and quantity.values[0].size == actual[0].size
        if not is_a_slope or _relate.is_constant(quantity.values) or e.case.is_arithmetic(quantity):
            continue
        for order in ("C", "F"):
            slope = tuple(np.ravel(value, order) for value in quantity.values)
            for one, other, words in (
                (actual, expected, _words.missing_slope),
                (expected, actual, _words.extra_slope),
            ):
                if _relate.multiple(tuple(a * s for a, s in zip(one, slope, strict=True)), other) is not None:
                    return words(e.paths, slope=e.case.names.known(quantity), place=e.place())
    return None


def _factors(e: Explanation) -> Iterator[tuple[str | None, Values]]:
    """What the runs multiply with, in all of them together."""
    equations = e.case.bench.program.equations
    for spots in zip(*e.mistake.instances, strict=False):
        if {equations[index].name for index in spots} != {"mul"}:
            continue
        for position in (0, 1):
            atoms = [equations[index].inputs[position] for index in spots]
            variables = [atom for atom in atoms if isinstance(atom, int)]
            used = stacked(e, variables) if len(variables) == len(atoms) else None
            if used is not None:
                yield e.case.names.of(variables[0]), used


def _consists_of(values: Values, quantity: Quantity) -> bool:
    """Whether each number is one of those of a quantity, all with one sign, and most of these are there."""
    if quantity.values[0].size < 2 or quantity.values[0].size > values[0].size:
        return False
    for sign in (1, -1) if quantity.kind == "cotangent" else (1,):
        near = [
            np.abs(np.ravel(value)[:, None] - sign * np.ravel(other)) <= _SAME * np.abs(other).max()
            for value, other in zip(values, quantity.values, strict=True)
        ]
        if all(n.any(axis=1).all() and 2 * n.any(axis=0).sum() >= n.shape[1] for n in near):
            return True
    return False


def every_run(e: Explanation) -> tuple[Values, Values] | None:
    """What the statement gives in all of its runs that are corrected, and what it must give, if that is known."""
    bench, position = e.case.bench, e.facts.get("position", 0)
    given = [results(bench.program, instance) for instance in e.mistake.instances]
    if not e.mistake.patches or any(position >= len(outs) for outs in given):
        return None
    outs = [outs[position] for outs in given]
    everything = range(min(e.mistake.patches), e.mistake.instances[-1][-1] + 1)
    found = [bench.values(everything, e.mistake.patches, k) for k in range(bench.count)]
    actual = stacked(e, outs)
    if actual is None or any(values is None for values in found):
        return None
    made = [[values.get(out, bench.run.values[k][out]) for out in outs] for k, values in enumerate(found) if values]
    if {value.shape for values in made for value in values} != {actual[0].shape[1:]}:
        return None
    return actual, tuple(np.stack(values) for values in made)


def stacked(e: Explanation, variables: Sequence[int]) -> Values | None:
    """The values of a variable in all runs; None if they have not one shape, or are no floating numbers."""
    each = [e.case.bench.run.at(variable) for variable in variables]
    if any(v[0].shape != each[0][0].shape or v[0].dtype.kind != "f" for v in each):
        return None
    return tuple(np.stack(values) for values in zip(*each, strict=True))
