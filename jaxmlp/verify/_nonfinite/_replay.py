"""A step run again with every value on its way kept: back from a NaN to where it was born, and to what led there."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from .._program._trace import Atom, Equation, Literal, Program
from ._operations import Cause, cause, is_elementwise, MOVING
from ._sources import again, Element, factors, moved


_COMPILED = 1000
"""A program of more equations is run one operation at a time: to compile it would take longer."""

_BRANCHING = ("while", "scan", "cond")
"""Where another number may change which way is taken, or for how long."""

_Test: TypeAlias = Callable[[Any], Any]


class Place(NamedTuple):
    """One element of what an equation reads or defines."""

    atom: Atom
    element: Element


class Step(NamedTuple):
    """An element that an equation made, in the chain to a NaN; `equation` is the number of its equation."""

    equation: int
    place: Place
    sources: tuple[Place, ...]
    cause: Cause


class Replay:
    """A program with the values of all its variables."""

    def __init__(self, program: Program, values: dict[int, Any]) -> None:
        self.program = program
        self._values = values
        self._sources: dict[Place, tuple[Place, ...]] = {}

    def value(self, atom: Atom) -> np.ndarray:
        """The array of a variable or a literal."""
        return self.raw(atom)

    def at(self, place: Place) -> float:
        """The number at a place; of a complex number what is not finite of it, else its size."""
        number = self.value(place.atom)[place.element]
        return float(abs(number) if np.iscomplexobj(number) else number)

    def outputs(self) -> list[Any]:
        """What the program returns, in the order of its leaves."""
        return [self.raw(atom) for atom in self.program.outputs]

    def equation(self, place: Place) -> Equation | None:
        """What made the number at a place; None for an input, a constant or a literal."""
        index = self.index(place)
        return None if index < 0 else self.program.equations[index]

    def origin(self, place: Place, test: _Test) -> Place:
        """Back from a number that fails `test`, such as `np.isnan`, to the first on its way that fails it."""
        while (equation := self.equation(place)) is not None:
            source = self._culprit(equation, place, test, test)
            if source is None:
                return place
            place = source
        return place

    def sources(self, place: Place) -> tuple[Place, ...]:
        """The elements from which the one at `place` was computed, one an operand; empty if they are too many."""
        equation = self.equation(place)
        if equation is None:
            return ()
        if is_elementwise(equation.name):
            return tuple(Place(atom, _repeated(place.element, self.value(atom).shape)) for atom in equation.inputs)
        if place not in self._sources:
            values = [self.raw(atom) for atom in equation.inputs]
            found: list[tuple[int, Element]] = []
            if equation.name in MOVING:
                found = moved(equation, values, self.value(place.atom).dtype, self._out(equation, place), place.element)
            elif equation.name == "dot_general":
                found = factors(equation, values, place.element)
            self._sources[place] = tuple(Place(equation.inputs[operand], element) for operand, element in found)
        return self._sources[place]

    def moved_from(self, place: Place) -> Place:
        """Back to where the number at `place` was computed or read, past what only moves it."""
        while (equation := self.equation(place)) is not None and equation.name in MOVING:
            sources = self.sources(place)
            if not sources:
                break
            place = sources[0]
        return place

    def chain(self, place: Place) -> list[Step]:
        """What led to the number at `place`, in the order of the program: the last step is the one that made it."""
        steps: dict[Place, Step] = {}
        waiting = [place]
        while waiting:
            place = self.moved_from(waiting.pop())
            equation = self.equation(place)
            if equation is None or place in steps:
                continue
            sources, why = self._why(equation, place)
            steps[place] = Step(self.index(place), place, sources, why)
            waiting += [sources[i] for i in why.follow if not isinstance(sources[i].atom, Literal)]
        return sorted(steps.values(), key=lambda step: step.equation)

    def index(self, place: Place) -> int:
        """That of the equation which made the number at a place; -1 if none did."""
        return self.program.makers.get(place.atom, -1) if isinstance(place.atom, int) else -1

    def _why(self, equation: Equation, place: Place) -> tuple[tuple[Place, ...], Cause]:
        result, sources = self.at(place), self.sources(place)
        numbers = [self.at(source) for source in sources]
        if equation.name == "dot_general" and sources:
            term = numbers[0] * numbers[1]
            why = cause("mul", numbers, term)
            infinite = tuple(i for i in (0, 1) if np.isinf(numbers[i]))
            return sources, why if np.isnan(term) or np.isinf(result) else Cause("inf-minus-inf", infinite)
        if sources:
            return sources, cause(equation.name, numbers, result)
        if np.isfinite(result):
            zeros = [Place(atom, (0,) * self.value(atom).ndim) for atom in equation.inputs if self._is_zero(atom)]
            return (tuple(zeros[:1]), Cause("value", (0,))) if zeros and result == 0 else ((), Cause("value"))
        spoilt = np.isnan if np.isnan(result) else np.isinf
        if (source := self._culprit(equation, place, spoilt, spoilt)) is not None:
            return (source,), Cause("carried", (0,))
        if spoilt is np.isnan and (source := self._culprit(equation, place, np.isinf, spoilt)) is not None:
            return (source,), Cause("inf-minus-inf", (0,))
        return (), Cause("undefined" if spoilt is np.isnan else "overflow")

    def _is_zero(self, atom: Atom) -> bool:
        return self.is_number(atom) and self.value(atom).size > 0 and not self.value(atom).any()

    def _culprit(self, equation: Equation, place: Place, bad: _Test, spoilt: _Test) -> Place | None:
        """An element that is `bad` among the operands and without which the one at `place` were not `spoilt`.

        Where the operation does not tell, by intervention: a harmless number is put in the place of all of them, then
        of ever fewer.
        """
        sources = self.sources(place)
        if sources:
            found = [source for source in sources if self.is_number(source.atom) and bad(self.at(source))]
            return min(found, key=self.index, default=None)
        values = [self.raw(atom) for atom in equation.inputs]
        numbers = [i for i, atom in enumerate(equation.inputs) if self.is_number(atom)]
        numbers.sort(key=lambda i: self.index(Place(equation.inputs[i], ())))
        found = [np.flatnonzero(bad(values[i])) for i in numbers]
        operands = np.repeat(numbers, [len(flat) for flat in found])
        suspects = np.stack([operands, np.concatenate([*found, []])]).astype(int)

        def is_spoilt(kept: np.ndarray) -> bool:
            inputs = list(values)
            for i in numbers:
                harmless = np.where(bad(values[i]), values[i].dtype.type(0.5), values[i]).ravel()
                flat = kept[1, kept[0] == i]
                harmless[flat] = values[i].ravel()[flat]
                inputs[i] = harmless.reshape(values[i].shape)
            return bool(spoilt(again(equation, inputs)[self._out(equation, place)][place.element]))

        if not suspects.size or (equation.name not in _BRANCHING and is_spoilt(suspects[:, :0])):
            return None
        while suspects.shape[1] > 1 and equation.name not in _BRANCHING:
            half = suspects.shape[1] // 2
            suspects = suspects[:, :half] if is_spoilt(suspects[:, :half]) else suspects[:, half:]
        operand, flat = suspects[:, 0].tolist()
        element = tuple(int(i) for i in np.unravel_index(flat, values[operand].shape))
        return Place(equation.inputs[operand], element)

    def is_number(self, atom: Atom) -> bool:
        """Whether something is floating or complex."""
        return jnp.issubdtype(self.raw(atom).dtype, jnp.inexact)

    def raw(self, atom: Atom) -> Any:
        """The array of a variable on the host; random keys stay where they are."""
        if isinstance(atom, Literal):
            return atom.value
        value = self._values[atom]
        if not isinstance(value, np.ndarray) and not jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
            self._values[atom] = value = np.asarray(value)
        return value

    def _out(self, equation: Equation, place: Place) -> int:
        return equation.outputs.index(place.atom) if isinstance(place.atom, int) else 0


def _repeated(element: Element, shape: tuple[int, ...]) -> Element:
    """Which element of an operand an element of the result takes: an axis of size 1 is repeated, and so is a scalar."""
    return tuple(0 if size == 1 else i for i, size in zip(element[len(element) - len(shape) :], shape, strict=True))


def replayer(program: Program) -> Callable[[Sequence[Any]], Replay]:
    """Runs `program` on arrays, in the dtypes that it has and with no two operations fused."""
    inputs = (*program.inputs, *program.constants)
    opened = replace(program, inputs=inputs, constants={})  # what is closed over may be large: no part of the program

    def every(arrays: Sequence[Any]) -> list[Any]:
        results: list[Any] = []

        def kept(result: Any, *_: Any) -> Any:
            if jnp.issubdtype(result.dtype, jnp.inexact):
                result = jax.lax.optimization_barrier(result)
            results.append(result)
            return result

        opened.run(arrays, kept)
        return results

    evaluate = jax.jit(every) if len(program.equations) <= _COMPILED else every
    variables = (*inputs, *(out for equation in program.equations for out in equation.outputs))

    def replay(arrays: Sequence[Any]) -> Replay:
        arrays = (*arrays, *program.constants.values())
        return Replay(program, dict(zip(variables, (*arrays, *evaluate(arrays)), strict=True)))

    return replay
