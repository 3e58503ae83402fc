"""Sums that lack a term, or a factor of one, and sums that are none of the backward pass."""

from itertools import product

import numpy as np

from .._line import _relate
from .._line._bench import Patch
from .._line._offers import Offer
from .._line._overwritten import PUTS
from .._line._quantities import Quantity
from .._line._rows import rows
from .._program._sites import results
from ._carried import carries_what_is_wrong
from ._explanation import Explanation


def lacks_a_term(e: Explanation, quantity: Quantity) -> bool:
    instances = range(len(e.mistake.instances))
    offer: Offer = e.facts["offer"]
    if len(offer.values) > 1:
        # Of a statement in a loop: some executions lack what others, the first or the last, do not have at all.
        outs = [results(e.case.bench.program, instance)[0] for instance in e.mistake.instances]
        actual = [e.case.bench.run.at(out) for out in outs]
        right = [_relate.multiple(actual[i], offer.values[i]) is not None for i in instances]
        return any(right) and not all(right) and not carries_what_is_wrong(e, right)
    if quantity.terms and _relate.missing_terms(e.actual, quantity.terms) is not None:
        return True
    if len(e.site.instances) > 1 and _is_right_in_the_last_rows(e):
        return True
    if _lacks_a_term_before_a_slope(e, quantity):
        return True
    return any(
        _relate.missing_terms(e.actual, terms) is not None
        for terms in _sums(e)
        if 1 < len(terms) <= 8 and terms[0][0].size == e.actual[0].size
    )


def _is_right_in_the_last_rows(e: Explanation) -> bool:
    """Whether the statement fills an array row by row, in a loop that goes back through its steps, and those rows alone
    are right that it begins with: nothing comes to them from later steps.
    """
    program, shape, expected = e.case.bench.program, e.actual[0].shape, e.corrected()
    if expected is None or shape != expected[0].shape:
        return False
    if not any(program.equations[index].name in PUTS for index in e.run):
        return False
    for axis in range(len(shape)):
        row = lambda values, n, axis=axis: tuple(np.take(value, n, axis) for value in values)
        right = [_relate.same(row(e.actual, n), row(expected, n)) for n in range(shape[axis])]
        if right[-1] and right == sorted(right) and not right[0]:
            return True
    return False


def penalty_among(e: Explanation, quantity: Quantity) -> str | None:
    """The parameter of which each term that is lacking is a multiple, where it is not zero."""
    missing = _relate.missing_terms(e.actual, quantity.terms) if quantity.terms else None
    for variable, name in e.case.params.items():
        values = e.case.bench.run.at(variable)
        if missing and values[0].size > 1 and values[0].shape == missing[0][0].shape:
            along = [tuple(np.where(t != 0, v, 0) for t, v in zip(term, values, strict=True)) for term in missing]
            if all(_relate.multiple(term, kept) is not None for term, kept in zip(missing, along, strict=True)):
                return name
    return None


def _lacks_a_term_before_a_slope(e: Explanation, quantity: Quantity) -> bool:
    """Whether a term is missing in the cotangent of an output, where that of the input is given: each has the slope."""
    for other in e.case.knowledge.cotangents.values():
        if len(other.terms) < 2 or other.values[0].shape != quantity.values[0].shape:
            continue
        with np.errstate(all="ignore"):
            slope = [q / o for q, o in zip(quantity.values, other.values, strict=True)]
        if not all(np.isfinite(s).all() for s in slope):
            continue
        terms = [tuple(t * s for t, s in zip(term, slope, strict=True)) for term in other.terms]
        if terms[0][0].size == e.actual[0].size and _relate.missing_terms(e.actual, terms) is not None:
            return True
    return False


def _sums(e: Explanation) -> list[list[tuple[np.ndarray, ...]]]:
    """The terms of each matrix product with a cotangent."""
    found = []
    cotangents = [q for q in e.case.knowledge.cotangents.values()]
    for equation in e.case.loss.program.equations:
        if equation.name != "dot_general" or not isinstance(equation.outputs[0], int):
            continue
        out = next((q for q in cotangents if q.variable == equation.outputs[0]), None)
        for position, atom in enumerate(equation.inputs):
            if out is None:
                continue
            (mine, other), batch = equation.params["dimension_numbers"]
            if any(batch):
                continue
            weights = e.case.loss.at(atom)
            free = [a for a in range(weights[0].ndim) if a not in (mine, other)[position]]
            lhs_free = e.case.loss.at(equation.inputs[0])[0].ndim - len(mine)
            start = 0 if position == 0 else lhs_free
            if len(free) == 1:
                found.append(list(_relate.contracted(weights, out.values, ((free[0],), (start,)))))
    return found


def adds_to_a_term(e: Explanation) -> bool:
    """Whether the statement adds something to the cotangent that one term of the loss has, other than that of a
    parameter, and no parameters.
    """
    equations, run = e.case.bench.program.equations, e.case.bench.run
    added = [atom for i in e.run if equations[i].name == "add" for atom in equations[i].inputs if isinstance(atom, int)]
    if any(map(e.case.is_of_params_alone, added)):
        return False
    inputs = e.case.loss.program.inputs
    each = [v for of_one in e.case.knowledge.of_each_term for variable, v in of_one.items() if variable not in inputs]
    quantities = [Quantity("cotangent", values) for values in each if values[0].size > 1]
    terms = [*quantities, *rows(quantities, e.case.batches)]
    return any(
        values[0].shape == term.values[0].shape
        and values[0].size > 1
        and _relate.multiple(values, term.values) is not None
        for values in map(run.at, added)
        for term in terms
    )


def is_of_one_term(e: Explanation) -> bool:
    """Whether the statement gives the cotangent that one term of the loss has, of which there are several."""
    each = (values for of_one in e.case.knowledge.of_each_term for values in of_one.values())
    return e.actual[0].size > 1 and any(
        values[0].shape == e.actual[0].shape and _relate.same(e.actual, values) for values in each
    )


def error_that_a_term_lacks(e: Explanation) -> int | None:
    """The cotangent that one term of a sum is multiplied by, and the other is not, if it serves with it as well as
    without that term: `d * (z > 0) + (z <= 0) * exp(z)`, where `d` is zero beside.
    """
    bench, equations = e.case.bench, e.case.bench.program.equations
    inside = {out for index in e.run for out in equations[index].outputs}
    read = dict.fromkeys(atom for index in e.run for atom in equations[index].inputs if isinstance(atom, int))
    errors = [atom for atom in read if atom not in inside and e.case.is_of_a_cotangent(atom)]
    sums = [index for index in e.run if equations[index].name == "add"]
    for index, error, position in product(sums, errors, (0, 1)):
        d = bench.run.at(error)
        if bench.run.at(equations[index].inputs[position])[0].shape != d[0].shape:
            continue
        patches: dict[int, Patch] = {
            index: lambda inputs, evaluate, read, point, d=d, p=position: evaluate(
                [value * d[point] if place == p else value for place, value in enumerate(inputs)]
            )
        }
        if all(bench.is_right(path, patches) for path in e.paths):
            return error
    return None


def sums_a_cotangent(e: Explanation) -> bool:
    """Whether the statement gives the sum of all numbers of a cotangent, or of some, which is a cotangent no more."""
    program, run, known = e.case.bench.program, e.case.bench.run, e.case.each_cotangent
    maker = program.makers.get(e.out) if e.out is not None else None
    if maker is None or program.equations[maker].name != "reduce_sum":
        return False
    values = run.at(program.equations[maker].inputs[0])
    return values[0].size > 1 and known.scale(values) is not None and known.scale(e.actual) is None
