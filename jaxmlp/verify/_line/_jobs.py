"""What may be tried: the corrections of each statement, of all its executions and of some."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, cached_property
from itertools import chain, islice

from .._program._sites import results, Site
from .._program._trace import Atom
from ._bench import Bench
from ._brackets import of_brackets
from ._edits import Edit
from ._edits_of_branches import masked_otherwise, of_branches
from ._edits_of_equations import of_equations, turned
from ._edits_of_kernels import half_a_turn
from ._edits_of_operands import in_each_place, of_operands
from ._edits_of_parts import elsewhere, of_parts
from ._edits_of_programs import of_programs
from ._edits_of_results import AsKnown, of_result
from ._edits_of_returns import of_return
from ._edits_within import moved_inside, of_factors
from ._forward import forward
from ._job import Job
from ._offers import Instances, Offer
from ._relate import same
from ._roles import Following
from ._rows import columns, slices, spread
from ._screen import Screen
from ._sieve import Sieve
from ._some_runs import some_runs
from ._standing import Standing
from ._weighed import weighed


# How many corrections of one statement there are at most; those most often needed come first.
_LIMIT, _LIMIT_OF_LOOPS = 4000, 1000


class Jobs:
    """The corrections that may make some of the leaves `wrong` right; only those of the kinds `planted`, if given."""

    def __init__(
        self,
        bench: Bench,
        sites: Sequence[Site],
        offers: Sequence[Offer],
        wrong: Sequence[str],
        standing: Standing,
        screen: Screen,
        planted: frozenset[str] | None,
    ) -> None:
        self.bench, self.sites, self.wrong = bench, sites, wrong
        self.standing, self.screen, self.planted = standing, screen, planted
        self.offers = offers
        self.repeated = [offer for offer in offers if offer.quantity and len(offer.values) > 1]
        self.alone = [offer for offer in offers if not offer.quantity or len(offer.values) == 1]
        quantities = [offer.quantity for offer in self.alone if offer.quantity]
        self._spread = cache(lambda count: list(spread(quantities, count)))
        self._columns = cache(lambda count: list(columns(quantities, count)))
        self._sliced = cache(lambda count: list(slices(quantities, count)))

    def by_reach(self, is_spent: Callable[[], bool]) -> Iterator[list[Job]]:
        """The corrections, those of statements that lead to most leaves first; once the time is spent, those of what is
        returned alone.
        """
        reach = {site: self._reach(chain(*site.instances)) for site in self.sites}
        several = [] if is_spent() else self._of_programs()
        for count in sorted({len(paths) for paths in reach.values()} - {0}, reverse=True):
            jobs = [job for job in several if len(job.wrong) == count]
            for site in self.sites:
                if len(reach[site]) == count and (site.leaf or not is_spent()):
                    jobs += self._of_site(site, reach[site])
            yield jobs

    def _of_site(self, site: Site, wrong: Sequence[str]) -> Iterator[Job]:
        """The corrections of all executions of a statement, and of some."""
        runs = tuple(run for run in site.instances if results(self.bench.program, run))
        yield from self.of_runs(site, runs or site.instances)
        if len(site.instances) > 1:
            for instances in some_runs(self.bench, site, wrong, self.wrong):
                yield from self.of_runs(site, instances)

    def _reach(self, equations: Iterable[int]) -> list[str]:
        return [path for path in self.bench.reached(tuple(equations)) if path in self.wrong]

    def of_runs(self, site: Site, instances: Instances) -> list[Job]:
        """The corrections of a statement that are worth a trial."""
        bench, wrong = self.bench, self._reach(chain(*instances))
        if not wrong:
            return []
        outs = results(bench.program, instances[0])
        of_keys = any(bench.run.at(out)[0].dtype == object for out in outs)
        if of_keys or (site.leaf is None and self.standing.only_begins_a_sum(outs)):
            return []
        returned = any(self.standing.is_returned(out) for out in outs)
        is_known = bool(outs) and all(map(self.standing.is_as_known, outs))
        innocent = site.leaf is None and is_known and not returned
        # A difference such as `out - y` may be a value of the loss as it stands, and yet lack a factor as a cotangent.
        value = not returned and bool(outs) and all(self.standing.is_a_value(out) for out in outs)
        if self.planted is not None:
            innocent = value = False
        several = len(instances) > 1
        if several and (innocent or value) and self._is_right_elsewhere(instances):
            return []  # what is known as it stands and leads to right leaves in all of its runs
        shaped = [path for path in wrong if self.bench.needed(path)] or wrong  # the others have a mistake of their own
        forward = (innocent or value) and not several and self.screen.of(instances, shaped) is None
        # A cotangent is multiplied by itself where a weight was updated with it before it is sent back.
        forward = forward and (value or not self.screen.is_in_products(instances, shaped))
        role: AsKnown | None = "forward" if forward else "cotangent" if innocent else "value" if value else None
        edits: Iterable[Edit]
        if site.leaf:
            edits = of_return(bench, instances, site.leaf, self.offers)
        elif several:
            roles = [*self.standing.roles.offers(instances), *self.standing.roles.of_layers(instances)]
            roles += [*self.repeated, *self._sliced(len(instances))]
            roles += self._spread(len(instances))
            own = [offer for offer in self.alone if offer.variables and len(offer.values) == len(instances)]
            own += self.standing.roles.computed_of(instances) if self.planted is None else ()
            errors = [*self.standing.roles.errors(instances)]
            sieve = Sieve(bench, self.screen, instances, wrong)
            known = self.standing.is_innocent, self.standing.is_a_value
            edits = chain(
                of_parts(bench, instances),
                elsewhere(bench, instances),
                of_operands(bench, instances, own, errors, *known, sieve) if role is None else (),
                self._edits(instances, roles, role, wrong, [self.standing.roles.following(out) for out in outs]),
                self._edits(instances, self.alone, role, wrong),
            )
        else:
            edits = chain(self._edits(instances, self.offers, role, wrong), elsewhere(bench, instances))
        cheap = self.screen.of(instances, wrong) is not None
        still: dict[tuple[tuple[int, int], ...], bool] = {}
        doubtful = self.planted is None and not is_known and not forward
        doubtful = doubtful and (self._reads_the_unknown(instances) or any(map(self.standing.is_in_a_scale, outs)))
        return [
            Job(
                site,
                instances,
                edit,
                wrong,
                innocent or forward,
                cheap or self._is_cheap(instances, edit, wrong),
                doubtful and self._is_in_doubt(edit, instances, still),
            )
            for edit in islice(edits, _LIMIT_OF_LOOPS if several else _LIMIT)
            if self.planted is None or edit.kind in self.planted
        ]

    def _of_programs(self) -> list[Job]:
        """The corrections of several statements at once."""
        jobs = []
        params = self.bench.program.inputs[: len(self.bench.leaves)]
        edits = of_programs(self.bench, self.sites, params, self.standing.is_a_value, self.wrong)
        again = () if self.planted else forward(self.bench, self.sites, self.standing.knowledge, self.standing.known)
        for sites, edit in chain(edits, again):
            wrong = self._reach(edit.patches(1.0))
            if wrong and (self.planted is None or edit.kind in self.planted):
                jobs.append(Job(sites[0], sites[0].instances, edit, wrong, False, False))
        return jobs

    def _edits(
        self,
        instances: Instances,
        offers: Sequence[Offer],
        role: AsKnown | None,
        wrong: Sequence[str],
        following: Sequence[Iterable[Following]] = (),
    ) -> Iterator[Edit]:
        bench = self.bench
        if self.planted is None:
            yield from half_a_turn(bench, instances)
            yield from of_branches(bench, instances)
        else:
            yield from masked_otherwise(bench, instances)
        sieve = Sieve(bench, self.screen, instances, wrong)
        outs = results(bench.program, instances[0])
        for position, first in enumerate(outs):
            after = following[position] if following else ()
            slopes = self.standing.roles.slopes_after(first) if len(instances) == 1 and role == "cotangent" else ()
            is_alone = self.planted is None and len(instances) == 1
            instead = self._instead_of(first) if is_alone and role == "cotangent" else ()
            sums = self.standing.roles.with_a_term(first) if is_alone and self.standing.is_a_value(first) else ()
            is_a_slope = is_alone and role == "cotangent" and self.standing.is_a_slope(first)
            upstream = self._upstream_of(first) if is_a_slope else ()
            is_one_of_several = role is None and len(instances) == 1 and len(outs) > 1 and self.planted is None
            yield from of_result(
                bench,
                instances,
                position,
                offers,
                self.standing.is_innocent,
                as_known="cotangent" if is_one_of_several and self._is_a_cotangent(first) else role,
                following=after,
                instead=instead,
                slopes=slopes,
                sums=sums,
                upstream=upstream,
                sieve=sieve,
                bends=len(instances) == 1 and self.screen.of(instances, wrong) is None,
            )
        if role is None:
            yield from of_equations(bench, instances, offers, self.standing.is_innocent, sieve)
            if self.planted is None:
                yield from of_brackets(bench, instances)
                yield from moved_inside(bench, instances)
                yield from weighed(bench, instances)
                factors = [*offers, *self._columns(len(instances))]
                yield from of_factors(bench, instances, factors, self.standing.is_innocent, sieve)
        else:
            yield from turned(bench, instances)
            is_alone = len(instances) == 1 and self.planted is None
            if is_alone and (all(map(self.standing.is_a_value, outs)) or self._is_given_twice(instances[0], outs)):
                yield from in_each_place(bench, instances, self.cotangents, self.standing.is_innocent, sieve)

    def _instead_of(self, slope: int) -> Iterable[Following]:
        """The cotangent that a slope may be meant for, unless an array of ones that it is multiplied by is what is."""
        read = self.bench.program.equations[self.bench.program.makers[slope]].inputs
        arrays = (self.bench.run.at(atom)[0] for atom in read)
        is_of_ones = any(array.size > 1 and (array == 1).all() for array in arrays)
        return () if is_of_ones else self.standing.roles.instead_of(slope)

    def _upstream_of(self, slope: int) -> list[Offer]:
        """The cotangents that a slope may lack: what the statement that uses it reads as well, it lacks there."""
        program, users = self.bench.program, set(self.bench.program.users.get(slope, ()))
        runs = [run for site in self.sites for run in site.instances if not users.isdisjoint(run)]
        read = {atom for run in runs for index in run for atom in program.equations[index].inputs}
        return [offer for offer in self.cotangents if offer.variables[0] not in read]

    @cached_property
    def cotangents(self) -> list[Offer]:
        """What the candidate has a name for and is a cotangent: one of them may belong where a value is read."""
        return [
            offer
            for offer in self.alone
            if offer.name and offer.before != -1 and offer.variables and self._is_a_cotangent(offer.variables[0])
        ]

    def _is_a_cotangent(self, variable: int) -> bool:
        """Whether a result is right as a cotangent and used wrongly, such as one of those of `return b * d, a * d`."""
        standing = self.standing
        is_right = standing.is_as_known(variable) and not standing.is_a_value(variable)
        return is_right and not standing.is_returned(variable)

    def _reads_the_unknown(self, instances: Instances) -> bool:
        """Whether a statement reads a floating value of the candidate's of which nothing is known."""
        equations = self.bench.program.equations
        made = {out for run in instances for index in run for out in equations[index].outputs}
        return self._has_unknown(
            {atom for run in instances for index in run for atom in equations[index].inputs} - made
        )

    def _has_unknown(self, atoms: Iterable[Atom]) -> bool:
        """Whether nothing is known of one of the floating values."""
        values = ((atom, self.bench.run.at(atom)[0]) for atom in atoms)
        return any(v.dtype.kind == "f" and v.any() and not self.standing.is_innocent(atom) for atom, v in values)

    def _is_in_doubt(self, edit: Edit, instances: Instances, still: dict[tuple[tuple[int, int], ...], bool]) -> bool:
        """Whether a correction of a doubtful statement is in doubt as well: of one that puts something in the place of
        what the statement reads, whether it still reads what is unknown; `still` keeps that, by what is replaced.
        """
        if edit.kind != "operand":
            return edit.kind in ("known", "times", "over", "plus")
        uses, variables = edit.facts["uses"], set(edit.facts["offer"].variables)
        if uses not in still:
            still[uses] = self._reads_the_unknown_beside(instances[0], uses)
        made = {out for index in instances[0] for out in self.bench.program.equations[index].outputs}
        return still[uses] or self._has_unknown(variables - made)

    def _reads_the_unknown_beside(self, instance: tuple[int, ...], uses: Sequence[tuple[int, int]]) -> bool:
        """Whether what a statement gives comes of something unknown beside what is replaced."""
        equations = self.bench.program.equations
        replaced = {(instance[place], position) for place, position in uses}
        makers = {out: index for index in instance for out in equations[index].outputs}
        made, pending, read = set(makers), list(results(self.bench.program, instance)), set[int]()
        while pending:
            index = makers.pop(pending.pop(), None)
            for position, atom in enumerate(equations[index].inputs if index is not None else ()):
                if isinstance(atom, int) and (index, position) not in replaced:
                    pending.append(atom)
                    read.add(atom)
        return self._has_unknown(read - made)

    def _is_cheap(self, instances: Instances, edit: Edit, wrong: Sequence[str]) -> bool:
        return (
            edit.kind in ("plus", "known", "operand", "number", "term")
            and self.screen.of(instances, wrong, edit) is not None
        )

    def _is_given_twice(self, instance: tuple[int, ...], outs: Sequence[int]) -> bool:
        """Whether another statement gives the same sum, as two do that sum up the error of one layer."""
        program, run = self.bench.program, self.bench.run
        if len(outs) != 1 or all(program.equations[index].name != "reduce_sum" for index in instance):
            return False
        values = run.at(outs[0])
        runs = (each for site in self.sites if not site.leaf for each in site.instances)
        alike = (run.at(out) for each in runs for out in results(program, each) if out != outs[0])
        return any(each[0].shape == values[0].shape and same(each, values) for each in alike)

    def _is_right_elsewhere(self, instances: Instances) -> bool:
        """Whether every run of a statement leads to some leaf that is right as it stands."""
        return all(set(self.bench.reached(instance)) - set(self.wrong) for instance in instances)
