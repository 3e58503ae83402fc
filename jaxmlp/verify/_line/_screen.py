"""Which corrections are worth trying: found by inner products, where a leaf is linear in what a statement gives."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._program._adjoint import is_linear, LINEAR, pulled
from .._program._sites import results
from ._bench import Bench
from ._edits import Edit
from ._matching import snapped
from ._offers import Instances


_SCREEN = 1e-5
"""How far inner products may differ for a correction to be worth trying."""


_NONE: frozenset[int] = frozenset()


@dataclass(frozen=True, eq=False)
class View:
    """What a statement gives, and the leaves that are linear in it; `cut` are the equations whose results are held, and
    `apart` are the places of those leaves that are one number, whose second projection is that at another point.
    """

    outs: list[int]
    paths: list[str]
    cut: frozenset[int]
    apart: list[int]


class Screen:
    """What the adjoints of a bench say of corrections, before any is tried."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._stacked: dict[Any, np.ndarray] = {}
        self._standing: dict[Any, tuple[np.ndarray, np.ndarray]] = {}
        self._paths: dict[Instances, tuple[dict[int, list[Any]], bool]] = {}
        self._leads: dict[tuple[str, frozenset[int]], tuple[set[int], set[int]]] = {}
        self._linear: dict[tuple[str, tuple[int, ...], frozenset[int]], bool] = {}
        self._views: dict[tuple[Instances, frozenset[int], tuple[str, ...]], View | None] = {}

    def passed(self, instances: Instances, edit: Edit, wrong: Sequence[str]) -> dict[str, float] | None:
        """The leaves that `edit` may make right, and with which factor; None where only trying tells."""
        view = self.of(instances, wrong, edit)
        if view is None:
            return None
        bench, paths = self._bench, view.paths
        one = self._given(instances, edit, 1.0, view)
        if one is None:
            return {}
        base = bench.run.values
        outs = [out for out in view.outs if out in one[0]]  # what the correction leaves as it is cancels
        if any(one[0][out].shape != base[0][out].shape for out in outs):
            return None
        if not outs:
            return {}
        needed, now = self.as_it_stands(outs, view)
        then = self._inner(outs, view, one)
        with np.errstate(all="ignore"):
            close = is_near(then[:, 0] - now[:, 0], needed[:, 0], now[:, 0], needed[:, 0])
            found = {path: 1.0 for path, right in zip(paths, close, strict=True) if right}
            # Where one run adds to another's, a factor on what each gives comes in by its powers.
            by_powers = edit.whole and edit.kind != "plus" and not view.cut and bool(self._carried(instances)[0])
            if not edit.factor or by_powers or len(found) == len(paths):
                return found
            nothing = np.zeros(now.shape)
            if not edit.whole:
                zero = self._given(instances, edit, 0.0, view) or [{} for _ in one]
                held = [{out: given.get(out, base[k][out]) for out in outs} for k, given in enumerate(zero)]
                nothing = self._inner(outs, view, held)
            slope, aim = then - nothing, needed + now - nothing
            factors = aim[:, 0] / slope[:, 0]
            fits = is_near(factors * slope[:, 1], aim[:, 1], factors * slope[:, 1], aim[:, 1], needed[:, 1])
            fits &= np.isfinite(factors) & (np.abs(slope[:, 0]) > 1e-12 * np.abs(then[:, 0]))
        if edit.kind not in ("number", "term"):
            fits &= np.abs(factors) > 1e-9
        solved = {path: snapped(float(c)) for path, c, fit in zip(paths, factors, fits, strict=True) if fit}
        return {path: found.get(path, solved.get(path, 1.0)) for path in paths if path in found or path in solved}

    def as_it_stands(self, outs: Sequence[int], view: View) -> tuple[np.ndarray, np.ndarray]:
        """What the projections of the leaves are short of, and the inner products of the values as they are."""
        key = tuple(outs), tuple(view.paths), view.cut
        if key not in self._standing:
            needed = np.array([self._bench.needed(path) for path in view.paths])
            self._standing[key] = needed, self._inner(outs, view, self._bench.run.values)
        return self._standing[key]

    def pulled(self, index: int, position: int, view: View) -> np.ndarray | None:
        """The adjoints of an operand where one equation reads it, as those of a result; None if they are not known."""
        bench = self._bench
        equation = bench.program.equations[index]
        found = []
        for path in view.paths:
            adjoints = bench.adjoints(path).get(equation.outputs[0])
            if adjoints is None or not self._is_linear(path, equation.outputs, _NONE):
                return None
            for g, point in zip(adjoints, bench.points(path), strict=True):
                found.append(pulled(equation, position, g, lambda atom, k=point: bench.run.at(atom)[k]))
        return None if any(g is None for g in found) else np.array([np.ravel(g) for g in found])

    def _inner(self, outs: Sequence[int], view: View, values: Sequence[Mapping[int, np.ndarray]]) -> np.ndarray:
        """The inner products of values with their adjoints: a row for each leaf, a column for each projection."""
        with np.errstate(all="ignore"):
            first, *rest = (
                np.reshape(sum(self.rows(out, view) @ values[k][out].ravel() for out in outs), (len(view.paths), 2))
                for k in range(1 + bool(view.apart))
            )
        for second in rest:
            first[view.apart, 1] = second[view.apart, 1]
        return first

    def rows(self, out: int, view: View) -> np.ndarray:
        """The adjoints of a result: two rows for each leaf, one for each projection."""
        key = out, tuple(view.paths), view.cut
        if key not in self._stacked:
            size = self._bench.run.values[0][out].size
            found = [self._bench.adjoints(path, view.cut).get(out, [np.zeros(size)] * 2) for path in view.paths]
            self._stacked[key] = np.array([row.ravel() for rows in found for row in rows])
        return self._stacked[key]

    def _given(self, instances: Instances, edit: Edit, factor: float, view: View) -> list[dict[int, np.ndarray]] | None:
        """What each run gives with its correction alone, at each point that is asked for; None if that does not fit."""
        patches = edit.patches(factor)
        found: list[dict[int, np.ndarray]] = [{} for _ in range(1 + bool(view.apart))]
        for instance in instances:
            own = {i: patches[i] for i in instance if i in patches}
            for k, at in enumerate(found):
                given = self._bench.values(instance, own, k)
                if given is None:
                    return None
                at.update(given)
        return found

    def of(self, instances: Instances, wrong: Sequence[str], edit: Edit | None = None) -> View | None:
        """What is seen of a correction; None if only trying tells."""
        if edit is None:
            return self.view(instances, wrong)
        if "across" in edit.facts:
            return None
        position = edit.facts["within"][1] if "within" in edit.facts else None
        uses = [(index, position) for index in edit.patches(1.0)]
        is_added = edit.kind == "plus" or self.is_beside_a_sum(instances, uses)
        return self.view(instances, wrong, is_added=is_added, is_held=bool(edit.facts.get("held")))

    def is_beside_a_sum(self, instances: Instances, uses: Collection[tuple[int, int | None]]) -> bool:
        """Whether a run only adds to what comes of another, and none of these equations, or what it reads at this
        position, is of that: as `x * e` in `s + x * e`.
        """
        carried, is_sum = self._carried(instances)
        equations = self._bench.program.equations
        read = ((i, None if position is None else equations[i].inputs[position]) for i, position in uses)
        return is_sum and not any(i in carried and (atom is None or atom in carried[i]) for i, atom in read)

    def view(
        self, instances: Instances, wrong: Sequence[str], *, is_added: bool = False, is_held: bool = False
    ) -> View | None:
        """The results of a statement and the leaves that are linear in them; None if one leaf is not.

        Of several runs, one of which leads to the next, only what is added, or put in the place of every result, tells
        what comes of all.
        """
        program, cut = self._bench.program, _NONE
        if self._carried(instances)[0]:
            if not is_added and not is_held:
                return None
            if not is_added:
                given = [results(program, instance) for instance in instances]
                if any(len(outs) != 1 for outs in given):
                    return None
                cut = frozenset(program.makers[out] for [out] in given)
        key = instances, cut, tuple(wrong)
        if key not in self._views:
            outs = [out for instance in instances for out in results(program, instance)]
            paths = [path for path in wrong if self._bench.needed(path)]
            linear = len(paths) == len(wrong) and all(self._is_linear(path, outs, cut) for path in paths)
            apart = [place for place, path in enumerate(paths) if self._bench.points(path) == (0, 1)]
            self._views[key] = View(outs, paths, cut, apart) if linear else None
        return self._views[key]

    def is_in_products(self, instances: Instances, paths: Sequence[str]) -> bool:
        """Whether the leaves come of sums and products of what a statement gives, which is more than one number."""
        program, moving = self._bench.program, {out for run in instances for out in results(self._bench.program, run)}
        leading = {index for path in paths for index in self._bench.order[path]}
        for index in sorted(leading):
            equation = program.equations[index]
            if not moving.isdisjoint(atom for atom in equation.inputs if isinstance(atom, int)):
                if equation.name not in LINEAR and equation.name not in ("mul", "dot_general"):
                    return False
                moving.update(equation.outputs)
        return any(self._bench.run.at(out)[0].size > 1 for run in instances for out in results(program, run))

    def _is_linear(self, path: str, outs: Sequence[int], cut: frozenset[int]) -> bool:
        """Whether a leaf is linear in what a statement gives, and it is known how."""
        key = path, tuple(outs), cut
        if key not in self._linear:
            bench = self._bench
            adjoints, (leading, order) = bench.adjoints(path, cut), self._leading(path, cut)
            known = all(out in adjoints or out not in leading for out in outs)
            self._linear[key] = known and is_linear(bench.program, order, set(outs))
        return self._linear[key]

    def _leading(self, path: str, cut: frozenset[int]) -> tuple[set[int], set[int]]:
        """The variables that lead to a leaf other than through the equations in `cut`, and what makes them."""
        if (path, cut) in self._leads:
            return self._leads[path, cut]
        leading = {self._bench.leaves[path]}
        for index in reversed(self._bench.order[path]):
            equation = self._bench.program.equations[index]
            if index not in cut and not leading.isdisjoint(equation.outputs):
                leading.update(atom for atom in equation.inputs if isinstance(atom, int))
        equations = self._bench.program.equations
        order = {i for i in self._bench.order[path] if not leading.isdisjoint(equations[i].outputs)}
        self._leads[path, cut] = leading, order
        return leading, order

    def _carried(self, instances: Instances) -> tuple[dict[int, list[Any]], bool]:
        """The equations of the runs that read what another run leads to, each with that, and whether they only take it
        into sums.
        """
        if instances not in self._paths:
            program = self._bench.program
            runs = {index: number for number, instance in enumerate(instances) for index in instance}
            moving: dict[int, int] = {}  # variables that a run leads to, by the number of that run
            carried, found = set[int](), dict[int, list[Any]]()
            for index in range(instances[0][0], instances[-1][-1] + 1) if len(instances) > 1 else ():
                equation, run = program.equations[index], runs.get(index)
                read = [atom for atom in equation.inputs if isinstance(atom, int) and atom in moving]
                others = [atom for atom in read if moving[atom] != run or atom in carried]
                if run is not None and others:
                    found[index] = others
                    carried.update(equation.outputs)
                if run is not None or read:
                    moving |= dict.fromkeys(equation.outputs, run if run is not None else moving[read[0]])
            is_sum = all(program.equations[index].name in LINEAR for index in found)
            self._paths[instances] = found, is_sum
        return self._paths[instances]


def is_near(value: np.ndarray, aim: np.ndarray, *sizes: np.ndarray) -> np.ndarray:
    """Whether inner products are near enough to what they ought to be, beside numbers of these sizes."""
    return np.abs(value - aim) <= _SCREEN * sum(np.abs(size) for size in sizes)
