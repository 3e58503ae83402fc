"""Where training starts: random parameters of a network."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, DTypeLike, Key

from ._arguments import check_choice, check_dtype, check_flag, check_key, check_sizes, shown
from ._types import Dense, Params


Init: TypeAlias = Callable[[Key[Array, ""], int, int, Any], Dense]
"""`init(key, n_in, n_out, dtype) -> Dense(w, b)`."""


# w, b ~ U(-1/√n_in, 1/√n_in): what torch.nn.Linear does by default
def _torch(key, n_in, n_out, dtype):
    w_key, b_key = jax.random.split(key)
    bound = 1 / math.sqrt(n_in)
    w = jax.random.uniform(w_key, (n_in, n_out), dtype, -bound, bound)
    return Dense(w, jax.random.uniform(b_key, (n_out,), dtype, -bound, bound))


# w ~ U(-√(6/(n_in + n_out)), √(6/(n_in + n_out))), b = 0: Glorot & Bengio, AISTATS 2010, equation 16
def _glorot(key, n_in, n_out, dtype):
    bound = math.sqrt(6 / (n_in + n_out))
    return Dense(jax.random.uniform(key, (n_in, n_out), dtype, -bound, bound), jnp.zeros((n_out,), dtype))


# w ~ N(0, 2/n_in), b = 0: He et al., ICCV 2015, equation 10
def _he(key, n_in, n_out, dtype):
    return Dense(math.sqrt(2 / n_in) * jax.random.normal(key, (n_in, n_out), dtype), jnp.zeros((n_out,), dtype))


# w, b ~ N(0, 1)
def _normal(key, n_in, n_out, dtype):
    w_key, b_key = jax.random.split(key)
    return Dense(jax.random.normal(w_key, (n_in, n_out), dtype), jax.random.normal(b_key, (n_out,), dtype))


_INITS: dict[str, Init] = {"torch": _torch, "glorot": _glorot, "he": _he, "normal": _normal}


def init_params(
    key: Key[Array, ""],
    sizes: Sequence[int],
    *,
    bias: bool = True,
    init: Literal["torch", "glorot", "he", "normal"] | Init = "torch",
    dtype: DTypeLike = jnp.float32,
) -> Params:
    """Random parameters for a network with layers of the given widths.

    Layer `i` is drawn from `jax.random.fold_in(key, i)`, so a deeper network with the same first
    widths starts with the same first layers.

    Args:
      key: a key of `jax.random.key` (or `PRNGKey`).
      sizes: the widths, inputs first: `(2, 10, 1)` is 2 inputs, 10 hidden units, 1 output.
      bias: False leaves every `b` None.
      init: the distribution. With n = n_in of the layer,
        `"torch"`: w and b uniform in ±1/√n, as `torch.nn.Linear` draws them;
        `"glorot"`: w uniform in ±√(6/(n_in + n_out)), b = 0;
        `"he"`: w normal with variance 2/n, b = 0;
        `"normal"`: w and b standard normal;
        or any `init(key, n_in, n_out, dtype) -> Dense(w, b)`.
      dtype: of every leaf: float16, bfloat16, float32 or float64 (which needs `jax_enable_x64`).

    Returns:
      One `Dense(w, b)` a layer, `len(sizes) - 1` of them.

    Raises:
      TypeError: `key` is no random key, `sizes` holds something other than integers, or `dtype` is not
        floating.
      ValueError: fewer than two sizes, a size below 1, or an unknown `init`.

    Example:
      >>> import jax
      >>> import jaxmlp
      >>> params = jaxmlp.init_params(jax.random.key(0), (2, 3, 1))
      >>> jax.tree.map(jax.numpy.shape, params)
      (Dense(w=(2, 3), b=(3,)), Dense(w=(3, 1), b=(1,)))
    """
    check_key("key", key)
    widths = check_sizes(sizes)
    check_flag("bias", bias)
    dtype = check_dtype("dtype", dtype)
    if not callable(init):
        check_choice("init", init, _INITS, other=" or a function")
    draw = init if callable(init) else _INITS[init]
    shapes = list(zip(widths[:-1], widths[1:], strict=True))
    layers = [_drawn(key, np.uint32(i), draw, *shape, dtype) for i, shape in enumerate(shapes)]
    for i, (layer, shape) in enumerate(zip(layers, shapes, strict=True)):
        if not isinstance(layer, Dense) or getattr(layer.w, "shape", None) != shape:
            raise TypeError(
                f"`init` must return a Dense(w, b) with w of shape {shape} for layer {i}, got {shown(layer)}."
            )
    return tuple(layer if bias else layer._replace(b=None) for layer in layers)


# A program for each shape of a layer, which all layers of that shape run, in this network and in others: operation by
# operation, the random numbers of two small layers take a second to compile.
@partial(jax.jit, static_argnums=(2, 3, 4, 5))
def _drawn(key: Key[Array, ""], i: Any, draw: Init, n_in: int, n_out: int, dtype: Any) -> Dense:
    return draw(jax.random.fold_in(key, i), n_in, n_out, dtype)
