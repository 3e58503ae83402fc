"""Which mistake: the right numbers in the wrong shape or order, in words."""

from .._report import _words
from .._report._gradient_report import Finding
from ._explanation import Explanation
from ._names import joined


def transpose(e: Explanation) -> Finding:
    shape = e.actual[0].shape
    return _words.transposed(e.paths, shape, shape[::-1], place=e.place(joined(e.text, "({}).T")))


def reversed_order(e: Explanation) -> Finding:
    return _words.reversed_order(e.paths, e.facts["axes"], place=e.place())


def unreduced(e: Explanation) -> Finding:
    actual = e.actual[0].shape
    expected = e.case.bench.truth[0][e.paths[0]].shape
    axes = e.facts["axes"]
    is_reduced = any(e.case.bench.program.equations[i].name == "reduce_sum" for i in e.run)
    if is_reduced and e.actual[0].size == e.case.bench.truth[0][e.paths[0]].size:
        return _words.wrong_shape(e.paths, actual, expected, place=e.place())
    return _words.missing_reduction(e.paths, actual=actual, expected=expected, axis=axes, place=e.place())
