"""Which mistake, where a line multiplies more than it ought to, or less: told from what goes into it, and comes out."""

import numpy as np

from .._line import _relate
from .._line._relate import Values
from .._report import _words
from .._report._gradient_report import Finding
from ._explanation import Explanation


def lacks_a_slope_on_its_way(e: Explanation, expected: Values) -> Finding | None:
    """That a line makes a leaf of the error behind an activation, as if that were a straight line: `x.T @ (d @ w2.T)`
    for `x.T @ (d @ w2.T * slope)`, perhaps beside a penalty.
    """
    if e.actual[0].ndim != 2 or e.actual[0].shape != expected[0].shape:
        return None
    surplus = tuple(a - x for a, x in zip(e.actual, expected, strict=True))
    cotangents = e.case.knowledge.cotangents
    inputs = [quantity.values for quantity in e.case.knowledge.quantities if quantity.kind == "value"]
    for (behind, before), slope in e.case.knowledge.slopes.items():
        if behind not in cotangents or before not in cotangents or e.case.slopes.find(slope.values) is None:
            continue
        pairs = zip(cotangents[behind].values, cotangents[before].values, strict=True)
        errors = tuple(a - b for a, b in pairs if a.shape == b.shape and a.ndim == 2)
        for value in inputs if len(errors) == e.case.bench.count else ():
            for a, b in ((value, errors), (errors, value)):
                if a[0].ndim == b[0].ndim == 2 and _is_product(surplus, a, b):
                    return _words.missing_slope(e.paths, slope=e.case.names.slope(slope.values), place=e.place())
    return None


def _is_product(values: Values, a: Values, b: Values) -> bool:
    """Whether it is the product of two matrices, the examples in rows or in columns."""
    rows, columns = values[0].shape
    if (a[0].shape[1], b[0].shape[1]) == (rows, columns) and a[0].shape[0] == b[0].shape[0]:
        return _relate.same(tuple(x.T @ y for x, y in zip(a, b, strict=True)), values)
    if (a[0].shape[0], b[0].shape[0]) == (rows, columns) and a[0].shape[1] == b[0].shape[1]:
        return _relate.same(tuple(x @ y.T for x, y in zip(a, b, strict=True)), values)
    return False


def multiplies_in_vain(e: Explanation, expected: Values) -> Finding | None:
    """That a line multiplies what it reads, and ought to hand it on, but for a number: `d * exp(z) / n` for `d / n`."""
    bench, equations = e.case.bench, e.case.bench.program.equations
    if e.actual[0].size < 2 or e.actual[0].shape != expected[0].shape:
        return None
    products = [equations[index] for index in e.run if equations[index].name in ("mul", "div")]
    for atom in (atom for equation in products for atom in equation.inputs if atom in bench.program.makers):
        values = bench.run.at(atom)
        if values[0].shape == expected[0].shape and _relate.multiple(values, expected) is not None:
            with np.errstate(all="ignore"):
                factor = tuple(a / v for a, v in zip(e.actual, values, strict=True))
            if all(np.isfinite(f).all() for f in factor):
                return _words.extra_factor(e.paths, what=e.case.names.slope(factor), place=e.place())
    return None


def multiplies_by_itself(e: Explanation) -> Finding | None:
    """That a line multiplies by a parameter to make its gradient, which does not depend on it; what is added may be
    meant for a penalty.
    """
    [path, *others], equations = e.paths, [e.case.bench.program.equations[index] for index in e.run]
    own = [variable for variable, of in e.case.paths.items() if of == path]
    read = {atom for equation in equations for atom in equation.inputs}
    is_a_sum = any(equation.name in ("add", "add_any", "sub") for equation in equations)
    if others or is_a_sum or not own or own[0] not in read or e.case.has_a_penalty(path):
        return None
    return _words.wrong_operand(e.paths, used=e.case.params[own[0]], instead=None, place=e.place())
