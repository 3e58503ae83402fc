"""Trees of numbers: the names of their leaves, and the same tree in another precision."""

import copy
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


ROOT = "params"
"""The name of the only leaf of a tree that is a single array."""


def named_leaves(tree: Any) -> dict[str, Any]:
    """The leaves by path, in the tree's order: `{"w1": ..., "layers.0.b": ...}`."""
    leaves = jax.tree.leaves_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator=".") or ROOT: leaf for path, leaf in leaves}


def is_array(leaf: Any) -> bool:
    """An array of NumPy or JAX, a NumPy scalar, or a tracer: anything with a shape and a dtype, but NumPy's arrays of
    strings, dates, objects and long doubles, which JAX does not have.
    """
    if not (isinstance(getattr(leaf, "shape", None), tuple) and hasattr(leaf, "dtype")) or isinstance(leaf, type):
        return False
    return not isinstance(leaf, np.ndarray | np.generic) or _is_of_jax(leaf.dtype)


def _is_of_jax(dtype: np.dtype) -> bool:
    is_long = dtype.type in (np.longdouble, np.clongdouble) and dtype.itemsize > 8 * (1 + (dtype.kind == "c"))
    return any(jnp.issubdtype(dtype, kind) for kind in (jnp.number, jnp.bool_)) and not (is_long or dtype.kind == "m")


def is_floating(leaf: Any) -> bool:
    """A real floating array, NumPy's or JAX's, bfloat16 included."""
    return is_array(leaf) and jnp.issubdtype(leaf.dtype, jnp.floating)


def widened(tree: Any) -> Any:
    """The tree with every floating array in float64, of the kind that it was: of NumPy, its scalar, or of JAX.

    Copies, so that a function which writes into its arguments cannot change the caller's arrays.
    To be called where 64-bit types are on.
    """

    def widen(leaf: Any) -> Any:
        if not is_floating(leaf):
            return leaf
        return of_its_kind(leaf, np.array(leaf, np.float64))

    return jax.tree.map(widen, tree)


def of_its_kind(leaf: Any, values: np.ndarray) -> Any:
    """The values as an array of JAX or NumPy, or as a scalar of NumPy, as `leaf` is one: at an array of no axes as an
    index, `a[i]` is a copy and no view, and `+=` writes into one.
    """
    if isinstance(leaf, jax.Array):
        return jax.device_put(values)  # `jnp.asarray` compiles a program for each new shape, this none
    return values[()] if isinstance(leaf, np.generic) else values


def copied(tree: Any) -> Any:
    """The tree with its arrays copied, those of JAX and scalars excepted, which cannot be written to."""

    def copy_of(leaf: Any) -> Any:
        if isinstance(leaf, np.ndarray):
            return np.array(leaf)
        return copy.deepcopy(leaf) if is_array(leaf) and not isinstance(leaf, jax.Array | np.generic) else leaf

    return jax.tree.map(copy_of, tree)


def on_host(leaf: Any) -> np.ndarray:
    """A leaf as a NumPy array in its own dtype, whatever library it comes from."""
    if hasattr(leaf, "detach"):  # a torch tensor that takes part in autograd refuses np.asarray
        leaf = leaf.detach().cpu()
    return np.asarray(leaf)


def in_float64(array: np.ndarray) -> np.ndarray:
    """A floating array in float64; integers and booleans stay what they are, to be told apart."""
    return array.astype(np.float64) if jnp.issubdtype(array.dtype, jnp.floating) else array


class _Element(str):
    """The path of one number of a leaf, which a name with brackets of its own is not."""

    leaf: str


def element(path: str, index: tuple[int, ...]) -> str:
    """The path of one number of a leaf: `w[0, 1]`."""
    number = _Element(f"{path}[{', '.join(map(str, index))}]")
    number.leaf = path
    return number


def leaf_of(path: str) -> str:
    """The path of a leaf, of which `path` may be one number."""
    return path.leaf if isinstance(path, _Element) else path
