"""The pieces of which sigmoids, softmaxes and their slopes are made, such that no digit is lost on the way."""

import math

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float


def wide(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """An array as JAX has it, 16 bits as float32, in which they are computed with, to be rounded once at the end.

    Between operations, float16 would end at e^11 and bfloat16 round to 8 bits.
    """
    x = jnp.asarray(x)
    return x.astype(jnp.float32) if x.dtype.itemsize == 2 else x


def narrow(x: Float[Array, "*shape"], like: Float[Array, "*other"]) -> Float[Array, "*shape"]:
    """What `wide` has made wide, rounded to the 16 bits of `like`."""
    return x.astype(like.dtype) if like.dtype.itemsize == 2 else x


def until_exponentials_end(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """`z` within ±2 log max, ±177 in float32: beyond, e^-|z| is 0, and no product with it can be inf times 0."""
    end = 2 * math.log(jnp.finfo(z.dtype).max)
    return jnp.clip(z, -end, end)


def finite_exponential(z: Float[Array, "*shape"]) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
    """`z` and `t = e⁻ᶻ`, which keeps every digit of `sigmoid(-z) = t / (1 + t)` where `1 - sigmoid(z)` has none.

    `z` goes no further down than where `t` is finite, -88 in float32: there `sigmoid(z)` is next to 0 in any case,
    and no product with `t` can be inf times 0. 16 bits give both in float32.
    """
    z = wide(z)
    z = jnp.maximum(z, -math.floor(math.log(jnp.finfo(z.dtype).max)))
    return z, jnp.exp(-z)


def sigmoid_factors(z: Float[Array, "*shape"]) -> tuple[Float[Array, "*shape"], ...]:
    """`(p, q, r)` with `sigmoid(z) = p p r` and `sigmoid(-z) = q q r`, of which products can be made that lose nothing.

    XLA on a CPU computes with numbers below the smallest normal one as with 0; sigmoid(-88) is one in float32, and
    -88 sigmoid(-88) is not. With t = e^(-|z|/2), r is 1 / (1 + t²), and p and q are 1 and t, or t and 1 for z < 0.
    """
    below = z < 0
    t = jnp.exp(jnp.where(below, z, -z) / 2)
    return jnp.where(below, t, 1), jnp.where(below, 1, t), 1 / (1 + t * t)


def from_the_largest(z: Float[Array, "*shape"]) -> tuple[Float[Array, "*shape"], Bool[Array, "*shape"]]:
    """`z` less the largest of its row, which is exactly 0 where that stands, infinite or not; and where that is.

    The largest is taken by its index, so that autodiff sees one, ties or not.
    """
    top = jnp.argmax(z, axis=-1, keepdims=True)
    is_top = lax.broadcasted_iota(top.dtype, z.shape, z.ndim - 1) == top
    return jnp.where(is_top & ~jnp.isnan(z), 0, z - jnp.take_along_axis(z, top, axis=-1)), is_top
