"""A mistake put into the program of the true gradient, and what its words need."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._line import _relate
from .._line._localize import Mistake
from .._line._offers import Offer
from .._line._quantities import Quantity
from .._line._relate import Values
from .._program._stacks import Frame
from .._program._trace import Atom
from .._report import _words
from .._report._words import Place
from ._case import Case
from ._names import line_of


@dataclass(frozen=True)
class Mutant:
    """A mistake put into the program of the true gradient, and what its words need.

    Attributes:
      case: the true gradient, without the mistake.
      mistake: what is put into it.
      frames: where each equation of the loss stands.
      scaled: the leaves that are a multiple of what they must be.
    """

    case: Case
    mistake: Mistake
    frames: Sequence[Frame | None]
    scaled: frozenset[str]

    @property
    def paths(self) -> tuple[str, ...]:
        return self.mistake.leaves

    @property
    def facts(self) -> dict[str, Any]:
        return self.mistake.edit.facts

    @property
    def place(self) -> Place:
        return self._at(self.mistake.site.frame)

    def place_of(self, slope: Quantity) -> Place:
        """The line of the activation."""
        maker = self.case.loss.program.makers.get(slope.variable) if slope.variable is not None else None
        return self._at(self.mistake.site.frame if maker is None else self.frames[maker])

    def place_of_term(self, atom: Atom) -> Place:
        """The line of the use that a term of a sum of cotangents comes from."""
        maker = self.case.bench.program.makers.get(atom) if isinstance(atom, int) else None
        is_of_cotangents = self.facts["equation"].name == "add_any"
        return self._at(self.case.places[maker]) if is_of_cotangents and maker is not None else self.place

    def _at(self, frame: Frame | None) -> Place:
        return Place(line_of(frame, self.case.source), evidence=_words.in_the_loss())

    @property
    def changed(self) -> list[Values]:
        """What the equations give that are changed."""
        program, run = self.case.bench.program, self.case.bench.run
        return [run.at(out) for index in self.mistake.patches for out in program.equations[index].outputs]

    @property
    def is_forward(self) -> bool:
        """Whether it is the forward pass that is changed, and nothing that serves as a cotangent too."""
        return all(
            self.case.forward.find(values) is not None and self.case.backward.scale(values) is None
            for values in self.changed
        )

    @property
    def slopes(self) -> list[Quantity]:
        """The slopes of activations."""
        return [q for q in self.case.knowledge.slopes.values() if self.is_of_an_activation(q)]

    def is_of_an_activation(self, quantity: Quantity) -> bool:
        return quantity.kind == "slope" and not self.case.is_arithmetic(quantity)

    @property
    def activation(self) -> Quantity | None:
        """The slope of the activation that stands on the line."""
        of_a_line = (q for q in self.slopes if self.place_of(q).line == self.place.line)
        return next(of_a_line, None)

    @property
    def is_within_a_slope(self) -> bool:
        """Whether what is changed is a part of what the slope of an activation is made of."""
        found, users = (self.case.backward.find(values) for values in self.changed), self.case.loss.program.users
        used = (q.variable for q in found if q is not None and q.variable is not None)
        if self.activation is None or any(self.case.forward.find(values) is not None for values in self.changed):
            return False
        return all(len(users.get(variable, ())) < 2 for variable in used)

    def is_slope(self, values: Values) -> bool:
        """Whether they are the slope of an activation."""
        return any(values[0].shape == q.values[0].shape and _relate.same(values, q.values) for q in self.slopes)

    def described(self, offer: Offer) -> str | None:
        """What the loss calls it, be it before it is broadcast."""
        names, values = self.case.names, offer.values[0]
        return offer.name or (names.known(offer.quantity) if offer.quantity else None) or self._broadcast(values)

    def _broadcast(self, values: Values) -> str | None:
        shape = values[0].shape
        for variable, name in self.case.names.by_variable.items():
            mine = self.case.bench.run.at(variable)
            sizes = zip(mine[0].shape[::-1], shape[::-1], strict=False)
            if mine[0].ndim <= len(shape) and all(own in (1, size) for own, size in sizes):
                if _relate.same(tuple(np.broadcast_to(value, shape) for value in mine), values):
                    return name
        return None
