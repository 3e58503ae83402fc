"""What a value does to a leaf, where the leaf depends on it linearly: found once, and not for every correction tried.

A backward pass is linear in its cotangents. For a random `r`, `<r, leaf>` changes by `<g, change of the value>`, with
`g` the adjoint of the value: so one inner product tells whether a correction can make a leaf right at all.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from heapq import heapify, heappop, heappush
from math import prod
from typing import Any, TypeAlias

import numpy as np
from jax.lax import GatherDimensionNumbers

from ._operations import evaluated, named_axes
from ._trace import Atom, Equation, Literal, Program
from ._windows import gather


Read: TypeAlias = Callable[[Atom], np.ndarray]

LINEAR = frozenset(
    "add add_any sub neg reduce_sum broadcast_in_dim reshape squeeze expand_dims transpose convert_element_type copy"
    " copy_p name concatenate slice rev index stack gather dynamic_slice scatter-add scatter dynamic_update_slice pad"
    " tile".split()
)
"""Operations that are linear in all that they read, indices aside."""


def adjoints(
    program: Program,
    order: Sequence[int],
    leaf: int,
    read: Read,
    projections: Sequence[np.ndarray],
    opaque: set[int],
    cut: frozenset[int] = frozenset(),
) -> dict[int, list[np.ndarray]]:
    """The adjoints of every value that a leaf depends on, one for each projection.

    A value has none where the leaf depends on it through an operation that is not linear or whose adjoint is not
    known, or through an equation in `opaque`.

    Args:
      program: the program of the gradient.
      order: the equations that the leaf comes from, in the order of execution.
      leaf: the variable of the leaf.
      read: the value of a variable or literal.
      projections: arrays like the leaf.
      opaque: equations that have been replaced.
      cut: equations whose results are held, so that nothing passes through them.
    """
    found: dict[int, list[np.ndarray]] = {leaf: list(projections)}
    lost: set[int] = set()
    for index in reversed(order):
        if index in cut or not any(out in lost or out in found for out in program.equations[index].outputs):
            continue
        equation = program.equations[index]
        out = equation.outputs[0]
        variables = [atom for atom in equation.inputs if isinstance(atom, int)]
        given = found.get(out)
        if out in lost or index in opaque or len(equation.outputs) > 1 or given is None:
            lost.update(variables)
            continue
        for position, atom in enumerate(equation.inputs):
            if isinstance(atom, Literal):
                continue
            parts = [pulled(equation, position, g, read) for g in given]
            if any(part is None for part in parts) or _is_twice(equation, atom):
                lost.add(atom)
            elif atom in found:
                found[atom] = [a + b for a, b in zip(found[atom], parts, strict=True)]
            else:
                found[atom] = [part for part in parts if part is not None]
    return {variable: values for variable, values in found.items() if variable not in lost}


def is_linear(program: Program, order: Collection[int], start: set[int]) -> bool:
    """Whether the equations in `order` are linear in the variables `start`, all others held."""
    moving, seen = set(start), set[int]()
    pending = [index for variable in start for index in program.users.get(variable, ())]
    heapify(pending)  # an equation comes after all that makes what it reads
    while pending:
        index = heappop(pending)
        equation = program.equations[index]
        if index in seen or index not in order or moving.issuperset(equation.outputs):
            continue
        seen.add(index)
        moved = [atom for atom in equation.inputs if isinstance(atom, int) and atom in moving]
        if equation.name not in LINEAR and (
            equation.name not in _PULLED
            or len(moved) > 1
            or (equation.name == "div" and moved[0] == equation.inputs[1])
        ):
            return False
        moving.update(equation.outputs)
        for user in (user for out in equation.outputs for user in program.users.get(out, ())):
            heappush(pending, user)
    return True


def is_added(program: Program, order: Sequence[int], start: set[int]) -> bool:
    """Whether the variables `start` only take part in sums on the way, and are multiplied by no array."""
    moving = set(start)
    for index in order:
        equation = program.equations[index]
        moved = [atom for atom in equation.inputs if isinstance(atom, int) and atom in moving]
        if not moved or moving.issuperset(equation.outputs):
            continue
        sizes = [1 if isinstance(atom, Literal) else prod(program.shapes[atom].shape) for atom in equation.inputs]
        if equation.name in ("mul", "div") and all(size > 1 for size in sizes):
            return False
        if equation.name not in LINEAR and equation.name not in ("mul", "div"):
            return False
        moving.update(equation.outputs)
    return True


def _is_twice(equation: Equation, atom: int) -> bool:
    return equation.name not in LINEAR and equation.inputs.count(atom) > 1


def pulled(equation: Equation, position: int, g: np.ndarray, read: Read) -> np.ndarray | None:
    """The adjoint of an operand from that of the result, all other operands held; None if it is not known."""
    rule = _PULLED.get(equation.name)
    return None if rule is None else rule(equation, position, g, read)


def _summed(g: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The adjoint of a broadcast to the shape of `g`."""
    extra = g.ndim - len(shape)
    g = g.sum(axis=tuple(range(extra))) if extra else g
    axes = tuple(axis for axis, size in enumerate(shape) if size == 1 and g.shape[axis] != 1)
    return g.sum(axis=axes, keepdims=True) if axes else g


