"""Where a mistake is made, if a statement gives nothing but zeros because of another one."""

from collections.abc import Sequence
from dataclasses import replace

from .._program._sites import results, Site
from .._program._trace import Literal
from ._bench import Bench
from ._relate import is_zero
from ._search import Mistake


def left_at_zero(bench: Bench, sites: Sequence[Site], mistake: Mistake) -> Mistake:
    """The same mistake at the zeros themselves, if runs of the statement only pass them on; and not at zeros that a sum
    starts with, if what ought to add to them leaves them as they are.
    """
    if mistake.edit.kind != "known":
        return mistake
    found = _passed_on(bench, sites, mistake) or _never_added_to(bench, sites, mistake)
    if found is None:
        return mistake
    position = next(p for p, out in enumerate(results(bench.program, found.instances[0])) if is_zero(bench.run.at(out)))
    edit = replace(mistake.edit, facts={**mistake.edit.facts, "position": position})
    return replace(mistake, site=found, instances=found.instances, edit=edit)


def _passed_on(bench: Bench, sites: Sequence[Site], mistake: Mistake) -> Site | None:
    """The first statement that makes zeros of which some of the runs make zeros."""
    program = bench.program
    zero_runs = [
        run
        for run in mistake.instances
        if all(is_zero(bench.run.at(out)) for out in results(program, run)) and _must_give_more(bench, run, mistake)
    ]
    if len(zero_runs) == len(mistake.instances):
        return None
    makers = []
    for run in zero_runs:
        read = {atom for index in run for atom in program.equations[index].inputs if isinstance(atom, int)}
        makers += [site for site in sites if any(_makes_zeros(bench, site, atom) for atom in read)][:1]
    return min(makers, key=lambda site: site.first) if makers and len(makers) == len(zero_runs) else None


def _must_give_more(bench: Bench, run: Sequence[int], mistake: Mistake) -> bool:
    """Whether what a run gives is not zero once it is corrected."""
    patches = {index: mistake.patches[index] for index in run if index in mistake.patches}
    given = bench.values(run, patches, 0) if patches else None
    return bool(given) and any(given[out].any() for out in results(bench.program, run) if out in given)


def _never_added_to(bench: Bench, sites: Sequence[Site], mistake: Mistake) -> Site | None:
    """The statement that goes on with zeros, and with nothing else that is not zero."""
    program = bench.program
    outs = results(program, mistake.instances[0])
    position = mistake.edit.facts["position"]
    if position >= len(outs) or not _makes_zeros(bench, mistake.site, outs[position]):
        return None
    for site in sites:
        equations = [program.equations[index] for index in site.instances[0]]
        read = {atom for equation in equations for atom in equation.inputs if isinstance(atom, int)}
        leads = any(path in mistake.leaves for path in bench.reached(site.instances[0]))
        if site.leaf is None and site is not mistake.site and leads and outs[position] in read:
            floating = [bench.run.at(atom) for atom in read if bench.run.at(atom)[0].dtype.kind == "f"]
            return site if all(map(is_zero, floating)) else None
    return None


def _makes_zeros(bench: Bench, site: Site, variable: int) -> bool:
    """Whether the statement makes a variable of zeros out of nothing but numbers."""
    program = bench.program
    [*earlier, run] = site.instances
    if site.leaf or earlier or variable not in results(program, run):
        return False
    maker = program.equations[program.makers[variable]]
    return all(isinstance(atom, Literal) for atom in maker.inputs) and is_zero(bench.run.at(variable))
