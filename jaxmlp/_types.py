"""The shapes of things: a layer's parameters, a network's, and their aliases."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from jaxtyping import Array, Float


class Dense(NamedTuple):
    """The parameters of one dense layer, `z = x @ w + b`.

    Attributes:
      w: weights, `(n_in, n_out)`: column `j` holds what feeds unit `j`.
      b: biases, `(n_out,)`, or `None` for a layer without biases.

    Example:
      >>> import jax.numpy as jnp
      >>> import jaxmlp
      >>> either = jaxmlp.Dense(w=jnp.array([[20.0], [20.0]]), b=jnp.array([-10.0]))
      >>> x, _ = jaxmlp.gate("or", dtype=float)
      >>> print(jaxmlp.predict((either,), x).round().ravel())  # one unit computes OR
      [0. 1. 1. 1.]
    """

    w: Float[Array, "n_in n_out"]
    b: Float[Array, " n_out"] | None


Params: TypeAlias = tuple[Dense, ...]
"""A network's parameters, or its gradient: one `Dense` a layer, first layer first."""

Residuals: TypeAlias = Any
"""What a `_fwd` keeps for its `_bwd`: a pytree of arrays, private to the pair."""

LossAndGrads: TypeAlias = Callable[..., tuple[Float[Array, ""], Any]]
"""`loss_and_grads(params, *batch) -> (loss, grads)`, `grads` a tree like `params`."""
