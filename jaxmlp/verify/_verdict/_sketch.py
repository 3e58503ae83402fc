"""Few numbers that stand for a leaf of many, to be taken in a program of JAX: where the leaf is, whole or spread."""

from math import isqrt
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .._report._heat import SIDE
from ._draws import uniform


_EXACT = 2**14
"""How many numbers of a sketch are kept as they are."""

_TAKEN = 128
"""How many rows and columns a sample has, besides those of the largest error."""


ORDINARY = (1e-140, 1e140)
"""Between these the squares of numbers neither overflow nor underflow, nor does the sum of very many."""


def norms(leaf: Any, *parts: Any, ordinary: bool = False) -> tuple[Any, Any]:
    """The largest number and the Euclidean norm of a leaf less `parts`; NaN or inf if a number is.

    Without overflow or underflow, unless the largest number is said to be `ordinary`.
    """
    for part in parts:
        leaf = leaf - part
    if not ordinary:
        largest = jnp.max(jnp.abs(leaf))
        scale = jnp.where((largest > 0) & jnp.isfinite(largest), largest, 1.0)
        largest, size = norms(leaf / scale, ordinary=True)
        return scale * largest, scale * size
    # Both in one reduction, which reads a leaf once and writes nothing of its size: of two the compiler makes, for a
    # leaf that is a transpose, as a weight's gradient is to autodiff, sums by blocks that hold ten times its memory.
    zero = jnp.zeros((), leaf.dtype)
    largest, squares = jax.lax.reduce((jnp.abs(leaf), leaf**2), (zero, zero), _largest_and_sum, range(leaf.ndim))
    # A maximum may pass over a NaN on its way, as XLA's loops on a CPU do; a sum never does.
    return jnp.where(jnp.isnan(squares), jnp.nan, largest), jnp.sqrt(squares)


def _largest_and_sum(one: tuple[Any, Any], other: tuple[Any, Any]) -> tuple[Any, Any]:
    return jnp.maximum(one[0], other[0]), one[1] + other[1]


def sketch(leaf: Any, seed: int = 0) -> Any:
    """A vector for a leaf, linear in it: with the norm of the leaf to a factor of two, as for the difference of two.

    Rows and columns are summed with random weights of variance 1 (Alon, Matias, Szegedy, STOC 1996), so that for an
    error in one row the columns are exact, and the other way round; what is still large is folded and summed again.
    """
    if leaf.size <= _EXACT:
        return leaf.reshape(-1)
    table = _table(leaf)
    weighted = table * (np.sqrt(3) * uniform(table, seed))
    return jnp.concatenate([sketch(weighted.sum(axis=axis), seed + 1 + axis) for axis in (0, 1)]) / np.sqrt(2)


def _table(leaf: Any) -> Any:
    """A leaf with two axes; a vector is folded into about a square and filled with zeros."""
    if leaf.ndim >= 2:
        return leaf.reshape(-1, leaf.shape[-1])
    side = isqrt(leaf.size - 1) + 1
    return jnp.pad(leaf, (0, side * side - leaf.size)).reshape(side, side)


def sample(actual: Any, expected: Any) -> tuple[Any, Any]:
    """Rows and columns of both leaves: some that are evenly spread, and those of the largest error.

    Of more than two axes, all but the last are folded into rows. A leaf of two axes may be as the transpose of the
    other; in a square one the same rows as columns are taken, so that a transpose stays one.
    """
    actual, expected = _rows(actual), _rows(expected)
    rows, columns = (_spread(size) for size in expected.shape)
    if actual.shape == expected.shape:
        error = jnp.abs(actual - expected)
        row, column = jnp.argmax(error.max(axis=1)), jnp.argmax(error.max(axis=0))
        is_square = expected.shape[0] == expected.shape[1]
        worst = (jnp.stack([row, column]),) * 2 if is_square else (row[None], column[None])
        rows, columns = jnp.concatenate([rows, worst[0]]), jnp.concatenate([columns, worst[1]])
        return actual[rows][:, columns], expected[rows][:, columns]
    return actual[columns][:, rows], expected[rows][:, columns]


def _rows(leaf: Any) -> Any:
    return leaf.reshape(-1, leaf.shape[-1] if leaf.ndim else 1)


def _spread(size: int) -> Any:
    return jnp.asarray(np.unique(np.arange(_TAKEN) * size // _TAKEN))


def difference(actual: Any, expected: Any) -> Any:
    """`_heat.difference`, in blocks of one size."""
    actual, expected = _rows(actual), _rows(expected)
    error = jnp.abs(actual - expected)
    error = jnp.where(error == 0, 0.0, error / jnp.max(jnp.abs(expected)))
    for axis in (0, 1):
        size = error.shape[axis]
        block = -(-size // SIDE)
        count = -(-size // block)
        filled = [(0, count * block - size if each == axis else 0) for each in (0, 1)]
        shape = (count, block, -1) if axis == 0 else (error.shape[0], count, block)
        error = jnp.pad(error, filled).reshape(shape).max(axis=axis + 1)
    return error
