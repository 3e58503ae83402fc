"""The correction of a forward pass that the candidate computes by another formula than the loss, in several places."""

from collections.abc import Collection, Iterator, Sequence
from typing import get_args

import numpy as np

from .._program._sites import results, Site
from ._bench import Bench, Patch, Patches
from ._edits import Edit
from ._elementwise import ELEMENTWISE
from ._matching import Known
from ._own_activations import chain_to
from ._patches import after, WithAnother
from ._quantities import Kind, Knowledge, Quantity
from ._relate import same, Values
from ._rows import rows


_COST = 2.2

_MOST = 64
"""How many executions are corrected at most."""

_OF_A_FORWARD_PASS: tuple[Kind, ...] = ("value", "cotangent")
"""What a statement of a forward pass may well give: `out - y` is both. A mask is a slope, and no output of a relu."""

_FOLLOWING = 24
"""How many executions after a correction are asked whether it makes them known."""

_CHOICES = 8
"""How many values of the loss are tried in the place of one of the candidate's."""

_FEW = 2
"""As many numbers a mask has, or the slope of a leaky relu, and no activation."""


def forward(
    bench: Bench, sites: Sequence[Site], knowledge: Knowledge, known: Known
) -> Iterator[tuple[list[Site], Edit]]:
    """Every value that is computed of values of the loss, and is none itself: with another argument in the place of one
    that it reads, if it is one then; or, if it is computed of one value element by element, what the loss computes of
    that. It is asked of what is corrected before, layer after layer.
    """
    track = _Track(bench, sites, knowledge, known)
    corrected = track.corrected()
    if sum(map(len, corrected.values())) > 1:
        patches, where = track.patches, [*corrected]
        runs = [run for each in corrected.values() for run in each]
        formulas = [site for site in sites if site.is_formula and not track.swapped]
        whole = [site for site in formulas if all(any(_ends_with(run, i) for i in site.instances) for run in runs)]
        facts = {"across": where, "formula": whole[:1], "swapped": track.swapped}
        yield where, Edit("forward", _COST, lambda c: patches, False, facts)


def _ends_with(run: tuple[int, ...], formula: tuple[int, ...]) -> bool:
    """Whether what an execution gives is what a formula gives that it calls."""
    return run[-1] == formula[-1] and set(run).issuperset(formula)


