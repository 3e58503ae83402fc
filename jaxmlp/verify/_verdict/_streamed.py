"""A large gradient, seen where it is: what is known of a leaf are numbers, taken as soon as the leaf is made.

One program makes the loss, its gradient and the gradient under check, so that what both compute alike is computed once
and no leaf outlives its numbers. Nothing of a leaf's size comes to the host, and a leaf that is spread over devices
stays so.
"""

from collections.abc import Sequence
from functools import cached_property, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from .._program._call import joined, split
from .._program._tree import is_floating
from ._accuracy import by_norms, Comparison, relative
from ._evidence import AnyView, Subject, View, Widest
from ._joint import Joint, joint
from ._points import moved, NUDGES, seeds, shifted, Step
from ._rounding import rounded
from ._seen import Own, Seen, Shown
from ._sketch import difference, norms, ORDINARY, sample, sketch


LARGE = 2**20
"""A gradient of more parameters is looked at where it is; a smaller one is sooner on the host."""


def is_large(params: Any) -> bool:
    """Whether parameters are many, or partly in another process."""
    leaves = jax.tree.leaves(params)
    apart = any(isinstance(leaf, jax.Array) and not leaf.is_fully_addressable for leaf in leaves)
    return apart or sum(jnp.size(leaf) for leaf in leaves) > LARGE


class _Asked(NamedTuple):
    """What is to be known of the leaves at a point, besides their numbers.

    Attributes:
      own: what they are in the caller's dtypes.
      sketched: how their errors lie, for the distance of those at two points.
      shown: of which of them some rows and columns are to be seen.
      ordinary: whether the numbers themselves are neither so small nor so large that their squares are not.
    """

    own: bool = False
    sketched: bool = False
    shown: tuple[str, ...] = ()
    ordinary: bool = True


