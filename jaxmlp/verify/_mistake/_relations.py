"""Which mistake: a value beside the one that belongs in its place, whatever made them differ."""

from collections.abc import Iterator, Sequence

import numpy as np

from .._line import _relate
from .._line._quantities import Quantity
from .._line._relate import multiple, Values
from .._report import _words
from .._report._gradient_report import Finding
from .._report._words import Place
from ._conditions import masked_otherwise
from ._explanation import Explanation
from ._names import line_of
from ._usual_slopes import usual_slopes


def related(e: Explanation, actual: Values, expected: Values) -> Finding | None:
    """The mistake that leads from `expected` to `actual`, if the two are related in a way that is known."""
    if actual[0].shape != expected[0].shape:
        return None
    if (masked := masked_otherwise(e, actual, expected)) is not None:
        return masked
    if _is_turned(actual, expected):
        return _words.transposed(e.paths, actual[0].shape, expected[0].shape, place=e.place())
    penalty = _penalty(e, actual, expected)
    if penalty is not None:
        return penalty
    slope = related_by_a_slope(e, actual, expected)
    if slope is not None:
        return slope
    for quantity in _quantities(e):
        # One number throughout, as `-1 / n` is behind a mean, is a factor, and nothing that comes in.
        of_one_output = quantity.values[0].size == 1 < actual[0].size
        fits = quantity.kind == "cotangent" and (of_one_output or _fits(quantity.values, actual))
        if fits and not _relate.is_constant(quantity.values):
            if multiple(times(actual, quantity.values), expected) is not None:
                return _words.missing_upstream(e.paths, upstream=_code(e, quantity.values), place=e.place())
    missing = tuple(b - a for a, b in zip(actual, expected, strict=True))
    for name, values in _named(e):
        if values[0].shape == actual[0].shape and values[0].size > 1 and multiple(missing, values) is not None:
            return _words.missing_term(e.paths, term=name, place=e.place())
    for name, values in _named(e):
        if _fits(values, actual):
            if multiple(times(actual, values), expected) is not None:
                return _words.missing_factor(e.paths, what=name, place=e.place())
            if multiple(actual, times(expected, values)) is not None:
                return _words.extra_factor(e.paths, what=name, place=e.place())
    return another_factor(e, actual, expected)


def _is_turned(actual: Values, expected: Values) -> bool:
    """Whether a square matrix is the transpose of another, and neither symmetric nor a single number."""
    turned = tuple(value.T for value in actual) if actual[0].ndim == 2 else ()
    return bool(turned) and not _relate.same(actual, turned) and _relate.same(turned, expected)


def another_value(e: Explanation, expected: Values) -> Finding | None:
    """A product in which a value of the loss, such as `z`, stands where another, such as `1 - z`, belongs."""
    return another_factor(e, e.actual, expected, values=True)


def another_factor(e: Explanation, actual: Values, expected: Values, *, values: bool = False) -> Finding | None:
    """A product in which a factor is not the value of the loss, or the cotangent, that belongs there."""
    for index in e.run:
        equation = e.case.bench.program.equations[index]
        for atom in equation.inputs if equation.name == "mul" else ():
            used = e.case.bench.run.at(atom)
            if actual[0].size < 2 or (used[0].size > 1 and not _fits(used, actual)):
                continue
            if values and (used[0].size < 2 or e.case.forward.find(used) is None):
                continue
            with np.errstate(all="ignore"):
                needed = tuple(b * (u / a) for a, b, u in zip(actual, expected, used, strict=True))
            finite = all(np.isfinite(n).all() for n in needed)
            found = e.case.forward.find(needed) if finite else None
            scale = e.case.backward.scale(needed) if finite and found is None and not values else None
            found = e.case.backward.find(needed, (scale,)) if scale is not None else found
            if found is not None:
                name, instead = e.case.names.of(atom), e.case.names.known(found)
                return _words.wrong_operand(e.paths, used=name, instead=instead, place=e.place())
    return None


