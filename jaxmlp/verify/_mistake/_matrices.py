"""Which mistake: the right matrices in the wrong way, in words."""

import ast
from collections.abc import Callable

from .._line import _relate
from .._program._expressions import product as matrix_product, turned_before as with_axes_before
from .._report import _words, _words_of_parts
from .._report._gradient_report import Finding
from ._explanation import Explanation


def product(e: Explanation) -> Finding:
    shape, corrected = e.actual[0].shape, e.corrected()
    must = must_be(e, lambda node: matrix_product(node, swap=e.facts["swap"], turn=e.facts["turn"]))
    if corrected is None or not _relate.same(tuple(value.T for value in e.actual), corrected):
        return _words.transposed_within(e.paths, place=e.place(must))
    return _words.transposed(e.paths, shape, shape, place=e.place(must))


def elementwise(e: Explanation) -> Finding:
    bench, equations = e.case.bench, e.case.bench.program.equations
    multiplied = [i for i in e.run if i in e.mistake.patches]
    factors = [bench.run.at(atom) for index in multiplied for atom in equations[index].inputs]
    of_a_slope = any(e.case.slopes.find(values) is not None for values in factors)
    return _words.matrix_product(e.paths, of_a_slope=of_a_slope, place=e.place())


def turned_before(e: Explanation) -> Finding:
    must = must_be(e, lambda node: with_axes_before(node, e.facts["order"]))
    return _words_of_parts.reshaped(e.paths, order=e.facts["order"], place=e.place(must))


def edited(e: Explanation) -> ast.expr | None:
    """The expression that the correction changes, if it is one."""
    places = [index for index in e.run if index in e.edit.patches(1.0)]
    return e.expressions[places[0]] if len(places) == 1 else None


def must_be(e: Explanation, change: Callable[[ast.expr], ast.expr | None]) -> str | None:
    """What the statement assigns, with the expression changed that the correction is made in."""
    node = edited(e) if e.mistake.factor == 1 else None
    new = None if node is None else change(node)
    return None if node is None or new is None else e.rewritten(node, new)
