"""Small data sets: the gates of two bits, parity, spirals, handwritten digits."""

from functools import partial
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, DTypeLike, Float, Int, Key

from ._arguments import check_at_least, check_choice, check_count, check_dtype, check_key


# Targets for the inputs (0,0), (0,1), (1,0), (1,1), in this order.
_GATES = {
    "and": (0, 0, 0, 1),
    "or": (0, 1, 1, 1),
    "nand": (1, 1, 1, 0),
    "nor": (1, 0, 0, 0),
    "xor": (0, 1, 1, 0),
    "xnor": (1, 0, 0, 1),
}

_MOST_BITS = 24


def gate(name: str, *, dtype: DTypeLike = jnp.float32) -> tuple[Float[Array, "4 2"], Float[Array, "4 1"]]:
    """The truth table of a gate of two bits: inputs (0,0), (0,1), (1,0), (1,1) and their outputs.

    Args:
      name: `"and"`, `"or"`, `"nand"`, `"nor"`, `"xor"` or `"xnor"`.
      dtype: of both arrays; a floating one, as for `init_params`.

    Raises:
      TypeError: `dtype` is not floating.
      ValueError: there is no gate of that name.

    Example:
      >>> import jaxmlp
      >>> x, y = jaxmlp.gate("xor")
      >>> for inputs, output in zip(x, y):
      ...     print(inputs, output)
      [0. 0.] [0.]
      [0. 1.] [1.]
      [1. 0.] [1.]
      [1. 1.] [0.]
    """
    check_choice("name", name, _GATES)
    dtype = check_dtype("dtype", dtype)
    x = jnp.asarray(list(product((0, 1), repeat=2)), dtype)
    return x, jnp.asarray(_GATES[name], dtype)[:, None]


def boolean_functions(*, dtype: DTypeLike = jnp.float32) -> tuple[Float[Array, "4 2"], Float[Array, "16 4 1"]]:
    """All 16 functions of two bits: the four inputs, and one truth table a function.

    Function `i` maps the inputs (0,0), (0,1), (1,0), (1,1) to the binary digits of `i`, highest first:
    1 is AND, 6 is XOR, 7 is OR, 9 is XNOR, 14 is NAND.

    Raises:
      TypeError: `dtype` is not floating.

    Example:
      >>> import jaxmlp
      >>> x, tables = jaxmlp.boolean_functions()
      >>> print(tables[6].ravel())  # XOR
      [0. 1. 1. 0.]
    """
    x, _ = gate("and", dtype=dtype)
    return x, jnp.asarray(list(product((0, 1), repeat=4)), x.dtype)[:, :, None]


def parity(bits: int, *, dtype: DTypeLike = jnp.float32) -> tuple[Float[Array, "n bits"], Float[Array, "n 1"]]:
    """All `2**bits` inputs, and 1 where an odd number of their bits is set; `bits=2` is XOR.

    Raises:
      TypeError: `bits` is not an integer, or `dtype` not floating.
      ValueError: `bits` is below 1, or above 24: more rows than a memory holds.

    Example:
      >>> import jaxmlp
      >>> x, y = jaxmlp.parity(3)
      >>> print(x[6], y[6])
      [1. 1. 0.] [0.]
    """
    check_count("bits", bits, least=1, most=_MOST_BITS)
    dtype = check_dtype("dtype", dtype)
    x = np.arange(2**bits)[:, None] >> np.arange(bits)[::-1] & 1
    return jnp.asarray(x, dtype), jnp.asarray(x.sum(axis=1, keepdims=True) % 2, dtype)


def spirals(
    key: Key[Array, ""], n: int, *, classes: int = 2, noise: float = 0.05, dtype: DTypeLike = jnp.float32
) -> tuple[Float[Array, "n 2"], Int[Array, " n"]]:
    """`n` points on interleaved spiral arms in the plane, and the arm of each as an integer label.

    Point `i` lies on arm `i % classes`, at a radius drawn uniformly from 0 ... 1, turned by one and a half
    rounds as the radius grows, and moved by normal noise of the given standard deviation.

    Raises:
      TypeError: `key` is no random key, `n` or `classes` is not an integer, or `dtype` not floating.
      ValueError: `n` or `classes` is below 1, or `noise` below 0.

    Example:
      >>> import jax
      >>> import jaxmlp
      >>> x, labels = jaxmlp.spirals(jax.random.key(0), 6)
      >>> print(x.shape, labels)
      (6, 2) [0 1 0 1 0 1]
    """
    check_key("key", key)
    check_count("n", n, least=1)
    check_count("classes", classes, least=1)
    check_at_least("noise", noise, 0)
    return _spirals(key, float(noise), n=n, classes=classes, dtype=check_dtype("dtype", dtype))


# One program: operation by operation, a few points take most of a second to compile.
@partial(jax.jit, static_argnames=("n", "classes", "dtype"))
def _spirals(key: Key[Array, ""], noise: Any, *, n: int, classes: int, dtype: Any) -> tuple[Any, Any]:
    radius_key, noise_key = jax.random.split(key)
    labels = jnp.arange(n) % classes
    radius = jax.random.uniform(radius_key, (n,), dtype)
    angle = 2 * jnp.pi * (1.5 * radius + labels.astype(dtype) / classes)
    points = radius[:, None] * jnp.stack([jnp.cos(angle), jnp.sin(angle)], axis=1)
    return points + noise * jax.random.normal(noise_key, (n, 2), dtype), labels


def digits(*, dtype: DTypeLike = jnp.float32) -> tuple[Float[Array, "1797 64"], Int[Array, " 1797"]]:
    """1,797 handwritten digits of 8 by 8 pixels, scaled to 0 ... 1, and their labels 0 ... 9.

    The data come with scikit-learn (the UCI set "Optical Recognition of Handwritten Digits"), which the
    extra `jaxmlp[data]` installs.

    Raises:
      TypeError: `dtype` is not floating.
      ImportError: scikit-learn is not installed.

    Example:
      >>> import jaxmlp
      >>> x, labels = jaxmlp.digits()
      >>> print(x.shape, labels[:10])
      (1797, 64) [0 1 2 3 4 5 6 7 8 9]
    """
    dtype = check_dtype("dtype", dtype)
    rows = _digits()
    return jnp.asarray(rows[:, :-1] / 16, dtype), jnp.asarray(rows[:, -1], jnp.int32)


def _digits() -> np.ndarray:
    """The pixels of a digit and its label in each row. The file is read without scikit-learn, which takes a second."""
    found = find_spec("sklearn")
    for folder in (found and found.submodule_search_locations) or ():
        path = Path(folder, "datasets", "data", "digits.csv.gz")
        if path.is_file():
            return np.loadtxt(path, delimiter=",")
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise ImportError("`digits` reads scikit-learn's copy of the data: pip install 'jaxmlp[data]'.") from None
    x, labels = load_digits(return_X_y=True)
    return np.column_stack([x, labels])
