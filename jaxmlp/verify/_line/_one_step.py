"""What corrects the first step that departs from the backward pass, where later steps are wrong as well."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from .._program._sites import results, Site
from .._program._source import caller, Source
from ._bench import Bench, Patches
from ._job import Job
from ._jobs import Jobs
from ._offers import Instances
from ._quantities import Quantity
from ._relate import same, Values
from ._search import Mistake, NEARLY


_LEAST = 1e-6
"""By which part of it the error of a leaf is another one, at least."""


@dataclass(frozen=True, eq=False)
class Step:
    """A correction of one run, and whether it is the line that calls the statement's function that gives a cotangent
    with it.
    """

    mistake: Mistake
    is_called: bool


def of_one_step(
    bench: Bench, source: Source, jobs: Jobs, mistake: Mistake, find: Callable[[Values], Quantity | None]
) -> Step | None:
    """The simplest correction with which the first run of a statement gives a cotangent of the loss, be it that no leaf
    is right with it alone; of a function that is called, the line that calls it may be what gives one.

    `find` tells what a value is known to be, in the scale of the author.
    """
    for runs in dict.fromkeys((mistake.instances[:1], mistake.instances, mistake.site.instances)):
        made = sorted((job for job in jobs.of_runs(mistake.site, runs) if _tells(job)), key=lambda job: job.cost)
        for is_called, around in enumerate(_around(bench, source, mistake.site, runs)):
            outs = [out for out in results(bench.program, around) if bench.run.at(out)[0].dtype.kind == "f"]
            for job in made if outs else ():
                patches = job.edit.patches(1.0)
                gives = _gives_cotangents(bench, around, outs, patches, find)
                if gives and _changes_the_leaves(bench, mistake, patches):
                    found = Mistake(job.site, runs, job.edit, 1.0, mistake.leaves, patches, job.cost, False)
                    return Step(found, bool(is_called))
    return None


def _gives_cotangents(
    bench: Bench,
    around: Sequence[int],
    outs: Sequence[int],
    patches: Patches,
    find: Callable[[Values], Quantity | None],
) -> bool:
    """Whether all results that patches change are cotangents then, and none is just what is read."""
    each = [bench.values(around, patches, k) for k in range(bench.count)]
    given = [tuple(values[out] for values in each if values and out in values) for out in outs]
    whole = ((out, values) for out, values in zip(outs, given, strict=True) if len(values) == bench.count)
    changed = [values for out, values in whole if _differ(bench.run.at(out), values)]
    if not changed or not all(_is_a_cotangent(values, find) for values in changed):
        return False
    equations = [bench.program.equations[index] for index in around]
    made = {out for equation in equations for out in equation.outputs}
    read = [bench.run.at(atom) for equation in equations for atom in equation.inputs if atom not in made]
    return all(_differ(known, values) for known in read for values in changed)


def _changes_the_leaves(bench: Bench, mistake: Mistake, patches: Patches) -> bool:
    """Whether patches change a leaf of the mistake, lead none away that is nearly right, and keep all shapes."""
    changes = False
    for path in mistake.leaves:
        before, after = (bench.error(path, bench.value(path, each, 0), 0) for each in ({}, patches))
        if not np.isfinite(after) or before < min(after, NEARLY):
            return False
        changes = changes or abs(after - before) > _LEAST * before
    return changes


def _tells(job: Job) -> bool:
    """Whether a correction says more than that the result is another."""
    return job.edit.kind not in ("known", "leaf", "scale", "number", "term")


def _differ(values: Values, others: Values) -> bool:
    return values[0].shape != others[0].shape or not same(values, others)


def _is_a_cotangent(values: Values, find: Callable[[Values], Quantity | None]) -> bool:
    several = values[0].size > 1 or len(values) > 1
    quantity = find(values) if several and all(value.any() for value in values) else None
    return quantity is not None and quantity.kind == "cotangent"


def _around(bench: Bench, source: Source, site: Site, runs: Instances) -> Iterator[tuple[int, ...]]:
    """All equations of the runs; of one run also those of the line that calls its function."""
    yield tuple(index for run in runs for index in run)
    [run, *others] = runs
    is_own = site.frame is None or source.is_own(site.frame) or others
    call = None if is_own else caller(bench.program.equations[run[0]].stacks, site.frame)
    statement = source.statement(call) if call else None
    if call is None or statement is None:
        return
    inside = {
        index
        for index, equation in enumerate(bench.program.equations)
        for stack in equation.stacks
        for each in stack
        if each and (each.file, each.function) == (call.file, call.function)
        if statement.first <= each.number <= statement.last
    }
    first, last = run[0], run[-1]
    while first - 1 in inside:
        first -= 1
    while last + 1 in inside:
        last += 1
    yield tuple(range(first, last + 1))
