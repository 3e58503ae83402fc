"""Gradient descent on XOR from the parameters that seed 777 gave, by hand and by autodiff."""

from typing import Any

import jax
import numpy as np
import optax

from .._mlp import loss_and_grads, predict
from .._train import fit
from .._types import Params
from ._numbers import numbers, replay
from ._program import program, unflatten, xor
from ._rules import cross_entropy


NETWORKS = ("2-2-1", "2-10-10-10-1")
LENGTH = 100  # steps a segment: what all distances between printed steps are multiples of


def textbook_loss(params: Params, x, y):
    """The mean cross-entropy from the network's probabilities, as the lecture has it."""
    return cross_entropy(predict(params, x), y)


def by_hand(params: Params, x, y):
    """The loss as the lecture prints it, float32's poor `log(1 - p)` and all, and our gradient."""
    return textbook_loss(params, x, y), loss_and_grads(params, x, y)[1]


RULES = {"by hand": by_hand, "by jax.grad": jax.value_and_grad(textbook_loss)}


@program(static=("rule",))
def segment(params: Params, x, y, lr, *, rule: str) -> tuple[Params, Any, Params]:
    """The gradient at `params`, the losses of `LENGTH` steps of gradient descent, and the parameters after them."""
    _, grads = RULES[rule](params, x, y)
    state, losses = fit(params, (x, y), loss_and_grads=RULES[rule], optimizer=optax.sgd(lr), steps=LENGTH)
    return grads, losses, state.params


def start(name: str, dtype: str) -> Params:
    """The network as seed 777 drew it."""
    return unflatten(replay(name)["params"][0], numbers("001")[name]["sizes"], dtype)


def descend(params: Params, lr: float, rule: str, *, last: int) -> tuple[Params, np.ndarray]:
    """The gradient at `params`, and the losses of steps 0 ... `last` from there.

    Segment after segment, so that one program serves the whole curve and every replay of a part of it.
    """
    x, y = xor(params[0].w.dtype)
    first, losses, params = segment(params, x, y, lr, rule=rule)
    parts = [losses]
    for _ in range(LENGTH, last + 1, LENGTH):
        _, losses, params = segment(params, x, y, lr, rule=rule)
        parts.append(losses)
    return first, np.concatenate(parts)[: last + 1]