def _shape(equation: Equation, position: int, read: Read) -> tuple[int, ...]:
    return read(equation.inputs[position]).shape


def _sum(equation: Equation, position: int, g: np.ndarray, read: Read) -> np.ndarray:
    sign = -1 if equation.name == "sub" and position == 1 else 1
    return sign * _summed(g, _shape(equation, position, read))


def _mul(equation: Equation, position: int, g: np.ndarray, read: Read) -> np.ndarray:
    return _summed(g * read(equation.inputs[1 - position]), _shape(equation, position, read))


def _div(equation: Equation, position: int, g: np.ndarray, read: Read) -> np.ndarray | None:
    if position == 1:
        return None
    with np.errstate(all="ignore"):
        return _summed(g / read(equation.inputs[1]), _shape(equation, 0, read))


def _reduce_sum(equation: Equation, position: int, g: np.ndarray, read: Read) -> np.ndarray:
    shape = _shape(equation, position, read)
    return np.broadcast_to(np.expand_dims(g, tuple(equation.params["axes"])), shape)


def _broadcast(equation: Equation, position: int, g: np.ndarray, read: Read) -> np.ndarray:
    shape, axes = _shape(equation, position, read), equation.params["broadcast_dimensions"]
    gone = tuple(axis for axis in range(g.ndim) if axis not in axes)
    return _summed(g.sum(axis=gone), shape)


def _dot_general(equation: Equation, position: int, g: np.ndarray, read: Read) -> np.ndarray | None:
    (lhs, rhs), (batch, _) = equation.params["dimension_numbers"]
    a, b = map(read, equation.inputs)
    if batch:
        mine, other, product = named_axes(equation.params, a.ndim, b.ndim)
        mine, other, another = (mine, other, b) if position == 0 else (other, mine, a)
        return np.einsum(f"{product},{other}->{mine}", g, another)
    mine, other = (lhs, rhs) if position == 0 else (rhs, lhs)
    operand, another = (a, b) if position == 0 else (b, a)
    free = [axis for axis in range(operand.ndim) if axis not in mine]
    others = [axis for axis in range(another.ndim) if axis not in other]
    outer = range(len(free), g.ndim) if position == 0 else range(len(others))
    result = np.tensordot(g, another, (tuple(outer), tuple(others)))
    # Its axes are now the free ones, then those summed over, in the order in which the other operand has them.
    summed = [mine[other.index(axis)] for axis in sorted(other)]
    return np.transpose(result, np.argsort([*free, *summed]))


def _concatenate(equation: Equation, position: int, g: np.ndarray, read: Read) -> np.ndarray:
    axis = equation.params["dimension"]
    sizes = [_shape(equation, p, read)[axis] for p in range(len(equation.inputs))]
    return np.split(g, np.cumsum(sizes)[:-1], axis)[position]


def _reshape(equation: Equation, position: int, g: np.ndarray, read: Read) -> np.ndarray:
    shape, turned = _shape(equation, position, read), equation.params.get("dimensions")
    if turned is None:
        return g.reshape(shape)
    return g.reshape([shape[axis] for axis in turned]).transpose(np.argsort(turned))


