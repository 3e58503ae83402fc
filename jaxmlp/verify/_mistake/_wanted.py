"""Which mistake: told from what a statement reads, and from what it must give of that."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from .._line import _relate
from .._line._bench import Patch, RIGHT
from .._line._patches import with_inputs
from .._line._quantities import Quantity
from .._line._relate import Values
from .._report import _words, _words_of_parts
from .._report._gradient_report import Finding
from .._verdict._accuracy import norm
from ._class_numbers import class_numbers
from ._conditions import is_masked_in_vain
from ._explanation import Explanation
from ._penalty import of_a_penalty
from ._slopes import wrong_slope


_MOVES = frozenset("scatter scatter-add gather slice dynamic_slice dynamic_update_slice pad".split())
"""Operations that put or find elements at a place that is told them."""


def of_what_is_read(e: Explanation, quantity: Quantity | None) -> list[Finding] | None:
    """The mistake, if it is one of those below; `quantity` is what the statement must give, where that is known."""
    found = of_a_penalty(e) or _operand(e) or _one_term_too_many(e) or _product_for_a_sum(e) or _another_product(e)
    if found:
        return found
    if (numbers := class_numbers(e)) is not None:
        return [numbers]
    if _lacks_a_product(e):
        return [_words.missing_term(e.paths, place=e.place())]
    expected = e.corrected()
    if expected is not None and is_masked_in_vain(e, expected):
        return [_words.wrong_mask(e.paths, place=e.place())]
    slope = slope_between(e, quantity) if quantity is not None and quantity.kind == "cotangent" else None
    if slope is not None:
        return [wrong_slope(e, slope=e.case.names.known(slope), place=e.place())]
    if _is_displaced(e):
        return [_words.wrong_operand(e.paths, used=None, instead=None, place=e.place())]
    return _gradient_sent_back(e)


def _read(e: Explanation) -> dict[int, list[tuple[int, int]]]:
    """The floating values that the first run of the statement computes with, each with the equations and positions."""
    program, instance = e.case.bench.program, e.run
    inside = {out for index in instance for out in program.equations[index].outputs}
    uses: dict[int, list[tuple[int, int]]] = {}
    for index in instance:
        compares = program.equations[index].name in ("gt", "ge", "lt", "le", "eq", "ne")
        for position, atom in enumerate(() if compares else program.equations[index].inputs):
            if isinstance(atom, int) and atom not in inside and e.case.bench.run.at(atom)[0].dtype.kind == "f":
                uses.setdefault(atom, []).append((index, position))
    return uses


def _operand(e: Explanation) -> list[Finding] | None:
    """A slope, or another factor, that is missing in something that the statement reads."""
    bench, expected = e.case.bench, e.corrected()
    if expected is None or expected[0].size < 2:
        return None
    for atom, uses in _read(e).items():
        values = bench.run.at(atom)
        for words, factor in _factors(e, values):
            given = tuple(v * f for v, f in zip(values, factor, strict=True))
            positions: dict[int, list[int]] = {}
            for index, position in uses:
                positions.setdefault(index, []).append(position)
            patches = {i: with_inputs(at, lambda point, given=given: given[point]) for i, at in positions.items()}
            made = [bench.values(e.run, patches, k) for k in range(bench.count)]
            result = tuple(each[e.out] for each in made if each is not None and e.out in each)
            if len(result) == bench.count and _relate.multiple(result, expected) is not None:
                return [words()]
    return None


def _factors(e: Explanation, values: Values) -> Iterator[tuple[Any, Values]]:
    """What may be missing as a factor in `values`: first the slopes, then what has a name."""
    case = e.case
    for q in e.quantities():
        if q.kind == "slope" and _core(q.values) == _core(values) and not case.is_arithmetic(q):
            named = lambda q=q: _words.missing_slope(e.paths, slope=case.names.known(q), at=_at(e, q), place=e.place())
            yield named, tuple(v.reshape(o.shape) for v, o in zip(q.values, values, strict=True))
    for q in e.quantities():
        if q.kind == "cotangent" and _core(q.values) == _core(values):
            named = lambda q=q: _lacks_an_error(e, q)
            yield named, tuple(v.reshape(o.shape) for v, o in zip(q.values, values, strict=True))
    for variable, name in case.names.by_variable.items():
        factor = case.bench.run.at(variable)
        if factor[0].dtype.kind == "f" and factor[0].size > 1 and factor[0].shape == values[0].shape:
            yield lambda name=name: _words.missing_factor(e.paths, what=name, place=e.place()), factor


def _lacks_an_error(e: Explanation, error: Quantity) -> Finding:
    """That an error is missing; of one that is 1 or -1 where it is let through, only where it is not."""
    if _relate.is_a_mask(tuple(map(np.abs, error.values))) and not all(value.all() for value in error.values):
        return _words.wrong_mask(e.paths, place=e.place())
    return _words.missing_upstream(e.paths, upstream=e.case.names.equal(error.values), place=e.place())


def _core(values: Values) -> list[int]:
    return [n for n in values[0].shape if n != 1]


def _at(e: Explanation, slope: Quantity) -> str | None:
    return e.case.names.known(e.case.value(slope.by)) if slope.by is not None else None


def slope_between(e: Explanation, wanted: Quantity) -> Quantity | None:
    """The slope of the activation between a cotangent that the statement has and that which it must give."""
    knowledge, program = e.case.knowledge, e.case.bench.program
    if wanted.variable is None:
        return None
    ends = set(knowledge.alike(wanted))
    starts = {
        pair[0]: slope
        for pair, slope in knowledge.slopes.items()
        if pair[1] in ends and np.ptp(slope.values[0]) > 0 and not e.case.is_arithmetic(slope)
    }
    inside = [out for index in e.run for out in program.equations[index].outputs]
    for atom in (*_read(e), *inside) if starts else ():
        values = e.case.bench.run.at(atom)
        scale = e.case.each_cotangent.scale(values)
        found = None if scale is None else e.case.each_cotangent.find(values, (scale,))
        for variable in knowledge.alike(found) if found is not None else ():
            if variable in starts:
                return starts[variable]
    return None


def _lacks_a_product(e: Explanation) -> bool:
    """Whether the product of two values that the statement computes with is all that is missing in what it gives."""
    expected, program = e.corrected(), e.case.bench.program
    if expected is None or expected[0].shape != e.actual[0].shape or expected[0].size < 2:
        return False
    missing = tuple(b - a for a, b in zip(e.actual, expected, strict=True))
    inside = [out for index in e.run for out in program.equations[index].outputs]
    values = [e.case.bench.run.at(atom) for atom in (*_read(e), *inside)]
    values = [v for v in values if v[0].dtype.kind == "f"]
    for position, first in enumerate(values):
        for second in values[: position + 1]:
            try:
                product = tuple(np.broadcast_to(a * b, m.shape) for a, b, m in zip(first, second, missing, strict=True))
            except ValueError:
                continue
            if _relate.multiple(missing, product) is not None:
                return True
    return False


def _one_term_too_many(e: Explanation) -> list[Finding] | None:
    """A term that the last operation of the statement adds and must not, perhaps beside part of a penalty's."""
    bench, expected = e.case.bench, e.corrected()
    maker = bench.program.makers.get(e.out) if e.out is not None else None
    equation = None if maker is None else bench.program.equations[maker]
    if equation is None or equation.name not in ("add", "scatter-add") or expected is None:
        return None
    for position in (0, 1) if equation.name == "add" else (0,):
        kept = bench.run.at(equation.inputs[position])
        if kept[0].shape != expected[0].shape:
            continue
        rest = tuple(k - x for k, x in zip(kept, expected, strict=True))
        rest = tuple(np.where(np.abs(r) > RIGHT * norm(x), r, 0) for r, x in zip(rest, expected, strict=True))
        added = equation.inputs[2 if equation.name == "scatter-add" else 1 - position]
        own = isinstance(added, int) and e.case.is_of_params_alone(added) and bool(e.case.depends_on(added))
        words = _words.wrong_regularization if own else _words.double_counted
        if _relate.is_zero(rest):
            return [words(e.paths, place=e.place())]
        for variable in e.case.params:
            values = bench.run.at(variable)
            if values[0].shape == rest[0].shape:
                along = tuple(np.where(r != 0, v, 0) for r, v in zip(rest, values, strict=True))
                if _relate.multiple(rest, along) is not None:
                    found = [words(e.paths, place=e.place()), _words.wrong_regularization(e.paths, place=e.place())]
                    return found[own:]
    return None


