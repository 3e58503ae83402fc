"""What the last run of a loop made, read where there is nothing before the first: `h[t - 1]`, where `t` is 0."""

import numpy as np

from .._line._patches import with_input
from .._report import _words_of_parts
from .._report._gradient_report import Finding
from ._explanation import Explanation


def last_for_first(e: Explanation) -> Finding | None:
    """That one operand is wrong in one run: there a loop reads, in the place of zeros, what it made last, as every
    other run reads what the run before it made.
    """
    bench, equations = e.case.bench, e.case.bench.program.equations
    if e.mistake.factor != 0 or len(e.mistake.instances) != 1 or len(e.site.instances) < 2:
        return None
    for spot, index in enumerate(e.run):
        for position in range(len(equations[index].inputs)):
            zeros = {index: with_input(position, np.zeros_like)}
            if _is_made_last(e, spot, position) and all(bench.is_right(path, zeros) for path in e.paths):
                return _words_of_parts.last_for_first(e.paths, place=e.place())
    return None


def _is_made_last(e: Explanation, spot: int, position: int) -> bool:
    """Whether the wrong run reads there what one line of the forward pass made last, the run beside it what that made
    first, and no two the same.
    """
    program = e.case.bench.program
    if any(len(run) <= spot or len(program.equations[run[spot]].inputs) <= position for run in e.site.instances):
        return False
    read = {run: program.equations[run[spot]].inputs[position] for run in e.site.instances}
    makers = {run: program.makers.get(atom) for run, atom in read.items() if isinstance(atom, int)}
    made = [maker for maker in makers.values() if maker is not None]
    lines = {(place.file, place.number) for place in map(e.case.places.__getitem__, made) if place}
    if len(made) < len(e.site.instances) or len(set(made)) < len(made) or len(lines) != 1:
        return False
    beside = {0: made[1], len(made) - 1: made[-2]}.get(e.site.instances.index(e.run))
    is_turned_round = makers[e.run] == max(made) and beside == min(made)
    return is_turned_round and e.case.forward.find(e.case.bench.run.at(read[e.run])) is not None
