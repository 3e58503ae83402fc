"""Which mistake: what corrects the result of a statement, in words."""

import ast
from itertools import permutations

from .._line import _relate
from .._line._bench import Patch
from .._line._offers import Offer
from .._line._patches import with_inputs
from .._report import _words, _words_of_parts
from .._report._gradient_report import Finding
from ._conditions import asks_another_layer, decides_nothing, masked_otherwise
from ._departures import departed as departed
from ._explanation import Explanation
from ._instead import known as known
from ._losses import another_loss, of_a_function_of_it
from ._names import as_code, joined
from ._on_its_way import lacks_a_slope_on_its_way, multiplies_by_itself
from ._operand import a_neighbour
from ._penalty import beside_a_term, beside_the_data
from ._purpose import reads_its_mask
from ._relations import another_factor, related, related_by_a_usual_slope
from ._scales import by_a_factor, of_data, times_the_slope
from ._shapes import reversed_order as reversed_order, transpose as transpose, unreduced as unreduced
from ._slopes import wrong_slope
from ._softmax import has_only_the_diagonal, normalized as normalized
from ._terms import is_of_one_term
from ._undone import slope_alone, value_for_its_slope
from ._wanted import of_what_is_read


def negated(e: Explanation) -> list[Finding]:
    return by_a_factor(e, -1.0)


def scale(e: Explanation) -> list[Finding]:
    if e.mistake.factor == 0:
        return [_words.double_counted(e.paths, place=e.place())]
    return by_a_factor(e, e.mistake.factor)


def times(e: Explanation) -> Finding | list[Finding]:
    offer: Offer = e.facts["offer"]
    what, must = e.described(offer), None
    of_each_run = len(offer.values) > 1 and offer.name is None
    if as_code(what) and e.mistake.factor == 1 and not of_each_run:
        form = f"({{}}) * {what}"
        must = joined(e.renames, form) if e.alias else e.joined(form)
    place = e.place(must)
    if _lacks_upstream(e, offer):
        return of_a_function_of_it(e) or _words.missing_upstream(e.paths, upstream=what, place=place)
    corrected = e.corrected()
    if (found := _of_another_value(e, offer)) is not None:
        return found
    if offer.quantity is not None and offer.quantity.kind == "slope" and (found := of_data(e)):
        return found
    if offer.quantity is None or offer.quantity.kind != "slope" or e.is_a_factor(offer):
        if corrected is not None and _stands_for_an_error(e, corrected):
            upstream = e.case.names.equal(corrected)
            return _words.missing_upstream(e.paths, upstream=upstream, place=e.place(as_code(upstream)))
        return _words.missing_factor(e.paths, what=what, place=place)
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
    if asks_another_layer(e):
        return wrong_slope(e, slope=what, at=e.at(offer), place=e.place())
    if decides_nothing(e, offer):
        return _words.wrong_mask(e.paths, place=e.place())
    return _words.missing_slope(e.paths, slope=what, at=e.at(offer), place=place)


