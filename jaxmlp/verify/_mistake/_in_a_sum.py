"""Where a mistake stands in a sum: at the line that adds the rest, that adds a term of which only the others have a
factor, or that adds up what is only scaled afterwards.
"""

from dataclasses import replace

import numpy as np

from .._line import _relate
from .._line._offers import Offer
from .._program._sites import results
from .._program._stacks import Frame
from .._report import _words
from .._report._gradient_report import Finding
from ._explanation import Explanation
from ._names import line_of


_SUMS = frozenset(("add", "add_any"))

_SCALES = frozenset(("mul", "div", "neg", "convert_element_type", "copy"))


def where_the_rest_is_known(e: Explanation, findings: list[Finding]) -> list[Finding]:
    """The findings, at the lines that use what the statement gives in each run, if the term which is lacking is only
    computed after the last of them: the error of a step, to which that of the later steps has to be added.
    """
    bench, program = e.case.bench, e.case.bench.program
    offer: Offer | None = e.facts.get("offer")
    is_missing = {finding.cause for finding in findings} == {"missing-term"} and e.mistake.innocent
    if not is_missing or offer is None or len(offer.values) < 2 or e.out is None:
        return findings
    last = max(index for run in e.mistake.instances for index in run)
    later = [bench.run.at(out) for equation in program.equations[last + 1 :] for out in equation.outputs]
    later = [values for values in later if values[0].shape == e.actual[0].shape and values[0].dtype.kind == "f"]
    lacking = []
    for run, wanted in zip(e.mistake.instances, offer.values, strict=False):
        given = bench.run.at(results(program, run)[0])
        if given[0].shape != wanted[0].shape:
            return findings
        lacking.append(tuple(e.mistake.factor * w - g for w, g in zip(wanted, given, strict=True)))
    if not any(_relate.same(values, term) for term in lacking if not _relate.is_zero(term) for values in later):
        return findings
    outs = [out for run in e.mistake.instances for out in results(program, run)]
    users = [i for out in outs for i in program.users.get(out, ()) if set(bench.reached((i,))) & set(e.paths)]
    frames = dict.fromkeys(e.case.source.frame(program.equations[user].stacks) for user in users)
    lines = [line_of(frame, e.case.source) for frame in frames if frame]
    return [replace(finding, line=line, computes=None, must=None) for finding in findings for line in lines] or findings


def where_terms_are_added(e: Explanation, findings: list[Finding]) -> list[Finding]:
    """The findings, at the statement that adds what the statement gives to something else, if a term is lacking and
    the statement adds nothing: `dx = dx1 + dx2` lacks `dx3`, and not `dx2`.
    """
    program, source = e.case.bench.program, e.case.source
    if e.edit.kind != "plus" or e.out is None or e.alias or {finding.cause for finding in findings} != {"missing-term"}:
        return findings
    users = program.users.get(e.out, ())
    is_a_sum = any(program.equations[index].name in _SUMS for index in e.run)
    frame = e.case.places[users[0]] if len(users) == 1 and program.equations[users[0]].name in _SUMS else None
    statement = source.statement(frame) if frame else None
    is_near = frame is not None and e.frame is not None and frame.function == e.frame.function
    if is_a_sum or not is_near or statement is None or statement.target is None or e.statement is None:
        return findings
    if statement.first <= e.statement.last or _is_carried(e):
        return findings
    if not all(isinstance(atom, int) for atom in program.equations[users[0]].inputs):
        return findings
    place = replace(e.place(), line=line_of(frame, source), name=statement.target)
    return [_words.missing_term(e.paths, term=e.described(e.facts["offer"]), place=place)]


def _is_carried(e: Explanation) -> bool:
    """Whether a loop carries what the statement gives to its next run."""
    program, runs = e.case.bench.program, e.mistake.instances
    users = [program.users.get(out, ()) for run in runs for out in results(program, run)]
    return any(user > later[0] for used, later in zip(users, runs[1:], strict=False) for user in used)


