"""Which corrections are worth trying: found by inner products, where a leaf is linear in what a statement gives."""

from collections.abc import Sequence

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
        zero = None
        found: dict[str, float] = {}
        for path in paths:
            adjoints, needed = bench.adjoints(path), bench.needed(path)
            reach = [out for out in outs if out in adjoints]
            rows = [[adjoints[out][k] for out in reach] for k in range(2)]
            now, then = [base[out] for out in reach], [one[out] for out in reach]
            here = [_inner(rows[0], now), _inner(rows[0], then)]
            if not np.isfinite(here).all():
                continue
            if abs(here[1] - here[0] - needed[0]) <= _SCREEN * (abs(here[0]) + abs(needed[0])):
                found[path] = 1.0
            elif edit.factor:
                if zero is None:
                    zero = self._given(instances, edit, 0.0) or {}
                without = [zero.get(out, base[out]) for out in reach]
                nothing = [_inner(rows[k], without) for k in range(2)]
                slope = [here[1] - nothing[0], _inner(rows[1], then) - nothing[1]]
                aim = [needed[0] + here[0] - nothing[0], needed[1] + _inner(rows[1], now) - nothing[1]]
                if abs(slope[0]) <= 1e-12 * abs(here[1]) or not np.isfinite([*slope, *aim]).all():
                    continue
                factor = aim[0] / slope[0]
                close = abs(factor * slope[1] - aim[1]) <= _SCREEN * (
                    abs(aim[1]) + abs(factor * slope[1]) + abs(needed[1])
                )
                if close and (abs(factor) > 1e-9 or edit.kind in ("number", "term")):
                    found[path] = snapped(factor)
        return found

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


def _inner(rows: Sequence[np.ndarray], values: Sequence[np.ndarray]) -> float:
    with np.errstate(all="ignore"):
        return float(sum(np.vdot(row, value) for row, value in zip(rows, values, strict=True)))
