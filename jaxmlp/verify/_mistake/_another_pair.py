"""Which mistake: two values of the candidate's own of which a statement computes something, and not of two others."""

from collections.abc import Sequence
from itertools import product

from .._line import _relate
from .._line._bench import Patch, Patches
from .._line._relate import Values
from .._program._trace import Atom
from .._report import _words_of_parts
from .._report._gradient_report import Finding
from ._explanation import Explanation


def another_pair(e: Explanation, expected: Values) -> Finding | None:
    """Two values of the candidate's own of which the statement computes something, where it must of two others: the
    input of another layer and its error.
    """
    program, bench = e.case.bench.program, e.case.bench
    used = [atom for atom in _outside(e) if bench.run.at(atom)[0].size > 1]
    if len(used) != 2 or expected[0].size < 2 or not e.case.names.by_variable.keys() >= set(used):
        return None
    before = [v for v in e.case.names.by_variable if program.makers.get(v, -1) < e.run[0] and v not in used]
    for first, second in product(*([v for v in before if _is_like(e, v, atom)] for atom in used)):
        other = dict(zip(used, (first, second), strict=True))
        patches: Patches = {index: _reading(program.equations[index].inputs, other) for index in e.run}
        made = [bench.values(e.run, patches, k) for k in range(bench.count)]
        given = tuple(values[e.out] for values in made if values and e.out in values)
        if len(given) == bench.count and given[0].shape == expected[0].shape and _relate.same(given, expected):
            names = e.case.names.by_variable
            was = {"one": names[used[0]], "other": names[used[1]]}
            return _words_of_parts.another_pair(
                e.paths, **was, first=names[first], second=names[second], place=e.place()
            )
    return None


def _outside(e: Explanation) -> list[int]:
    """The floating values that the statement reads."""
    equations = [e.case.bench.program.equations[index] for index in e.run]
    inside = {out for equation in equations for out in equation.outputs}
    read = dict.fromkeys(atom for equation in equations for atom in equation.inputs if isinstance(atom, int))
    return [atom for atom in read if atom not in inside and e.case.bench.run.at(atom)[0].dtype.kind == "f"]


def _is_like(e: Explanation, variable: int, atom: int) -> bool:
    """Whether a variable has the shape of what is read, or is one number, as the error of a single output is."""
    mine, other = e.case.bench.run.at(variable)[0], e.case.bench.run.at(atom)[0]
    return mine.dtype.kind == "f" and mine.shape in (other.shape, ())


def _reading(atoms: Sequence[Atom], other: dict[int, int]) -> Patch:
    """An equation that reads other variables in the place of some of its own."""
    return lambda inputs, evaluate, read, point: evaluate(
        [
            read(other[atom]) if isinstance(atom, int) and atom in other else value
            for atom, value in zip(atoms, inputs, strict=True)
        ]
    )
