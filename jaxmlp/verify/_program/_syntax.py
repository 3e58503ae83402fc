"""The syntax trees of functions: their statements, the calls on a line, the entries of what is returned."""

import ast
import functools
import linecache
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ._stacks import Frame


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


@functools.lru_cache(maxsize=64)
def functions(file: str) -> list[Any]:
    """The syntax trees of all functions in a file."""
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError):
        return []
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)]


def first_line(node: Any) -> int:
    return min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))])


@functools.lru_cache(maxsize=1024)
def function_of(frame: Frame) -> Any:
    """The syntax tree of the function that a frame stands in."""
    around = [node for node in functions(frame.file) if first_line(node) <= frame.number <= (node.end_lineno or 0)]
    is_lambda = frame.function.endswith("<lambda>")
    return max((n for n in around if isinstance(n, ast.Lambda) == is_lambda), key=first_line, default=None)


@functools.lru_cache(maxsize=1024)
def calls_on(frame: Frame) -> int:
    """How many calls are written on a line, comprehensions and operators aside: at least one."""
    definition = function_of(frame)
    nodes = [node for node in ast.walk(definition) if isinstance(node, ast.Call)] if definition else []
    return max(1, sum(node.lineno <= frame.number <= last_line(node) for node in nodes))


@functools.lru_cache(maxsize=1024)
def is_worth_a_look(frame: Frame) -> bool:
    """Whether a function is more than a formula of one value: of several statements, arguments or results, or of none,
    as a method that keeps what it computes, or one that has others do so.
    """
    node = function_of(frame)
    if node is None or isinstance(node, ast.Lambda) or is_an_operation(frame):
        return False
    body = [s for s in node.body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
    returns = [s.value for s in ast.walk(node) if isinstance(s, ast.Return)]
    taken = [argument.arg for argument in node.args.args if argument.arg not in ("self", "cls")]
    several = len(taken) - len(node.args.defaults) > 1 or any(_reads_of(node, name) for name in ("self", "cls"))
    acts = any(isinstance(statement, ast.Expr) for statement in body)
    several = several or acts or any(isinstance(value, ast.Tuple | ast.Dict) for value in returns)
    return len(body) > 2 or several or not returns


@functools.lru_cache(maxsize=1024)
def is_an_operation(frame: Frame) -> bool:
    """Whether a frame stands in a function that only gives another name to an operation on its two arguments, in which
    nothing can be wrong: `def divide(a, b): return a / b`.
    """
    node = function_of(frame)
    value = getattr(node.body[-1], "value", None) if is_one_line(frame) and not isinstance(node, ast.Lambda) else None
    if node is None or not isinstance(value, ast.BinOp) or not isinstance(value.op, ast.Add | ast.Mult | ast.Div):
        return False
    taken = [argument.arg for argument in node.args.args if argument.arg not in ("self", "cls")]
    return [getattr(side, "id", None) for side in (value.left, value.right)] == taken


def is_one_line(frame: Frame) -> bool:
    """Whether a frame stands in a function that only returns one expression."""
    node = function_of(frame)
    if node is None or isinstance(node, ast.Lambda):
        return node is not None
    rest = [s for s in node.body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
    return len(rest) == 1 and isinstance(rest[0], ast.Return)


def return_in_a_loop(frame: Frame) -> int | None:
    """The line of a return that no condition keeps from ending a loop in its first run, if the function has one."""
    node = function_of(frame)
    loops = [loop for loop in ast.walk(node) if isinstance(loop, ast.For | ast.While)] if node is not None else []
    return next((s.lineno for loop in loops for s in loop.body if isinstance(s, ast.Return)), None)


def argument_given_back(frame: Frame, computed: str) -> tuple[str, int] | None:
    """The argument that the function in which a frame stands gives back, while it never reads what it has `computed`:
    its name, and the line of the return.
    """
    node = function_of(frame)
    if node is None or isinstance(node, ast.Lambda):
        return None
    taken = {argument.arg for argument in node.args.args}
    names = [each for each in ast.walk(node) if isinstance(each, ast.Name) and each.id == computed]
    returned = [each for each in ast.walk(node) if isinstance(each, ast.Return)]
    if len(returned) != 1 or not names or any(isinstance(name.ctx, ast.Load) for name in names):
        return None
    value = returned[0].value
    return (value.id, returned[0].lineno) if isinstance(value, ast.Name) and value.id in taken else None


def argument_passed_as(statement: ast.AST, name: str, function: Any) -> str | None:
    """What a function calls the argument that a statement passes to it as `name`, by its position or its keyword."""
    taken = [each.arg for each in (*function.args.posonlyargs, *function.args.args)]
    for call in ast.walk(statement):
        if not isinstance(call, ast.Call) or ast.unparse(call.func).split(".")[-1] != getattr(function, "name", None):
            continue
        bound = taken[1:] if isinstance(call.func, ast.Attribute) and taken[:1] in (["self"], ["cls"]) else taken
        passed = [*zip(bound, call.args, strict=False), *((word.arg, word.value) for word in call.keywords)]
        found = next((argument for argument, value in passed if is_name(value, name)), None)
        if found is not None:
            return found
    return None


def ignores_an_argument(frame: Frame) -> bool:
    """Whether a frame stands in a function that takes an argument and never reads it."""
    node = function_of(frame)
    return node is not None and _ignores_an_argument(node)


def calls_one_that_ignores(statement: ast.AST, file: str) -> bool:
    """Whether a statement calls a function of the file that takes an argument and never reads it."""
    called = {ast.unparse(node.func).split(".")[-1] for node in ast.walk(statement) if isinstance(node, ast.Call)}
    return any(_ignores_an_argument(node) for node in functions(file) if getattr(node, "name", None) in called)


def _ignores_an_argument(node: Any) -> bool:
    taken = {argument.arg for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)}
    read = {name.id for name in ast.walk(node) if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Load)}
    return not taken - {"self", "cls"} <= read


