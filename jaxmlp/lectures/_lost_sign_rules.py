"""Lecture 004's rule, and the rules that people reach for to repair it."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .._types import Params
from ._numbers import numbers
from ._program import as_dtype, network, program, xor
from ._rules import cross_entropy, directions, forward, lost_sign_rule


class Settings(NamedTuple):
    """One variant: which rule, its sign (1 as printed, -1 repaired), its rate, and what is added where."""

    rule: str
    sign: float = 1.0
    lr: float = 0.01
    eps: float = 0.0
    eps_log: float = 0.0


AS_PRINTED = Settings("denominators")


def _quotient(params: Params, x, y, *, sign, eps, eps_log):
    """Brought to one denominator: d_loss = (y - p) / (p (1 - p) + eps)."""
    a1, _, p = forward(params, x)
    d_loss = sign * (y - p) / (p * (1 - p) + eps)
    return -cross_entropy(p, y, eps_log), directions(params, x, a1, d_loss * (p * (1 - p)))


def _clamped(params: Params, x, y, *, sign, eps, eps_log):
    """As a library's loss does it: logs not below -100, the denominator not below 1e-12."""
    del eps, eps_log
    a1, _, p = forward(params, x)
    d_loss = sign * (y - p) / jnp.maximum(p * (1 - p), 1e-12)
    loss = jnp.mean(y * jnp.maximum(jnp.log(p), -100) + (1 - y) * jnp.maximum(jnp.log(1 - p), -100))
    return loss, directions(params, x, a1, d_loss * (p * (1 - p)))


def _logits(params: Params, x, y, *, sign, eps, eps_log):
    """On the logits: d_l2 = y - p, and log p = -softplus(-l2), log(1 - p) = -softplus(l2)."""
    del eps, eps_log
    a1, l2, p = forward(params, x)
    loss = -jnp.mean(y * jax.nn.softplus(-l2) + (1 - y) * jax.nn.softplus(l2))
    return loss, directions(params, x, a1, sign * (y - p))


def _autodiff(params: Params, x, y, *, sign, eps, eps_log):
    """Autodiff of the printed loss: descent on the wrong function, without a mistake in the derivative."""
    del eps
    loss, grads = jax.value_and_grad(lambda params: -cross_entropy(forward(params, x).p, y, eps_log))(params)
    return loss, jax.tree.map(lambda grad: sign * grad, grads)


_RULES = {
    "denominators": lost_sign_rule,
    "quotient": _quotient,
    "clamped": _clamped,
    "logits": _logits,
    "autodiff": _autodiff,
}


class History(NamedTuple):
    """A run: `losses[k]` of epoch k + 1, and the parameters after every `epoch_by_epoch(dtype)` updates."""

    losses: np.ndarray
    snapshots: list[Params]


def epoch_by_epoch(dtype: str) -> int:
    """How many epochs one compiled piece of a run has: so many that the epoch of the first -inf starts a piece."""
    updates = numbers("004")["first_inf_and_nan"][dtype][0] - 1
    return updates // 9 if dtype == "float64" else updates


@program(static=("rule", "steps"))
def _piece(params: Params, x, y, sign, lr, eps, eps_log, *, rule: str, steps: int):
    # Not by `fit`, which may add in another order: at a rate of 1 the loss swings from epoch 100 on, and grows the last
    # bit into other digits. What was printed comes from the operations as they stand.
    def epoch(params: Params, _: None) -> tuple[Params, jax.Array]:
        loss, grads = _RULES[rule](params, x, y, sign=sign, eps=eps, eps_log=eps_log)
        return jax.tree.map(lambda leaf, grad: leaf - lr * grad, params, grads), loss

    return jax.lax.scan(epoch, params, length=steps)


def train(settings: Settings, dtype: str, *, epochs: int) -> History:
    """Train from the lecture's start for `epochs` epochs or a few more, piece by piece."""
    params, steps = network(numbers("004")["start"], dtype), epoch_by_epoch(dtype)
    numbers_of = [as_dtype(dtype).type(value) for value in settings[1:]]
    losses, snapshots = [], [params]
    for _ in range(0, epochs, steps):
        params, part = _piece(params, *xor(dtype), *numbers_of, rule=settings.rule, steps=steps)
        losses.append(part.astype(np.float64))
        snapshots.append(params)
    return History(np.concatenate(losses), snapshots)
