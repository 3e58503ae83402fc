"""Checks on the arrays of a network; `_arguments` has those on single arguments of other kinds.

The checks read shapes and dtypes, which are known while JAX traces, so they hold under
`jit` and cost nothing there. Only `check_range` reads values, and only where they are at hand.
A wrong shape or value is a `ValueError`, a wrong dtype or kind a `TypeError`; each names the
argument, shows both sides and says what to do.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ._arguments import check_is_array, FLOATS, kind, shown
from ._types import Dense


def dtype_of(value: Any) -> Any:
    """The dtype that JAX computes with: float64 is float32 unless `jax_enable_x64` is on."""
    return jax.dtypes.canonicalize_dtype(value.dtype, allow_extended_dtype=True)  # a random key has one


def check_array(name: str, value: Any, ndim: int, axes: str) -> None:
    """`value` is a floating array with `ndim` axes, described by `axes`."""
    check_floating(name, value)
    if len(value.shape) != ndim:
        remedy = f" For a single example write {name}[None, :]." if len(value.shape) == 1 and ndim == 2 else ""
        raise ValueError(f"`{name}` has shape {value.shape}, but must have {ndim} axes, {axes}.{remedy}")


def check_units(name: str, value: Any) -> None:
    """`value` is a floating array, the units along its last axis."""
    check_floating(name, value)
    if not value.shape:
        raise ValueError(f"`{name}` has shape (), but must have the units along its last axis: pass {name}[None].")


def check_floating(name: str, value: Any) -> None:
    """`value` is an array of a dtype that the core computes with."""
    check_is_array(name, value)
    if not jnp.issubdtype(value.dtype, jnp.floating):
        raise TypeError(
            f"`{name}` has dtype {value.dtype}, but the network computes with floating numbers: "
            f"pass {name}.astype(jnp.float32)."
        )
    if value.dtype.name not in FLOATS:
        raise TypeError(f"`{name}` has dtype {value.dtype}; the supported dtypes are {', '.join(FLOATS)}.")


def check_same_dtype(name: str, value: Any, other_name: str, other: Any) -> None:
    """`value` has the dtype of `other`: the core promotes nothing silently."""
    actual, expected = dtype_of(value), dtype_of(other)
    if actual != expected:
        raise TypeError(
            f"`{name}` has dtype {actual}, but `{other_name}` has dtype {expected}: "
            f"pass {name}.astype(jnp.{expected}), or convert both to one dtype."
        )


def check_params(params: Any) -> None:
    """`params` is a tuple of `Dense` layers that fit each other end to end, in one dtype."""
    if isinstance(params, Dense):
        raise TypeError("`params` is a single Dense layer: write (layer,), a tuple with one layer.")
    if type(params) is not tuple:  # a list's gradient would be a tuple, a tree unlike it
        remedy = ": write tuple(params)." if isinstance(params, tuple | list) else "."
        raise TypeError(f"`params` must be a tuple of Dense(w, b) layers, got {kind(params)}{remedy}")
    if not params:
        raise ValueError("`params` is empty: a network needs at least one Dense(w, b) layer.")
    for i, layer in enumerate(params):
        if not isinstance(layer, Dense):
            raise TypeError(f"`params[{i}]` must be a Dense(w, b) layer, got {kind(layer)}.")
        check_layer(f"params[{i}]", layer)
        check_same_dtype(f"params[{i}].w", layer.w, "params[0].w", params[0].w)
        if i and params[i - 1].w.shape[1] != layer.w.shape[0]:
            raise ValueError(
                f"`params[{i}].w` has shape {layer.w.shape}, so it takes {layer.w.shape[0]} features, but "
                f"`params[{i - 1}].w` of shape {params[i - 1].w.shape} supplies {params[i - 1].w.shape[1]}. "
                "Either the sizes given to `init_params` are wrong, or the layers are out of order."
            )


def check_layer(name: str, layer: Dense) -> None:
    """`w` is `(n_in, n_out)`, and `b` is `(n_out,)` or None, with no help from broadcasting."""
    check_array(f"{name}.w", layer.w, 2, "(n_in, n_out)")
    if 0 in layer.w.shape:
        raise ValueError(f"`{name}.w` has shape {layer.w.shape}: a layer needs at least one input and one output.")
    if layer.b is None:
        return
    check_array(f"{name}.b", layer.b, 1, "(n_out,)")
    check_same_dtype(f"{name}.b", layer.b, f"{name}.w", layer.w)
    if layer.b.shape[0] != layer.w.shape[1]:
        raise ValueError(
            f"`{name}.b` has shape {layer.b.shape}, but `{name}.w` of shape {layer.w.shape} has "
            f"{layer.w.shape[1]} output(s). Broadcasting would hide this and change shapes later: "
            f"give w the shape ({layer.w.shape[0]}, {layer.b.shape[0]}) or b the shape ({layer.w.shape[1]},)."
        )


def check_inputs(params: Sequence[Dense], x: Any) -> None:
    """`x` is `(batch, n_in)` with at least one example, fits the first layer and shares its dtype."""
    w = params[0].w
    check_array("x", x, 2, "(batch, n_in)")
    check_same_dtype("x", x, "params[0].w", w)
    if x.shape[0] == 0:
        raise ValueError(f"`x` has shape {x.shape}: the batch is empty, and its mean is not defined.")
    if x.shape[1] != w.shape[0]:
        raise ValueError(
            f"`params[0].w` has shape {w.shape}, so it takes {w.shape[0]} features, but `x` of shape {x.shape} "
            f"supplies {x.shape[1]}. Put the batch on the first axis, and one column a feature."
        )


def check_targets(out: Any, y: Any) -> None:
    """`y` has the shape and dtype of `out`, so that no broadcast can compare the wrong pairs."""
    check_array("out", out, 2, "(batch, n_out)")
    check_is_array("y", y)
    if tuple(y.shape) != tuple(out.shape):
        flat = tuple(out.shape) == (*y.shape, 1)
        remedy = "pass y[:, None]" if flat else "give one row an example and one column an output"
        raise ValueError(
            f"`y` has shape {tuple(y.shape)}, but the network's output has shape {tuple(out.shape)}. "
            f"Broadcasting would pair every example with every other: {remedy}."
        )
    check_array("y", y, 2, "(batch, n_out)")
    check_same_dtype("y", y, "out", out)
    if 0 in out.shape:
        raise ValueError(f"`y` has shape {tuple(y.shape)}: the batch is empty, and its mean is not defined.")


def check_labels(logits: Any, labels: Any) -> None:
    """Integer `labels` are `(batch,)`, one a row of `logits`, each in 0 ... classes - 1."""
    if tuple(labels.shape) != tuple(logits.shape[:1]):
        raise ValueError(
            f"`y` holds integer labels of shape {tuple(labels.shape)}, but `logits` of shape {tuple(logits.shape)} "
            f"needs one label an example, shape ({logits.shape[0]},)."
        )
    if 0 in logits.shape:
        raise ValueError(
            f"`logits` has shape {tuple(logits.shape)}: an empty batch has no mean, and no class no label."
        )
    what, remedy = f"labels of {logits.shape[1]} classes", "number the classes from 0"
    check_range("y", labels, 0, logits.shape[1] - 1, what, remedy)


def check_probabilities(name: str, value: Any) -> None:
    """Every element lies in 0 ... 1, as the targets of binary cross-entropy do."""
    check_range(name, value, 0, 1, "targets of binary cross-entropy", "rescale them, or use a squared error")


def check_range(name: str, value: Any, low: float, high: float, what: str, remedy: str) -> None:
    """Every element lies in `low ... high`, where the values are known; a NaN is data and passes."""
    try:
        known = np.asarray(value)
    except (jax.errors.TracerArrayConversionError, RuntimeError):  # traced, or partly in another process
        return
    outside = (known < low) | (known > high)
    if outside.any():
        first = tuple(int(i) for i in np.argwhere(outside)[0])
        where = first[0] if len(first) == 1 else first
        raise ValueError(
            f"`{name}[{where}]` is {known[first]}, but {what} lie in {low} ... {high}, and "
            f"{int(outside.sum())} of {known.size} element(s) are outside: {remedy}."
        )


def check_residuals(residuals: Any, expected: Any, of: str) -> None:
    """`residuals` are a tree of arrays like `expected`, the shapes and dtypes of what `of` returns."""
    found, wanted = jax.tree.structure(residuals), jax.tree.structure(expected)
    if found != wanted:
        raise TypeError(f"`residuals` must be what {of} returned, a tree like {wanted}, got {shown(found)}.")
    for (path, leaf), other in zip(jax.tree.leaves_with_path(residuals), jax.tree.leaves(expected), strict=True):
        name = f"residuals{jax.tree_util.keystr(path)}"
        check_is_array(name, leaf)
        if tuple(leaf.shape) != other.shape:
            raise ValueError(f"`{name}` has shape {tuple(leaf.shape)}, but {of} returns {other.shape} there.")
        if dtype_of(leaf) != other.dtype:
            raise TypeError(f"`{name}` has dtype {leaf.dtype}, but {of} returns {other.dtype} there.")
