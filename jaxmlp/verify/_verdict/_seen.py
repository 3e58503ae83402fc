"""What the verdict asks of a gradient at a point, however it was looked at."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ._accuracy import Comparison, norm


VALUE = "(value)"
"""The path under which the value of the loss is compared, where the gradient function returns it too."""


class Shown(NamedTuple):
    """A leaf as it is, as it ought to be, and where it is off.

    Attributes:
      actual: as it is, None if there is none; of a large one some rows and columns, see `_sketch.sample`.
      expected: the same of what it ought to be.
      shapes: the shapes that `actual` and `expected` have, or are taken from.
      difference: as in a `LeafCheck`.
    """

    actual: np.ndarray | None
    expected: np.ndarray
    shapes: tuple[tuple[int, ...], tuple[int, ...]] | None
    difference: np.ndarray | None


class Seen(ABC):
    """The loss at a point, and what is to be known of its gradient leaf by leaf.

    Attributes:
      value: the loss.
      dtypes: the dtypes in which the leaves of the gradient under check came: it may lack some, or have too many.
      paths: the leaves that it must have, in the order of `params`.
    """

    value: float
    dtypes: dict[str, Any]

    @property
    @abstractmethod
    def paths(self) -> tuple[str, ...]: ...

    @abstractmethod
    def shape(self, path: str) -> tuple[int, ...]:
        """The shape of the true leaf."""

    @abstractmethod
    def size_of(self, path: str) -> float:
        """The norm of the true leaf; NaN or inf if it is not finite."""

    def scale_of(self, path: str) -> float:
        """What the norm of an error is relative to."""
        return self.size_of(path)

    @abstractmethod
    def compared(self, path: str) -> Comparison:
        """A leaf that `is_comparable`, by its formula alone."""

    @abstractmethod
    def is_comparable(self, path: str) -> bool:
        """Whether there are two finite floating leaves of one shape to subtract."""

    @abstractmethod
    def error(self, path: str) -> np.ndarray:
        """`actual - expected` of a leaf that `is_comparable`; or fewer numbers, about as far apart."""

    @abstractmethod
    def varies(self, path: str, other: "Seen") -> float:
        """By what part of its norm the true leaf is another there."""

    @abstractmethod
    def shown(self, path: str) -> Shown:
        """What there is to see of a wrong leaf."""

    def is_finite(self, path: str) -> bool:
        """Whether the true leaf is finite."""
        return bool(np.isfinite(self.size_of(path)))

    @property
    def extra(self) -> tuple[str, ...]:
        """The leaves that the gradient has too many."""
        return tuple(path for path in self.dtypes if path not in self.paths)

    @property
    def is_true_finite(self) -> bool:
        """Whether the loss and its true gradient are finite: else there is nothing to compare with."""
        return bool(np.isfinite(self.value) and all(map(self.is_finite, self.paths)))

    @property
    def size(self) -> float:
        """The norm of the whole true gradient."""
        return norm(np.array([self.size_of(path) for path in self.paths if path != VALUE]))


@dataclass(frozen=True)
class Own:
    """The gradient in the dtypes of the caller, at the caller's point, beside a truth.

    Attributes:
      value: the loss.
      dtypes: the dtypes in which the leaves come.
      is_finite: whether a leaf is.
      errors: the norm of what a leaf is off by, over that of the truth; None where there is nothing to compare.
      autodiff_errors: the same of what `jax.grad` gives.
    """

    value: float
    dtypes: dict[str, Any]
    is_finite: dict[str, bool]
    errors: dict[str, float | None]
    autodiff_errors: dict[str, float | None]
