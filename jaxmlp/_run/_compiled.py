"""`fit` as the program that suits the size of the network: of one, or of the members of an ensemble."""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import jax
import numpy as np
import optax

from .._options import small_network_options
from .._population import population
from .._train import fit
from .._types import LossAndGrads


# Parameters up to which `small_network_options` were seen to help, and `population` to be faster than `jax.vmap`.
_SMALL = 4096
# Members that are worth a vector register.
_SIDE_BY_SIDE = 16


def compiled(
    params: Any,
    *,
    loss_and_grads: LossAndGrads,
    optimizer: optax.GradientTransformation,
    batch_size: int | None,
    ensemble: bool,
) -> Any:
    """`train(params_or_state, batch, *, steps, key=None)`: `fit`, a `jax.jit` compiled once for each number of steps.

    In an ensemble the members are counted by the first axis of the parameters, the state and the keys.
    """
    leaves = jax.tree.leaves(params)
    members = leaves[0].shape[0] if ensemble else 1
    small = sum(np.size(leaf) for leaf in leaves) // members <= _SMALL
    # Members that are spread over devices stay where they are under `jax.vmap`.
    in_one_place = all(len(leaf.devices()) == 1 for leaf in leaves if isinstance(leaf, jax.Array))
    mapped = population if small and in_one_place and members >= _SIDE_BY_SIDE else jax.vmap
    return _program(loss_and_grads, optimizer, batch_size, mapped if ensemble else None, small)


@lru_cache(maxsize=64)
def _program(
    loss_and_grads: LossAndGrads,
    optimizer: optax.GradientTransformation,
    batch_size: int | None,
    mapped: Callable[..., Any] | None,
    small: bool,
) -> Any:
    train = partial(fit, loss_and_grads=loss_and_grads, optimizer=optimizer, batch_size=batch_size)

    def of_members(params: Any, batch: Any, *, steps: int, key: Any = None) -> Any:
        assert mapped
        return mapped(lambda params, key: train(params, batch, steps=steps, key=key))(params, key)

    options = small_network_options() if small else None
    return jax.jit(of_members if mapped else train, static_argnames="steps", compiler_options=options)
