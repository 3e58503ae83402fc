"""Where in a function's own source an equation stands: its statement, what that assigns, and what a line repeats."""

import ast
import functools
import inspect
import linecache
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from types import CodeType
from typing import Any

from ._trace import Equation, Frame, HIDDEN, Program, Stack


@dataclass(frozen=True)
class Statement:
    """A simple statement, or the entry of a dict or tuple that has lines of its own.

    Attributes:
      first: its first line.
      last: its last line.
      target: what it assigns, as it is written: `dz1`, or `grads["w1"]`; None for a return.
      node: its syntax tree.
    """

    first: int
    last: int
    target: str | None
    node: ast.AST


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
        found = [node for node in _functions(self.file) if _first(node) == code.co_firstlineno]
        return next((node for node in found if getattr(node, "name", "<lambda>") == code.co_name), None)

    @cached_property
    def statements(self) -> list[Statement]:
        """Its statements, in the order of the lines."""
        return _sorted_statements(self.definition) if self.definition else []

    def statement(self, frame: Frame) -> Statement | None:
        """The innermost statement that a frame stands on, of this function or of one that it calls."""
        definition = self.definition if self.is_own(frame) else _function(frame)
        statements = [] if definition is None else _sorted_statements(definition)
        around = [s for s in statements if s.first <= frame.number <= s.last]
        return min(around, key=lambda s: s.last - s.first) if around else None

    def is_own(self, frame: Frame) -> bool:
        """Whether a frame stands in the function itself."""
        return frame.file == self.file and frame.number in self.lines

    def returned(self, path: str) -> tuple[Frame | None, Statement | None]:
        """Where the leaf `path` is returned."""
        returns = [s for s in self.statements if isinstance(s.node, ast.Return | ast.Lambda)]
        if not returns:
            return None, None
        statement = returns[-1]
        entry = _entry(getattr(statement.node, "value", None), path)
        if entry is not None and entry.lineno > statement.first:
            statement = next((s for s in self.statements if s.node is entry), statement)
        return self._frame(statement), statement

    def assigned(self, path: str) -> tuple[Frame | None, Statement | None] | None:
        """The last assignment to the name that is returned as the leaf `path`."""
        returns = [s for s in self.statements if isinstance(s.node, ast.Return)]
        entry = _entry(getattr(returns[-1].node, "value", None), path) if returns else None
        name = getattr(entry, "value", entry)
        if not isinstance(name, ast.Name):
            return None
        found = [s for s in self.statements if s.target == name.id and s.last < returns[-1].first]
        return (self._frame(found[-1]), found[-1]) if found else None

    def alias(self, name: str, after: int) -> tuple[Frame | None, Statement] | None:
        """The first assignment that gives `name` another name, such as `dz1 = da1`: below line `after`, or, in a loop
        round that line, above it.
        """
        found = [s for s in self.statements if s.target and _is_name(getattr(s.node, "value", None), name)]
        below = [statement for statement in found if statement.first > after]
        nodes = ast.walk(self.definition) if self.definition else ()
        loops = [node for node in nodes if isinstance(node, ast.For | ast.While)]
        around = [s for s in found for loop in loops if loop.lineno <= min(s.first, after) <= after <= _last(loop)]
        statement = next(iter(below or around), None)
        return (self._frame(statement), statement) if statement else None

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
        being longer than a formula.
        """
        called: dict[tuple[str, int], set[Any]] = {}
        for equation in program.equations:
            for stack in equation.stacks:
                inner: Frame | None = None
                for frame in stack:
                    if frame and inner:
                        called.setdefault((frame.file, frame.number), set()).add(_function(inner))
                    inner = frame
        return [self._place(equation, called) for equation in program.equations]

    def formulas(self, program: Program) -> list[Frame | None]:
        """Where each equation stands within a formula that its place calls: None where it calls none."""
        found = []
        for place, equation in zip(self.places(program), program.equations, strict=True):
            stack = next((stack for stack in equation.stacks if place in stack), ())
            inner = stack[: stack.index(place)] if place in stack else ()
            found.append(next((frame for frame in reversed(inner) if frame), None))
        return found

    def _place(self, equation: Equation, called: dict[tuple[str, int], set[Any]]) -> Frame | None:
        """The innermost frame that is worth a look; a line that calls now one function, now another, says nothing."""
        for stack in equation.stacks:
            frames = [frame for frame in reversed(stack) if frame]
            start = next((i for i, frame in enumerate(frames) if self.is_own(frame)), None)
            if start is None:
                continue
            own = self.frame((stack,)) or frames[start]
            place = own
            for frame in frames[frames.index(own) + 1 :]:
                dispatched = len(called.get((place.file, place.number), ())) > _calls(place)
                if not dispatched and not _is_worth_a_look(frame):
                    break
                place = frame
            return place
        return None


def caller(stacks: Iterable[Stack], inner: Frame | None) -> Frame | None:
    """The line that calls the function in which a frame stands."""
    for stack in stacks:
        frames = [frame for frame in stack if frame]
        inside = [
            index
            for index, frame in enumerate(frames)
            if inner and (frame.file, frame.function) == (inner.file, inner.function)
        ]
        if inside and inside[-1] + 1 < len(frames):
            return frames[inside[-1] + 1]
    return None


@functools.lru_cache(maxsize=64)
def _functions(file: str) -> list[Any]:
    """The syntax trees of all functions in a file."""
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError):
        return []
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)]


def _first(node: Any) -> int:
    return min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])


@functools.lru_cache(maxsize=1024)
def _function(frame: Frame) -> Any:
    """The syntax tree of the function that a frame stands in."""
    around = [node for node in _functions(frame.file) if _first(node) <= frame.number <= (node.end_lineno or 0)]
    is_lambda = frame.function.endswith("<lambda>")
    return max((n for n in around if isinstance(n, ast.Lambda) == is_lambda), key=_first, default=None)


@functools.lru_cache(maxsize=1024)
def _calls(frame: Frame) -> int:
    """How many calls are written on a line, comprehensions and operators aside: at least one."""
    definition = _function(frame)
    nodes = [node for node in ast.walk(definition) if isinstance(node, ast.Call)] if definition else []
    return max(1, sum(node.lineno <= frame.number <= _last(node) for node in nodes))


@functools.lru_cache(maxsize=1024)
def _is_worth_a_look(frame: Frame) -> bool:
    """Whether a function is more than a formula of one value: of several statements, arguments or results, or of none,
    as a method that keeps what it computes.
    """
    node = _function(frame)
    if node is None or isinstance(node, ast.Lambda):
        return False
    body = [s for s in node.body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
    returns = [s.value for s in ast.walk(node) if isinstance(s, ast.Return)]
    taken = [argument.arg for argument in node.args.args if argument.arg not in ("self", "cls")]
    several = len(taken) - len(node.args.defaults) > 1 or any(_reads_of(node, name) for name in ("self", "cls"))
    return len(body) > 2 or several or not returns or any(isinstance(v, ast.Tuple | ast.Dict) for v in returns)


def _reads_of(function: Any, name: str) -> bool:
    """Whether a function reads what an object holds, and does not only call its methods."""
    called = {id(node.func) for node in ast.walk(function) if isinstance(node, ast.Call)}
    return any(
        isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load) and id(node) not in called
        for node in ast.walk(function)
        if _is_name(getattr(node, "value", None), name)
    )


# A node of a syntax tree hashes as itself.
@functools.lru_cache(maxsize=256)
def _sorted_statements(definition: Any) -> list[Statement]:
    return sorted(_statements(definition), key=lambda s: (s.first, -s.last))


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


def _statements(definition: ast.AST) -> Iterator[Statement]:
    if isinstance(definition, ast.Lambda):  # one expression, and no statement
        yield Statement(definition.body.lineno, _last(definition), None, definition)
    for node in ast.walk(definition):
        if not isinstance(node, ast.stmt) or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        body = getattr(node, "body", None)
        if body:  # of a loop or a branch only the head: what is inside has statements of its own
            yield Statement(node.lineno, max(node.lineno, body[0].lineno - 1), None, node)
            continue
        yield Statement(node.lineno, node.end_lineno or node.lineno, _target(node), node)
        for entry in _entries(getattr(node, "value", None)):
            if entry.lineno > node.lineno:
                yield Statement(entry.lineno, entry.end_lineno or entry.lineno, None, entry)


def _target(node: ast.stmt) -> str | None:
    match node:
        case ast.Assign(targets=[target]) | ast.AugAssign(target=target) | ast.AnnAssign(target=target):
            return ast.unparse(target)
        case ast.Assign(targets=[*targets]):
            return " = ".join(map(ast.unparse, targets))
    return None


def _entries(value: ast.AST | None) -> list[Any]:
    match value:
        case ast.Dict(values=entries) | ast.Tuple(elts=entries) | ast.List(elts=entries):
            return entries
        case ast.Call(func=ast.Name(id="dict"), keywords=entries):
            return entries
    return []


def _is_name(value: ast.AST | None, name: str) -> bool:
    return isinstance(value, ast.Name) and value.id == name


def _last(node: Any) -> int:
    return node.end_lineno or node.lineno


def _entry(value: ast.AST | None, path: str) -> Any:
    """The part of a returned dict or tuple that becomes the leaf `path`."""
    match value:
        case ast.Dict(keys=keys, values=entries):
            named = {
                key.value: entry for key, entry in zip(keys, entries, strict=True) if isinstance(key, ast.Constant)
            }
            return named.get(path)
        case ast.Call(func=ast.Name(id="dict"), keywords=keywords):
            return next((keyword for keyword in keywords if keyword.arg == path), None)
        case ast.Tuple(elts=entries) | ast.List(elts=entries):
            return entries[int(path)] if path.isdigit() and int(path) < len(entries) else None
    return None
