"""A gradient seen whole: each leaf as it is and as it ought to be, at one point after another."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import jax
import numpy as np

from .._program._call import called, is_traceable
from .._program._interpret import interpreted
from .._program._leaves import hosted
from .._program._tree import in_float64, is_floating, named_leaves, widened
from .._report._heat import difference
from ._accuracy import compared, Comparison, norm, relative
from ._points import Step
from ._reference import truth
from ._rounding import shaken
from ._seen import Own, Seen, Shown, VALUE


@dataclass(frozen=True)
class Subject:
    """What is checked: a loss, a function that ought to be its gradient, and what both take besides `params`.

    `source` is the user's function whose lines are to be named, where `grads` only calls it. With `of_inputs` the
    `params` are the inputs of a function, and `args` are all its inputs and the cotangent of its output.
    """

    name: str
    loss: Callable[..., Any]
    grads: Callable[..., Any]
    args: tuple[Any, ...] = ()
    has_value: bool = False
    source: Callable[..., Any] | None = None
    of_inputs: bool = False

    @property
    def data(self) -> tuple[Any, ...]:
        """The arrays whose axes may be the examples."""
        if not self.of_inputs:
            return self.args
        inputs, dout = self.args
        return dout if any(map(np.ndim, dout)) else inputs

    @cached_property
    def gradient(self) -> Callable[..., Any]:
        """The function that gives the gradient alone."""
        return (lambda *args: _pair(self.grads(*args))[1]) if self.has_value else self.grads

    def leaves(self, result: Any) -> dict[str, Any]:
        """The leaves of what `grads` returns, the value before them."""
        if result is None:
            raise TypeError(f"`{self.name}` returns None instead of a tree: is its `return` missing?")
        return {VALUE: _pair(result)[0]} | named_leaves(result[1]) if self.has_value else named_leaves(result)


@dataclass(frozen=True)
class Evidence(Seen):
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

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(self.expected)

    def shape(self, path: str) -> tuple[int, ...]:
        return self.expected[path].shape

    def size_of(self, path: str) -> float:
        return norm(self.expected[path])

    def compared(self, path: str) -> Comparison:
        return compared(self.actual[path], self.expected[path])

    def is_comparable(self, path: str) -> bool:
        actual, expected = self.actual.get(path), self.expected[path]
        if actual is None or actual.dtype.kind != "f" or actual.shape != expected.shape:
            return False
        return bool(np.isfinite(actual).all() and np.isfinite(expected).all())

    def error(self, path: str) -> np.ndarray:
        return self.actual[path] - self.expected[path]

    def varies(self, path: str, other: "Seen") -> float:
        assert isinstance(other, Evidence)
        return relative(norm(other.expected[path] - self.expected[path]), self.size_of(path))

    def shown(self, path: str) -> Shown:
        actual, expected = self.actual.get(path), self.expected[path]
        shapes = None if actual is None else (actual.shape, expected.shape)
        return Shown(actual, expected, shapes, difference(actual, expected))


def own_numbers(own: Evidence, here: Evidence) -> Own:
    """What is seen in the caller's dtypes beside the truth in float64."""

    def error(leaf: np.ndarray | None, truth: np.ndarray) -> float | None:
        size = norm(truth)
        if leaf is None or leaf.dtype.kind != "f" or leaf.shape != truth.shape or not size:
            return None
        with np.errstate(all="ignore"):
            return relative(norm(leaf - truth), size)

    return Own(
        own.value,
        own.dtypes,
        {path: not is_floating(leaf) or bool(np.isfinite(leaf).all()) for path, leaf in own.actual.items()},
        {path: error(own.actual.get(path), truth) for path, truth in here.expected.items()},
        {path: error(own.expected[path], truth) for path, truth in here.expected.items()},
    )


