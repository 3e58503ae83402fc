"""What each term of a loss that is a sum adds to the cotangents: those of an error and of a penalty, of two heads."""

from collections.abc import Collection, Iterator, Sequence
from functools import partial
from typing import Any

import jax

from .._program._trace import Program, traced
from ._quantities import Run
from ._relate import Values


_MOST = 6
"""Of how many terms each is looked at."""

_SUMS = frozenset(("add", "sub", "add_any"))

_SCALES = frozenset(("neg", "mul", "div", "reduce_sum", "convert_element_type", "copy", "reshape", "squeeze"))
"""Operations that a sum is only scaled, or added up further, by."""


def of_each_term(
    loss: Program, active: Sequence[int], wanted: Sequence[int], points: Sequence[Sequence[Any]]
) -> list[dict[int, Values]]:
    """For each term of a loss, the cotangents of the variables `wanted`, among them the parameters `active`, with the
    other terms held; none if it is no sum.

    To be called where 64-bit types are on.
    """
    moving = _moving(loss, active)
    found = []
    for held in _alone(loss, moving):
        alone = partial(_with_some_held, loss, active, wanted, held)
        backward = Run(traced(alone, [*points[0]]), points)
        found.append({v: backward.at(out) for v, out in zip(wanted, backward.program.outputs, strict=True)})
    return found


def _alone(loss: Program, moving: Collection[int]) -> list[frozenset[int]]:
    """For each term of the loss, and for the terms of a term, those of the outermost sums first, what has to be held
    that it moves alone.
    """
    found, pending = list[frozenset[int]](), [(loss.outputs[0], frozenset[int]())]
    while pending:
        atom, held = pending.pop(0)
        terms = [*dict.fromkeys(_terms(loss, atom, moving))]
        each = [(term, held | (frozenset(terms) - {term})) for term in terms if len(terms) > 1]
        if len(found) + len(each) > _MOST:
            break
        found += [held for _, held in each]
        pending += each
    return found


def _moving(loss: Program, active: Sequence[int]) -> set[int]:
    """The variables that depend on the parameters."""
    moving = set(active)
    for equation in loss.equations:
        if not moving.isdisjoint(atom for atom in equation.inputs if isinstance(atom, int)):
            moving.update(equation.outputs)
    return moving


def _terms(loss: Program, atom: Any, moving: Collection[int]) -> Iterator[int]:
    """The terms of a value, if it is a sum, looked for behind sums of numbers and factors that do not move."""
    if atom not in moving or atom not in loss.makers:
        return
    equation = loss.equations[loss.makers[atom]]
    read = [each for each in equation.inputs if isinstance(each, int) and each in moving]
    if len(read) == 1 and (equation.name in _SCALES or equation.name in _SUMS):
        yield from _terms(loss, read[0], moving)
    elif equation.name in _SUMS:
        yield from (each for each in read if each in loss.makers)


def _with_some_held(
    loss: Program, active: Sequence[int], wanted: Sequence[int], held: Collection[int], arrays: Sequence[Any]
) -> list[Any]:
    """The cotangents of the variables `wanted`, where those that are `held` count as numbers."""
    places = {variable: n for n, variable in enumerate(wanted)}

    def value(zeros: list[Any]) -> Any:
        given = dict(zip(loss.inputs, arrays, strict=True))
        given |= {variable: given[variable] + zeros[places[variable]] for variable in active}

        def after(result: Any, equation: Any, inputs: Any) -> Any:
            [out, *_] = equation.outputs
            if out in places:
                result = result + zeros[places[out]]
            return jax.lax.stop_gradient(result) if out in held else result

        return loss.run([given[variable] for variable in loss.inputs], after=after)[0]

    zeros = [jax.numpy.zeros(loss.shapes[variable].shape, loss.shapes[variable].dtype) for variable in wanted]
    return jax.grad(value)(zeros)
