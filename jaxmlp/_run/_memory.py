"""Whether a training fits into memory, told from sizes alone, before any of it is made."""

import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")  # of a container


def check_memory(
    state: Any, losses: Any, *, steps: int, devices: Iterable[Any], made: Any = (), least: int = 0
) -> None:
    """Refuse a training that needs more memory than is free, even at its least.

    A step keeps the state that it starts from, so that a NaN can be explained: there are two of them at once.

    Args:
      state: the parameters and the optimizer's state, arrays or their shapes.
      losses: the losses of no steps, or their shape: `(0,)`, or `(members, 0)`.
      steps: how many there are to be.
      devices: where the state lies.
      made: what of it there is already.
      least: bytes that a step needs besides.

    Raises:
      MemoryError: the state or the losses do not fit; a sentence that says what they need, and what there is.
    """
    size, free = _bytes(state), _free(devices)
    if (needed := 2 * size - _bytes(made) + least) > free:
        parts, remedy = f"{_said(size)} are the parameters and the optimizer's state, held twice", "network"
        if least > size:
            parts, remedy = f"{_said(least)} are what a layer computes of the batch", "batch"
        elif losses.shape[:-1]:
            remedy = "ensemble"
        raise MemoryError(
            f"the training needs at least {_said(needed)} of memory, and {_said(free)} are free: {parts}. "
            f"Make the {remedy} smaller."
        )
    recorded, free = math.prod(losses.shape[:-1]) * steps * losses.dtype.itemsize, _free_here()
    if recorded > free:
        raise MemoryError(
            f"the losses of {steps:,} steps take {_said(recorded)} of memory, and {_said(free)} are free: "
            "make fewer steps."
        )


def _bytes(tree: Any) -> int:
    return sum(math.prod(leaf.shape) * np.dtype(_plain(leaf.dtype)).itemsize for leaf in jax.tree.leaves(tree))


def _plain(dtype: Any) -> Any:
    """The dtype of what a random key is made of."""
    return np.uint64 if jnp.issubdtype(dtype, jax.dtypes.prng_key) else dtype


def _free(devices: Iterable[Any]) -> float:
    """Bytes that are free on the devices together; those that are the CPU share one memory."""
    here, there = False, 0.0
    for device in devices:
        stats = device.memory_stats()
        if device.platform == "cpu":
            here = True
        else:
            there += stats["bytes_limit"] - stats["bytes_in_use"] if stats and "bytes_limit" in stats else math.inf
    return there + (_free_here() if here else 0)


def _free_here() -> float:
    """Bytes that are free on this machine, or in its container; infinite where it does not say."""
    return min(_of_the_machine(), *(_of_a_container(Path(limit)) for limit in _LIMITS))


def _of_the_machine() -> float:
    try:
        told = Path("/proc/meminfo").read_text(encoding="ascii")
        return next(1024.0 * int(line.split()[1]) for line in told.splitlines() if line.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError):
        pass
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))  # all of it; macOS says no more
    except (AttributeError, OSError, ValueError):
        return math.inf


def _of_a_container(limit: Path) -> float:
    try:
        return float(limit.read_text(encoding="ascii"))
    except (OSError, ValueError):  # there is none, or it is called "max"
        return math.inf


def _said(size: float) -> str:
    power = min(int(math.log2(max(size, 1))) // 10, 4)
    scaled = size / 1024**power
    return f"{scaled:,.{0 if scaled >= 10 else 1}f} {('B', 'KiB', 'MiB', 'GiB', 'TiB')[power]}"
