"""The expression of a statement that an equation stands for, and the statement with another in its place."""

import ast
import copy
import functools
import linecache
from collections.abc import Callable, Iterator
from types import CodeType

from ._stacks import Frame
from ._syntax import Statement


def expression_at(frame: Frame, statement: Statement) -> ast.expr | None:
    """The innermost expression of a statement that was being computed where a frame had come to."""
    where = _position(frame)
    expressions = (node for node in ast.walk(statement.node) if isinstance(node, ast.expr))
    return next((node for node in expressions if where == _span(node)), None)


def _span(node: ast.expr) -> tuple[int | None, ...]:
    return node.lineno, node.end_lineno, node.col_offset, node.end_col_offset


def _position(frame: Frame) -> tuple[int | None, ...] | None:
    """The lines and columns of the instruction that a frame had come to."""
    name, found = frame.function.split(".")[-1], None
    for code in _codes(frame.file):
        positions = list(code.co_positions()) if code.co_name == name else []
        place = frame.offset // 2  # two bytes to an instruction
        if place < len(positions):
            first, last, start, stop = positions[place]
            if first is not None and last is not None and first <= frame.number <= last:
                found = first, last, start, stop
    return found


@functools.lru_cache(maxsize=64)
def _codes(file: str) -> tuple[CodeType, ...]:
    """The code of all functions in a file."""
    try:
        return tuple(_within(compile("".join(linecache.getlines(file)), file, "exec", dont_inherit=True)))
    except (SyntaxError, ValueError):
        return ()


def _within(code: CodeType) -> Iterator[CodeType]:
    yield code
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _within(inner)


def with_expression(statement: Statement, old: ast.expr, new: ast.expr) -> str | None:
    """What a statement assigns, with another expression in the place of one of its own."""
    value = getattr(statement.node, "value", None)
    return ast.unparse(copy.deepcopy(value, {id(old): new})) if isinstance(value, ast.expr) else None


def reduced_by(node: ast.expr) -> str | None:
    """The name of the method or function that an expression calls, if it is a sum or a mean."""
    match node:
        case ast.Call(func=ast.Attribute(attr="sum" | "mean" as name)):
            return name
    return None


def reduced_otherwise(node: ast.expr) -> ast.expr:
    """A mean in the place of a sum, and the other way round."""
    changed = copy.deepcopy(node)
    match changed:
        case ast.Call(func=ast.Attribute(attr="sum" | "mean" as name) as function):
            function.attr = "mean" if name == "sum" else "sum"
    return changed


def rewritten(text: str | None, change: Callable[[ast.expr], ast.expr]) -> str | None:
    """What is written, changed; None if it is a description, and no code."""
    if text is None:
        return None
    try:
        return ast.unparse(change(ast.parse(text, mode="eval").body))
    except SyntaxError:
        return None


def negated(node: ast.expr) -> ast.expr:
    """An expression with the other sign, as people write it: `b - a` for `a - b`."""
    turned = _turned(node)
    return ast.UnaryOp(ast.USub(), node) if turned is None else turned


def _turned(node: ast.expr) -> ast.expr | None:
    """An expression with the other sign, if no minus has to be put in front of all of it."""
    match node:
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return operand
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            return ast.BinOp(right, ast.Sub(), left)
        case ast.BinOp(left=left, op=ast.Mult() | ast.Div() | ast.MatMult() as op, right=right):
            first, second = _turned(left), _turned(right)
            if first is not None and (second is None or isinstance(left, ast.UnaryOp)):
                return ast.BinOp(first, op, right)
            # Of two differences nobody knows which one is the wrong way round.
            return None if first is not None or second is None else ast.BinOp(left, op, second)
    return None


def multiplied(node: ast.expr, factor: float) -> ast.expr:
    """An expression times a number, as people write it: `x` for twice `0.5 * x`, and `x / 8` for an eighth of `x`."""
    match node:
        case ast.BinOp(left=ast.Constant(value=1 | 1.0), op=ast.Mult(), right=other):
            return multiplied(other, factor)
        case ast.BinOp(left=ast.Constant(value=int() | float() as number), op=ast.Mult() as op, right=other):
            return other if number * factor == 1 else ast.BinOp(ast.Constant(_number(number * factor)), op, other)
        case ast.BinOp(left=other, op=ast.Mult() as op, right=ast.Constant(value=int() | float() as number)):
            return other if number * factor == 1 else ast.BinOp(other, op, ast.Constant(_number(number * factor)))
        case ast.BinOp(left=other, op=ast.Div() as op, right=ast.Constant(value=int() | float() as number)):
            return other if number == factor else ast.BinOp(other, op, ast.Constant(_number(number / factor)))
    below = 1 / factor if factor else 0.0
    if 0 < factor < 1 and float(f"{below:g}").is_integer():
        return ast.BinOp(node, ast.Div(), ast.Constant(_number(below)))
    factors = node, ast.Constant(_number(factor))
    is_a_sum = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub)
    left, right = factors[::-1] if is_a_sum else factors
    return ast.BinOp(left, ast.Mult(), right)


