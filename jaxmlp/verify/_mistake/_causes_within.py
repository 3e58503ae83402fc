"""Which mistake: what corrects something inside a statement, in words."""

import ast
from dataclasses import replace

from .._line import _relate
from .._line._matching import snapped
from .._program._expressions import (
    multiplied,
    on_the_other_side,
    reduced_by,
    reduced_otherwise,
    the_other_way_round,
)
from .._program._sites import wholes
from .._program._trace import Literal
from .._program._tree import leaf_of
from .._report import _words, _words_of_parts
from .._report._gradient_report import Finding
from ._brackets import brackets as brackets, inside as inside
from ._calls import gone_through_before
from ._explanation import Explanation
from ._instead import stale
from ._matrices import edited, elementwise as elementwise, must_be, product as product, turned_before as turned_before
from ._names import with_name
from ._operand import operand as operand
from ._places import elsewhere as elsewhere, same_part as same_part
from ._purpose import is_regularization, leads_to_a_slope
from ._scales import by_a_factor
from ._slopes import wrong_slope
from ._terms import error_that_a_term_lacks
from ._undone import value_for_its_slope
from ._usual_slopes import slopes_of
from ._weighed import weighed as weighed


_EPSILON = 0.01
"""A number up to this size, added where none belongs, is there to keep something from being zero."""


def number(e: Explanation) -> Finding | list[Finding]:
    old, below, correction = e.facts["number"], e.facts["below"], e.mistake.factor
    new = snapped(old / correction if below else old * correction)
    if e.is_stale():
        return stale(e)
    if is_regularization(e):
        return _words.wrong_regularization(e.paths, place=e.place())
    added = e.facts.get("equation") is not None and e.facts["equation"].name in ("add", "sub")
    if 0 < abs(old) <= _EPSILON and (correction == 0 or (added and 0 < abs(new) <= _EPSILON)):
        return _words.epsilon(e.paths, eps=old, place=e.place())
    if correction == 0 and (error := error_that_a_term_lacks(e)) is not None:
        return _words.missing_upstream(e.paths, upstream=e.case.names.of(error), place=e.place())
    if correction == 0:
        return _words.double_counted(e.paths, place=e.place())
    if _is_beside_a_parameter(e):
        return _words.wrong_regularization(e.paths, place=e.place())
    findings = by_a_factor(e, correction)
    corrected = e.corrected()
    if corrected is None or _relate.multiple(corrected, e.actual) is None:  # the number is in one term alone
        return [replace(finding, computes=None, must=None, fix=None) for finding in findings]
    if correction > 0 and (must := _with_number(e, old, new)) is not None:
        return by_a_factor(e, correction, must=must)
    return findings


def _with_number(e: Explanation, old: float, new: float) -> str | None:
    """What the statement assigns, with the right number."""
    node = edited(e)
    if node is None:
        return with_name(e.site, f"{old:g}", f"{new:g}")
    is_a_mean = e.facts["below"] and new == 1 and reduced_by(node)
    return e.rewritten(node, reduced_otherwise(node) if is_a_mean else multiplied(node, e.mistake.factor))


def _is_beside_a_parameter(e: Explanation) -> bool:
    """Whether the number multiplies what comes from parameters alone, in a statement that reads data too; perhaps after
    other numbers: `lam / m * 2 * w`.
    """
    program, equation = e.case.bench.program, e.facts.get("equation")
    has_a_penalty = any(map(e.case.has_a_penalty, e.paths))
    if equation is None or e.out is None or e.case.is_of_params_alone(e.out) or not has_a_penalty:
        return False
    factors = [atom for atom in equation.inputs if isinstance(atom, int)]
    while not any(not e.case.depends_on(atom).isdisjoint(e.case.params) for atom in factors):
        users = program.users.get(equation.outputs[0], ())
        if len(users) != 1 or users[0] not in e.run or program.equations[users[0]].name not in ("mul", "div"):
            break
        equation = program.equations[users[0]]
        factors += [atom for atom in equation.inputs if isinstance(atom, int)]
    read = set[int]().union(*map(e.case.depends_on, factors))
    data = (variable for variable in read.difference(e.case.params) if e.case.bench.run.at(variable)[0].ndim)
    return not read.isdisjoint(e.case.params) and not any(data)


