"""Corrections of sums: of one that is sent on again with all that was sent before, and of one that is never made."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .._program._sites import given, Site
from .._program._stacks import Frame
from .._program._trace import Equation
from ._bench import Bench, Evaluate, Patch, Read
from ._edits import Edit
from ._patches import after
from ._relate import Values


_COST = 1.2

_LAST = 1.5
"""What it costs that the runs before the last are lost."""


def sent_again(bench: Bench, owners: dict[int, Site]) -> Iterator[tuple[list[Site], Edit]]:
    """Only what is new since the last time, wherever one line reads a sum again that has grown, or has not.

    As where each user of a value calls its backward pass, which starts from all that its users have sent so far.
    """
    program = bench.program
    grown: dict[int, int] = {}  # a sum, and the one that it was before something was added
    read: dict[Any, list[int]] = {}
    patches: dict[int, Patch] = {}
    for index, equation in enumerate(program.equations):
        frames = _frames(equation)
        for position, atom in enumerate(equation.inputs if index in owners and frames else ()):
            is_the_sum = equation.name in _ADDS and position == 0
            if not isinstance(atom, int) or is_the_sum or atom not in grown:
                continue
            # What is added to different sums goes to different values.
            other = equation.inputs[0] if equation.name in _ADDS else None
            to = _origins(grown, other)[-1] if isinstance(other, int) else None
            before, earlier = _origins(grown, atom), read.setdefault((frames[0], equation.name, position, to), [])
            last = next((known for known in reversed(earlier) if known in before), None)
            if last is not None:
                patches[index] = _less(position, last)
            earlier.append(atom)
        if equation.name in _ADDS and isinstance(equation.inputs[0], int):
            grown[equation.outputs[0]] = equation.inputs[0]
    if patches:
        where = list(dict.fromkeys(owners[index] for index in patches))
        callers = [_frames(program.equations[index])[1:2] for index in patches if _is_no_sum(program.equations[index])]
        frame = next((frames[0] for frames in callers if frames), None)
        yield where, Edit("sent_again", _COST, lambda c: patches, False, {"across": where, "caller": frame})


def only_the_last(bench: Bench, sites: Sequence[Site]) -> Iterator[tuple[list[Site], Edit]]:
    """The sum over the runs of a loop, of which only the last is used: each takes the place of the one before."""
    program = bench.program
    for site in sites:
        patches: dict[int, Patch] = {}
        runs = [given(program, run) for run in site.instances] if len(site.instances) > 1 else []
        for outs in zip(*runs, strict=True) if len(set(map(len, runs))) == 1 else ():
            for earlier, last in _lost(bench, outs):
                total = tuple(np.sum([values[k] for values in earlier], axis=0) for k in range(bench.count))
                index, place = program.made_by(last)
                patches[index] = after(place, lambda value, point, more=total: value + more[point])
        if patches:
            yield [site], Edit("only_the_last", _LAST, lambda c, p=patches: p, False, {"across": [site]})


def _lost(bench: Bench, outs: Sequence[int]) -> Iterator[tuple[list[Values], int]]:
    """What runs give that nothing reads, one after another, and what the next one gives that is read, of one shape."""
    lost: list[Values] = []
    for out in outs:
        values = bench.run.at(out)
        if values[0].dtype.kind != "f":
            return
        if not bench.program.users.get(out):
            lost.append(values)
            continue
        if lost and all(other[0].shape == values[0].shape for other in lost):
            yield lost, out
        lost = []


_ADDS = ("add", "add_any")


def _is_no_sum(equation: Equation) -> bool:
    return equation.name not in _ADDS


def _frames(equation: Equation) -> list[Frame]:
    """The user's lines that an equation stands on, from the inside out."""
    return [frame for stack in equation.stacks for frame in stack if frame]


def _origins(grown: dict[int, int], variable: int) -> list[int]:
    """A sum, and all that it was before."""
    found = [variable]
    while found[-1] in grown:
        found.append(grown[found[-1]])
    return found


def _less(position: int, last: int) -> Patch:
    """An equation that reads a sum without what it was the last time."""

    def patch(inputs: list[np.ndarray], evaluate: Evaluate, read: Read, point: int) -> list[np.ndarray]:
        return evaluate([value - read(last) if p == position else value for p, value in enumerate(inputs)])

    return patch
