"""A multi-layer perceptron as pure functions of its parameters, and its gradient by hand.

    z_l = a_(l-1) w_l + b_l,   a_l = f_l(z_l),   a_0 = x,   out = a_L

`f_l` is `hidden` for every layer but the last, and `output` for the last.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ._activations import Activation, identity, sigmoid
from ._arguments import shown
from ._checks import check_array, check_inputs, check_params, check_residuals, check_same_dtype
from ._dense import dense_bwd, dense_fwd
from ._losses import bce, bce_with_logits, Loss
from ._once import once
from ._types import Params, Residuals


# A sigmoid followed by bce is one function of the logits, and is computed as one: through p the loss is infinite
# once p rounds to 1 on a wrong answer, and the chain dz = dp p (1 - p) is then 0 times infinity.
_ON_LOGITS = {(sigmoid, bce): (identity, bce_with_logits)}


def predict(
    params: Params,
    x: Float[Array, "batch n_in"],
    *,
    hidden: Activation = sigmoid,
    output: Activation = sigmoid,
) -> Float[Array, "batch n_out"]:
    """The network's output, `a_L`, for a batch of inputs; arguments and errors as for `forward`.

    Example:
      >>> import jax
      >>> import jaxmlp
      >>> params = jaxmlp.init_params(jax.random.key(0), (2, 3, 1))
      >>> x, y = jaxmlp.gate("xor")
      >>> print([f"{p:.2f}" for p in jaxmlp.predict(params, x, hidden=jaxmlp.tanh).ravel()])  # not trained yet
      ['0.44', '0.51', '0.42', '0.48']
    """
    return forward(params, x, hidden=hidden, output=output)[0]


def forward(
    params: Params,
    x: Float[Array, "batch n_in"],
    *,
    hidden: Activation = sigmoid,
    output: Activation = sigmoid,
) -> tuple[Float[Array, "batch n_out"], Residuals]:
    """The network's output, and what `backward` needs.

    Args:
      params: one `Dense(w, b)` a layer, all leaves in one floating dtype.
      x: inputs, one row an example, in the dtype of `params`.
      hidden: the activation of every layer but the last. Static under `jax.jit`.
      output: the activation of the last layer. Static under `jax.jit`.

    Returns:
      `(out, residuals)`. Non-finite inputs are data and pass through.

    Raises:
      TypeError: something is not an array, not floating, or in another dtype than the rest.
      ValueError: the layers do not fit `x`, or each other, end to end; or the batch is empty.

    Example:
      >>> import jax
      >>> import jaxmlp
      >>> params = jaxmlp.init_params(jax.random.key(0), (2, 3, 1))
      >>> x, y = jaxmlp.gate("xor")
      >>> out, residuals = jaxmlp.forward(params, x)
      >>> print(out.shape, bool((out == jaxmlp.predict(params, x)).all()))
      (4, 1) True
    """
    check_params(params)
    check_inputs(params, x)
    a, residuals = jnp.asarray(x), []
    for layer, activation in zip(params, _activations(params, hidden, output), strict=True):
        z, dense_residuals = dense_fwd(layer, a)
        a, activation_residuals = activation.fwd(z)
        residuals.append((dense_residuals, activation_residuals))
    return a, tuple(residuals)


def backward(
    residuals: Residuals,
    dout: Float[Array, "batch n_out"],
    *,
    hidden: Activation = sigmoid,
    output: Activation = sigmoid,
) -> tuple[Params, Float[Array, "batch n_in"]]:
    """`(grads, dx)` from the cotangent of the output: `forward`, read from the bottom up.

    At each layer, last to first, `dz = da f'(z)`, then `dw = xᵀ dz`, `db = Σ_batch dz`, and
    `da = dz wᵀ` for the layer before.

    Args:
      residuals: what `forward` returned with the same activations.
      dout: the cotangent of `out`, with its shape and dtype.
      hidden: as given to `forward`.
      output: as given to `forward`.

    Returns:
      `grads`, a tree like `params`, and `dx`, with the shape of `x`.

    Raises:
      TypeError: `residuals` are no such tree, `dout` is not a floating array, or in another dtype than the parameters.
      ValueError: `dout` is not `(batch, n_out)`, or an array of `residuals` has another shape.

    References:
      Rumelhart, Hinton & Williams, "Learning representations by back-propagating errors",
      Nature 323, 1986. https://doi.org/10.1038/323533a0

    Example:
      >>> import jax
      >>> import jaxmlp
      >>> params = jaxmlp.init_params(jax.random.key(0), (2, 3, 1))
      >>> x, y = jaxmlp.gate("xor")
      >>> out, residuals = jaxmlp.forward(params, x)
      >>> value, loss_residuals = jaxmlp.half_squared_error.fwd(out, y)
      >>> dout, _ = jaxmlp.half_squared_error.bwd(loss_residuals, jax.numpy.ones_like(value))
      >>> grads, dx = jaxmlp.backward(residuals, dout)
      >>> jax.tree.map(jax.numpy.shape, grads)  # as `params`
      (Dense(w=(2, 3), b=(3,)), Dense(w=(3, 1), b=(1,)))
    """
    _check_kind("hidden", hidden, Activation, "jaxmlp.tanh")
    _check_kind("output", output, Activation, "jaxmlp.sigmoid")
    check_residuals(residuals, _residuals_like(residuals, hidden, output), "`forward` with these activations")
    _check_dout(residuals, dout)
    return _backward(residuals, dout, _activations(residuals, hidden, output))


def _backward(
    residuals: Residuals, dout: Float[Array, "batch n_out"], activations: tuple[Activation, ...]
) -> tuple[Params, Float[Array, "batch n_in"]]:
    da, grads = dout, []
    for (dense_residuals, activation_residuals), activation in zip(residuals[::-1], activations[::-1], strict=True):
        (dz,) = activation.bwd(activation_residuals, da)
        dz = once(dz, readings=len(dense_residuals[0].w))  # `dw` reads it for every input
        dlayer, da = dense_bwd(dense_residuals, dz)
        grads.append(dlayer)
    return tuple(grads[::-1]), da


def loss_value(
    params: Params,
    x: Float[Array, "batch n_in"],
    y: Array,
    *,
    hidden: Activation = sigmoid,
    output: Activation = sigmoid,
    loss: Loss = bce,
) -> Float[Array, ""]:
    """The loss of the network's output against `y`; arguments and errors as for `loss_and_grads`.

    Example:
      >>> import jax
      >>> import jaxmlp
      >>> params = jaxmlp.init_params(jax.random.key(0), (2, 3, 1))
      >>> x, y = jaxmlp.gate("xor")
      >>> print(f"{jaxmlp.loss_value(params, x, y):.3f}")  # a guess of 1/2 has ln 2 = 0.693
      0.756
    """
    output, loss = _fused(output, loss)
    return loss(predict(params, x, hidden=hidden, output=output), y)


def loss_and_grads(
    params: Params,
    x: Float[Array, "batch n_in"],
    y: Array,
    *,
    hidden: Activation = sigmoid,
    output: Activation = sigmoid,
    loss: Loss = bce,
) -> tuple[Float[Array, ""], Params]:
    """The loss and its gradient by hand-derived backpropagation; no automatic differentiation.

    The numbers keep their digits at a trained point. A `sigmoid` output with `bce` is taken on the
    logits `z`: the gradient there, `sigmoid(z) - y`, loses every digit once the output is right to
    rounding, so it is computed as `(1 - y) sigmoid(z) - y sigmoid(-z)`, with `sigmoid(-z)` for
    `1 - p`. For labels of 0 and 1 one term is exactly 0 and the other has no cancellation, so each
    leaf is as right as its inputs are: off by what a change of the parameters by an ulp would make,
    where `jax.grad` of the textbook loss may have no right digit left. The loss and gradient of a
    saturated answer are finite, right or wrong.

    Args:
      params: one `Dense(w, b)` a layer, all leaves in one floating dtype.
      x: inputs, one row an example, in the dtype of `params`.
      y: targets, with the shape and dtype of the output; for `softmax_cross_entropy` also integer
        labels, `(batch,)`.
      hidden: the activation of every layer but the last. Static under `jax.jit`.
      output: the activation of the last layer. Static under `jax.jit`.
      loss: averaged over the batch (in nats, for the cross-entropies). Static under `jax.jit`.

    Returns:
      The loss, and its gradient as a tree with the structure, shapes and dtypes of `params`.

    Raises:
      TypeError: something is not an array, not floating, or in another dtype than the rest.
      ValueError: the layers do not fit `x`, `y`, or each other; the batch is empty; or labels that
        are known are out of range.

    Example:
      >>> import jax
      >>> import jaxmlp
      >>> params = jaxmlp.init_params(jax.random.key(0), (2, 3, 1))
      >>> x, y = jaxmlp.gate("xor")
      >>> loss, grads = jaxmlp.loss_and_grads(params, x, y)
      >>> print(f"{loss:.3f}", [f"{slope:.3f}" for slope in grads[1].w.ravel()])
      0.756 ['-0.069', '-0.080', '-0.049']
      >>> report = jaxmlp.check(jaxmlp.loss_value, jaxmlp.loss_and_grads, params, x, y, has_value=True)
      >>> print(report.summary)
      loss_and_grads is right: 5 leaves, at 2 points in float64
    """
    output, loss = _fused(output, loss)
    out, residuals = forward(params, x, hidden=hidden, output=output)
    value, loss_residuals = loss.fwd(out, y)
    dout, _ = loss.bwd(loss_residuals, jnp.ones_like(value))
    grads, _ = _backward(residuals, dout, _activations(params, hidden, output))
    return value, grads


def _activations(layers: Any, hidden: Activation, output: Activation) -> tuple[Activation, ...]:
    """One activation a layer, after a check that both are what they should be."""
    _check_kind("hidden", hidden, Activation, "jaxmlp.tanh")
    _check_kind("output", output, Activation, "jaxmlp.sigmoid")
    return (hidden,) * (len(layers) - 1) + (output,)


def _residuals_like(residuals: Any, hidden: Activation, output: Activation) -> Any:
    """The shapes of what `forward` returns for the parameters and the inputs that `residuals` hold."""
    try:
        params, x = tuple(layer for (layer, _), _ in residuals), residuals[0][0][1]
        return jax.eval_shape(partial(forward, hidden=hidden, output=output), params, x)[1]
    except Exception:  # they may be anything at all
        raise TypeError(
            f"`residuals` must be what `forward` returned with these activations, got {shown(residuals)}."
        ) from None


def _fused(output: Activation, loss: Loss) -> tuple[Activation, Loss]:
    """The pair that computes `loss` of `output` without passing through a rounded probability."""
    _check_kind("output", output, Activation, "jaxmlp.sigmoid")
    _check_kind("loss", loss, Loss, "jaxmlp.bce")
    return _ON_LOGITS.get((output, loss), (output, loss))


def _check_kind(name: str, value: Any, kind: type, example: str) -> None:
    if not isinstance(value, kind):
        article = "an" if kind is Activation else "a"
        raise TypeError(f"`{name}` must be {article} {kind.__name__} such as {example}, got {shown(value)}.")


def _check_dout(residuals: Residuals, dout: Any) -> None:
    check_array("dout", dout, 2, "(batch, n_out)")
    (last, x), _ = residuals[-1]
    expected = (x.shape[0], last.w.shape[1])
    if tuple(dout.shape) != expected:
        raise ValueError(f"`dout` has shape {tuple(dout.shape)}, but the network's output has shape {expected}.")
    check_same_dtype("dout", dout, "params[0].w", last.w)
