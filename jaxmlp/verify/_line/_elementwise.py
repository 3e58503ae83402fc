"""The slopes of a loss's values by those of their shape that they depend on element by element."""

from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .._program._trace import Equation, Program, traced
from ._quantities import Quantity, Run


ELEMENTWISE = frozenset(
    "add sub mul div neg exp exp2 log log1p expm1 tanh sin cos tan sinh cosh asinh acosh atanh asin acos atan atan2 erf"
    " erfc erf_inv logistic sqrt rsqrt cbrt abs square integer_pow pow max min select_n clamp convert_element_type copy"
    " copy_p name lgamma digamma".split()
)
"""Operations that work element by element, so that their derivative is an array of slopes."""


def slopes_between(
    run: Run, floating: Sequence[int], active: Sequence[int], points: Sequence[Any]
) -> Iterator[Quantity]:
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