def term(e: Explanation) -> Finding | list[Finding]:
    atom = e.facts["equation"].inputs[e.facts["operand"]]
    if e.is_stale():
        return stale(e)
    if isinstance(atom, int) and e.case.is_of_params_alone(atom):
        if _makes_others_wrong(e):
            return _words.wrong_forward(e.paths, place=e.place())
        return _words.wrong_regularization(e.paths, term=e.case.names.of(atom), place=e.place())
    if e.mistake.factor == 0:
        made = e.case.bench.run.at(e.facts["equation"].outputs[0])
        alone = isinstance(e.facts["equation"].inputs[1 - e.facts["operand"]], Literal)
        # Without its term nothing is left of `1 - a**2` but the 1.
        if alone and (e.case.slopes.find(made) is not None or _is_usual(e, made)):
            return _words.extra_slope(e.paths, slope=e.case.names.slope(made), place=e.place())
        parameter = _parameter_beside(e)
        if parameter is not None and not e.case.is_of_params_alone(atom):
            return _words.stale_weights(e.paths, used=e.name or parameter, instead=parameter, place=e.place())
        if (error := error_that_a_term_lacks(e)) is not None:
            return _words.missing_upstream(e.paths, upstream=e.case.names.of(error), place=e.place())
        return _words.double_counted(e.paths, term=e.case.names.of(atom), place=e.place())
    if e.mistake.factor in (1.0, -1.0):
        return _words.sign(e.paths, place=e.place())
    if _is_taken_from_one(e) and not e.case.is_of_params_alone(e.facts["equation"].outputs[0]):
        return wrong_slope(e, place=replace(e.place(), name=None))
    return by_a_factor(e, e.mistake.factor)


def _parameter_beside(e: Explanation) -> str | None:
    """The parameter that the term is added to, or to a number of it."""
    rest = e.facts["equation"].inputs[1 - e.facts["operand"]]
    found = (
        e.case.params[atom]
        for atom in wholes(e.case.bench.program, rest)
        if isinstance(atom, int) and atom in e.case.params
    )
    return next(found, None)


def _is_taken_from_one(e: Explanation) -> bool:
    """Whether the term stands in `1 - a**2`, the slope of a tanh: with a factor it is that of another value."""
    equation, other = e.facts["equation"], e.facts["equation"].inputs[1 - e.facts["operand"]]
    is_one = isinstance(other, Literal) and bool((other.value == 1).all())
    made = e.case.bench.run.at(equation.inputs[e.facts["operand"]])
    return equation.name == "sub" and is_one and made[0].size > 1 and all((value >= 0).all() for value in made)


def _makes_others_wrong(e: Explanation) -> bool:
    """Whether the terms of parameters alone make the gradients of other parameters wrong, as a bias of the forward pass
    does and no penalty on it.
    """
    equations = [e.case.bench.program.equations[index] for run in e.mistake.instances for index in run]
    terms = {atom for equation in equations if equation.name in ("add", "sub") for atom in equation.inputs}
    own = {atom for atom in terms if isinstance(atom, int) and e.case.is_of_params_alone(atom)}
    params = set(e.case.params) & set[int]().union(*map(e.case.depends_on, own))
    return not {leaf_of(path) for path in e.paths} <= {e.case.paths[variable] for variable in params}


def dropped(e: Explanation) -> Finding:
    atom = e.facts["dropped"]
    name, equation = e.case.names.of(atom), e.facts["equation"]
    values = e.case.bench.run.at(atom)
    if _relate.is_zero(values):
        return _words.zero_gradient(e.paths, place=e.place())
    if equation.name == "sub":
        if isinstance(atom, int) and e.case.is_of_params_alone(atom):
            return _words.wrong_regularization(e.paths, term=name, place=e.place())
        return _words.double_counted(e.paths, term=name, place=e.place())
    corrected = e.corrected()
    if corrected is not None and _relate.is_constant(corrected):
        return _words.extra_factor(e.paths, what=name, place=e.place())
    if equation.name in ("max", "min"):
        return _words.wrong_mask(e.paths, place=e.place())
    known = {q.kind for q in e.case.knowledge.quantities if _same(q.values, values)}
    # The sigmoid is the slope of a softplus, and of nothing where the forward pass has it as a value.
    is_usual = e.case.names.as_slope(values) is not None or _is_usual(e, values)
    is_slope = "slope" in known or ("value" not in known and is_usual)
    if is_slope and not any(_relate.same(values, e.case.bench.run.at(p)) for p in e.case.params):
        return _words.extra_slope(e.paths, slope=name or e.case.names.slope(values), place=e.place())
    return _words.extra_factor(e.paths, what=name, place=e.place())


def by_the_other(e: Explanation) -> Finding:
    """What lacks the factor that stands in the other branch, or was there before: the error that comes in, mostly."""
    other = e.facts["other"]
    name, each = e.case.names.of(other), [a for a in wholes(e.case.bench.program, other) if isinstance(a, int)]
    if any(map(e.case.is_of_a_cotangent, each)):
        return _words.missing_upstream(e.paths, upstream=name, place=e.place())
    return _words.missing_factor(e.paths, what=name, place=e.place())


