"""NumPy code in the place of a function of JAX: only where both give the same numbers."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from ._numeric._taylor import taylor_remainder
from ._program._call import called, is_traceable
from ._program._interpret import interpreted
from ._program._numpy_code import as_jax
from ._program._tree import named_leaves, widened
from ._verdict._evidence import Evidence, Subject, VALUE
from ._verdict._points import NEAR


_SAME = 1e-9
"""The relative difference that another order of sums in float64 may make."""


def gradient_in_jax(
    subject: Subject, points: Sequence[Any], args: tuple[Any, ...], seen: Sequence[Evidence]
) -> Callable[..., Any] | None:
    """The gradient of a subject as a program of JAX, if it is NumPy code and JAX makes the leaves that were `seen`.

    To be called where 64-bit types are on.
    """
    try:
        program = replace(subject, grads=as_jax(subject.grads, (points[0], *args))).gradient
        leaves = [named_leaves(interpreted(program, params, *args)) for params in points]
    except Exception:  # torch, a compiled kernel
        return None
    return program if all(map(_has_seen, leaves, seen)) else None


def loss_in_jax(loss: Callable[..., Any], params: Any, args: tuple[Any, ...]) -> Callable[..., Any] | None:
    """A loss in NumPy code as a program of JAX, if it has the same values and its slopes are those of the values."""
    if is_traceable(loss, params, *args):
        return None
    with jax.enable_x64(True):
        params, args = widened((params, args))
        try:
            program = as_jax(loss)
            for point in (params, NEAR[0](params)):
                value = np.asarray(called(loss, point, *args))
                if value.shape != () or not _is_same(interpreted(program, point, *args), value, _size(value)):
                    return None
            slopes = interpreted(jax.grad(program), params, *args)
        except Exception:
            return None
    return None if taylor_remainder(loss, slopes, params, *args).verdict == "wrong" else program


def _has_seen(leaves: dict[str, Any], at: Evidence) -> bool:
    seen = {path: leaf for path, leaf in at.actual.items() if path != VALUE}
    # A leaf that cancels to zero holds nothing but rounding: what is small is so beside the whole gradient.
    size = max(map(_size, seen.values()), default=0.0)
    return leaves.keys() == seen.keys() and all(_is_same(leaves[path], leaf, size) for path, leaf in seen.items())


def _is_same(own: Any, expected: np.ndarray, size: float) -> bool:
    return np.shape(own) == expected.shape and np.allclose(own, expected, _SAME, _SAME * size, equal_nan=True)


def _size(array: np.ndarray) -> float:
    """The largest number, of those that are finite."""
    return float(np.abs(array[np.isfinite(array)]).max(initial=0))
