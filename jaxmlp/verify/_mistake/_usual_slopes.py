"""The slopes of a sigmoid and a tanh, which a candidate may multiply by whatever the loss has."""

from collections.abc import Iterator

import numpy as np

from .._line import _relate
from .._line._relate import Values
from ._explanation import Explanation


def usual_slopes(e: Explanation, shape: tuple[int, ...]) -> Iterator[tuple[str | None, Values]]:
    """The slopes of a sigmoid and a tanh with the outputs that the statement reads: a loss may be written without."""
    equations = [e.case.bench.program.equations[index] for index in e.run]
    for atom in dict.fromkeys(atom for equation in equations for atom in equation.inputs if isinstance(atom, int)):
        outputs = e.case.bench.run.at(atom)
        if outputs[0].shape != shape or outputs[0].dtype.kind != "f":
            continue
        name = e.case.names.of(atom)
        for form, slope in (("{0} * (1 - {0})", lambda a: a * (1 - a)), ("1 - {0} ** 2", lambda a: 1 - a**2)):
            yield form.format(name) if name and name.isidentifier() else None, tuple(map(slope, outputs))


def slopes_of(values: Values) -> Iterator[Values]:
    """The slopes of a sigmoid and a tanh, at `values` and where these are what they give."""
    for function in (lambda v: v, lambda v: 1 / (1 + np.exp(-v)), np.tanh):
        with np.errstate(all="ignore"):
            outputs = tuple(map(function, values))
        yield tuple(a * (1 - a) for a in outputs)
        yield tuple(1 - a**2 for a in outputs)


def makes_another_slope(e: Explanation) -> bool:
    """Whether the statement multiplies by the slope of a sigmoid or a tanh, and the loss has no such slope."""
    bench, equations = e.case.bench, [e.case.bench.program.equations[index] for index in e.run]
    inside = {out for equation in equations for out in equation.outputs}
    atoms = dict.fromkeys(a for equation in equations for a in equation.inputs if isinstance(a, int))
    own = (atom for atom in atoms if atom not in inside and not e.case.depends_on(atom).isdisjoint(e.case.params))
    read = [bench.run.at(atom) for atom in own]
    read = [values for values in read if values[0].dtype.kind == "f" and not _relate.is_constant(values)]
    products = [equation for equation in equations if equation.name == "mul"]
    made = {a for equation in products for a in (*equation.inputs, *equation.outputs)}
    given = [bench.run.at(atom) for atom in inside if atom in made]
    for slope in (slope for values in read for slope in slopes_of(values) if e.case.slopes.find(slope) is None):
        fits = [values for values in read if values[0].shape == slope[0].shape]
        alike = [slope, *(tuple(s * v for s, v in zip(slope, values, strict=True)) for values in fits)]
        if any(v[0].shape == s[0].shape and _relate.same(v, s) for v in given for s in alike):
            return True
    return False
