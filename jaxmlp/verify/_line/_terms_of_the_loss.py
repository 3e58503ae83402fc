"""What each term of a loss that is a sum adds to the cotangents: those of an error and of a penalty, of two heads."""

from collections.abc import Collection, Iterator, Sequence
from functools import partial
from typing import Any

import jax

from .._program._trace import Program, traced
from ._quantities import Run
from ._relate import Values


_MOST = 4
"""Of how many terms each is looked at."""

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
    terms = [*dict.fromkeys(_terms(loss, loss.outputs[0], moving))]
    found = []
    for term in terms if 2 <= len(terms) <= _MOST else ():
        held = frozenset(terms) - {term}
        alone = partial(_with_some_held, loss, active, wanted, held)
        backward = Run(traced(alone, [*points[0]]), points)
        found.append({v: backward.at(out) for v, out in zip(wanted, backward.program.outputs, strict=True)})
    return found


def _moving(loss: Program, active: Sequence[int]) -> set[int]:
    """The variables that depend on the parameters."""
    moving = set(active)
    for equation in loss.equations:
        if not moving.isdisjoint(atom for atom in equation.inputs if isinstance(atom, int)):
            moving.update(equation.outputs)
    return moving


def _terms(loss: Program, atom: Any, moving: Collection[int]) -> Iterator[int]:
    """The terms of what the loss gives, looked for behind sums of numbers and factors that do not move."""
    if atom not in moving or atom not in loss.makers:
        return
    equation = loss.equations[loss.makers[atom]]
    read = [each for each in equation.inputs if isinstance(each, int) and each in moving]
    if equation.name in ("add", "sub", "add_any") or (equation.name in _SCALES and len(read) == 1):
        found = [term for each in read for term in _terms(loss, each, moving)]
        yield from found or [atom]
    else:
        yield atom


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
