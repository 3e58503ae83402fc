"""Another value was used than the one that belongs there: which of the mistakes that makes this is."""

import ast
from dataclasses import replace
from functools import partial

import numpy as np

from .._line import _relate
from .._line._bench import RIGHT
from .._line._matching import snapped
from .._line._offers import Offer
from .._line._patches import after, with_inputs
from .._line._relate import Values
from .._program._sites import wholes
from .._program._trace import Atom, Literal
from .._report import _words
from .._report._gradient_report import Finding
from .._report._words import Place
from .._verdict._accuracy import norm
from ._conditions import masked_otherwise
from ._explanation import Explanation
from ._names import line_of, with_name
from ._relations import lacks_the_slope, related, related_by_a_slope
from ._slopes import is_compared_with_data, is_used_as_a_value, wrong_slope
from ._stepped import stale_operand
from ._undone import value_for_its_slope
from ._usual_slopes import usual_slopes
from ._wanted import sum_for_a_product


def operand(e: Explanation) -> Finding:
    offer, atom = e.facts["offer"], e.facts["used"]
    used, instead = e.case.names.of(atom), e.described(offer)
    made = e.facts.get("made")
    if made is not None:  # whatever reads it
        place = replace(e.place_of(made), name=made.statement and made.statement.target)
        return _words.wrong_operand(e.paths, used=None, instead=None, place=place)
    corrected, program = e.corrected(), e.case.bench.program
    equation = program.equations[e.run[e.facts["uses"][0][0]]]
    decides = equation.name in ("gt", "ge", "lt", "le", "select_n")
    masked = masked_otherwise(e, e.actual, corrected) if decides and corrected is not None else None
    if masked is not None:
        return masked
    if isinstance(atom, int) and offer.quantity is not None and e.case.is_of_the_penalty(atom, offer.quantity):
        return _words.wrong_regularization(e.paths, term=used, place=e.place())
    turned = tuple(value.T for value in e.case.bench.run.at(atom))
    if turned[0].ndim == 2 and offer.shape == turned[0].shape and _relate.same(turned, offer.values[0]):
        return _words.transposed(e.paths, offer.shape[::-1], offer.shape, place=e.place())
    if offer.quantity is not None and offer.quantity.kind == "cotangent" and len(e.mistake.instances) > 1:
        words = partial(_words.missing_slope, slope=None)
        words = words if _is_but_for_a_slope(e) else partial(_words.wrong_operand, used=used, instead=instead)
        return words(e.paths, place=_with_operand(e, used, instead))
    if isinstance(atom, int) and (eps := _epsilon_between(e.case.bench.run.at(atom), offer.values[0])) is not None:
        place = _with_operand(e, used, f"({used} {'-+'[eps > 0]} {abs(eps):g})")
        return _words.epsilon(e.paths, eps=abs(eps), is_missing=eps > 0, place=place)
    if _is_done_twice(e, atom):
        return _words.wrong_forward(e.paths, place=_with_operand(e, used, instead))
    if isinstance(atom, int) and offer.quantity is not None:
        found = value_for_its_slope(e, e.case.bench.run.at(atom), offer.values[0])
        if found is not None:
            line = line_of(e.case.places[program.makers[atom]], e.case.source) if _is_made_wrongly(e, atom) else None
            return replace(found, line=line or found.line)
    # The derivative of the loss by what it is computed of is a cotangent, and no slope of an activation.
    is_another = corrected is not None and (
        e.case.forward.find(corrected) is not None or e.case.backward.find(corrected) is not None
    )
    if corrected is not None and e.case.slopes.find(corrected) is not None and not is_another:
        if is_used_as_a_value(e):
            return _words.wrong_operand(e.paths, used=used, instead=instead, place=_with_operand(e, used, instead))
        return wrong_slope(e, slope=None, at=instead, place=_with_operand(e, used, instead))
    if offer.quantity is not None and offer.quantity.kind == "slope" and not e.is_a_factor(offer):
        constant = isinstance(atom, Literal) or _relate.is_constant(e.case.bench.run.at(atom))
        found = None if constant else related_by_a_slope(e, e.case.bench.run.at(atom), offer.values[0])
        if found is not None:  # what was used is the slope of a part, as `2 * (a - y)` is of `(tanh(z) - y) ** 2`
            return found
        # `where(z > 0, d, 0.01 * d)` has a slope already.
        pieces = any(program.equations[index].name == "select_n" for index in e.run)
        place = _with_operand(e, used, instead)
        is_a_mask = _relate.is_a_mask(offer.values[0])
        if is_a_mask and isinstance(atom, int) and _relate.is_zero(e.case.bench.run.at(atom)):
            return _words.wrong_mask(e.paths, place=place)
        if isinstance(atom, int) and _relate.is_zero(e.case.bench.run.at(atom)) and _relate.is_zero(e.actual):
            return _words.zero_gradient(e.paths, place=place)
        if constant and not pieces:
            return _words.missing_slope(e.paths, slope=instead, at=e.at(offer), place=place)
        return wrong_slope(e, slope=instead, at=e.at(offer), place=place)
    if _is_given_the_activation(e) and not is_used_as_a_value(e):
        return wrong_slope(e, slope=None, at=instead, place=_with_operand(e, used, instead))
    of_one = offer.name is not None and e.case.bench.run.at(atom)[0].size == 1
    is_a_number = _relate.is_constant(tuple(value for values in offer.values for value in values)) and not of_one
    if equation.name in ("mul", "div") and is_a_number and not isinstance(atom, Literal):
        return _words.extra_factor(e.paths, what=used, place=e.place())  # nothing but a number belongs there
    if isinstance(atom, Literal) and equation.name == "mul" and used and with_name(e.site, used, used):
        return _words.missing_factor(e.paths, what=instead, place=e.place())  # beside the number that is written there
    if _makes_a_slope(e):
        return wrong_slope(e, at=instead, place=_with_operand(e, used, instead))
    if isinstance(atom, int) and _is_of_a_parameter(e, offer):
        if (old := stale_operand(e)) is not None:
            return _words.stale_weights(e.paths, used=old[0], instead=old[1], place=_with_operand(e, used, instead))
        sums = equation.name in ("mul", "div", "add", "sub")
        if sums and all(map(e.case.is_of_params_alone, equation.outputs)):  # no data: a term that a penalty adds
            return _words.wrong_regularization(e.paths, term=used, place=_with_operand(e, used, instead))
    if (
        not isinstance(atom, Literal)
        and _is_sent_back(e, atom)
        and e.case.forward.find(offer.values[0]) is None
        and lacks_the_slope(e, e.case.bench.run.at(atom), offer.values[0])
    ):
        return _words.missing_slope(e.paths, slope=None, place=_with_operand(e, used, instead))
    if used is None or instead is None or used == instead:
        found = None if isinstance(atom, Literal) else related(e, e.case.bench.run.at(atom), offer.values[0])
        if found is not None and found.cause == "extra-factor" and _are_of_the_forward_pass(e, atom, offer):
            found = None  # `(x - mean) / std` for `x - mean`: another value, of which the candidate may have no name
        is_extra = found is None or found.cause == "extra-factor"
        if is_extra and any(_relate.same(turned, slope) for _, slope in usual_slopes(e, turned[0].shape)):
            return _words.extra_slope(e.paths, slope=used, place=e.place())
        if found is None and is_compared_with_data(e):
            return _words.wrong_forward(e.paths, place=e.place())
        found = found or next(iter(sum_for_a_product(e) or ()), None)
        return found or _words.wrong_operand(e.paths, used=used, instead=instead, place=e.place())
    place = _with_operand(e, used, instead)
    if isinstance(atom, Literal):
        if e.is_parameter(offer):
            return _words.missing_factor(e.paths, what=instead, place=place)
        return _words.wrong_operand(e.paths, used=used, instead=instead, place=place)
    if _is_a_layer_off(e, e.case.bench.run.at(atom), offer):
        return _words.off_by_one_layer(e.paths, used=used, instead=instead, place=place)
    return _words.wrong_operand(e.paths, used=used, instead=instead, place=place)


