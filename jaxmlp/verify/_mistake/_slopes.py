"""What a statement must give is the slope of an activation: whether it is told as such, as a factor, or as a value."""

import ast

from .._line import _relate
from .._program._trace import Literal
from .._report import _words
from .._report._gradient_report import Finding
from .._report._words import Place
from ._explanation import Explanation


def wrong_slope(e: Explanation, *, slope: str | None = None, at: str | None = None, place: Place) -> Finding:
    """Another slope, be it that the statement gives it by itself, or multiplies by it; of single numbers, of which
    each may be a slope by each other, only that at what an activation takes.
    """
    if at is not None and e.actual[0].size == 1 and _is_combined(e, at):
        return _words.wrong_operand(e.paths, used=None, instead=None, place=place)
    corrected = e.corrected() if place.name else None
    alone = corrected is not None and e.case.slopes.find(corrected) is not None
    if corrected is not None and alone and e.case.each_cotangent.scale(corrected) is None:
        return _words.not_the_slope(e.paths, slope=slope, at=at, place=place)
    return _words.wrong_slope(e.paths, slope=slope, at=at, place=place)


def computes_no_slope(e: Explanation) -> bool:
    """Whether nothing in the statement is what a slope is made of: what it gives is a number, and no slope of data.
    Of numbers that are known beforehand only the source says what is done with them.
    """
    node = e.statement.node if e.statement is not None else None
    calls = [each for each in ast.walk(node) if isinstance(each, ast.Call)] if node is not None else []
    called = {ast.unparse(call.func).split(".")[-1] for call in calls}
    made = {e.case.bench.program.equations[index].name for index in e.run}
    return _CURVED.isdisjoint(called | made)


_CURVED = frozenset("exp exp2 expm1 log log1p tanh logistic sigmoid expit cosh sinh sin cos erf".split())
"""Functions that are no straight lines."""


def _is_combined(e: Explanation, name: str) -> bool:
    """Whether a parameter takes part in sums and products of the loss, and is nothing that an activation takes."""
    program = e.case.loss.program
    params = dict(zip(e.case.params.values(), program.inputs, strict=False))
    users = [program.equations[user] for user in program.users.get(params.get(name, -1), ())]
    return any(user.name in ("mul", "div", "add", "sub", "dot_general") and len(user.inputs) == 2 for user in users)


_PASSES = frozenset(("neg", "convert_element_type", "copy", "reshape", "squeeze", "broadcast_in_dim"))
"""Operations that make nothing new of a value."""


def is_compared_with_data(e: Explanation) -> bool:
    """Whether what the statement gives is added to data, or these to it: a value of the forward pass, as `p` in `p - y`
    is, and not a slope, which multiplies. With a softplus in the loss, `p` is its slope as well.
    """
    bench, program = e.case.bench, e.case.bench.program
    pending, found = [e.out] if e.out is not None and not _relate.is_constant(e.actual) else [], False
    while pending:
        value = pending.pop()
        for user in program.users.get(value, ()):
            equation = program.equations[user]
            if set(bench.reached((user,))).isdisjoint(e.paths):
                continue
            others = [atom for atom in equation.inputs if atom != value]
            if equation.name in _PASSES:
                pending += equation.outputs
            elif equation.name in ("add", "sub") and others and _is_of_data(e, others[0]):
                found = True
            else:
                return False
    return found


def is_used_as_a_value(e: Explanation) -> bool:
    """Whether what the statement gives is compared with data, or is taken from a number and divides, as no slope does:
    `y / p` and `1 - p`.
    """
    bench, program = e.case.bench, e.case.bench.program
    users = program.users.get(e.out, ()) if e.out is not None else ()
    uses = [program.equations[user] for user in users if set(bench.reached((user,))) & set(e.paths)]
    divides = any(use.name == "div" and use.inputs[1] == e.out for use in uses)
    is_taken = any(use.name == "sub" and use.inputs[1] == e.out for use in uses)
    return (divides and is_taken) or is_compared_with_data(e)


def _is_of_data(e: Explanation, atom: object) -> bool:
    """Whether it comes from arguments alone that are no parameters, and is several numbers."""
    if isinstance(atom, Literal) or not isinstance(atom, int) or e.case.bench.run.at(atom)[0].size < 2:
        return False
    read = e.case.depends_on(atom)
    return bool(read) and read.isdisjoint(e.case.params)
