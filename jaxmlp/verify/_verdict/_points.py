"""Where a gradient is looked at: the caller's point, and what steps lead to from there."""

import zlib
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from .._program._tree import named_leaves, of_its_kind
from ._draws import at_least_float32, uniform


Step: TypeAlias = Callable[[Any], Any]
"""From the parameters at one point to those at another."""


def moved(params: Any, *, by: float, draw: int) -> Any:
    """`params` with every element moved by up to the fraction `by` of its size, seeded by the leaf's name.

    An element that is 0 moves by that fraction of its leaf's root mean square, or of 1 in a leaf of zeros.
    No other element changes its sign, so a variance stays a variance. No fraction is below 8 epsilons of the
    leaf's dtype, so that there is a move at all.
    """
    return shifted(params, by, seeds(params, by=by, draw=draw))


def seeds(params: Any, *, by: float, draw: int) -> list[int]:
    """What `moved` seeds each leaf with."""
    return [zlib.crc32(f"{path}/{by}/{draw}".encode()) for path in named_leaves(params)]


def shifted(params: Any, by: Any, seeds: Any) -> Any:
    """`moved`, with its seeds at hand; also in a program of JAX, where the leaves stay where they are."""

    def shift(leaf: Any, seed: Any) -> Any:
        np_, values = _numbers(leaf)
        size = np_.abs(values)
        scale = np_.where(size > 0, size, _or_one(np_, _root_mean_square(np_, values)))
        fraction = np_.maximum(by, 8 * float(jnp.finfo(jnp.result_type(leaf)).eps)).astype(values.dtype)
        return _like(leaf, values + fraction * scale * uniform(values, seed))

    leaves, structure = jax.tree.flatten(params)
    with np.errstate(all="ignore"):  # an inf stays one, or becomes a NaN: it is nothing to warn of
        return jax.tree.unflatten(structure, [shift(leaf, seeds[i]) for i, leaf in enumerate(leaves)])


def mirrored(params: Any, *, by: float, draw: int) -> Any:
    """`moved`, where a symmetric matrix stays one: half its sum with its transpose."""

    def mirror(leaf: Any, other: Any) -> Any:
        shape = np.shape(leaf)
        if len(shape) != 2 or shape[0] != shape[1]:
            return other
        (np_, before), (_, after) = _numbers(leaf), _numbers(other)
        return _like(leaf, np_.where((before == before.T).all(), (after + after.T) / 2, after))

    return jax.tree.map(mirror, params, moved(params, by=by, draw=draw))


def calmed(params: Any, *, to: float) -> Any:
    """`params` with every leaf scaled down to a root mean square of at most `to`, where fewer activations saturate."""

    def calm(leaf: Any) -> Any:
        np_, values = _numbers(leaf)
        return _like(leaf, values * np_.minimum(1.0, to / _or_one(np_, _root_mean_square(np_, values))))

    with np.errstate(all="ignore"):
        return jax.tree.map(calm, params)


def _numbers(leaf: Any) -> tuple[Any, Any]:
    """NumPy and the leaf in float64; or, in a program of JAX, jax.numpy and the leaf in float32 at least."""
    if isinstance(leaf, Tracer):
        return jnp, leaf.astype(at_least_float32(leaf.dtype))
    return np, np.asarray(leaf).astype(np.float64)


def _like(leaf: Any, values: Any) -> Any:
    """The new values of a leaf, of its kind and dtype."""
    if isinstance(leaf, Tracer):
        return values.astype(leaf.dtype)
    return of_its_kind(leaf, np.asarray(values, jnp.result_type(leaf)))


def _root_mean_square(np_: Any, values: Any) -> Any:
    return np_.sqrt(np_.mean(values**2))


def _or_one(np_: Any, size: Any) -> Any:
    return np_.where(size > 0, size, 1.0)


NEAR: tuple[Step, ...] = tuple(partial(moved, by=0.1, draw=draw) for draw in range(2))
"""To points near by: far enough to break a symmetry or leave a kink, near enough to be like the caller's."""

MIRRORED: tuple[Step, ...] = tuple(partial(mirrored, by=0.1, draw=draw) for draw in range(2))
"""To points near by where the matrices are symmetric that are so at the caller's."""

NUDGES: tuple[Step, ...] = tuple(partial(moved, by=1e-5, draw=draw) for draw in range(4))
"""To points barely moved: a gradient changes by about this fraction there, its rounding errors altogether."""

CALM: tuple[tuple[Step, Step], ...] = tuple((partial(calmed, to=to), NEAR[0]) for to in (0.5, 0.03, 0.002))
"""To points where a mistake in the formula shows, if one does anywhere: the calmer ones for large inputs."""

SHAKES = range(4)
"""Draws of random rounding."""
