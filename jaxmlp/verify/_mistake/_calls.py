"""Whether a function is wrong in itself, or right and called wrongly: then its calls carry the mistake."""

import ast
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from .._line import _relate
from .._line._relate import Values
from .._program._sites import results
from .._program._source import caller
from .._program._stacks import Frame
from .._program._syntax import calls_on, function_of, is_name, is_one_line
from .._report import _words
from .._report._gradient_report import Finding
from ._another_argument import (
    is_given_a_factor,
    is_given_another,
    is_given_the_other_way_round,
    is_given_zeros,
    is_right_of_another,
)
from ._explanation import Explanation
from ._formulas import gives_of_another, slopes_of_others
from ._names import line_of
from ._same_again import is_given_the_same_again


def at_the_calls(e: Explanation, findings: list[Finding]) -> list[Finding]:
    """The findings, at the lines of the calls where what is called is right."""
    if _causes(findings) == {"missing-upstream"} and e.ignores_an_argument():
        return findings
    again = gone_through_before(e) if _causes(findings) == {"extra-activation-derivative"} else None
    if again is not None:
        return _at(e, [again[0]], findings)
    if e.site.is_formula:
        expected = e.corrected()
        is_right = expected is not None and e.out is not None and gives_of_another(e, e.run, e.out, expected)
        is_right = is_right or _is_right_elsewhere(e)
    else:
        is_extra = all(finding.cause.startswith("extra-") for finding in findings)
        is_right = (
            is_of_the_loss(e) or is_given_another(e) or _is_right_elsewhere(e) or (is_extra and _is_called_in_vain(e))
        )
        is_right = is_right or _returns_what_is_right(e) or (_lacks_terms(findings) and _adds_zeros_of_the_caller(e))
        is_right = is_right or (_causes(findings) == {"zero-gradient"} and is_given_zeros(e))
        is_right = is_right or (
            _causes(findings) == {"transposed"}
            and (is_given_the_other_way_round(e) or _is_right_in_the_forward_pass(e))
        )
        is_right = is_right or (_causes(findings) <= _OF_ARGUMENTS and e.frame is not None and is_one_line(e.frame))
        is_right = is_right or (_causes(findings) <= _OF_NUMBERS and _is_right_as_it_stands(e))
        is_right = is_right or (_causes(findings) <= _OF_A_CALL and is_right_of_another(e))
        is_right = is_right or (is_extra and is_given_a_factor(e))
    is_right = is_right or _returns_a_slope(e, findings)
    is_right = is_right or (_causes(findings) == {"wrong-activation-derivative"} and _is_of_another_layer(e))
    if not is_right and _causes(findings) <= _OF_THE_SAME_AGAIN and is_given_the_same_again(e):
        is_right, findings = True, [_words.wrong_operand(e.paths, used=None, instead=None, place=e.place())]
    frames = _called_at(e) if is_right else []
    if not is_right and _causes(findings) <= _OF_A_CALL:
        frames = _where_they_part(e)
    called = list(filter(None, frames))
    if called and _causes(findings) <= _OF_VALUES and all(_must_give_a_slope(e, frame) for frame in called):
        findings = [_words.wrong_slope(e.paths, place=e.place())]
    return _at(e, frames, findings)


def gone_through_before(e: Explanation) -> tuple[Frame, Values] | None:
    """The line that has a function multiply by a slope of the loss before another line has it do so again, which is no
    loop; and the slope.
    """
    bench, equations = e.case.bench, e.case.bench.program.equations
    read = {atom for index in e.run for atom in equations[index].inputs if isinstance(atom, int)}
    for before in e.site.instances:
        outs = results(bench.program, before)
        lines = [caller(equations[run[0]].stacks, e.frame) for run in (before, e.run)]
        if before == e.run or len(outs) != 1 or outs[0] not in read or None in lines or lines[0] == lines[1]:
            continue
        values = bench.run.at(outs[0])
        for comes in map(bench.run.at, {atom for index in before for atom in equations[index].inputs}):
            if comes[0].shape == values[0].shape and comes[0].dtype.kind == "f":
                with np.errstate(all="ignore"):
                    slope = tuple(value / c for value, c in zip(values, comes, strict=True))
                line = e.case.source.frame(equations[before[0]].stacks)
                if line is not None and e.case.slopes.find(slope) is not None:
                    return line, slope
    return None


def where_it_is_called(e: Explanation, findings: list[Finding]) -> list[Finding]:
    """The findings, at the lines that call the function of the statement."""
    return _at(e, _called_at(e), findings)


def _called_at(e: Explanation) -> list[Frame | None]:
    equations = e.case.bench.program.equations
    return [caller(equations[run[0]].stacks, e.frame) for run in e.mistake.instances]


def _at(e: Explanation, frames: Sequence[Frame | None], findings: list[Finding]) -> list[Finding]:
    """The findings at each of the lines; where they stand, if there are none."""
    lines = {frame: line_of(frame, e.case.source, e.frame) for frame in frames if frame}
    return [
        replace(finding, line=line, computes=None, must=None, fix=None)
        for finding in findings
        for line in lines.values()
    ] or findings


