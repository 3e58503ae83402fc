"""Changes of a function's source, each a mistake that people make: of a sign, a factor, an operand, an axis, a leaf."""

import ast
import linecache
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any


_SLOPE = re.compile(r"^\(?1 - \w|^\w+\[?.*\]? \* \(1 - |astype")
_BATCH = re.compile(r"^(n|m|len\(\w+\)|\w+\.shape\[\d\]|y\.size)$")


@dataclass(frozen=True)
class Change:
    """What may be changed: the kind, the line, and which node of the tree becomes what."""

    kind: str
    line: int
    node: int
    change: Callable[[Any], ast.AST]


def changes(source: str) -> Iterator[Change]:
    """Every change of a source that holds one function."""
    tree: Any = ast.parse(source)
    nodes = list(ast.walk(tree))
    batch = "m" if "m = " in source else "y.shape[0]"  # m where the examples are columns
    [function] = tree.body
    names: list[str] = [argument.arg for argument in function.args.args[1:]]
    statements: list[Any] = [node for node in nodes if isinstance(node, ast.Assign | ast.Return)]
    for statement in statements:
        is_return = isinstance(statement, ast.Return)
        for node in ast.walk(statement.value):
            if isinstance(node, ast.expr):
                for kind, change in _of(node, names):
                    yield Change(kind, statement.lineno, nodes.index(node), change)
        index, value = nodes.index(statement.value), statement.value
        if isinstance(value, ast.Dict):
            for i in range(len(value.keys)):
                yield Change("zero leaf", statement.lineno, index, lambda node, i=i: _entry_zeroed(node, i))
                for j in range(i):
                    yield Change("swapped leaves", statement.lineno, index, lambda node, i=i, j=j: _swapped(node, i, j))
        elif not is_return and isinstance(value, ast.BinOp | ast.Call) and not _is_count(statement):
            for kind, form in (("sign", "-({})"), ("factor 2", "2 * ({})"), ("batch factor", f"({{}}) * {batch}")):
                yield Change(kind, statement.lineno, index, lambda node, form=form: _written(form, node))
            if isinstance(statement.targets[0], ast.Name):
                names.append(statement.targets[0].id)


def _of(node: ast.expr, names: list[str]) -> Iterator[tuple[str, Callable[[Any], ast.AST]]]:
    """What may become of an expression."""
    match node:
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            yield ("lost slope" if _SLOPE.search(ast.unparse(right)) else "lost factor"), lambda node: node.left
            yield ("lost slope" if _SLOPE.search(ast.unparse(left)) else "lost factor"), lambda node: node.right
            if re.fullmatch(r"(?:.* \* )?(\w+) \* \(1 - \1\)", text := ast.unparse(node)):
                a = text.split("1 - ")[1][:-1]
                head = text.removesuffix(f"{a} * (1 - {a})")
                yield "another slope", lambda node: _written(f"{head}(1 - {a} ** 2)")
        case ast.BinOp(op=ast.Div(), right=right) if not isinstance(right, ast.Call):
            yield ("batch factor" if _BATCH.match(ast.unparse(right)) else "lost divisor"), lambda node: node.left
        case ast.BinOp(op=ast.Add() | ast.Sub() as op):
            minus = isinstance(op, ast.Sub)
            other = ast.Add() if minus else ast.Sub()
            yield "sign of a term", lambda node: ast.BinOp(node.left, other, node.right)
            if re.fullmatch(r"1 - .*\*\* 2", text := ast.unparse(node)):
                a = text.removeprefix("1 - ").removesuffix(" ** 2")
                yield "another slope", lambda node: _written(f"{a} * (1 - {a})")
            elif not isinstance(node.left, ast.Constant):
                yield "lost term", lambda node: node.left
                yield "lost term", lambda node: _written("-({})", node.right) if minus else node.right
        case ast.BinOp(op=ast.MatMult()):
            for side in ("left", "right"):
                yield "transpose", lambda node, side=side: _product(node, side)
        case ast.Name(id=name, ctx=ast.Load()) if name in names:
            for other in names:
                if other != name:
                    yield "another operand", lambda node, other=other: ast.Name(other, ast.Load())
        case ast.Subscript(value=ast.Name(id="p"), slice=ast.Constant(value=name)):
            for other in ("w1", "w2", "w3", "wq", "wk", "wv", "b1", "b2", "gamma", "beta"):
                if other != name:
                    yield "another operand", lambda node, other=other: _written(f"p['{other}']")
        case ast.Call(func=ast.Attribute(attr="sum" | "mean" as method), keywords=[*keywords]) if keywords:
            yield "another axis", lambda node: _along_another_axis(node)
            yield "batch factor", lambda node: _called(node, "mean" if method == "sum" else "sum")
        case ast.Compare(ops=[ast.Gt()]):
            yield "another mask", lambda node: ast.Compare(node.left, [ast.Lt()], node.comparators)
            yield "another mask", lambda node: _written("({}) > 0.5", node.left)
            yield "another mask", lambda node: _written("({}) > -9.0", node.left)


def _product(node: ast.BinOp, side: str) -> ast.AST:
    left, right = (_turned(o) if side == s else o for s, o in (("left", node.left), ("right", node.right)))
    return ast.BinOp(left, node.op, right)


def _turned(node: ast.expr) -> ast.expr:
    """The transpose, or what is transposed."""
    if isinstance(node, ast.Attribute) and node.attr == "T":
        return node.value
    return ast.Attribute(node, "T", ast.Load())


def _along_another_axis(node: Any) -> ast.AST:
    keywords = [
        ast.keyword(word.arg, ast.Constant(1 - word.value.value)) if word.arg == "axis" else word
        for word in node.keywords
    ]
    return ast.Call(node.func, node.args, keywords)


def _called(node: Any, method: str) -> ast.AST:
    return ast.Call(ast.Attribute(node.func.value, method, ast.Load()), node.args, node.keywords)


def _entry_zeroed(node: Any, i: int) -> ast.AST:
    values: list[Any] = [
        _written("jnp.zeros_like({})", value) if k == i else value for k, value in enumerate(node.values)
    ]
    return ast.Dict(node.keys, values)


def _swapped(node: ast.Dict, i: int, j: int) -> ast.AST:
    values = list(node.values)
    values[i], values[j] = values[j], values[i]
    return ast.Dict(node.keys, values)


def _is_count(statement: ast.Assign) -> bool:
    return ast.unparse(statement.targets[0]) in ("n", "m", "lam", "grads")


def _written(form: str, node: ast.AST | None = None) -> ast.AST:
    return ast.parse(form.format(ast.unparse(node)) if node else form, mode="eval").body


def changed(source: str, change: Change) -> str:
    """The source after a change, every statement on the line where it was."""
    tree = ast.parse(source)
    target = list(ast.walk(tree))[change.node]

    class Replace(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> Any:
            return change.change(node) if node is target else self.generic_visit(node)

    return ast.unparse(ast.fix_missing_locations(Replace().visit(tree)))


def defined(source: str, file: str, right: Callable[..., Any]) -> Callable[..., Any]:
    """The function that `source` defines, in a file that tracebacks and `linecache` can read."""
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    scope = dict(right.__globals__)
    exec(compile(source, file, "exec"), scope)
    return scope[right.__name__]
