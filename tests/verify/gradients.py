"""A small network, its right gradient by hand, and wrong ones, each with one mistake."""

import jax
import jax.numpy as jnp

from ..helpers import normal


def problem(key, dtype="float32"):
    """A 3-4-2 network, all its activations tanh but the last, five examples and real targets."""
    keys = jax.random.split(key, 6)
    params = {
        "w1": normal(keys[0], (3, 4), dtype),
        "b1": normal(keys[1], (4,), dtype),
        "w2": normal(keys[2], (4, 2), dtype),
        "b2": normal(keys[3], (2,), dtype),
    }
    return params, normal(keys[4], (5, 3), dtype), normal(keys[5], (5, 2), dtype)


def loss(params, x, y):
    """The squared error, summed over the outputs and averaged over the batch."""
    a1 = jnp.tanh(x @ params["w1"] + params["b1"][None, :])
    out = a1 @ params["w2"] + params["b2"][None, :]
    return ((out - y) ** 2).sum(axis=1).mean()


def grads(params, x, y, *, slope=lambda z, a: 1 - a * a, dout=lambda out, y: 2 * (out - y) / len(y)):
    """The gradient of `loss`; `slope` and `dout` are where a mistake can be put."""
    z1 = x @ params["w1"] + params["b1"][None, :]
    a1 = jnp.tanh(z1)
    dz2 = dout(a1 @ params["w2"] + params["b2"][None, :], y)
    dz1 = dz2 @ params["w2"].T * slope(z1, a1)
    return {"w1": x.T @ dz1, "b1": dz1.sum(axis=0), "w2": a1.T @ dz2, "b2": dz2.sum(axis=0)}


def without(leaf):
    """The right gradient, one leaf forgotten."""
    return lambda params, x, y: {path: value for path, value in grads(params, x, y).items() if path != leaf}


def changed(**leaves):
    """The right gradient, with functions applied to some of its leaves."""

    def wrong_grads(params, x, y):
        right = grads(params, x, y)
        return right | {path: change(right[path]) for path, change in leaves.items()}

    return wrong_grads