def _number(value: float) -> int | float:
    short = float(f"{value:g}")
    return int(short) if short.is_integer() else short


def along(node: ast.expr, axes: tuple[int, ...]) -> ast.expr | None:
    """A sum or a mean over other axes, where it says over which."""
    changed = copy.deepcopy(node)
    written = ast.parse(repr(axes[0] if len(axes) == 1 else axes), mode="eval").body
    if not isinstance(changed, ast.Call):
        return None
    for keyword in changed.keywords:
        if keyword.arg == "axis":
            keyword.value = written
            return changed
    if changed.args and _is_of_whole_numbers(changed.args[-1]):
        changed.args[-1] = written
        return changed
    return None


def _is_of_whole_numbers(node: ast.expr) -> bool:
    """Whether a whole number stands there, or a tuple of such."""
    try:
        value = ast.literal_eval(node)
    except ValueError:
        return False
    return all(isinstance(number, int) for number in (value if isinstance(value, tuple) else (value,)))


def with_its_axes_kept(node: ast.expr) -> ast.expr | None:
    """A sum or a mean that keeps the axes it is taken over, of length 1."""
    match node:
        case ast.Call(func, args, keywords) if all(keyword.arg not in ("keepdims", None) for keyword in keywords):
            return ast.Call(func, args, [*keywords, ast.keyword("keepdims", ast.Constant(True))])
    return None


def on_the_other_side(node: ast.expr, position: int) -> ast.expr | None:
    """A product that is divided by one of its factors, or a quotient that is multiplied by what divides it."""
    match node:
        case ast.BinOp(left, ast.Mult(), right):
            return ast.BinOp(left, ast.Div(), right) if position == 1 else ast.BinOp(right, ast.Div(), left)
        case ast.BinOp(left, ast.Div(), right) if position == 1:
            return ast.BinOp(left, ast.Mult(), right)
    return None


_TURNED = {ast.Gt: ast.LtE, ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.LtE: ast.Gt}


def the_other_way_round(node: ast.expr) -> ast.expr | None:
    """A comparison that holds where the other does not: `<=` for `>`, and likewise."""
    match node:
        case ast.Compare(left=left, ops=[operator], comparators=[right]) if type(operator) in _TURNED:
            return ast.Compare(left, [_TURNED[type(operator)]()], [right])
    return None


def product(node: ast.expr, *, swap: bool, turn: tuple[bool, bool]) -> ast.expr | None:
    """A matrix product of the transposed operands, or of the two the other way round."""
    match node:
        case ast.BinOp(left=left, op=ast.MatMult() as op, right=right):
            first, second = (_transposed(each) if t else each for each, t in zip((left, right), turn, strict=True))
            return ast.BinOp(second, op, first) if swap else ast.BinOp(first, op, second)
    return None


def _transposed(node: ast.expr) -> ast.expr:
    match node:
        case ast.Attribute(value=value, attr="T"):
            return value
    return ast.Attribute(node, "T")


def turned_before(node: ast.expr, order: tuple[int, ...]) -> ast.expr | None:
    """`x.T.reshape(...)` for `x.reshape(...)`, or with the axes of `x` in another order."""
    changed = copy.deepcopy(node)
    written = ast.parse(repr(order), mode="eval").body
    match changed:
        case ast.Call(
            func=ast.Attribute(value=ast.Name(id="jnp" | "np" | "numpy"), attr="reshape"), args=[value, *rest]
        ):
            changed.args = [_in_order(value, order, written), *rest]
        case ast.Call(func=ast.Attribute(value=value, attr="reshape") as function):
            function.value = _in_order(value, order, written)
        case _:
            return None
    return changed


def _in_order(node: ast.expr, order: tuple[int, ...], written: ast.expr) -> ast.expr:
    return _transposed(node) if len(order) == 2 else ast.Call(ast.Attribute(node, "transpose"), [written], [])


def without_brackets(product: ast.expr, total: ast.expr, outside: int) -> ast.expr | None:
    """`x * a + b` for `x * (a + b)`, or `a + x * b`: of the two terms, the one that is `outside`."""
    match total:
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() as op, right=right) if any(
            node is total for node in ast.walk(product)
        ):
            kept = copy.deepcopy(product, {id(total): right if outside == 0 else left})
            return ast.BinOp(left, op, kept) if outside == 0 else ast.BinOp(kept, op, right)
    return None


def with_brackets(total: ast.expr, position: int) -> ast.expr | None:
    """`(a + b) * x` for `a + b * x`: the last factor of the term at `position`, as one of both."""
    match total:
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() as op, right=right):
            match (left, right)[position]:
                case ast.BinOp(left=rest, op=ast.Mult() | ast.Div() as by, right=factor):
                    terms = (rest, right) if position == 0 else (left, rest)
                    return ast.BinOp(ast.BinOp(terms[0], op, terms[1]), by, factor)
    return None
