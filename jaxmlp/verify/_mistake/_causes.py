"""Which mistake: what corrects the result of a statement, in words."""

import ast

import numpy as np

from .._line import _relate
from .._line._known import Quantity
from .._line._matching import snapped
from .._line._offers import Offer
from .._report import _words, _words_of_parts
from .._report._gradient_report import Finding
from ._another_pair import another_pair
from ._carried import lacks_its_matrix
from ._departures import departed as departed
from ._every_run import a_slope_in_each_run, another_factor_in_each_run
from ._explanation import Explanation
from ._losses import another_loss, of_a_function_of_it, wrong_output_and_sign
from ._names import joined
from ._operand import a_neighbour
from ._purpose import is_before_the_loss, reads_an_error, reads_its_mask
from ._relations import (
    another_factor,
    another_value,
    decides_nothing,
    is_of_another_condition,
    is_right_on_part_of_a_branch,
    related,
    related_by_a_slope,
    related_by_a_usual_slope,
    related_term,
)
from ._scales import by_a_factor, factor_of_a_number, times_the_slope
from ._shapes import reversed_order as reversed_order, transpose as transpose, unreduced as unreduced
from ._slopes import computes_no_slope, is_compared_with_data, is_used_as_a_value, wrong_slope
from ._softmax import has_only_the_diagonal, lacks_the_softmax, normalized as normalized
from ._terms import lacks_a_term, penalty_among, stale_operand
from ._undone import slope_alone, value_for_its_slope
from ._usual_slopes import makes_another_slope
from ._wanted import of_what_is_read


def stale(e: Explanation) -> Finding:
    parameter = e.stale_parameter(e.actual) or ""
    return _words.stale_weights(e.paths, used=e.name or parameter, instead=parameter, place=e.place(parameter))


def negated(e: Explanation) -> list[Finding]:
    return by_a_factor(e, -1.0)


def scale(e: Explanation) -> list[Finding]:
    if e.mistake.factor == 0:
        return [_words.double_counted(e.paths, place=e.place())]
    return by_a_factor(e, e.mistake.factor)


def times(e: Explanation) -> Finding:
    offer: Offer = e.facts["offer"]
    what, must = e.described(offer), None
    of_each_run = len(offer.values) > 1 and offer.name is None
    if _code(what) and e.mistake.factor == 1 and not of_each_run:
        form = f"({{}}) * {what}"
        must = joined(e.renames, form) if e.alias else e.joined(form)
    place = e.place(must)
    if _lacks_upstream(e, offer):
        return of_a_function_of_it(e) or _words.missing_upstream(e.paths, upstream=what, place=place)
    if offer.quantity is None or offer.quantity.kind != "slope" or e.is_a_factor(offer):
        return _words.missing_factor(e.paths, what=what, place=place)
    corrected = e.corrected()
    if corrected is not None and has_only_the_diagonal(e, corrected):
        return _words.softmax_diagonal(e.paths, place=place)
    if e.within is not None and of_each_run and e.case.passes_a_parameter(offer.quantity):
        # The error of another layer: a weight is missing as well.
        return _words.wrong_operand(e.paths, used=None, instead=None, place=e.place())
    is_a_slope = corrected is not None and e.case.slopes.find(corrected) is not None
    if corrected is not None and is_a_slope and e.case.each_cotangent.scale(corrected) is None:
        return wrong_slope(e, slope=e.case.names.slope(corrected), at=e.at(offer), place=place)
    if corrected is not None and e.is_of_another_place(offer, corrected):
        found = another_loss(e, corrected) or another_factor(e, e.actual, corrected)
        if found is not None:
            return found
    if decides_nothing(e, offer):
        return _words.wrong_mask(e.paths, place=e.place())
    return _words.missing_slope(e.paths, slope=what, at=e.at(offer), place=place)


def matrix(e: Explanation) -> Finding:
    offer: Offer = e.facts["offer"]
    what = f"{offer.name}.T" if e.facts["turned"] else offer.name
    form = f"{what} @ ({{}})" if e.facts["is_in_front"] else f"({{}}) @ {what}"
    return _words.missing_factor(
        e.paths, what=what, place=e.place(joined(e.text, form) if e.mistake.factor == 1 else None)
    )


def over(e: Explanation) -> Finding:
    offer: Offer = e.facts["offer"]
    what, expected = e.described(offer), e.corrected()
    if expected is not None and (found := value_for_its_slope(e, e.actual, expected)) is not None:
        return found
    if offer.quantity is None or offer.quantity.kind != "slope" or e.is_a_factor(offer):
        return _words.extra_factor(e.paths, what=what, place=e.place())
    return _words.extra_slope(e.paths, slope=what, at=e.at(offer), place=e.place())


