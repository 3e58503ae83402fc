"""Which mistake, where another value belongs in the place of all that a statement gives."""

import numpy as np

from .._line import _relate
from .._line._matching import snapped
from .._line._offers import Offer
from .._line._overwritten import PUTS, touched
from .._line._quantities import Quantity
from .._report import _words, _words_of_parts
from .._report._gradient_report import Finding
from ._another_pair import another_pair
from ._carried import adds_in_every_run, lacks_its_matrix
from ._conditions import is_of_another_condition, is_right_on_part_of_a_branch, masked_otherwise
from ._every_run import (
    a_factor_too_much,
    a_slope_in_each_run,
    another_factor_in_each_run,
    the_same_factor_in_each_run,
)
from ._explanation import Explanation
from ._losses import another_loss, of_a_function_of_it, wrong_output_and_sign
from ._names import as_code
from ._on_its_way import lacks_a_slope_on_its_way, multiplies_by_itself, multiplies_in_vain
from ._penalty import beside_a_term, beside_the_data, of_another_form
from ._purpose import is_before_the_loss, reads_an_error
from ._relations import another_value, pieces_by_a_slope, related, related_by_a_slope, related_term
from ._scales import by_a_factor, factor_of_a_number, of_data
from ._slopes import computes_no_slope, is_compared_with_data, is_used_as_a_value, wrong_slope
from ._softmax import has_only_the_diagonal, lacks_the_softmax
from ._stepped import stale_operand
from ._terms import adds_to_a_term, lacks_a_term, penalty_among, sums_a_cotangent
from ._undone import goes_through_again, multiplies_an_error_alone, slope_alone, value_for_its_slope
from ._usual_slopes import makes_another_slope
from ._wanted import of_what_is_read, slope_between, sum_for_a_product
from ._weighed import in_its_terms


def stale(e: Explanation) -> Finding:
    parameter = e.stale_parameter(e.actual) or ""
    return _words.stale_weights(e.paths, used=e.name or parameter, instead=parameter, place=e.place(parameter))


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
        return _words.zero_gradient(e.paths, place=e.place(as_code(what)))
    if e.is_stale():
        return stale(e)
    if e.case.each_cotangent.scale(expected) is not None and has_only_the_diagonal(e, expected):
        return _words.softmax_diagonal(e.paths, place=e.place())
    if is_of_another_condition(e):
        return _words.wrong_mask(e.paths, place=e.place())
    if (number := factor_of_a_number(e, expected)) is not None:
        return by_a_factor(e, number)
    if quantity.kind == "slope" and (found := of_data(e)):
        return found
    if quantity.kind == "slope" and (found := a_factor_too_much(e)) is not None:
        return found
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
        if _is_mask(expected) and _relate.is_masked_constant(e.actual):
            return _words.wrong_mask(e.paths, place=e.place(what))
        if (masked := masked_otherwise(e, e.actual, expected, place=e.place(what))) is not None:
            return masked
        if _relate.is_constant(e.actual):
            return _words.missing_slope(e.paths, slope=what, at=e.at(offer), place=e.place(what))
        if e.is_a_factor(offer) and not _relate.is_constant(quantity.values):
            if makes_another_slope(e):
                return wrong_slope(e, place=e.place(what))
            return _words.wrong_operand(e.paths, used=None, instead=None, place=e.place(what))
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
    place = e.place(as_code(what) if as_code(what) != e.name else None)
    if _relate.is_constant(e.actual):
        return _words.missing_upstream(e.paths, upstream=as_code(what), place=place)
    if has_only_the_diagonal(e, expected):
        return _words.softmax_diagonal(e.paths, place=e.place())
    old = stale_operand(e)
    if old:
        return _words.stale_weights(e.paths, used=old[0], instead=old[1], place=e.place())
    if (masked := masked_otherwise(e, e.actual, expected)) is not None:
        return masked
    if (found := the_same_factor_in_each_run(e)) is not None:
        return found
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
        adds_in_every_run(e)
        or value_for_its_slope(e, e.actual, expected)
        or another_value(e, expected)
        or related_by_a_slope(e, e.actual, expected)
        or lacks_the_softmax(e, expected)
        or another_loss(e, expected)
        or of_a_function_of_it(e)
    )
    found = found or related(e, e.actual, expected)
    if found is not None:
        return found
    if (sent_back := sum_for_a_product(e)) is not None:
        return sent_back
    if _is_another_leaf(e) or _is_the_total_of_another(e):
        return _words.wrong_operand(e.paths, used=None, instead=None, place=place)
    if e.mistake.innocent and e.name and as_code(what) and what != e.name:
        return _words.wrong_operand(e.paths, used=e.name, instead=what, place=place)
    if weighed := in_its_terms(e, expected):
        return weighed
    found = related_term(e, expected) or of_another_form(e, expected) or of_what_is_read(e, quantity)
    if found is None and is_right_on_part_of_a_branch(e, expected):
        return _words.wrong_mask(e.paths, place=e.place())
    if found is None and _must_be_zero_beside(e, expected):
        return _words.wrong_mask(e.paths, place=e.place())
    if found is None and makes_another_slope(e):
        return wrong_slope(e, place=e.place())
    found = found or a_slope_in_each_run(e) or another_factor_in_each_run(e) or another_pair(e, expected)
    found = found or lacks_its_matrix(e) or lacks_a_slope_on_its_way(e, expected) or multiplies_in_vain(e, expected)
    if found is None and e.ignores_an_argument() and not reads_an_error(e):
        return _words.missing_upstream(e.paths, place=e.place())
    found = found or multiplies_by_itself(e) or beside_the_data(e) or beside_a_term(e)
    if not found and (pieces := pieces_by_a_slope(e, expected)):
        return pieces
    found = found or goes_through_again(e, expected)
    if not found and slope_between(e, quantity) is None:
        found = multiplies_an_error_alone(e, expected)
    if not found and sums_a_cotangent(e):
        return _words.wrong_axis(e.paths, place=e.place())
    if not found and adds_to_a_term(e):
        return _words_of_parts.another_term(e.paths, place=e.place())
    return found or _words.unknown(e.paths, place=place)


