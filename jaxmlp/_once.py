"""A value that XLA computes once and keeps, where it would compute it again for each of its readers."""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float


_BITS = {2: jnp.uint16, 4: jnp.uint32, 8: jnp.uint64}


# A kernel of its own costs some 30 ns, more than computing a small `dz` for each of a few inputs.
_FEW = 4


def once(x: Float[Array, "*shape"], *, readings: int | None = None) -> Float[Array, "*shape"]:
    """`x`, the same number; as it is where it is read only a few times, if that is known.

    XLA fuses an operation that it holds to be cheap into every reader of its result. Of a relu then not the activation
    but the pre-activation is kept for the backward pass, beside the activation that the next product reads; and a `dz`
    is computed anew for each element of `dw`, `db` and `dx`. A division it holds to be dear. This is one by
    `(bits | 1) & 1`, which is 1 whatever the bits: XLA does not see it, and LLVM, which does, leaves nothing of it.
    """
    if x.dtype.itemsize not in _BITS or (readings is not None and readings <= _FEW):
        return x
    bits = lax.bitcast_convert_type(lax.stop_gradient(x), _BITS[x.dtype.itemsize])
    return x / ((bits | 1) & 1).astype(x.dtype)