def emptied(e: Explanation) -> Finding:
    """What one branch of a condition gives, where nothing but zero belongs."""
    branch = e.facts["branch"]
    if any(atom in e.case.params for atom in wholes(e.case.bench.program, branch)):
        return _words.wrong_regularization(e.paths, term=e.case.names.of(branch), place=e.place())
    if (error := error_that_a_term_lacks(e)) is not None:
        return _words.missing_upstream(e.paths, upstream=e.case.names.of(error), place=e.place())
    return _words.wrong_mask(e.paths, place=e.place())


def _same(one: _relate.Values, other: _relate.Values) -> bool:
    return one[0].shape == other[0].shape and _relate.same(one, other)


def _is_usual(e: Explanation, values: _relate.Values) -> bool:
    """Whether a factor is the slope of a sigmoid, a tanh or a relu at something that the statement reads."""
    read = (e.case.bench.run.at(atom) for index in e.run for atom in _read_by(e, index))
    alike = (v for v in read if v[0].shape == values[0].shape and v[0].dtype.kind == "f" and v[0].size > 1)
    slopes = [slope for v in alike for slope in (*slopes_of(v), tuple((each > 0).astype(each.dtype) for each in v))]
    return any(_relate.same(values, slope) for slope in slopes)


def begun_anew(e: Explanation) -> Finding:
    again = gone_through_before(e)
    if again is None:
        return _words.begun_anew(e.paths, place=e.place())
    return _words.extra_slope(e.paths, slope=e.case.names.slope(again[1]), place=e.place())


def put(e: Explanation) -> list[Finding]:
    return [replace(finding, computes=None, must=None, fix=None) for finding in by_a_factor(e, e.mistake.factor)]


def counted(e: Explanation) -> Finding:
    """A number of the examples belongs where another one, which was counted, divides."""
    if e.mistake.factor == 0:
        return _words.unknown(e.paths, place=e.place())
    number = snapped(1 / e.mistake.factor)
    if number in e.batches:
        return _words.counted_batch(e.paths, int(number), place=e.place())
    used = e.case.names.of(e.facts["equation"].inputs[1])
    return _words.wrong_operand(e.paths, used=used, instead=f"{number:g}", place=e.place())


def _read_by(e: Explanation, index: int) -> list[int]:
    """The variables that an equation reads."""
    return [atom for atom in e.case.bench.program.equations[index].inputs if isinstance(atom, int)]


def power(e: Explanation) -> Finding:
    old, new, expected = e.facts["equation"].params["y"], e.facts["exponent"], e.corrected()
    if expected is not None and (found := value_for_its_slope(e, e.actual, expected)) is not None:
        return found
    if min(old, new) < 1:
        return _words.unknown(e.paths, place=e.place())
    base = e.case.names.of(e.facts["equation"].inputs[0])
    return (_words.extra_factor if old > new else _words.missing_factor)(e.paths, what=base, place=e.place())


def inverted(e: Explanation) -> list[Finding]:
    equation, position = e.facts["equation"], e.facts["operand"]
    factor, divides = equation.inputs[position], equation.name == "div"
    place, node = e.place(must_be(e, lambda node: on_the_other_side(node, position))), edited(e)
    part = (node.left, node.right)[position] if isinstance(node, ast.BinOp) else None
    text = ast.unparse(part) if part is not None else e.case.names.of(factor)
    found = _words_of_parts.inverted(e.paths, part=text, divides=divides, place=place)
    if e.case.slopes.find(e.case.bench.run.at(factor)) is not None:
        found = wrong_slope(e, place=place)
    return [found] if e.mistake.factor == 1 else [found, *by_a_factor(e, e.mistake.factor)]


def added(e: Explanation) -> list[Finding]:
    found = [put_twice(e)]
    return found if e.mistake.factor == 1 else [*found, *by_a_factor(e, e.mistake.factor)]


def overwritten(e: Explanation) -> Finding:
    return _words.wrong_operand(e.paths, used=None, instead=None, place=e.place())


def put_twice(e: Explanation) -> Finding:
    return _words_of_parts.put_twice(e.paths, place=e.place())


def lacking(e: Explanation) -> Finding:
    corrected = e.corrected()
    if (corrected is not None and e.case.slopes.find(corrected) is not None) or leads_to_a_slope(e):
        return wrong_slope(e, place=e.place())
    return _words.missing_term(e.paths, place=e.place())


def mask(e: Explanation) -> Finding:
    equations = [e.case.bench.program.equations[index] for index in e.run]
    branches = [atom for equation in equations if equation.name == "select_n" for atom in equation.inputs[1:]]
    is_a_mask = all(map(_relate.is_constant, map(e.case.bench.run.at, branches)))
    if not is_a_mask and e.actual[0].size > 1 and leads_to_a_slope(e):  # `where(z > 0, z, 1.0)` lets nothing through
        return wrong_slope(e, place=e.place())
    return _words.wrong_mask(e.paths, place=e.place(must_be(e, the_other_way_round)))
