"""By how much a corrected value is multiplied, so that a leaf comes out right, and how likely such a factor is."""

from collections.abc import Iterator

import numpy as np

from .._program._sites import results
from .._verdict._accuracy import norm
from ._bench import Bench, RIGHT
from ._edits import Edit
from ._matching import Known, scale_cost, snapped
from ._offers import Instances


_OF_A_MASK = 1.1
"""What the number costs by which a dropout of the loss multiplies what it keeps."""

_USUAL = 0.7
"""What a sign, the batch size and 2 cost at most: any other scale is a likelier reading of a later statement."""


class Factors:
    """The factors of corrections, on a bench."""

    def __init__(self, bench: Bench, known: Known, batches: frozenset[int]) -> None:
        self.bench, self.known, self.batches = bench, known, batches
        self.zeros: dict[object, np.ndarray | None] = {}
        self.kept = known.kept()

    def of(self, instances: Instances, edit: Edit, path: str) -> float | None:
        """The factor with which `edit` makes the leaf right at the first point."""
        bench = self.bench
        one = bench.value(path, edit.patches(1.0), 0)
        if bench.error(path, one, 0) <= RIGHT:
            return 1.0
        if not edit.factor or one is None:
            return None
        factor = self._solved(instances, edit, path, one)
        if factor is not None:
            return factor
        tries = [*self._of_a_known_sum(edit)]
        # Where one run leads to the next, a factor comes in by its powers.
        if len(instances) > 1:
            tries += self._of_first_run(instances[0], edit)
        if len(instances) > 1 and edit.kind in ("scale", "number", "term"):
            tries += [-1.0, *(c for batch in self.batches for c in (1 / batch, float(batch))), 0.5, 2.0]
        if edit.kind in ("scale", "number", "term"):
            tries.append(-1.0)  # where the leaf is not linear in it
        return next((c for c in tries if bench.error(path, bench.value(path, edit.patches(c), 0), 0) <= RIGHT), None)

    def _of_a_known_sum(self, edit: Edit) -> Iterator[float]:
        """The factors of a number that is added, such as an epsilon, with which the sum is a value of the loss."""
        equation = edit.facts.get("equation")
        if edit.kind != "number" or equation is None or equation.name not in ("add", "sub") or not edit.facts["number"]:
            return
        sign = -1 if equation.name == "sub" and edit.facts["operand"] == 1 else 1
        for change in self.known.shifts(self.bench.run.at(equation.outputs[0])):
            yield snapped(1 + sign * change / edit.facts["number"])

    def _of_first_run(self, instance: tuple[int, ...], edit: Edit) -> Iterator[float]:
        """The factor with which the first run gives a cotangent."""
        given = self.bench.values(instance, edit.patches(1.0), 0) or {}
        for out in results(self.bench.program, instance):
            scale = self.known.at(0).scale((given[out],)) if out in given else None
            if scale not in (None, 0.0, 1.0):
                yield snapped(1 / scale)

    def _solved(self, instances: Instances, edit: Edit, path: str, one: np.ndarray) -> float | None:
        """The factor, where the leaf changes in proportion to it; `one` is the leaf with a factor of 1."""
        bench, truth = self.bench, self.bench.truth[0][path]
        if one.shape != truth.shape or not np.isfinite(one).all():
            return None
        where = edit.facts.get("within", edit.facts.get("position"))
        key = (edit.kind in ("plus", "number", "term", "put") and edit, instances, where, path)
        if key not in self.zeros:
            self.zeros[key] = bench.value(path, edit.patches(0.0), 0)
        zero = self.zeros[key]
        if zero is None or zero.shape != truth.shape or not np.isfinite(zero).all():
            return None
        change, needed = one - zero, truth - zero
        size = float(np.vdot(change, change))
        if size == 0 or not np.isfinite([size, float(np.vdot(change, needed))]).all():
            return None
        factor = float(np.vdot(change, needed)) / size
        if norm(needed - factor * change) > RIGHT * norm(truth) or (
            factor == 0 and edit.kind not in ("number", "term")
        ):
            return None
        return snapped(factor)

    def cost(self, edit: Edit, factor: float) -> float:
        """What it takes to describe a factor beside the correction itself."""
        if factor == 1:
            return 0.0
        if edit.kind in ("number", "numbers"):
            below = edit.facts["below"]
            if below and factor == 0:  # no divisor gives zero
                return 0.2 + scale_cost(factor, self.batches, alone=True)
            number = snapped(edit.facts["number"] / factor if below else edit.facts["number"] * factor)
            if factor == -1:  # a difference is turned round more often than a number has the wrong sign
                return 1.15
            equation = edit.facts.get("equation")
            is_a_quotient = equation is not None and equation.name == "div" and not below
            if edit.facts["number"] == 1 and is_a_quotient:  # `1 / (1 + exp(-z))`: no factor that somebody got wrong
                return 0.2 + scale_cost(factor, self.batches, alone=True)
            counts = (*self.batches, *(1 / batch for batch in self.batches))
            is_a_count = abs(edit.facts["number"]) in counts
            if abs(number) in (0.0, 1.0, *counts) or (abs(number) in (0.5, 2.0) and not is_a_count):
                return 0.9
            return 0.2 + scale_cost(factor, self.batches, alone=True)
        cost = scale_cost(factor, self.batches, alone=edit.cost < 1)
        if edit.kind == "scale" and factor in self.kept:
            cost = min(cost, _OF_A_MASK)
        # A known quantity may come in a scale of the author's own, and a mean has another divisor over other axes.
        if edit.kind == "known" and edit.facts["offer"].quantity.kind in ("cotangent", "part"):
            return 0.0 if cost <= _USUAL else 0.05
        return 0.1 * cost if edit.kind in ("axes", "unreduced") else cost
