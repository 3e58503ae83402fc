"""Whether a function is right, and only called with the wrong argument: `softmax_derivative(z)` for that of `p`."""

import numpy as np

from .._line import _relate
from .._line._bench import Evaluate, Patch, Patches, Read
from .._line._patches import with_inputs
from .._program._source import caller
from .._program._stacks import Frame
from .._program._syntax import function_of, reads_its_object
from .._program._trace import Equation
from ._explanation import Explanation


def is_right_of_another(e: Explanation) -> bool:
    """Whether what a line calls makes the leaves right with another value of the candidate's in the place of one that
    it is given.
    """
    program, run, names = e.case.bench.program, e.case.bench.run, e.case.names.by_variable
    line = caller(program.equations[e.run[0]].stacks, e.frame)
    if line is None or e.frame is None or e.case.source.is_own(e.frame) or reads_its_object(e.frame):
        return False
    call = [i for i, equation in enumerate(program.equations) if caller(equation.stacks, e.frame) == line]
    made = {out for index in call for out in program.equations[index].outputs}
    uses: dict[int, dict[int, list[int]]] = {}
    for index in call:
        for position, atom in enumerate(program.equations[index].inputs):
            if isinstance(atom, int) and atom not in made and run.at(atom)[0].dtype.kind == "f":
                uses.setdefault(atom, {}).setdefault(index, []).append(position)
    for atom, places in uses.items():
        values = run.at(atom)
        # What is read once, as `z` in `sign(z)`, may be right with another argument by chance.
        for other in names if values[0].size > 1 and len(places) > 1 else ():
            is_there = program.makers.get(other, -1) < call[0] and other not in made | {atom}
            if not is_there or run.at(other)[0].shape != values[0].shape or run.at(other)[0].dtype.kind != "f":
                continue
            patches: Patches = {
                index: with_inputs(positions, lambda point, other=other: run.at(other)[point])
                for index, positions in places.items()
            }
            if all(e.case.bench.is_right(path, patches) for path in e.paths):
                return True
    return False


def is_given_another(e: Explanation) -> bool:
    """Whether a function was given a wrong argument: what it must read in its place, everywhere, is nothing it has."""
    if e.edit.kind != "operand" or e.frame is None or not e.facts["offer"].variables or reads_its_object(e.frame):
        return False
    used, own = e.facts["used"], [e.case.bench.program.equations[index] for index in _of_this_call(e)]
    made = {out for equation in own for out in equation.outputs}
    read = [atom for equation in own for atom in equation.inputs if isinstance(atom, int)]
    everywhere = read.count(used) == len(e.facts["uses"])
    return everywhere and used not in made and made.union(read).isdisjoint(e.facts["offer"].variables)


def is_given_zeros(e: Explanation) -> bool:
    """Whether a function gives zeros because it is given some."""
    if e.frame is None or e.case.source.is_own(e.frame):
        return False
    equations, run = e.case.bench.program.equations, e.case.bench.run
    made = {out for index in _of_this_call(e) for out in equations[index].outputs}
    read = {atom for index in e.run for atom in equations[index].inputs if isinstance(atom, int)} - made
    return any(run.at(atom)[0].dtype.kind == "f" and _relate.is_zero(run.at(atom)) for atom in read)


def is_given_the_other_way_round(e: Explanation) -> bool:
    """Whether a function of two arrays gives what is right once it is called with one in the place of the other."""
    bench, own = e.case.bench, _of_this_call(e)
    if e.frame is None or e.case.source.is_own(e.frame):
        return False
    equations = [bench.program.equations[index] for index in own]
    made = {out for equation in equations for out in equation.outputs}
    read = {atom for equation in equations for atom in equation.inputs if isinstance(atom, int)} - made
    arrays = [atom for atom in read if bench.run.at(atom)[0].dtype.kind == "f" and bench.run.at(atom)[0].size > 1]
    if len(arrays) != 2 or len({bench.run.at(atom)[0].shape for atom in arrays}) != 1:
        return False
    other = dict(zip(arrays, arrays[::-1], strict=True))
    patches: dict[int, Patch] = {}
    for index, equation in zip(own, equations, strict=True):
        given = {p: other[atom] for p, atom in enumerate(equation.inputs) if isinstance(atom, int) and atom in other}

        def turned(
            inputs: list[np.ndarray], evaluate: Evaluate, read: Read, point: int, given: dict[int, int] = given
        ) -> list[np.ndarray]:
            return evaluate([read(given[p]) if p in given else value for p, value in enumerate(inputs)])

        if given:
            patches[index] = turned
    return all(bench.is_right(path, patches) for path in e.paths)


def _of_this_call(e: Explanation) -> list[int]:
    """The equations of the very call that the run belongs to, of the function that it stands in."""
    equations = e.case.bench.program.equations
    call = caller(equations[e.run[0]].stacks, e.frame)
    if call is None or e.frame is None:
        return []
    inside = {
        index: frame
        for index, equation in enumerate(equations)
        if caller(equation.stacks, e.frame) == call and (frame := _within(e.frame, equation))
    }
    first = min(frame.number for frame in inside.values())
    runs: list[list[int]] = []
    last: Frame | None = None
    for index, frame in inside.items():  # a call begins anew on the first line of those that compute something
        if last is None or (frame.number == first and (last.number, last.offset) > (first, frame.offset)):
            runs.append([])
        runs[-1].append(index)
        last = frame
    return next((run for run in runs if e.run[0] in run), [])


def _within(frame: Frame, equation: Equation) -> Frame | None:
    """Where an equation stands in the function of a frame."""
    frames = [each for stack in equation.stacks for each in stack if each]
    return next((f for f in reversed(frames) if (f.file, f.function) == (frame.file, frame.function)), None)


def is_given_a_factor(e: Explanation) -> bool:
    """Whether a function is given a value for nothing but to multiply a slope by it, where the slope alone belongs."""
    expected, bench = e.corrected(), e.case.bench
    is_own = e.frame is None or e.case.source.is_own(e.frame)
    if expected is None or e.frame is None or is_own or e.case.slopes.find(expected) is None:
        return False
    formula, equations = function_of(e.frame), bench.program.equations
    inside = [i for i, frame in enumerate(e.case.places) if frame is not None and function_of(frame) == formula]
    made = {out for index in inside for out in equations[index].outputs}
    read = [atom for index in inside for atom in equations[index].inputs if isinstance(atom, int) and atom not in made]
    given = [atom for index in e.run for atom in equations[index].inputs if isinstance(atom, int)]
    for atom in (atom for atom in given if read.count(atom) == 1):
        values = bench.run.at(atom)
        alike = values[0].shape == expected[0].shape == e.actual[0].shape
        if alike and _relate.same(tuple(v * x for v, x in zip(values, expected, strict=True)), e.actual):
            return True
    return False
