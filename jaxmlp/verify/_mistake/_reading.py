"""How what a statement reads, or makes on its way, is written there; and what can be written there at all."""

import ast
from typing import Any

from .._program._expressions import with_expression
from .._program._syntax import Statement


def written_once(statement: Statement, name: str | None) -> ast.expr | None:
    """Where a statement reads a name, if it stands there once."""
    parts = [node for node in ast.walk(statement.node) if isinstance(node, ast.expr) and ast.unparse(node) == name]
    parts = [node for node in parts if isinstance(getattr(node, "ctx", None), ast.Load)]
    return parts[0] if len(parts) == 1 else None


def with_form(statement: Statement, part: ast.expr, form: str) -> str | None:
    """What a statement assigns, with `form` in the place of a part of it, which stands there for `{}`."""
    try:
        new = ast.parse(form.replace("{}", f"({ast.unparse(part)})", 1), mode="eval").body
    except SyntaxError:  # a description, and no code
        return None
    return with_expression(statement, part, new)


def visible(code: str | None, definition: Any, statement: Statement | None) -> str | None:
    """What a statement must assign, if all its names are there in its function by then; else None."""
    if code is None or definition is None or statement is None:
        return code
    names = [node for node in ast.walk(definition) if isinstance(node, ast.Name)]
    stored = {node.id for node in names if isinstance(node.ctx, ast.Store)}
    there = {node.id for node in names if node.lineno < statement.first or node.id not in stored}
    there |= {node.id for node in ast.walk(statement.node) if isinstance(node, ast.Name)}
    there |= {node.arg for node in ast.walk(definition) if isinstance(node, ast.arg)}
    try:
        read = {node.id for node in ast.walk(ast.parse(code, mode="eval")) if isinstance(node, ast.Name)}
    except SyntaxError:  # a description, and no code
        return code
    return code if read <= there else None
