"""The statements of a candidate, and the equations that each stands for every time that it is executed."""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ._expressions import expression_at
from ._source import caller, Source
from ._stacks import Frame
from ._syntax import Statement
from ._trace import Atom, Literal, Program


_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp)


@dataclass(frozen=True, eq=False)
class Site:
    """A statement of the candidate's source, and the equations that it stands for.

    Attributes:
      frame: its line; None where no line is known.
      statement: it, as far as the source could be read.
      instances: the equations of each time that it is executed, in the order of execution.
      leaf: the leaf of the gradient that it returns, if it is a part of the return statement.
      calls: of a statement of a function that is called on several lines, the executions that come from each.
      is_formula: whether it stands in a formula, whose equations belong to the statements that call it as well.
    """

    frame: Frame | None
    statement: Statement | None
    instances: tuple[tuple[int, ...], ...]
    leaf: str | None = None
    calls: tuple[tuple[tuple[int, ...], ...], ...] = ()
    is_formula: bool = False

    @property
    def first(self) -> int:
        """Its first equation, by which sites are ordered."""
        return self.instances[0][0]


def sites(program: Program, source: Source, paths: Sequence[str]) -> list[Site]:
    """The statements of the candidate, in the order in which they are first executed."""
    returns = dict(zip(range(len(program.equations) - len(paths), len(program.equations)), paths, strict=True))
    groups: dict[Any, tuple[Frame | None, Statement | None, list[list[int]], str | None]] = {}
    previous = None
    places = source.places(program)
    for index, frame in enumerate(places):
        if index in returns:
            [atom] = program.equations[index].inputs
            constant = isinstance(atom, Literal) or atom in program.constants
            frame, statement = (source.assigned(returns[index]) if constant else None) or source.returned(
                returns[index]
            )
            groups[index] = (frame, statement, [[index]], returns[index])
            continue
        if frame is None:
            continue
        statement = source.statement(frame)
        inner = statement and _comprehension(frame, statement)
        key = (frame.file, statement.first if statement else frame.number, frame.function, inner)
        instances = groups.setdefault(key, (frame, statement, [], None))[2]
        call = key, caller(program.equations[index].stacks, frame)
        if call != previous and not (instances and _goes_on(program, places, statement, instances[-1], index)):
            instances.append([])
        instances[-1].append(index)
        previous = call
    return [
        Site(f, s, runs, leaf, _calls(program, f, runs))
        for f, s, instances, leaf in groups.values()
        for runs in [tuple(run for instance in instances for run in _executions(program, places, instance))]
    ]


def _goes_on(
    program: Program, places: Sequence[Frame | None], statement: Statement | None, run: Sequence[int], index: int
) -> bool:
    """Whether an equation belongs to an execution that was interrupted: by functions that the statement calls, which
    read nothing of what it had computed, as in `d / 3 * slope(z)`.
    """
    frame, last = places[index], places[run[-1]]
    if statement is None or frame is None or last is None or frame.offset <= last.offset:
        return False
    made = {out for each in run for out in program.equations[each].outputs}
    for equation in program.equations[run[-1] + 1 : index]:
        frames = (each for stack in equation.stacks for each in stack if each)
        inside = any(
            (each.file, each.function) == (frame.file, frame.function)
            and statement.first <= each.number <= statement.last
            for each in frames
        )
        if not inside or not made.isdisjoint(atom for atom in equation.inputs if isinstance(atom, int)):
            return False
    return True


def _comprehension(frame: Frame, statement: Statement) -> int | None:
    """Which comprehension of a statement a frame is in: until Python 3.12 that is a function of its own, then none."""
    found = [node for node in ast.walk(statement.node) if isinstance(node, _COMPREHENSIONS)]
    made = expression_at(frame, statement) if found else None
    inside = [n for n, node in enumerate(found) if made is not None and made in _elements(node)]
    return inside[-1] if inside else None


def _elements(node: ast.ListComp | ast.SetComp | ast.DictComp) -> Iterator[ast.AST]:
    """What is evaluated for each element; where Python goes on to the next one, it is at the whole."""
    outside = {id(node), *(id(each) for each in ast.walk(node.generators[0].iter))}
    yield from (each for each in ast.walk(node) if id(each) not in outside)


