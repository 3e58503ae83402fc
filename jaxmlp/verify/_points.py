"""Where a gradient is looked at: the caller's point, seeded ones near it, and barely moved ones."""

import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ._tree import named_leaves


class Move(NamedTuple):
    """By what fraction of its size every parameter moves, and which random draw decides where to."""

    by: float
    draw: int


NEAR = (Move(0.1, 0), Move(0.1, 1))
"""To points near the caller's: far enough to break a symmetry or leave a kink, near enough to be like it."""

NUDGES = tuple(Move(1e-5, draw) for draw in range(4))
"""To points barely moved: a gradient changes by about this fraction there, its rounding errors altogether."""


SHAKES = (0, 1, 2, 3)
"""Draws of random rounding."""


def calmed(params: Any) -> Any:
    """`params` with every leaf scaled down to a root mean square of at most 1/2, where few activations saturate."""

    def calm(leaf: Any) -> Any:
        size = np.sqrt(np.mean(np.abs(np.asarray(leaf, np.float64)) ** 2))
        return leaf * float(min(1.0, 0.5 / size)) if size > 0 else leaf

    return jax.tree.map(calm, params)


def moved(params: Any, move: Move) -> Any:
    """`params` with every element moved by up to the fraction `move.by` of its size, seeded by the leaf's name.

    An element that is 0 moves by that fraction of its leaf's root mean square, or of 1 in a leaf of zeros.
    No other element changes its sign, so a variance stays a variance.
    """
    return jax.tree.unflatten(jax.tree.structure(params), list(_moved_leaves(params, move)))


def _moved_leaves(params: Any, move: Move) -> Iterator[Any]:
    for path, leaf in named_leaves(params).items():
        values = np.asarray(leaf)
        size = np.abs(values.astype(np.float64))
        scale = np.where(size > 0, size, np.sqrt(np.mean(size**2)) or 1.0)
        random = np.random.default_rng(zlib.crc32(f"{path}/{move.by}/{move.draw}".encode()))
        elsewhere = (values + move.by * scale * random.uniform(-1, 1, values.shape)).astype(values.dtype)
        yield jnp.asarray(elsewhere) if isinstance(leaf, jax.Array) else elsewhere