_EPSILON = 0.01
"""What is added to keep a divisor from zero, at most."""


def _epsilon_between(used: Values, instead: Values) -> float | None:
    """The small number, the same throughout, that is added to one of several values to make the other."""
    if used[0].shape != instead[0].shape or used[0].size * len(used) < 3:
        return None
    added = np.concatenate([np.ravel(b - a) for a, b in zip(used, instead, strict=True)])
    number = float(added.mean())
    is_it = 0 < abs(number) <= _EPSILON and np.ptp(added) <= RIGHT * max(norm(value) for value in used)
    return snapped(number) if is_it and np.ptp(added) < 1e-3 * abs(number) else None


def _is_done_twice(e: Explanation, used: Atom) -> bool:
    """Whether a function of one value is taken of its own result where that of the value belongs: `exp(exp(z))`."""
    bench, makers = e.case.bench, e.case.bench.program.makers
    first, second = (makers.get(atom) if isinstance(atom, int) else None for atom in (used, e.out))
    if first is None or second is None:
        return False
    once, twice = (bench.program.equations[index] for index in (first, second))
    if once.name != twice.name or len(once.inputs) != 1 or twice.inputs != (used,):
        return False
    values = bench.run.at(once.inputs[0])
    return all(bench.is_right(path, {second: with_inputs([0], lambda point: values[point])}) for path in e.paths)


