"""Which of many values may stand in the place of a result, or beside it: asked of all of them in one matrix product."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from .._program._sites import results
from .._program._trace import Atom
from ._bench import Bench
from ._offers import Instances
from ._patches import divided
from ._screen import is_near, Screen, View


Get: TypeAlias = Callable[[int, int], np.ndarray]
"""A value of the shape of what it may replace: that for an instance, at a point."""

_NUMBERS = 1 << 20
"""How many numbers are in hand at once."""

_CHANGES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "known": lambda value, other: other,
    "times": lambda value, other: value * other,
    "over": divided,
    "plus": lambda value, other: value + other,
}
"""By the kind of a correction, what it makes of a result and another value."""


@dataclass(frozen=True)
class _Read:
    """What each run of a statement reads at one place, with its adjoints: the leaves are linear in it."""

    view: View
    rows: Sequence[np.ndarray]
    atoms: Sequence[Atom]
    needed: np.ndarray
    now: np.ndarray


@dataclass(frozen=True)
class Sieve:
    """What may correct a statement and make some of the leaves `wrong` right, by `Screen.passed`, and little else."""

    bench: Bench
    screen: Screen
    instances: Instances
    wrong: Sequence[str]

    def results(self, position: int, others: Sequence[Get]) -> dict[str, np.ndarray]:
        """For each kind of correction of the result at `position`, which of `others` pass.

        A kind that is not among the keys is one of which only trying tells.
        """
        outs = [results(self.bench.program, instance)[position] for instance in self.instances]
        if not others or any(map(self._leads_to_others, self.instances, outs)):
            return {}
        views = {
            "times": self.screen.view(self.instances, self.wrong),
            "known": self.screen.view(self.instances, self.wrong, is_held=True),
            "plus": self.screen.view(self.instances, self.wrong, is_added=True),
        }
        views["over"] = views["times"]
        passing, (alike, same) = {}, self._of_one_shape(outs, others)
        for kind, view in views.items():
            if view is not None:
                needed, now = self.screen.as_it_stands(outs, view)
                rows = [self.screen.rows(out, view) for out in outs]
                then = self._products(rows, view, outs, same, _CHANGES[kind])
                # Of a sum what is added has a factor; else the whole.
                passing[kind] = alike(_pass(needed, now, then, now if kind == "plus" else np.zeros_like(now)))
        return passing

    def operands(self, uses: Sequence[tuple[int, int]], others: Sequence[Get]) -> np.ndarray | None:
        """Which of `others` pass in the place of what the statement reads there; None if only trying tells."""
        read = self._read(uses) if others and len(uses) == 1 else None
        if read is None:
            return None
        alike, same = self._of_one_shape(read.atoms, others)
        change = self._products(read.rows, read.view, read.atoms, same, lambda value, other: other - value)
        return alike(_pass(read.needed, read.now, read.now[..., None] + change, np.zeros_like(read.now)))

    def factors(self, use: tuple[int, int], others: Sequence[Get]) -> dict[str, np.ndarray]:
        """Which of `others` pass as a factor more, or less, of what the statement reads there; empty if only trying
        tells.
        """
        read = self._read([use]) if others else None
        if read is None:
            return {}
        alike, same = self._of_one_shape(read.atoms, others)
        passing = {}
        for kind in ("times", "over"):
            changed = lambda value, other, change=_CHANGES[kind]: change(value, other) - value
            then = read.now[..., None] + self._products(read.rows, read.view, read.atoms, same, changed)
            passing[kind] = alike(_pass(read.needed, read.now, then, read.now - self._as_it_is(read)))
        return passing

    def _read(self, uses: Sequence[tuple[int, int]]) -> "_Read | None":
        """What the statement reads at one place, if the leaves are linear in it."""
        program, each = self.bench.program, [(run[p], position) for run in self.instances for p, position in uses]
        is_added = self.screen.is_beside_a_sum(self.instances, each)
        view = self.screen.view(self.instances, self.wrong, is_added=is_added)
        outs = [results(program, instance) for instance in self.instances]
        if view is None or any(len(each) != 1 for each in outs):
            return None
        [(place, position)] = uses
        rows, atoms = [], []
        for instance in self.instances:
            row = self.screen.pulled(instance[place], position, view)
            if row is None:
                return None
            rows.append(row)
            atoms.append(program.equations[instance[place]].inputs[position])
        needed, now = self.screen.as_it_stands([out for [out] in outs], view)
        return _Read(view, rows, atoms, needed, now)

    def _as_it_is(self, read: "_Read") -> np.ndarray:
        """The inner products of what is read as it stands."""
        own: Get = lambda i, point: self.bench.run.at(read.atoms[i])[point]
        return self._products(read.rows, read.view, read.atoms, [own], lambda value, other: other)[..., 0]

    def _of_one_shape(
        self, atoms: Sequence[Atom], others: Sequence[Get]
    ) -> tuple[Callable[[np.ndarray], np.ndarray], list[Get]]:
        """Those of `others` that have in each run the shape of what they replace, and what makes of the answer on these
        that on all: any other passes.
        """
        shapes = [self.bench.run.at(atom)[0].shape for atom in atoms]
        alike = np.array([all(np.shape(get(i, 0)) == shape for i, shape in enumerate(shapes)) for get in others])

        def whole(answer: np.ndarray) -> np.ndarray:
            passes = np.ones(len(others), bool)
            passes[alike] = answer
            return passes

        return whole, [get for get, is_alike in zip(others, alike, strict=True) if is_alike]

    def _leads_to_others(self, instance: Sequence[int], out: int) -> bool:
        """Whether a run computes another result from this one."""
        reached = {out}
        for index in instance:
            equation = self.bench.program.equations[index]
            if not reached.isdisjoint(atom for atom in equation.inputs if isinstance(atom, int)):
                reached.update(equation.outputs)
        return len(reached.intersection(results(self.bench.program, instance))) > 1

    def _products(
        self,
        rows: Sequence[np.ndarray],
        view: View,
        atoms: Sequence[Atom],
        others: Sequence[Get],
        change: Callable[[np.ndarray, np.ndarray], np.ndarray],
    ) -> np.ndarray:
        """The inner products of what a change makes with each of `others`: by leaf, projection and other value."""
        values = [self.bench.run.at(atom) for atom in atoms]
        count = max(1, _NUMBERS // max(1, values[0][0].size))
        blocks = [others[start : start + count] for start in range(0, len(others), count)]

        def at(point: int, block: Sequence[Get]) -> np.ndarray:
            total = np.zeros((2 * len(view.paths), len(block)))
            for i, (row, value) in enumerate(zip(rows, values, strict=True)):
                total += row @ change(value[point].ravel(), np.stack([np.ravel(get(i, point)) for get in block])).T
            return total.reshape(-1, 2, len(block))

        if not others:
            return np.zeros((len(view.paths), 2, 0))
        with np.errstate(all="ignore"):
            first = np.concatenate([at(0, block) for block in blocks], axis=-1)
            if view.apart:
                second = np.concatenate([at(1, block) for block in blocks], axis=-1)
                first[view.apart, 1] = second[view.apart, 1]
        return first


def _pass(needed: np.ndarray, now: np.ndarray, then: np.ndarray, nothing: np.ndarray) -> np.ndarray:
    """Which inner products are those of a right leaf, as they are or with a factor on what is over `nothing`."""
    needed, now, nothing = (each[..., None] for each in (needed, now, nothing))
    with np.errstate(all="ignore"):
        close = is_near(then[:, 0] - now[:, 0], needed[:, 0], now[:, 0], needed[:, 0])
        slope, aim = then - nothing, needed + now - nothing
        factors = aim[:, 0] / slope[:, 0]
        made = factors * slope[:, 1]
        fits = is_near(made, aim[:, 1], made, aim[:, 1], needed[:, 1])
        fits &= np.isfinite(factors) & (np.abs(slope[:, 0]) > 1e-12 * np.abs(then[:, 0])) & (np.abs(factors) > 1e-9)
    return np.any(close | fits, axis=0)
