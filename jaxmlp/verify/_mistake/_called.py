"""Whether a function that the candidate calls is right in itself: then the line that calls it is wrong."""

import ast
from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise, permutations

from .._line import _relate
from .._program._sites import results, Site
from .._program._source import caller
from .._program._stacks import Frame
from .._program._syntax import calls_on, function_of, is_name, is_one_line, reads_its_object
from ._another_argument import (
    is_given_a_factor,
    is_given_another,
    is_given_the_other_way_round,
    is_given_zeros,
    is_right_of_another,
)
from ._explanation import Explanation
from ._formulas import gives_of_another, slopes_of_others


def is_right_in_itself(e: Explanation, causes: Collection[str]) -> bool:
    """Whether the function of the statement is right, and a call of it carries the mistake, of which these are the
    causes as far as the statement alone tells.
    """
    causes = frozenset(causes)
    if causes in ({"missing-upstream"}, {"missing-factor"}) and _returns_a_slope(e):
        return True
    if causes == {"wrong-activation-derivative"} and _is_of_another_layer(e):
        return True
    if _is_right_elsewhere(e):
        return True
    if e.site.is_formula:
        expected = e.corrected()
        return expected is not None and e.out is not None and gives_of_another(e, e.run, e.out, expected)
    is_extra = all(cause.startswith("extra-") for cause in causes)
    return (
        is_of_the_loss(e)
        or is_given_another(e)
        or _returns_what_is_right(e)
        or (is_extra and (_is_called_in_vain(e) or is_given_a_factor(e)))
        or (causes == {"missing-term"} and _adds_zeros_of_the_caller(e))
        or (causes == {"zero-gradient"} and is_given_zeros(e))
        or (causes == {"transposed"} and (is_given_the_other_way_round(e) or _is_right_in_the_forward_pass(e)))
        or (causes <= _OF_ARGUMENTS and _is_what_it_says(e))
        or (causes <= _OF_NUMBERS and _is_right_as_it_stands(e))
        or (causes <= OF_A_CALL and is_right_of_another(e))
        or (e.edit.kind == "departed" and causes == {"wrong-activation-derivative"} and _is_what_it_says(e))
        or (e.edit.kind in ("half_a_turn", "reversed_order") and _is_called_elsewhere(e))
    )


_OF_ARGUMENTS = frozenset(("wrong-operand", "unknown"))
"""What a function of one expression, which is what it says it is, gives of the wrong arguments."""

OF_A_CALL = frozenset(("wrong-activation-derivative", "wrong-operand"))
"""What a function that is right gives where it is called in the place of another, or with another argument."""

_OF_NUMBERS = frozenset(("sign", "scale-constant", "scale-batch"))
"""What is said of a number, which the text of a function cannot lack for one call and have for another."""


def called_at(e: Explanation) -> list[Frame | None]:
    """The lines that call the function of the statement, for each of its runs that is corrected."""
    equations = e.case.bench.program.equations
    return [caller(equations[run[0]].stacks, e.frame) for run in e.mistake.instances]


def is_of_the_loss(e: Explanation) -> bool:
    """Whether a function that the candidate calls is one that the loss calls as well."""
    calls = called_at(e)
    if e.frame is None or e.case.source.is_own(e.frame) or not all(c and e.case.source.is_own(c) for c in calls):
        return False
    mine = function_of(e.frame)
    frames = (f for equation in e.case.loss.program.equations for stack in equation.stacks for f in stack if f)
    return any(function_of(frame) == mine for frame in frames)


def _is_called_elsewhere(e: Explanation) -> bool:
    """Whether a line that is not corrected calls the function of the statement too, which reads its arguments alone."""
    return bool(calls_of_some(e, e.site, e.mistake.instances))


def calls_of_some(e: Explanation, site: Site, runs: Iterable[Sequence[int]]) -> list[Frame]:
    """The lines that call the function of a statement in some of its runs, where another line calls it too, and it
    reads its arguments alone.
    """
    if site.frame is None or reads_its_object(site.frame):
        return []
    equations = e.case.bench.program.equations
    everything, some = (
        {caller(equations[run[0]].stacks, site.frame) for run in each} for each in (site.instances, runs)
    )
    return [] if everything <= some else sorted(filter(None, some), key=lambda frame: frame.number)


def _is_what_it_says(e: Explanation) -> bool:
    """Whether a function is one expression of what it is given."""
    return e.frame is not None and is_one_line(e.frame) and not reads_its_object(e.frame)


def _returns_what_is_right(e: Explanation) -> bool:
    """Whether a function returns a known cotangent as it stands, at once or by its name, which only its caller uses
    wrongly.
    """
    if not e.mistake.innocent or e.site.statement is None or e.frame is None or e.case.source.is_own(e.frame):
        return False
    node, function = e.site.statement.node, function_of(e.frame)
    returns = [each.value for each in ast.walk(function) if isinstance(each, ast.Return)] if function else []
    is_named = e.name is not None and len(returns) == 1 and is_name(returns[0], e.name)
    return isinstance(node, ast.Return) or is_named


def _returns_a_slope(e: Explanation) -> bool:
    """Whether a function returns the slope that it was asked for, and its caller does nothing else."""
    is_asked = e.frame is not None and not e.case.source.is_own(e.frame)
    return is_asked and e.gives_a_slope()


