"""A dense layer and its derivative.

With a batch of row vectors the layer is one matrix product, and so is its derivative:

    forward     z = x w + b        (batch, n_out) = (batch, n_in) (n_in, n_out) + (n_out,)
    backward    dw = xᵀ dz         (n_in, n_out)  = (n_in, batch) (batch, n_out)
                db = Σ_batch dz    (n_out,)
                dx = dz wᵀ         (batch, n_in)  = (batch, n_out) (n_out, n_in)

The shapes leave no choice: each line is the only product of its operands that fits.
"""

from jaxtyping import Array, Float

from ._types import Dense


def dense_fwd(
    layer: Dense, x: Float[Array, "batch n_in"]
) -> tuple[Float[Array, "batch n_out"], tuple[Dense, Float[Array, "batch n_in"]]]:
    """`z = x w + b`; the residuals are both inputs."""
    z = x @ layer.w
    if layer.b is not None:
        z = z + layer.b[None, :]
    return z, (layer, x)


def dense_bwd(
    residuals: tuple[Dense, Float[Array, "batch n_in"]], dz: Float[Array, "batch n_out"]
) -> tuple[Dense, Float[Array, "batch n_in"]]:
    """`(Dense(dw, db), dx)` from `dz`.

    `z_ij = Σ_k x_ik w_kj + b_j`, so `dw_kj = Σ_i x_ik dz_ij`, a sum over the batch because every
    example uses the same weight; `db_j = Σ_i dz_ij` for the same reason; and
    `dx_ik = Σ_j dz_ij w_kj`, a sum over the units that the input feeds.
    """
    layer, x = residuals
    dw = x.T @ dz
    db = None if layer.b is None else dz.sum(axis=0)
    dx = dz @ layer.w.T
    return Dense(dw, db), dx
