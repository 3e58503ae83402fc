"""Where an array is filled and one thing is put over another, so that it is lost, or the rest stays zero."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .._program._operations import evaluated
from .._program._sites import results, Site
from .._program._trace import Atom, Equation
from ._bench import Bench, RIGHT
from ._relate import is_zero
from ._search import Mistake


PUTS = {"scatter": 2, "dynamic_update_slice": 1}
"""Operations that put something into their first input, and which input that is."""


def put_over_another(bench: Bench, sites: Sequence[Site], mistake: Mistake) -> Mistake:
    """The same mistake as one of the place, if the statement fills zeros and puts something where it has put something
    before: there alone what comes together is wrong, or elsewhere it puts nothing.
    """
    program = bench.program
    outs = results(program, mistake.instances[0])
    if mistake.edit.kind != "known" or len(mistake.instances) > 1 or len(outs) != 1:
        return mistake
    owners = {index: site for site in sites if not site.leaf for run in site.instances for index in run}
    shape = bench.run.at(outs[0])[0].shape
    filled, twice, filling = np.zeros(shape, bool), np.zeros(shape, bool), set[Site | None]()
    value: Atom = outs[0]
    while isinstance(value, int) and value in program.makers:
        index = program.makers[value]
        equation = program.equations[index]
        if equation.name not in PUTS:
            break
        often = _how_often(bench, equation)
        twice |= (often > 1) | ((often > 0) & filled)
        filled |= often > 0
        filling.add(owners.get(index))
        value = equation.inputs[0]
    if filling != {mistake.site} or not twice.any() or not is_zero(bench.run.at(value)):
        return mistake
    if _is_wrong_there_alone(bench, mistake, outs[0], twice):
        return replace(mistake, edit=replace(mistake.edit, kind="put_twice"))
    return mistake if filled.all() else replace(mistake, edit=replace(mistake.edit, kind="overwritten"))


def _is_wrong_there_alone(bench: Bench, mistake: Mistake, out: int, twice: np.ndarray) -> bool:
    """Whether what a statement gives is right but for where it puts something twice."""
    for k in range(bench.count):
        patches = {index: mistake.patches[index] for index in mistake.instances[0] if index in mistake.patches}
        made, actual = bench.values(mistake.instances[0], patches, k), bench.run.at(out)[k]
        if made is None or out not in made or made[out].shape != actual.shape:
            return False
        if np.abs(made[out] - actual)[~twice].max(initial=0) > RIGHT * np.abs(made[out]).max(initial=0):
            return False
    return True


def touched(bench: Bench, equation: Equation) -> np.ndarray:
    """Where an operation puts something into its first input."""
    return _how_often(bench, equation) > 0


def _how_often(bench: Bench, equation: Equation) -> np.ndarray:
    """How many numbers an operation puts at each place of its first input, one over the other."""
    inputs = [bench.run.at(atom)[0] for atom in equation.inputs]
    inputs[0] = np.zeros_like(inputs[0])
    inputs[PUTS[equation.name]] = np.ones_like(inputs[PUTS[equation.name]])
    adds = replace(equation, name="scatter-add") if equation.name == "scatter" else equation
    return evaluated(adds, inputs)[0]
