"""Where a mistake stands if not at the statement that is corrected: at those that use a right value in the place of
another, at those that make what lacks something or what is only collected there, or at a return that ends too early or
gives back the wrong value.
"""

from collections.abc import Iterator
from dataclasses import replace

from .._line import _relate
from .._line._offers import Offer
from .._program._sites import results, wholes
from .._program._stacks import Frame
from .._program._syntax import argument_given_back, return_in_a_loop
from .._program._trace import Literal
from .._report import _words
from .._report._gradient_report import Finding
from ._called import calls_of_some
from ._explanation import Explanation
from ._names import line_of
from ._stepped import is_taken_from_itself


def at_its_users(e: Explanation, findings: list[Finding]) -> list[Finding]:
    """The findings, at the statements that use a value which is right where they ought to use another of the
    candidate's own: `dh`, where `dz = dh * (1 - h**2)` is computed and not used.
    """
    bench, program = e.case.bench, e.case.bench.program
    corrected = e.corrected() if e.mistake.innocent and e.alias is None else None
    if e.out is None or corrected is None or not any(_relate.same(bench.run.at(v), corrected) for v in _of_it(e)):
        return findings
    users = [i for i in program.users.get(e.out, ()) if i not in e.run and set(bench.reached((i,))) & set(e.paths)]
    frames = dict.fromkeys(e.case.places[i] for i in users)
    lines = [line_of(frame, e.case.source) for frame in frames if frame]
    return [replace(finding, line=line, computes=None, must=None) for finding in findings for line in lines] or findings


def where_it_is_scaled(e: Explanation, findings: list[Finding]) -> list[Finding]:
    """The findings on a missing slope, at the statement that makes a cotangent of a difference, if it is the only one
    that reads it, and does nothing but scale it: `d = 2 / n * error`.
    """
    bench, program = e.case.bench, e.case.bench.program
    is_missing = {finding.cause for finding in findings} == {"missing-activation-derivative"}
    if not is_missing or e.edit.kind != "times" or e.alias or e.out is None:
        return findings
    outs = [out for run in e.mistake.instances for out in results(program, run)]
    users = [user for out in outs for user in program.users.get(out, ())]
    others = [atom for user in users for atom in program.equations[user].inputs if atom not in outs]
    frames = {e.case.places[user] for user in users}
    if len(users) != len(outs) or len(frames) != 1 or e.frame in frames:
        return findings
    is_scaled = all(program.equations[user].name in ("mul", "div") for user in users)
    numbers = all(isinstance(a, Literal) or bench.run.at(a)[0].size == 1 and not e.case.depends_on(a) for a in others)
    frame = frames.pop()
    is_a_difference = all(program.equations[program.makers[out]].name == "sub" for out in outs)
    if frame is None or not is_scaled or not numbers or not is_a_difference:
        return findings
    line = line_of(frame, e.case.source)
    return [replace(finding, line=line, computes=None, must=None, fix=None) for finding in findings]


def at_its_sign(e: Explanation, findings: list[Finding]) -> list[Finding]:
    """The findings, at the first statement that gives a cotangent of the other sign, and reads none."""
    program, index, found = e.case.bench.program, e.run[0], None
    pending = [atom for i in e.run for atom in program.equations[i].inputs]
    while wrong := [atom for atom in pending if isinstance(atom, int) and _has_the_other_sign(e, atom)]:
        index = program.makers[wrong[0]]
        found, pending = wrong[0], program.equations[index].inputs
    frame = e.case.places[index]
    if found is None or frame is None:
        return findings
    line = line_of(frame, e.case.source)
    return [replace(finding, line=line, computes=None, must=None, fix=None) for finding in findings]


def _has_the_other_sign(e: Explanation, variable: int) -> bool:
    if variable not in e.case.bench.program.makers:
        return False
    values = e.case.bench.run.at(variable)
    scale = e.case.each_cotangent.scale(values) if values[0].size > 1 and values[0].dtype.kind == "f" else None
    return scale is not None and scale < 0