class StreamedView(AnyView):
    """A view of a large gradient that JAX can trace; `own` is its program in the dtypes that the caller gave.

    Raises:
      Exception: JAX cannot trace it, or, if `wide`, not in float64.
    """

    is_traceable = True

    def __init__(self, subject: Subject, params: Any, *, wide: bool, own: Joint | None = None) -> None:
        super().__init__(subject, params, wide=wide)
        self._arrays, self._kept = split((params, subject.args))
        if len(split(params)[0]) < len(jax.tree.leaves(params)):
            raise TypeError("a parameter that is no array is not traced")
        with self._precision():
            self.joint = joint(subject, [_shape(array, wide) for array in self._arrays], self._kept)
        self.own = own or self.joint
        # In float64 from the start, what the caller gets is what is judged.
        self.has_own = wide and any(is_floating(array) and array.dtype != np.float64 for array in self._arrays)
        self._compiled = jax.jit(self._looked, static_argnames=("steps", "asked"))

    def at(self, *steps: Step, shake: int | None = None) -> "_Seen":
        return _Seen(self, steps, shake)

    @property
    def whole(self) -> View:
        return View(self._subject, self._given, wide=self.is_wide)

    @property
    def first(self) -> None:
        return None

    def widest(self) -> Widest:
        try:
            view = StreamedView(self._subject, self._given, wide=True, own=self.joint)
            here = view.at()
            return Widest(view, here, here.own(), None)
        except jax.errors.UnexpectedTracerError:  # a value that an earlier call kept, and nothing of float64
            raise
        except Exception as refusal:
            here = self.at()
            return Widest(self, here, here.own(), refusal)

    def look(self, steps: Sequence[Step], shake: int | None, asked: "_Asked") -> dict[str, Any]:
        """What is to be known of the leaves at a point; one program for all points that moves of one number lead to."""
        moves = [step.keywords if isinstance(step, partial) and step.func is moved else None for step in steps]
        drawn = [(move["by"], np.asarray(seeds(self._given, **move), np.uint32)) for move in moves if move]
        with jax.enable_x64(True):
            found = self._compiled(
                self._arrays,
                drawn,
                None if shake is None else np.uint32(shake),
                steps=tuple(None if move else step for step, move in zip(steps, moves, strict=True)),
                asked=asked,
            )
            return jax.device_get(found)

    def _looked(
        self, arrays: Sequence[Any], moves: Sequence[Any], shake: Any, *, steps: tuple[Any, ...], asked: "_Asked"
    ) -> dict[str, Any]:
        """The program; `steps` has None for each of the `moves`."""
        there = self._arrays_at([_in_float64(array) for array in arrays] if self.is_wide else arrays, moves, steps)
        run = self.joint.run if shake is None else lambda *arrays: rounded(self.joint.run, arrays, shake)
        value, expected, given = self.joint.named(run(*there))
        expected = {path: _in_float64(leaf) for path, leaf in expected.items()}
        actual = {path: _in_float64(leaf) for path, leaf in given.items() if self.joint.is_comparable(path)}
        found = {"value": _in_float64(value), "numbers": _numbers(actual, expected, asked.ordinary)}
        if asked.own:
            value, autodiff, given = self.own.named(self.own.run(*arrays))
            given = {path: _in_float64(leaf) for path, leaf in given.items() if self.own.is_comparable(path)}
            autodiff = {path: _in_float64(autodiff[path]) for path in given}
            found["own value"] = value
            found["own"], found["autodiff"] = (_numbers(each, expected, asked.ordinary) for each in (given, autodiff))
        if asked.sketched:
            found["sketches"] = {path: sketch(leaf - expected[path]) for path, leaf in actual.items()}
        if asked.shown:
            found["samples"] = {path: sample(_in_float64(given[path]), expected[path]) for path in asked.shown}
            alike = [path for path in asked.shown if path in actual]
            found["differences"] = {path: difference(actual[path], expected[path]) for path in alike}
        return found

    def _arrays_at(self, arrays: Sequence[Any], moves: Sequence[Any], steps: tuple[Any, ...]) -> list[Any]:
        params, args = joined(arrays, self._kept)
        drawn = iter(moves)
        for step in steps:
            params = shifted(params, *next(drawn)) if step is None else step(params)
        return split((params, args))[0]