def _are_of_the_forward_pass(e: Explanation, used: Atom, offer: Offer) -> bool:
    """Whether both what is used and what belongs there are values of several numbers of the forward pass."""
    each = [e.case.bench.run.at(used), offer.values[0]]
    return all(values[0].size > 1 and e.case.forward.find(values) is not None for values in each)


def _is_of_a_parameter(e: Explanation, offer: Offer) -> bool:
    """Whether a value is a parameter or a part of one."""
    params, quantity = e.case.params, offer.quantity
    if quantity is not None and quantity.kind == "value" and quantity.variable is not None:
        program, variable = e.case.loss.program, e.case.in_the_loss(quantity).variable
        return variable is not None and any(v in program.inputs[: len(params)] for v in wholes(program, variable))
    own = e.case.bench.program
    return bool(offer.variables) and all(
        any(whole in params for whole in wholes(own, variable)) for variable in offer.variables
    )


def _is_given_the_activation(e: Explanation) -> bool:
    """Whether each run reads a number that an activation of the loss makes, where that which it makes it of belongs:
    the slope is taken at `a` and not at `z`.
    """
    knowledge, offer, program = e.case.knowledge, e.facts["offer"], e.case.bench.program
    if offer.quantity is None or offer.quantity.kind != "value" or len(e.mistake.instances) != len(offer.values):
        return False
    place, position = e.facts["uses"][0]
    atoms = [program.equations[run[place]].inputs[position] for run in e.mistake.instances]
    used, wanted = [*map(e.case.bench.run.at, atoms)], offer.values
    if len(used) < 2 or any(values[0].size > 1 for values in (*used, *wanted)):
        return False
    used, wanted = (tuple(np.ravel(np.stack(v)) for v in zip(*each, strict=True)) for each in (used, wanted))
    for (out, by), slope in knowledge.slopes.items():
        if by != offer.quantity.variable or out not in knowledge.values or e.case.is_arithmetic(slope):
            continue
        of, made = (tuple(map(np.ravel, knowledge.values[variable].values)) for variable in (by, out))
        # Which of the numbers each run must read is told at the first point, and holds at all.
        where = [np.flatnonzero(of[0] == number) for number in wanted[0]]
        if all(found.size for found in where):
            numbers = [found[0] for found in where]
            if _relate.same(used, tuple(value[numbers] for value in made)):
                return True
    return False


def _is_made_wrongly(e: Explanation, used: int) -> bool:
    """Whether the leaves are right as well where what makes a value gives the other one, whatever uses it."""
    bench, offer, factor = e.case.bench, e.facts["offer"], e.mistake.factor
    if used not in bench.program.makers:
        return False
    index, place = bench.program.made_by(used)
    patches = {index: after(place, lambda value, point: factor * offer.at(0, point))}
    return all(bench.is_right(path, patches) for path in e.paths)


def _is_but_for_a_slope(e: Explanation) -> bool:
    """Whether what is used is, in each run, an error that comes back, and lacks the slope alone: `out - y`, which is a
    value of the forward pass as well.
    """
    place, position = e.facts["uses"][0]
    program, known = e.case.bench.program, e.case.each_cotangent
    atoms = [program.equations[run[place]].inputs[position] for run in e.mistake.instances]
    each = list(zip(map(e.case.bench.run.at, atoms), e.facts["offer"].values, strict=True))
    return all(known.scale(used) is not None and lacks_the_slope(e, used, wanted) for used, wanted in each)


