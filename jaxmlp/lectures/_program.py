"""How the lectures run their programs: compiled once, in the dtype of the arguments, NumPy in and out."""

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial, wraps
from typing import Any

import jax
import ml_dtypes
import numpy as np

from .._types import Dense, Params


def program(function: Callable | None = None, *, static: tuple[str, ...] = ()) -> Callable[..., Any]:
    """Compile `function`; its arguments named in `static` are part of the program.

    A float64 argument makes it a float64 program, whatever `jax_enable_x64` says. Matrix products
    keep every bit of the dtype: on accelerators the default is often fewer, and the printed digits
    would not be met.
    """
    if function is None:
        return partial(program, static=static)
    compiled = jax.jit(function, static_argnames=static)

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        leaves = jax.tree.leaves((args, {name: value for name, value in kwargs.items() if name not in static}))
        double = any(getattr(leaf, "dtype", None) == np.float64 for leaf in leaves)
        with jax.enable_x64(True) if double else nullcontext(), jax.default_matmul_precision("highest"):
            return jax.tree.map(np.asarray, compiled(*args, **kwargs))

    return run


def layer(w: Any, b: Any = None) -> Dense:
    """A layer of NumPy arrays, which JAX takes wherever it takes its own."""
    return Dense(w, b)


def network(layers: list, dtype: Any) -> Params:
    """Parameters as NumPy arrays of `dtype`, from a list of `[w, b]`."""
    dtype = as_dtype(dtype)
    return tuple(layer(np.asarray(w, dtype), np.asarray(b, dtype)) for w, b in layers)


def unflatten(flat: np.ndarray, sizes: list[int], dtype: Any) -> Params:
    """Parameters from vectors that hold, layer by layer, `w` row by row and then `b`.

    Leading axes of `flat` stay leading axes of every leaf.
    """
    layers, start, lead = [], 0, flat.shape[:-1]
    for n_in, n_out in zip(sizes[:-1], sizes[1:], strict=True):
        w = flat[..., start : start + n_in * n_out].reshape(*lead, n_in, n_out)
        b = flat[..., start + n_in * n_out : start + n_in * n_out + n_out]
        layers.append(layer(w.astype(dtype), b.astype(dtype)))
        start += (n_in + 1) * n_out
    return tuple(layers)


def flatten(params: Params) -> np.ndarray:
    """The inverse of `unflatten`."""
    lead = params[0].w.shape[:-2]
    return np.concatenate([leaf.reshape(*lead, -1) for leaf in jax.tree.leaves(params)], axis=-1)


def xor(dtype: Any) -> tuple[Any, Any]:
    """Inputs and targets of exclusive or, as NumPy arrays: `jaxmlp.gate("xor")` without a compilation."""
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], as_dtype(dtype))
    return x, np.array([[0], [1], [1], [0]], as_dtype(dtype))


def as_dtype(dtype: Any) -> np.dtype:
    """A NumPy dtype from a name; `"bfloat16"` is not NumPy's own."""
    return np.dtype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
