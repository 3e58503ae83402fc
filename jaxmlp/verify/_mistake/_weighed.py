"""Which mistakes: wrong factors in terms of a sum."""

import math
from dataclasses import replace

from .._line._matching import is_simple, snapped
from .._line._relate import Values, weights
from .._program._trace import Atom
from .._report import _words
from .._report._gradient_report import Finding
from .._report._words import Place
from ._explanation import Explanation
from ._names import line_of


def weighed(e: Explanation) -> list[Finding]:
    return [
        finding
        for term, factor in zip(e.facts["terms"], e.facts["factors"], strict=True)
        for finding in _of_a_term(e, term, factor)
    ]


def in_its_terms(e: Explanation, expected: Values) -> list[Finding]:
    """The factor that is wrong in some terms of a statement, if all of them add up to what is `expected` with another.

    As in the gradient through a batch norm, where the mean and the variance count something else than they ought to.
    """
    terms = [] if e.out is None else _terms(e, e.out, 1.0)
    each = [tuple(sign * value for value in e.case.bench.run.at(term)) for term, sign in terms]
    factors = [*map(snapped, weights(each, expected) or ())] if len(terms) > 1 else []
    wrong = {factor for factor in factors if factor != 1}
    if len(wrong) != 1 or 1 not in factors or not is_simple(factor := wrong.pop()) or not factor:
        return []
    return _by(e, factor, e.place(), part=True)


_PASSES = ("convert_element_type", "copy", "name")


def _terms(e: Explanation, atom: Atom, sign: float) -> list[tuple[Atom, float]]:
    """The terms that a statement adds up to a value, and their signs."""
    program = e.case.bench.program
    index = program.makers.get(atom) if isinstance(atom, int) else None
    if index is None or index not in e.run or program.equations[index].name not in ("add", "sub", "neg", *_PASSES):
        return [(atom, sign)]
    equation = program.equations[index]
    signs = (-sign,) if equation.name == "neg" else (sign, -sign if equation.name == "sub" else sign)
    return [term for read, its in zip(equation.inputs, signs, strict=False) for term in _terms(e, read, its)]


def _of_a_term(e: Explanation, term: Atom, factor: float) -> list[Finding]:
    """A sign, the batch size or another number; whatever it is, of a term of parameters it is the penalty's."""
    case, place = e.case, replace(e.place(), evidence=None)  # one line alone makes no leaf right
    makers = case.bench.program.makers
    made = case.places[makers[term]] if isinstance(term, int) and term in makers else None
    place = replace(place, line=line_of(made, case.source) if made else place.line, name=case.names.of(term))
    if isinstance(term, int) and case.is_of_params_alone(term):
        own = replace(e.place(), evidence=None)
        return [_words.wrong_regularization(e.paths, term=place.name, place=own)]
    return _by(e, factor, place, part=False)


def _by(e: Explanation, factor: float, place: Place, *, part: bool) -> list[Finding]:
    """The factor that is missing: of all that a line gives, or of a part of it."""
    signs = [_words.sign(e.paths, part=True, place=place)] if factor < 0 else []
    size = abs(factor)
    if size == 1:
        return signs
    for batch in e.batches:
        if any(math.isclose(size, count) for count in (batch, 1 / batch)):
            return [*signs, _words.scale_batch(e.paths, 1 / size, batch, part=part, place=place)]
    return [*signs, _words.scale_constant(e.paths, float(f"{1 / size:.6g}"), part=part, place=place)]