def a_neighbour(e: Explanation, expected: Values) -> Finding | None:
    """A product in which one value of the candidate's own stands where another of the same shape belongs."""
    for place, index in enumerate(e.run):
        equation = e.case.bench.program.equations[index]
        for position, atom in enumerate(equation.inputs if equation.name == "mul" else ()):
            used, name = e.case.bench.run.at(atom), e.case.names.of(atom)
            if name is None or used[0].shape != e.actual[0].shape or expected[0].shape != used[0].shape:
                continue
            with np.errstate(all="ignore"):
                needed = tuple(u * (b / a) for u, a, b in zip(used, e.actual, expected, strict=True))
            instead = e.case.names.equal(needed) if all(np.isfinite(n).all() for n in needed) else None
            if instead is not None and instead != name:
                where = _with_operand_at(e, ((place, position),), name, instead)
                return _words.wrong_operand(e.paths, used=name, instead=instead, place=where)
    return None


def _with_operand(e: Explanation, used: str | None, instead: str | None) -> Place:
    offer: Offer = e.facts["offer"]
    of_each_run = offer.name is None and len(offer.values) > 1
    if not used or not instead or e.mistake.factor != 1 or of_each_run:
        return e.place()
    return _with_operand_at(e, e.facts["uses"], used, instead)


def _with_operand_at(e: Explanation, uses: tuple[tuple[int, int], ...], used: str, instead: str) -> Place:
    [(place, position), *others] = uses
    node = None if others else e.expressions[e.run[place]]
    read = (node.left, node.right)[position] if isinstance(node, ast.BinOp) else None
    if read is not None and ast.unparse(read) == used:  # it may stand elsewhere as well, and be right there
        return e.place(e.rewritten(read, ast.parse(instead, mode="eval").body))
    return e.place(with_name(e.site, used, instead))


def _makes_a_slope(e: Explanation) -> bool:
    """Whether the operand is what a slope is taken at: with the right one, something in the statement is that slope, or
    a product of it with a number, as in `-2 * s * (1 - s) * (y - a)`.
    """
    bench, instance = e.case.bench, e.run
    corrected = [bench.values(instance, e.mistake.patches, k) for k in range(bench.count)]
    found = [values for values in corrected if values is not None]
    made = {variable: tuple(values[variable] for values in found) for variable in found[0]}
    products = {out for index in instance for out in _outputs_of(e, index, "mul")}
    slopes = [q.values for q in e.case.knowledge.quantities if q.kind == "slope" and not e.case.is_arithmetic(q)]
    return any(
        values[0].shape == slope[0].shape
        and abs(snapped(_relate.multiple(values, slope) or 0.0)) in ((0.5, 1, 2) if variable in products else (1,))
        for variable, values in made.items()
        if e.case.forward.find(values) is None
        for slope in slopes
    )


def _outputs_of(e: Explanation, index: int, name: str) -> tuple[int, ...]:
    equation = e.case.bench.program.equations[index]
    return equation.outputs if equation.name == name else ()


def _is_a_layer_off(e: Explanation, used: tuple[np.ndarray, ...], offer: Offer) -> bool:
    """Whether the two are what neighbouring matrix products of the loss read, or the loss's own output."""
    instead = tuple(offer.at(0, k) for k in range(e.case.bench.count))
    layers = e.case.layers

    def layer(values: tuple[np.ndarray, ...]) -> set[int]:
        return {n for n, operands in layers for o in operands if _relate.same(values, o)}

    mine, other = layer(used), layer(instead)
    if other and not mine:
        mine = {max(n for n, _ in layers) + 1} if e.is_output(used) else set()
    return any(abs(a - b) == 1 for a in mine for b in other)


def _is_sent_back(e: Explanation, used: int) -> bool:
    """Whether what is used goes through the parameters of a layer to the one before, and into no gradient of theirs."""
    equation = e.case.bench.program.equations[e.run[e.facts["uses"][0][0]]]
    others = [atom for atom in equation.inputs if isinstance(atom, int) and atom != used]
    return any(map(e.case.is_of_params_alone, others))
