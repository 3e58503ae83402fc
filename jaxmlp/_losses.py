"""Losses, each beside its gradient.

Every loss is a mean over the batch; that 1/batch enters here and nowhere else.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, lru_cache, reduce
from typing import Any

import jax
import jax.numpy as jnp
from jax.scipy.special import xlog1py, xlogy
from jaxtyping import Array, Float, Int

from ._arguments import check_positive, of_jax
from ._checks import (
    check_array,
    check_labels,
    check_probabilities,
    check_residuals,
    check_same_dtype,
    check_targets,
    dtype_of,
)
from ._logistic import finite_exponential, from_the_largest, narrow, wide
from ._once import once
from ._types import Residuals


@dataclass(frozen=True)
class Loss:
    """A scalar loss of the network's output and the targets, and its gradient by hand.

    The pair has the order of `jax.custom_vjp`: `fwd(out, y) -> (loss, residuals)` and `bwd(residuals, dloss) ->
    (dout, dy)`. `out` is `(batch, n_out)`, `y` has its shape and dtype unless the loss says otherwise, `loss` and
    `dloss` are scalars of that dtype; `dy` is None where `y` holds integers. Calling it gives the loss.

    Example:
      >>> import jax.numpy as jnp
      >>> import jaxmlp
      >>> p, y = jnp.array([[0.5], [0.5]]), jnp.array([[1.0], [0.0]])
      >>> loss, residuals = jaxmlp.bce.fwd(p, y)
      >>> dp, dy = jaxmlp.bce.bwd(residuals, jnp.ones_like(loss))
      >>> print(f"{loss:.4f}", dp.ravel())
      0.6931 [-1.  1.]
    """

    name: str
    fwd: Callable[[Float[Array, "batch n_out"], Array], tuple[Float[Array, ""], Residuals]]
    bwd: Callable[[Residuals, Float[Array, ""]], tuple[Float[Array, "batch n_out"], Array | None]]

    def __call__(self, out: Float[Array, "batch n_out"], y: Array) -> Float[Array, ""]:
        return self.fwd(out, y)[0]

    def __repr__(self) -> str:
        return self.name


def _rounded_once(name: str, check: Callable[..., None], fwd: Callable[..., Any], bwd: Callable[..., Any]) -> Loss:
    """The pair after a check of what it is given, in which 16 bits are computed with in float32."""

    def wide_fwd(out, y):
        check(out, y)
        value, residuals = fwd(wide(out), wide(y) if jnp.issubdtype(y.dtype, jnp.floating) else y)
        return narrow(value, out), residuals

    def wide_bwd(residuals, dloss):
        check_array("dloss", dloss, 0, "it is a scalar")
        _check_residuals(name, fwd, residuals, wide(dloss))
        cotangents = bwd(jax.tree.map(of_jax, residuals), wide(dloss))
        return jax.tree.map(lambda cotangent: narrow(cotangent, dloss), cotangents)

    wide_fwd.__name__, wide_bwd.__name__ = f"{name}_fwd", f"{name}_bwd"
    return Loss(name, wide_fwd, wide_bwd)


def _check_residuals(name, fwd, residuals, dloss):
    first, *_ = jax.tree.leaves(residuals) or [None]
    check_array("residuals", first, 2, "(batch, n_out), in each")
    check_same_dtype("residuals", first, "dloss", dloss)
    if 0 in first.shape:
        raise ValueError(f"`residuals` hold an array of shape {first.shape}: an empty batch has no mean.")
    kept = _residuals_like(fwd, tuple(first.shape), dtype_of(first))
    found = jax.tree.structure(residuals)
    expected = next((tree for tree in kept if jax.tree.structure(tree) == found), kept[0])
    check_residuals(residuals, expected, f"{name}.fwd")


# What `fwd` may keep for an output of this shape: for targets like it, and for integer labels where it takes them.
@lru_cache(maxsize=256)
def _residuals_like(fwd, shape, dtype):
    out, labels = jax.ShapeDtypeStruct(shape, dtype), jax.ShapeDtypeStruct(shape[:1], jnp.int32)
    kept = [jax.eval_shape(fwd, out, out)[1]]
    with suppress(TypeError, ValueError):
        kept.append(jax.eval_shape(fwd, out, labels)[1])
    return kept


def _weighted(weight, value):
    """`weight * value`, and 0 where the weight is 0 even if the value is infinite."""
    return jnp.where(weight == 0, 0, weight * value)


def _check_binary(out, y):
    check_targets(out, y)
    check_probabilities("y", y)


# L = -(1/N) Σ [y log p + (1 - y) log(1 - p)], N the number of elements of p, with 0 log 0 = 0
def _bce_fwd(p, y):
    return -(xlogy(y, p) + xlog1py(1 - y, -p)).mean(), (p, y)


# ∂L/∂y = (log(1 - p) - log p) / N, with q = min(p, 1 - p) also ±log(1 + (1 - 2q) / q) / N: this does not cancel at 1/2.
# Below the smallest normal number, which a CPU takes for 0 and a GPU does not, 1/q overflows, and log(1 - q) is 0.
def _bce_dy(p, y, dloss):
    q = jnp.minimum(p, 1 - p)
    logit = jnp.where(q < jnp.finfo(q.dtype).tiny, -jnp.log(q), jnp.log1p((1 - 2 * q) / q))
    return dloss * jnp.where(p < 0.5, logit, -logit) / y.size


# ∂L/∂p = (p - y) / (p (1 - p)) / N, which is -1/p at y = 1 and 1/(1 - p) at y = 0: written so, a saturated
# right answer (p = y exactly) has the finite slope that the limit has, where the quotient is 0/0.
def _bce_bwd(residuals, dloss):
    p, y = residuals
    soft = (p - y) / (p * (1 - p))
    dp = jnp.where(y == 1, -1 / p, jnp.where(y == 0, 1 / (1 - p), soft))
    return dloss * dp / p.size, _bce_dy(p, y, dloss)


bce = _rounded_once("bce", _check_binary, _bce_fwd, _bce_bwd)


def bce_stabilized(eps: float) -> Loss:
    """Binary cross-entropy with the gradient `(p - y) / (p (1 - p) + eps) / N`.

    The `eps` keeps the quotient finite at p = 0 and p = 1, and makes it the gradient of no loss: with
    `r = p (1 - p)` it is the true gradient times `r / (r + eps)`, so it is short by the fraction
    `eps / (r + eps)`. That is 4e-7 at p = 1/2 for eps = 1e-7, one half where `r = eps`, and everything at
    p = 0 and p = 1 exactly: a saturated wrong answer gets no gradient at all. The value is that of `bce`.
    `sigmoid` with `bce_with_logits` needs no `eps` and has no bias.

    Args:
      eps: what is added to the denominator; a finite number above 0. It acts only where the dtype can
        tell `r + eps` from `r`: in float32 1e-8 is absorbed at p = 1/2, in float16 it is 0.

    Returns:
      A `Loss` on probabilities `p` in 0 ... 1; equal `eps` give the same object.

    Raises:
      TypeError: `eps` is not a number.
      ValueError: `eps` is not finite and above 0.

    Example:
      >>> import jax.numpy as jnp
      >>> import jaxmlp
      >>> p, y = jnp.array([[0.5], [0.01], [0.0]]), jnp.ones((3, 1))  # ever more wrong
      >>> for loss in jaxmlp.bce, jaxmlp.bce_stabilized(0.01):
      ...     value, residuals = loss.fwd(p, y)
      ...     dp, _ = loss.bwd(residuals, jnp.ones_like(value))
      ...     print(loss, [f"{slope:.1f}" for slope in dp.ravel()])
      bce ['-0.7', '-33.3', '-inf']
      bce_stabilized(0.01) ['-0.6', '-16.6', '-33.3']
    """
    check_positive("eps", eps)
    return _bce_stabilized(float(eps))


# One object for each `eps`: a `Loss` made anew would be a new static argument, and compile again.
@cache
def _bce_stabilized(eps: float) -> Loss:
    def bwd(residuals, dloss):
        p, y = residuals
        return dloss * ((p - y) / (p * (1 - p) + eps)) / p.size, _bce_dy(p, y, dloss)

    return _rounded_once(f"bce_stabilized({eps:g})", _check_binary, _bce_fwd, bwd)


# L = (1/N) Σ [y softplus(-z) + (1 - y) softplus(z)]:  bce of p = sigmoid(z), since -log p = softplus(-z).
# With softplus(z) = max(z, 0) + log(1 + e^-|z|), whose second term is the same for z and -z, every term is positive:
# nothing cancels, and nothing overflows before z does.
def _bce_with_logits_fwd(z, y):
    straight = _weighted(y, jnp.maximum(-z, 0)) + _weighted(1 - y, jnp.maximum(z, 0))
    return (straight / straight.size).sum() + _mean_log1p(jnp.exp(-jnp.abs(z))), (z, y)


# Σ log(1 + mᵢ) = log(1 + u), 1 + u = Π (1 + mᵢ): where there are few terms, one logarithm for four of them, since a
# small step of training spends its time on those. u grows by m + u m, a sum of positive numbers, so it has the digits
# of the mᵢ; as these are at most 1, it ends below 2⁴.  log(1 + u) = log w + (u - (w - 1)) / w to first order in what
# w, the rounded 1 + u, has lost: a third of the time of `log1p`, which computes a polynomial beside the logarithm. XLA
# would take (1 + u) - 1 for u, but does not see through `once`.
def _mean_log1p(m):
    if m.size > 64:
        return jnp.log1p(m).mean()
    rows = -(-len(m) // 4)
    first, *others = jnp.pad(m, ((0, 4 * rows - len(m)), (0, 0))).reshape(4, rows, -1)
    u = reduce(lambda u, m: u + m + u * m, others, first)
    w = once(1 + u)
    return (jnp.log(w) + (u - (w - 1)) / w).sum() / m.size


# ∂L/∂z = (p - y) / N = ((1 - y) p - y (1 - p)) / N = ((1 - y) - y t) / (1 + t) / N, p = 1 / (1 + t), t = e⁻ᶻ;
# ∂L/∂y = -z / N.  The first form cancels at a trained point (p near y); in the last, one term is 0 for a label of 0
# or 1, and the other has all its digits.
def _bce_with_logits_bwd(residuals, dloss):
    z, y = residuals
    _, t = finite_exponential(z)
    dz = ((1 - y) - y * t) / (1 + t)
    return dloss * dz / z.size, -dloss * z / y.size


bce_with_logits = _rounded_once("bce_with_logits", _check_binary, _bce_with_logits_fwd, _bce_with_logits_bwd)


# L = (1/B) Σᵢ Σₖ (oᵢₖ - yᵢₖ)² / 2, summed over the outputs:  ∂L/∂o = (o - y) / B,   ∂L/∂y = -∂L/∂o
# The division comes before the product and the sum: they overflow no earlier than L does.
def _half_squared_error_fwd(out, y):
    error = out - y
    return (error * (error / (2 * error.shape[0]))).sum(), error


def _half_squared_error_bwd(error, dloss):
    dout = dloss * error / error.shape[0]
    return dout, -dout


half_squared_error = _rounded_once(
    "half_squared_error", check_targets, _half_squared_error_fwd, _half_squared_error_bwd
)


# L = (1/N) Σ (o - y)², N the number of elements of o:  ∂L/∂o = 2 (o - y) / N,   ∂L/∂y = -∂L/∂o
def _mean_squared_error_fwd(out, y):
    error = out - y
    return (error * (error / error.size)).sum(), error


def _mean_squared_error_bwd(error, dloss):
    dout = dloss * error / (error.size / 2)
    return dout, -dout


mean_squared_error = _rounded_once(
    "mean_squared_error", check_targets, _mean_squared_error_fwd, _mean_squared_error_bwd
)


# log p_k = (z_k - m) - log(1 + Σ' e^(z_j - m)), m the largest logit and Σ' the sum over all others: the log1p
# keeps the digits of a p that is nearly 1.
def _log_softmax(logits):
    shifted, is_top = from_the_largest(logits)
    others = jnp.where(is_top, 0, jnp.exp(shifted)).sum(axis=1, keepdims=True)
    return shifted - jnp.log1p(others)


def _are_labels(y):
    return hasattr(y, "dtype") and jnp.issubdtype(y.dtype, jnp.integer)


def _check_classes(logits, y):
    check_array("logits", logits, 2, "(batch, classes)")
    check_labels(logits, y) if _are_labels(y) else check_targets(logits, y)


# Integer labels become one-hot rows here, once. A label out of range that only shows at run time, inside a
# compiled program, makes its row NaN: a wrong label gives no loss rather than a wrong one.
def _distribution(logits, y):
    if not _are_labels(y):
        return y
    classes = logits.shape[1]
    labels = y.astype(jnp.int32) if y.dtype.itemsize < 4 else y  # 8 bits cannot count 300 classes
    one_hot = jax.nn.one_hot(labels, classes, dtype=logits.dtype)
    return jnp.where(((labels >= 0) & (labels < classes))[:, None], one_hot, jnp.nan)


# L = -(1/B) Σᵢ Σₖ tᵢₖ log pᵢₖ, p = softmax(z)
def _softmax_cross_entropy_fwd(
    logits: Float[Array, "batch classes"], y: Float[Array, "batch classes"] | Int[Array, " batch"]
):
    targets = _distribution(logits, y)
    log_p = _log_softmax(logits)
    loss = -_weighted(targets, log_p).sum(axis=1).mean()
    return loss, (log_p, targets, y if targets is y else None)


# ∂L/∂zᵢₖ = (pᵢₖ Σⱼ tᵢⱼ - tᵢₖ) / B = (pᵢₖ (Σⱼ tᵢⱼ - tᵢₖ) - tᵢₖ (1 - pᵢₖ)) / B,   ∂L/∂tᵢₖ = -log pᵢₖ / B
# The familiar (p - t)/B holds only where each row of t sums to 1, and cancels where p is near t. In the
# last form 1 - p = -expm1(log p) keeps its digits, and one of the two terms is 0 for a one-hot row.
def _softmax_cross_entropy_bwd(residuals, dloss):
    log_p, targets, y = residuals
    mass = targets.sum(axis=1, keepdims=True)
    dlogits = jnp.exp(log_p) * (mass - targets) + targets * jnp.expm1(log_p)
    return dloss * dlogits / len(log_p), None if y is None else -dloss * log_p / len(log_p)


softmax_cross_entropy = _rounded_once(
    "softmax_cross_entropy", _check_classes, _softmax_cross_entropy_fwd, _softmax_cross_entropy_bwd
)
