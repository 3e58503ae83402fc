"""A part of a statement, as it is written, and the statement with something else there."""

import ast
import copy
from collections.abc import Sequence

from .._program._sites import Site
from ._case import Case


def part_of(case: Case, site: Site, run: Sequence[int], atom: int) -> ast.expr | None:
    """How a value is written in a statement: what is computed there on the way, or a name that stands there once."""
    program, statement = case.bench.program, site.statement
    if statement is None:
        return None
    index = program.makers.get(atom)
    if index is not None and index in run:
        frames = (frame for stack in program.equations[index].stacks for frame in stack if frame)
        return next((part for f in frames if (part := case.source.expression(f, statement))), None)
    name = case.names.of(atom)
    parts = [node for node in ast.walk(statement.node) if isinstance(node, ast.expr) and ast.unparse(node) == name]
    parts = [node for node in parts if isinstance(getattr(node, "ctx", None), ast.Load)]
    return parts[0] if len(parts) == 1 else None


def with_part(site: Site, part: ast.expr, form: str) -> str | None:
    """What a statement assigns, with `form` in the place of a part of it, which stands there for `{}`."""
    value = getattr(site.statement.node, "value", None) if site.statement else None
    try:
        replacement = ast.parse(form.replace("{}", f"({ast.unparse(part)})", 1), mode="eval").body
    except SyntaxError:  # a description, and no code
        return None
    place = ast.unparse(part), part.lineno, part.col_offset

    class Replace(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> ast.AST:
            here = isinstance(node, ast.expr) and (ast.unparse(node), node.lineno, node.col_offset) == place
            return replacement if here else self.generic_visit(node)

    return ast.unparse(Replace().visit(copy.deepcopy(value))) if isinstance(value, ast.expr) else None