def related_by_a_slope(e: Explanation, actual: Values, expected: Values) -> Finding | None:
    """A slope of the loss, or a factor of it, that is missing or superfluous in `actual`."""
    if actual[0].shape != expected[0].shape:
        return None
    for quantity in _quantities(e):
        if quantity.kind == "slope" and quantity.values[0].shape == actual[0].shape:
            factor = e.case.is_arithmetic(quantity)
            if multiple(times(actual, quantity.values), expected) is not None:
                if factor:
                    return _words.missing_factor(e.paths, what=e.case.names.known(quantity), place=e.place())
                return _words.missing_slope(e.paths, slope=e.case.names.known(quantity), place=e.place())
            if multiple(actual, times(expected, quantity.values)) is not None:
                if factor:
                    return _words.extra_factor(e.paths, what=e.case.names.known(quantity), place=e.place())
                return _words.extra_slope(e.paths, slope=e.case.names.known(quantity), place=e.place())
            size = tuple(np.abs(value) for value in expected)
            if not factor and all((value >= 0).all() for value in actual):  # the sign is lost beside the slope
                if multiple(times(actual, tuple(map(np.abs, quantity.values))), size) is not None:
                    return _words.missing_slope(e.paths, slope=e.case.names.known(quantity), place=e.place())
    return related_by_a_usual_slope(e, actual, expected)


def lacks_the_slope(e: Explanation, actual: Values, expected: Values) -> bool:
    """Whether a value is what it must be but for the slope of an activation."""
    slopes = [q for q in _quantities(e) if q.kind == "slope" and without_ones(q.values) == without_ones(actual)]
    return actual[0].size == expected[0].size and any(
        _relate.same(times(actual, _like(slope.values, actual)), _like(expected, actual))
        and not _relate.is_constant(slope.values)
        and not e.case.is_arithmetic(slope)
        for slope in slopes
    )


def related_by_a_usual_slope(e: Explanation, actual: Values, expected: Values) -> Finding | None:
    """The slope of a sigmoid or a tanh of which the statement reads the outputs, missing or superfluous."""
    for name, slope in usual_slopes(e, actual[0].shape) if actual[0].size > 1 else ():
        if multiple(times(actual, slope), expected) is not None:
            return _words.missing_slope(e.paths, slope=name, place=e.place())
        if multiple(actual, times(expected, slope)) is not None and _is_a_factor_there(e, slope):
            return _words.extra_slope(e.paths, slope=name, place=e.place())
    return None


def _is_a_factor_there(e: Explanation, slope: Values) -> bool:
    """Whether the statement multiplies by a slope, or by what is left of one divided by what it reads."""
    program = e.case.bench.program
    used = {a for i in e.run if program.equations[i].name in ("mul", "div") for a in program.equations[i].inputs}
    factors = [e.case.bench.run.at(atom) for atom in used]
    parts = [slope, *(tuple(s / v for s, v in zip(slope, f, strict=True)) for f in factors if _fits(f, slope))]
    return any(multiple(factor, part) is not None for factor in factors if _fits(factor, slope) for part in parts)


def related_term(e: Explanation, expected: Values) -> Finding | None:
    """The mistake in one of the two terms of a sum; of any kind if the other is a known quantity, else a slope."""
    program = e.case.bench.program
    equation = program.equations[program.makers[e.out]] if e.out in program.makers else None
    if equation is None or equation.name not in ("add", "sub") or e.actual[0].shape != expected[0].shape:
        return None
    for position, atom in enumerate(equation.inputs):
        terms = [e.case.bench.run.at(each) for each in (atom, equation.inputs[1 - position])]
        if any(len(term[0].shape) > len(expected[0].shape) or term[0].size > expected[0].size for term in terms):
            continue
        actual, other = (tuple(np.broadcast_to(v, expected[0].shape) for v in term) for term in terms)
        is_known = e.case.backward.find(other) is not None or e.case.forward.find(other) is not None
        signs = (1, 1) if equation.name == "add" else (1, -1) if position == 0 else (-1, -1)
        wanted = tuple(signs[0] * (x - signs[1] * o) for x, o in zip(expected, other, strict=True))
        found = related(e, actual, wanted) if is_known else related_by_a_slope(e, actual, wanted)
        if found is not None:
            return found
    return None


