"""The truth: what the gradient of the loss is, by automatic differentiation."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .._program._call import called, Same
from .._program._tree import in_float64, is_floating, named_leaves, on_host


_UNREADABLE = (jax.errors.ConcretizationTypeError, jax.errors.TracerArrayConversionError)


def truth(
    loss: Callable[..., Any], params: Any, args: tuple[Any, ...], *, evaluate: Callable[..., Any]
) -> tuple[float, dict[str, np.ndarray]]:
    """The loss and its gradient, leaf by leaf, in the precision of `params`, by `evaluate(function, *args)`.

    Raises:
      TypeError: JAX cannot differentiate `loss`, or it does not return a floating number.
      ValueError: `loss` does not return a scalar.
    """
    value, grads = _evaluated(value_and_grad(loss), params, args, evaluate)
    return float(value), {path: in_float64(on_host(leaf)) for path, leaf in named_leaves(grads).items()}


def _evaluated(function: Callable[..., Any], params: Any, args: tuple[Any, ...], evaluate: Callable[..., Any]) -> Any:
    try:
        return evaluate(function, params, *args)
    except _UNREADABLE:
        pass
    # A loss that reads values of `args` in Python (`if y[0] > 0`) cannot be compiled, but can be differentiated.
    try:
        return called(function, params, *args)
    except _UNREADABLE as error:
        raise TypeError(
            "`loss` cannot be differentiated by JAX, so there is no truth to compare with: it turns `params` into "
            "NumPy arrays or Python numbers, and not only by what jax.numpy can do too. Write it with jax.numpy; only "
            "`grads` may be anything callable. Or let numeric=True measure the slopes of its values."
        ) from error


def value_and_grad(loss: Callable[..., Any]) -> Callable[..., Any]:
    """The function that gives a scalar loss and its gradient; the same for the same loss."""
    return _value_and_grad(Same(loss))


# Cached, so that the same loss has the same derivative function, which then compiles only once.
@lru_cache(maxsize=256)
def _value_and_grad(loss: Same) -> Callable[..., Any]:
    def scalar_loss(params: Any, *args: Any) -> Any:
        value = loss.value(params, *args)
        if not is_floating(value) and not isinstance(value, float):
            raise TypeError(f"`loss` must return a floating scalar, got {_described(value)}.")
        if jnp.shape(value) != ():
            raise ValueError(
                f"`loss` must return a scalar of shape (), got shape {jnp.shape(value)}: "
                "sum it or take its mean over the batch."
            )
        return value

    return jax.value_and_grad(scalar_loss)


def _described(value: Any) -> str:
    return f"an array of dtype {value.dtype}" if hasattr(value, "dtype") else f"a {type(value).__name__}"
