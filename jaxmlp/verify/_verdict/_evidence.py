"""What is seen of a gradient: each leaf as it is and as it ought to be, at one point after another."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import numpy as np

from .._program._call import called, is_traceable
from .._program._interpret import interpreted
from .._program._leaves import hosted
from .._program._tree import in_float64, named_leaves, widened
from ._accuracy import norm
from ._points import Step
from ._reference import truth
from ._rounding import shaken


VALUE = "(value)"
"""The path under which the value of the loss is compared, where the gradient function returns it too."""


@dataclass(frozen=True)
class Subject:
    """What is checked: a loss, a function that ought to be its gradient, and what both take besides `params`.

    `source` is the user's function whose lines are to be named, where `grads` only calls it. `readable` gives the same
    as `grads`, where JAX would hide those lines in it.
    """

    name: str
    loss: Callable[..., Any]
    grads: Callable[..., Any]
    args: tuple[Any, ...] = ()
    has_value: bool = False
    source: Callable[..., Any] | None = None
    readable: Callable[..., Any] | None = None

    @cached_property
    def gradient(self) -> Callable[..., Any]:
        """The function that gives the gradient alone."""
        return (lambda *args: _pair(self.grads(*args))[1]) if self.has_value else self.grads

    @cached_property
    def program(self) -> Callable[..., Any]:
        """The same, for its lines to be read."""
        if self.readable is None:
            return self.gradient
        readable = self.readable
        return (lambda *args: _pair(readable(*args))[1]) if self.has_value else readable


@dataclass(frozen=True)
class Evidence:
    """The loss at a point, and its gradient leaf by leaf.

    Attributes:
      value: the loss.
      actual: the leaves of the gradient under check: it may lack some, or have too many.
      expected: the leaves of the true gradient, in the order of `params`.
      dtypes: the dtypes in which `actual` came.
    """

    value: float
    actual: dict[str, np.ndarray]
    expected: dict[str, np.ndarray]
    dtypes: dict[str, Any]

    def error(self, path: str) -> np.ndarray:
        """`actual - expected` of a leaf that `is_comparable`."""
        return self.actual[path] - self.expected[path]

    def is_comparable(self, path: str) -> bool:
        """Whether there are two finite floating leaves of one shape to subtract."""
        actual, expected = self.actual.get(path), self.expected[path]
        if actual is None or actual.dtype.kind != "f" or actual.shape != expected.shape:
            return False
        return bool(np.isfinite(actual).all() and np.isfinite(expected).all())

    @property
    def is_true_finite(self) -> bool:
        """Whether the loss and its true gradient are finite: else there is nothing to compare with."""
        return bool(np.isfinite(self.value) and all(np.isfinite(leaf).all() for leaf in self.expected.values()))

    @property
    def size(self) -> float:
        """The norm of the whole true gradient."""
        return norm(np.array([norm(leaf) for path, leaf in self.expected.items() if path != VALUE]))


class View:
    """A subject seen in one precision: in float64 (`wide`), or in the dtypes that the caller gave."""

    def __init__(self, subject: Subject, params: Any, *, wide: bool) -> None:
        self.is_wide = wide
        self._subject = subject
        self._precision = (lambda: jax.enable_x64(True)) if wide else nullcontext
        with self._precision():
            self._params, self.args = widened((params, subject.args)) if wide else (params, subject.args)

    def at(self, *steps: Step, shake: int | None = None) -> Evidence:
        """What is seen where `steps` lead to from the caller's point; rounded at random if `shake` is a draw."""
        with self._precision():
            params = self._params
            for step in steps:
                params = step(params)
            evaluate: Callable[..., Any] = interpreted
            if shake is not None:
                evaluate = lambda function, *args: shaken(function, shake, *args)
            value, expected = truth(self._subject.loss, params, self.args, evaluate=evaluate)
            evaluate = evaluate if self.is_traceable else called
            result = evaluate(self._subject.grads, params, *self.args)
            if result is None:
                raise TypeError(f"`{self._subject.name}` returns None instead of a tree: is its `return` missing?")
            if self._subject.has_value:
                leaves = {VALUE: _pair(result)[0]} | named_leaves(result[1])
                expected = {VALUE: np.asarray(value)} | expected
            else:
                leaves = named_leaves(result)
            raw = {path: hosted(f"`{path}` from `{self._subject.name}`", leaf) for path, leaf in leaves.items()}
            actual = {path: in_float64(leaf) for path, leaf in raw.items()}
            return Evidence(value, actual, expected, {path: leaf.dtype for path, leaf in raw.items()})

    def params_at(self, *steps: Step) -> Any:
        """The parameters at a point, in the precision of the view."""
        with self._precision():
            params = self._params
            for step in steps:
                params = step(params)
            return params

    @cached_property
    def is_traceable(self) -> bool:
        """Whether JAX can trace the gradient; else it is a black box."""
        with self._precision():
            return is_traceable(self._subject.grads, self._params, *self.args)


def _pair(result: Any) -> Any:
    if not (isinstance(result, tuple | list) and len(result) == 2):
        raise TypeError(f"with has_value=True `grads` must return a pair (value, tree), got a {type(result).__name__}.")
    return result