def where_it_is_made(e: Explanation, findings: list[Finding]) -> list[Finding]:
    """The findings, at the statement that makes what lacks the error of the layer behind, if several use it, and no
    leaf that comes of it is right.
    """
    program, bench = e.case.bench.program, e.case.bench
    if e.within is None or {finding.cause for finding in findings} != {"missing-upstream"}:
        return findings
    reached = bench.reached(program.users.get(e.within, ()))
    frame = e.case.places[program.makers[e.within]] if e.within in program.makers else None
    is_a_value = e.case.forward.find(bench.run.at(e.within)) is not None
    if frame is None or is_a_value or len(reached) == len(e.paths) or any(bench.is_right(p, {}) for p in reached):
        return findings
    place = replace(e.place(), line=line_of(frame, e.case.source), name=e.case.names.of(e.within))
    return [_words.missing_upstream(e.paths, place=place)]


def where_it_vanishes(e: Explanation, findings: list[Finding]) -> list[Finding]:
    """The findings on a gradient of zeros, at the first statement that makes zeros of what is not zero throughout."""
    program, bench = e.case.bench.program, e.case.bench
    if {finding.cause for finding in findings} != {"zero-gradient"}:
        return findings
    pending, found = [*e.outs], None
    while zeros := [atom for atom in pending if atom in program.makers and _relate.is_zero(bench.run.at(atom))]:
        found, pending = zeros[0], [a for a in program.equations[program.makers[zeros[0]]].inputs if isinstance(a, int)]
    if (
        found is None
        or program.makers[found] in e.run
        or not any(bench.run.at(a)[0].dtype.kind == "f" for a in pending)
    ):
        return findings
    line = line_of(e.case.places[program.makers[found]], e.case.source)
    return [replace(finding, line=line, computes=None, must=None, fix=None, evidence=None) for finding in findings]


_OF_A_STEP = frozenset(
    "stale-weights wrong-regularization missing-regularization missing-term double-counted-term unknown".split()
)
"""What is wrong in a step, and not in how much was stepped."""


def where_it_is_stepped(e: Explanation, findings: list[Finding]) -> list[Finding]:
    """The findings, at the last step of a parameter, if the statement only says how much was stepped: as in
    `(old - new) / rate`.
    """
    program, pending = e.case.bench.program, [] if e.out is None else [e.out]
    if not {finding.cause for finding in findings} <= _OF_A_STEP or any(finding.must for finding in findings):
        return findings
    if any(finding.line != e.place().line for finding in findings):
        return findings
    while pending:
        index = program.makers.get(pending.pop())
        if index not in e.run or program.equations[index].name not in ("sub", "mul", "div", "neg"):
            continue
        atoms = [atom for atom in program.equations[index].inputs if isinstance(atom, int)]
        stepped = [atom for atom in atoms if is_taken_from_itself(e, program.equations[index], atom)]
        frame = e.case.places[program.makers[stepped[0]]] if stepped and stepped[0] in program.makers else None
        if frame is not None and frame != e.frame:
            line = line_of(frame, e.case.source)
            return [replace(finding, line=line, computes=None) for finding in findings]
        pending += atoms
    return findings


def where_it_is_named(e: Explanation, findings: list[Finding]) -> list[Finding]:
    """The findings on a wrong operand, at the statement that gives it its name, if that makes nothing new of another
    value, and only the line that is wrong reads it: `dz_dw = h.T`.
    """
    program, used = e.case.bench.program, e.facts.get("used")
    if {finding.cause for finding in findings} != {"wrong-operand"} or used not in program.makers:
        return findings
    frame = e.case.places[program.makers[used]]
    statement = e.case.source.statement(frame) if frame else None
    name = e.case.names.of(used)
    if frame is None or statement is None or statement == e.statement or name is None or statement.target != name:
        return findings
    made = [program.equations[i].name for i, place in enumerate(e.case.places) if place == frame]
    is_read_elsewhere = any(user not in e.run for user in program.users.get(used, ()))
    if is_read_elsewhere or not _MOVES.issuperset(made):
        return findings
    place = replace(e.place(), line=line_of(frame, e.case.source), name=name)
    return [_words.wrong_operand(e.paths, used=None, instead=None, place=place)]


