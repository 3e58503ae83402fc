"""Corrections that are tried on a statement: each is a mistake that people make, undone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain, combinations
from typing import Any

from ._bench import Patches


@dataclass(frozen=True, eq=False)
class Edit:
    """A correction of a statement.

    Attributes:
      kind: which mistake it undoes.
      cost: how much it takes to describe: of two corrections that do the same, the cheaper one is believed.
      patches: what to put in place, for a factor on the corrected value (or on the corrected part of it).
      factor: whether a factor other than 1 may be tried.
      facts: what the words need.
      whole: whether the factor multiplies all that the statement gives.
    """

    kind: str
    cost: float
    patches: Callable[[float], Patches]
    factor: bool = False
    facts: dict[str, Any] = field(default_factory=dict)
    whole: bool = False


def axes_of(ndim: int) -> list[tuple[int, ...]]:
    """Every choice of axes."""
    return axes_among(range(ndim))


def axes_among(axes: Sequence[int]) -> list[tuple[int, ...]]:
    """Every choice of some of the axes, the smallest first."""
    return list(chain.from_iterable(combinations(axes, n) for n in range(1, len(axes) + 1)))
