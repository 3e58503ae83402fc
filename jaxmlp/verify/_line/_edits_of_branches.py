"""Corrections inside a statement: of a condition, and of what its branches give."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from .._program._operations import evaluated
from .._program._trace import Equation
from ._bench import Bench, Patch, Patches
from ._edits import Edit
from ._offers import Instances
from ._patches import with_input


def masked_otherwise(bench: Bench, instances: Instances) -> Iterator[Edit]:
    """What a condition lets through or stops: the other way round, or all of it let through."""
    turned: Patch = lambda inputs, evaluate, read, point: evaluate([~inputs[0], *inputs[1:]])
    for place, index in enumerate(instances[0]):
        equation = bench.program.equations[index]
        if equation.name != "select_n" or bench.run.at(equation.inputs[0])[0].dtype.kind != "b":
            continue
        yield Edit("mask", 1.5, lambda c, p=place: {instance[p]: turned for instance in instances})
        for stopped, passed in ((1, 2), (2, 1)):
            zero, value = (bench.run.at(equation.inputs[position])[0] for position in (stopped, passed))
            if value.dtype.kind == "f" and not zero.any():
                whole: Patch = lambda inputs, evaluate, read, point, p=passed: [inputs[p]]
                patches: Patches = {instance[place]: whole for instance in instances}
                facts = {"equation": equation, "dropped": equation.inputs[0]}
                yield Edit("dropped", 1.5, lambda c, p=patches: p, False, facts)


def of_branches(bench: Bench, instances: Instances) -> Iterator[Edit]:
    """What one branch of a condition gives, or what is put in the place of something: zero, or times the other."""
    yield from _emptied(bench, instances)
    yield from _by_the_other(bench, instances)


def _emptied(bench: Bench, instances: Instances) -> Iterator[Edit]:
    """Zeros in the place of what one branch of a condition gives."""
    equations = bench.program.equations
    for place in range(min(map(len, instances))):
        spots = [instance[place] for instance in instances]
        if {equations[index].name for index in spots} != {"select_n"}:
            continue
        for position, branch in enumerate(equations[spots[0]].inputs[1:], 1):
            if isinstance(branch, int) and bench.run.at(branch)[0].dtype.kind == "f":
                patches: Patches = dict.fromkeys(spots, with_input(position, np.zeros_like))
                yield Edit("emptied", 0.2, lambda c, p=patches: p, False, {"branch": branch})


def _by_the_other(bench: Bench, instances: Instances) -> Iterator[Edit]:
    """The product with what the other branch gives, where one branch stands alone; or with what was there before, where
    something is put in its place.
    """
    equations = bench.program.equations
    for place in range(min(map(len, instances))):
        spots = [instance[place] for instance in instances]
        names, equation = {equations[index].name for index in spots}, equations[spots[0]]
        if names == {"scatter"}:
            on_top: Patches = {index: _on_top_of(equations[index]) for index in spots}
            yield Edit("by_the_other", 1.0, lambda c, p=on_top: p, False, {"other": equation.inputs[0]})
        for one, other in ((1, 2), (2, 1)) if names == {"select_n"} and len(equation.inputs) == 3 else ():
            branches = [bench.run.at(equation.inputs[position]) for position in (one, other)]
            if all(values[0].dtype.kind == "f" and values[0].any() for values in branches):
                both: Patch = lambda inputs, evaluate, read, point, one=one, other=other: evaluate(
                    [value * inputs[other] if position == one else value for position, value in enumerate(inputs)]
                )
                patches: Patches = dict.fromkeys(spots, both)
                yield Edit("by_the_other", 1.0, lambda c, p=patches: p, False, {"other": equation.inputs[other]})


def _on_top_of(equation: Equation) -> Patch:
    """A scatter that multiplies what is there."""
    product = replace(equation, name="scatter-mul")
    return lambda inputs, evaluate, read, point: evaluated(product, inputs)
