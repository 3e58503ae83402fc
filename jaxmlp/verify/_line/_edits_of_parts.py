"""The correction of a loop that takes one part of an argument in all of its runs: the next one in each."""

from collections.abc import Iterator, Sequence

from .._program._sites import wholes
from ._bench import Bench
from ._edits import Edit
from ._offers import Instances
from ._patches import after
from ._relate import same


_COST = 0.8


def of_parts(bench: Bench, instances: Instances) -> Iterator[Edit]:
    """Part after part of an argument, in either order, where each run of a statement takes the same part."""
    count, equations = len(instances), bench.program.equations
    for spots in zip(*instances, strict=False):
        outs = [equations[index].outputs[0] for index in spots]
        argument = _argument(bench, outs)
        if argument is None:
            continue
        whole, first = bench.run.at(argument), bench.run.at(outs[0])
        if len(whole[0]) != count or whole[0].shape[1:] != first[0].shape or whole[0].dtype.kind not in "fb":
            continue
        if all(same(first, bench.run.at(out)) for out in outs[1:]):
            for order in (range(count), range(count)[::-1]):
                patches = {
                    index: after(0, lambda value, point, whole=whole, n=n: whole[point][n])
                    for index, n in zip(spots, order, strict=True)
                }
                yield Edit("same_part", _COST, lambda c, p=patches: p, False, {"argument": argument})


def _argument(bench: Bench, variables: Sequence[int]) -> int | None:
    """The argument of more than one number that all of `variables` are parts of, and not all of it."""
    found = set()
    for variable in variables:
        *parts, whole = wholes(bench.program, variable)
        found.add(whole if parts and whole in bench.program.inputs and bench.run.at(whole)[0].ndim else None)
    argument = found.pop() if len(found) == 1 else None
    return argument if isinstance(argument, int) else None