def _executions(program: Program, places: Sequence[Frame | None], instance: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """The equations of each execution, where a loop of one statement leaves those of several on end.

    Each goes through the code of the statement from its beginning, and all consist of the same operations.
    """
    offsets = [frame.offset if frame else 0 for frame in map(places.__getitem__, instance)]
    starts = [0, *(i for i, (before, after) in enumerate(pairwise(offsets), 1) if after < before)]
    runs = [tuple(instance[start:stop]) for start, stop in pairwise([*starts, len(instance)])]
    alike = len({tuple(program.equations[index].name for index in run) for run in runs}) == 1
    yield from runs if alike else [tuple(instance)]


def formulas(program: Program, source: Source) -> list[Site]:
    """The statements of formulas that are called on several lines, each of which has its own site as well."""
    groups: dict[Any, tuple[Frame, Statement, list[list[int]]]] = {}
    previous = None
    for index, frame in enumerate(source.formulas(program)):
        statement = source.statement(frame) if frame else None
        key = None
        if frame and statement:
            key = (frame.file, statement.first, frame.function), caller(program.equations[index].stacks, frame)
            instances = groups.setdefault(key[0], (frame, statement, []))[2]
            if key != previous:
                instances.append([])
            instances[-1].append(index)
        previous = key
    found = []
    for frame, statement, instances in groups.values():
        runs = tuple(map(tuple, instances))
        calls = _calls(program, frame, runs)
        if calls and len({tuple(program.equations[index].name for index in run) for run in runs}) == 1:
            found.append(Site(frame, statement, runs, None, calls, is_formula=True))
    return found


def _calls(
    program: Program, frame: Frame | None, instances: tuple[tuple[int, ...], ...]
) -> tuple[tuple[tuple[int, ...], ...], ...]:
    """The executions of a statement by the line that calls its function; none if that is one line."""
    found: dict[Frame | None, list[tuple[int, ...]]] = {}
    for instance in instances if len(instances) > 1 else ():
        found.setdefault(caller(program.equations[instance[0]].stacks, frame), []).append(instance)
    return tuple(map(tuple, found.values())) if len(found) > 1 else ()


_TAKES = frozenset("slice index squeeze reshape dynamic_slice gather convert_element_type copy".split())
"""Operations that take a part of their first input."""


def wholes(program: Program, variable: Atom) -> Iterator[Atom]:
    """A variable, and all that it is a part of as it stands: `x[i][j]`, `x[i]` and `x`."""
    yield variable
    while isinstance(variable, int) and variable in program.makers:
        equation = program.equations[program.makers[variable]]
        if equation.name not in _TAKES:
            return
        variable = equation.inputs[0]
        yield variable


def name_of(program: Program, site: Site, run: int = 0) -> str | None:
    """What a statement calls the one value that it gives in the run with this number; None if it gives several, or one
    that is only passed to a function: of `out = layer(x @ w)` the name is that of what `layer` returns.
    """
    frame, statement = site.frame, site.statement
    outs = given(program, site.instances[run])
    if frame is None or statement is None or statement.target is None or len(outs) != 1:
        return None
    here = range(statement.first, statement.last + 1)
    until = site.instances[run + 1][0] if run + 1 < len(site.instances) else len(program.equations)
    for user in program.users.get(outs[0], ()):
        for stack in program.equations[user].stacks if user < until else ():
            calls = [each for each in stack if each and each.number in here and each.file == frame.file]
            if any(each.function == frame.function for each in calls):
                return None
    return statement.target


def results(program: Program, equations: Sequence[int]) -> list[int]:
    """What `equations` define and others read."""
    inside = set(equations)
    return [
        out
        for index in equations
        for out in program.equations[index].outputs
        if out in program.outputs or any(user not in inside for user in program.users.get(out, ()))
    ]


def given(program: Program, equations: Sequence[int]) -> list[int]:
    """What `equations` give, be it that nothing reads it: what is computed and then not returned."""
    made = [out for index in equations for out in program.equations[index].outputs]
    return results(program, equations) or [out for out in made if not program.users.get(out)]