class AnyView(ABC):
    """A subject seen in one precision: in float64 (`wide`), or in the dtypes that the caller gave."""

    is_traceable: bool
    """Whether JAX can trace the gradient; else it is a black box."""

    def __init__(self, subject: Subject, params: Any, *, wide: bool) -> None:
        self.is_wide = wide
        self._subject, self._given = subject, params
        self._points: dict[tuple[Step, ...], Any] = {}
        self._precision = (lambda: jax.enable_x64(True)) if wide else nullcontext

    @abstractmethod
    def at(self, *steps: Step, shake: int | None = None) -> Seen:
        """What is seen where `steps` lead to from the caller's point; rounded at random if `shake` is a draw."""

    @property
    @abstractmethod
    def whole(self) -> "View":
        """The view with all leaves on the host."""

    @property
    @abstractmethod
    def first(self) -> Evidence | None:
        """What is seen at the caller's point; None where no leaf is brought to the host."""

    @abstractmethod
    def widest(self) -> "Widest":
        """The subject in float64; or, where a kernel or a library refuses float64, as this view has it, and why."""

    @cached_property
    def _all(self) -> tuple[Any, tuple[Any, ...]]:
        with self._precision():
            given = self._given, self._subject.args
            return widened(given) if self.is_wide else given

    @property
    def args(self) -> tuple[Any, ...]:
        """What the subject takes besides the parameters, in the precision of the view."""
        return self._all[1]

    def params_at(self, *steps: Step) -> Any:
        """The parameters at a point, in the precision of the view."""
        if not steps:
            return self._all[0]
        if steps not in self._points:
            with self._precision():
                self._points[steps] = steps[-1](self.params_at(*steps[:-1]))
        return self._points[steps]


class View(AnyView):
    """A subject seen whole: with all of its leaves on the host."""

    @property
    def whole(self) -> "View":
        return self

    @cached_property
    def first(self) -> Evidence:  # pyright: ignore[reportIncompatibleMethodOverride]
        return self.at()

    def widest(self) -> "Widest":
        wide = View(self._subject, self._given, wide=True)
        try:
            return Widest(wide, wide.first, own_numbers(self.first, wide.first), None)
        except jax.errors.UnexpectedTracerError:  # a value that an earlier call kept, and nothing of float64
            raise
        except Exception as refusal:
            return Widest(self, self.first, own_numbers(self.first, self.first), refusal)

    def at(self, *steps: Step, shake: int | None = None) -> Evidence:
        with self._precision():
            params = self.params_at(*steps)
            value, expected = truth(self._subject.loss, params, self.args, evaluate=_evaluation(shake))
        if self._subject.has_value:
            expected = {VALUE: np.asarray(value)} | expected
        raw = self.answer(*steps, shake=shake)
        actual = {path: in_float64(leaf) for path, leaf in raw.items()}
        return Evidence(value, actual, expected, {path: leaf.dtype for path, leaf in raw.items()})

    def answer(self, *steps: Step, shake: int | None = None) -> dict[str, np.ndarray]:
        """The leaves of the gradient under check alone, in the dtypes in which they come."""
        with self._precision():
            evaluate = _evaluation(shake) if self.is_traceable else called
            leaves = self._subject.leaves(evaluate(self._subject.grads, self.params_at(*steps), *self.args))
            return {path: hosted(f"`{path}` from `{self._subject.name}`", leaf) for path, leaf in leaves.items()}

    @cached_property
    def is_traceable(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        with self._precision():
            return is_traceable(self._subject.grads, self._all[0], *self.args)


class Widest(NamedTuple):
    """A subject in float64 if it can be.

    Attributes:
      view: the view.
      here: what is seen at the caller's point.
      own: the numbers in the dtypes of the caller, beside it.
      refusal: why it is not float64, if it is not.
    """

    view: AnyView
    here: Seen
    own: Own
    refusal: Exception | None


def _evaluation(shake: int | None) -> Callable[..., Any]:
    """How a function is run: as it is, or rounded at random if `shake` is a draw."""
    return interpreted if shake is None else lambda function, *args: shaken(function, shake, *args)


def _pair(result: Any) -> Any:
    if not (isinstance(result, tuple | list) and len(result) == 2):
        raise TypeError(f"with has_value=True `grads` must return a pair (value, tree), got a {type(result).__name__}.")
    return result
