"""A function run operation by operation in NumPy: a small one is sooner done so than compiled."""

from collections.abc import Callable
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ._call import compiled, split
from ._operations import computed
from ._trace import Literal, Program, program_of


_SMALL = 2**21
"""How many numbers all results of a small program hold together: 16 MiB."""


def interpreted(function: Callable[..., Any], *args: Any) -> Any:
    """`function(*args)` in float64, in NumPy if it is small and its arguments come in float64; compiled if not.

    A number that the function itself casts to fewer digits keeps all of them.
    """
    program = program_of(function, *args)
    result = run(program, split(args)[0]) if is_small(program) else None
    return compiled(function, *args) if result is None else result


def is_small(program: Program) -> bool:
    """Whether a program in float64 is worth running in NumPy."""
    floating = [program.shapes[v].dtype for v in program.inputs if jnp.issubdtype(program.shapes[v].dtype, jnp.inexact)]
    size = sum(prod(shape.shape) for shape in program.shapes.values())
    return size <= _SMALL and all(dtype == np.float64 for dtype in floating)


def run(
    program: Program, arrays: list[Any], after: Callable[[np.ndarray], np.ndarray] = lambda result: result
) -> Any | None:
    """The result of a program, all that it computes passed through `after`; None where NumPy cannot run it."""
    try:
        values = computed(program, arrays, after)
    except Exception:  # a kernel, a random key, a callback
        return None
    outputs = [atom.value if isinstance(atom, Literal) else values[atom] for atom in program.outputs]
    return jax.tree.unflatten(program.structure, outputs)
