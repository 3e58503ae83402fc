"""Whether a loop calls a function with one and the same cotangent time after time, where each call needs its own."""

from collections.abc import Sequence

from .._line import _relate
from .._line._bench import Patches
from .._line._patches import with_inputs
from .._line._relate import Values
from .._program._sites import results
from ._explanation import Explanation


def is_given_the_same_again(e: Explanation) -> bool:
    """Whether a statement reads a cotangent that an earlier run of it has read, and gives what it must of another."""
    return e.edit.kind == "known" and any(_is_given_an_earlier_one(e, run) for run in e.mistake.instances)


def _is_given_an_earlier_one(e: Explanation, run: tuple[int, ...]) -> bool:
    bench, out = e.case.bench, (results(e.case.bench.program, run) or [None])[0]
    before = {atom for each in e.site.instances if each < run for atom in _read(e, each)}
    expected = _given(e, run, {index: e.mistake.patches[index] for index in run if index in e.mistake.patches}, out)
    if expected is None or out is None or _relate.same(bench.run.at(out), expected):
        return False
    for atom, places in _read(e, run).items():
        values = bench.run.at(atom)
        scale = e.case.each_cotangent.scale(values) if atom in before and values[0].size > 1 else None
        for quantity in e.quantities() if scale is not None else ():
            if quantity.kind != "cotangent" or quantity.values[0].shape != values[0].shape:
                continue
            instead = tuple(scale * value for value in quantity.values)
            patches: Patches = {
                index: with_inputs(positions, lambda point, v=instead: v[point]) for index, positions in places.items()
            }
            given = _given(e, run, patches, out)
            if given is not None and _relate.same(given, expected):
                return True
    return False


def _given(e: Explanation, run: Sequence[int], patches: Patches, out: int | None) -> Values | None:
    bench = e.case.bench
    made = [bench.values(run, patches, k) for k in range(bench.count)]
    given = tuple(each[out] for each in made if each and out is not None and out in each)
    return given if len(given) == bench.count else None


def _read(e: Explanation, run: Sequence[int]) -> dict[int, dict[int, list[int]]]:
    """The floating values that a run reads of others, each with the positions at which an equation does."""
    program = e.case.bench.program
    inside = {out for index in run for out in program.equations[index].outputs}
    found: dict[int, dict[int, list[int]]] = {}
    for index in run:
        for position, atom in enumerate(program.equations[index].inputs):
            if isinstance(atom, int) and atom not in inside and e.case.bench.run.at(atom)[0].dtype.kind == "f":
                found.setdefault(atom, {}).setdefault(index, []).append(position)
    return found
