"""What takes the place of an equation: its result changed, or one of its operands."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .._program._operations import evaluated
from .._program._trace import Equation
from ._bench import Evaluate, Patch, Read


def after(place: int, change: Callable[[np.ndarray, int], np.ndarray]) -> Patch:
    """The equation, with its output at `place` changed."""

    def patch(inputs: list[np.ndarray], evaluate: Evaluate, read: Read, point: int) -> list[np.ndarray]:
        outputs = list(evaluate(inputs))
        outputs[place] = change(outputs[place], point)
        return outputs

    return patch


def with_input(position: int, change: Callable[[np.ndarray], np.ndarray]) -> Patch:
    """The equation, with its input at `position` changed."""

    def patch(inputs: list[np.ndarray], evaluate: Evaluate, read: Read, point: int) -> list[np.ndarray]:
        return evaluate([change(value) if p == position else value for p, value in enumerate(inputs)])

    return patch


def with_inputs(positions: Sequence[int], get: Callable[[int], np.ndarray]) -> Patch:
    """The equation, with another value for its inputs at `positions`."""

    def patch(inputs: list[np.ndarray], evaluate: Evaluate, read: Read, point: int) -> list[np.ndarray]:
        return evaluate([get(point) if p in positions else value for p, value in enumerate(inputs)])

    return patch


@dataclass(frozen=True)
class WithAnother:
    """The equation, with another variable, which it `reads`, for its inputs at `positions`."""

    positions: Sequence[int]
    reads: int

    def __call__(self, inputs: list[np.ndarray], evaluate: Evaluate, read: Read, point: int) -> list[np.ndarray]:
        return evaluate([read(self.reads) if p in self.positions else value for p, value in enumerate(inputs)])


def then_scaled(patch: Patch | None, c: float) -> Patch:
    """A patch, or the equation itself, with all it gives multiplied by `c`."""

    def scaled(inputs: list[np.ndarray], evaluate: Evaluate, read: Read, point: int) -> list[np.ndarray]:
        return [c * out for out in (patch(inputs, evaluate, read, point) if patch else evaluate(inputs))]

    return scaled


def product_of(swap: bool, turn: tuple[bool, bool]) -> Patch:
    """A product of two matrices the other way round, or of their transposes."""

    def patch(inputs: list[np.ndarray], evaluate: Evaluate, read: Read, point: int) -> list[np.ndarray]:
        a, b = (operand.T if t else operand for operand, t in zip(inputs, turn, strict=True))
        return evaluate([b, a] if swap else [a, b])

    return patch


def without_count(inputs: list[np.ndarray], evaluate: Evaluate, read: Read, point: int) -> list[np.ndarray]:
    """What is divided by one computed number, undivided."""
    divided, by = inputs
    if np.ptp(by) > 0:
        raise ValueError("this is no number")
    return [divided]


def elementwise(inputs: list[np.ndarray], evaluate: Evaluate, read: Read, point: int) -> list[np.ndarray]:
    """The product of two matrices, or of two rows, number by number, where they were multiplied as matrices."""
    a, b = inputs
    if a.shape != b.shape and a.size == b.size == max(*a.shape, *b.shape):
        a, b = a.ravel(), b.ravel()
    if a.shape != b.shape or a.ndim not in (1, 2):
        raise ValueError("these are no two matrices of one shape")
    return [a * b]


def aligned(which: int) -> Patch:
    """An operation on two rows of numbers that paired each with every other: now number by number.

    In the shape of the operand `which`.
    """

    def patch(inputs: list[np.ndarray], evaluate: Evaluate, read: Read, point: int) -> list[np.ndarray]:
        alone = [_without_copies(value) for value in inputs]
        a, b = alone
        if a.size != b.size or a.size < 2 or a.shape == b.shape:
            raise ValueError("these are no two rows in different directions")
        return evaluate([value.reshape(alone[which].shape) for value in alone])

    return patch


def added(equation: Equation) -> Patch:
    """An operation that sets parts of its first input: now it adds to what stands there, as often as it sets it."""

    def patch(inputs: list[np.ndarray], evaluate: Evaluate, read: Read, point: int) -> list[np.ndarray]:
        if equation.name == "scatter":  # the places may be the same
            return evaluated(replace(equation, name="scatter-add"), inputs)
        return [inputs[0] + evaluate([np.zeros_like(inputs[0]), *inputs[1:]])[0]]

    return patch


def changed_by_each(equation: Equation) -> Patch:
    """A scatter that sets `x[i] + d`: now each `d` changes `x[i]`, where several are put at one place."""
    adds = replace(equation, name="scatter-add")

    def patch(inputs: list[np.ndarray], evaluate: Evaluate, read: Read, point: int) -> list[np.ndarray]:
        before, where, after = inputs
        often = evaluated(adds, [np.zeros_like(before), where, np.ones_like(after)])[0]
        if often.max(initial=0) <= 1:
            raise ValueError("nothing is put over another")
        return [evaluated(adds, [np.zeros_like(before), where, after])[0] + (1 - often) * before]

    return patch


def _without_copies(value: np.ndarray) -> np.ndarray:
    """What was broadcast to `value`: one of each axis along which it is all the same."""
    for axis in range(value.ndim):
        first = np.take(value, [0], axis)
        if (value == first).all():
            value = first
    return value


def divided(value: np.ndarray, by: np.ndarray) -> np.ndarray:
    """A quotient, silent where it is not finite."""
    with np.errstate(all="ignore"):
        return np.asarray(value / by)
