"""What the statements of a loss say of its values: which of them belong together, and what they are called."""

from collections.abc import Sequence

from .._program._sites import results, Site
from .._program._trace import Program


def repeated(program: Program, places: Sequence[Site]) -> list[list[int]]:
    """The variables that one statement of the loss defines time after time."""
    found = []
    for site in places:
        [*earlier, last] = site.instances
        runs = site.instances if earlier else _of_a_comprehension(program, last)
        columns = [[out for index in run for out in program.equations[index].outputs] for run in runs]
        if len(columns) > 1 and len({len(column) for column in columns}) == 1:
            found += [list(column) for column in zip(*columns, strict=True)]
    return found


def _of_a_comprehension(program: Program, equations: Sequence[int]) -> list[Sequence[int]]:
    """The runs of a statement that computes the same time after time without leaving its line."""
    signature = [
        (program.equations[index].name, *(program.shapes[out].shape for out in program.equations[index].outputs))
        for index in equations
    ]
    for size in range(2, len(equations) // 2 + 1):
        if len(equations) % size == 0 and signature == signature[:size] * (len(equations) // size):
            return [equations[start : start + size] for start in range(0, len(equations), size)]
    return [equations]


def targets(program: Program, places: Sequence[Site]) -> dict[int, str]:
    """What the loss calls its own values."""
    names = {}
    for site in places:
        outs = results(program, site.instances[0])
        if site.statement and site.statement.target and len(outs) == 1 and len(site.instances) == 1:
            names[outs[0]] = site.statement.target
    return names
