"""Which mistakes: a wrong factor in each of the two terms of a sum."""

import math
from dataclasses import replace

from .._program._trace import Atom
from .._report import _words
from .._report._gradient_report import Finding
from ._explanation import Explanation
from ._names import line_of


def weighed(e: Explanation) -> list[Finding]:
    return [
        finding
        for term, factor in zip(e.facts["terms"], e.facts["factors"], strict=True)
        for finding in _of_a_term(e, term, factor)
    ]


def _of_a_term(e: Explanation, term: Atom, factor: float) -> list[Finding]:
    """A sign, the batch size or another number; whatever it is, of a term of parameters it is the penalty's."""
    case, place = e.case, replace(e.place(), evidence=None)  # one line alone makes no leaf right
    makers = case.bench.program.makers
    made = case.places[makers[term]] if isinstance(term, int) and term in makers else None
    place = replace(place, line=line_of(made, case.source) if made else place.line, name=case.names.of(term))
    if isinstance(term, int) and case.is_of_params_alone(term):
        own = replace(e.place(), evidence=None)
        return [_words.wrong_regularization(e.paths, term=place.name, place=own)]
    signs = [_words.sign(e.paths, part=True, place=place)] if factor < 0 else []
    size = abs(factor)
    if size == 1:
        return signs
    for batch in e.batches:
        if any(math.isclose(size, count) for count in (batch, 1 / batch)):
            return [*signs, _words.scale_batch(e.paths, 1 / size, batch, place=place)]
    return [*signs, _words.scale_constant(e.paths, float(f"{1 / size:.6g}"), place=place)]
