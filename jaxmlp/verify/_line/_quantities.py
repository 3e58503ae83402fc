"""What may be known at a few points: a program's values there, and the quantities of a loss."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeAlias

import numpy as np

from .._program._operations import computed
from .._program._trace import Atom, Literal as Number, Program


Kind: TypeAlias = Literal["value", "cotangent", "slope", "part"]

SAME = 1e-7
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
            a.shape == b.shape and np.linalg.norm(a - b) <= SAME * np.linalg.norm(a)
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
    by every other; which variables are others of the loss in another layout, where only the candidate has that; and
    what makes the cotangents that each term of the loss has alone.
    """

    quantities: tuple[Quantity, ...]
    cotangents: dict[int, Quantity]
    slopes: dict[tuple[int, int], Quantity]
    values: dict[int, Quantity]
    laid_out: dict[int, int] = field(default_factory=dict)
    take_apart: Callable[[], list[dict[int, tuple[np.ndarray, ...]]]] = list

    @cached_property
    def of_each_term(self) -> list[dict[int, tuple[np.ndarray, ...]]]:
        """The cotangents of every variable, for each term of the loss if that is a sum."""
        return self.take_apart()

    def has_number(self, values: Sequence[np.ndarray]) -> bool:
        """Whether a number is one of those of a value."""
        number = np.array([[np.ravel(value)[0]] for value in values])
        return bool((np.abs(self._numbers - number) <= SAME * np.abs(number)).all(axis=0).any())

    @cached_property
    def _numbers(self) -> np.ndarray:
        """All numbers of the values, in one row for each point."""
        values = [quantity.values for quantity in self.values.values()]
        return np.stack([np.concatenate([np.zeros(1), *map(np.ravel, at)]) for at in zip(*values, strict=True)])

    def in_the_loss(self, variable: int | None) -> int | None:
        """The variable of the loss, of one that may be it in another layout."""
        return None if variable is None else self.laid_out.get(variable, variable)

    def alike(self, quantity: Quantity) -> Iterator[int]:
        """The variables of the loss with the same value, or cotangent, as that of a quantity."""
        every = self.values if quantity.kind == "value" else self.cotangents
        mine = every[quantity.variable] if quantity.variable in every else quantity
        return (variable for variable, other in every.items() if mine.equals(other))
