"""One step of a training as the formula has it: slow, and with every line of the loss in it.

`fit` writes small steps anew, and what XLA is then given has lost the lines that they came from.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from .._layouts import rows_of
from .._train import TrainState
from .._types import LossAndGrads


def plain_step(
    state: TrainState,
    batch: tuple[Array, ...],
    *,
    loss_and_grads: LossAndGrads,
    optimizer: optax.GradientTransformation,
    batch_size: int | None,
) -> tuple[TrainState, Array]:
    """The state after one step of `fit` and the loss before it, equal to its own up to rounding."""
    if batch_size is not None and state.key is not None:
        n = jax.tree.leaves(batch)[0].shape[0]
        epoch, place = state.step // (n // batch_size), state.step % (n // batch_size)
        order = jax.random.permutation(jax.random.fold_in(state.key, epoch), n)
        rows = jax.lax.dynamic_slice_in_dim(order, place * batch_size, batch_size)
        batch = rows_of(jax.tree.map(jnp.asarray, batch), rows)
    loss, grads = loss_and_grads(state.params, *batch)
    updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
    return TrainState(optax.apply_updates(state.params, updates), opt_state, state.step + 1, state.key), loss


Step = Callable[[TrainState], tuple[TrainState, Any]]
"""`step(state) -> (state, loss)`."""
