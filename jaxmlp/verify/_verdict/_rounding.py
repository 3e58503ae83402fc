"""What rounding does to a function: the function again, with every number on the way moved by an ulp."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .._program._call import joined, Kept, Same, split
from .._program._interpret import is_small, run
from .._program._trace import program_of, traced
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


def shaken(function: Callable[..., Any], draw: int, *args: Any) -> Any:
    """`function(*args)`, every floating result that is rounded moved up or down by its epsilon, at random.

    Where the results of such runs differ, rounding decides them: `1 - p` of a `p` that is 1 to rounding, say, which no
    small change of the arguments would show. This is Monte Carlo arithmetic (Parker, UCLA CSD-970002, 1997). What is
    not small enough for NumPy is compiled, once for each function.
    """
    arrays, kept = split(args)
    program = program_of(function, *args)
    if is_small(program):
        result = run(program, arrays, after=_Drawn(draw).moved, but=EXACT)
        if result is not None:
            return result
    needed = _Signs()
    jax.eval_shape(lambda arrays: _shaken(function, kept, arrays, needed), arrays)
    signs = np.random.default_rng(draw).choice(np.asarray((-1, 1), np.int8), needed.used)
    return _compiled(Same(function), kept, arrays, signs)


def rounded(function: Callable[..., Any], arrays: Sequence[Any], draw: Any) -> Any:
    """`shaken` within a program of JAX, with nothing drawn beforehand: for results too large to draw signs for."""
    program, count = traced(function, *arrays, unroll=False), 0

    def moved(result: Any) -> Any:
        nonlocal count
        count += 1
        if not is_floating(result):
            return result
        sign = signs(result, draw * np.uint32(0x9E3779B9) + np.uint32(count)).astype(result.dtype)
        return result * (1 + float(jnp.finfo(result.dtype).eps) * sign)

    return jax.tree.unflatten(program.structure, program.run(arrays, after=moved, but=EXACT))


@partial(jax.jit, static_argnums=(0, 1))
def _compiled(function: Same, kept: Kept, arrays: Any, signs: Any) -> Any:
    return _shaken(function.value, kept, arrays, _Signs(signs))


class _Drawn:
    """Random rounding in NumPy."""

    def __init__(self, draw: int) -> None:
        self._random = np.random.default_rng(draw)

    def moved(self, result: np.ndarray) -> np.ndarray:
        """`result`, each floating number up or down by its epsilon."""
        if result.dtype.kind != "f":
            return result
        signs = self._random.integers(2, size=result.shape, dtype=np.int8) * 2 - 1
        return result * (1 + np.finfo(result.dtype).eps * signs)


class _Signs:
    """Random signs, dealt out in order; without any, it counts how many are asked for."""

    def __init__(self, signs: Any = None) -> None:
        self.signs, self.used = signs, 0

    def moved(self, result: Any) -> Any:
        """`result`, each floating number up or down by its epsilon."""
        if not is_floating(result):
            return result
        start, self.used = self.used, self.used + result.size
        if self.signs is None:
            return result
        signs = self.signs[start : self.used].reshape(result.shape).astype(result.dtype)
        return result * (1 + float(jnp.finfo(result.dtype).eps) * signs)


def _shaken(function: Callable[..., Any], kept: Kept, arrays: Any, signs: _Signs) -> Any:
    program = traced(function, *joined(arrays, kept), unroll=False)
    return jax.tree.unflatten(program.structure, program.run(arrays, after=signs.moved, but=EXACT))
