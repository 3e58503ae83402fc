"""Whether a function is right, and only called with the wrong argument: `softmax_derivative(z)` for that of `p`."""

from .._line._bench import Patches
from .._line._patches import with_inputs
from .._program._source import caller
from .._program._syntax import reads_its_object
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
