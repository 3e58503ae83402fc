"""What a custom rule is asked beyond its cotangents at one point: each question as a subject of its own.

Where the cotangents are right, a wrong answer here is a mistake that first-order reverse mode does not show.
"""

import zlib
from collections import namedtuple
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any, Literal, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from .._program._call import Same
from .._program._tree import named_leaves
from .._verdict._evidence import Subject
from ._pullback import cotangent_tree, Dout, filled, finest, inner


Transformation: TypeAlias = Literal["eager", "jit", "vmap", "jit and vmap"]

_Second = namedtuple("_Second", ("inputs", "dout"))


def forward_mode(subject: Subject, params: Any, call: Callable[..., Any]) -> tuple[Subject, Any]:
    """Forward mode as a gradient: that of the loss by steps along random directions, two for each leaf of `params`.

    With a step s_k along the direction t_k the derivative of `<dout, f(x + Σ s_k t_k)>` by s_k is `<dout, jvp(t_k)>`.
    The second direction has the signs of the first turned round and other sizes, so that a rule that takes an absolute
    value, or adds a constant, is not right in both.
    """
    loss, grads = _forward_mode(Same(subject.loss), Same(call))
    leaves = [_directions(path, leaf) for path, leaf in named_leaves(params).items()]
    structure = jax.tree.structure(params)
    steps = jax.tree.unflatten(structure, [np.zeros(2, leaf.dtype) for leaf in leaves])
    directions = jax.tree.unflatten(structure, leaves)
    return Subject(subject.name, loss, grads, (params, directions, *subject.args), has_value=True), steps


def _directions(path: str, leaf: Any) -> np.ndarray:
    values = np.asarray(leaf)
    size = np.abs(values.astype(np.float64))
    scale = np.where(size > 0, size, np.sqrt(np.mean(size**2)) or 1.0)
    random = np.random.default_rng(zlib.crc32(f"{path}/direction".encode()))
    first, sizes = random.uniform(-1, 1, values.shape), random.uniform(0.5, 1, values.shape)
    return np.stack([first * scale, -np.sign(first) * sizes * scale]).astype(
        jax.dtypes.canonicalize_dtype(values.dtype)
    )


# Cached, like the functions that they are made of: the same question about the same rule compiles only once.
@lru_cache(maxsize=256)
def _forward_mode(loss: Same, call: Same) -> tuple[Callable[..., Any], Callable[..., Any]]:
    def stepped(steps: Any, params: Any, directions: Any) -> Any:
        return jax.tree.map(
            lambda s, p, t: p + jnp.tensordot(s, t, 1).astype(jnp.result_type(p)), steps, params, directions
        )

    def loss_along(steps: Any, params: Any, directions: Any, inputs: tuple[Any, ...], dout: Dout) -> Any:
        return loss.value(stepped(steps, params, directions), inputs, dout)

    def slopes_along(steps: Any, params: Any, directions: Any, inputs: tuple[Any, ...], dout: Dout) -> Any:
        at = stepped(steps, params, directions)
        leaves, structure = jax.tree.flatten(directions)
        value, slopes = None, []
        for index, leaf in enumerate(leaves):
            pair = []
            for direction in leaf:
                tangents = [direction if i == index else jnp.zeros_like(other[0]) for i, other in enumerate(leaves)]
                tangent = jax.tree.unflatten(structure, tangents)
                out, out_dot = jax.jvp(lambda params: call.value(*filled(params, inputs)), (at,), (tangent,))
                value = inner(out, dout, finest(steps))
                pair.append(inner(out_dot, dout, direction.dtype))
            slopes.append(jnp.stack(pair))
        return value, jax.tree.unflatten(structure, slopes)

    return loss_along, slopes_along


def second_order(subject: Subject, params: Any) -> tuple[Subject, Any]:
    """The derivative of the rule, by the inputs and by `dout`, in a random direction of the cotangents."""
    inputs, dout = subject.args
    weights = [
        np.asarray(np.random.default_rng(zlib.crc32(f"{path}/weight".encode())).normal(size=jnp.shape(leaf)).round(2))
        for path, leaf in named_leaves(params).items()
    ]
    weights = [
        w.astype(jax.dtypes.canonicalize_dtype(jnp.result_type(p)))
        for w, p in zip(weights, jax.tree.leaves(params), strict=True)
    ]
    loss, grads = _second_order(Same(subject.loss), Same(subject.grads))
    return Subject(subject.name, loss, grads, (inputs, tuple(weights))), _Second(params, dout)


@lru_cache(maxsize=256)
def _second_order(loss: Same, grads: Same) -> tuple[Callable[..., Any], Callable[..., Any]]:
    def along(cotangents: Any, weights: tuple[Any, ...]) -> Any:
        return inner(cotangents, weights)

    def slope(point: _Second, inputs: tuple[Any, ...], weights: tuple[Any, ...]) -> Any:
        return along(jax.grad(loss.value)(point.inputs, inputs, point.dout), weights)

    def rule_slope(point: _Second, inputs: tuple[Any, ...], weights: tuple[Any, ...]) -> Any:
        return along(grads.value(point.inputs, inputs, point.dout)[1], weights)

    return slope, jax.grad(rule_slope)


def transformed(subject: Subject, call: Callable[..., Any], by: Transformation) -> Subject:
    """The same question of the same rule, under a transformation of JAX."""
    return replace(subject, grads=_transformed(Same(subject.grads), Same(call), by))


@lru_cache(maxsize=256)
def _transformed(grads: Same, call: Same, by: Transformation) -> Callable[..., Any]:
    def eager(params: Any, inputs: tuple[Any, ...], dout: Dout) -> Any:
        # A tracer is refused here, so that nothing compiles it.
        return grads.value(jax.tree.map(lambda leaf: jax.device_put(np.asarray(leaf)), params), inputs, dout)

    def jitted(params: Any, inputs: tuple[Any, ...], dout: Dout) -> Any:
        # `fwd` and `bwd` are then traced apart from each other, as in `jax.grad(jax.jit(f))`.
        function = jax.jit(lambda params: call.value(*filled(params, inputs)))
        out, pull = jax.vjp(function, params)
        return inner(out, dout, finest(params)), pull(cotangent_tree(out, dout))[0]

    def mapped(function: Callable[..., Any]) -> Callable[..., Any]:
        def second(params: Any, inputs: tuple[Any, ...], dout: Dout) -> Any:
            params, dout = jax.tree.map(lambda leaf: jnp.stack([0.9 * leaf, leaf]), (params, dout))
            both = jax.vmap(lambda params, dout: function(params, inputs, dout))(params, dout)
            return jax.tree.map(lambda leaf: leaf[1], both)

        return second

    return {"eager": eager, "jit": jitted, "vmap": mapped(grads.value), "jit and vmap": mapped(jitted)}[by]