class _Track:
    """What the candidate computes, as its forward pass is corrected."""

    def __init__(self, bench: Bench, sites: Sequence[Site], knowledge: Knowledge, known: Known) -> None:
        self.bench, self.knowledge = bench, knowledge
        values = [quantity for quantity in knowledge.quantities if quantity.kind == "value"]
        sizes = frozenset(n for quantity in values for n in quantity.values[0].shape if n <= _MOST)
        self.known, self.parts = known, Known(rows(values, sizes))
        statements = [site for site in sites if site.leaf is None and not site.is_formula]
        self.runs = sorted(((site, run) for site in statements for run in site.instances), key=lambda pair: pair[1])
        self.after: dict[int, list[int]] = {}
        for out, by in sorted((pair for pair in knowledge.slopes if pair[0] in knowledge.values), reverse=True):
            self.after.setdefault(by, []).append(out)
        self.patches: dict[int, Patch] = {}
        self.swapped: dict[Site, tuple[int, int]] = {}
        self.changed: list[dict[int, np.ndarray]] = [{} for _ in range(bench.count)]

    def at(self, atom: int, changed: Sequence[dict[int, np.ndarray]] | None = None) -> Values:
        """A value at each point, as it is by then."""
        now = self.changed if changed is None else changed
        return tuple(now[k].get(atom, value) for k, value in enumerate(self.bench.run.at(atom)))

    def corrected(self) -> dict[Site, list[tuple[int, ...]]]:
        """The executions that are corrected, by their statements."""
        found: dict[Site, list[tuple[int, ...]]] = {}
        for site, run in self.runs:
            if run in found.get(site, ()) or not self._is_in_doubt(run):
                continue
            if len(self.patches) < _MOST and self._swap(site, run):
                found.setdefault(site, []).append(run)
                continue
            comes = self._comes_of(run)
            if comes is None:
                continue
            others = ((each, self._comes_of(each)) for each in site.instances)
            group = [(each, *of) for each, of in others if of is not None and of[0].variable == comes[0].variable]
            if len(self.patches) + len(group) > _MOST:
                return found
            if self._correct(group):
                found.setdefault(site, []).extend(each for each, _, _ in group)
        return found

    def _is_in_doubt(self, run: tuple[int, ...]) -> bool:
        """Whether an execution gives one array that is no value of the loss, as things are by then."""
        outs = results(self.bench.program, run)
        given = self.at(outs[0]) if len(outs) == 1 else ()
        return bool(given) and given[0].dtype.kind == "f" and not self._is_known(given, _OF_A_FORWARD_PASS)

    def _comes_of(self, run: tuple[int, ...]) -> tuple[Quantity, int] | None:
        """The value of the loss that an execution computes something of element by element, and of nothing else; and
        the variable that has it.
        """
        program, outs, read = self.bench.program, results(self.bench.program, run), self._read(run)
        inside = {index for index in run if program.equations[index].name in ELEMENTWISE}
        chain = (
            chain_to(program, outs[0], self._is_a_value, inside.__contains__) if len(read) > 1 == len(outs) else None
        )
        starts = read if len(read) == 1 else [chain[0]] if chain else []
        if not starts or len(outs) != 1 or self.at(starts[0])[0].shape != self.at(outs[0])[0].shape:
            return None
        quantity = self._find(self.at(starts[0]))
        return (quantity, starts[0]) if quantity is not None and quantity.kind == "value" else None

    def _find(self, values: Values) -> Quantity | None:
        return self.known.find(values) or self.parts.find(values)

    def _is_known(self, values: Values, kinds: Collection[Kind] = get_args(Kind)) -> bool:
        """Whether values are known as one of these kinds, or a multiple of a cotangent."""
        quantity = self._find(values)
        return (quantity is not None and quantity.kind in kinds) or self.known.scale(values) is not None

    def _correct(self, group: Sequence[tuple[tuple[int, ...], Quantity, int]]) -> bool:
        """Whether what follows becomes known once some value of the loss stands in the place of what a group gives."""
        last = max(run for run, _, _ in group)
        following = [run for _, run in self.runs if run > last][:_FOLLOWING]
        outs = [out for run in following for out in results(self.bench.program, run)]
        # What the next layer is computed of may have no name of its own: `a2 = activation(a1 @ w2)`.
        within = (self.bench.program.equations[index] for run in following for index in run)
        outs += [equation.outputs[0] for equation in within if equation.name == "dot_general"]
        before = self._how_many_known(outs, self.changed)
        for instead in self._choices(group[0][1]):
            patches = dict(self.patches)
            for run, quantity, of in group:
                [out] = results(self.bench.program, run)
                index, place = self.bench.program.made_by(out)
                values = _laid_out(instead, quantity, self.at(of))
                patches[index] = after(place, lambda value, point, values=values: values[point])
            changed = self._changed(patches)
            if changed and self._how_many_known(outs, changed) > before:
                self.patches, self.changed = patches, changed
                return True
        return False

    def _swap(self, site: Site, run: tuple[int, ...]) -> bool:
        """Whether an execution gives a value of the loss with another argument in the place of one that it reads, and
        no other execution gives that.
        """
        program, read = self.bench.program, self._read(run)
        [out] = results(program, run)
        if not all(atom in program.inputs or self._is_a_value(atom) for atom in read):
            return False
        for atom in (atom for atom in read if atom in program.inputs):
            like = self.bench.run.at(atom)[0]
            for other in program.inputs:
                its = self.bench.run.at(other)[0]
                if other == atom or (its.shape, its.dtype) != (like.shape, like.dtype):
                    continue
                uses = {i: [p for p, a in enumerate(program.equations[i].inputs) if a == atom] for i in run}
                swapped = {index: WithAnother(positions, other) for index, positions in uses.items() if positions}
                changed = self._changed({**self.patches, **swapped})
                values = self.at(out, changed) if changed else None
                quantity = None if values is None or self._is_given(values, out) else self._find(values)
                if quantity is not None and quantity.kind == "value":
                    self.patches, self.changed = {**self.patches, **swapped}, changed
                    self.swapped[site] = atom, other
                    return True
        return False

    def _is_given(self, values: Values, out: int) -> bool:
        """Whether another execution than that which gives `out` gives these values."""
        others = (other for _, run in self.runs for other in results(self.bench.program, run) if other != out)
        alike = map(self.at, others)
        return any(each[0].shape == values[0].shape and same(each, values) for each in alike)

    def _is_a_value(self, atom: int) -> bool:
        quantity = self._find(self.at(atom))
        return quantity is not None and quantity.kind == "value"

    def _changed(self, patches: Patches) -> list[dict[int, np.ndarray]]:
        """What is not as it was with patches in place, at each point; nothing if they do not fit."""
        everything = range(len(self.bench.program.equations))
        changed = [self.bench.values(everything, patches, k) for k in range(self.bench.count)]
        return [values for values in changed if values is not None] if None not in changed else []

    def _choices(self, quantity: Quantity) -> list[Quantity]:
        """What the loss computes of a value element by element, the last first, and the slopes of that: the sigmoid is
        one where a loss takes logits.
        """
        whole = self.knowledge.values[quantity.variable] if quantity.variable in self.knowledge.values else quantity
        alike = [by for by, value in self.knowledge.values.items() if same(value.values, whole.values)]
        pairs = [(out, by) for by in alike for out in self.after.get(by, ())]
        values = [self.knowledge.values[out] for out in dict.fromkeys(out for out, _ in pairs)]
        slopes = [self.knowledge.slopes[pair] for pair in pairs]
        slopes = [slope for slope in slopes if len(np.unique(slope.values[0])) > _FEW]
        return [*values[:_CHOICES], *slopes[:_CHOICES]]

    def _read(self, run: tuple[int, ...]) -> list[int]:
        """The floating values that a run reads."""
        equations = [self.bench.program.equations[index] for index in run]
        inside = {out for equation in equations for out in equation.outputs}
        read = {atom for equation in equations for atom in equation.inputs if isinstance(atom, int)} - inside
        return [atom for atom in read if self.bench.run.at(atom)[0].dtype.kind == "f"]

    def _how_many_known(self, variables: Sequence[int], changed: Sequence[dict[int, np.ndarray]]) -> int:
        return sum(self._is_known(self.at(variable, changed)) for variable in variables)


def _laid_out(instead: Quantity, like: Quantity, values: Values) -> Values:
    """A value of the loss for the example that another is of, with its axes in the order that the candidate has."""
    taken = instead.values
    if like.row is not None:
        axis, index = like.row
        taken = tuple(np.take(value, index, axis) for value in taken)
    shape = values[0].shape
    turned = taken[0].ndim == 2 and taken[0].shape != shape and taken[0].T.shape == shape
    return tuple((value.T if turned else value).reshape(shape) for value in taken)
