"""Where and in what precision a check runs: a platform, and the dtype of what it is given."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import jax
import jax.numpy as jnp


PLATFORMS = ("cpu", "gpu", "tpu")
DTYPES = ("float16", "bfloat16", "float32", "float64")


def first_device(platform: str | None) -> Any:
    """The first device of this process on `platform`, or of JAX's choice.

    Raises:
      LookupError: there is none; the text says so in a sentence.
    """
    try:
        return jax.local_devices(backend=platform)[0]
    except RuntimeError as error:
        if platform is None:
            raise LookupError(f"JAX finds no device: {error}") from None
        wanted = "; for an NVIDIA GPU install jaxmlp[cuda]" if platform == "gpu" else ""
        raise LookupError(f"JAX has no {platform} device here{wanted}.") from None


def available_platforms() -> list[str]:
    """The platforms that this process has, the CPU first."""
    found = []
    for platform in PLATFORMS:
        try:
            first_device(platform)
        except LookupError:
            continue
        found.append(platform)
    return found


@contextmanager
def placed(tree: Any, *, platform: str | None = None, dtype: str | None = None) -> Iterator[Any]:
    """`tree` with its JAX arrays on `platform` and its floating arrays, NumPy's too, in `dtype`.

    Inside the context new arrays land on that platform as well, and for float64 JAX has 64-bit types.
    None leaves the platform or the dtypes as they are.

    Raises:
      LookupError: this process has no such platform.
    """
    device = first_device(platform) if platform else None

    def place(leaf: Any) -> Any:
        if dtype and hasattr(leaf, "astype") and jnp.issubdtype(leaf.dtype, jnp.floating):
            leaf = leaf.astype(dtype)
        return jax.device_put(leaf, device) if device is not None and isinstance(leaf, jax.Array) else leaf

    on_device = jax.default_device(device) if device is not None else nullcontext()
    wide = jax.enable_x64(True) if dtype == "float64" else nullcontext()
    with on_device, wide:
        yield jax.tree.map(place, tree)
