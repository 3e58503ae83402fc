"""How a value differs from the known quantity that ought to be in its place."""

from collections.abc import Iterator, Sequence
from itertools import chain, combinations
from typing import Any

import numpy as np

from .._verdict._accuracy import norm
from ._bench import RIGHT


Values = tuple[np.ndarray, ...]
"""A value at each point."""


def is_zero(values: Values) -> bool:
    """Whether it is zero everywhere."""
    return not any(value.any() for value in values)


def is_a_mask(values: Values) -> bool:
    """Whether it is zeros and ones, and several of them."""
    return values[0].size > 1 and all(np.isin(value, (0, 1)).all() for value in values)


_NOTHING = 1e-9
"""What the rounding of a sum that is zero may leave, beside its terms."""


def is_constant(values: Values) -> bool:
    """Whether it is the same number everywhere, at every point."""
    flat = _flat(values)
    return bool(np.ptp(flat) <= RIGHT * np.abs(flat).max())


def same(a: Values, b: Values) -> bool:
    """Whether two values are equal, of whatever shape."""
    return a[0].size == b[0].size and norm(_flat(a) - _flat(b)) <= RIGHT * norm(_flat(b))


def multiple(a: Values, b: Values) -> float | None:
    """The factor `c` with `a = c b` at every point, if there is one."""
    if a[0].size != b[0].size:
        return None
    x, y = _flat(a), _flat(b)
    size = float(np.vdot(y, y))
    if size == 0 or not np.isfinite(x).all():
        return None
    along = float(np.vdot(x, y))
    if along * along < _ALONG * size * float(
        np.vdot(x, x)
    ):  # not nearly in one direction, by the Cauchy-Schwarz inequality
        return None
    c = along / size
    return c if c != 0 and norm(x - c * y) <= RIGHT * norm(x) else None


_ALONG = 1 - 1e3 * RIGHT**2
"""The squared cosine of the angle between a value and a multiple of it is more than this."""


def weights(terms: Sequence[Values], total: Values) -> tuple[float, ...] | None:
    """The numbers `c` with `total = sum(c_i terms_i)` at every point, by least squares; None if there are none, or more
    than these.
    """
    shapes = [value.shape for value in total]
    if 2 * len(terms) > sum(value.size for value in total):
        return None  # numbers of any size add up to so few
    try:
        each = [_flat(tuple(map(np.broadcast_to, values, shapes))) for values in terms]
    except ValueError:
        return None
    columns, wanted = np.stack(each, axis=1), _flat(total)
    if not np.isfinite(columns).all():
        return None
    solution, _, rank, _ = np.linalg.lstsq(columns, wanted, rcond=None)
    is_it = rank == len(terms) and norm(columns @ solution - wanted) <= RIGHT * norm(wanted)
    return tuple(solution.tolist()) if is_it else None


def missing_terms(actual: Values, terms: Sequence[Values]) -> list[Values] | None:
    """Those of the terms of a sum that `actual` lacks, where it is a sum of the others, up to a factor."""
    if any(term[0].size != actual[0].size for term in terms):
        return None
    for kept in _sums(actual, terms) if len(terms) > _FEW else _choices(len(terms)):
        total = tuple(np.sum([terms[i][k] for i in kept], axis=0) for k in range(len(actual)))
        if multiple(actual, total) is not None:
            return [term for i, term in enumerate(terms) if i not in kept]
    return None


_FEW = 8
"""Of so many terms every choice is looked at."""


def _choices(count: int) -> Iterator[tuple[int, ...]]:
    return chain.from_iterable(combinations(range(count), size) for size in range(1, count))


def _sums(actual: Values, terms: Sequence[Values]) -> Iterator[tuple[int, ...]]:
    """The terms of which `actual` is the sum, up to a factor, if least squares finds the same weight for each."""
    matrix, aim = np.stack([_flat(term) for term in terms], axis=1), _flat(actual)
    if not np.isfinite(matrix).all() or not np.isfinite(aim).all():
        return
    weights = np.linalg.lstsq(matrix, aim, rcond=None)[0]
    kept = tuple(int(i) for i in np.flatnonzero(np.abs(weights) > RIGHT * np.abs(weights).max()))
    if 0 < len(kept) < len(terms) and np.ptp(weights[list(kept)]) <= RIGHT * np.abs(weights).max():
        yield kept


def contracted(a: Values, b: Values, axes: tuple[Any, Any]) -> Iterator[Values]:
    """The terms of a matrix product, one for each number that is summed over."""
    (left,), (right,) = axes
    for index in range(a[0].shape[left]):
        yield tuple(
            np.multiply.outer(np.take(x, index, left), np.take(y, index, right)) for x, y in zip(a, b, strict=True)
        )


def is_another_mask(actual: Values, expected: Values) -> bool:
    """Whether the two are equal, up to a factor, wherever neither is zero, and differ in where they are zero."""
    if actual[0].shape != expected[0].shape:
        return False
    x, y = _flat(actual), _flat(expected)
    both = (x != 0) & (y != 0)
    # What has no zero at all is not masked: it lacks a slope that is one.
    if not both.any() or not ((x == 0) ^ (y == 0)).any() or not (x == 0).any():
        return False
    c = float(np.vdot(x[both], y[both]) / np.vdot(y[both], y[both]))
    return norm(x[both] - c * y[both]) <= RIGHT * norm(x[both])


def vanishes(values: Values, beside: Values) -> bool:
    """Whether it is zero but for rounding, beside values that are not."""
    return norm(_flat(values)) <= _NOTHING * norm(_flat(beside))


def is_masked_constant(values: Values) -> bool:
    """Whether it is one number wherever it is not zero."""
    flat = _flat(values)
    kept = flat[flat != 0]
    return bool(kept.size and np.ptp(kept) <= RIGHT * np.abs(kept).max())


def is_softmax_diagonal(actual: Values, expected: Values, probabilities: Sequence[Values]) -> bool:
    """Whether, with some `p` that sums to 1, `actual = u p (1 - p)` where `expected = p (u - sum(u p))`."""
    for p in probabilities:
        if p[0].shape != actual[0].shape:
            continue
        for axis in range(p[0].ndim):
            if not all(np.allclose(value.sum(axis), 1) for value in p):
                continue
            with np.errstate(all="ignore"):
                # Where `p` is 0, behind a mask, or 1, what `u` is there makes no difference.
                u = [np.where(q * (1 - q) == 0, 0, a / (q * (1 - q))) for a, q in zip(actual, p, strict=True)]
                full = tuple(q * (v - (v * q).sum(axis, keepdims=True)) for v, q in zip(u, p, strict=True))
            if multiple(full, expected) is not None:
                return True
    return False


def _flat(values: Values) -> np.ndarray:
    return np.concatenate([np.ravel(value) for value in values]).astype(np.float64)
