"""Which mistake, where a line multiplies more than it ought to, or less: told from what goes into it, and comes out."""

import numpy as np

from .._line import _relate
from .._line._bench import RIGHT
from .._line._relate import Values
from .._report import _words
from .._report._gradient_report import Finding
from .._verdict._accuracy import norm
from ._explanation import Explanation


def lacks_a_slope_on_its_way(e: Explanation, expected: Values) -> Finding | None:
    """That a line makes a leaf of the error behind an activation, as if that were a straight line: `x.T @ (d @ w2.T)`
    for `x.T @ (d @ w2.T * slope)`, perhaps beside a penalty.
    """
    if e.actual[0].ndim != 2 or e.actual[0].shape != expected[0].shape:
        return None
    surplus = tuple(a - x for a, x in zip(e.actual, expected, strict=True))
    cotangents, products = e.case.knowledge.cotangents, _Products(e, surplus)
    for (behind, before), slope in e.case.knowledge.slopes.items():
        if behind not in cotangents or before not in cotangents or e.case.slopes.find(slope.values) is None:
            continue
        pairs = zip(cotangents[behind].values, cotangents[before].values, strict=True)
        errors = tuple(a - b for a, b in pairs if a.shape == b.shape and a.ndim == 2)
        if len(errors) == e.case.bench.count and products.are_made_of(errors):
            return _words.missing_slope(e.paths, slope=e.case.names.slope(slope.values), place=e.place())
    return None


class _Products:
    """What may be the product of a value of the loss, with the examples in rows or in columns, and of errors."""

    def __init__(self, e: Explanation, wanted: Values) -> None:
        self.wanted = wanted
        self.near = RIGHT * norm(np.concatenate([w.ravel() for w in wanted]))
        self.by_shape: dict[tuple[int, ...], list[Values]] = {}
        for values in (q.values for q in e.case.knowledge.quantities if q.kind == "value" and q.values[0].ndim == 2):
            self.by_shape.setdefault(values[0].shape, []).append(values)
        self.first = {shape: np.stack([values[0] for values in each]) for shape, each in self.by_shape.items()}

    def are_made_of(self, errors: Values) -> bool:
        """Whether the wanted matrix is a value's product with these errors, in either order."""
        rows, columns = self.wanted[0].shape
        n, m = errors[0].shape
        turned = tuple(w.T for w in self.wanted)
        return (
            (m == columns and self._is_one((n, rows), errors, self.wanted, is_in_rows=True))
            or (m == rows and self._is_one((n, columns), errors, turned, is_in_rows=True))
            or (n == columns and self._is_one((rows, m), errors, self.wanted, is_in_rows=False))
            or (n == rows and self._is_one((columns, m), errors, turned, is_in_rows=False))
        )

    def _is_one(self, shape: tuple[int, int], errors: Values, wanted: Values, *, is_in_rows: bool) -> bool:
        """Whether `wanted` is `v.T @ errors`, or `v @ errors.T`, of a value of this shape: first by one number of it,
        for all of them at once.
        """
        if shape not in self.first:
            return False
        stack = self.first[shape]
        corner = stack[:, :, 0] @ errors[0][:, 0] if is_in_rows else stack[:, 0] @ errors[0][0]
        for k in np.flatnonzero(np.abs(corner - wanted[0][0, 0]) <= self.near):
            pairs = zip(self.by_shape[shape][k], errors, strict=True)
            if _relate.same(tuple(v.T @ d if is_in_rows else v @ d.T for v, d in pairs), wanted):
                return True
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