def _must_be_zero_beside(e: Explanation, expected: tuple[np.ndarray, ...]) -> bool:
    """Whether another line puts numbers into what is given, and beside these nothing but zeros belongs."""
    program = e.case.bench.program
    users = program.users.get(e.out, ()) if e.out is not None else ()
    puts = [program.equations[user] for user in users if program.equations[user].name in PUTS]
    if len(puts) != 1 or len(users) != 1 or e.actual[0].shape != expected[0].shape:
        return False
    beside = ~touched(e.case.bench, puts[0])
    if beside.shape != e.actual[0].shape:  # it is what is put in
        return False
    return any(a[beside].any() for a in e.actual) and not any(x[beside].any() for x in expected)


def _is_the_total_of_another(e: Explanation) -> bool:
    """Whether what is given is one number, over and over, that all of a cotangent adds up to, or the mean of it."""
    if e.actual[0].size == 1 or any(np.ptp(values) > 0 for values in e.actual):
        return False
    given = tuple(values.flat[0] for values in e.actual)
    usual = {1.0, *map(float, e.batches), *(snapped(1 / batch) for batch in e.batches)}
    for cotangent in e.case.knowledge.cotangents.values():
        total = tuple(np.sum(values) for values in cotangent.values)
        if cotangent.values[0].size > 1 and (times := _relate.multiple(given, total)) and snapped(times) in usual:
            return True
    return False


def _is_another_leaf(e: Explanation) -> bool:
    """Whether what is given is what belongs to another leaf."""
    bench = e.case.bench
    others = [path for path in bench.leaves if path not in e.paths]
    return any(
        e.actual[0].size == bench.truth[0][path].size
        and _relate.same(e.actual, tuple(leaves[path] for leaves in bench.truth))
        for path in others
    )


def _is_mask(values: tuple[np.ndarray, ...]) -> bool:
    return all(np.isin(value, (0.0, 1.0)).all() for value in values)
