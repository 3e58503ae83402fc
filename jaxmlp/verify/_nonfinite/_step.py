"""What a step takes and returns: which part of it is the next state, what its leaves are called, which is the loss."""

import copy
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .._program._tree import is_array, named_leaves, on_host


def with_arrays(state: Any) -> Any:
    """The state with its numbers as JAX arrays, as a compiled step returns them."""
    return jax.tree.map(lambda leaf: jnp.asarray(leaf) if _is_of_jax(leaf) else leaf, state)


def _is_of_jax(leaf: Any) -> bool:
    """A number or an array of NumPy's that JAX can hold."""
    if isinstance(leaf, int) and not isinstance(leaf, bool):
        integers = jnp.iinfo(jnp.result_type(int))
        return integers.min <= leaf <= integers.max
    return isinstance(leaf, bool | float | complex) or (isinstance(leaf, np.ndarray | np.generic) and is_array(leaf))


def copy_of(state: Any) -> Any:
    """The state as a step may write into it; JAX's arrays cannot be written to."""
    return jax.tree.map(_copy_of, state)


def _copy_of(leaf: Any) -> Any:
    try:
        return leaf if isinstance(leaf, jax.Array) else copy.deepcopy(leaf)
    except Exception:  # an open file, a view of memory
        return leaf


def settled(state: Any, new: Any) -> Any:
    """The state, with what were Python numbers in the dtypes that a step gives them."""
    return jax.tree.map(lambda old, new: old.astype(new.dtype) if _was_number(old) else old, state, new)


def parted(result: Any, state: Any, *, single: bool = False) -> tuple[Any, Any]:
    """What a step returned, as `(new state, output)`; the new state is None if there is none like `state`.

    What a `single` call returns is no state for being like its argument, as a gradient is.
    """
    if not single and _alike(result, state):
        return result, None
    if isinstance(result, tuple) and len(result) == 2 and _alike(result[0], state):
        return result[0], result[1]
    return None, result


def paths(tree: Any, root: str) -> list[str]:
    """The names of the leaves; `root` is that of a tree which is a single one."""
    return [
        jax.tree_util.keystr(path, simple=True, separator=".") or root for path, _ in jax.tree.leaves_with_path(tree)
    ]


def loss_of(output: Any) -> Any:
    """The loss among the outputs: what is called so, or the only floating scalar; None if there is none."""
    scalars = {path: leaf for path, leaf in named_leaves(output).items() if is_inexact(leaf) and jnp.shape(leaf) == ()}
    named = [leaf for path, leaf in scalars.items() if path.split(".")[-1] == "loss"]
    found = named or list(scalars.values())
    return found[0] if len(found) == 1 else None


def is_inexact(leaf: Any) -> bool:
    """A floating or complex number or array, of whatever library."""
    if isinstance(leaf, float | complex):
        return True
    return is_array(leaf) and jnp.issubdtype(_dtype(leaf), jnp.inexact)


def _dtype(leaf: Any) -> Any:
    return on_host(leaf).dtype if hasattr(leaf, "detach") else leaf.dtype  # torch has dtypes of its own


def _alike(result: Any, state: Any) -> bool:
    """Whether two trees agree in structure, shapes and dtypes; a Python number is of any dtype."""
    if jax.tree.structure(result) != jax.tree.structure(state):
        return False
    return all(map(_is_same_kind, jax.tree.leaves(result), jax.tree.leaves(state)))


def _is_same_kind(new: Any, old: Any) -> bool:
    if not (is_array(new) and is_array(old)):
        return True
    return tuple(new.shape) == tuple(old.shape) and (new.dtype == old.dtype or _was_number(old))


def _was_number(leaf: Any) -> bool:
    return getattr(leaf, "weak_type", False) and leaf.shape == ()


def check_result(result: Any, state: Any, max_steps: int) -> None:
    """Raises unless `result` can be stepped from again, where that is to be done."""
    if max_steps == 1 or parted(result, state)[0] is not None:
        return
    for candidate in (result, result[0]) if isinstance(result, tuple) and result else (result,):
        if jax.tree.structure(candidate) == jax.tree.structure(state) and not _alike(candidate, state):
            leaves = zip(paths(state, "state"), jax.tree.leaves(candidate), jax.tree.leaves(state), strict=True)
            path, new, old = next(leaf for leaf in leaves if not _is_same_kind(*leaf[1:]))
            raise TypeError(
                f"`step` turns the leaf `{path}` of the state from {_kind(old)} into {_kind(new)}: it must return the "
                "state with the shapes and dtypes that it takes."
            )
    raise TypeError(
        "`step` must return the new state, or a pair of the new state and anything else. The state has the structure "
        f"{jax.tree.structure(state)}, and `step` returns {jax.tree.structure(result)}. "
        "For a single call of a function that returns something else, leave `max_steps` at 1."
    )


def _kind(leaf: Any) -> str:
    return f"{leaf.dtype} of shape {tuple(leaf.shape)}" if is_array(leaf) else type(leaf).__name__