def _of_another_value(e: Explanation, offer: Offer) -> Finding | None:
    """That an operand is used in the place of a value of the forward pass, if what is missing makes it that: `z` times
    the slope of a leaky relu is its output, and the mask of a relu times that output the output itself.
    """
    equations, bench = e.case.bench.program.equations, e.case.bench
    made = {out for index in e.run for out in equations[index].outputs}
    for atom in dict.fromkeys(atom for index in e.run for atom in equations[index].inputs if atom not in made):
        values = bench.run.at(atom)
        if len(offer.values) > 1 or values[0].shape != offer.shape or values[0].size < 2:
            continue
        then = tuple(v * offer.at(0, k) for k, v in enumerate(values))
        if _relate.same(then, values) or e.case.forward.find(then) is None:
            continue
        patches: dict[int, Patch] = {}
        for index in e.run:
            positions = [p for p, each in enumerate(equations[index].inputs) if each == atom]
            if positions:
                patches[index] = with_inputs(positions, lambda point, then=then: then[point])
        if all(bench.is_right(path, patches) for path in e.paths):
            used, instead = e.case.names.of(atom), e.case.names.equal(then)
            used, instead = (used, instead) if used != instead else (None, None)
            return _words.wrong_operand(e.paths, used=used, instead=instead, place=e.place())
    return None


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
    if corrected is not None and (masked := masked_otherwise(e, e.actual, corrected)) is not None:
        return masked
    if reads_its_mask(e, offer.values[0]):
        return _words.wrong_mask(e.paths, place=e.place())
    if offer.quantity is not None and e.case.is_of_data(offer.quantity):
        beside = _beside(e, offer)
        used = None if beside is None else e.case.names.of(beside)
        return _words.wrong_operand(e.paths, used=used, instead=what, place=e.place())
    found = None if corrected is None else related_by_a_usual_slope(e, e.actual, corrected)
    if found is not None and found.cause == "extra-activation-derivative":
        return found
    if corrected is not None and has_only_the_diagonal(e, corrected):
        return _words.softmax_diagonal(e.paths, place=e.place())
    if corrected is not None and (found := a_neighbour(e, corrected)) is not None:
        return found
    return wrong_slope(e, slope=what, at=e.at(offer), place=e.place(times_the_slope(e, offer, what)))


def _beside(e: Explanation, offer: Offer) -> int | None:
    """What the statement multiplies by in the place of a factor."""
    program = e.case.bench.program
    expected = e.corrected()
    products = [program.equations[index] for index in e.run if program.equations[index].name == "mul"]
    for used, other in [(a, b) for product in products for a, b in permutations(product.inputs)]:
        values = e.case.bench.run.at(other)
        if isinstance(used, int) and expected is not None and values[0].shape == offer.shape:
            if _relate.same(tuple(v * offer.at(0, k) for k, v in enumerate(values)), expected):
                return used
    return None


def _stands_for_an_error(e: Explanation, corrected: _relate.Values) -> bool:
    """Whether ones, or other numbers that are all the same, stand where a cotangent belongs."""
    is_alike = e.actual[0].size > 1 and _relate.is_constant(e.actual) and not _relate.is_constant(corrected)
    return is_alike and e.case.each_cotangent.scale(corrected) is not None


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
    if found is not None and found.cause == "wrong-operand" and is_of_one_term(e):
        found = None
    return found or _words.missing_term(e.paths, term=what, place=e.place())


def returned(e: Explanation) -> Finding:
    offer: Offer = e.facts["offer"]
    if _relate.is_zero(e.actual):
        return _words.zero_gradient(e.paths, place=e.place(offer.name))
    if _relate.is_constant(e.actual):
        return _words.missing_upstream(e.paths, upstream=offer.name, place=e.place(offer.name))
    if e.alias:
        return _words.wrong_operand(e.paths, used=e.renames, instead=offer.name, place=e.place())
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


def leaf(e: Explanation) -> Finding | list[Finding]:
    [path] = e.paths
    expected = tuple(leaves[path] for leaves in e.case.bench.truth)
    if _relate.is_zero(e.actual):
        return _words.zero_gradient(e.paths, place=e.place())
    if e.actual[0].shape != expected[0].shape:
        return _words.wrong_shape(e.paths, e.actual[0].shape, expected[0].shape, place=e.place())
    if _relate.is_constant(e.actual):
        return _words.missing_upstream(e.paths, place=e.place())
    found = related(e, e.actual, expected) or of_what_is_read(e, None)
    if found is None and e.alias:
        return _words.wrong_operand(e.paths, used=e.renames, instead=None, place=e.place())
    found = found or lacks_a_slope_on_its_way(e, expected) or multiplies_by_itself(e)
    return found or beside_the_data(e) or beside_a_term(e) or _words.unknown(e.paths, place=e.place())
