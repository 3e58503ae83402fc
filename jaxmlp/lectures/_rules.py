"""The two-layer network of lectures 000, 001, 002 and 004, and the update they derived by hand.

    l1 = x w1 + b1,   a1 = s(l1),   l2 = a1 w2 + b2,   p = s(l2)

`d_<name>` are the lectures' names for their update directions. These are no gradients, which is one
of the claims: weights get the sum over the batch, biases the mean, of the gradient of a summed cost.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from .._dense import dense_fwd
from .._mlp import loss_and_grads
from .._train import fit
from .._types import Dense, Params
from ._program import program


class Activations(NamedTuple):
    """What the forward pass computes on its way."""

    a1: Float[Array, "batch hidden"]
    l2: Float[Array, "batch 1"]
    p: Float[Array, "batch 1"]


def sigmoid(z):
    """s(z) = 1 / (1 + e⁻ᶻ), as the lectures write it: 1 exactly where e⁻ᶻ is absorbed by the 1."""
    return 1 / (1 + jnp.exp(-z))


def forward(params: Params, x: Float[Array, "batch 2"]) -> Activations:
    """The network, layer by layer."""
    first, second = params
    a1 = sigmoid(dense_fwd(first, x)[0])
    l2, _ = dense_fwd(second, a1)
    return Activations(a1, l2, sigmoid(l2))


def forward_in_numpy(params: Any, x: Any) -> tuple[np.ndarray, np.ndarray]:
    """`a1` and `l2`, one NumPy operation at a time: nothing fused, nothing reordered."""
    first, second = params
    a1: Any = 1 / (1 + np.exp(-dense_fwd(first, x)[0]))
    return a1, np.asarray(dense_fwd(second, a1)[0])


def cross_entropy(p, y, eps=0.0):
    """-mean(y log p + (1 - y) log(1 - p)), evaluated as written: 0 log 0 is NaN. `eps` goes into both logs."""
    return -jnp.mean(y * jnp.log(p + eps) + (1 - y) * jnp.log(1 - p + eps))


def directions(params: Params, x: Float[Array, "batch 2"], a1, d_l2) -> Params:
    """From `d_l2` down: weights by the sum over the batch, biases by the mean."""
    w2 = params[1].w
    d_w2 = a1.T @ d_l2
    d_l1 = (d_l2 @ w2.T) * a1 * (1 - a1)
    d_w1 = x.T @ d_l1
    return Dense(d_w1, d_l1.mean(axis=0)), Dense(d_w2, d_l2.mean(axis=0))


def mixed_rule(params: Params, x, y, *, eps) -> tuple[Float[Array, ""], Params]:
    """The cost and the update directions of lectures 000, 001 and 002: d_p = (p - y) / (p (1 - p) + eps)."""
    a1, _, p = forward(params, x)
    d_p = (p - y) / (p * (1 - p) + eps)
    return cross_entropy(p, y), directions(params, x, a1, d_p * p * (1 - p))


class Run(NamedTuple):
    """A training run: the cost of every step, and where the last printed one was computed."""

    costs: Float[Array, " steps"]
    p: Float[Array, "batch 1"]
    params: Params


@program(static=("last",))
def train_mixed(params: Params, x, y, lr, eps, *, last: int) -> Run:
    """Steps 0 to `last` of `mixed_rule`; `p` and `params` are those of step `last`, before its update."""
    rule = partial(mixed_rule, eps=eps)
    state, costs = fit(params, (x, y), loss_and_grads=rule, optimizer=optax.sgd(lr), steps=last)
    p = forward(state.params, x).p
    return Run(jnp.append(costs, cross_entropy(p, y)), p, state.params)


def lost_sign_rule(params: Params, x, y, *, sign=1.0, eps=0.0, eps_log=0.0) -> tuple[Float[Array, ""], Params]:
    """The printed loss and the update directions of lecture 004, with no minus in either.

    d_loss = y / (p + eps) - (1 - y) / (1 - p + eps), where the lecture has no eps; `sign` -1 repairs it.
    """
    a1, _, p = forward(params, x)
    d_loss = sign * (y / (p + eps) - (1 - y) / (1 - p + eps))
    return -cross_entropy(p, y, eps_log), directions(params, x, a1, d_loss * (p * (1 - p)))


class Directions(NamedTuple):
    """At the same parameters: two rules' update directions, and the gradient of the cost, by hand and by autodiff."""

    mixed: Params
    lost_sign: Params
    by_hand: Params
    by_autodiff: Params


@program
def all_directions(params: Params, x, y) -> Directions:
    """Both rules as the lectures have them, but for eps, beside the gradient of the mean cross-entropy."""
    autodiff = jax.grad(lambda params: cross_entropy(forward(params, x).p, y))(params)
    by_hand = loss_and_grads(params, x, y)[1]
    return Directions(mixed_rule(params, x, y, eps=0)[1], lost_sign_rule(params, x, y)[1], by_hand, autodiff)


def ratios(direction: Params, gradient: Params, leaf: str, expected: float) -> float:
    """Of all elements of `direction / gradient` in the leaves `w` or `b`, the one furthest from `expected`."""
    pairs = zip(direction, gradient, strict=True)
    values = np.concatenate([(getattr(d, leaf) / getattr(g, leaf)).ravel() for d, g in pairs])
    return float(values[np.argmax(np.abs(values - expected))])
