"""What is known at a point: every value of the loss, its cotangent, the slopes between, and what they are made of."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .._program._trace import Atom, Equation, Literal as Number, Program, traced
from ._elementwise import ELEMENTWISE, slopes_between
from ._quantities import Knowledge, Quantity, Run, SAME
from ._terms_of_the_loss import of_each_term


def known(loss: Program, active: Sequence[int], points: Sequence[Sequence[Any]]) -> Knowledge:
    """Everything that is known of a loss: `active` are the variables of its parameters.

    To be called where 64-bit types are on.
    """
    run = Run(loss, points)
    floating = _floating(loss, active)
    quantities = [Quantity("value", run.at(variable), variable) for variable in (*loss.inputs, *floating)]
    inside = _inside(loss)
    quantities = [replace(value, is_inside=value.variable in inside) for value in quantities]
    quantities += [
        Quantity("value", run.at(variable), variable)
        for equation in loss.equations
        for variable in equation.outputs
        if variable not in floating
    ]
    wanted = [*active, *floating]
    backward = Run(traced(lambda arrays: _cotangents(loss, active, floating, arrays), list(points[0])), points)
    cotangents = {
        variable: Quantity("cotangent", backward.at(out), variable, terms=tuple(_terms(backward, out)))
        for variable, out in zip(wanted, backward.program.outputs, strict=True)
    }
    # With a value and its negative both in the loss, what has the wrong sign would be right: it is known once.
    negatives = {out for equation in loss.equations if equation.name == "neg" for out in equation.outputs}
    quantities += [cotangent for variable, cotangent in cotangents.items() if variable not in negatives]
    slopes = {}
    for slope in slopes_between(run, floating, active, points):
        assert slope.variable is not None and slope.by is not None
        slopes[slope.variable, slope.by] = slope
    slopes = {
        pair: replace(slope, is_negative=_is_a_negative(loss, slopes, slope), is_inside=not inside.isdisjoint(pair))
        for pair, slope in slopes.items()
    }
    quantities += [slope for slope in slopes.values() if not slope.is_negative]
    quantities += [
        Quantity("part", backward.at(variable)) for e in backward.program.equations for variable in e.outputs
    ]
    values = {variable: Quantity("value", run.at(variable), variable) for variable in wanted}
    apart = partial(of_each_term, loss, active, wanted, points)
    quantities = list(_distinct(quantities, set(loss.inputs)))
    return Knowledge(tuple(quantities), cotangents, slopes, values, take_apart=apart)


def _inside(loss: Program) -> set[int]:
    """What is computed of one value element by element, and of which the same is done at once."""

    def is_of_one(equation: Equation) -> bool:
        return equation.name in ELEMENTWISE and sum(isinstance(atom, int) for atom in equation.inputs) == 1

    found = set()
    for equation in filter(is_of_one, loss.equations):
        [out], users = equation.outputs, loss.users.get(equation.outputs[0], ())
        if users and out not in loss.outputs and all(is_of_one(loss.equations[user]) for user in users):
            found.add(out)
    return found


def _is_a_negative(loss: Program, slopes: dict[tuple[int, int], Quantity], slope: Quantity) -> bool:
    """Whether it is the slope of `-a` or `y - a`, or by it, where that of or by `a` is known as well."""
    out, by = slope.variable, slope.by
    assert out is not None and by is not None
    pairs = ((_taken_from(loss, out), by), (out, _taken_from(loss, by)))
    others = [slopes[pair] for pair in pairs if pair in slopes]
    return any(all(np.array_equal(a, -b) for a, b in zip(slope.values, other.values, strict=True)) for other in others)


def _taken_from(loss: Program, variable: int) -> Any:
    """What a variable is the negative of, or what is subtracted in it; None if it is neither."""
    maker = _maker(loss, variable)
    return maker.inputs[-1] if maker is not None and maker.name in ("neg", "sub") else None


def _floating(loss: Program, active: Sequence[int]) -> list[int]:
    """The floating variables that depend on the parameters."""
    reached = set(active)
    found = []
    for equation in loss.equations:
        if reached.intersection(atom for atom in equation.inputs if isinstance(atom, int)):
            floating = [out for out in equation.outputs if jnp.issubdtype(loss.shapes[out].dtype, jnp.floating)]
            reached.update(floating)
            found += floating
    return found


def _cotangents(loss: Program, active: Sequence[int], floating: Sequence[int], arrays: Sequence[Any]) -> list[Any]:
    """The cotangents of the parameters and of every floating variable: each gets a zero added, to differentiate by."""
    which = set(floating)
    order = [out in which for equation in loss.equations for out in equation.outputs]

    def value(params: list[Any], zeros: list[Any]) -> Any:
        given = dict(zip(active, params, strict=True))
        added, flags = iter(zeros), iter(order)
        arguments = [given.get(variable, array) for variable, array in zip(loss.inputs, arrays, strict=True)]
        return loss.run(arguments, after=lambda result, *_: result + next(added) if next(flags) else result)[0]

    place = {variable: index for index, variable in enumerate(loss.inputs)}
    zeros = [np.zeros(loss.shapes[variable].shape, loss.shapes[variable].dtype) for variable in floating]
    params, others = jax.grad(value, (0, 1))([arrays[place[variable]] for variable in active], zeros)
    return [*params, *others]


def _terms(backward: Run, atom: Atom) -> Iterator[tuple[np.ndarray, ...]]:
    """The terms of a sum of cotangents, where one value is used several times."""
    equation = _maker(backward.program, atom)
    if equation is None or equation.name != "add_any":
        return
    for term in equation.inputs:
        inner = list(_terms(backward, term))
        yield from inner or [backward.at(term)]


def _maker(program: Program, atom: Atom) -> Equation | None:
    index = None if isinstance(atom, Number) else program.makers.get(atom)
    return None if index is None else program.equations[index]


def _distinct(quantities: Sequence[Quantity], arguments: set[int]) -> Iterator[Quantity]:
    """Each array once, by the first that has it; no integers, nothing that is not finite, no slope or part that is
    one number throughout. What multiplies, such as a mask, is an argument and a slope; `out - y` may be a value and a
    cotangent.
    """
    # Two arrays are no nearer to each other than their norms are: by shape, and by the norm's logarithm in steps of
    # twice what counts as the same.
    seen: dict[tuple[tuple[int, ...], int], list[tuple[np.ndarray, Quantity]]] = {}
    for quantity in quantities:
        if not all(v.dtype.kind in "fb" and v.size and np.isfinite(v).all() for v in quantity.values):
            continue
        flat = np.concatenate([v.ravel() for v in quantity.values]).astype(np.float64)
        size = float(np.linalg.norm(flat))
        if size == 0 or (quantity.kind in ("slope", "part") and np.ptp(flat) <= SAME * size):
            continue
        shape, step = quantity.values[0].shape, math.floor(math.log(size) / (2 * SAME))
        others = [
            other
            for near in (step - 1, step, step + 1)
            for other, first in seen.get((shape, near), ())
            if not _may_be_both(first, quantity, arguments)
        ]
        if others and (np.linalg.norm(np.stack(others) - flat, axis=1) <= SAME * size).any():
            continue
        seen.setdefault((shape, step), []).append((flat, quantity))
        yield quantity


def _may_be_both(first: Quantity, second: Quantity, arguments: set[int]) -> bool:
    is_value = first.kind == "value"
    return is_value and (second.kind == "cotangent" or (second.kind == "slope" and first.variable in arguments))