def at_its_sum(e: Explanation, findings: list[Finding]) -> list[Finding]:
    """The findings, at the statement that adds a value to what it is added up in, if that has the factor already which
    the value lacks: `dw = s * a; dw = dw - b`.
    """
    program = e.case.bench.program
    if e.edit.kind != "scale" or e.out is None or len(e.mistake.instances) > 1 or e.site.is_formula:
        return findings
    value = e.out
    while len(users := program.users.get(value, ())) == 1:
        equation, frame = program.equations[users[0]], e.case.places[users[0]]
        statement = e.case.source.statement(frame) if frame else None
        if equation.name in ("add", "sub"):
            target = statement.target if statement else None
            other = next((atom for atom in equation.inputs if atom != value), None)
            if target is None or not isinstance(other, int) or e.case.names.of(other) != target:
                return findings
            if not _has_the_factor(e, other):
                return findings
            place = replace(e.place(), line=line_of(frame, e.case.source), name=target)
            return [_words.missing_factor(e.paths, what=f"{e.mistake.factor:g}", place=place)]
        if equation.name not in ("mul", "div", "neg", "transpose", "reshape", "broadcast_in_dim", "squeeze"):
            return findings
        [value] = equation.outputs
    return findings


def _has_the_factor(e: Explanation, variable: int) -> bool:
    """Whether the statement that makes a variable multiplies by the number that the mistake lacks."""
    program, places, source = e.case.bench.program, e.case.places, e.case.source
    frame = places[program.makers[variable]] if variable in program.makers else None
    statement = source.statement(frame) if frame else None
    for index, equation in enumerate(program.equations):
        place = places[index]
        if statement is None or place is None or source.statement(place) != statement:
            continue
        for position, atom in enumerate(equation.inputs):
            values = e.case.bench.run.at(atom)
            if equation.name not in ("mul", "div") or values[0].size != 1 or values[0].dtype.kind != "f":
                continue
            below = equation.name == "div" and position == 1
            with np.errstate(all="ignore"):
                factor = tuple(1 / value.reshape(()) if below else value.reshape(()) for value in values)
            if _relate.same(factor, (np.asarray(e.mistake.factor),) * len(factor)):
                return True
    return False


def where_it_is_added_up(e: Explanation, findings: list[Finding]) -> list[Finding]:
    """The findings on a sign, at the statement of a loop that adds up what is only scaled afterwards."""
    program, value = e.case.bench.program, e.out
    if {finding.cause for finding in findings} != {"sign"} or len(e.mistake.instances) > 1 or value is None:
        return findings
    while value in program.makers and program.equations[program.makers[value]].name in _SCALES:
        read = (atom for atom in program.equations[program.makers[value]].inputs if isinstance(atom, int))
        value, *others = [atom for atom in read if program.shapes[atom].shape == program.shapes[value].shape] or [-1]
        if others:
            return findings
    maker = program.makers.get(value, -1)
    frame = e.case.places[maker]
    if frame is None or maker < 0 or maker in e.run or not _adds_up(e, maker, frame):
        return findings
    if set(e.case.bench.reached(program.users.get(value, ()))) - set(e.paths):
        return findings
    place = replace(e.place(), line=line_of(frame, e.case.source), name=e.case.names.of(value))
    return [_words.sign(e.paths, place=place)]


def _adds_up(e: Explanation, maker: int, frame: Frame) -> bool:
    """Whether a sum is the last of several of its line, each of which adds to the one before."""
    program = e.case.bench.program
    sums = [i for i, place in enumerate(e.case.places) if place == frame and program.equations[i].name in _SUMS]
    read = [[program.makers.get(atom) for atom in program.equations[i].inputs if isinstance(atom, int)] for i in sums]
    follow = all(before in makers for before, makers in zip(sums, read[1:], strict=False))
    return len(sums) > 2 and sums[-1] == maker and follow
