"""A function run operation by operation in NumPy: a small one is sooner done so than compiled."""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ._call import jitted, split
from ._fingerprint import fingerprint, Memory
from ._operations import computed
from ._trace import After, as_it_is, Equation, Literal, Program, program_of


_SMALL = 2**21
"""How many numbers all results of a small program hold together: 16 MiB."""

_MEMORY: Memory[Callable[..., Any]] = Memory(8)
"""Functions that were compiled, by their programs."""

_TINY, _LARGEST = np.finfo(np.float32).tiny, np.finfo(np.float32).max


def interpreted(function: Callable[..., Any], *args: Any) -> Any:
    """`function(*args)` in NumPy, if it is small and all floating numbers in it are of one dtype; compiled if not.

    Of arguments in float64 a number that the function itself casts to fewer digits keeps all of them. In float32 each
    result is rounded; what under- or overflows there is left to the compiler, which has its own way with such numbers,
    and so is all of it where another device than the CPU computes.
    """
    program = program_of(function, *args)
    arrays, result = split(args)[0], None
    if is_small(program):
        result = run(program, arrays)
    elif _is_small_single(program):
        result = run(program, arrays, _rounded)
    return _compiled(program, function, *args) if result is None else result


def compiled_once(function: Callable[..., Any], *args: Any) -> Any:
    """`function(*args)`, compiled, if nothing was compiled for the same program a short time before."""
    return _compiled(program_of(function, *args), function, *args)


def _compiled(program: Program, function: Callable[..., Any], *args: Any) -> Any:
    """`function(*args)` by what was compiled for the same program before, if it was."""
    arrays, kept = split(args)
    key = _fingerprint(program)
    return _MEMORY.get(key and (key, kept), lambda: jitted(function))(kept, arrays)


@lru_cache(maxsize=64)
def _fingerprint(program: Program) -> bytes | None:
    return fingerprint(program, lines=False)


def is_small(program: Program) -> bool:
    """Whether a program in float64 is worth running in NumPy."""
    return _size(program) <= _SMALL and _floating(program, program.inputs) <= {np.dtype(np.float64)}


def _is_small_single(program: Program) -> bool:
    single = _floating(program, program.shapes) == {np.dtype(np.float32)}
    return single and _size(program) <= _SMALL and jax.default_backend() == "cpu"


def _size(program: Program) -> int:
    return sum(prod(shape.shape) for shape in program.shapes.values())


def _floating(program: Program, variables: Iterable[int]) -> set[Any]:
    dtypes = (program.shapes[variable].dtype for variable in variables)
    return {dtype for dtype in dtypes if jnp.issubdtype(dtype, jnp.inexact)}


def _rounded(result: np.ndarray, equation: Equation, inputs: Sequence[Any]) -> np.ndarray:
    """A result in float32.

    Raises:
      FloatingPointError: a number in it is not finite, or so small that it has lost digits.
    """
    del equation, inputs
    if result.dtype.kind != "f":
        return result
    single = result.astype(np.float32, copy=False)
    sizes = np.abs(single)
    if not (sizes <= _LARGEST).all() or ((sizes < _TINY) & (sizes > 0)).any():
        raise FloatingPointError
    return single


def run(program: Program, arrays: list[Any], after: After = as_it_is) -> Any | None:
    """The result of a program, all that it computes passed through `after`; None where NumPy cannot run it."""
    try:
        values = computed(program, arrays, after)
    except jax.errors.JaxRuntimeError as error:
        if "callback" in str(error):  # which raised an error, and would again
            raise
        return None
    except Exception:  # a kernel, a random key
        return None
    outputs = [atom.value if isinstance(atom, Literal) else values[atom] for atom in program.outputs]
    return jax.tree.unflatten(program.structure, outputs)
