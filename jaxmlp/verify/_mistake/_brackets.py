"""Which mistake: brackets around a term too much, or around one too few."""

import numpy as np

from .._line._relate import Values
from .._program._expressions import with_brackets, without_brackets
from .._program._trace import Atom, Literal
from .._report import _words, _words_of_parts
from .._report._gradient_report import Finding
from ._explanation import Explanation


def brackets(e: Explanation) -> Finding:
    """A term that is multiplied by what multiplies the others, or is not: a slope, a penalty's term, or a factor."""
    moved, factor = e.facts["moved"], _factor(e)
    is_too_much = e.facts["product"] is not None
    place = e.place(_must(e))
    if all(isinstance(atom, int) and _is_of_a_penalty(e, atom) for atom in moved):
        return _words.wrong_regularization(e.paths, term=e.case.names.of(moved[0]), place=place)
    name = e.case.names.slope(factor)
    if e.case.slopes.find(factor) is not None:
        return (_words.extra_slope if is_too_much else _words.missing_slope)(e.paths, slope=name, place=place)
    return (_words.extra_factor if is_too_much else _words.missing_factor)(e.paths, what=name, place=place)


def inside(e: Explanation) -> Finding:
    """A factor of all that the statement gives, which belongs to a value that it sums."""
    by, value = (e.case.names.of(e.facts[which]) for which in ("factor", "inside"))
    return _words_of_parts.factor_inside(e.paths, by=by, value=value, place=e.place())


def _is_of_a_penalty(e: Explanation, term: int) -> bool:
    """Whether a term comes of the parameter whose gradient is wrong, and of no other."""
    own = {parameter for parameter, path in e.case.paths.items() if path in e.paths}
    return len(own) == 1 and e.case.depends_on(term) & set(e.case.params) == own


def _factor(e: Explanation) -> Values:
    """What a term is multiplied by and must not be, or must be and is not."""
    bench, by = e.case.bench, e.facts["factor"]
    alike = bench.program.equations[e.run[e.facts["sum"]]].outputs[0]

    def at(point: int) -> np.ndarray:
        def read(atom: Atom) -> np.ndarray:
            return atom.value if isinstance(atom, Literal) else bench.run.at(atom)[point]

        return by(np.ones_like(bench.run.at(alike)[point]), read)

    return tuple(map(at, range(bench.count)))


def _must(e: Explanation) -> str | None:
    """What the statement assigns, with the brackets where they belong."""
    total, product = (None if e.facts[at] is None else e.expressions[e.run[e.facts[at]]] for at in ("sum", "product"))
    if total is None:
        return None
    if e.facts["product"] is None:
        new = with_brackets(total, e.facts["term"]) if e.facts["is_last"] else None
        return None if new is None else e.rewritten(total, new)
    new = None if product is None else without_brackets(product, total, e.facts["term"])
    return None if product is None or new is None else e.rewritten(product, new)
