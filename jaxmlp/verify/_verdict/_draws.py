"""Random numbers that depend on a seed and on where an entry stands: the same in NumPy and on any devices."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer


def uniform(like: Any, seed: Any) -> Any:
    """A number in (-1, 1) for every entry of an array: in float64 for one of NumPy, in its own dtype in a program.

    A multiple of 2^-23, so that float32 has the same. The entry's index, hashed: nothing has to be drawn in an order,
    and an array that is spread over devices needs nothing of its other parts.
    """
    dtype, bits = _in(like), _hashed(like, seed) >> 9
    return ((bits.astype(dtype) + dtype(0.5)) * dtype(2.0**-22) - dtype(1)).reshape(like.shape)


def signs(like: Any, seed: Any) -> Any:
    """1 or -1 for every entry of an array, in the dtype of `uniform`."""
    dtype = _in(like)
    return ((_hashed(like, seed) >> 31).astype(dtype) * dtype(2) - dtype(1)).reshape(like.shape)


def at_least_float32(dtype: Any) -> Any:
    """A floating dtype that holds these numbers."""
    return np.dtype(np.float32) if dtype.itemsize < 4 else dtype


def _in(like: Any) -> Any:
    return at_least_float32(like.dtype).type if isinstance(like, Tracer) else np.float64


def _hashed(like: Any, seed: Any) -> Any:
    """32 bits for every entry, in one axis where that is NumPy's: a finalizer of C. Wellons, "Hash prospecting"."""
    word = np.uint32 if not isinstance(like, Tracer) else jnp.uint32
    bits = _index(like) * word(0x9E3779B9) ^ word(seed)
    bits = (bits ^ (bits >> 16)) * word(0x7FEB352D)
    bits = (bits ^ (bits >> 15)) * word(0x846CA68B)
    return bits ^ (bits >> 16)


def _index(like: Any) -> Any:
    """The place of every entry in its array, counted through."""
    if not isinstance(like, Tracer):
        return np.arange(like.size, dtype=np.uint32)
    places = [jax.lax.broadcasted_iota(jnp.uint32, like.shape, axis) for axis in range(like.ndim)]
    index, stride = places.pop() if places else jnp.zeros((), jnp.uint32), 1
    for axis in reversed(range(len(places))):
        stride *= like.shape[axis + 1]
        index = index + places[axis] * jnp.uint32(stride % 2**32)
    return index
