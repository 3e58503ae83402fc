"""What a loop adds in each run but the first and carries from one to the next, as the error of a later step."""

import ast
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .._line import _relate
from .._line._offers import Offer
from .._line._relate import Values
from .._program._renamed import alias_after
from .._program._sites import results
from .._program._trace import Equation
from .._report import _words
from .._report._gradient_report import Finding
from ._explanation import Explanation
from ._names import line_of


def carries_what_is_wrong(e: Explanation, right: Sequence[bool]) -> bool:
    """Whether each run adds two values, one of which is zero in the runs that are `right` alone: what belongs there is
    not lacking in the others, but wrong.
    """
    equations = _sums(e)
    return all(equation.name in ("add", "add_any") for equation in equations) and [
        any(_relate.is_zero(e.case.bench.run.at(atom)) for atom in equation.inputs) for equation in equations
    ] == list(right)


def lacks_its_matrix(e: Explanation) -> Finding | None:
    """The error of a later step, carried without the matrix through which the forward pass carried the state."""
    offer: Offer | None = e.facts.get("offer")
    if offer is None or not 1 < len(e.mistake.instances) <= len(offer.values) or e.out is None or e.frame is None:
        return None
    run, equations = e.case.bench.run, _sums(e)
    right = [
        _relate.multiple(run.at(eq.outputs[0]), v) is not None for eq, v in zip(equations, offer.values, strict=False)
    ]
    if all(right) or not any(right) or not carries_what_is_wrong(e, right):
        return None
    first = right.index(False)  # only this one reads nothing of what another is wrong for
    for position, atom in enumerate(equations[first].inputs):
        other = run.at(equations[first].inputs[1 - position])
        if other[0].shape != offer.values[first][0].shape:
            continue
        wanted = tuple(e.mistake.factor * v - o for v, o in zip(offer.values[first], other, strict=True))
        what = _matrix(e, run.at(atom), wanted)
        if what is not None:
            name = e.case.names.of(atom)
            found = alias_after(e.case.source, e.frame, name, 0) if name else None
            frame, statement = found or (e.frame, e.statement)
            place = replace(e.place(), line=line_of(frame, e.case.source), name=statement and statement.target)
            return _words.missing_factor(e.paths, what=what, place=place)
    return None


def adds_in_every_run(e: Explanation) -> Finding | None:
    """A term that belongs to the first run alone, as the error of the last step does where only that step has an
    output, and is added in the others as well.
    """
    offer: Offer | None = e.facts.get("offer")
    if offer is None or not 1 < len(e.mistake.instances) <= len(offer.values):
        return None
    run, equations = e.case.bench.run, _sums(e)
    wanted = [tuple(e.mistake.factor * v for v in values) for values in offer.values[: len(equations)]]
    alike = [
        v[0].shape == w[0].shape and _relate.same(v, w)
        for v, w in zip((run.at(equation.outputs[0]) for equation in equations), wanted, strict=True)
    ]
    first = alike.index(False) if False in alike else 0  # only this one reads nothing of what another is wrong for
    if first == 0 or equations[first].name not in ("add", "add_any"):
        return None
    program = e.case.bench.program
    own = program.equations[program.makers[results(program, e.run)[0]]]
    for atom, other in zip(equations[first].inputs, own.inputs[::-1], strict=True):
        values = run.at(atom)
        if values[0].shape == wanted[first][0].shape and _relate.same(values, wanted[first]) and values[0].any():
            made = e.expressions.get(program.makers.get(other, -1)) if isinstance(other, int) else None
            term = e.case.names.of(other) or (ast.unparse(made) if made is not None else None)
            return _words.double_counted(e.paths, term=term, place=e.place())
    return None


def _matrix(e: Explanation, actual: Values, wanted: Values) -> str | None:
    """The parameter, as it is or transposed, whose product with `actual` is `wanted`."""
    for variable, name in e.case.params.items():
        matrix = e.case.bench.run.at(variable)
        if matrix[0].ndim != 2 or matrix[0].shape[0] != matrix[0].shape[1] or actual[0].ndim == 0:
            continue
        for text, each in ((f"{name}.T", tuple(m.T for m in matrix)), (name, matrix)):
            for front in (True, False):
                pairs = zip(each, actual, strict=True) if front else zip(actual, each, strict=True)
                products = [(a, b) for a, b in pairs if a.shape[-1] == b.shape[0 if b.ndim == 1 else -2]]
                made = tuple(np.matmul(a, b) for a, b in products)
                if len(made) == len(wanted) and made[0].shape == wanted[0].shape and _relate.same(made, wanted):
                    return text
    return None


def _sums(e: Explanation) -> list[Equation]:
    """The equation that makes the result of each run."""
    program = e.case.bench.program
    outs = [results(program, instance)[0] for instance in e.mistake.instances]
    return [program.equations[program.makers[out]] for out in outs]
