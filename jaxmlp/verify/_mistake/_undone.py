"""A chain rule that was left undone: a value of the loss, or a slope alone, stands where a cotangent belongs."""

import numpy as np

from .._line import _relate
from .._line._matching import is_simple
from .._line._relate import multiple, Values
from .._line._rows import rows
from .._program._sites import results
from .._program._trace import Atom, Equation
from .._report import _words, _words_of_parts
from .._report._gradient_report import Finding
from ._explanation import Explanation
from ._slopes import wrong_slope
from ._usual_slopes import usual_slopes


def loss_for_its_derivative(e: Explanation) -> Finding | None:
    """The value of the loss itself, or a multiple of it, where a derivative of it belongs."""
    bench, program = e.case.bench, e.case.loss.program
    [value] = [out for out in program.outputs[:1] if isinstance(out, int)] or [None]
    last = results(bench.program, e.mistake.instances[-1])
    if value is None or len(last) != 1 or bench.count < 2 or bench.run.at(last[0])[0].size != 1:
        return None
    given, loss = (tuple(np.ravel(v) for v in run.at(out)) for run, out in ((bench.run, last[0]), (e.case.loss, value)))
    factor = multiple(given, loss)
    # At two points a number may be a multiple of another by chance; it is a simple one then by no chance.
    return None if not factor or not is_simple(factor) else _words_of_parts.loss_itself(e.paths, place=e.place())


def value_for_its_slope(e: Explanation, actual: Values, expected: Values) -> Finding | None:
    """A value of the loss, such as `(p - y)**2`, where its derivative belongs, and that is no activation's."""
    knowledge, several = e.case.knowledge, len(e.site.instances) > 1
    is_a_cotangent = e.case.each_cotangent.scale(expected) is not None
    for (variable, _), slope in knowledge.slopes.items():
        value = knowledge.values.get(variable)
        if value is None or value.values[0].shape != slope.values[0].shape or _relate.is_constant(slope.values):
            continue
        pairs = [(value, slope)]
        if several:
            pairs += zip(rows([value], e.case.batches), rows([slope], e.case.batches), strict=False)
        for value, slope in pairs:
            fits = value.row == slope.row and value.values[0].shape == actual[0].shape == expected[0].shape
            if not fits or multiple(actual, value.values) is None or multiple(expected, slope.values) is None:
                continue
            if is_a_cotangent or e.case.is_arithmetic(slope):
                return _words.wrong_operand(e.paths, used=e.name, instead=e.case.names.known(slope), place=e.place())
    return None


def slope_alone(e: Explanation, expected: Values) -> Finding | None:
    """The slope of an activation where it ought to be multiplied by the cotangent that comes in; or that of another
    activation, if what must be there is a slope of what the statement reads as well.
    """
    if expected[0].shape != e.actual[0].shape or expected[0].size * len(expected) < 2:
        return None
    usual = [slope for _, slope in usual_slopes(e, e.actual[0].shape)]
    is_slope = e.case.slopes.find(e.actual) is not None or any(multiple(e.actual, slope) is not None for slope in usual)
    if not is_slope:
        return None
    if any(multiple(expected, slope) is not None for slope in usual):
        return wrong_slope(e, place=e.place())
    return _words.missing_upstream(e.paths, place=e.place())


def goes_through_again(e: Explanation, expected: Values) -> Finding | None:
    """An error that is what the statement must give already, up to a number, and goes through the Jacobian of the
    softmax once more, which is symmetric: with cross-entropy it is contained in `p - y`.
    """
    for equation in (e.case.bench.program.equations[index] for index in e.run):
        for error, other in _pairs(equation) if equation.name == "dot_general" else ():
            values, matrices = map(e.case.bench.run.at, (error, other))
            is_it = values[0].size > 1 and _are_symmetric(matrices) and multiple(values, expected) is not None
            if is_it and isinstance(other, int) and _is_of_the_forward_pass(e, other):
                return _words.extra_slope(e.paths, slope=e.case.names.of(other), place=e.place())
    return None


def multiplies_an_error_alone(e: Explanation, expected: Values) -> Finding | None:
    """The error of a layer's output, times what serves in the forward pass too, where the error of its input belongs,
    as where a softmax is taken for a function of each number. In a loop it may be a gate.
    """
    if len(e.site.instances) > 1:
        return None
    for equation in (e.case.bench.program.equations[index] for index in e.run):
        for error, other in _pairs(equation) if equation.name == "mul" else ():
            shapes = {e.case.bench.run.at(atom)[0].shape for atom in (error, other)} | {expected[0].shape}
            if len(shapes) > 1 or expected[0].size < 2 or not (isinstance(error, int) and isinstance(other, int)):
                continue
            is_used_elsewhere = not set(e.case.bench.program.users.get(other, ())).issubset(e.run)
            if is_used_elsewhere and e.case.is_of_a_cotangent(error) and _is_of_the_forward_pass(e, other):
                return wrong_slope(e, place=e.place())
    return None


def _are_symmetric(matrices: Values) -> bool:
    """Whether each is a matrix, or several, that is its own transpose."""
    if matrices[0].ndim < 2 or matrices[0].shape[-1] != matrices[0].shape[-2]:
        return False
    return _relate.same(matrices, tuple(np.swapaxes(matrix, -1, -2) for matrix in matrices))


def _pairs(equation: Equation) -> tuple[tuple[Atom, Atom], tuple[Atom, Atom]]:
    first, second = equation.inputs
    return (first, second), (second, first)


def _is_of_the_forward_pass(e: Explanation, variable: int) -> bool:
    """Whether a value is computed of the parameters, and is neither one of them nor an error."""
    computed = variable in e.case.bench.program.makers and not e.case.depends_on(variable).isdisjoint(e.case.params)
    return computed and not e.case.is_of_a_cotangent(variable)
