"""Which line: the statement whose correction makes leaves right, and the least that has to be corrected in it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice

import numpy as np

from ._accuracy import norm
from ._bench import Bench, Patches, results, RIGHT, Site
from ._edits import Edit
from ._edits_of_equations import of_equations
from ._edits_of_results import of_result, of_return
from ._known import Quantity
from ._matching import Known, scale_cost, snapped
from ._offers import Instances, Offer
from ._screen import Screen
from ._trace import Atom, Literal


@dataclass(frozen=True, eq=False)
class Mistake:
    """A statement that is wrong, and what corrects it.

    Attributes:
      site: the statement.
      instances: those of its executions that are corrected.
      edit: the correction.
      factor: by which the corrected value is multiplied; 1 where nothing else is wrong with it.
      leaves: the leaves that become right.
      patches: the correction, to be put in place.
      cost: how much it takes to describe.
      innocent: whether what the statement computes is a known quantity as it stands, which only is used wrongly.
    """

    site: Site
    instances: Instances
    edit: Edit
    factor: float
    leaves: tuple[str, ...]
    patches: Patches
    cost: float
    innocent: bool


def localized(
    bench: Bench,
    sites: Sequence[Site],
    offers: Sequence[Offer],
    wrong: Sequence[str],
    batches: frozenset[int],
    *,
    planted: frozenset[str] | None = None,
) -> Iterator[Mistake]:
    """The mistakes, peeled off one after another: that which makes most leaves wrong comes first.

    The bench is left with all of them corrected. With `planted`, which names the kinds of edits to try, the program is
    right, and it is mistakes that are put into it, to give what the truth of the bench stands for.
    """
    left = list(wrong)
    while left:
        found = _Search(bench, sites, offers, left, batches, planted).best()
        if found is None:
            return
        yield found
        bench.apply(found.patches)
        left = [path for path in left if path not in found.leaves]


# How many corrections of one statement are tried; those most often needed come first.
_LIMIT, _LIMIT_OF_LOOPS, _LIMIT_AT_LAST = 4000, 600, 100

# How many equations are evaluated before less is tried: some seconds, on small arrays.
_BUDGET = 300_000

_INNOCENT = 1.2
"""What it costs to blame a statement that computes a known quantity: another may only have been meant."""


class _Search:
    """The search for the one correction that makes most leaves right."""

    def __init__(
        self,
        bench: Bench,
        sites: Sequence[Site],
        offers: Sequence[Offer],
        wrong: Sequence[str],
        batches: frozenset[int],
        planted: frozenset[str] | None,
    ) -> None:
        self.planted = planted
        self.bench, self.sites, self.offers, self.wrong, self.batches = bench, sites, offers, wrong, batches
        self.found: tuple[tuple[float, ...], Mistake] | None = None
        self.zeros: dict[object, np.ndarray | None] = {}
        self.screen = Screen(bench)
        self.quantities: dict[Atom, Quantity | None] = {}
        self.known = Known([offer.quantity for offer in offers if offer.quantity and len(offer.values) == 1])

    def best(self) -> Mistake | None:
        """The correction, or None if nothing helps."""
        reach = {site: self._reach(chain(*site.instances)) for site in self.sites}
        for site in sorted(self.sites, key=lambda site: (-len(reach[site]), site.first)):
            if not reach[site]:
                continue
            self._search(site, site.instances)
            if len(site.instances) > 1:
                for instance in self._last(site, reach[site]):
                    self._search(site, (instance,))
        return self.found[1] if self.found else None

    def _reach(self, equations: Iterable[int]) -> list[str]:
        return [path for path in self.bench.reached(tuple(equations)) if path in self.wrong]

    def _last(self, site: Site, wrong: Sequence[str]) -> list[tuple[int, ...]]:
        """The executions of a statement that alone lead to some leaf, all others only through them."""
        found = []
        for path in wrong:
            instances = [i for i in site.instances if path in self._reach(i)]
            last = instances[-1]
            held = set(results(self.bench.program, last))
            if last not in found and not any(self._leads(i, path, held) for i in instances[:-1]):
                found.append(last)
        return found

    def _leads(self, instance: tuple[int, ...], path: str, held: set[int]) -> bool:
        """Whether what an execution gives reaches a leaf other than through `held`."""
        program, leaf = self.bench.program, self.bench.leaves[path]
        reached = set(results(program, instance))
        for index in self.bench.order[path]:
            equation = program.equations[index]
            if index > instance[-1] and any(atom in reached for atom in equation.inputs if isinstance(atom, int)):
                reached.update(out for out in equation.outputs if out not in held)
        return leaf in reached

    def _search(self, site: Site, instances: Instances) -> None:
        bench, wrong = self.bench, self._reach(chain(*instances))
        if not wrong:
            return
        outs = results(bench.program, instances[0])
        returned = any(self._is_returned(out) for out in outs)
        innocent = site.leaf is None and bool(outs) and not returned and all(map(self._is_as_known, outs))
        # A difference such as `out - y` may be a value of the loss as it stands, and yet lack a factor as a cotangent.
        value = not returned and bool(outs) and all(self._is_a_value(out) for out in outs)
        if self.planted is not None:
            innocent = value = False
        forward = (innocent or value) and len(instances) == 1 and self.screen.of(instances, wrong) is None
        edits: Iterable[Edit] = chain(
            *(
                of_result(
                    bench,
                    instances,
                    position,
                    self.offers,
                    self._is_innocent,
                    as_known="forward" if forward else "cotangent" if innocent else "value" if value else None,
                )
                for position in range(len(outs))
                if site.leaf is None
            ),
            () if innocent or value or site.leaf else of_equations(bench, instances, self.offers, self._is_innocent),
            of_return(bench, instances, site.leaf, self.offers) if site.leaf else (),
        )
        innocent = innocent or forward
        limit = _LIMIT if len(instances) == 1 else _LIMIT_OF_LOOPS
        for edit in islice(edits, limit if bench.evaluations < _BUDGET else _LIMIT_AT_LAST):
            if self.planted is not None and edit.kind not in self.planted:
                continue
            if self._may_win(len(wrong), innocent, edit.cost, site):
                self._try(site, instances, edit, wrong, innocent)

    def _may_win(self, leaves: int, innocent: bool, cost: float, site: Site) -> bool:
        if self.found is None:
            return True
        return (-leaves, cost + _INNOCENT * innocent, site.first) < self.found[0]

    def _try(self, site: Site, instances: Instances, edit: Edit, wrong: Sequence[str], innocent: bool) -> None:
        guess = self.screen.passed(instances, edit, wrong)
        smallest = sorted(wrong, key=lambda path: self.bench.truth[0][path].size)[:1]
        for path in smallest if guess is None else guess:
            factor = self._factor(instances, edit, path) if guess is None else guess[path]
            if factor is None:
                continue
            patches = edit.patches(factor)
            if not self.bench.is_right(path, patches):
                continue
            repaired = tuple(p for p in wrong if p == path or self.bench.is_right(p, patches))
            cost = edit.cost + self._factor_cost(edit, factor)
            rank = (-len(repaired), cost + _INNOCENT * innocent, site.first)
            if (self.found is None or rank < self.found[0]) and not self._breaks(patches):
                self.found = rank, Mistake(site, instances, edit, factor, repaired, patches, cost, innocent)
            return

    def _factor_cost(self, edit: Edit, factor: float) -> float:
        if factor == 1:
            return 0.0
        if edit.kind == "number":
            number = snapped(
                edit.facts["number"] * factor if not edit.facts["below"] else edit.facts["number"] / factor
            )
            if abs(number) in (0.0, 0.5, 1.0, 2.0, *self.batches, *(1 / batch for batch in self.batches)):
                return 0.9
            return 0.2 + scale_cost(factor, self.batches, alone=True)
        cost = scale_cost(factor, self.batches, alone=edit.cost < 1)
        # A known quantity may come in a scale of the author's own, and a mean has another divisor over other axes.
        if edit.kind == "known" and edit.facts["offer"].quantity.kind in ("cotangent", "part"):
            return 0.0
        return 0.1 * cost if edit.kind in ("axes", "unreduced") else cost

    def _breaks(self, patches: Patches) -> bool:
        """Whether a leaf that is right would become wrong."""
        bench = self.bench
        return any(
            not bench.is_right(path, patches)
            for path in bench.reached(tuple(patches))
            if path not in self.wrong and bench.is_right(path, {len(bench.program.equations): _nothing})
        )

    def _factor(self, instances: Instances, edit: Edit, path: str) -> float | None:
        """The factor with which `edit` makes the leaf right at the first point."""
        bench, truth = self.bench, self.bench.truth[0][path]
        one = bench.value(path, edit.patches(1.0), 0)
        if bench.error(path, one, 0) <= RIGHT:
            return 1.0
        if not edit.factor or one is None or one.shape != truth.shape or not np.isfinite(one).all():
            return None
        key = (edit.kind in ("plus", "number", "term") and edit, instances, edit.facts.get("position"), path)
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

    def _is_innocent(self, atom: Atom) -> bool:
        return isinstance(atom, Literal) or atom in self.bench.program.inputs or self._quantity(atom) is not None

    def _is_returned(self, variable: int) -> bool:
        """Whether a result is what is returned as a leaf that is wrong: there nothing but its cotangent is right."""
        makers = (self.bench.program.makers[self.bench.leaves[path]] for path in self.wrong)
        return any(variable in self.bench.program.equations[maker].inputs for maker in makers)

    def _is_as_known(self, variable: int) -> bool:
        """Whether a result is, as it stands, a known quantity: it may be used wrongly then, but is not wrong."""
        values = self.bench.run.at(variable)
        scale = self.known.scale(values)
        if scale is not None:
            return scale in self.scales
        quantity = self._quantity(variable)
        return quantity is not None and quantity.kind != "part"

    def _is_a_value(self, variable: int) -> bool:
        quantity = self._quantity(variable)
        return quantity is not None and quantity.kind == "value"

    def _quantity(self, atom: Atom) -> Quantity | None:
        """The known quantity that a value is, cotangents in the scale of the author."""
        if atom not in self.quantities:
            self.quantities[atom] = self.known.find(self.bench.run.at(atom), self.scales)
        return self.quantities[atom]

    @cached_property
    def scales(self) -> tuple[float, ...]:
        """The factors by which cotangents that lead to right leaves are multiplied on the way."""
        scales = {1.0}
        bench = self.bench
        right = [path for path in bench.leaves if path not in self.wrong]
        for variable in {
            out for path in right for i in bench.order[path] for out in bench.program.equations[i].outputs
        }:
            scale = self.known.scale(bench.run.at(variable))
            if scale is not None:
                scales.add(scale)
        return tuple(scales)


def _nothing(inputs: object, evaluate: object, read: object, point: int) -> list[np.ndarray]:
    del inputs, evaluate, read, point
    return []
