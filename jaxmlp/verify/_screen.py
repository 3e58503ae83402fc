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
        screen = self.of(instances, wrong)
        if screen is None:
            return None
        outs, paths = screen
        bench, equations = self._bench, instances[0]
        one = bench.values(equations, edit.patches(1.0), 0)
        if one is None:
            return {}
        base = bench.run.values[0]
        ones = [one.get(out, base[out]) for out in outs]
        if any(value.shape != base[out].shape for value, out in zip(ones, outs, strict=True)):
            return None
        zeros = None
        found: dict[str, float] = {}
        for path in paths:
            adjoints, needed = bench.adjoints(path), bench.needed(path)
            reach = [p for p, out in enumerate(outs) if out in adjoints]
            rows = [[adjoints[outs[p]][k] for p in reach] for k in range(2)]
            now, then = [base[outs[p]] for p in reach], [ones[p] for p in reach]
            here = [_inner(rows[0], now), _inner(rows[0], then)]
            if not np.isfinite(here).all():
                continue
            if abs(here[1] - here[0] - needed[0]) <= _SCREEN * (abs(here[0]) + abs(needed[0])):
                found[path] = 1.0
            elif edit.factor:
                if zeros is None:
                    zero = bench.values(equations, edit.patches(0.0), 0) or {}
                    zeros = [zero.get(out, base[out]) for out in outs]
                without = [zeros[p] for p in reach]
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

    def of(self, instances: Instances, wrong: Sequence[str]) -> tuple[list[int], list[str]] | None:
        """The results of a statement and the leaves that are linear in them; None if one leaf is not."""
        if len(instances) != 1:
            return None
        if instances not in self._screens:
            bench = self._bench
            outs = results(bench.program, instances[0])
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
