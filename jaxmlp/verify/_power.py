"""What a right verdict is worth: mistakes planted in the gradient's own program, and how many the check catches."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ._line._bench import Bench
from ._mistake._leaf import batch_sizes
from ._mistake._names import line_of
from ._mutants import Mutant, mutants
from ._program._call import input_names, joined, split
from ._program._interpret import interpreted
from ._program._source import Source
from ._program._trace import traced
from ._program._tree import is_array, is_floating, named_leaves
from ._report._planted import Power, Survivor
from ._report._reasons import survives_data, survives_one_example, survives_point, survives_small
from ._verdict._accuracy import norm, relative
from ._verdict._evidence import Subject, VALUE, View
from ._verdict._points import moved, Step


MOST = 400
"""The most mistakes that are planted; of a longer program they are taken at even distances."""

_EQUIVALENT = 1e-6
"""A mistake that moves no leaf by this relative error, where nothing is special, is none."""


def powered(subject: Subject, view: View, near: Sequence[Step], allowed: Mapping[str, float]) -> Power:
    """Plants mistakes in a right gradient and judges each by what the check that found it right saw.

    A mistake is caught if at the caller's point, or at one of those `near` it, it moves some leaf from the truth by
    more than `allowed`. One that changes nothing anywhere, as far as a point of random numbers shows, does not count.
    """
    with jax.enable_x64(True):
        return _Powered(subject, view, near, allowed).power()


class _Powered:
    """A right gradient's program at the points of its check, at one of random numbers, and with each argument moved."""

    def __init__(self, subject: Subject, view: View, near: Sequence[Step], allowed: Mapping[str, float]) -> None:
        self.allowed, self.stand_in = allowed, not view.is_traceable
        gradient = jax.grad(subject.loss) if self.stand_in else subject.gradient
        self.source = Source(subject.loss if self.stand_in else subject.source or subject.grads)
        params, args = view.params_at(), view.args
        points = [(params, *args), *((view.params_at(step), *args) for step in near)]
        self.judging = len(points)
        truth = [_leaves(view.at(*steps).expected) for steps in ((), *((step,) for step in near))]
        points += _elsewhere(gradient, (params, *args))
        self.generic = range(self.judging, len(points))
        self.moved: dict[str, int] = {}
        for position, name in enumerate(input_names(subject.loss, 1 + len(args))[1:], start=1):
            if any(map(is_floating, jax.tree.leaves(args[position - 1]))):
                self.moved[name] = len(points)
                points.append(tuple(_changed(p, _moved) if i == position else p for i, p in enumerate((params, *args))))
        truth += [named_leaves(jax.tree.map(np.asarray, interpreted(gradient, *p))) for p in points[self.judging :]]

        program = traced(gradient, *points[0])
        paths = list(named_leaves(jax.tree.unflatten(program.structure, range(len(program.outputs)))))
        self.bench = Bench(program, [split(point)[0] for point in points], paths, truth)
        self.batch = _batch(subject.data)

    def power(self) -> Power:
        planted = caught = 0
        survivors, nearby = [], []
        places = self.source.places(self.bench.program)
        for path, variable in self.bench.leaves.items():
            places[self.bench.program.makers[variable]] = self.source.returned(path)[0]
        for mutant in _thinned(list(mutants(self.bench, self.batch))):
            alone = mutant.cause == "scale-batch" and self.batch == 1
            if not alone and not any(self._shows(mutant, point) for point in self.generic):
                continue
            planted += 1
            if not alone and self._is_caught(mutant, 0):
                caught += 1
                continue
            name = self.bench.program.equations[mutant.index].name
            line = line_of(places[mutant.index], self.source)
            if not alone and any(self._is_caught(mutant, point) for point in range(1, self.judging)):
                caught += 1
                nearby.append(Survivor(mutant.cause, name, line, survives_point()))
                continue
            reason = survives_one_example() if alone else self._reason(mutant)
            survivors.append(Survivor(mutant.cause, name, line, reason))
        return Power(planted, caught, tuple(survivors), tuple(nearby), self.stand_in)

    def _is_caught(self, mutant: Mutant, point: int) -> bool:
        truth = self.bench.truth[point]
        leaves = self._leaves(mutant, point)
        return leaves is not None and any(
            not relative(norm(value - truth[path]), norm(truth[path])) <= self.allowed[path]  # a NaN is caught
            for path, value in leaves.items()
        )

    def _shows(self, mutant: Mutant, point: int) -> bool:
        leaves = self._leaves(mutant, point)
        return leaves is not None and any(
            not self.bench.error(path, value, point) <= _EQUIVALENT for path, value in leaves.items()
        )

    def _leaves(self, mutant: Mutant, point: int) -> dict[str, np.ndarray] | None:
        changed = self.bench.values(range(len(self.bench.program.equations)), mutant.patches, point)
        if changed is None:
            return None
        return {path: changed[out] for path, out in self.bench.leaves.items() if out in changed}

    def _reason(self, mutant: Mutant) -> str:
        names = tuple(name for name, point in self.moved.items() if self._shows(mutant, point))
        return survives_data(names) if names else survives_small()


def _leaves(expected: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {path: leaf for path, leaf in expected.items() if path != VALUE}


def _elsewhere(gradient: Callable[..., Any], point: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    """Points where nothing is special, in the caller's scale and in that of 1, as far as the gradient is finite there.

    No element changes its sign, so a variance stays a variance; the caller's point itself if it must be.
    """
    there = [tuple(_changed(part, change) for part in point) for change in (_moved, _drawn)]
    return [p for p in there if _is_finite(interpreted(gradient, *p))] or [point]


def _is_finite(tree: Any) -> bool:
    return all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(tree))


def _changed(tree: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    """A tree with its floating arrays changed, and all else as it is."""
    arrays, kept = split(tree)
    floating = {str(i): array for i, array in enumerate(arrays) if is_floating(array)}
    elsewhere = change(floating) if floating else {}
    return joined([elsewhere.get(str(i), array) for i, array in enumerate(arrays)], kept)


def _moved(arrays: dict[str, Any]) -> dict[str, Any]:
    return moved(arrays, by=0.5, draw=9)


def _drawn(arrays: dict[str, Any]) -> dict[str, Any]:
    random = np.random.default_rng(0)
    drawn = {}
    for path, array in arrays.items():
        values = np.asarray(array)
        sign = np.where(values == 0, random.choice((-1.0, 1.0), values.shape), np.sign(values))
        drawn[path] = jnp.asarray(sign * random.uniform(0.5, 1.5, values.shape))
    return drawn


def _batch(args: tuple[Any, ...]) -> int | None:
    """The number of examples, as far as the shapes of the arguments tell: the one of a single example included."""
    sizes = batch_sizes(args)
    if sizes:
        return min(sizes)
    shapes = [leaf.shape for leaf in jax.tree.leaves(args) if is_array(leaf) and leaf.shape]
    alone = bool(shapes) and any({shape[axis] for shape in shapes} == {1} for axis in (0, -1))
    return 1 if alone else None


def _thinned(planted: list[Mutant]) -> list[Mutant]:
    if len(planted) <= MOST:
        return planted
    return [planted[round(i)] for i in np.linspace(0, len(planted) - 1, MOST)]