def slope(e: Explanation) -> Finding | list[Finding]:
    offer: Offer = e.facts["offer"]
    what, corrected = e.described(offer), e.corrected()
    factor = None if corrected is None else _relate.multiple(corrected, e.actual)
    if factor is not None:  # the slope is there, in the wrong scale
        return by_a_factor(e, factor)
    masked = corrected is not None and _relate.is_another_mask(e.actual, corrected)
    if masked or reads_its_mask(e, offer.values[0]):
        return _words.wrong_mask(e.paths, place=e.place())
    found = None if corrected is None else related_by_a_usual_slope(e, e.actual, corrected)
    if found is not None and found.cause == "extra-activation-derivative":
        return found
    if corrected is not None and has_only_the_diagonal(e, corrected):
        return _words.softmax_diagonal(e.paths, place=e.place())
    if corrected is not None and (found := a_neighbour(e, corrected)) is not None:
        return found
    return wrong_slope(e, slope=what, at=e.at(offer), place=e.place(times_the_slope(e, offer, what)))


def known(e: Explanation) -> Finding | list[Finding]:
    offer: Offer = e.facts["offer"]
    quantity = offer.quantity
    assert quantity is not None
    expected = e.corrected() or quantity.values
    what = e.described(offer)
    if _relate.is_zero(e.actual):
        whole = all(_relate.is_zero(e.case.bench.run.at(e.case.bench.leaves[path])) for path in e.paths)
        if not whole:  # what is zero is only one term of these leaves
            return _words.missing_term(e.paths, place=e.place())
        return _words.zero_gradient(e.paths, place=e.place(_code(what)))
    if e.is_stale():
        return stale(e)
    if is_of_another_condition(e):
        return _words.wrong_mask(e.paths, place=e.place())
    if (number := factor_of_a_number(e, expected)) is not None:
        return by_a_factor(e, number)
    if e.facts.get("swallows"):
        return wrong_slope(e, slope=what, at=e.at(offer), place=e.place(what))
    if quantity.kind == "slope" and _relate.is_constant(e.actual) and not computes_no_slope(e):
        return _words.wrong_operand(e.paths, used=None, instead=None, place=e.place())  # of data, and no parameters
    is_a_cotangent = e.case.each_cotangent.scale(expected) is not None
    if quantity.kind == "slope" and is_a_cotangent and (found := related_by_a_slope(e, e.actual, expected)):
        return found
    if is_a_cotangent and (found := slope_alone(e, expected)):
        return found
    if quantity.kind == "slope":
        if (_is_mask(expected) and _relate.is_masked_constant(e.actual)) or _relate.is_another_mask(e.actual, expected):
            return _words.wrong_mask(e.paths, place=e.place(what))
        if _relate.is_constant(e.actual):
            return _words.missing_slope(e.paths, slope=what, at=e.at(offer), place=e.place(what))
        if is_used_as_a_value(e):
            return _words.wrong_forward(e.paths, place=e.place())
        return wrong_slope(e, slope=what, at=e.at(offer), place=e.place(what))
    if quantity.kind == "value" and is_a_cotangent:
        found = value_for_its_slope(e, e.actual, expected) or related(e, e.actual, expected)
        return found or _words.wrong_forward(e.paths, instead=what, place=e.place())
    if quantity.kind == "value" or (quantity.kind == "part" and is_before_the_loss(e)):
        return _words.wrong_forward(e.paths, instead=what, place=e.place())
    times = _relate.multiple(e.actual, expected)
    if times is not None and snapped(times) != 1:
        return by_a_factor(e, 1 / times)
    return _not_that_cotangent(e, quantity, expected, what)


def _not_that_cotangent(
    e: Explanation, quantity: Quantity, expected: tuple[np.ndarray, ...], what: str | None
) -> Finding | list[Finding]:
    place = e.place(_code(what) if _code(what) != e.name else None)
    if _relate.is_constant(e.actual):
        return _words.missing_upstream(e.paths, upstream=_code(what), place=place)
    if has_only_the_diagonal(e, expected):
        return _words.softmax_diagonal(e.paths, place=e.place())
    old = stale_operand(e)
    if old:
        return _words.stale_weights(e.paths, used=old[0], instead=old[1], place=e.place())
    if _relate.is_another_mask(e.actual, expected):
        return _words.wrong_mask(e.paths, place=e.place())
    if lacks_a_term(e, quantity):
        parameter = penalty_among(e, quantity)
        if parameter is not None:
            return _words.missing_regularization(e.paths, term=parameter, place=place)
        return _words.missing_term(e.paths, place=place)
    if is_compared_with_data(e):
        return _words.wrong_forward(e.paths, place=e.place())
    if (both := wrong_output_and_sign(e, expected)) is not None:
        return both
    found = (
        value_for_its_slope(e, e.actual, expected)
        or another_value(e, expected)
        or related_by_a_slope(e, e.actual, expected)
        or lacks_the_softmax(e, expected)
        or another_loss(e, expected)
        or of_a_function_of_it(e)
    )
    found = found or related(e, e.actual, expected)
    if found is not None:
        return found
    if _is_another_leaf(e):
        return _words.wrong_operand(e.paths, used=None, instead=None, place=place)
    if e.mistake.innocent and e.name and _code(what) and what != e.name:
        return _words.wrong_operand(e.paths, used=e.name, instead=what, place=place)
    found = related_term(e, expected) or of_what_is_read(e, quantity)
    if found is None and is_right_on_part_of_a_branch(e, expected):
        return _words.wrong_mask(e.paths, place=e.place())
    if found is None and makes_another_slope(e):
        return wrong_slope(e, place=e.place())
    found = found or a_slope_in_each_run(e) or another_factor_in_each_run(e) or another_pair(e, expected)
    found = found or lacks_its_matrix(e)
    if found is None and e.ignores_an_argument() and not reads_an_error(e):
        return _words.missing_upstream(e.paths, place=e.place())
    return found or _words.unknown(e.paths, place=place)