_MOVES = frozenset(("transpose", "reshape", "squeeze", "broadcast_in_dim", "copy"))
"""Operations that make nothing new of a value."""


def at_its_pieces(e: Explanation, findings: list[Finding]) -> list[Finding]:
    """The findings, at the statements that make the wrong pieces of what is only collected."""
    pieces = e.facts.get("pieces", {})
    frames = [frame for site, runs in pieces.items() for frame in calls_of_some(e, site, runs) or [site.frame]]
    lines = [line_of(frame, e.case.source) for frame in dict.fromkeys(frames)]
    if lines and e.facts["permuted"]:  # each piece of a gradient in the place of another
        findings = [_words.wrong_operand(e.paths, used=None, instead=None, place=e.place())]
    return [replace(finding, line=line, computes=None, must=None) for finding in findings for line in lines] or findings


_UNFINISHED = frozenset(("missing-term", "zero-gradient", "missing-upstream", "wrong-mask", "unknown"))
"""What a loop leaves that ends too early."""


def at_an_early_return(e: Explanation, findings: list[Finding]) -> list[Finding]:
    """The findings, at the return that stands in a loop, where one does and something was not done to the end: in the
    function of the statement, or in that which makes what it reads.
    """
    if e.frame is None or not {finding.cause for finding in findings} <= _UNFINISHED:
        return findings
    for frame in (e.frame, *_where_it_is_made(e)):
        number = return_in_a_loop(frame)
        if number is not None:
            line = line_of(Frame(frame.file, number, frame.function), e.case.source)
            return [replace(finding, line=line, computes=None, must=None, fix=None) for finding in findings]
    return findings


def at_its_return(e: Explanation, findings: list[Finding]) -> list[Finding]:
    """The findings, at the return of a function that gives back what it was given, in the place of what it computes
    and nothing reads.
    """
    offer: Offer | None = e.facts.get("offer")
    program, source = e.case.bench.program, e.case.source
    if offer is None or not offer.is_unread or offer.name is None or e.edit.kind not in ("operand", "known"):
        return findings
    for stack in program.equations[program.makers[offer.variables[0]]].stacks:
        frame = next((frame for frame in stack if frame), None)
        given_back = frame and argument_given_back(frame, offer.name)
        if frame is not None and given_back is not None:
            name, number = given_back
            line = line_of(Frame(frame.file, number, frame.function), source)
            place = replace(e.place(), line=line, name=None)
            return [_words.wrong_operand(e.paths, used=name, instead=offer.name, place=place)]
    return findings


def _where_it_is_made(e: Explanation) -> Iterator[Frame]:
    """The lines that make what the statement reads, or takes a part of."""
    program = e.case.bench.program
    for atom in (atom for index in e.run for atom in program.equations[index].inputs):
        *_, whole = wholes(program, atom)
        maker = program.makers.get(whole) if isinstance(whole, int) else None
        for stack in () if maker is None else program.equations[maker].stacks:
            yield from filter(None, stack)


def _of_it(e: Explanation) -> list[int]:
    """The named variables that come of the value, and of which no leaf comes that is wrong for it."""
    bench, program = e.case.bench, e.case.bench.program
    found, reached = [], {e.out}
    for equation in program.equations:
        if reached.intersection(atom for atom in equation.inputs if isinstance(atom, int)):
            reached.update(equation.outputs)
            found += [
                out
                for out in equation.outputs
                if out in e.case.names.by_variable
                and not set(bench.reached(program.users.get(out, ()))) & set(e.paths)
                and bench.run.at(out)[0].shape == e.actual[0].shape
            ]
    return found
