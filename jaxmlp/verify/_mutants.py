"""Mistakes that people make, planted in the program of a right gradient, one at a time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ._line._bench import Bench, Evaluate, Patch, Patches, Read
from ._line._edits import axes_of
from ._line._patches import then_scaled, with_input, with_inputs
from ._program._trace import Atom, Equation, Literal


@dataclass(frozen=True, eq=False)
class Mutant:
    """One planted mistake.

    Attributes:
      cause: what kind of mistake, in the names of `Finding`.
      index: the equation that it is planted in.
      patches: what to put in place.
    """

    cause: str
    index: int
    patches: Patches


def mutants(bench: Bench, batch: int | None) -> Iterator[Mutant]:
    """Every mistake that can be planted in the equations that some leaf depends on, in their order.

    Those of the cause `"scale-batch"` take the size of the batch, `batch`, where it is known; of one example they
    change nothing.
    """
    returns = [bench.program.makers[variable] for variable in bench.leaves.values()]
    for index in sorted(set().union(*bench.order.values())):
        equation = bench.program.equations[index]
        if index in returns:
            planted = _in_return(bench, index, returns, batch)
        elif _dtype(bench, equation).kind == "b":
            planted = _in_mask(equation)
        elif _dtype(bench, equation).kind == "f":
            planted = _in_equation(bench, index, equation, batch)
        else:
            continue
        for cause, patch in planted:
            yield Mutant(cause, index, patch if isinstance(patch, dict) else {index: patch})


def _in_return(
    bench: Bench, index: int, returns: list[int], batch: int | None
) -> Iterator[tuple[str, Patch | dict[int, Patch]]]:
    """A leaf of another sign, of another size, of zeros, and in the place of the next one of its shape."""
    yield "sign", then_scaled(None, -1.0)
    yield "scale-constant", then_scaled(None, 2.0)
    if batch:
        yield "scale-batch", then_scaled(None, float(batch))
        yield "scale-batch", then_scaled(None, 1 / batch)
    yield "zero-gradient", then_scaled(None, 0.0)
    shape, inputs = _shape(bench, index), bench.program.equations[index].inputs
    for other in returns:
        if other > index and _shape(bench, other) == shape:
            yield (
                "swapped-leaves",
                {index: _reads(bench.program.equations[other].inputs[0]), other: _reads(inputs[0])},
            )
            break


def _in_mask(equation: Equation) -> Iterator[tuple[str, Patch]]:
    if equation.name in ("gt", "ge", "lt", "le"):
        yield "wrong-mask", lambda inputs, evaluate, read, point: [~evaluate(inputs)[0]]


def _in_equation(bench: Bench, index: int, equation: Equation, batch: int | None) -> Iterator[tuple[str, Patch]]:
    name, inputs = equation.name, equation.inputs
    if name in ("mul", "dot_general", "neg"):
        yield "sign", then_scaled(None, -1.0)
    if name == "mul":
        for position in (0, 1):
            yield _without(bench, inputs[1 - position], batch), _kept(position)
        if (a := _argument(bench, inputs)) is not None:  # a (1 - a)
            yield "wrong-activation-derivative", _computed(a, lambda a: 1 - a**2)
    if name == "div":
        yield _without(bench, inputs[1], batch), _kept(0)
    if name in ("add", "add_any", "sub"):
        yield "missing-term", _kept(0)
        yield "missing-term", _kept(1, -1.0 if name == "sub" else 1.0)
        yield "sign", with_input(1, np.negative)
        if name == "sub" and _is_one(inputs[0]) and (a := _squared(bench, inputs[1])) is not None:  # 1 - a^2
            yield "wrong-activation-derivative", _computed(a, lambda a: a * (1 - a))
    if name in ("dot_general", "mul"):
        for position, atom in enumerate(inputs):
            if (other := _another(bench, index, atom)) is not None:
                yield "wrong-operand", _instead(position, other)
    if name == "dot_general":
        for position, atom in enumerate(inputs):
            shape = bench.run.at(atom)[0].shape
            if len(shape) == 2 and shape[0] == shape[1]:
                yield "transposed", with_input(position, np.transpose)
    if name == "reduce_sum":
        yield from _other_axes(bench, equation, batch)


def _other_axes(bench: Bench, equation: Equation, batch: int | None) -> Iterator[tuple[str, Patch]]:
    """A sum over other axes that comes out in the same shape, and a mean over the batch."""
    shape, axes = bench.run.at(equation.inputs[0])[0].shape, tuple(equation.params["axes"])
    count = int(np.prod([shape[axis] for axis in axes]))
    if count == batch:
        yield "scale-batch", then_scaled(None, 1 / count)
    left = [size for axis, size in enumerate(shape) if axis not in axes]
    for other in axes_of(len(shape)):
        if other != axes and [size for axis, size in enumerate(shape) if axis not in other] == left:
            yield "wrong-reduction-axis", lambda inputs, evaluate, read, point, a=other: [np.sum(inputs[0], axis=a)]


def _without(bench: Bench, factor: Atom, batch: int | None) -> str:
    """What it is to leave a factor or a divisor out."""
    if isinstance(factor, Literal):
        return "scale-batch" if batch and float(factor.value) in (batch, 1 / batch) else "scale-constant"
    return "missing-activation-derivative" if _is_slope(bench, factor) else "missing-factor"


def _is_slope(bench: Bench, atom: Atom) -> bool:
    """Whether a value is 1 - a^2, a (1 - a) or a mask, by the way in which it is made."""
    maker = _maker(bench, atom)
    if maker is None:
        return False
    if maker.name == "convert_element_type":
        return bench.run.at(maker.inputs[0])[0].dtype.kind == "b"
    if maker.name == "mul":
        return any(_is_slope(bench, operand) for operand in maker.inputs)
    return maker.name == "sub" and _is_one(maker.inputs[0])


def _argument(bench: Bench, inputs: tuple[Atom, ...]) -> int | None:
    """The `a` of `a (1 - a)`."""
    for a, rest in (inputs, inputs[::-1]):
        maker = _maker(bench, rest)
        if isinstance(a, int) and maker and maker.name == "sub" and _is_one(maker.inputs[0]) and maker.inputs[1] == a:
            return a
    return None


def _squared(bench: Bench, atom: Atom) -> int | None:
    """The `a` of `a^2`."""
    maker = _maker(bench, atom)
    if maker is None or not isinstance(maker.inputs[0], int):
        return None
    power = maker.name == "square" or (maker.name == "integer_pow" and maker.params["y"] == 2)
    product = maker.name == "mul" and maker.inputs[0] == maker.inputs[1]
    return maker.inputs[0] if power or product else None


def _another(bench: Bench, index: int, atom: Atom) -> int | None:
    """The value of the same shape that was computed, or came in, last before an equation."""
    if isinstance(atom, Literal):
        return None
    value = bench.run.at(atom)[0]
    if value.ndim == 0 or value.dtype.kind != "f":
        return None
    before = [out for equation in bench.program.equations[:index] for out in equation.outputs]
    for other in (*reversed(before), *bench.program.inputs):
        candidate = bench.run.at(other)[0]
        if candidate.shape == value.shape and candidate.dtype == value.dtype and not np.array_equal(candidate, value):
            return other
    return None


def _kept(position: int, times: float = 1.0) -> Patch:
    """One of two operands alone."""

    def patch(inputs: list[np.ndarray], evaluate: Evaluate, read: Read, point: int) -> list[np.ndarray]:
        return [times * np.broadcast_to(inputs[position], np.broadcast_shapes(*(value.shape for value in inputs)))]

    return patch


def _instead(position: int, other: int) -> Patch:
    def patch(inputs: list[np.ndarray], evaluate: Evaluate, read: Read, point: int) -> list[np.ndarray]:
        return with_inputs((position,), lambda point: read(other))(inputs, evaluate, read, point)

    return patch


def _reads(atom: Atom) -> Patch:
    return _computed(atom, lambda value: value)


def _computed(atom: Atom, function: Callable[[np.ndarray], np.ndarray]) -> Patch:
    return lambda inputs, evaluate, read, point: [function(read(atom))]


def _maker(bench: Bench, atom: Atom) -> Equation | None:
    index = bench.program.makers.get(atom) if isinstance(atom, int) else None
    return None if index is None else bench.program.equations[index]


def _is_one(atom: Atom) -> bool:
    return isinstance(atom, Literal) and atom.value.ndim == 0 and float(atom.value) == 1.0


def _dtype(bench: Bench, equation: Equation) -> np.dtype:
    return bench.run.values[0][equation.outputs[0]].dtype


def _shape(bench: Bench, index: int) -> tuple[int, ...]:
    return bench.run.values[0][bench.program.equations[index].outputs[0]].shape