class _Seen(Seen):
    """What is seen by numbers: the leaves themselves are never brought together."""

    def __init__(self, view: StreamedView, steps: tuple[Step, ...], shake: int | None) -> None:
        self._look = partial(view.look, steps, shake)
        # What is barely moved, or rounded at random, is there to show how an error scatters.
        scatters = shake is not None or (bool(steps) and steps[-1] in NUDGES)
        # To more than one step from the caller's point leads only an error that is doubted, and is then wanted whole.
        asked = _Asked(own=view.has_own and not steps and not scatters, sketched=scatters or len(steps) > 1)
        self._joint, self._own, self.dtypes = view.joint, view.own, view.joint.dtypes
        self.found = self._look(asked)
        if not self._is_ordinary():
            self.found = self._look(asked._replace(ordinary=False))
        self.value, self._numbers = float(self.found["value"]), self._rows("numbers")

    def _is_ordinary(self) -> bool:
        """Whether no number that is not 0 is so small or so large that its square is not one."""
        largest = self.found["numbers"][:, ::2]
        smallest_of, largest_of = ORDINARY
        return bool(((largest == 0) | ~np.isfinite(largest) | ((largest > smallest_of) & (largest < largest_of))).all())

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(self._joint.expected)

    def shape(self, path: str) -> tuple[int, ...]:
        return self._joint.expected[path].shape

    def size_of(self, path: str) -> float:
        return self._numbers[path][1]

    def scale_of(self, path: str) -> float:
        # One wrong number among many millions is none to the norm: it counts beside the largest number as well.
        largest, size, largest_error, error = self._numbers[path]
        return min(size, error / largest_error * largest) if largest_error else size

    def compared(self, path: str) -> Comparison:
        return by_norms(self._numbers[path][3], self.scale_of(path))

    def is_comparable(self, path: str) -> bool:
        return bool(np.isfinite(self._numbers[path]).all())

    def error(self, path: str) -> np.ndarray:
        return (self.found.get("sketches") or self._sketches)[path]

    def varies(self, path: str, other: Seen) -> float:
        raise NotImplementedError("only the truth of a black box is asked, which is seen whole")

    @cached_property
    def _sketches(self) -> dict[str, np.ndarray]:
        return self._look(_Asked(sketched=True))["sketches"]

    def shown(self, path: str) -> Shown:
        actual, expected = self._joint.actual.get(path), self._joint.expected[path]
        nothing = np.broadcast_to(np.nan, expected.shape)
        if actual is None:
            return Shown(None, nothing, None, None)
        shapes = (actual.shape, expected.shape)
        if path in self._samples["samples"]:
            given, true = self._samples["samples"][path]
            return Shown(given, true, shapes, self._samples["differences"].get(path))
        dtype = np.float64 if is_floating(actual) else actual.dtype
        return Shown(np.broadcast_to(np.zeros((), dtype), actual.shape), nothing, shapes, None)

    @cached_property
    def _samples(self) -> dict[str, Any]:
        """Of all leaves that may be wrong at once."""
        wrong = [path for path in self.paths if not self.is_comparable(path) or self.compared(path).verdict != "right"]
        alike = tuple(filter(self._joint.is_alike, wrong))
        return self._look(_Asked(shown=alike)) if alike else {"samples": {}, "differences": {}}

    def own(self) -> Own:
        """At the caller's point, the numbers in the caller's dtypes."""
        own = self._rows("own" if "own" in self.found else "numbers")
        is_finite = {path: bool(np.isfinite(row[2])) for path, row in own.items()}
        errors = {path: self._relative(path, row) for path, row in own.items()}
        by_autodiff: dict[str, float | None] = {path: error and 0.0 for path, error in errors.items()}
        if "autodiff" in self.found:
            by_autodiff = {path: self._relative(path, row) for path, row in self._rows("autodiff").items()}
        return Own(float(self.found.get("own value", self.value)), self._own.dtypes, is_finite, errors, by_autodiff)

    def _relative(self, path: str, row: list[float]) -> float | None:
        _, size, _, error = row
        return relative(error, size) if size and self._own.is_comparable(path) else None

    def _rows(self, name: str) -> dict[str, list[float]]:
        """What is known of each leaf, see `_numbers`."""
        return dict(zip(self.paths, self.found[name].tolist(), strict=True))


def streamed(subject: Subject, params: Any) -> StreamedView | None:
    """A large gradient in the caller's dtypes; None if it is small, or JAX cannot trace it."""
    try:
        return StreamedView(subject, params, wide=False) if is_large(params) else None
    except Exception:  # a black box, or a subject that is none: what is wrong is said by those who look at it whole
        return None


def _shape(array: Any, wide: bool) -> jax.ShapeDtypeStruct:
    """What tracing needs of an array."""
    dtype = np.dtype(np.float64) if wide and is_floating(array) else jax.dtypes.canonicalize_dtype(array.dtype)
    return jax.ShapeDtypeStruct(array.shape, dtype, sharding=getattr(array, "sharding", None))


def _in_float64(array: Any) -> Any:
    return array.astype(np.float64) if is_floating(array) else array


def _numbers(actual: dict[str, Any], expected: dict[str, Any], ordinary: bool) -> Any:
    """A row for each leaf: the largest number and the norm of what is expected, and of what it is off by."""

    def row(path: str) -> list[Any]:
        found = norms(expected[path], ordinary=ordinary)
        off = norms(actual[path], expected[path], ordinary=ordinary) if path in actual else (jnp.nan, jnp.nan)
        return [jnp.asarray(number, np.float64) for number in (*found, *off)]

    return jnp.stack([jnp.stack(row(path)) for path in expected])