def reads_its_object(frame: Frame) -> bool:
    """Whether a frame stands in a method that computes with what its object holds."""
    function = function_of(frame)
    return function is not None and any(_reads_of(function, name) for name in ("self", "cls"))


def _reads_of(function: Any, name: str) -> bool:
    """Whether a function reads what an object holds, and does not only call its methods."""
    called = {id(node.func) for node in ast.walk(function) if isinstance(node, ast.Call)}
    return any(
        isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load) and id(node) not in called
        for node in ast.walk(function)
        if is_name(getattr(node, "value", None), name)
    )


# A node of a syntax tree hashes as itself.
@functools.lru_cache(maxsize=256)
def statements_of(definition: Any) -> list[Statement]:
    return sorted(_statements(definition), key=lambda s: (s.first, -s.last))


def _statements(definition: ast.AST) -> Iterator[Statement]:
    if isinstance(definition, ast.Lambda):  # one expression, and no statement
        yield Statement(definition.body.lineno, last_line(definition), None, definition)
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


def assigns(statement: Statement, target: str) -> bool:
    """Whether a statement assigns `target`, alone or as one of several: `dx, dw = backward(d)`."""
    match statement.node:
        case ast.Assign(targets=[ast.Tuple(elts=targets) | ast.List(elts=targets)]):
            return target in map(ast.unparse, targets)
    return statement.target == target


def _entries(value: ast.AST | None) -> list[Any]:
    match value:
        case ast.Dict(values=entries) | ast.Tuple(elts=entries) | ast.List(elts=entries):
            return entries
        case ast.Call(func=ast.Name(id="dict"), keywords=entries):
            return entries
    return []


def is_name(value: ast.AST | None, name: str) -> bool:
    return isinstance(value, ast.Name) and value.id == name


def names_in(*nodes: ast.AST) -> set[str]:
    """The names that syntax trees contain."""
    return {name.id for node in nodes for name in ast.walk(node) if isinstance(name, ast.Name)}


def is_passed_in_a_call(value: ast.AST, name: str) -> bool:
    """Whether an expression is a call, and `name` one of its arguments as it stands."""
    return isinstance(value, ast.Call) and any(
        is_name(argument, name) for argument in (*value.args, *(word.value for word in value.keywords))
    )


def returned_as(function: Any, name: str, assignment: ast.AST) -> str | None:
    """What an assignment calls what a function returns as it stands, or a part of that, and calls `name` itself."""
    for entry, target in _returned(function, assignment):
        inner = entry.value if isinstance(entry, ast.Subscript) else entry
        if is_name(inner, name) and isinstance(target, ast.Name):
            return target.id
    return None


def returned_to(function: Any, assignment: ast.AST, target: str | None) -> str | None:
    """What a function calls what an assignment calls `target`, if it returns that under a name."""
    pairs = _returned(function, assignment)
    return next((e.id for e, t in pairs if isinstance(e, ast.Name) and ast.unparse(t) == target), None)


def _returned(function: Any, assignment: ast.AST) -> list[tuple[Any, Any]]:
    """What a function returns, and what an assignment makes of it, one by one."""
    nodes = ast.walk(function) if function is not None else ()
    returns = [node.value for node in nodes if isinstance(node, ast.Return)]
    if len(returns) != 1 or not isinstance(assignment, ast.Assign) or len(assignment.targets) != 1:
        return []
    entries, targets = (_entries(value) or [value] for value in (returns[0], assignment.targets[0]))
    return [*zip(entries, targets, strict=True)] if len(entries) == len(targets) else []


def last_line(node: Any) -> int:
    return node.end_lineno or node.lineno


def entry_of(value: ast.AST | None, path: str) -> Any:
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
