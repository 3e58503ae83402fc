"""Where a mistake is made, if a loop fills an array and puts one thing over another, so that the rest stays zero."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .._program._operations import evaluated
from .._program._sites import results, Site
from .._program._trace import Atom, Equation
from ._bench import Bench
from ._relate import is_zero
from ._search import Mistake


PUTS = {"scatter": 2, "dynamic_update_slice": 1}
"""Operations that put something into their first input, and which input that is."""


def put_over_another(bench: Bench, sites: Sequence[Site], mistake: Mistake) -> Mistake:
    """The same mistake as one of the place, if the statement fills zeros and puts something where it has put something
    before, and nothing elsewhere.
    """
    program = bench.program
    outs = results(program, mistake.instances[0])
    if mistake.edit.kind != "known" or len(mistake.instances) > 1 or len(outs) != 1:
        return mistake
    owners = {index: site for site in sites if not site.leaf for run in site.instances for index in run}
    filled, filling, twice = np.zeros(bench.run.at(outs[0])[0].shape, bool), set[Site | None](), False
    value: Atom = outs[0]
    while isinstance(value, int) and value in program.makers:
        index = program.makers[value]
        equation = program.equations[index]
        if equation.name not in PUTS:
            break
        part = touched(bench, equation)
        twice |= bool((part & filled).any())
        filled |= part
        filling.add(owners.get(index))
        value = equation.inputs[0]
    if filling != {mistake.site} or not twice or filled.all() or not is_zero(bench.run.at(value)):
        return mistake
    return replace(mistake, edit=replace(mistake.edit, kind="overwritten"))


def touched(bench: Bench, equation: Equation) -> np.ndarray:
    """Where an operation puts something into its first input."""
    inputs = [bench.run.at(atom)[0] for atom in equation.inputs]
    inputs[0] = np.zeros_like(inputs[0])
    inputs[PUTS[equation.name]] = np.ones_like(inputs[PUTS[equation.name]])
    return evaluated(equation, inputs)[0] != 0