def _product_for_a_sum(e: Explanation) -> list[Finding] | None:
    """A product with another matrix, where nothing but the sum of the first belongs."""
    bench, expected = e.case.bench, e.corrected()
    for equation in (bench.program.equations[i] for i in e.run if bench.program.equations[i].name == "dot_general"):
        for position, atom in enumerate(equation.inputs):
            axes = tuple(equation.params["dimension_numbers"][0][position])
            summed = tuple(value.sum(axis=axes) for value in bench.run.at(atom))
            if expected is not None and summed[0].size == expected[0].size:
                if _relate.multiple(summed, expected) is not None and summed[0].size * bench.count > 1:
                    other = e.case.names.of(equation.inputs[1 - position])
                    return [_words.extra_factor(e.paths, what=other, place=e.place())]
    return None


def sum_for_a_product(e: Explanation) -> list[Finding] | None:
    """A plain sum of what ought to be sent back through a matrix of the parameters."""
    bench, expected = e.case.bench, e.corrected()
    for index in e.run if expected is not None else ():
        equation = bench.program.equations[index]
        if equation.name != "reduce_sum" or bench.run.at(equation.inputs[0])[0].ndim != 1:
            continue
        summed = bench.run.at(equation.inputs[0])
        for variable, name in e.case.params.items():
            weights = bench.run.at(variable)
            for w in (weights, tuple(each.T for each in weights)):
                if w[0].ndim == 2 and w[0].shape[1] == summed[0].size and w[0].shape[0] > 1:
                    sent = [each @ v for each, v in zip(w, summed, strict=True)]
                    patches: dict[int, Patch] = {index: lambda inputs, evaluate, read, point, s=sent: [s[point]]}
                    made = [bench.values(e.run, patches, k) for k in range(bench.count)]
                    given = tuple(values[e.out] for values in made if values and e.out in values)
                    if len(given) == bench.count and _relate.multiple(given, expected or ()) is not None:
                        return [_words.missing_factor(e.paths, what=name, place=e.place())]
    return None


