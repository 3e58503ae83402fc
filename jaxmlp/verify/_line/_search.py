"""The search for a correction: what is worth a trial, in which order, and which of those that help is believed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .._program._sites import results, Site
from ._bench import Bench, Patches
from ._edits import Edit
from ._factors import Factors
from ._job import Job
from ._jobs import Jobs
from ._matching import Known
from ._offers import Instances, Offer
from ._quantities import Knowledge
from ._relate import multiple, same
from ._rows import lengths, rows
from ._screen import Screen
from ._standing import Standing
from ._tried import Tried


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


# How many equations are evaluated before only what costs next to nothing is tried, and before nothing is: a second or
# two, on small arrays.
_BUDGET, _LAST = 80_000, 240_000

# How many more, once there is one that makes all leaves right.
_MORE = 10_000


_FEW = ("half_a_turn", "emptied", "by_the_other")
"""Kinds of edits of which a program has so few that each is tried."""

NEARLY = 0.3
"""How wrong a leaf is at most, relative to its size, that is right but for a small part."""


_TRIED = 3
"""How many leaves are looked at, at most, of those of which only trying tells, as long as that was not often."""


_TWICE = 1.0
"""What it costs to halve a value that is added twice: once too often is likelier."""


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
        tried: Tried,
    ) -> None:
        self.bench, self.wrong, self.batches, self.tried = bench, wrong, batches, tried
        self.found: tuple[tuple[float, ...], Mistake] | None = None
        self.is_stray = False
        self.budget = _BUDGET
        self.screen = Screen(bench)
        quantities = [offer.quantity for offer in offers if offer.quantity and len(offer.values) == 1]
        often = lengths(sites)
        often |= batches if batches and max(often, default=1) >= min(batches) else frozenset()
        self.known = Known([*quantities, *rows(quantities, often)])
        standing = Standing(bench, sites, knowledge, self.known, wrong)
        self.jobs = Jobs(bench, sites, offers, wrong, standing, self.screen, planted)
        self.factors = Factors(bench, self.known, batches)

    def best(self) -> Mistake | None:
        """The correction, or None if nothing helps.

        The cheapest are tried first, of all statements that lead to as many leaves; when the budget is spent, only
        whether the leaves themselves can be put right.
        """
        for jobs in self.jobs.by_reach(lambda: self.bench.evaluations >= _LAST):
            guesses = []
            in_vain = dict[Job, frozenset[str]]()
            for job in sorted(jobs, key=lambda job: (not job.fits, job.cost, job.first)):
                if self.tried.holds(job, self._most):
                    continue
                if self._is_worth_a_trial(job) and self._is_a_guess(job):
                    guesses.append(job)
                else:
                    in_vain[job] = self._tries(job)
            in_vain |= {job: self._tries(job) for job in guesses}
            self.tried.add(in_vain)
        return self.found[1] if self.found else None

    def _is_worth_a_trial(self, job: Job) -> bool:
        """Whether it may be better than what was found, and there is time left."""
        left = _LAST if job.is_quick else self.budget
        return (self.bench.evaluations < left or job.edit.kind == "leaf") and self._may_win(job)

    def _is_a_guess(self, job: Job) -> bool:
        """Whether only trying tells, and what is corrected gives nothing that is known: such come last."""
        if job.cheap or len(job.instances) == 1 or "across" in job.edit.facts or job.edit.kind in _FEW:
            return False
        first = job.instances[0]
        corrected = self.bench.values(first, job.edit.patches(1.0), 0) or {}
        outs = [out for out in results(self.bench.program, first) if out in corrected]
        known = self.known.at(0)
        return not outs or any(
            known.scale((corrected[out],)) is None and known.find((corrected[out],)) is None for out in outs
        )

    def _may_win(self, job: Job) -> bool:
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

    def _tries(self, job: Job) -> frozenset[str]:
        """Tries a correction if it is worth it, and keeps the best; the leaves on which it was tried in vain."""
        if not self._is_worth_a_trial(job):
            return frozenset()
        promising, left = self._promising(job.instances, job.edit, job.wrong)
        return frozenset() if self._helps(job, promising) else frozenset(job.wrong).difference(left)

    def _helps(self, job: Job, promising: Iterable[tuple[str, float | None]]) -> bool:
        """Whether a correction makes a leaf right of those that are `promising`; the best one is kept."""
        site, instances, edit, wrong = job.site, job.instances, job.edit, job.wrong
        tried, helps = set[float | None](), False
        for path, guess in promising:
            if guess is not None and guess in tried:
                continue
            factor = self.factors.of(instances, edit, path) if guess is None else guess
            if factor is None:
                continue
            patches = edit.patches(factor)
            if not self.bench.is_right(path, patches) or self._is_a_factor_alone(job, factor, path):
                continue
            helps = True
            repaired = tuple(p for p in wrong if p == path or self.bench.is_right(p, patches))
            if edit.kind == "everywhere" and set(repaired) < set(self.bench.reached(tuple(patches))):
                continue  # the number is right in some of the places
            cost = job.cost + self.factors.cost(edit, factor)
            if edit.kind == "scale" and factor == 0.5 and self._is_added_twice(instances):
                cost += _TWICE
            stray = len(repaired) < len(wrong) or len(wrong) == 1 or self._serves_else(instances)
            rank = (-len(repaired), cost, job.first)
            if edit.kind in ("scale", "number", "known") and self._leads_away(patches, set(wrong).difference(repaired)):
                continue
            if self._is_better(rank, repaired, stray) and not (self._breaks(patches) and edit.kind != "aligned"):
                if len(repaired) == len(self.wrong):
                    self.budget = min(self.budget, self.bench.evaluations + _MORE)
                self.found = (
                    rank,
                    Mistake(site, instances, edit, factor, repaired, patches, cost, job.innocent),
                )
                self.is_stray = stray
            if guess is None:
                break
            tried.add(guess)
        return helps

    def _promising(
        self, instances: Instances, edit: Edit, wrong: Sequence[str]
    ) -> tuple[list[tuple[str, float | None]], list[str]]:
        """The leaves that a correction may make right, and with which factor; None where only trying tells: of such
        leaves a few, the smallest, and those that are left.
        """
        guess = self.screen.passed(instances, edit, wrong)
        seen = wrong if guess is not None else [path for path in wrong if self.screen.of(instances, [path], edit)]
        if guess is None and seen:
            guess = self.screen.passed(instances, edit, seen)
        unseen = wrong if guess is None else [path for path in wrong if path not in seen]
        smallest = sorted(unseen, key=lambda path: self.bench.truth[0][path].size)
        return [*(guess or {}).items(), *((path, None) for path in smallest[: self._most])], smallest[self._most :]

    @property
    def _most(self) -> int:
        """How many leaves are looked at, at most, of those of which only trying tells."""
        return _TRIED if self.bench.evaluations < _BUDGET // 4 else 1

    def _is_added_twice(self, instances: Instances) -> bool:
        """Whether what a statement gives takes part in several sums."""
        program = self.bench.program
        return any(
            sum(program.equations[user].name in ("add", "sub") for user in program.users.get(out, ())) > 1
            for out in results(program, instances[0])
        )

    def _is_a_factor_alone(self, job: Job, factor: float, path: str) -> bool:
        """Whether a correction that is more than a factor does no more for a leaf: what multiplies, such as a mask that
        is there already or comes later, changes nothing in it, or all that is wrong with it is a factor.
        """
        edit, bench, leaf = job.edit, self.bench, self.bench.leaves[path]
        if edit.kind not in ("times", "over", "known"):
            return False
        if edit.kind != "known" and factor != 1:
            without = bench.value(path, edit.patches(1.0), 0)
            return without is not None and same((without,), (bench.run.at(leaf)[0],))
        truth = tuple(leaves[path] for leaves in bench.truth)
        if truth[0].size < 2 or multiple(bench.run.at(leaf), truth) is None:
            return False
        first, own = job.instances[0], edit.patches(factor)
        given = bench.values(first, {index: own[index] for index in first if index in own}, 0) or {}
        return any(multiple((given[out],), (bench.run.at(out)[0],)) is None for out in given)

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

    def _leads_away(self, patches: Patches, left: Iterable[str]) -> bool:
        """Whether a leaf that is nearly right, but for another mistake, would be so no more."""
        bench = self.bench
        errors = ((bench.error(p, bench.value(p, with_them, 0), 0) for with_them in ({}, patches)) for p in left)
        return any(before < NEARLY and after > 2 * before for before, after in errors)

    def _breaks(self, patches: Patches) -> bool:
        """Whether a leaf that is right would become wrong, or one could not be computed any more."""
        bench = self.bench
        return any(
            bench.value(path, patches, 0) is None
            if path in self.wrong
            else not bench.is_right(path, patches) and bench.is_right(path, {})
            for path in bench.reached(tuple(patches))
        )
