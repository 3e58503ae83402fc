"""What makes two trainings the same one: where they start, and what they learn from."""

import zlib
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def plain(leaf: Any) -> Any:
    """A leaf as numbers: those of a random key, anything else as it is."""
    return jax.random.key_data(leaf) if is_key(leaf) else leaf


def is_key(leaf: Any) -> bool:
    """Whether `leaf` is an array of typed random keys."""
    return hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def named_leaves(tree: Any) -> dict[str, Any]:
    """The leaves by their path, such as "params.0.w"."""
    return {
        jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in jax.tree.leaves_with_path(tree)
    }


STEP = "step"
"""The line of an identity that says what a step computes."""


def identity(*, params: Any, batch: Any, key: Any, batch_size: int | None, step: str) -> dict[str, str]:
    """A line for each argument of a training that its checkpoints must share; `step` stands for the functions."""
    trees = {"params": params, "batch": batch, "key": key}
    return {name: _line(tree) for name, tree in trees.items()} | {"batch_size": str(batch_size), STEP: step}


def difference(here: Mapping[str, str], there: Mapping[str, str]) -> str | None:
    """The first argument in which two trainings differ, as a clause; None if they are the same."""
    for name, line in here.items():
        if there.get(name) != line:
            return f"`{name}` is {line} here, but was {there.get(name)} there"
    return None


def checksum(tree: Any) -> str:
    """The same for the same numbers in the same shapes and dtypes: a CRC-32, which no flipped bit escapes."""
    crc = 0
    for leaf in jax.tree.leaves(tree):
        array = np.asarray(plain(leaf))
        crc = zlib.crc32(f"{array.shape}{array.dtype}".encode(), crc)
        crc = zlib.crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data, crc)
    return f"{crc:08x}"


def kind(leaf: Any) -> str:
    """The dtype and shape, as in "float32[2, 3]"."""
    return f"{np.dtype(leaf.dtype).name}{list(leaf.shape)}"


def _line(tree: Any) -> str:
    leaves = [np.asarray(plain(leaf)) for leaf in jax.tree.leaves(tree)]
    if not leaves:
        return "None"
    shapes = ", ".join(kind(leaf) for leaf in leaves[:3])
    return f"{shapes}{', ...' if len(leaves) > 3 else ''} with the checksum {checksum(leaves)}"
