"""Activations and losses in forms that are equal on paper; what one computes, another computes by other operations.

Of each table the first forms keep their digits, the `rough` ones lose them or overflow where the first do not.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import optax
from jax.scipy.special import erf, erfc

import jaxmlp


Value: TypeAlias = Callable[[Any], Any]
Pullback: TypeAlias = Callable[[Any, Any, Any], Any]
"""`(z, a, da) -> dz`"""


@dataclass(frozen=True)
class Forms:
    """One function: its values, and its derivative.

    Attributes:
      values: `z -> a`.
      backs: `(z, a, da) -> dz`; `(out, y) -> dout` of a loss.
      rough_values: values that lose digits far from 0.
      rough_backs: the same.
      kinks: where the derivative jumps.
      columns: how many columns of `z` make one of `a`.
    """

    values: tuple[Callable[..., Any], ...]
    backs: tuple[Callable[..., Any], ...]
    rough_values: tuple[Callable[..., Any], ...] = ()
    rough_backs: tuple[Callable[..., Any], ...] = ()
    kinks: tuple[float, ...] = ()
    columns: int = 1


def _by(*slopes: Callable[[Any, Any], Any]) -> tuple[Pullback, ...]:
    return tuple(lambda z, a, da, slope=slope: da * slope(z, a) for slope in slopes)


def _mask(condition: Any, like: Any) -> Any:
    return condition.astype(like.dtype)


sigmoid, tanh, exp, where = jax.nn.sigmoid, jnp.tanh, jnp.exp, jnp.where
SELU, SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946
ROOT_2, ROOT_2_OVER_PI, ROOT_2_PI = math.sqrt(2), math.sqrt(2 / math.pi), math.sqrt(2 * math.pi)


def _below(z: Any) -> Any:
    return jnp.minimum(z, 0)


def _gelu_tanh_slope(z: Any, a: Any) -> Any:
    u = ROOT_2_OVER_PI * (z + 0.044715 * z**3)
    return (1 + tanh(u)) / 2 + z * (1 - tanh(u) ** 2) / 2 * ROOT_2_OVER_PI * (1 + 3 * 0.044715 * z**2)


def _gelu_tanh_gate(z: Any, a: Any) -> Any:
    z = jnp.clip(z, -30, 30)
    twice_u = 2 * ROOT_2_OVER_PI * (z + 0.044715 * z * z * z)
    gate = sigmoid(twice_u)
    return gate + z * gate * sigmoid(-twice_u) * 2 * ROOT_2_OVER_PI * (1 + 0.134145 * z * z)


def _mish_slope(z: Any, a: Any) -> Any:
    s = jax.nn.softplus(z)
    return tanh(s) + z * 4 * sigmoid(2 * s) * sigmoid(-2 * s) * sigmoid(z)


def _softmax_jacobian(z: Any, a: Any, da: Any) -> Any:
    jacobian = a[:, :, None] * jnp.eye(a.shape[1], dtype=a.dtype)[None] - a[:, :, None] * a[:, None, :]
    return jnp.einsum("bk,bkj->bj", da, jacobian)


def _softmax_exp(z: Any) -> Any:
    return exp(z) / exp(z).sum(axis=1, keepdims=True)


EPSILON = 1e-5


def _standardized(z: Any) -> Any:
    centred = z - z.mean(axis=1, keepdims=True)
    return centred / jnp.sqrt((centred**2).mean(axis=1, keepdims=True) + EPSILON)


def _standardize_back(z: Any, a: Any, da: Any) -> Any:
    centred = z - z.mean(axis=1, keepdims=True)
    scale = 1 / jnp.sqrt((centred**2).mean(axis=1, keepdims=True) + EPSILON)
    return scale * (da - da.mean(axis=1, keepdims=True) - a * (da * a).mean(axis=1, keepdims=True))


def _standardize_jacobian(z: Any, a: Any, da: Any) -> Any:
    n = z.shape[1]
    centred = z - z.mean(axis=1, keepdims=True)
    deviation = jnp.sqrt((centred**2).sum(axis=1, keepdims=True) / n + EPSILON)
    centring = jnp.eye(n, dtype=z.dtype) - 1 / n
    dcentred = da / deviation - centred * (da * centred).sum(axis=1, keepdims=True) / (n * deviation**3)
    return dcentred @ centring


def _glu(z: Any) -> Any:
    half = z.shape[1] // 2
    return z[:, :half] * sigmoid(z[:, half:])


def _glu_back(z: Any, a: Any, da: Any) -> Any:
    half = z.shape[1] // 2
    gate = sigmoid(z[:, half:])
    return jnp.concatenate([da * gate, da * z[:, :half] * gate * sigmoid(-z[:, half:])], axis=1)


def _glu_back_from_a(z: Any, a: Any, da: Any) -> Any:
    half = z.shape[1] // 2
    gate = sigmoid(z[:, half:])
    return jnp.concatenate([da * gate, da * (a * (1 - gate))], axis=1)


ACTIVATIONS: dict[str, Forms] = {
    "identity": Forms((lambda z: z, jaxmlp.identity), _by(lambda z, a: jnp.ones_like(z))),
    "sigmoid": Forms(
        (sigmoid, jaxmlp.sigmoid),
        _by(
            lambda z, a: sigmoid(z) * sigmoid(-z),
            lambda z, a: exp(-jax.nn.softplus(z) - jax.nn.softplus(-z)),
            lambda z, a: 1 / (2 + exp(z) + exp(-z)),
        ),
        (lambda z: 1 / (1 + exp(-z)), lambda z: (1 + tanh(z / 2)) / 2),
        _by(
            lambda z, a: a * (1 - a),
            lambda z, a: a - a**2,
            lambda z, a: (1 - tanh(z / 2) ** 2) / 4,
            lambda z, a: exp(-z) / (1 + exp(-z)) ** 2,
        ),
    ),
    "tanh": Forms(
        (tanh, jaxmlp.tanh, lambda z: 2 * sigmoid(2 * z) - 1),
        _by(lambda z, a: 4 * sigmoid(2 * z) * sigmoid(-2 * z), lambda z, a: 1 / jnp.cosh(z) ** 2),
        (lambda z: (exp(z) - exp(-z)) / (exp(z) + exp(-z)),),
        _by(lambda z, a: 1 - a**2, lambda z, a: (1 - a) * (1 + a)),
    ),
    "relu": Forms(
        (
            jax.nn.relu,
            jaxmlp.relu,
            lambda z: jnp.maximum(z, 0),
            lambda z: where(z > 0, z, 0),
            lambda z: (z + abs(z)) / 2,
        ),
        _by(lambda z, a: _mask(z > 0, z), lambda z, a: _mask(a > 0, z), lambda z, a: (1 + jnp.sign(z)) / 2),
        kinks=(0.0,),
    ),
    "relu6": Forms(
        (jax.nn.relu6, lambda z: jnp.clip(z, 0, 6)),
        _by(lambda z, a: _mask((z > 0) & (z < 6), z), lambda z, a: _mask((a > 0) & (a < 6), z)),
        kinks=(0.0, 6.0),
    ),
    "leaky_relu": Forms(
        (jax.nn.leaky_relu, jaxmlp.leaky_relu, lambda z: jnp.maximum(z, 0.01 * z)),
        _by(lambda z, a: where(z >= 0, 1, 0.01).astype(z.dtype), lambda z, a: 0.01 + 0.99 * _mask(z > 0, z)),
        kinks=(0.0,),
    ),
    "elu": Forms(
        (jax.nn.elu, jaxmlp.elu),
        _by(lambda z, a: exp(_below(z)), lambda z, a: where(z > 0, 1, exp(_below(z)))),
        (lambda z: jnp.maximum(z, 0) + exp(_below(z)) - 1,),
        _by(lambda z, a: where(a > 0, 1, a + 1)),
        kinks=(0.0,),
    ),
    "celu": Forms(
        (lambda z: jax.nn.celu(z, 1.3), lambda z: jnp.maximum(z, 0) + 1.3 * jnp.expm1(_below(z) / 1.3)),
        _by(lambda z, a: exp(_below(z) / 1.3)),
        (),
        _by(lambda z, a: where(z > 0, 1, a / 1.3 + 1)),
        kinks=(0.0,),
    ),
    "selu": Forms(
        (jax.nn.selu, lambda z: SELU_SCALE * (jnp.maximum(z, 0) + SELU * jnp.expm1(_below(z)))),
        _by(lambda z, a: SELU_SCALE * where(z > 0, 1, SELU * exp(_below(z)))),
        (),
        _by(lambda z, a: where(z > 0, SELU_SCALE, a + SELU_SCALE * SELU)),
        kinks=(0.0,),
    ),
    "softplus": Forms(
        (jax.nn.softplus, jaxmlp.softplus, lambda z: jnp.maximum(z, 0) + jnp.log1p(exp(-abs(z)))),
        _by(lambda z, a: sigmoid(z), lambda z, a: -jnp.expm1(-a)),
        (lambda z: jnp.log(1 + exp(z)),),
        _by(lambda z, a: 1 - exp(-a), lambda z, a: exp(z) / (1 + exp(z)), lambda z, a: exp(z - a)),
    ),
    "silu": Forms(
        (jax.nn.silu, jaxmlp.silu, lambda z: z * sigmoid(z)),
        _by(lambda z, a: sigmoid(z) * (1 + z * sigmoid(-z)), lambda z, a: sigmoid(z) + a * sigmoid(-z)),
        (lambda z: z / (1 + exp(-z)),),
        _by(lambda z, a: sigmoid(z) + a * (1 - sigmoid(z))),
    ),
    "gelu": Forms(
        (lambda z: jax.nn.gelu(z, approximate=False), jaxmlp.gelu),
        _by(
            lambda z, a: erfc(-z / ROOT_2) / 2 + z * exp(-(z**2) / 2) / ROOT_2_PI,
            lambda z, a: (
                where(z < 0, erfc(-z / ROOT_2), 2 - erfc(z / ROOT_2)) / 2 + z * exp(-((z / ROOT_2) ** 2)) / ROOT_2_PI
            ),
        ),
        (lambda z: z * (1 + erf(z / ROOT_2)) / 2,),
        _by(lambda z, a: (1 + erf(z / ROOT_2)) / 2 + z * exp(-(z**2) / 2) / ROOT_2_PI),
    ),
    "gelu_tanh": Forms(
        (jax.nn.gelu, jaxmlp.gelu_tanh),
        _by(_gelu_tanh_gate),
        (),
        _by(_gelu_tanh_slope),
    ),
    "hard_tanh": Forms(
        (jax.nn.hard_tanh, lambda z: jnp.clip(z, -1, 1)),
        _by(lambda z, a: _mask(abs(z) < 1, z), lambda z, a: _mask((z > -1) & (z <= 1), z)),
        kinks=(-1.0, 1.0),
    ),
    "hard_sigmoid": Forms(
        (jax.nn.hard_sigmoid, lambda z: jnp.clip(z / 6 + 0.5, 0, 1)),
        _by(lambda z, a: _mask(abs(z) < 3, z) / 6),
        kinks=(-3.0, 3.0),
    ),
    "hard_silu": Forms(
        (jax.nn.hard_silu, lambda z: z * jnp.clip(z + 3, 0, 6) / 6),
        _by(
            lambda z, a: jnp.clip(z + 3, 0, 6) / 6 + z * _mask(abs(z) < 3, z) / 6,
            lambda z, a: where(z < -3, 0, where(z > 3, 1, (2 * z + 3) / 6)),
        ),
        kinks=(-3.0, 3.0),
    ),
    "soft_sign": Forms(
        (jax.nn.soft_sign, lambda z: z / (1 + abs(z))),
        _by(lambda z, a: 1 / (1 + abs(z)) ** 2, lambda z, a: (1 / (1 + abs(z))) * (1 / (1 + abs(z)))),
        (),
        _by(lambda z, a: (1 - abs(a)) ** 2),
    ),
    "log_sigmoid": Forms(
        (jax.nn.log_sigmoid, lambda z: _below(z) - jnp.log1p(exp(-abs(z)))),
        _by(lambda z, a: sigmoid(-z), lambda z, a: -jnp.expm1(a)),
        (lambda z: jnp.log(sigmoid(z)),),
        _by(lambda z, a: 1 - sigmoid(z)),
    ),
    "squareplus": Forms(
        (jax.nn.squareplus, lambda z: z / 2 + jnp.sqrt(z**2 + 4) / 2),
        _by(
            lambda z, a: where(
                z > 0, (1 + abs(z) / jnp.hypot(z, 2.0)) / 2, 2 / (z**2 + 4 + abs(z) * jnp.sqrt(z**2 + 4))
            )
        ),
        (),
        _by(lambda z, a: (1 + z / jnp.sqrt(z**2 + 4)) / 2, lambda z, a: a / jnp.sqrt(z**2 + 4)),
    ),
    "mish": Forms(
        (jax.nn.mish, lambda z: z * tanh(jax.nn.softplus(z))),
        _by(_mish_slope),
        (),
        _by(
            lambda z, a: tanh(jax.nn.softplus(z)) + z * (1 - tanh(jax.nn.softplus(z)) ** 2) * sigmoid(z),
        ),
    ),
    "sparse_plus": Forms(
        (jax.nn.sparse_plus, lambda z: where(z <= -1, 0, where(z >= 1, z, (z + 1) ** 2 / 4))),
        _by(lambda z, a: jnp.clip((z + 1) / 2, 0, 1), lambda z, a: jax.nn.sparse_sigmoid(z)),
    ),
    "sparse_sigmoid": Forms(
        (jax.nn.sparse_sigmoid, lambda z: jnp.clip((z + 1) / 2, 0, 1)),
        _by(lambda z, a: _mask(abs(z) < 1, z) / 2),
        kinks=(-1.0, 1.0),
    ),
    "softmax": Forms(
        (lambda z: jax.nn.softmax(z, axis=1), jaxmlp.softmax),
        (lambda z, a, da: a * (da - (da * a).sum(axis=1, keepdims=True)), _softmax_jacobian),
        (_softmax_exp,),
        (lambda z, a, da: a * da - a * (a * da).sum(axis=1, keepdims=True),),
    ),
    "log_softmax": Forms(
        (lambda z: jax.nn.log_softmax(z, axis=1), lambda z: z - jax.nn.logsumexp(z, axis=1, keepdims=True)),
        (
            lambda z, a, da: da - jax.nn.softmax(z, axis=1) * da.sum(axis=1, keepdims=True),
            lambda z, a, da: da - exp(a) * da.sum(axis=1, keepdims=True),
        ),
        (lambda z: jnp.log(_softmax_exp(z)),),
    ),
    "standardize": Forms(
        (_standardized, lambda z: jax.nn.standardize(z, axis=1, epsilon=EPSILON)),
        (_standardize_back, _standardize_jacobian),
    ),
    "glu": Forms(
        (lambda z: jax.nn.glu(z, axis=1), _glu),
        (_glu_back,),
        (),
        (_glu_back_from_a,),
        columns=2,
    ),
}
"""Those of the package, and every one in `jax.nn`."""


def _rows(y: Any) -> Any:
    return y.sum(axis=1, keepdims=True)


def _cross_entropy(p: Any, y: Any) -> Any:
    return -(y * jnp.log(p) + (1 - y) * jnp.log1p(-p)).sum(axis=1)


LOSSES: dict[str, Forms] = {
    "half squared": Forms(
        (lambda out, y: ((out - y) ** 2 / 2).sum(axis=1), lambda out, y: optax.l2_loss(out, y).sum(axis=1)),
        (lambda out, y: out - y,),
        (lambda out, y: (out * out / 2 - out * y + y * y / 2).sum(axis=1),),
    ),
    "squared": Forms(
        (lambda out, y: ((out - y) ** 2).sum(axis=1), lambda out, y: jnp.einsum("bk,bk->b", out - y, out - y)),
        (lambda out, y: 2 * (out - y), lambda out, y: (out - y) * 2 * jnp.ones_like(y)),
        (),
        (lambda out, y: 2 * out - 2 * y,),
    ),
    "huber": Forms(
        (lambda out, y: optax.huber_loss(out, y).sum(axis=1),),
        (lambda out, y: jnp.clip(out - y, -1, 1), lambda out, y: where(abs(out - y) < 1, out - y, jnp.sign(out - y))),
    ),
    "log cosh": Forms(
        (
            lambda out, y: optax.log_cosh(out, y).sum(axis=1),
            lambda out, y: (jnp.logaddexp(out - y, y - out) - math.log(2)).sum(axis=1),
        ),
        (lambda out, y: tanh(out - y), lambda out, y: 2 * sigmoid(2 * (out - y)) - 1),
        (lambda out, y: jnp.log(jnp.cosh(out - y)).sum(axis=1),),
    ),
    "absolute": Forms(
        (lambda out, y: abs(out - y).sum(axis=1),),
        (lambda out, y: jnp.sign(out - y), lambda out, y: _mask(out > y, out) - _mask(out < y, out)),
        kinks=(0.0,),
    ),
    "logits": Forms(
        (
            lambda out, y: (jax.nn.softplus(out) - y * out).sum(axis=1),
            lambda out, y: optax.sigmoid_binary_cross_entropy(out, y).sum(axis=1),
            lambda out, y: -(y * jax.nn.log_sigmoid(out) + (1 - y) * jax.nn.log_sigmoid(-out)).sum(axis=1),
        ),
        (lambda out, y: (1 - y) * sigmoid(out) - y * sigmoid(-out),),
        (lambda out, y: _cross_entropy(sigmoid(out), y),),
        (lambda out, y: sigmoid(out) - y, lambda out, y: 1 / (1 + exp(-out)) - y),
    ),
    "softmax logits": Forms(
        (
            lambda out, y: -(y * jax.nn.log_softmax(out, axis=1)).sum(axis=1),
            lambda out, y: optax.softmax_cross_entropy(out, y),
            lambda out, y: jax.nn.logsumexp(out, axis=1) * y.sum(axis=1) - (y * out).sum(axis=1),
        ),
        (
            lambda out, y: jax.nn.softmax(out, axis=1) * (_rows(y) - y) - y * (1 - jax.nn.softmax(out, axis=1)),
            lambda out, y: jax.nn.softmax(out, axis=1) * _rows(y) - y,
        ),
        (lambda out, y: -(y * jnp.log(jax.nn.softmax(out, axis=1))).sum(axis=1),),
        (lambda out, y: _softmax_exp(out) * _rows(y) - y,),
    ),
    "probabilities": Forms(
        (
            _cross_entropy,
            lambda out, y: -(jax.scipy.special.xlogy(y, out) + jax.scipy.special.xlog1py(1 - y, -out)).sum(axis=1),
        ),
        (lambda out, y: (out - y) / (out * (1 - out)), lambda out, y: (1 - y) / (1 - out) - y / out),
    ),
    "hinge": Forms(
        (lambda out, y: jnp.maximum(1 - y * out, 0).sum(axis=1), lambda out, y: jax.nn.relu(1 - y * out).sum(axis=1)),
        (lambda out, y: -y * _mask(y * out < 1, out), lambda out, y: where(1 - y * out > 0, -y, 0)),
        kinks=(1.0,),
    ),
    "Poisson": Forms(
        (lambda out, y: (exp(out) - y * out).sum(axis=1),),
        (lambda out, y: exp(out) - y, lambda out, y: jnp.expm1(out) + (1 - y)),
    ),
}
"""`(out, y) -> a number for each example`, and `(out, y) -> dout` of their sum."""
