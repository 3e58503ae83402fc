"""What the user calls a value: the names of their own code, and how it is written there."""

import ast
import linecache
from collections.abc import Sequence

import numpy as np

from .._line._bench import Bench, RIGHT
from .._line._quantities import Knowledge, Quantity
from .._program._sites import given, name_of, Site
from .._program._source import Source
from .._program._stacks import Frame
from .._program._trace import Atom, Literal
from .._report._gradient_report import Line
from .._verdict._accuracy import norm


class Names:
    """The names of the values of a candidate, and of what is known of the loss, in its words."""

    def __init__(
        self,
        bench: Bench,
        sites: Sequence[Site],
        inputs: dict[int, str],
        knowledge: Knowledge,
        loss_names: dict[int, str],
    ) -> None:
        self._bench, self._knowledge, self._loss = bench, knowledge, loss_names
        self.by_variable = dict(inputs)
        for site in sites:
            for run, instance in enumerate(() if site.leaf else site.instances):
                name = name_of(bench.program, site, run)
                if name:
                    [variable] = given(bench.program, instance)
                    self.by_variable[variable] = name

    def of(self, atom: Atom) -> str | None:
        """The name of a variable, or the digits of a number."""
        if isinstance(atom, Literal):
            return f"{float(atom.value):g}" if atom.value.ndim == 0 else None
        return self.by_variable.get(atom)

    def known(self, quantity: Quantity) -> str | None:
        """A known quantity in the candidate's words; else in those of the loss."""
        own = self.equal(quantity.values)
        if own:
            return own
        variable = self._knowledge.in_the_loss(quantity.variable)
        name = self._loss.get(variable) if variable is not None else None
        if quantity.kind == "slope":
            return self.slope(quantity.values)
        if quantity.kind == "cotangent" and name:
            return f"d(loss)/d({name})"
        return name if quantity.kind == "value" else None

    def equal(self, values: tuple[np.ndarray, ...]) -> str | None:
        """The name of a variable of these very values."""
        for variable, name in self.by_variable.items():
            mine = self._bench.run.at(variable)
            if _same(mine, values):
                return name
        return None

    def slope(self, values: tuple[np.ndarray, ...]) -> str | None:
        """A slope as people write it: `a * (1 - a)`, `1 - a**2`, `z > 0`, or the name of a variable."""
        return self.equal(values) or self.as_slope(values)

    def as_slope(self, values: tuple[np.ndarray, ...]) -> str | None:
        """A slope as an expression of a named value; of nothing but ones, such as that of an open relu, nothing tells
        which value that is.
        """
        if all((value == 1).all() for value in values):
            return None
        for variable, name in self.by_variable.items():
            mine = self._bench.run.at(variable)
            if mine[0].dtype.kind != "f" or mine[0].shape != values[0].shape or not name.isidentifier():
                continue
            for text, function in _SLOPES:
                if _same(tuple(function(value) for value in mine), values):
                    return text.format(name)
        return None


_SLOPES = (
    ("{0} * (1 - {0})", lambda a: a * (1 - a)),
    ("(1 - {0}**2)", lambda a: 1 - a**2),
    ("({0} > 0)", lambda z: (z > 0).astype(np.float64)),
    ("sigmoid({0})", lambda z: 1 / (1 + np.exp(-np.clip(z, -500, 500)))),
)


def _same(mine: tuple[np.ndarray, ...], values: tuple[np.ndarray, ...]) -> bool:
    return all(
        a.shape == b.shape and a.dtype.kind in "fb" and norm(a - b) <= RIGHT * norm(b)
        for a, b in zip(mine, values, strict=True)
    )


def written(site: Site) -> str | None:
    """What a statement assigns, as it is written."""
    value = getattr(site.statement.node, "value", None) if site.statement else None
    return ast.unparse(value) if isinstance(value, ast.expr) and not _collects(value) else None


def _collects(node: ast.expr) -> bool:
    """Whether an expression puts values into a container."""
    of_a_dict = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict"
    return of_a_dict or isinstance(node, (ast.Tuple, ast.List, ast.Dict))


def with_name(site: Site, old: str, new: str) -> str | None:
    """What a statement assigns, with `new` wherever `old` stands; None if it stands nowhere, or is no code."""
    text = written(site)
    if text is None:
        return None
    tree = ast.parse(text, mode="eval")
    if not any(isinstance(node, ast.expr) and ast.unparse(node) == old for node in ast.walk(tree)):
        return None
    try:
        replacement = ast.parse(new, mode="eval").body
    except SyntaxError:
        return None

    class Replace(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> ast.AST:
            if isinstance(node, ast.expr) and ast.unparse(node) == old:
                return replacement
            return self.generic_visit(node)

    return ast.unparse(Replace().visit(tree))


def joined(text: str | None, form: str) -> str | None:
    """What is written, in the place of `{}` in `form`, without brackets that are not needed."""
    if text is None:
        return None
    try:
        return ast.unparse(ast.parse(form.replace("{}", text, 1), mode="eval"))
    except SyntaxError:  # a description, and no code
        return None


def line_of(frame: Frame | None, source: Source, inner: Frame | None = None) -> Line | None:
    """The line of a frame, with those around it."""
    if frame is None:
        return None
    lines = source.text if frame.file == source.file else linecache.getlines(frame.file)
    if not 0 < frame.number <= len(lines):
        return Line(frame.file, frame.number, "", line_of(inner, source))
    near = range(max(1, frame.number - 2), min(len(lines), frame.number + 2) + 1)
    around = tuple((number, lines[number - 1].rstrip("\n")) for number in near)
    return Line(frame.file, frame.number, lines[frame.number - 1].strip(), line_of(inner, source), around)


def as_code(text: str | None) -> str | None:
    """A description, if it is code of the user's."""
    return None if text is None or text.startswith("d(") else text