def _is_of_another_layer(e: Explanation) -> bool:
    """Whether a formula gives the slope of another layer, which nothing else gives, and a line calls it that calls now
    one function, now another: the line chooses the wrong one.
    """
    bench, equations = e.case.bench, e.case.bench.program.equations
    call = caller(equations[e.run[0]].stacks, e.frame)
    if call is None or e.frame is None or e.out is None:
        return False
    formula, called, others = function_of(e.frame), set[object](), []
    for index, equation in enumerate(equations):
        frames = [[frame for frame in stack if frame] for stack in equation.stacks]
        pairs = [pair for stack in frames for pair in pairwise(stack)]
        called |= {
            function_of(inner) for inner, outer in pairs if (outer.file, outer.number) == (call.file, call.number)
        }
        if not bench.is_corrected(index) and all(function_of(frame) != formula for stack in frames for frame in stack):
            others += map(bench.run.at, equation.outputs)
    given = slopes_of_others(e, e.run, e.out) if len(called) > calls_on(call) else []
    return any(
        not any(other[0].shape == slope[0].shape and _relate.same(other, slope) for other in others) for slope in given
    )


def _adds_zeros_of_the_caller(e: Explanation) -> bool:
    """Whether a term of the sum is zeros that the caller makes, and passes in each of the runs that are wrong."""
    bench, frame = e.case.bench, e.frame
    if frame is None:
        return False
    added = [a for i in e.run if bench.program.equations[i].name == "add" for a in bench.program.equations[i].inputs]
    for atom in (a for a in added if isinstance(a, int) and a in bench.program.makers):
        place = e.case.places[bench.program.makers[atom]]
        elsewhere = place is not None and (place.file, place.function) != (frame.file, frame.function)
        if elsewhere and _relate.is_zero(bench.run.at(atom)):
            return True
    return False


def _is_called_in_vain(e: Explanation) -> bool:
    """Whether a function must give, up to a number, what it is given."""
    expected, program = e.corrected(), e.case.bench.program
    if expected is None or e.frame is None or e.case.source.is_own(e.frame):
        return False
    run = e.run
    call = caller(program.equations[run[0]].stacks, e.frame)
    own = [equation for equation in program.equations if call and caller(equation.stacks, e.frame) == call]
    made = {out for equation in own for out in equation.outputs}
    given = {atom for equation in own for atom in equation.inputs if isinstance(atom, int)} - made
    return any(_relate.multiple(e.case.bench.run.at(atom), expected) is not None for atom in given)


def _is_right_in_the_forward_pass(e: Explanation) -> bool:
    """Whether another line calls the function of a statement, and that gives values of the forward pass then."""
    program, run = e.case.bench.program, e.case.bench.run
    for call in (call for call in e.site.calls if set(call).isdisjoint(e.mistake.instances)):
        given = [results(program, each)[:1] for each in call]
        if all(outs and e.case.forward.find(run.at(outs[0])) is not None for outs in given):
            return True
    return False


def _is_right_as_it_stands(e: Explanation) -> bool:
    """Whether other lines call the function of a statement too, and leaves that are right, or that the correction makes
    right, need what it gives there as it stands.
    """
    bench = e.case.bench
    others = [call for call in e.site.calls if set(call).isdisjoint(e.mistake.instances)]
    reached = {path for call in others for run in call for path in bench.reached(run)}
    return len(others) == len(e.site.calls) - 1 and any(bench.is_right(path, e.mistake.patches) for path in reached)


def _multiplies_what_it_reads(e: Explanation) -> bool:
    """Whether the same call of a function multiplies what the statement reads, number by number, by what comes of the
    parameters: it takes a slope itself, perhaps of what another call has none of.
    """
    program, call = e.case.bench.program, caller(e.case.bench.program.equations[e.run[0]].stacks, e.frame)
    read = {atom for index in e.run for atom in program.equations[index].inputs if isinstance(atom, int)}
    own = [each for each in program.equations if each.name == "mul" and call and caller(each.stacks, e.frame) == call]
    pairs = [pair for equation in own for pair in permutations(a for a in equation.inputs if isinstance(a, int))]
    shapes = program.shapes
    return any(
        one in read and e.case.is_made_of_params(other) and shapes[one].shape == shapes[other].shape
        for one, other in (pair for pair in pairs if len(pair) == 2)
    )


def has_its_own_formula(e: Explanation) -> bool:
    """Whether a slope is wrong that the runs which are corrected have from a function which the others do not call."""
    program, own = e.case.bench.program, e.mistake.instances
    if e.edit.kind != "slope":
        return False

    def called(runs: Iterable[Sequence[int]]) -> set[object]:
        read = {atom for run in runs for index in run for atom in program.equations[index].inputs}
        made = [program.makers[atom] for atom in read if isinstance(atom, int) and atom in program.makers]
        stacks = [[frame for frame in stack if frame] for index in made for stack in program.equations[index].stacks]
        within = (stack[: stack.index(e.frame)] for stack in stacks if e.frame in stack)
        return {function_of(frame) for frames in within for frame in frames}

    formulas = called(own)
    return bool(formulas) and formulas.isdisjoint(called(run for run in e.site.instances if run not in own))


def _is_right_elsewhere(e: Explanation) -> bool:
    """Whether a statement is right where another line calls it: it gives values of the forward pass, or slopes where
    it must give one here, or cotangents in the scale that it must have here.
    """
    known, corrected = e.case.each_cotangent, e.corrected()
    mine = [call for call in e.site.calls if set(call) & set(e.mistake.instances)]
    if corrected is None or len(mine) != 1 or has_its_own_formula(e):
        return False
    others = [run for call in e.site.calls if call not in mine for run in call]
    given = [results(e.case.bench.program, run)[:1] for run in others]
    values = [e.case.bench.run.at(outs[0]) for outs in given if outs]
    if values and all(e.case.forward.find(v) is not None for v in values):
        return True
    scale = known.scale(corrected)
    if scale is not None:
        alike = len(values) == len(others) and all(known.scale(v) == scale for v in values)
        return alike and not _multiplies_what_it_reads(e)
    return e.case.slopes.find(corrected) is not None and all(e.case.slopes.find(v) is not None for v in values)
