"""Activations, each beside its derivative.

A derivative is written so that it keeps its digits where the activation saturates:
`1 - a` of an `a` that has been rounded to nearly 1 has few digits left, or none, while
`sigmoid(-z)` has them all.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax.scipy.special import erfc
from jaxtyping import Array, Float

from ._logistic import finite_exponential
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
        return self.fwd(z)[0]

    def __repr__(self) -> str:
        return self.name


# identity(z) = z:  da/dz = 1
def _identity_fwd(z):
    return z, None


def _identity_bwd(residuals, da):
    del residuals
    return (da,)


# sigmoid(z) = a = 1 / (1 + t), t = e⁻ᶻ:  da/dz = a (1 - a) = a t / (1 + t) = t a²
# In float32 1 - a is 0 from z = 24 ln 2 = 16.6 on; t a² is right to z = 87, and needs no second exponential.
def _sigmoid_fwd(z):
    finite, t = finite_exponential(z)
    a = jax.nn.sigmoid(finite)
    return a.astype(z.dtype), (a, t)


def _sigmoid_bwd(residuals, da):
    a, t = residuals
    return (da * (t * a * a).astype(da.dtype),)


# tanh(z) = 2 sigmoid(2z) - 1:  da/dz = 1 - tanh²(z) = 4 sigmoid(2z) sigmoid(-2z);  the last form does not cancel.
def _tanh_fwd(z):
    return jnp.tanh(z), z


def _tanh_bwd(z, da):
    return (da * (4 * jax.nn.sigmoid(2 * z) * jax.nn.sigmoid(-2 * z)),)


# relu(z) = max(z, 0):  da/dz = [z > 0].  The kink at 0 is given slope 0, as `jax.nn.relu` has it;
# `jnp.maximum` would give 1/2.  [a > 0] = [z > 0], and `a` is kept anyway as the next layer's input.
def _relu_fwd(z):
    a = once(jax.nn.relu(z))
    return a, a


def _relu_bwd(a, da):
    return (jnp.where(a > 0, da, 0),)


# leaky_relu(z) = z for z >= 0, z/100 below:  da/dz = 1 for z >= 0, 1/100 below
_LEAK = 0.01


def _leaky_relu_fwd(z):
    return jnp.where(z >= 0, z, _LEAK * z), z


def _leaky_relu_bwd(z, da):
    return (jnp.where(z >= 0, da, _LEAK * da),)


# elu(z) = z for z > 0, eᶻ - 1 below:  da/dz = 1 for z > 0, eᶻ below
# The inner `where` keeps e^z of a large z, which nobody asked for, out of autodiff's way.
def _elu_fwd(z):
    return jnp.where(z > 0, z, jnp.expm1(jnp.where(z > 0, 0, z))), z


def _elu_bwd(z, da):
    return (jnp.where(z > 0, da, da * jnp.exp(jnp.where(z > 0, 0, z))),)


# softplus(z) = log(1 + eᶻ):  da/dz = sigmoid(z)
def _softplus_fwd(z):
    return jax.nn.softplus(z), z


def _softplus_bwd(z, da):
    return (da * jax.nn.sigmoid(z),)


# silu(z) = z s, s = sigmoid(z):  da/dz = s + z s (1 - s) = s (1 + z sigmoid(-z))
def _silu_fwd(z):
    return z * jax.nn.sigmoid(z), z


def _silu_bwd(z, da):
    return (da * jax.nn.sigmoid(z) * (1 + z * jax.nn.sigmoid(-z)),)


# gelu(z) = z Φ(z), Φ the normal distribution:  da/dz = Φ(z) + z φ(z), φ(z) = e^(-z²/2) / √(2π)
# Φ(z) = erfc(-z/√2) / 2 keeps its digits in the lower tail, where 1 + erf(z/√2) cancels.
def _normal_cdf(z):
    return erfc(z * -math.sqrt(0.5)) / 2


def _gelu_fwd(z):
    return z * _normal_cdf(z), z


def _gelu_bwd(z, da):
    density = jnp.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    return (da * (_normal_cdf(z) + z * density),)


# gelu_tanh(z) = z (1 + tanh u) / 2, u = √(2/π) (z + 0.044715 z³).  (1 + tanh u) / 2 = sigmoid(2u), so
#   da/dz = sigmoid(2u) + z sigmoid(2u) sigmoid(-2u) 2 du/dz,   du/dz = √(2/π) (1 + 3 · 0.044715 z²)
# From |z| = 30 on, sigmoid(2u) is exactly 0 or 1 in every dtype, and so is the derivative. Going no further keeps
# z² from overflowing, which would make the second term 0 times infinity.
_CUBIC = 0.044715


def _within_30(z):
    return jnp.clip(z, -30, 30)


def _twice_u(z):
    return 2 * math.sqrt(2 / math.pi) * (z + _CUBIC * z * z * z)


def _gelu_tanh_fwd(z):
    return z * jax.nn.sigmoid(_twice_u(_within_30(z))), z


def _gelu_tanh_bwd(z, da):
    z = _within_30(z)
    gate, complement = jax.nn.sigmoid(_twice_u(z)), jax.nn.sigmoid(-_twice_u(z))
    slope = 2 * math.sqrt(2 / math.pi) * (1 + 3 * _CUBIC * z * z)
    return (da * gate * (1 + z * complement * slope),)


# softmax(z)_k = e^(z_k) / Σⱼ e^(z_j):  ∂a_k/∂z_j = a_k ([k = j] - a_j), a full matrix for each example, so
#   dz_j = Σ_k da_k ∂a_k/∂z_j = a_j (da_j - Σ_k da_k a_k)
def _softmax_fwd(z):
    a = jax.nn.softmax(z, axis=-1)
    return a, a


def _softmax_bwd(a, da):
    return (a * (da - (da * a).sum(axis=-1, keepdims=True)),)


identity = Activation("identity", _identity_fwd, _identity_bwd)
sigmoid = Activation("sigmoid", _sigmoid_fwd, _sigmoid_bwd)
tanh = Activation("tanh", _tanh_fwd, _tanh_bwd)
relu = Activation("relu", _relu_fwd, _relu_bwd)
leaky_relu = Activation("leaky_relu", _leaky_relu_fwd, _leaky_relu_bwd)
elu = Activation("elu", _elu_fwd, _elu_bwd)
softplus = Activation("softplus", _softplus_fwd, _softplus_bwd)
silu = Activation("silu", _silu_fwd, _silu_bwd)
gelu = Activation("gelu", _gelu_fwd, _gelu_bwd)
gelu_tanh = Activation("gelu_tanh", _gelu_tanh_fwd, _gelu_tanh_bwd)
softmax = Activation("softmax", _softmax_fwd, _softmax_bwd)
