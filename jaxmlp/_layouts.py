"""Arrays on a mesh with explicit axes, which is what `jax.make_mesh` makes: their layout is part of their type.

There JAX asks of every product whose layout is not plain, such as a hand-written `x.T @ dz` over a spread batch, how
its result is to lie. A gradient lies as the parameters do, and a minibatch as its batch; all between is left to XLA,
as it is on a mesh with automatic axes. On those, and on one device, nothing is changed.
"""

from typing import Any

import jax
from jax.sharding import auto_axes, NamedSharding, PartitionSpec
from jaxtyping import Array, Int

from ._types import LossAndGrads


def explicit_mesh(tree: Any) -> Any | None:
    """The mesh with explicit axes on which some of the arrays lie, if there is one."""
    meshes = (jax.typeof(leaf).sharding.mesh for leaf in jax.tree.leaves(tree))
    return next((mesh for mesh in meshes if mesh.explicit_axes), None)


def rows_of(batch: Any, rows: Int[Array, " minibatch"]) -> Any:
    """The rows of every array of `batch`, laid out as the array is."""

    def take(leaf: Array) -> Array:
        sharding = jax.typeof(leaf).sharding
        return leaf.at[rows].get(out_sharding=sharding) if sharding.mesh.explicit_axes else leaf[rows]

    return jax.tree.map(take, batch)


def with_layouts_found(loss_and_grads: LossAndGrads, params: Any, batch: Any) -> LossAndGrads:
    """`loss_and_grads` in which XLA finds the layouts; its gradient lies as `params` do."""
    mesh = explicit_mesh((params, batch))
    if mesh is None:
        return loss_and_grads
    place = lambda spec: NamedSharding(mesh, spec)
    like_params = jax.tree.map(lambda leaf: place(jax.typeof(leaf).sharding.spec), params)
    in_auto_axes: Any = auto_axes(axes=mesh.explicit_axes, out_sharding=(place(PartitionSpec()), like_params))
    return in_auto_axes(loss_and_grads)
