"""Whether a function is wrong in itself, or right and called wrongly: then its calls carry the mistake."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .._line._relate import Values
from .._program._sites import results
from .._program._source import caller
from .._program._stacks import Frame
from .._report import _words
from .._report._gradient_report import Finding
from ._called import called_at, has_its_own_formula, is_right_in_itself, OF_A_CALL
from ._explanation import Explanation
from ._names import line_of
from ._same_again import is_given_the_same_again


def at_the_calls(e: Explanation, findings: list[Finding]) -> list[Finding]:
    """The findings, at the lines of the calls where what is called is right."""
    if _causes(findings) == {"missing-upstream"} and e.ignores_an_argument():
        return findings
    again = gone_through_before(e) if _causes(findings) == {"extra-activation-derivative"} else None
    if again is not None:
        return _at(e, [again[0]], findings)
    is_right = is_right_in_itself(e, _causes(findings))
    if not is_right and _causes(findings) <= _OF_THE_SAME_AGAIN and is_given_the_same_again(e):
        is_right, findings = True, [_words.wrong_operand(e.paths, used=None, instead=None, place=e.place())]
    frames = called_at(e) if is_right else []
    if not is_right and _causes(findings) <= OF_A_CALL and not has_its_own_formula(e):
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
    return _at(e, called_at(e), findings)


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
