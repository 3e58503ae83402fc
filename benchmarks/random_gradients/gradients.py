"""The loss of a network and its gradient, as functions of a tree of parameters, put together from their parts."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxmlp import Dense

from .passes import ARRANGEMENTS, Pieces, run


def rounded(array: Any, dtype: str) -> Any:
    """Numbers as the caller of a check has them."""
    with jax.enable_x64(dtype == "float64"):
        return jax.device_put(np.asarray(array, np.float64).astype(jnp.dtype(dtype)))


def packed(layers: Any, is_dict: bool) -> Any:
    """The parameters of layers as a tree."""
    if not is_dict:
        return tuple(Dense(w, b) for w, b in layers)
    named = {f"w{i}": w for i, (w, _) in enumerate(layers, 1)}
    return named | {f"b{i}": b for i, (_, b) in enumerate(layers, 1) if b is not None}


def unpacked(params: Any) -> Any:
    """The layers of such a tree."""
    if isinstance(params, tuple):
        return [tuple(layer) for layer in params]
    return [(params[f"w{i}"], params.get(f"b{i}")) for i in range(1, 1 + sum(name[0] == "w" for name in params))]


def loss_of(values: Any, of_examples: Any, share: Any, penalty: float, params: Any, x: Any, y: Any) -> Any:
    """The loss of a network with the activations `values`."""
    layers = unpacked(jax.tree.map(jnp.asarray, params))
    inputs, _ = run(Pieces(values, (), len, float), layers, jnp.asarray(x))
    total = of_examples(inputs[-1], jnp.asarray(y)).sum() * share(len(x))
    return total + penalty / 2 * sum((w**2).sum() for w, _ in layers) if penalty else total


def by_hand(pieces: Pieces, *, way: str, is_dict: bool) -> Callable[..., Any]:
    """The gradient function of some pieces."""
    arrange = ARRANGEMENTS.get(way, ARRANGEMENTS["matrices"])

    def grads(params: Any, x: Any, y: Any) -> Any:
        params, x, y = jax.tree.map(jnp.asarray, (params, x, y))
        layers = unpacked(params)
        leaves = arrange(pieces, layers, x, y)
        if pieces.penalty is not None:
            leaves = [(dw + pieces.penalty(w), db) for (dw, db), (w, _) in zip(leaves, layers, strict=True)]
        leaves = [(dw, None if b is None else db) for (dw, db), (_, b) in zip(leaves, layers, strict=True)]
        return packed(leaves, is_dict)

    return {"black box": as_black_box, "in float32": in_float32}.get(way, lambda grads: grads)(grads)


def as_black_box(grads: Callable[..., Any]) -> Callable[..., Any]:
    """The same, by NumPy arrays, so that JAX cannot trace it."""
    compiled = jax.jit(grads)
    return lambda *args: jax.tree.map(np.asarray, compiled(*jax.tree.map(np.asarray, args)))


def in_float32(grads: Callable[..., Any]) -> Callable[..., Any]:
    """The same, computed in float32."""

    def narrow(params: Any, *args: Any) -> Any:
        result = grads(*jax.tree.map(lambda leaf: jnp.asarray(leaf).astype(jnp.float32), (params, *args)))
        return jax.tree.map(lambda leaf, like: leaf.astype(like.dtype), result, params)

    return narrow
