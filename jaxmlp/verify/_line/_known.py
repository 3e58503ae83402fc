"""What is known at a point: every value of the loss, its cotangent, the slopes between, and what they are made of."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from .._program._operations import computed
from .._program._trace import Atom, Equation, Literal as Number, Program, traced


Kind: TypeAlias = Literal["value", "cotangent", "slope", "part"]

ELEMENTWISE = frozenset(
    "add sub mul div neg exp exp2 log log1p expm1 tanh sin cos tan sinh cosh asinh acosh atanh asin acos atan atan2 erf"
    " erfc erf_inv logistic sqrt rsqrt cbrt abs square integer_pow pow max min select_n clamp convert_element_type copy"
    " copy_p name lgamma digamma".split()
)
"""Operations that work element by element, so that their derivative is an array of slopes."""

_SAME = 1e-7
"""Two quantities are one if they agree so far, at every point."""


@dataclass(frozen=True, eq=False)
class Quantity:
    """An array that is known, at each point.

    Attributes:
      kind: a value of the loss (or a parameter or an argument), the cotangent of one, the slope of one by another,
        or a part: something that the reference's own backward program computes on the way.
      values: the array at each point.
      variable: the number of the value in the program of the loss; of a slope, that of its numerator.
      by: of a slope, the number of its denominator.
      terms: of a cotangent that is a sum over several uses of its value, the terms.
      is_negative: of a slope, whether it is that of `-a` or `y - a`, or by it, where that of or by `a` is known too.
      is_inside: whether it is a value on the way through a function of one number, as `exp(-z)` is in a sigmoid; or
        the slope of such a value, or by it.
      row: of what belongs to one example alone, the axis of the examples and the number of this one.
    """

    kind: Kind
    values: tuple[np.ndarray, ...]
    variable: int | None = None
    by: int | None = None
    terms: tuple[tuple[np.ndarray, ...], ...] = field(default=(), repr=False)
    row: tuple[int, int] | None = None
    is_negative: bool = False
    is_inside: bool = False

    def equals(self, other: "Quantity") -> bool:
        """Whether the values are the same."""
        return all(
            a.shape == b.shape and np.linalg.norm(a - b) <= _SAME * np.linalg.norm(a)
            for a, b in zip(self.values, other.values, strict=True)
        )


class Run:
    """A program with the value of every variable at each of a few points."""

    def __init__(self, program: Program, points: Sequence[Sequence[Any]]) -> None:
        self.program = program
        self.values = [computed(program, arrays) for arrays in points]

    def at(self, atom: Atom) -> tuple[np.ndarray, ...]:
        """The value of a variable or literal at each point."""
        if isinstance(atom, Number):
            return (atom.value,) * len(self.values)
        return tuple(values[atom] for values in self.values)


@dataclass(frozen=True, eq=False)
class Knowledge:
    """What is known of a loss at a few points: every quantity once, the cotangent of every variable, and its slope
    by every other.
    """

    quantities: tuple[Quantity, ...]
    cotangents: dict[int, Quantity]
    slopes: dict[tuple[int, int], Quantity]
    values: dict[int, Quantity]

    def alike(self, quantity: Quantity) -> Iterator[int]:
        """The variables of the loss with the same value, or cotangent, as that of a quantity."""
        every = self.values if quantity.kind == "value" else self.cotangents
        mine = every[quantity.variable] if quantity.variable in every else quantity
        return (variable for variable, other in every.items() if mine.equals(other))


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
    for slope in _slopes(run, floating, active, points):
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
    return Knowledge(tuple(_distinct(quantities, set(loss.inputs))), cotangents, slopes, values)


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


def _slopes(run: Run, floating: Sequence[int], active: Sequence[int], points: Sequence[Any]) -> Iterator[Quantity]:
    """The slope of every value by every value of its shape that it depends on element by element."""
    loss, moving = run.program, {*floating, *active}
    pairs = [
        (index, position)
        for index, equation in enumerate(loss.equations)
        if equation.name in ELEMENTWISE and equation.outputs[0] in moving
        for position, atom in enumerate(equation.inputs)
        if isinstance(atom, int) and atom in moving
        if loss.shapes[atom].shape == loss.shapes[equation.outputs[0]].shape
    ]

    def local_slopes(values: list[Any]) -> list[Any]:
        return [_local_slope(loss.equations[i], p, v) for (i, p), v in zip(pairs, values, strict=True)]

    inputs = [[run.at(atom) for atom in loss.equations[index].inputs] for index, _ in pairs]
    first = [[values[0] for values in row] for row in inputs]
    program = traced(local_slopes, first)
    flat = [[values[k] for row in inputs for values in row] for k in range(len(points))]
    local = Run(program, flat)
    users: dict[int, list[tuple[int, tuple[np.ndarray, ...]]]] = {}
    for (index, position), out in zip(pairs, program.outputs, strict=True):
        variable = loss.equations[index].inputs[position]
        assert isinstance(variable, int)
        users.setdefault(variable, []).append((index, local.at(out)))
    for start in users:
        yield from _slopes_by(loss, start, users)


def _slopes_by(loss: Program, start: int, users: dict[int, list[Any]]) -> Iterator[Quantity]:
    slopes: dict[int, tuple[np.ndarray, ...]] = {}
    pending, seen = [start], {start}
    reached: dict[int, list[tuple[int, Any]]] = {}
    while pending:
        variable = pending.pop()
        for index, local in users.get(variable, ()):
            out = loss.equations[index].outputs[0]
            reached.setdefault(out, []).append((variable, local))
            if out not in seen:
                seen.add(out)
                pending.append(out)
    for out in sorted(reached):  # variables are numbered in the order of execution
        total: tuple[np.ndarray, ...] | None = None
        for variable, local in reached[out]:
            upstream = slopes.get(variable)
            with np.errstate(all="ignore"):  # what is not finite is left out of what is known
                term = local if variable == start else tuple(a * b for a, b in zip(upstream or (), local, strict=True))
            total = term if total is None else tuple(a + b for a, b in zip(total, term, strict=True))
        assert total is not None
        slopes[out] = total
        yield Quantity("slope", total, out, start)


def _local_slope(equation: Equation, position: int, values: Sequence[Any]) -> Any:
    def function(operand: Any) -> Any:
        return equation.bind(*[operand if p == position else value for p, value in enumerate(values)])[0]

    operand = values[position]
    return jax.jvp(function, (operand,), (jnp.ones_like(operand),))[1]


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
        if size == 0 or (quantity.kind in ("slope", "part") and np.ptp(flat) <= _SAME * size):
            continue
        shape, step = quantity.values[0].shape, math.floor(math.log(size) / (2 * _SAME))
        others = [
            other
            for near in (step - 1, step, step + 1)
            for other, first in seen.get((shape, near), ())
            if not _may_be_both(first, quantity, arguments)
        ]
        if others and (np.linalg.norm(np.stack(others) - flat, axis=1) <= _SAME * size).any():
            continue
        seen.setdefault((shape, step), []).append((flat, quantity))
        yield quantity


def _may_be_both(first: Quantity, second: Quantity, arguments: set[int]) -> bool:
    is_value = first.kind == "value"
    return is_value and (second.kind == "cotangent" or (second.kind == "slope" and first.variable in arguments))