def pieces_by_a_slope(e: Explanation, expected: Values) -> list[Finding]:
    """The slopes that are missing or superfluous in the pieces that a statement puts side by side, such as the errors
    of the gates of an LSTM: at the line that makes each, if all that are wrong differ by one.
    """
    program = e.case.bench.program
    maker = program.makers.get(e.out) if e.out is not None else None
    if maker is None or program.equations[maker].name != "concatenate" or e.actual[0].shape != expected[0].shape:
        return []
    axis, found, start = program.equations[maker].params["dimension"], list[Finding](), 0
    for atom in program.equations[maker].inputs:
        actual, stop = e.case.bench.run.at(atom), start + e.case.bench.run.at(atom)[0].shape[axis]
        wanted, start = tuple(np.take(value, range(start, stop), axis) for value in expected), stop
        if _relate.same(actual, wanted):
            continue
        related = related_by_a_slope(e, actual, wanted)
        words = _OF_A_SLOPE.get(related.cause) if related else None
        if words is None or atom not in program.makers or not isinstance(atom, int):
            return []
        line = line_of(e.case.places[program.makers[atom]], e.case.source)
        found.append(words(e.paths, slope=None, place=Place(line, e.case.names.of(atom))))
    return found


_OF_A_SLOPE = {
    "missing-activation-derivative": _words.missing_slope,
    "extra-activation-derivative": _words.extra_slope,
}


def _quantities(e: Explanation) -> Sequence[Quantity]:
    """What is known of the loss; of the steps of a loop, each by itself."""
    return e.case.knowledge.quantities if len(e.site.instances) == 1 else e.case.each


def _penalty(e: Explanation, actual: Values, expected: Values) -> Finding | None:
    """A difference that lies along a parameter is the gradient of a penalty on it."""
    missing = tuple(b - a for a, b in zip(actual, expected, strict=True))
    equations = e.case.bench.program.equations
    for variable, name in e.case.params.items():
        values = e.case.bench.run.at(variable)
        if values[0].shape != missing[0].shape or values[0].size < 2:
            continue
        for along in (values, tuple(np.sign(v) for v in values)):
            kept = tuple(np.where(m != 0, v, 0) for m, v in zip(missing, along, strict=True))
            whole = all(np.count_nonzero(k) >= max(2, k.size / 2) for k in kept)
            # The derivative of a norm lies along a parameter as well, with another factor at each point.
            if whole and all(multiple((m,), (k,)) is not None for m, k in zip(missing, kept, strict=True)):
                # `lam * w` with a `lam` of 0 is no derivative of a penalty.
                uses = [equation for i in e.run if variable in (equation := equations[i]).inputs]
                reads = any(not _relate.is_zero(e.case.bench.run.at(out)) for each in uses for out in each.outputs)
                words = _words.wrong_regularization if reads else _words.missing_regularization
                return words(e.paths, term=name, place=e.place())
    return None


def _named(e: Explanation) -> Iterator[tuple[str, Values]]:
    for variable, name in e.case.names.by_variable.items():
        values = e.case.bench.run.at(variable)
        if values[0].dtype.kind == "f":
            yield name, values


def _code(e: Explanation, values: Values) -> str | None:
    return e.case.names.equal(values)


def times(a: Values, b: Values) -> Values:
    return tuple(x * y for x, y in zip(a, b, strict=True))


def without_ones(values: Values) -> list[int]:
    return [n for n in values[0].shape if n != 1]


def _like(values: Values, other: Values) -> Values:
    return tuple(value.reshape(one.shape) for value, one in zip(values, other, strict=True))


def _fits(values: Values, other: Values) -> bool:
    """Whether one can be multiplied by the other without a change of shape, and is not one number."""
    try:
        return values[0].size > 1 and np.broadcast_shapes(values[0].shape, other[0].shape) == other[0].shape
    except ValueError:
        return False
