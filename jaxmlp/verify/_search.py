"""The search for a correction: what is worth a trial, in which order, and which of those that help is believed."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice
from typing import Any

from ._bench import Bench, Patches, results, Site
from ._edits import Edit
from ._edits_of_equations import of_equations
from ._edits_of_programs import of_programs
from ._edits_of_results import AsKnown, of_result, of_return
from ._factors import Factors
from ._known import Knowledge
from ._matching import Known
from ._offers import Instances, Offer
from ._roles import Following, rows, slices
from ._screen import Screen
from ._standing import Standing


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


# How many corrections of one statement there are at most; those most often needed come first.
_LIMIT, _LIMIT_OF_LOOPS = 4000, 1000

# How many equations are evaluated before only what costs next to nothing is tried, and before nothing is: a second or
# two, on small arrays.
_BUDGET, _LAST = 80_000, 240_000

# How many more, once there is one that makes all leaves right.
_MORE = 10_000

_INNOCENT = 1.2
"""What it costs to blame a statement that computes a known quantity: another may only have been meant."""

_FITS = 0.6
"""What it takes off the cost that a correction follows from what the statement reads."""


@dataclass(frozen=True, eq=False)
class _Job:
    """A correction to be tried.

    Attributes:
      site: the statement.
      instances: those of its executions that are corrected.
      edit: the correction.
      wrong: the leaves that it may make right.
      innocent: whether what the statement computes is a known quantity as it stands.
      cheap: whether what it does to the leaves is told by inner products.
    """

    site: Site
    instances: Instances
    edit: Edit
    wrong: list[str]
    innocent: bool
    cheap: bool

    @property
    def first(self) -> int:
        """The first equation that is corrected: of two corrections that do the same, the earlier one is believed."""
        return self.instances[0][0]

    @cached_property
    def cost(self) -> float:
        """The cost of the correction, without that of a factor."""
        return self.edit.cost + _INNOCENT * self.innocent - _FITS * self.fits

    @cached_property
    def fits(self) -> bool:
        """Whether what is put in place follows from what the statement reads."""
        return bool("offer" in self.edit.facts and self.edit.facts["offer"].fits)


class Search:
    """The search for the one correction that makes most leaves right."""

    def __init__(
        self,
        bench: Bench,
        sites: Sequence[Site],
        offers: Sequence[Offer],
        knowledge: Knowledge,
        wrong: Sequence[str],
        batches: frozenset[int],
        planted: frozenset[str] | None,
    ) -> None:
        self.planted = planted
        self.bench, self.sites, self.offers, self.wrong, self.batches = bench, sites, offers, wrong, batches
        self.found: tuple[tuple[float, ...], Mistake] | None = None
        self.is_stray = False
        self.budget = _BUDGET
        self.screen = Screen(bench)
        quantities = [offer.quantity for offer in offers if offer.quantity and len(offer.values) == 1]
        self.quantities = quantities
        runs = max(len(site.instances) for site in sites)
        each = rows(quantities, batches) if batches and runs >= min(batches) else ()
        self.known = Known([*quantities, *each])
        self.standing = Standing(bench, sites, knowledge, self.known, wrong)
        self.factors = Factors(bench, self.known, batches)

    def best(self) -> Mistake | None:
        """The correction, or None if nothing helps.

        The cheapest are tried first, of all statements that lead to as many leaves; when the budget is spent, only
        whether the leaves themselves can be put right.
        """
        reach = {site: self._reach(chain(*site.instances)) for site in self.sites}
        several = self._jobs_of_programs()
        for count in sorted({len(paths) for paths in reach.values()} - {0}, reverse=True):
            jobs = [job for job in several if len(job.wrong) == count]
            for site in self.sites:
                if len(reach[site]) == count:
                    runs = tuple(run for run in site.instances if results(self.bench.program, run))
                    jobs += self._jobs(site, runs or site.instances)
                    if len(site.instances) > 1:
                        last = [(instance,) for instance in self._last(site, reach[site])]
                        last += [ends] if len(ends := self._ends(site)) < len(site.instances) else []
                        jobs += chain(*(self._jobs(site, some) for some in dict.fromkeys((*last, *site.calls))))
            guesses = []
            for job in sorted(jobs, key=lambda job: (not job.fits, job.cost, job.first)):
                if self._is_worth_a_trial(job):
                    if self._is_a_guess(job):
                        guesses.append(job)
                    else:
                        self._try(job)
            for job in filter(self._is_worth_a_trial, guesses):
                self._try(job)
        return self.found[1] if self.found else None

    def _is_worth_a_trial(self, job: "_Job") -> bool:
        """Whether it may be better than what was found, and there is time left."""
        left = _LAST if job.cheap else self.budget
        return (self.bench.evaluations < left or job.edit.kind == "leaf") and self._may_win(job)

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

    def _ends(self, site: Site) -> Instances:
        """The executions of a statement that no other one goes on from: the last of each inner loop."""
        runs = {index for instance in site.instances for index in instance}
        users = self.bench.program.users
        return tuple(
            instance
            for instance in site.instances
            if not any(runs.intersection(users.get(out, ())) for out in results(self.bench.program, instance))
        )

    def _leads(self, instance: tuple[int, ...], path: str, held: set[int]) -> bool:
        """Whether what an execution gives reaches a leaf other than through `held`."""
        program, leaf = self.bench.program, self.bench.leaves[path]
        reached = set(results(program, instance))
        for index in self.bench.order[path]:
            equation = program.equations[index]
            if index > instance[-1] and any(atom in reached for atom in equation.inputs if isinstance(atom, int)):
                reached.update(out for out in equation.outputs if out not in held)
        return leaf in reached

    def _jobs(self, site: Site, instances: Instances) -> list["_Job"]:
        """The corrections of a statement that are worth a trial."""
        bench, wrong = self.bench, self._reach(chain(*instances))
        if not wrong:
            return []
        outs = results(bench.program, instances[0])
        if any(bench.run.at(out)[0].dtype == object for out in outs):  # random keys
            return []
        returned = any(self.standing.is_returned(out) for out in outs)
        innocent = site.leaf is None and bool(outs) and not returned and all(map(self.standing.is_as_known, outs))
        # A difference such as `out - y` may be a value of the loss as it stands, and yet lack a factor as a cotangent.
        value = not returned and bool(outs) and all(self.standing.is_a_value(out) for out in outs)
        if self.planted is not None:
            innocent = value = False
        several = len(instances) > 1
        if several and (innocent or value) and self._is_right_elsewhere(instances):
            return []  # what is known as it stands and leads to right leaves in all of its runs
        forward = (innocent or value) and not several and self.screen.of(instances, wrong) is None
        role: AsKnown | None = "forward" if forward else "cotangent" if innocent else "value" if value else None
        edits: Iterable[Edit]
        if site.leaf:
            edits = of_return(bench, instances, site.leaf, self.offers)
        elif several:
            repeated = [offer for offer in self.offers if offer.quantity and len(offer.values) > 1]
            sliced = slices(self.quantities, len(instances))
            roles = [*self.standing.roles.offers(instances), *repeated, *sliced]
            edits = chain(
                self._edits(instances, roles, role, [self.standing.roles.following(out) for out in outs]),
                self._edits(instances, [offer for offer in self.offers if offer not in repeated], role),
            )
        else:
            edits = self._edits(instances, self.offers, role)
        cheap = self.screen.of(instances, wrong) is not None
        return [
            _Job(site, instances, edit, wrong, innocent or forward, cheap or self._is_cheap(instances, edit, wrong))
            for edit in islice(edits, _LIMIT_OF_LOOPS if several else _LIMIT)
            if self.planted is None or edit.kind in self.planted
        ]

    def _jobs_of_programs(self) -> list["_Job"]:
        """The corrections of several statements at once."""
        jobs = []
        params = self.bench.program.inputs[: len(self.bench.leaves)]
        for sites, edit in of_programs(self.bench, self.sites, params, self.standing.is_a_value):
            wrong = self._reach(edit.patches(1.0))
            if wrong and (self.planted is None or edit.kind in self.planted):
                jobs.append(_Job(sites[0], sites[0].instances, edit, wrong, False, False))
        return jobs

    def _edits(
        self,
        instances: Instances,
        offers: Sequence[Offer],
        role: AsKnown | None,
        following: Sequence[Iterable[Following]] = (),
    ) -> Iterator[Edit]:
        bench = self.bench
        for position in range(len(results(bench.program, instances[0]))):
            after = following[position] if following else ()
            first = results(bench.program, instances[0])[position]
            slopes = self.standing.roles.slopes_after(first) if len(instances) == 1 and role == "cotangent" else ()
            yield from of_result(
                bench,
                instances,
                position,
                offers,
                self.standing.is_innocent,
                as_known=role,
                following=after,
                slopes=slopes,
            )
        if role is None:
            yield from of_equations(bench, instances, offers, self.standing.is_innocent)

    def _is_cheap(self, instances: Instances, edit: Edit, wrong: Sequence[str]) -> bool:
        return edit.kind in ("plus", "known") and self.screen.of(instances, wrong, edit) is not None

    def _is_a_guess(self, job: "_Job") -> bool:
        """Whether only trying tells, and what is corrected gives nothing that is known: such come last."""
        if job.cheap or len(job.instances) == 1 or "across" in job.edit.facts:
            return False
        first = job.instances[0]
        corrected = self.bench.values(first, job.edit.patches(1.0), 0) or {}
        outs = [out for out in results(self.bench.program, first) if out in corrected]
        known = self.known.at(0)
        return not outs or any(
            known.scale((corrected[out],)) is None and known.find((corrected[out],)) is None for out in outs
        )

    def _is_right_elsewhere(self, instances: Instances) -> bool:
        """Whether every run of a statement leads to some leaf that is right as it stands."""
        return all(set(self.bench.reached(instance)) - set(self.wrong) for instance in instances)

    def _may_win(self, job: "_Job") -> bool:
        return self.found is None or (-len(job.wrong), job.cost) <= self.found[0][:2]

    def _serves_else(self, instances: Instances) -> bool:
        """Whether what a statement gives is read where no gradient comes of it, such as for the loss itself."""
        program = self.bench.program
        return any(
            not self.bench.reached((user,))
            for instance in instances
            for out in results(program, instance)
            for user in program.users.get(out, ())
            if user not in instance
        )

    def _try(self, job: "_Job") -> None:
        site, instances, edit, wrong = job.site, job.instances, job.edit, job.wrong
        guess = self.screen.passed(instances, edit, wrong)
        smallest = sorted(wrong, key=lambda path: self.bench.truth[0][path].size)[:1]
        for path in smallest if guess is None else guess:
            factor = self.factors.of(instances, edit, path) if guess is None else guess[path]
            if factor is None:
                continue
            patches = edit.patches(factor)
            if not self.bench.is_right(path, patches):
                continue
            repaired = tuple(p for p in wrong if p == path or self.bench.is_right(p, patches))
            cost = job.cost + self.factors.cost(edit, factor)
            stray = len(repaired) < len(wrong) or len(wrong) == 1 or self._serves_else(instances)
            rank = (-len(repaired), cost, job.first)
            if self._is_better(rank, repaired, stray) and not (self._breaks(patches) and edit.kind != "aligned"):
                if len(repaired) == len(self.wrong):
                    self.budget = min(self.budget, self.bench.evaluations + _MORE)
                self.found = (
                    rank,
                    Mistake(site, instances, edit, factor, repaired, patches, cost, job.innocent),
                )
                self.is_stray = stray
            return

    def _is_better(self, rank: tuple[float, ...], repaired: tuple[str, ...], stray: bool) -> bool:
        """Whether a correction is better than that which was found: it makes more leaves right, or is simpler, or does
        the same where nothing else comes of it, or earlier.
        """
        if self.found is None:
            return True
        best, mistake = self.found
        if rank[:2] == best[:2] and repaired == mistake.leaves:
            return (stray, rank) < (self.is_stray, best)
        return rank < best

    def _breaks(self, patches: Patches) -> bool:
        """Whether a leaf that is right would become wrong."""
        bench = self.bench
        return any(
            not bench.is_right(path, patches)
            for path in bench.reached(tuple(patches))
            if path not in self.wrong and bench.is_right(path, {len(bench.program.equations): _nothing})
        )


def _nothing(inputs: object, evaluate: object, read: object, point: int) -> list[Any]:
    del inputs, evaluate, read, point
    return []
