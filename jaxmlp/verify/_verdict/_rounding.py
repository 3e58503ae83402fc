"""What rounding does to a function: the function again, with every number on the way moved by an ulp."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .._program._call import Same, split
from .._program._fingerprint import fingerprint, Memory
from .._program._interpret import is_small, run
from .._program._trace import Equation, Program, program_of, traced
from .._program._tree import is_floating
from ._draws import signs


EXACT = frozenset(
    (
        *("abs", "argmax", "argmin", "broadcast_in_dim", "ceil", "clamp", "concatenate", "copy", "cummax", "cummin"),
        *("dynamic_slice", "dynamic_update_slice", "floor", "gather", "index", "iota", "max", "min", "neg"),
        *("optimization_barrier", "pad", "reduce_max", "reduce_min", "reduce_window_max", "reduce_window_min"),
        *("reshape", "rev", "round", "select_n", "sign", "slice", "sort", "split", "squeeze", "stack", "stop_gradient"),
        *("top_k", "transpose"),
    )
)
"""Operations that choose among numbers or move them, and round nothing. What compares a result with an operand, as the
slope of a `max` does, finds it unchanged.
"""

UNDERFLOWING = {
    **dict.fromkeys(("div", "integer_pow", "mul", "pow", "square"), 0.0),
    **dict.fromkeys(("exp", "exp2", "logistic"), -np.inf),
    "erfc": np.inf,
}
"""Operations that may give less than their dtype holds, and the operand for which they give exactly 0."""


_MEMORY: Memory[Callable[..., Any]] = Memory(8)
"""Programs that were compiled, by their fingerprints."""


def shaken(function: Callable[..., Any], draw: int, *args: Any) -> Any:
    """`function(*args)`, every floating result that is rounded moved up or down by its epsilon, at random.

    Where the results of such runs differ, rounding decides them: `1 - p` of a `p` that is 1 to rounding, say, which no
    small change of the arguments would show. This is Monte Carlo arithmetic (Parker, UCLA CSD-970002, 1997). A result
    that underflows is moved by the smallest normal number. What is not small enough for NumPy is compiled, once for
    each program.
    """
    arrays, program = split(args)[0], program_of(function, *args)
    if is_small(program):
        result = run(program, arrays, after=_Drawn(draw).moved)
        if result is not None:
            return result
    rolled = program_of(function, *args, unroll=False)
    signs = np.random.default_rng(draw).choice(np.asarray((-1, 1), np.int8), _count(rolled))
    return jax.tree.unflatten(rolled.structure, _compiled(Same(rolled))(arrays, signs))


def rounded(function: Callable[..., Any], arrays: Sequence[Any], draw: Any) -> Any:
    """`shaken` within a program of JAX, with nothing drawn beforehand: for results too large to draw signs for."""
    program, count = traced(function, *arrays, unroll=False), 0

    def moved(result: Any, equation: Equation, inputs: Sequence[Any]) -> Any:
        nonlocal count
        if not _is_rounded(result, equation):
            return result
        count += 1
        return _moved(result, signs(result, draw * np.uint32(0x9E3779B9) + np.uint32(count)), equation, inputs)

    return jax.tree.unflatten(program.structure, program.run(arrays, after=moved))


def _is_rounded(result: Any, equation: Equation) -> bool:
    return equation.name not in EXACT and is_floating(result)


def _moved(result: Any, sign: Any, equation: Equation, inputs: Sequence[Any]) -> Any:
    """A result, each number up or down by its epsilon as `sign` says; what underflowed, by the smallest normal one."""
    info, np_ = jnp.finfo(result.dtype), np if isinstance(result, np.ndarray) else jnp
    moved = result * (1 + float(info.eps) * sign.astype(result.dtype))
    if equation.name not in UNDERFLOWING:
        return moved
    small = np_.abs(result) < info.tiny
    if np_ is np and not small.any():
        return moved
    for value in inputs:
        small = small & (value != UNDERFLOWING[equation.name])
    return np_.where(small, moved + np_.copysign(info.tiny, result), moved)


def _count(program: Program) -> int:
    """How many numbers a program rounds on its way."""
    results = ((program.shapes[out], equation) for equation in program.equations for out in equation.outputs)
    return sum(prod(result.shape) for result, equation in results if _is_rounded(result, equation))


@lru_cache(maxsize=64)
def _compiled(program: Same) -> Callable[..., Any]:
    """A program, with signs to be moved by, compiled; or what was compiled for the same program before, if it was."""
    run = lambda arrays, signs: program.value.run(arrays, after=_Signs(signs).moved)
    return _MEMORY.get(fingerprint(program.value, lines=False), lambda: jax.jit(run))


class _Drawn:
    """Random rounding in NumPy."""

    def __init__(self, draw: int) -> None:
        self._random = np.random.default_rng(draw)

    def moved(self, result: np.ndarray, equation: Equation, inputs: Sequence[Any]) -> np.ndarray:
        if not _is_rounded(result, equation):
            return result
        return _moved(result, self._random.integers(2, size=result.shape, dtype=np.int8) * 2 - 1, equation, inputs)


class _Signs:
    """Random signs, dealt out in order."""

    def __init__(self, signs: Any) -> None:
        self._signs, self._used = signs, 0

    def moved(self, result: Any, equation: Equation, inputs: Sequence[Any]) -> Any:
        if not _is_rounded(result, equation):
            return result
        start, self._used = self._used, self._used + result.size
        return _moved(result, self._signs[start : self._used].reshape(result.shape), equation, inputs)
