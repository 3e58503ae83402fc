"""A sigmoid network on XOR at points of its training, from the start to a loss below one in a million."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxmlp
from jaxmlp import Dense


SIZES = (2, 10, 10, 10, 1)
CHUNK = 10


def trained_points(seeds: int, targets: Sequence[float]) -> dict[tuple[int, float | None], Any]:
    """The parameters as drawn (at `None`) and once the loss is below each target: Adam at 0.02 in float64."""
    x, y = jaxmlp.gate("xor", dtype=jnp.float64)
    by_hand = jaxmlp.loss_and_grads

    @jax.jit
    @jax.vmap
    def chunk(state):
        return jaxmlp.fit(state, (x, y), loss_and_grads=by_hand, optimizer=optax.adam(0.02), steps=CHUNK)

    keys = jax.vmap(jax.random.key)(jnp.arange(seeds))
    params = jax.vmap(lambda key: jaxmlp.init_params(key, SIZES, init=_normal, dtype=jnp.float64))(keys)
    start = partial(jaxmlp.fit, batch=(x, y), loss_and_grads=by_hand, optimizer=optax.adam(0.02), steps=0)
    state, _ = jax.vmap(start)(params)
    found: dict[tuple[int, float | None], Any] = {(seed, None): _of(seed, params) for seed in range(seeds)}
    while len(found) < seeds * (1 + len(targets)):
        state, losses = chunk(state)
        for seed in range(seeds):
            for target in targets:
                if losses[seed, -1] < target and (seed, target) not in found:
                    found[seed, target] = _of(seed, state.params)
    return found


def _normal(key, n_in, n_out, dtype):
    """w ~ N(0, 1/n_in), b = 0."""
    return Dense(jax.random.normal(key, (n_in, n_out), dtype) / np.sqrt(n_in), jnp.zeros((n_out,), dtype))


def _of(seed: int, population: Any) -> Any:
    return jax.tree.map(lambda leaf: np.asarray(leaf[seed]), population)
