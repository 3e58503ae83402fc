"""Where a value gets its name, and where another: by an assignment, as an argument, or from a function that gives it as
it is.
"""

import ast
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from ._source import caller, Source
from ._stacks import Frame, Stack
from ._syntax import (
    argument_passed_as,
    functions,
    is_passed_in_a_call,
    last_line,
    names_in,
    returned_to,
    Statement,
    statements_of,
)


def alias_after(
    source: Source, frame: Frame, name: str, after: int, *, alone: bool = False
) -> tuple[Frame | None, Statement] | None:
    """The first assignment in the function of a frame that gives `name` another name, such as `dz1 = da1`: below
    line `after`, or, in a loop round that line, above it. With `alone`, only if nothing else there reads it.
    """
    definition = source.definition_of(frame)
    found = _aliases(statements_of(definition) if definition else [], name)
    if alone and definition:
        spared = _branches_not_taken(definition, after)
        if len(found) < sum(all(node.lineno not in lines for lines in spared) for node in _readers(definition, name)):
            return None
    below = [statement for statement in found if statement.first > after]
    nodes = ast.walk(definition) if definition else ()
    loops = [node for node in nodes if isinstance(node, ast.For | ast.While)]
    around = [s for s in found for loop in loops if loop.lineno <= min(s.first, after) <= after <= last_line(loop)]
    statement = next(iter(below or around), None)
    return (replace(frame, number=statement.first), statement) if statement else None


def alias_in(source: Source, frame: Frame, name: str, statement: Statement) -> tuple[Frame | None, Statement] | None:
    """The assignment above a statement that gives `name` another, by which alone the statement reads it."""
    names = names_in(statement.node)
    definition = source.definition_of(frame)
    found = [s for s in _aliases(statements_of(definition) if definition else [], name) if s.first < statement.first]
    found = [s for s in found if s.target in names and name not in names]
    return (Frame(frame.file, found[-1].first, frame.function), found[-1]) if found else None


def alias_of_an_argument(
    source: Source, frame: Frame, stacks: Iterable[Stack], name: str, readers: Sequence[Statement]
) -> tuple[Frame | None, Statement] | None:
    """The assignment that gives another name to the argument as which `name` is passed to the function of a frame,
    by the line that calls it, if the `readers` of it there read it by that name alone.
    """
    definition, calling = source.definition_of(frame), caller(stacks, frame)
    statement = source.statement(calling) if calling else None
    called = argument_passed_as(statement.node, name, definition) if statement and definition else None
    read = [names_in(reader.node) for reader in readers]
    found = _aliases(statements_of(definition), called) if called and read else []
    found = [s for s in found if all(s.target in names and called not in names for names in read)]
    return (replace(frame, number=found[-1].first), found[-1]) if found else None


def handed_on(source: Source, frame: Frame, name: str, readers: Sequence[Statement]) -> tuple[Frame, Statement] | None:
    """The call by which the `readers` of `name`, in the function of a frame, have it under another name alone: the
    function that is called gives its argument as it is. If that has another name there, where it gets it.
    """
    definition, read = source.definition_of(frame), [names_in(statement.node) for statement in readers]
    statements = statements_of(definition) if definition else []
    calls = [
        s
        for s in statements
        if isinstance(node := s.node, ast.Assign) and is_passed_in_a_call(node.value, name)
        if all(names & names_in(*node.targets) and name not in names for names in read)
    ]
    if not read or len(calls) != 1:
        return None
    for called in functions(frame.file):
        argument = argument_passed_as(calls[0].node, name, called)
        found = _aliases(statements_of(called), argument) if argument else []
        if argument and found and len(found) == len(_readers(called, argument)):
            return Frame(frame.file, found[0].first, called.name), found[0]
    return replace(frame, number=calls[0].first), calls[0]


def given_as(frame: Frame | None, statement: Statement) -> tuple[Frame, Statement] | None:
    """The statement that gives a value its name in the function that returns it, if that makes nothing new of another:
    `db = deltas[t]`, where `dw, db = gradients_of(t, deltas)` is the statement and `db` its target.
    """
    node = statement.node
    if frame is None or not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Call):
        return None
    called = ast.unparse(node.value.func).split(".")[-1]
    for function in functions(frame.file):
        name = getattr(function, "name", None) == called and returned_to(function, node, statement.target)
        made = [s for s in statements_of(function) if s.target == name] if name else []
        if made and isinstance(getattr(made[-1].node, "value", None), ast.Name | ast.Subscript):
            return Frame(frame.file, made[-1].first, called), made[-1]
    return None


def assignment_of(source: Source, frame: Frame, name: str) -> tuple[Frame, Statement] | None:
    """The one assignment to a name in the function of a frame, if there is no other and it is no argument."""
    definition = source.definition_of(frame)
    nodes = [node for node in ast.walk(definition) if isinstance(node, ast.Name)] if definition else []
    stored = [node for node in nodes if node.id == name and not isinstance(node.ctx, ast.Load)]
    found = [s for s in (statements_of(definition) if definition else ()) if s.target == name]
    if len(stored) != 1 or len(found) != 1 or isinstance(found[0].node, ast.AugAssign):
        return None
    return replace(frame, number=found[0].first), found[0]


def readers_of(source: Source, frame: Frame, name: str) -> list[Statement]:
    """The statements of the function of a frame that read a name."""
    definition = source.definition_of(frame)
    read = _readers(definition, name) if definition else []
    found = (source.statement(replace(frame, number=node.lineno)) for node in read)
    return list(dict.fromkeys(statement for statement in found if statement))


def _aliases(statements: Iterable[Statement], name: str) -> list[Statement]:
    plain = [s for s in statements if isinstance(s.node, ast.Assign | ast.AnnAssign)]
    return [s for s in plain if s.target and _is_read_as(getattr(s.node, "value", None), name)]


def _readers(definition: Any, name: str) -> list[Any]:
    """Where a function reads a name."""
    return [node for node in ast.walk(definition) if _is_read_as(node, name)]


def _branches_not_taken(definition: Any, line: int) -> list[range]:
    """The lines of the branches that a function does not go through where it goes through a line."""
    found = []
    for node in ast.walk(definition):
        branches = [node.body, node.orelse] if isinstance(node, ast.If) and node.orelse else []
        spans = [range(branch[0].lineno, last_line(branch[-1]) + 1) for branch in branches]
        if any(line in span for span in spans):
            found += [span for span in spans if line not in span]
    return found


def _is_read_as(node: ast.AST | None, name: str) -> bool:
    """Whether an expression reads what is called `name`, which may be a part of an object too: `layer.error`."""
    if not isinstance(node, ast.Name | ast.Attribute | ast.Subscript) or not isinstance(node.ctx, ast.Load):
        return False
    return node.id == name if isinstance(node, ast.Name) else not name.isidentifier() and ast.unparse(node) == name
