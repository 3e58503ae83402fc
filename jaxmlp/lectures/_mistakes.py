"""The lectures' own gradients, mistakes and all, as functions that a check can be asked about.

Every line is a lecture's formula under the lecture's name for it. `params` are the arrays `w1`, `b1`, `w2` and `b2`.
"""

from typing import Any, TypeAlias

import jax
from jaxtyping import Array, Float

from ._rules import cross_entropy, sigmoid


Named: TypeAlias = dict[str, Float[Array, "..."]]
"""The parameters, or a direction for each of them, by name."""


def stated_loss(params: Named, x: Any, y: Any) -> Float[Array, ""]:
    """The mean cross-entropy that every one of these lectures states."""
    return cross_entropy(_predict(params, x)[1], y)


def coded_loss(params: Named, x: Any, y: Any) -> Float[Array, ""]:
    """What lecture 004 codes: the same without its minus."""
    return -stated_loss(params, x, y)


def _predict(params: Named, x: Any) -> tuple[jax.Array, jax.Array]:
    a1 = sigmoid(x @ params["w1"] + params["b1"][None, :])
    return a1, sigmoid(a1 @ params["w2"] + params["b2"][None, :])


def lecture_000(params: Named, x: Any, y: Any) -> Named:
    """Weights by the sum over the batch, biases by the mean."""
    a1, p = _predict(params, x)
    d_p = (p - y) / (p * (1 - p) + 1e-8)
    d_l2 = d_p * p * (1 - p)
    d_b2 = d_l2.mean(axis=0)
    d_w2 = a1.T @ d_l2
    d_a1 = d_l2 @ params["w2"].T
    d_l1 = d_a1 * a1 * (1 - a1)
    d_b1 = d_l1.mean(axis=0)
    d_w1 = x.T @ d_l1
    return {"w1": d_w1, "b1": d_b1, "w2": d_w2, "b2": d_b2}


def lecture_001(params: Named, x: Any, y: Any) -> Named:
    """The same in fewer lines, and here without its eps of 1e-7, which is a mistake of its own."""
    a1, p = _predict(params, x)
    d_p = (p - y) / (p * (1 - p))
    d_b2 = d_p * p * (1 - p)
    d_w2 = a1.T @ d_b2
    d_b1 = (d_b2 @ params["w2"].T) * a1 * (1 - a1)
    d_w1 = x.T @ d_b1
    return {"w1": d_w1, "b1": d_b1.mean(axis=0), "w2": d_w2, "b2": d_b2.mean(axis=0)}


def lecture_002_gradients(params: Named, x: Any, y: Any, d_w1: Any) -> Named:
    """`d_w2` where `d_w1` is meant, in a notebook where an old `d_w1` is still there."""
    a1, p = _predict(params, x)
    d_p = (p - y) / (p * (1 - p))
    d_b2 = d_p * p * (1 - p)
    d_w2 = a1.T @ d_b2
    d_b1 = (d_b2 @ params["w2"].T) * a1 * (1 - a1)
    d_w2 = x.T @ d_b1
    return {"w1": d_w1, "b1": d_b1.mean(axis=0), "w2": d_w2, "b2": d_b2.mean(axis=0)}


def lecture_002_updates(params: Named, x: Any, y: Any) -> Named:
    """What one step at rate 1 takes off each parameter: `w1` and `b1` again where `w2` and `b2` are meant."""
    w1, b1, w2, b2 = params["w1"], params["b1"], params["w2"], params["b2"]
    a1, p = _predict(params, x)
    d_p = (p - y) / (p * (1 - p))
    d_b2 = d_p * p * (1 - p)
    d_b1 = (d_b2 @ w2.T) * a1 * (1 - a1)
    d_w1 = x.T @ d_b1
    w1 = w1 - d_w1
    b1 = b1 - d_b1.mean(axis=0)
    w1 = w1 - d_w1
    b1 = b1 - d_b2.mean(axis=0)
    return {"w1": params["w1"] - w1, "b1": params["b1"] - b1, "w2": params["w2"] - w2, "b2": params["b2"] - b2}


def lecture_004(params: Named, x: Any, y: Any) -> Named:
    """No minus before `d_loss`; and the sum for weights, the mean for biases, as in lecture 000."""
    a1, p = _predict(params, x)
    d_loss = y / p - (1 - y) / (1 - p)
    d_l2 = d_loss * (p * (1 - p))
    d_b2 = d_l2.mean(axis=0)
    d_w2 = a1.T @ d_l2
    d_a1 = d_l2 @ params["w2"].T
    d_l1 = d_a1 * (a1 * (1 - a1))
    d_b1 = d_l1.mean(axis=0)
    d_w1 = x.T @ d_l1
    return {"w1": d_w1, "b1": d_b1, "w2": d_w2, "b2": d_b2}
