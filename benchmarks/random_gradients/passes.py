"""One backward pass in several arrangements: what is multiplied first, what is summed where, how the data lie."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp


@dataclass(frozen=True)
class Pieces:
    """What a backward pass is put together from; a mistake is another piece.

    Attributes:
      values: `z -> a`, one a layer.
      backs: `(z, a, da) -> dz`, one a layer.
      dout: `(out, y) -> dout` of the sum over the examples.
      share: what each example counts in the loss, `batch -> factor`.
      weights: `(i, params) -> w` that the cotangent goes back through at layer `i`.
      reads: `(i, inputs, zs) -> a`, what the weights of layer `i` multiply.
      summed: `dz -> db`.
      penalty: `w -> dw` of the penalty on weights, or None.
      forward: `(i, params) -> (w, b)` of the forward half.
    """

    values: tuple[Callable[..., Any], ...]
    backs: tuple[Callable[..., Any], ...]
    dout: Callable[..., Any]
    share: Callable[[int], float]
    weights: Callable[..., Any] = lambda i, params: params[i][0]
    reads: Callable[..., Any] = lambda i, inputs, zs: inputs[i]
    summed: Callable[..., Any] = lambda dz: dz.sum(axis=0)
    penalty: Callable[..., Any] | None = None
    forward: Callable[..., Any] = lambda i, params: params[i]


Layers: TypeAlias = list[tuple[Any, Any]]
Arrangement: TypeAlias = Callable[[Pieces, Layers, Any, Any], Layers]


def run(pieces: Pieces, params: Layers, x: Any) -> tuple[list[Any], list[Any]]:
    """The inputs of every layer with the output after them, and the pre-activations."""
    inputs, zs = [x], []
    for i in range(len(params)):
        w, b = pieces.forward(i, params)
        z = inputs[-1] @ w
        zs.append(z if b is None else z + b[None, :])
        inputs.append(pieces.values[i](zs[-1]))
    return inputs, zs


def _cotangents(pieces: Pieces, params: Layers, inputs: list[Any], zs: list[Any], dout: Any) -> list[Any]:
    dzs, da = [], dout
    for i in reversed(range(len(params))):
        dzs.append(pieces.backs[i](zs[i], inputs[i + 1], da))
        da = dzs[-1] @ pieces.weights(i, params).T
    return dzs[::-1]


def matrices(pieces: Pieces, params: Layers, x: Any, y: Any) -> Layers:
    """Products of matrices, the share of an example in front."""
    inputs, zs = run(pieces, params, x)
    dzs = _cotangents(pieces, params, inputs, zs, pieces.dout(inputs[-1], y) * pieces.share(len(x)))
    return [(pieces.reads(i, inputs, zs).T @ dz, pieces.summed(dz)) for i, dz in enumerate(dzs)]


def undone_late(pieces: Pieces, params: Layers, x: Any, y: Any) -> Layers:
    """Cotangents of the sum, three times too large on the way, divided at the leaves."""
    inputs, zs = run(pieces, params, x)
    dzs = _cotangents(pieces, params, inputs, zs, 3 * pieces.dout(inputs[-1], y))
    over = 3 / pieces.share(len(x))
    return [(pieces.reads(i, inputs, zs).T @ dz / over, pieces.summed(dz) / over) for i, dz in enumerate(dzs)]


def einsums(pieces: Pieces, params: Layers, x: Any, y: Any) -> Layers:
    """Indices instead of transposes."""
    inputs, zs = run(pieces, params, x)
    da, grads = pieces.dout(inputs[-1], y) * pieces.share(len(x)), []
    for i in reversed(range(len(params))):
        dz = pieces.backs[i](zs[i], inputs[i + 1], da)
        grads.append((jnp.einsum("bi,bj->ij", pieces.reads(i, inputs, zs), dz), pieces.summed(dz)))
        da = jnp.einsum("bj,ij->bi", dz, pieces.weights(i, params))
    return grads[::-1]


def features_first(pieces: Pieces, params: Layers, x: Any, y: Any) -> Layers:
    """Columns are examples."""
    inputs, zs = run(pieces, params, x)
    da, grads = (pieces.dout(inputs[-1], y) * pieces.share(len(x))).T, []
    for i in reversed(range(len(params))):
        dz = pieces.backs[i](zs[i], inputs[i + 1], da.T).T
        grads.append(((dz @ pieces.reads(i, inputs, zs)).T, pieces.summed(dz.T)))
        da = pieces.weights(i, params) @ dz
    return grads[::-1]


def one_by_one(pieces: Pieces, params: Layers, x: Any, y: Any) -> Layers:
    """The gradient of each example by outer products, added up."""
    total: Layers | None = None
    for k in range(len(x)):
        inputs, zs = run(pieces, params, x[k : k + 1])
        dzs = _cotangents(pieces, params, inputs, zs, pieces.dout(inputs[-1], y[k : k + 1]))
        grads = [(jnp.outer(pieces.reads(i, inputs, zs)[0], dz[0]), pieces.summed(dz)) for i, dz in enumerate(dzs)]
        total = grads if total is None else jax.tree.map(jnp.add, total, grads)
    return jax.tree.map(lambda leaf: leaf * pieces.share(len(x)), total)


def vmapped(pieces: Pieces, params: Layers, x: Any, y: Any) -> Layers:
    """The gradient of each example, then their sum."""

    def of_one(x: Any, y: Any) -> Layers:
        inputs, zs = run(pieces, params, x[None])
        dzs = _cotangents(pieces, params, inputs, zs, pieces.dout(inputs[-1], y[None]))
        return [(pieces.reads(i, inputs, zs).T @ dz, pieces.summed(dz)) for i, dz in enumerate(dzs)]

    return jax.tree.map(lambda leaf: leaf.sum(axis=0) * pieces.share(len(x)), jax.vmap(of_one)(x, y))


def column_of_ones(pieces: Pieces, params: Layers, x: Any, y: Any) -> Layers:
    """Weights and biases in one product."""
    inputs, zs = run(pieces, params, x)
    dzs = _cotangents(pieces, params, inputs, zs, pieces.dout(inputs[-1], y) * pieces.share(len(x)))
    grads = []
    for i, dz in enumerate(dzs):
        read = pieces.reads(i, inputs, zs)
        both = jnp.concatenate([read, jnp.ones_like(x[:, :1])], axis=1).T @ dz
        grads.append((both[:-1], both[-1]))
    return grads


def jacobians(pieces: Pieces, params: Layers, x: Any, y: Any) -> Layers:
    """The Jacobian of the output by every pre-activation, and only then the cotangent of the output."""
    inputs, zs = run(pieces, params, x)
    units = jnp.eye(inputs[-1].shape[1], dtype=x.dtype)
    dout, grads = pieces.dout(inputs[-1], y) * pieces.share(len(x)), []
    da = jnp.broadcast_to(units[:, None, :], (len(units), *inputs[-1].shape))  # of output k by a, for each example
    for i in reversed(range(len(params))):
        dz = jax.vmap(lambda da, i=i: pieces.backs[i](zs[i], inputs[i + 1], da))(da)
        contracted = jnp.einsum("bk,kbj->bj", dout, dz)
        grads.append((pieces.reads(i, inputs, zs).T @ contracted, pieces.summed(contracted)))
        da = dz @ pieces.weights(i, params).T[None]
    return grads[::-1]


ARRANGEMENTS: dict[str, Arrangement] = {
    arrangement.__name__.replace("_", " "): arrangement
    for arrangement in (matrices, undone_late, einsums, features_first, one_by_one, vmapped, column_of_ones, jacobians)
}