def _lacks_upstream(e: Explanation, offer: Offer) -> bool:
    upstream = offer.quantity is not None and offer.quantity.kind == "cotangent"
    upstream = upstream or any(map(e.case.is_of_a_cotangent, offer.variables[:1]))
    # `2 * (a - y)` is a cotangent and the slope of a square.
    upstream = upstream or (e.gives_a_slope() and e.case.each_cotangent.scale(offer.values[0]) is not None)
    return upstream or (_relate.is_constant(e.actual) and offer.name is not None and e.site.leaf is not None)


def plus(e: Explanation) -> Finding:
    offer: Offer = e.facts["offer"]
    what = e.described(offer)
    if offer.variables and set(offer.variables) <= set(e.case.params):
        return _words.missing_regularization(e.paths, term=what, place=e.place())
    if e.mistake.factor < 0 and offer.name:
        return _words.double_counted(e.paths, term=what, place=e.place())
    if offer.is_unread and offer.name == e.name and e.name is not None:
        return _words_of_parts.overwritten(e.paths, place=e.place())
    expected = e.corrected()
    if expected is not None and _relate.vanishes(e.actual, expected):
        return _words.zero_but_for_rounding(e.paths, place=e.place())
    found = None if offer.name or expected is None else slope_alone(e, expected) or related(e, e.actual, expected)
    return found or _words.missing_term(e.paths, term=what, place=e.place())


def returned(e: Explanation) -> Finding:
    offer: Offer = e.facts["offer"]
    if _relate.is_zero(e.actual):
        return _words.zero_gradient(e.paths, place=e.place(offer.name))
    if _relate.is_constant(e.actual):
        return _words.missing_upstream(e.paths, upstream=offer.name, place=e.place(offer.name))
    used = e.case.names.of(e.case.bench.program.equations[e.run[0]].inputs[0])
    if e.is_renamed and e.statement is not None and offer.name:
        is_one = not isinstance(getattr(e.statement.node, "targets", [None])[0], ast.Tuple)
        used = ast.unparse(getattr(e.statement.node, "value", e.statement.node)) if is_one else None
        return _words.wrong_operand(e.paths, used=used, instead=offer.name, place=e.place(offer.name))
    if used is None or offer.name is None or used == offer.name:
        return related(e, e.actual, offer.values[0]) or _words.unknown(e.paths, place=e.place())
    return _words.wrong_operand(e.paths, used=used, instead=offer.name, place=e.place())


def accumulated(e: Explanation) -> Finding:
    """What a loop makes anew in each of its runs, where the leaf is the sum of all of them."""
    made = e.case.source.assigned(e.paths[0])
    if made is not None:
        e.frame, e.statement = made
    return _words.missing_term(e.paths, place=e.place())


def _is_another_leaf(e: Explanation) -> bool:
    """Whether what is given is what belongs to another leaf."""
    bench = e.case.bench
    others = [path for path in bench.leaves if path not in e.paths]
    return any(
        e.actual[0].size == bench.truth[0][path].size
        and _relate.same(e.actual, tuple(leaves[path] for leaves in bench.truth))
        for path in others
    )


def leaf(e: Explanation) -> Finding | list[Finding]:
    [path] = e.paths
    expected = tuple(leaves[path] for leaves in e.case.bench.truth)
    if _relate.is_zero(e.actual):
        return _words.zero_gradient(e.paths, place=e.place())
    if e.actual[0].shape != expected[0].shape:
        return _words.wrong_shape(e.paths, e.actual[0].shape, expected[0].shape, place=e.place())
    if _relate.is_constant(e.actual):
        return _words.missing_upstream(e.paths, place=e.place())
    found = related(e, e.actual, expected)
    return found or of_what_is_read(e, None) or _words.unknown(e.paths, place=e.place())


def _is_mask(values: tuple[np.ndarray, ...]) -> bool:
    return all(np.isin(value, (0.0, 1.0)).all() for value in values)


def _code(text: str | None) -> str | None:
    """A description, if it is code of the user's."""
    return None if text is None or text.startswith("d(") else text
