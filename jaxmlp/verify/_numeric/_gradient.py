"""The gradient of a loss from its values alone: it sees what automatic differentiation takes on trust."""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ._differences import joined, ladder, Slopes, slopes
from ._lines import in_float64, Lines


COORDINATES = 512
"""Up to so many numbers in `params`, each is moved by itself."""

DIRECTIONS = 16
"""Beyond, along so many random directions a leaf."""


@dataclass(frozen=True)
class LeafSlopes:
    """What was measured of one leaf.

    Attributes:
      shape: the shape of the leaf.
      directions: shape (lines, size), Gaussian; None where each line is one coordinate of the leaf, in order.
      slopes: the slope along each line, with its error bar.
    """

    shape: tuple[int, ...]
    directions: np.ndarray | None
    slopes: Slopes

    def along(self, gradient: np.ndarray) -> np.ndarray:
        """What the slopes ought to be for a gradient of this leaf."""
        return gradient.ravel() if self.directions is None else self.directions @ gradient.ravel()


@dataclass(frozen=True)
class Numeric:
    """A gradient measured by central differences.

    Attributes:
      value: the loss.
      leaves: what was measured of every floating leaf, by path.
      is_random: whether the loss gives another value at every call: then the slopes mean nothing.
      precision: the dtype of the values: "float64" wherever the loss allows it.
    """

    value: float
    leaves: dict[str, LeafSlopes]
    is_random: bool
    precision: str


def numeric_gradient(loss: Callable[..., Any], params: Any, *args: Any, directions: int | None = None) -> Numeric:
    """The gradient of `loss(params, *args)`, which is evaluated, in float64 if it can be, and never differentiated.

    Args:
      loss: returns a floating scalar. What JAX can trace is compiled and evaluated at many points at once; NumPy
        code and kernels are called as black boxes.
      params: a tree; each floating leaf is measured.
      directions: how many random directions a leaf is measured along; a leaf with no more numbers than that is
        measured number by number. None for every number of small `params` and 16 directions in larger ones. Seeded
        by the leaf's name.

    Raises:
      TypeError: `loss` does not return a floating number.
      ValueError: `loss` does not return a scalar, or `directions` is not positive.
    """
    if directions is not None and directions < 1:
        raise ValueError(f"`directions` must be at least 1, got {directions}.")
    return in_float64(lambda params, args: _measured(Lines(loss, params, args), directions), params, args)


def _measured(lines: Lines, directions: int | None) -> Numeric:
    most = directions or (COORDINATES if lines.size <= COORDINATES else DIRECTIONS)
    leaves, start = {}, 0
    for path, leaf in lines.leaves.items():
        drawn = None
        if leaf.size > most:
            drawn = np.random.default_rng(zlib.crc32(path.encode())).standard_normal((most, leaf.size))
        parts = [
            slopes(lines.along(part, start), ladder(scale(leaf)), lines.eps)
            for part in _parts(drawn, leaf.size, lines.most)
        ]
        leaves[path] = LeafSlopes(leaf.shape, drawn, joined(parts))
        start += leaf.size
    return Numeric(lines.value, leaves, lines.is_random, lines.precision)


def scale(leaf: np.ndarray) -> float:
    """The root mean square of a leaf: what a step in it is to be compared with."""
    return float(np.sqrt(np.mean(leaf.astype(np.float64) ** 2))) if leaf.size else 0.0


def _parts(drawn: np.ndarray | None, size: int, most: int) -> Iterator[np.ndarray]:
    """The directions, or else the coordinates, at most `most` at a time."""
    count = size if drawn is None else len(drawn)
    for first in range(0, count, most):
        last = min(first + most, count)
        yield np.eye(last - first, size, first) if drawn is None else drawn[first:last]
