"""What a caller gives, before anything is computed with it: leaves that hold numbers, functions that can be called."""

import inspect
from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from ._tree import is_array, on_host


_LARGE = 2**27
"""From so many numbers on it is asked whether there is memory for them."""


def check_callable(name: str, function: Any, *args: Any) -> None:
    """`function` is a function, and can be called with `args` as far as its signature says, if there are any.

    Raises:
      TypeError: it is not, or cannot.
    """
    if not callable(function) or isinstance(function, type):
        got = f"the class {function.__name__}" if isinstance(function, type) else type(function).__name__
        raise TypeError(f"`{name}` must be a function, got {got}: pass it without calling it.")
    if not args:
        return
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # written in C
        return
    try:
        signature.bind(*args)
    except TypeError as error:
        raise TypeError(
            f"`{name}` has the signature {signature}, but is called with {len(args)} argument(s): {error}."
        ) from None


def check_numbers(names: Iterable[str], trees: Iterable[Any], *, of_jax: bool = False) -> None:
    """Every array in the `trees` holds numbers that can be read; with `of_jax`, JAX can take every leaf.

    Raises:
      TypeError: a leaf is traced, an abstract shape, masked, or cannot be made into an array.
      ValueError: an array is deleted, or too large.
    """
    for name, tree in zip(names, trees, strict=True):
        for path, leaf in jax.tree.leaves_with_path(tree):
            path = jax.tree_util.keystr(path, simple=True, separator=".")
            _check_leaf(f"`{name}`" + (f" leaf `{path}`" if path else ""), leaf, of_jax)


def _check_leaf(what: str, leaf: Any, of_jax: bool) -> None:
    if isinstance(leaf, Tracer):
        raise TypeError(f"{what} is traced by JAX, and has no numbers yet: call this outside of jit, grad and vmap.")
    if isinstance(leaf, jax.Array):
        if leaf.is_deleted():
            raise ValueError(f"{what} is deleted, as an argument is that was donated: pass a copy of it.")
        return
    integers = jnp.iinfo(jnp.result_type(int))
    if of_jax and isinstance(leaf, int) and not integers.min <= leaf <= integers.max:
        raise ValueError(f"{what} is {leaf}, which does not fit the integers of JAX.")
    if isinstance(leaf, np.ma.MaskedArray):
        raise TypeError(f"{what} is a masked array, which JAX does not have: pass its `.filled(value)`.")
    if not isinstance(leaf, np.ndarray | np.generic):
        if isinstance(leaf, jax.ShapeDtypeStruct):
            raise TypeError(f"{what} has a shape and a dtype, but no numbers: pass an array.")
        if hasattr(leaf, "shape") and hasattr(leaf, "dtype"):
            hosted(what, leaf)
        return
    if not is_array(leaf) and (of_jax or leaf.dtype.kind in "fc"):
        raise TypeError(f"{what} has dtype {leaf.dtype}, which JAX does not have: convert it.")
    if leaf.size > _LARGE:
        try:
            np.empty(leaf.shape, np.float64)
        except MemoryError:
            size = leaf.size * 8 / 2**30
            raise ValueError(f"{what} has shape {leaf.shape}: in float64 that is {size:,.0f} GiB, too many.") from None


def hosted(what: str, leaf: Any) -> np.ndarray:
    """A leaf as an array of NumPy.

    Raises:
      TypeError: it cannot be made into one; `what` it is.
      ValueError: it is deleted.
    """
    if isinstance(leaf, jax.Array) and leaf.is_deleted():
        raise ValueError(f"{what} is deleted, as an argument is that was donated.")
    try:
        array = on_host(leaf)
    except (MemoryError, jax.errors.JaxRuntimeError):  # what computes it failed: nothing is wrong with the leaf
        raise
    except Exception as error:
        kind = type(leaf).__name__
        raise TypeError(f"{what} is a {kind} that cannot be made into an array: {error}") from None
    return array


def is_number(leaf: Any) -> bool:
    """A number of Python's, or an array of numbers."""
    return isinstance(leaf, bool | int | float | complex) or (is_array(leaf) and not isinstance(leaf, type))
