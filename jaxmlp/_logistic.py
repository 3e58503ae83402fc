"""The exponential of which `sigmoid(z) = 1 / (1 + e⁻ᶻ)` and `sigmoid(-z) = e⁻ᶻ / (1 + e⁻ᶻ)` are made."""

import math

import jax.numpy as jnp
from jaxtyping import Array, Float


def finite_exponential(z: Float[Array, "*shape"]) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
    """`z` and `t = e⁻ᶻ`, which keeps every digit of `sigmoid(-z) = t / (1 + t)` where `1 - sigmoid(z)` has none.

    `z` goes no further down than where `t` is finite, -88 in float32: there `sigmoid(z)` is next to 0 in any case,
    and no product with `t` can be inf times 0. float16, whose exponential ends at 11, gives both in float32.
    """
    wide = z.astype(jnp.float32) if z.dtype == jnp.float16 else z
    wide = jnp.maximum(wide, -math.floor(math.log(jnp.finfo(wide.dtype).max)))
    return wide, jnp.exp(-wide)
