"""Which executions of a statement may be wrong where not all are: the last, those of one call, those to one leaf."""

from collections.abc import Sequence

from .._program._sites import results, Site
from ._bench import Bench
from ._offers import Instances


def some_runs(bench: Bench, site: Site, reached: Sequence[str], wrong: Sequence[str]) -> list[Instances]:
    """The last execution alone, the ends of inner loops, those that one line calls, that one of the leaves `reached`
    needs, or that no right leaf needs; each choice once, and none of all executions.
    """
    some = [*((instance,) for instance in _last(bench, site, reached)), _ends(bench, site), *site.calls]
    some += [_towards(bench, site, path) for path in reached]
    some += [runs for runs in [_towards_wrong_ones(bench, site, wrong)] if runs]
    return [runs for runs in dict.fromkeys(some) if runs != site.instances]


def _last(bench: Bench, site: Site, reached: Sequence[str]) -> list[tuple[int, ...]]:
    """The executions of a statement that alone lead to some leaf, all others only through them."""
    found = []
    for path in reached:
        instances = _towards(bench, site, path)
        last = instances[-1]
        held = set(results(bench.program, last))
        if last not in found and not any(_leads(bench, i, path, held) for i in instances[:-1]):
            found.append(last)
    return found


def _towards(bench: Bench, site: Site, path: str) -> Instances:
    """The executions of a statement that lead to a leaf."""
    return tuple(instance for instance in site.instances if path in bench.reached(instance))


def _towards_wrong_ones(bench: Bench, site: Site, wrong: Sequence[str]) -> Instances:
    """The executions of a statement of which no leaf comes that is right."""
    each = ((run, set(bench.reached(run))) for run in site.instances)
    return tuple(run for run, paths in each if paths and paths.issubset(wrong))


def _ends(bench: Bench, site: Site) -> Instances:
    """The executions of a statement that no other one goes on from: the last of each inner loop."""
    runs = {index for instance in site.instances for index in instance}
    users = bench.program.users
    return tuple(
        instance
        for instance in site.instances
        if not any(runs.intersection(users.get(out, ())) for out in results(bench.program, instance))
    )


def _leads(bench: Bench, instance: tuple[int, ...], path: str, held: set[int]) -> bool:
    """Whether what an execution gives reaches a leaf other than through `held`."""
    program, leaf = bench.program, bench.leaves[path]
    reached = set(results(program, instance))
    for index in bench.order[path]:
        equation = program.equations[index]
        if any(atom in reached for atom in equation.inputs if isinstance(atom, int)):
            reached.update(out for out in equation.outputs if out not in held)
    return leaf in reached
