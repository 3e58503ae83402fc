"""Where in a function's own source an equation stands: its statement, what that assigns, and what a line repeats."""

import ast
import functools
import inspect
import linecache
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import takewhile
from types import CodeType
from typing import Any

from ._stacks import Frame, HIDDEN, Stack
from ._syntax import (
    assigns,
    calls_on,
    entry_of,
    first_line,
    function_of,
    functions,
    is_an_operation,
    is_worth_a_look,
    Statement,
    statements_of,
)
from ._trace import Equation, Program
from ._tree import leaf_of


class Source:
    """The source of a function under check, as far as it can be found."""

    def __init__(self, function: Callable[..., Any]) -> None:
        code = _code(function)
        # A wrapper of ours has lines too, but none that a user could mend.
        self.code = None if code is None or code.co_filename.startswith(HIDDEN) else code

    @cached_property
    def file(self) -> str | None:
        """The file that the function is written in."""
        return self.code.co_filename if self.code else None

    @cached_property
    def lines(self) -> range:
        """The numbers of its lines."""
        return _lines(self.code) if self.code else range(0)

    @cached_property
    def text(self) -> list[str]:
        """The lines of the whole file; empty where there is none, as for code that was typed in."""
        return linecache.getlines(self.file) if self.file else []

    @cached_property
    def definition(self) -> ast.AST | None:
        """The syntax tree of the function."""
        if not self.file or not self.code:
            return None
        code = self.code
        found = [node for node in functions(self.file) if first_line(node) == code.co_firstlineno]
        return next((node for node in found if getattr(node, "name", "<lambda>") == code.co_name), None)

    @cached_property
    def statements(self) -> list[Statement]:
        """Its statements, in the order of the lines."""
        return statements_of(self.definition) if self.definition else []

    def statement(self, frame: Frame) -> Statement | None:
        """The innermost statement that a frame stands on, of this function or of one that it calls."""
        definition = self.definition_of(frame)
        statements = [] if definition is None else statements_of(definition)
        around = [s for s in statements if s.first <= frame.number <= s.last]
        return min(around, key=lambda s: s.last - s.first) if around else None

    def definition_of(self, frame: Frame) -> Any:
        """The syntax tree of the function that a frame stands in."""
        return self.definition if self.is_own(frame) else function_of(frame)

    def is_own(self, frame: Frame) -> bool:
        """Whether a frame stands in the function itself."""
        return frame.file == self.file and frame.number in self.lines

    def returned(self, path: str) -> tuple[Frame | None, Statement | None]:
        """Where the leaf `path` is returned."""
        returns = [s for s in self.statements if isinstance(s.node, ast.Return | ast.Lambda)]
        if not returns:
            return None, None
        statement = returns[-1]
        entry = entry_of(getattr(statement.node, "value", None), leaf_of(path))
        if entry is not None and entry.lineno > statement.first:
            statement = next((s for s in self.statements if s.node is entry), statement)
        return self._frame(statement), statement

    def assigned(self, path: str) -> tuple[Frame | None, Statement | None] | None:
        """The last assignment to the name that is returned as the leaf `path`, alone or with others at once, or to that
        key of the dict that is.
        """
        found = _assigned(self.statements, path)
        return None if found is None else (self._frame(found), found)

    def assigned_in(self, program: Program, path: str) -> tuple[Frame, Statement] | None:
        """The same in the first function that a program passes through and that returns a dict with this key."""
        stacks = (stack for equation in program.equations for stack in equation.stacks)
        for frame in dict.fromkeys(frame for stack in stacks for frame in stack if frame):
            definition = function_of(frame)
            found = None if definition is None else _assigned(statements_of(definition), path)
            if found is not None:
                return Frame(frame.file, found.first, frame.function), found
        return None

    def _frame(self, statement: Statement) -> Frame | None:
        return Frame(self.file, statement.first, self.code.co_name) if self.file and self.code else None

    def frame(self, stacks: Iterable[Stack]) -> Frame | None:
        """The frame of this very function in the stacks of an equation: of a nested one if JAX calls it back."""
        for stack in stacks:
            own = None
            for index in reversed(range(len(stack))):
                frame = stack[index]
                if frame is None or not self.is_own(frame):
                    continue
                called_back = index + 1 < len(stack) and stack[index + 1] is None
                if own is None or called_back:
                    own = frame
            if own:
                return own
        return None

    def places(self, program: Program) -> list[Frame | None]:
        """Where each equation stands: in the function itself, or in one that it calls which is worth a look of its own,
        being longer than a formula; or in one that JAX calls back without it, as it does where it is `jax.grad(f)`.
        """
        called: dict[tuple[str, int], set[Any]] = {}
        for equation in program.equations:
            for stack in equation.stacks:
                inner: Frame | None = None
                for frame in stack:
                    if frame and inner:
                        called.setdefault((frame.file, frame.number), set()).add(function_of(inner))
                    inner = frame
        places = [self._place(equation, called) for equation in program.equations]
        if not any(places):
            return places
        return [
            place or _called_back(equation, called) for place, equation in zip(places, program.equations, strict=True)
        ]

    def formulas(self, program: Program) -> list[Frame | None]:
        """Where each equation stands within a formula that its place calls: None where it calls none."""
        found = []
        for place, equation in zip(self.places(program), program.equations, strict=True):
            stack = next((stack for stack in equation.stacks if place in stack), ())
            inner = stack[: stack.index(place)] if place in stack else ()
            found.append(next((f for f in reversed(inner) if f and not is_an_operation(f)), None))
        return found

    def _place(self, equation: Equation, called: dict[tuple[str, int], set[Any]]) -> Frame | None:
        """The innermost frame that is worth a look; a line that calls now one function, now another, says nothing."""
        for stack in equation.stacks:
            frames = [frame for frame in reversed(stack) if frame]
            start = next((i for i, frame in enumerate(frames) if self.is_own(frame)), None)
            if start is not None:
                own = self.frame((stack,)) or frames[start]
                return _innermost(frames[frames.index(own) :], called)
        return None


