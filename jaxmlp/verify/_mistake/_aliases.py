"""The statement that only gives a value another name, where that value is right and is used wrongly: `dz1 = da1`, or
`dz1 = backward(da1)` with a function that gives what it is given.
"""

from .._line._localize import Mistake
from .._program._renamed import alias_after, alias_in, alias_of_an_argument, handed_on
from .._program._sites import results
from .._program._source import caller
from .._program._stacks import Frame
from .._program._syntax import calls_one_that_ignores, function_of, returned_as, Statement
from ._case import Case


_PASSES = frozenset(("neg", "convert_element_type", "copy", "reshape", "squeeze"))
"""Operations that make nothing new of a value."""


def renamed(case: Case, mistake: Mistake, out: int | None) -> tuple[Frame | None, Statement] | None:
    """The statement that renames a value which is right in itself, on the way to where it is used wrongly: in the
    function that makes it, or in the one that it is passed to.
    """
    site, source = mistake.site, case.source
    if site.statement is None or site.frame is None:
        return None
    used = _used(case, mistake) if mistake.edit.kind == "operand" else None
    is_within = "within" in mistake.edit.facts
    if is_within:
        used = None if out is None else case.names.of(out)
    if used:
        alias = alias_in(source, site.frame, used, site.statement)
        return alias or handed_on(source, site.frame, used, [site.statement])
    if mistake.edit.kind in ("leaf", "returned"):
        return _named_as_a_leaf(case, mistake)
    if mistake.edit.kind == "scale" and (unread := _handed_on_unread(case, mistake)):
        return unread
    name = None if is_within else site.statement.target
    # Exponentials are right on the way to a softmax: what is wrong is that they are taken for it.
    is_right = (mistake.innocent and _is_known_in_each_run(case, mistake)) or mistake.edit.kind == "normalized"
    if out is None or not name or not (is_right or _lacks_only_a_factor(case, mistake, out)):
        return None
    # Where all that comes of it is wrong, and something else reads it too, it is wrong before it gets another name.
    everywhere = set(case.bench.reached(case.bench.program.users.get(out, ()))) <= set(mistake.leaves)
    alias = alias_after(source, site.frame, name, site.statement.last, alone=everywhere or not is_right)
    alias = alias or _passed_on(case, mistake, out, name) or _handed_on(case, mistake, out, name)
    return alias or _given_back(case, mistake, out, name)


def _used(case: Case, mistake: Mistake) -> str | None:
    """The name of the operand that is wrong, if it is one value in all runs, and not each time another of a list."""
    equations, uses = case.bench.program.equations, mistake.edit.facts.get("uses", ())
    each = {equations[run[place]].inputs[at] for run in mistake.instances for place, at in uses[:1] if place < len(run)}
    return case.names.of(mistake.edit.facts["used"]) if len(each) < 2 else None


def _named_as_a_leaf(case: Case, mistake: Mistake) -> tuple[Frame | None, Statement] | None:
    """The statement of another function that gives its name to the gradient of a parameter, if that is, as it stands,
    the cotangent of another value: `dh0 = dnext_h`, which is that of the first step's result.
    """
    program, source = case.bench.program, case.source
    [atom] = program.equations[mistake.instances[0][0]].inputs
    frame = case.places[program.makers[atom]] if isinstance(atom, int) and atom in program.makers else None
    statement = source.statement(frame) if frame and not source.is_own(frame) else None
    if frame is None or statement is None or statement.target is None or not isinstance(atom, int):
        return None
    values = case.bench.run.at(atom)
    if values[0].size < 2 or case.each_cotangent.scale(values) is None:
        return None
    return alias_after(source, frame, statement.target, statement.last, alone=False)


