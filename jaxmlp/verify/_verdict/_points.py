"""Where a gradient is looked at: the caller's point, and what steps lead to from there."""

import zlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from .._program._tree import named_leaves


Step: TypeAlias = Callable[[Any], Any]
"""From the parameters at one point to those at another."""


def moved(params: Any, *, by: float, draw: int) -> Any:
    """`params` with every element moved by up to the fraction `by` of its size, seeded by the leaf's name.

    An element that is 0 moves by that fraction of its leaf's root mean square, or of 1 in a leaf of zeros.
    No other element changes its sign, so a variance stays a variance. No fraction is below 8 epsilons of the
    leaf's dtype, so that there is a move at all.
    """

    def leaves() -> Iterator[Any]:
        for path, leaf in named_leaves(params).items():
            values = np.asarray(leaf)
            size = np.abs(values.astype(np.float64))
            scale = np.where(size > 0, size, np.sqrt(np.mean(size**2)) or 1.0)
            fraction = max(by, 8 * float(jnp.finfo(values.dtype).eps))
            random = np.random.default_rng(zlib.crc32(f"{path}/{by}/{draw}".encode()))
            elsewhere = (values + fraction * scale * random.uniform(-1, 1, values.shape)).astype(values.dtype)
            yield jnp.asarray(elsewhere) if isinstance(leaf, jax.Array) else elsewhere

    with np.errstate(all="ignore"):  # an inf stays one, or becomes a NaN: it is nothing to warn of
        return jax.tree.unflatten(jax.tree.structure(params), list(leaves()))


def calmed(params: Any, *, to: float) -> Any:
    """`params` with every leaf scaled down to a root mean square of at most `to`, where fewer activations saturate."""

    def calm(leaf: Any) -> Any:
        size = np.sqrt(np.mean(np.asarray(leaf, np.float64) ** 2))
        return leaf * float(min(1.0, to / size)) if size > 0 else leaf

    with np.errstate(all="ignore"):
        return jax.tree.map(calm, params)


NEAR: tuple[Step, ...] = tuple(partial(moved, by=0.1, draw=draw) for draw in range(2))
"""To points near by: far enough to break a symmetry or leave a kink, near enough to be like the caller's."""

NUDGES: tuple[Step, ...] = tuple(partial(moved, by=1e-5, draw=draw) for draw in range(4))
"""To points barely moved: a gradient changes by about this fraction there, its rounding errors altogether."""

CALM: tuple[tuple[Step, Step], ...] = tuple((partial(calmed, to=to), NEAR[0]) for to in (0.5, 0.03, 0.002))
"""To points where a mistake in the formula shows, if one does anywhere: the calmer ones for large inputs."""

SHAKES = range(4)
"""Draws of random rounding."""