def _scattered(equation: Equation, position: int, g: np.ndarray, read: Read) -> np.ndarray | None:
    """The adjoint of taking a part: `g` in its place, zeros elsewhere."""
    if position > 0:  # an index
        return None
    operand, *indices = map(read, equation.inputs)
    # Number 0 is for what is filled in.
    params = {**equation.params, "fill_value": 0} if "fill_value" in equation.params else equation.params
    numbers = np.arange(1, operand.size + 1).reshape(operand.shape)
    [where] = evaluated(replace(equation, params=params), [numbers, *indices])
    return np.bincount(where.ravel(), g.ravel(), operand.size + 1)[1:].reshape(operand.shape)


def _placed(equation: Equation, position: int, g: np.ndarray, read: Read) -> np.ndarray | None:
    """The adjoint of putting arrays into each other: for each of their numbers that of `g` where it comes to stand."""
    operands = [read(atom) for atom in equation.inputs]
    if operands[position].dtype.kind != "f":
        return None
    # Number 0 is for all that is not asked for.
    numbers = [np.zeros(operand.shape, int) if operand.dtype.kind == "f" else operand for operand in operands]
    numbers[position] = np.arange(1, operands[position].size + 1).reshape(operands[position].shape)
    [where] = evaluated(equation, numbers)
    return np.bincount(where.ravel(), g.ravel(), operands[position].size + 1)[1:].reshape(operands[position].shape)


def _gathered(equation: Equation, position: int, g: np.ndarray, read: Read) -> np.ndarray | None:
    """The adjoint of adding updates to parts of an array: of the array `g` itself, of an update its part of `g`."""
    if position != 2:
        return g if position == 0 else None
    _, indices, updates = map(read, equation.inputs)
    numbers = equation.params["dimension_numbers"]
    kept = iter([updates.shape[axis] for axis in numbers.update_window_dims])
    dropped = (*numbers.inserted_window_dims, *numbers.operand_batching_dims)
    back = GatherDimensionNumbers(
        numbers.update_window_dims,
        numbers.inserted_window_dims,
        numbers.scatter_dims_to_operand_dims,
        numbers.operand_batching_dims,
        numbers.scatter_indices_batching_dims,
    )
    sizes = [1 if axis in dropped else next(kept) for axis in range(g.ndim)]
    params = {**equation.params, "dimension_numbers": back, "slice_sizes": sizes, "fill_value": 0}
    return gather(params, g, indices)


def _select(equation: Equation, position: int, g: np.ndarray, read: Read) -> np.ndarray | None:
    if position == 0 or len(equation.inputs) != 3:
        return None
    chosen = np.where(read(equation.inputs[0]), position == 2, position == 1)
    return _summed(g * chosen, _shape(equation, position, read))


def _bounded(equation: Equation, position: int, g: np.ndarray, read: Read) -> np.ndarray | None:
    """The adjoint of what is within its bounds everywhere: a clip that is there in case of need."""
    values = [read(atom) for atom in equation.inputs]
    [result] = evaluated(equation, values)
    mine = values[position]
    return g if mine.shape == result.shape and (mine == result).all() else None


_PULLED: dict[str, Callable[[Equation, int, np.ndarray, Read], Any]] = {
    "add": _sum,
    "add_any": _sum,
    "sub": _sum,
    "neg": lambda equation, position, g, read: -g,
    "mul": _mul,
    "div": _div,
    "reduce_sum": _reduce_sum,
    "broadcast_in_dim": _broadcast,
    "dot_general": _dot_general,
    "reshape": _reshape,
    "squeeze": lambda equation, position, g, read: g.reshape(_shape(equation, position, read)),
    "expand_dims": lambda equation, position, g, read: g.reshape(_shape(equation, position, read)),
    "transpose": lambda equation, position, g, read: np.transpose(g, np.argsort(equation.params["permutation"])),
    "convert_element_type": lambda equation, position, g, read: g,
    "copy": lambda equation, position, g, read: g,
    "copy_p": lambda equation, position, g, read: g,
    "name": lambda equation, position, g, read: g,
    "concatenate": _concatenate,
    "slice": _scattered,
    "rev": _scattered,
    "index": _scattered,
    "gather": _scattered,
    "dynamic_slice": _scattered,
    "scatter-add": _gathered,
    "scatter": _placed,
    "dynamic_update_slice": _placed,
    "pad": _placed,
    "tile": _placed,
    "stack": lambda equation, position, g, read: np.take(g, position, equation.params["axis"]),
    "select_n": _select,
    "max": _bounded,
    "min": _bounded,
    "clamp": _bounded,
}
