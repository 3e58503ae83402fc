"""Activations, each beside its derivative.

A derivative is written so that it keeps its digits where the activation saturates:
`1 - a` of an `a` that has been rounded to nearly 1 has few digits left, or none, while
`sigmoid(-z)` has them all.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy.special import erfc
from jaxtyping import Array, Float

from ._arguments import of_jax
from ._checks import check_floating, check_residuals, check_units, dtype_of
from ._logistic import finite_exponential, narrow, sigmoid_factors, until_exponentials_end, wide
from ._once import once
from ._types import Residuals


@dataclass(frozen=True)
class Activation:
    """A function of the pre-activation and its derivative, written out by hand.

    The pair has the order of `jax.custom_vjp`: `fwd(z) -> (a, residuals)` and
    `bwd(residuals, da) -> (dz,)`, where `z`, `a`, `da` and `dz` have one shape,
    `(batch, units)`, and one floating dtype. Frozen and hashable, so it can be a static
    argument of `jax.jit`; calling it gives `a`.

    Example:
      >>> import jax.numpy as jnp
      >>> import jaxmlp
      >>> a, residuals = jaxmlp.sigmoid.fwd(jnp.zeros((1, 2)))
      >>> (dz,) = jaxmlp.sigmoid.bwd(residuals, jnp.ones_like(a))
      >>> print(a)
      [[0.5 0.5]]
      >>> print(dz)
      [[0.25 0.25]]

      One of your own, and whether its derivative is right:

      >>> cube = jaxmlp.Activation("cube", lambda z: (z**3, z), lambda z, da: (da * 3 * z**2,))
      >>> jaxmlp.check_pair(cube.fwd, cube.bwd, jnp.array([[0.5, -1.0]])).verdict
      'right'
    """

    name: str
    fwd: Callable[[Float[Array, "batch units"]], tuple[Float[Array, "batch units"], Residuals]]
    bwd: Callable[[Residuals, Float[Array, "batch units"]], tuple[Float[Array, "batch units"]]]

    def __call__(self, z: Float[Array, "batch units"]) -> Float[Array, "batch units"]:
        check_floating("z", z)
        return self.fwd(jnp.asarray(z))[0]

    def __repr__(self) -> str:
        return self.name


# What `fwd` keeps for a `z` of this shape; once for each, since tracing takes longer than the comparison.
@lru_cache(maxsize=256)
def _residuals_like(fwd, shape, dtype):
    return jax.eval_shape(fwd, jax.ShapeDtypeStruct(shape, dtype))[1]


def _checked(name: str, fwd: Callable[..., Any], bwd: Callable[..., Any]) -> Activation:
    """The pair with checks of what it is given."""

    def checked_fwd(z):
        check_units("z", z)
        return fwd(of_jax(z))

    def checked_bwd(residuals, da):
        check_units("da", da)
        check_residuals(residuals, _residuals_like(fwd, tuple(da.shape), dtype_of(da)), f"{name}.fwd for such a `da`")
        return bwd(jax.tree.map(of_jax, residuals), of_jax(da))

    checked_fwd.__name__, checked_bwd.__name__ = f"{name}_fwd", f"{name}_bwd"
    return Activation(name, checked_fwd, checked_bwd)


Elementwise: TypeAlias = Callable[[Float[Array, "batch units"]], Float[Array, "batch units"]]


def _of_z(name: str, f: Elementwise, slope: Elementwise) -> Activation:
    """`f` with its derivative, both as functions of the pre-activation, which is all that is kept."""

    def fwd(z):
        return narrow(f(wide(z)), z), z

    def bwd(z, da):
        return (narrow(wide(da) * slope(wide(z)), da),)

    return _checked(name, fwd, bwd)


# identity(z) = z:  da/dz = 1
def _identity_fwd(z):
    return z, None


def _identity_bwd(residuals, da):
    del residuals
    return (da,)


identity = _checked("identity", _identity_fwd, _identity_bwd)


# sigmoid(z) = a = 1 / (1 + t), t = e⁻ᶻ:  da/dz = a (1 - a) = a t / (1 + t) = t a²
# In float32 1 - a is 0 from z = 24 ln 2 = 16.6 on; t a² is right to z = 87, and needs no second exponential.
def _sigmoid_fwd(z):
    finite, t = finite_exponential(z)
    a = jax.nn.sigmoid(finite)
    return narrow(a, z), (a, t)


def _sigmoid_bwd(residuals, da):
    a, t = residuals
    return (narrow(wide(da) * (t * a * a), da),)


sigmoid = _checked("sigmoid", _sigmoid_fwd, _sigmoid_bwd)


# tanh(z) = 2 sigmoid(2z) - 1:  da/dz = 1 - tanh²(z) = 4 sigmoid(2z) sigmoid(-2z);  the last form does not cancel.
def _tanh_slope(z):
    p, q, r = sigmoid_factors(2 * z)
    root = 2 * p * q * r
    return root * root


tanh = _of_z("tanh", jnp.tanh, _tanh_slope)


# relu(z) = max(z, 0):  da/dz = [z > 0].  The kink at 0 is given slope 0, as `jax.nn.relu` has it;
# `jnp.maximum` would give 1/2.  [a > 0] = [z > 0], and `a` is kept anyway as the next layer's input.
def _relu_fwd(z):
    a = once(jax.nn.relu(z))
    return a, a


def _relu_bwd(a, da):
    return (jnp.where(a > 0, da, 0),)


relu = _checked("relu", _relu_fwd, _relu_bwd)


# leaky_relu(z) = z for z >= 0, z/100 below:  da/dz = 1 for z >= 0, 1/100 below
_LEAK = 0.01
leaky_relu = _of_z("leaky_relu", lambda z: jnp.where(z >= 0, z, _LEAK * z), lambda z: jnp.where(z >= 0, 1, _LEAK))


# elu(z) = z for z > 0, eᶻ - 1 below:  da/dz = 1 = e⁰ for z > 0, eᶻ below
# The inner `where` keeps e^z of a large z, which nobody asked for, out of autodiff's way.
elu = _of_z(
    "elu",
    lambda z: jnp.where(z > 0, z, jnp.expm1(jnp.where(z > 0, 0, z))),
    lambda z: jnp.exp(jnp.where(z > 0, 0, z)),
)


# softplus(z) = log(1 + eᶻ):  da/dz = sigmoid(z)
softplus = _of_z("softplus", jax.nn.softplus, jax.nn.sigmoid)


# silu(z) = z s, s = sigmoid(z):  da/dz = s + z s (1 - s) = s (1 + z sigmoid(-z))
def _silu(z):
    z = jnp.maximum(z, until_exponentials_end(z))  # only from below: silu(z) = z above
    p, _, r = sigmoid_factors(z)
    return z * p * p * r


def _silu_slope(z):
    z = until_exponentials_end(z)
    p, q, r = sigmoid_factors(z)
    return (1 + z * q * q * r) * p * p * r


silu = _of_z("silu", _silu, _silu_slope)


# gelu(z) = z Φ(z), Φ the normal distribution:  da/dz = Φ(z) + z φ(z), φ(z) = e^(-z²/2) / √(2π)
# Φ(z) = erfc(-z/√2) / 2 keeps its digits in the lower tail, where 1 + erf(z/√2) cancels.
def _normal_cdf(z):
    return erfc(z * -math.sqrt(0.5)) / 2


def _gelu(z):
    return jnp.maximum(z, until_exponentials_end(z)) * _normal_cdf(z)


def _gelu_slope(z):
    z = until_exponentials_end(z)
    root = jnp.exp(-z * z / 4)  # of e^(-z²/2), which is below the smallest normal number before z e^(-z²/2) is
    return _normal_cdf(z) + z * root * root / math.sqrt(2 * math.pi)


gelu = _of_z("gelu", _gelu, _gelu_slope)


# gelu_tanh(z) = z (1 + tanh u) / 2, u = √(2/π) (z + 0.044715 z³).  (1 + tanh u) / 2 = sigmoid(2u), so
#   da/dz = sigmoid(2u) + z sigmoid(2u) sigmoid(-2u) 2 du/dz,   du/dz = √(2/π) (1 + 3 · 0.044715 z²)
# From |z| = 30 on, sigmoid(2u) is exactly 0 or 1 in every dtype, and so is the derivative. Going no further keeps
# z² from overflowing, which would make the second term 0 times infinity.
_CUBIC = 0.044715


def _within_30(z):
    return jnp.clip(z, -30, 30)


def _twice_u(z):
    return 2 * math.sqrt(2 / math.pi) * (z + _CUBIC * z * z * z)


def _gelu_tanh(z):
    p, _, r = sigmoid_factors(_twice_u(_within_30(z)))
    return jnp.maximum(z, -30) * p * p * r


def _gelu_tanh_slope(z):
    z = _within_30(z)
    p, q, r = sigmoid_factors(_twice_u(z))
    of_twice_u = 2 * math.sqrt(2 / math.pi) * (1 + 3 * _CUBIC * z * z)
    return (1 + z * of_twice_u * q * q * r) * p * p * r


gelu_tanh = _of_z("gelu_tanh", _gelu_tanh, _gelu_tanh_slope)


# softmax(z)_k = e^(z_k) / Σⱼ e^(z_j):  ∂a_k/∂z_j = a_k ([k = j] - a_j), a full matrix for each example, so
#   dz_j = Σ_k da_k ∂a_k/∂z_j = a_j (da_j - Σ_k da_k a_k)
# Σ_k a_k = 1, so a number added to every da changes nothing. Less their mean Σ_k da_k a_k, which is next to the da of
# an a that is nearly 1, the sum has only small terms, and its digits are not lost in the difference.
# An infinite logit is sure of its unit; where several would have to be compared, there is no number.
def _softmax_fwd(z):
    logits = wide(z)
    largest = lax.stop_gradient(logits.max(axis=-1, keepdims=True))
    is_infinite = jnp.isinf(largest)
    a = jnp.exp(jnp.where(is_infinite & (logits == largest), 0, logits - largest))
    total = a.sum(axis=-1, keepdims=True)
    a = a / jnp.where(is_infinite & (total > 1), jnp.nan, total)
    return narrow(a, z), a


def _softmax_bwd(a, da):
    beyond = wide(da) - (wide(da) * a).sum(axis=-1, keepdims=True)
    return (narrow(a * (beyond - (beyond * a).sum(axis=-1, keepdims=True)), da),)


softmax = _checked("softmax", _softmax_fwd, _softmax_bwd)