def _another_product(e: Explanation) -> list[Finding] | None:
    """A weight's gradient, of a right cotangent `d` and something else than the value `a` of which it is `a.T @ d`."""
    expected = e.corrected()
    if expected is None or expected[0].ndim != 2 or expected[0].size < 2:
        return None
    read = {atom: e.case.bench.run.at(atom) for atom in _read(e)}
    for atom, d in read.items():
        if d[0].ndim != 2 or e.case.each_cotangent.scale(d) is None:
            continue
        for q in e.quantities():
            if q.kind != "value" or q.values[0].ndim != 2:
                continue
            for a, b in ((q.values, d), (tuple(v.T for v in q.values), tuple(v.T for v in d))):
                if a[0].shape[0] != b[0].shape[0] or {a[0].shape[1], b[0].shape[1]} != set(expected[0].shape):
                    continue
                product = tuple(x.T @ y for x, y in zip(a, b, strict=True))
                turned = product if product[0].shape == expected[0].shape else tuple(p.T for p in product)
                if _relate.multiple(turned, expected) is not None:
                    others = [e.case.names.of(other) for other in read if other != atom]
                    used = others[0] if len(others) == 1 else None
                    return [_words.wrong_operand(e.paths, used=used, instead=e.case.names.known(q), place=e.place())]
    return None


def _gradient_sent_back(e: Explanation) -> list[Finding] | None:
    """The gradient of another parameter, where the error of a layer goes back through the parameters themselves."""
    known, program = e.case.each_cotangent, e.case.loss.program
    paths = dict(zip(program.inputs, e.case.paths.values(), strict=False))
    for atom in _read(e):
        values = e.case.bench.run.at(atom)
        scale, used = known.scale(values), e.case.names.of(atom)
        quantity = None if scale is None or used is None else known.find(values, (scale,))
        if used is None or quantity is None or quantity.variable is None or paths.get(quantity.variable) in e.paths:
            continue
        users = [user for user in e.case.bench.program.users.get(atom, ()) if user in e.run]
        if set(e.case.bench.reached(users)).isdisjoint(e.paths):  # one statement may run for several parameters at once
            continue
        # That of a bias is the error of its layer as well.
        if paths.keys() >= {quantity.variable, *e.case.knowledge.alike(quantity)}:
            return [_words_of_parts.gradient_sent_back(e.paths, used=used, place=e.place())]
    return None


def _is_displaced(e: Explanation) -> bool:
    """Whether the right numbers come to the wrong place: their sum along an axis is as it must be."""
    expected, equations = e.corrected(), e.case.bench.program.equations
    moves = any(equations[index].name in _MOVES for index in e.run)
    if expected is None or not moves or expected[0].shape != e.actual[0].shape:
        return False
    return any(
        _relate.same(tuple(v.sum(axis) for v in e.actual), tuple(v.sum(axis) for v in expected))
        and norm(expected[0].sum(axis)) > RIGHT * norm(expected[0])
        for axis in range(expected[0].ndim)
    )
