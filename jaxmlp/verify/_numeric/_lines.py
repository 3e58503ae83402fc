"""A loss along straight lines through its parameters: values only, many points at once where JAX can trace it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from .._program._call import called, compiled, joined, Same, split
from .._program._interpret import compiled_once
from .._program._tree import is_array, is_floating, named_leaves, on_host, widened
from ._differences import Along


REPEATS = 64
"""How many epsilons apart two values at one point may be: threads add in any order. Beyond, the loss is random."""

_LINES, _NUMBERS = 64, 2**22
"""The most lines, and the most perturbed parameters, that one compiled call evaluates."""

_T = TypeVar("_T")


class _Refusal(Exception):
    """What is wrong with a loss in any precision."""


class _NotAFloat(_Refusal, TypeError):
    pass


class _NotAScalar(_Refusal, ValueError):
    pass


def in_float64(measure: Callable[[Any, tuple[Any, ...]], _T], params: Any, args: tuple[Any, ...]) -> _T:
    """`measure(params, args)` in float64; or as they are, where a kernel or a library refuses float64.

    What else is wrong with a function is raised by the second call.
    """
    try:
        with jax.enable_x64(True):
            return measure(*widened((params, args)))
    except _Refusal:
        raise
    except Exception:
        return measure(params, args)


class Lines:
    """The loss at `params` and along lines through them.

    Attributes:
      value: the loss at `params`.
      eps: the epsilon of the loss's dtype; `precision`: its name.
      is_random: whether a second call at the same point gave another value.
      leaves: the floating leaves by path, on the host. A line's direction is a vector of all their numbers in order.
      size: how many numbers they have together.
      most: how many lines go into one call of `along`.

    Raises:
      TypeError: `loss` does not return a floating number.
      ValueError: `loss` does not return a scalar.
    """

    def __init__(self, loss: Callable[..., Any], params: Any, args: tuple[Any, ...]) -> None:
        self._loss, self._params, self._args = loss, params, args
        self.leaves = {path: on_host(leaf) for path, leaf in named_leaves(params).items() if is_floating(leaf)}
        self.size = sum(leaf.size for leaf in self.leaves.values())
        self.most = max(1, min(_LINES, _NUMBERS // max(self.size, 1)))
        self._host = jax.tree.map(lambda leaf: on_host(leaf) if is_floating(leaf) else leaf, params)

        program = _program(loss, params, args)
        if program is not None and program.is_like(_program(loss, params, args)):
            values, dtype = [], _dtype(program.result)
        else:
            values = [called(loss, params, *args) for _ in range(2)]
            dtype = _dtype(values[0])
        self._is_traceable = program is not None
        self._is_mapped = self._is_traceable and self._maps()
        values = [float(on_host(value)) for value in values] or self.along(np.zeros((1, 0)))(np.zeros((1, 1)))[0]
        self.value = float(values[0])
        self.eps, self.precision = float(jnp.finfo(dtype).eps), dtype.name
        spread = abs(self.value - values[-1]) if np.isfinite(self.value) else 0.0
        self.is_random = bool(np.isfinite(self.value) and not spread <= REPEATS * self.eps * abs(self.value))

    def along(self, lines: np.ndarray, start: int = 0) -> Along:
        """The loss along `lines` of shape (lines, numbers), whose numbers begin at `start` among all numbers."""
        rows = self.most if self._is_mapped else len(lines)  # filled up: one shape is compiled once
        whole = np.zeros((rows, self.size))
        whole[: len(lines), start : start + lines.shape[1]] = lines
        values = partial(self._many, jax.device_put(whole)) if self._is_mapped else partial(self._one_by_one, whole)

        def along(distances: np.ndarray) -> np.ndarray:
            distances = np.broadcast_to(distances, (len(lines), distances.shape[1]))
            which = np.repeat(np.arange(len(lines)), distances.shape[1])
            return values(which, distances.ravel()).reshape(distances.shape)

        return along

    def _many(self, whole: Any, which: np.ndarray, distances: np.ndarray) -> np.ndarray:
        values = []
        for first in range(0, len(distances), self.most):
            index = np.arange(first, first + self.most) % len(distances)  # the last call is filled up with others
            at = distances[index].astype(whole.dtype)
            result = compiled_once(_at_points(Same(self._loss)), self._params, whole, which[index], at, *self._args)
            values.append(np.asarray(result, np.float64))
        return np.concatenate(values)[: len(distances)]

    def _one_by_one(self, whole: np.ndarray, which: np.ndarray, distances: np.ndarray) -> np.ndarray:
        call = compiled if self._is_traceable else called

        def value(line: np.ndarray, distance: float) -> float:
            params = jax.tree.map(_like, self._params, _moved(self._host, distance * line))
            return float(on_host(call(self._loss, params, *self._args)))

        return np.array([value(whole[line], distance) for line, distance in zip(which, distances, strict=True)])

    def _maps(self) -> bool:
        """Whether many points can be evaluated at once: a kernel may be traceable and yet refuse `jax.vmap`."""
        whole = jax.device_put(np.zeros((self.most, self.size)))
        try:
            self._many(whole, np.zeros(1, int), np.zeros(1))
        except Exception:
            return False
        return True


@dataclass(frozen=True)
class _Program:
    """What JAX traces a loss to: its result, its text without addresses, and the arrays it closes over."""

    result: Any
    text: str
    constants: list[Any]

    def is_like(self, other: "_Program | None") -> bool:
        """Whether it is the same program: else the loss may have drawn new random numbers while it was traced."""
        if other is None or self.text != other.text or len(self.constants) != len(other.constants):
            return False
        pairs = zip(self.constants, other.constants, strict=True)
        return all(one is two or np.array_equal(one, two) for one, two in pairs)


def _program(loss: Callable[..., Any], params: Any, args: tuple[Any, ...]) -> _Program | None:
    """The traced loss; None where JAX cannot trace it."""
    arrays, kept = split((params, *args))
    try:
        traced, result = jax.make_jaxpr(lambda arrays: loss(*joined(arrays, kept)), return_shape=True)(arrays)
    except Exception:
        return None
    return _Program(result, re.sub("0x[0-9a-f]+", "", str(traced)), list(traced.consts))


@lru_cache(maxsize=256)
def _at_points(loss: Same) -> Callable[..., Any]:
    def values(params: Any, lines: Any, which: Any, distances: Any, *args: Any) -> Any:
        at = jax.vmap(lambda line, distance: loss.value(_moved(params, distance * lines[line]), *args))
        return at(which, distances)

    return values


def _moved(params: Any, step: Any) -> Any:
    """`params` with a vector added to its floating leaves, each in its dtype."""
    leaves, structure = jax.tree.flatten(params)
    start = 0
    for i, leaf in enumerate(leaves):
        if is_floating(leaf):
            by = step[start : start + leaf.size].reshape(leaf.shape)
            leaves[i] = (leaf.astype(by.dtype) + by).astype(leaf.dtype)
            start += leaf.size
    return jax.tree.unflatten(structure, leaves)


def _like(old: Any, new: Any) -> Any:
    return jax.device_put(new) if isinstance(old, jax.Array) else new


def _dtype(value: Any) -> np.dtype:
    if not is_array(value) and not isinstance(value, float):
        raise _NotAFloat(f"`loss` must return a floating scalar, got a {type(value).__name__}.")
    dtype, shape = jnp.result_type(value), jnp.shape(value)
    if not jnp.issubdtype(dtype, jnp.floating):
        raise _NotAFloat(f"`loss` must return a floating scalar, got dtype {dtype}.")
    if shape != ():
        raise _NotAScalar(
            f"`loss` must return a scalar of shape (), got shape {shape}: sum it or take its mean over the batch."
        )
    return dtype