def _called_back(equation: Equation, called: dict[tuple[str, int], set[Any]]) -> Frame | None:
    for stack in equation.stacks:
        inner = [frame for frame in takewhile(lambda frame: frame is not None, stack) if frame]
        if inner:
            return _innermost(inner[::-1], called)
    return None


def _innermost(frames: Sequence[Frame], called: dict[tuple[str, int], set[Any]]) -> Frame:
    place, *within = frames
    for frame in within:
        dispatched = len(called.get((place.file, place.number), ())) > calls_on(place)
        if not dispatched and not is_worth_a_look(frame):
            break
        place = frame
    return place


def caller(stacks: Iterable[Stack], inner: Frame | None) -> Frame | None:
    """The line that calls the function in which a frame stands."""
    for stack in stacks:
        frames = [frame for frame in stack if frame]
        inside = [
            index
            for index, frame in enumerate(frames)
            if inner and (frame.file, _around(frame.function)) == (inner.file, _around(inner.function))
        ]
        if inside and inside[-1] + 1 < len(frames):
            return frames[inside[-1] + 1]
    return None


def _around(function: str) -> str:
    """The function in which a comprehension stands, that is one of its own until Python 3.12; any other as it is."""
    while function.endswith(("<listcomp>", "<dictcomp>", "<setcomp>", "<genexpr>")):
        function = function.rpartition(".")[0].removesuffix(".<locals>")
    return function


def _assigned(statements: Sequence[Statement], path: str) -> Statement | None:
    """The last of some statements that assigns to what they return as the leaf `path`."""
    returns = [s for s in statements if isinstance(s.node, ast.Return)]
    whole = getattr(returns[-1].node, "value", None) if returns else None
    entry = entry_of(whole, leaf_of(path))
    name = getattr(entry, "value", entry)
    if isinstance(name, ast.Name):
        target = name.id
    elif isinstance(whole, ast.Name):
        target = f"{whole.id}[{leaf_of(path)!r}]"
    else:
        return None
    found = [s for s in statements if assigns(s, target) and s.last < returns[-1].first]
    return replace(found[-1], target=target) if found else None


def _code(function: Any) -> CodeType | None:
    """The code that the user wrote: within partial, jit, and methods."""
    while True:
        if isinstance(function, functools.partial):
            function = function.func
        elif hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        elif inspect.ismethod(function):
            function = function.__func__
        elif hasattr(function, "__code__"):
            return function.__code__
        else:
            method = getattr(type(function), "__call__", None)  # noqa: B004 (what it is, not whether)
            if not hasattr(method, "__code__"):
                return None
            function = method


def _lines(code: CodeType) -> range:
    """The lines of a function, those of the functions inside it included."""
    last = max([code.co_firstlineno, *(line for _, _, line in code.co_lines() if line)])
    inner = [_lines(const).stop - 1 for const in code.co_consts if isinstance(const, CodeType)]
    return range(code.co_firstlineno, max([last, *inner]) + 1)