_OF_THE_SAME_AGAIN = frozenset(("wrong-operand", "missing-term", "wrong-mask", "unknown"))
"""What a function that is right gives of a cotangent that belongs to an earlier call."""

_OF_ARGUMENTS = frozenset(("wrong-operand", "unknown"))
"""What a function of one expression, which is what it says it is, gives of the wrong arguments."""

_OF_A_CALL = frozenset(("wrong-activation-derivative", "wrong-operand"))
"""What a function that is right gives where it is called in the place of another, or with another argument."""


_OF_NUMBERS = frozenset(("sign", "scale-constant", "scale-batch"))
"""What is said of a number, which the text of a function cannot lack for one call and have for another."""

_OF_VALUES = frozenset(("wrong-operand", "wrong-forward"))
"""What is said of a value inside a function that was given the wrong argument, whatever the function makes of it."""


def _must_give_a_slope(e: Explanation, call: Frame) -> bool:
    """Whether what a call gives, once it is corrected, is the slope of an activation and no value."""
    bench, equations = e.case.bench, e.case.bench.program.equations
    own = [index for index, equation in enumerate(equations) if caller(equation.stacks, e.frame) == call]
    outs = results(bench.program, own)
    made = [bench.values(own, e.mistake.patches, k) for k in range(bench.count)]
    for out in outs:
        then = tuple(values[out] for values in made if values and out in values)
        if len(then) < bench.count or e.case.slopes.find(then) is None or e.case.forward.find(then) is not None:
            return False
    return bool(outs)


def _causes(findings: list[Finding]) -> set[str]:
    return {finding.cause for finding in findings}


def _where_they_part(e: Explanation) -> list[Frame | None]:
    """The lines that only the wrong runs of a statement come from, directly or not, where other runs are right."""
    corrected = e.corrected()
    if corrected is None or e.frame is None or e.case.source.is_own(e.frame):
        return []
    roles = [e.case.forward, e.case.slopes, e.case.each_cotangent]
    scale = e.case.each_cotangent.scale(corrected) or 1.0
    role = next((known for known in roles if known.find(corrected, (scale,)) is not None), None)
    others = [run for run in e.site.instances if run not in e.mistake.instances]
    outs = [results(e.case.bench.program, run)[:1] for run in others]
    right = [
        run
        for run, out in zip(others, outs, strict=True)
        if role and out and role.find(e.case.bench.run.at(out[0]), (scale,)) is not None
    ]
    wrong = [_callers(e, run) for run in e.mistake.instances]
    for frames in zip(*wrong, strict=False) if right else ():
        level = wrong[0].index(frames[0])
        if set(frames).isdisjoint(frame for run in right for frame in _callers(e, run)[level : level + 1]):
            return list(frames)
    return []


def _callers(e: Explanation, run: Sequence[int]) -> list[Frame]:
    """The lines that call the function in which a run stands, from the inside out."""
    frames = [frame for stack in e.case.bench.program.equations[run[0]].stacks[:1] for frame in stack if frame]
    inside = [n for n, f in enumerate(frames) if e.frame and (f.file, f.function) == (e.frame.file, e.frame.function)]
    return frames[inside[-1] + 1 :] if inside else []


def is_of_the_loss(e: Explanation) -> bool:
    """Whether a function that the candidate calls is one that the loss calls as well."""
    calls = _called_at(e)
    if e.frame is None or e.case.source.is_own(e.frame) or not all(c and e.case.source.is_own(c) for c in calls):
        return False
    mine = function_of(e.frame)
    frames = (f for equation in e.case.loss.program.equations for stack in equation.stacks for f in stack if f)
    return any(function_of(frame) == mine for frame in frames)


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


def _returns_a_slope(e: Explanation, findings: list[Finding]) -> bool:
    """Whether a function returns the slope that it was asked for, and its caller does nothing else."""
    is_asked = e.frame is not None and not e.case.source.is_own(e.frame)
    return is_asked and _causes(findings) == {"missing-upstream"} and e.gives_a_slope()


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


def _lacks_terms(findings: list[Finding]) -> bool:
    return _causes(findings) == {"missing-term"}


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


def _is_right_elsewhere(e: Explanation) -> bool:
    """Whether a statement is right where another line calls it: it gives values of the forward pass, or slopes where
    it must give one here, or cotangents in the scale that it must have here.
    """
    known, corrected = e.case.each_cotangent, e.corrected()
    mine = [call for call in e.site.calls if set(call) & set(e.mistake.instances)]
    if corrected is None or len(mine) != 1:
        return False
    others = [run for call in e.site.calls if call not in mine for run in call]
    given = [results(e.case.bench.program, run)[:1] for run in others]
    values = [e.case.bench.run.at(outs[0]) for outs in given if outs]
    if values and all(e.case.forward.find(v) is not None for v in values):
        return True
    scale = known.scale(corrected)
    if scale is not None:
        return len(values) == len(others) and all(known.scale(v) == scale for v in values)
    return e.case.slopes.find(corrected) is not None and all(e.case.slopes.find(v) is not None for v in values)
