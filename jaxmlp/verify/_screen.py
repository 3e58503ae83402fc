"""Which corrections are worth trying: found by inner products, where a leaf is linear in what a statement gives."""

from collections.abc import Mapping, Sequence

import numpy as np

from ._adjoint import is_linear
from ._bench import Bench, results
from ._edits import Edit
from ._matching import snapped
from ._offers import Instances


_SCREEN = 1e-5
"""How far inner products may differ for a correction to be worth trying."""


class Screen:
    """What the adjoints of a bench say of corrections, before any is tried."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._stacked: dict[tuple[int, tuple[str, ...]], np.ndarray] = {}
        self._standing: dict[tuple[tuple[int, ...], tuple[str, ...]], tuple[np.ndarray, np.ndarray]] = {}
        self._screens: dict[Instances, tuple[list[int], list[str]] | None] = {}

    def passed(self, instances: Instances, edit: Edit, wrong: Sequence[str]) -> dict[str, float] | None:
        """The leaves that `edit` may make right, and with which factor; None where only trying tells."""
        screen = self.of(instances, wrong, edit)
        if screen is None:
            return None
        outs, paths = screen
        bench = self._bench
        one = self._given(instances, edit, 1.0)
        if one is None:
            return {}
        base = bench.run.values[0]
        outs = [out for out in outs if out in one]  # what the correction leaves as it is cancels
        if any(one[out].shape != base[out].shape for out in outs):
            return None
        if not outs:
            return {}
        needed, now = self._as_it_stands(outs, paths)
        then = self._inner(outs, paths, one)
        with np.errstate(all="ignore"):
            close = _is_near(then[:, 0] - now[:, 0], needed[:, 0], now[:, 0], needed[:, 0])
            found = {path: 1.0 for path, right in zip(paths, close, strict=True) if right}
            if not edit.factor or len(found) == len(paths):
                return found
            nothing = np.zeros(now.shape)
            if not edit.whole:
                zero = self._given(instances, edit, 0.0) or {}
                nothing = self._inner(outs, paths, {out: zero.get(out, base[out]) for out in outs})
            slope, aim = then - nothing, needed + now - nothing
            factors = aim[:, 0] / slope[:, 0]
            fits = _is_near(factors * slope[:, 1], aim[:, 1], factors * slope[:, 1], aim[:, 1], needed[:, 1])
            fits &= np.isfinite(factors) & (np.abs(slope[:, 0]) > 1e-12 * np.abs(then[:, 0]))
        if edit.kind not in ("number", "term"):
            fits &= np.abs(factors) > 1e-9
        solved = {path: snapped(float(c)) for path, c, fit in zip(paths, factors, fits, strict=True) if fit}
        return {path: found.get(path, solved.get(path, 1.0)) for path in paths if path in found or path in solved}

    def _as_it_stands(self, outs: Sequence[int], paths: list[str]) -> tuple[np.ndarray, np.ndarray]:
        """What the projections of the leaves are short of, and the inner products of the values as they are."""
        key = tuple(outs), tuple(paths)
        if key not in self._standing:
            needed = np.array([self._bench.needed(path) for path in paths])
            self._standing[key] = needed, self._inner(outs, paths, self._bench.run.values[0])
        return self._standing[key]

    def _inner(self, outs: Sequence[int], paths: list[str], values: Mapping[int, np.ndarray]) -> np.ndarray:
        """The inner products of values with their adjoints: a row for each leaf, a column for each projection."""
        with np.errstate(all="ignore"):
            total = sum(self._rows(out, paths) @ values[out].ravel() for out in outs)
            return np.reshape(total, (len(paths), 2))

    def _rows(self, out: int, paths: list[str]) -> np.ndarray:
        key = out, tuple(paths)
        if key not in self._stacked:
            size = self._bench.run.values[0][out].size
            found = [self._bench.adjoints(path).get(out, [np.zeros(size)] * 2) for path in paths]
            self._stacked[key] = np.array([row.ravel() for rows in found for row in rows])
        return self._stacked[key]

    def _given(self, instances: Instances, edit: Edit, factor: float) -> dict[int, np.ndarray] | None:
        """What each run gives with its correction alone; None if that does not fit."""
        patches, found = edit.patches(factor), {}
        for instance in instances:
            given = self._bench.values(instance, {i: patches[i] for i in instance if i in patches}, 0)
            if given is None:
                return None
            found.update(given)
        return found

    def of(
        self, instances: Instances, wrong: Sequence[str], edit: Edit | None = None
    ) -> tuple[list[int], list[str]] | None:
        """The results of a statement and the leaves that are linear in them; None if one leaf is not.

        Of several runs, one of which may lead to the next, only what is added tells what comes of all.
        """
        if len(instances) != 1 and (edit is None or edit.kind != "plus"):
            return None
        if instances not in self._screens:
            bench = self._bench
            outs = [out for instance in instances for out in results(bench.program, instance)]
            paths = [path for path in wrong if bench.needed(path)]
            linear = len(paths) == len(wrong) and all(
                all(out in bench.adjoints(path) or not bench.depends(path, out) for out in outs)
                and is_linear(bench.program, bench.order[path], set(outs))
                for path in paths
            )
            self._screens[instances] = (outs, paths) if linear else None
        return self._screens[instances]


def _is_near(value: np.ndarray, aim: np.ndarray, *sizes: np.ndarray) -> np.ndarray:
    return np.abs(value - aim) <= _SCREEN * sum(np.abs(size) for size in sizes)
