"""Where a mistake stands if not at the statement that is corrected: at those that use a right value in the place of
another, at those that make what lacks something, at a sum of which only the other term has a factor, at those that make
what is only collected there, or at a return that ends too early or gives back the wrong value.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from .._line import _relate
from .._line._offers import Offer
from .._program._sites import results, wholes
from .._program._stacks import Frame
from .._program._syntax import argument_given_back, return_in_a_loop
from .._report import _words
from .._report._gradient_report import Finding
from ._explanation import Explanation
from ._names import line_of


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


_SUMS = frozenset(("add", "add_any"))


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


def _is_carried(e: Explanation) -> bool:
    """Whether a loop carries what the statement gives to its next run."""
    program, runs = e.case.bench.program, e.mistake.instances
    users = [program.users.get(out, ()) for run in runs for out in results(program, run)]
    return any(user > later[0] for used, later in zip(users, runs[1:], strict=False) for user in used)


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


def at_its_pieces(e: Explanation, findings: list[Finding]) -> list[Finding]:
    """The findings, at the statements that make the wrong pieces of what is only collected."""
    lines = [line_of(site.frame, e.case.source) for site in e.facts.get("pieces", ())]
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