def _given_back(case: Case, mistake: Mistake, out: int, name: str) -> tuple[Frame | None, Statement] | None:
    """The statement that renames what a function returns as it is: where it is called, or where it is passed on to."""
    own, source, equations = mistake.site.frame, case.source, case.bench.program.equations
    calls = {caller(equations[run[0]].stacks, own) for run in mistake.instances}
    call = calls.pop() if len(calls) == 1 else None
    statement = source.statement(call) if call and own and not source.is_own(own) else None
    target = returned_as(function_of(own), name, statement.node) if own and statement else None
    if call is None or statement is None or target is None:
        return None
    return alias_after(source, call, target, statement.last, alone=True) or _passed_on(case, mistake, out, target)


def _handed_on_unread(case: Case, mistake: Mistake) -> tuple[Frame, Statement] | None:
    """The statement that has what the corrected one reads from a function which gives it as it is, and never reads the
    rest of what it is given, such as the constant that the value was multiplied by.
    """
    site, equations = mistake.site, case.bench.program.equations
    if site.frame is None or site.statement is None or len(mistake.instances) != 1:
        return None
    read = {atom for index in mistake.instances[0] for atom in equations[index].inputs if isinstance(atom, int)}
    for name in filter(None, map(case.names.of, sorted(read))):
        found = handed_on(case.source, site.frame, name, [site.statement])
        if found is not None and calls_one_that_ignores(found[1].node, found[0].file):
            return found
    return None


def _passed_on(case: Case, mistake: Mistake, out: int, name: str) -> tuple[Frame | None, Statement] | None:
    """The only statement that uses the value, if it passes it on as it is, or with the other sign; or, if only one
    function uses it, the statement there that renames the argument as which it comes.
    """
    program, source = case.bench.program, case.source
    users = [i for i in program.users.get(out, ()) if set(case.bench.reached((i,))) & set(mistake.leaves)]
    frames = [case.places[user] for user in users]
    frame = frames[0] if frames else None
    if frame is None:
        return None
    if len(users) == 1 and program.equations[users[0]].name in _PASSES:
        statement = source.statement(frame)
        alone = [i for i, place in enumerate(case.places) if place == frame] == users
        return (frame, statement) if alone and statement and statement is not mistake.site.statement else None
    readers = [statement for each in frames if each and (statement := source.statement(each))]
    if {(f.file, f.function) for f in frames if f} == {(frame.file, frame.function)} and len(readers) == len(frames):
        return alias_of_an_argument(source, frame, program.equations[users[0]].stacks, name, readers)
    return None


def _handed_on(case: Case, mistake: Mistake, out: int, name: str) -> tuple[Frame | None, Statement] | None:
    """The statement that has the value, under another name, from a function which gives it as it is."""
    program, own = case.bench.program, mistake.site.frame
    if own is None:
        return None
    users = [i for i in program.users.get(out, ()) if set(case.bench.reached((i,))) & set(mistake.leaves)]
    stacks = [[frame for stack in program.equations[user].stacks for frame in stack if frame] for user in users]
    frames = [next((f for f in stack if (f.file, f.function) == (own.file, own.function)), None) for stack in stacks]
    readers = [case.source.statement(frame) if frame else None for frame in frames]
    return handed_on(case.source, own, name, [each for each in readers if each]) if all(readers) else None


def _is_known_in_each_run(case: Case, mistake: Mistake) -> bool:
    """Whether each run that is corrected gives a value or a cotangent of the loss, if some have a cotangent to give:
    of the steps of a loop the first alone may be right, where what comes of the others is lacking.
    """
    runs = mistake.instances if len(mistake.instances) > 1 else ()
    each = [case.bench.run.at(out) for run in runs for out in results(case.bench.program, run)[:1]]
    known = [case.each_cotangent.scale(values) is not None for values in each]
    return not any(known) or all(known)


def _lacks_only_a_factor(case: Case, mistake: Mistake, out: int) -> bool:
    """Whether it is right as a value or a cotangent of the loss, as `out - y` is, and something is missing of it."""
    values = case.bench.run.at(out)
    is_known = case.forward.find(values) is not None or case.each_cotangent.scale(values) is not None
    return mistake.edit.kind == "times" and is_known
