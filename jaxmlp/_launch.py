"""A kernel of blocks of 128 threads, for an NVIDIA GPU or interpreted.

Mosaic, the backend of Pallas for NVIDIA GPUs, computes single numbers in each thread for itself, so that a number is
whatever a thread makes of its own index. Interpreted, a number that threads differ in is a vector of all of theirs.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax


THREADS = 128
"""In a block: the four warps that Mosaic computes with together."""

Place = Literal["gpu", "interpret"]


def launched(
    body: Callable[..., None],
    out: Sequence[jax.ShapeDtypeStruct],
    place: Place,
    *,
    blocks: int = 1,
    shared: Sequence[jax.ShapeDtypeStruct] = (),
) -> Callable[..., list[Any]]:
    """The kernel of `body(block, *inputs, *outputs, *shared)`, whose last references are memory shared by a block."""
    from jax.experimental import pallas  # takes a while to import, and few need it

    if place == "interpret":
        # What is shared is given as outputs too, which are left behind.
        kernel: Any = pallas.pallas_call(
            lambda *refs: body(pallas.program_id(0), *refs), (*out, *shared), grid=(blocks,), interpret=True
        )
        return lambda *arrays: list(kernel(*arrays))[: len(out)]
    from jax.experimental.pallas import mosaic_gpu

    # With "Lane" a number is a register of each thread. No thread reads what another has written but after `wait`.
    params = mosaic_gpu.CompilerParams(
        lowering_semantics=mosaic_gpu.LoweringSemantics.Lane, unsafe_no_auto_barriers=True
    )
    kernel = mosaic_gpu.kernel(
        lambda *refs: body(lax.axis_index("block"), *refs),
        out_type=tuple(out),
        scratch_types=[mosaic_gpu.SMEM(a.shape, a.dtype) for a in shared],
        grid=(blocks,),
        grid_names=("block",),
        compiler_params=params,
    )
    return lambda *arrays: list(kernel(*arrays))


def thread(place: Place) -> Any:
    """The index of each thread in its block, an int32."""
    if place == "interpret":
        return lax.iota(np.int32, THREADS)
    import jax.experimental.mosaic.gpu as mosaic
    from jax.experimental.pallas import mosaic_gpu

    number = mosaic_gpu.ShapeDtypeStruct((), np.dtype("int32"), layout=mosaic_gpu.Layout.WG_SPLAT(()))
    index = lambda _: mosaic.FragmentedArray.splat(mosaic.thread_idx(), (), is_signed=True)
    return mosaic_gpu.inline_mgpu(return_type=number)(index)()


def wait(place: Place) -> None:
    """Until all threads of the block are here, and see what each has written to shared memory."""
    if place == "gpu":
        import jax.experimental.mosaic.gpu as mosaic
        from jax.experimental.pallas import mosaic_gpu

        mosaic_gpu.inline_mgpu()(lambda _: mosaic.warpgroup_barrier())()


def alike(numbers: Sequence[Any]) -> list[Any]:
    """Numbers in the same form: interpreted, all as vectors if one is."""
    shape = max(map(np.shape, numbers), key=len)
    return [jnp.broadcast_to(number, shape) if np.shape(number) != shape else number for number in numbers]
