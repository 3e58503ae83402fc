"""The numbers of a leaf as leaves of their own: where they are made one by one, several lines may be wrong."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np

from .._program._operations import evaluated
from .._program._trace import Atom, Equation, Literal, Program
from .._program._tree import element
from ._quantities import Run


_TAKES = frozenset(
    "stack concatenate broadcast_in_dim reshape squeeze expand_dims slice transpose rev index copy".split()
)
"""What gives numbers of its operands as they are."""

_TERM_BY_TERM = frozenset(("add", "add_any", "sub", "neg"))


@dataclass(frozen=True)
class Elements:
    """A program that returns some leaves number by number.

    Attributes:
      program: it.
      paths: those of what it returns.
      truth: what each must be, at each point.
      apart: the leaves that it returns so.
    """

    program: Program
    paths: tuple[str, ...]
    truth: tuple[dict[str, Any], ...]
    apart: frozenset[str]


def in_elements(
    run: Run, paths: Sequence[str], truth: Sequence[dict[str, Any]], candidates: Collection[str]
) -> Elements | None:
    """The program with each of the `candidates` in its numbers whose numbers come of different values, if any does."""
    taker, outputs, names, apart = _Taker(run), list[Atom](), list[str](), set[str]()
    numbers = [dict(leaves) for leaves in truth]
    for path, atom in zip(paths, run.program.outputs, strict=True):
        indices = [*np.ndindex(run.at(atom)[0].shape)]
        parts = [taker.number(atom, index) for index in indices] if path in candidates else []
        if len({variable for part in parts for variable in taker.of[part]}) < 2:
            outputs.append(atom)
            names.append(path)
            continue
        apart.add(path)
        outputs += parts
        names += [element(path, index) for index in indices]
        for leaves in numbers:
            leaf = leaves.pop(path)
            leaves.update({element(path, index): np.asarray(leaf[index]) for index in indices})
    program = replace(run.program, equations=tuple(taker.equations), outputs=tuple(outputs), shapes=taker.shapes)
    return Elements(program, tuple(names), tuple(numbers), frozenset(apart)) if apart else None


class _Taker:
    """A program with equations at its end that take single numbers, each from the statement that made it."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.equations, self.shapes = list(run.program.equations), dict(run.program.shapes)
        self.of: dict[Atom, frozenset[int]] = {}
        """What each number was taken from."""
        self._numbers: dict[tuple[Atom, tuple[int, ...]], Atom] = {}

    def number(self, atom: Atom, index: tuple[int, ...]) -> Atom:
        """One number of a value."""
        if (atom, index) not in self._numbers:
            found = self._found(atom, index)
            self._numbers[atom, index] = found
        return self._numbers[atom, index]

    def _found(self, atom: Atom, index: tuple[int, ...]) -> Atom:
        if isinstance(atom, Literal):
            return self._noted(Literal(np.asarray(atom.value)[index]), ())
        maker = self.run.program.makers.get(atom)
        equation = None if maker is None else self.run.program.equations[maker]
        if equation is not None and equation.name in _TAKES:
            return self._taken(equation, index)
        if equation is not None and equation.name in _TERM_BY_TERM:
            each = [self.number(a, index if self.run.at(a)[0].ndim else ()) for a in equation.inputs]
            return self._given(equation.name, equation.params, each, equation.primitive)
        if equation is not None and equation.name in ("scatter", "scatter-add") and self._is_at_one_place(equation):
            return self._put_in(equation, index)
        if not index:
            return self._noted(atom, (atom,))
        found = self._new(Equation("index", {"index": index}, (atom,), (len(self.shapes),), (), None))
        return self._noted(found, (atom,))

    def _taken(self, equation: Equation, index: tuple[int, ...]) -> Atom:
        sizes = [self.run.at(atom)[0].size for atom in equation.inputs]
        starts = np.cumsum([0, *sizes])
        numbered = [
            np.arange(start, start + size, dtype=float).reshape(self.run.at(atom)[0].shape)
            for atom, start, size in zip(equation.inputs, starts, sizes, strict=False)
        ]
        where = int(evaluated(equation, numbered)[0][index])
        which = int(np.searchsorted(starts, where, side="right")) - 1
        return self.number(equation.inputs[which], _index(where - starts[which], numbered[which].shape))

    def _is_at_one_place(self, equation: Equation) -> bool:
        return self.run.at(equation.inputs[1])[0].ndim == 1

    def _put_in(self, equation: Equation, index: tuple[int, ...]) -> Atom:
        operand, places, updates = equation.inputs
        before, into = self.run.at(operand)[0], self.run.at(updates)[0]
        numbered = np.arange(1, into.size + 1, dtype=float).reshape(into.shape)
        where = int(evaluated(equation, [np.zeros(before.shape), self.run.at(places)[0], numbered])[0][index])
        old = self.number(operand, index)
        if not where:
            return old
        new = self.number(updates, _index(where - 1, into.shape))
        return new if equation.name == "scatter" else self._given("add", {}, [old, new], jax.lax.add_p)

    def _given(self, name: str, params: dict[str, Any], inputs: Sequence[Atom], primitive: Any) -> Atom:
        found = self._new(Equation(name, params, tuple(inputs), (len(self.shapes),), (), primitive))
        return self._noted(found, {variable for atom in inputs for variable in self.of[atom]})

    def _new(self, equation: Equation) -> int:
        [variable] = equation.outputs
        self.equations.append(equation)
        first = equation.inputs[0]
        self.shapes[variable] = jax.ShapeDtypeStruct(
            (), (first.value if isinstance(first, Literal) else self.shapes[first]).dtype
        )
        return variable

    def _noted(self, atom: Atom, of: Collection[int]) -> Atom:
        self.of[atom] = frozenset(of)
        return atom


def _index(number: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(map(int, np.unravel_index(number, shape))) if shape else ()
