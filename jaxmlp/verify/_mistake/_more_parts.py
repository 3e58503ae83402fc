"""Parts of a statement that may be wrong: an exponent, what does not belong there, what is lacking or is another."""

import ast
from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np

from .._line._bench import Evaluate, Patch, Read
from .._line._matching import Known
from .._line._patches import after, with_inputs
from .._line._quantities import Quantity
from .._line._relate import is_constant, same, Values
from .._report import _words_of_parts as _words
from .._report._gradient_report import Finding
from .._report._words import extra_slope, Place
from ._explanation import Explanation
from ._names import with_name
from ._parts import everywhere, is_within, Part


_EXPONENTS = (2, 3, -1, -2, -3, 0.5, -0.5, -1.5, 1, 4)


def powers(e: Explanation) -> Iterator[Part]:
    """Each power, with another exponent."""
    for index in e.run:
        node, equation = e.expressions[index], e.case.bench.program.equations[index]
        if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Pow):
            continue
        used, base = _number(node.right), equation.inputs[1 if equation.name == "div" else 0]
        if used is None or not isinstance(base, int) or is_within(e, index):
            continue
        position = equation.inputs.index(base)
        for instead in (y for y in _EXPONENTS if y != used):
            power: Patch = lambda inputs, evaluate, read, point, p=position, y=instead: [inputs[p] ** float(y)]
            exponent = ast.parse(f"{instead}", mode="eval").body
            new = node.left if instead == 1 else ast.BinOp(node.left, ast.Pow(), exponent)
            usual = "wrong-operand" if instead > 0 and used > 0 else "wrong-activation-derivative"
            facts = {"part": ast.unparse(node.left), "used": used, "instead": float(instead)}
            yield Part(
                *(index, everywhere(e, index, power), node, new),
                lambda cause, place, f=facts, u=usual: _words.another_power(
                    e.paths, **f, cause=cause or u, place=place
                ),
            )


def _number(node: ast.expr) -> float | None:
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError):
        return None
    return float(value) if isinstance(value, int | float) else None


def extras(e: Explanation) -> Iterator[Part]:
    """Each product, quotient and sum without one of its two operands."""
    for index in reversed(e.run):
        name, node = e.case.bench.program.equations[index].name, e.expressions[index]
        fits = {"mul": ast.Mult, "div": ast.Div, "add": ast.Add, "sub": ast.Sub}.get(name)
        if fits is None or not isinstance(node, ast.BinOp) or not isinstance(node.op, fits):
            continue
        for kept in (0,) if name in ("div", "sub") else (0, 1):
            patches = everywhere(e, index, _only(kept))
            new, gone = (node.left, node.right) if kept == 0 else (node.right, node.left)
            text, is_a_slope = ast.unparse(gone), name == "mul" and _is_a_slope_in_each_run(e, index, 1 - kept)
            if is_a_slope:
                said = lambda cause, place, g=text: extra_slope(e.paths, slope=g, place=place)
            else:
                said = lambda cause, place, n=name, g=text: _extra(e, cause, g, n, place)
            yield Part(index, patches, node, new, said)


def _is_a_slope_in_each_run(e: Explanation, index: int, position: int) -> bool:
    """Whether an operand is the slope of an activation in the loss, or that of one example in each run; or that of a
    sigmoid or a tanh of which the statement reads the output.
    """
    bench, place = e.case.bench, e.run.index(index)
    slopes = Known(q for q in e.case.each if q.kind == "slope" and not is_constant(q.values) and _is_curved(e, q))
    for run in e.mistake.instances:
        operand = bench.program.equations[run[place]].inputs[position]
        read = {atom for each in run for atom in bench.program.equations[each].inputs if isinstance(atom, int)}
        values = bench.run.at(operand)
        alike = [outputs for atom in read if (outputs := bench.run.at(atom))[0].shape == values[0].shape]
        usual = (form(outputs) for outputs in alike if outputs[0].dtype.kind == "f" for form in _OF_OUTPUTS)
        if not isinstance(operand, int) or (
            slopes.find(values) is None and not any(same(values, slope) for slope in usual)
        ):
            return False
    return True


_OF_OUTPUTS: tuple[Callable[[Values], Values], ...] = (
    lambda outputs: tuple(a * (1 - a) for a in outputs),
    lambda outputs: tuple(1 - a**2 for a in outputs),
)
"""The slopes of a sigmoid and a tanh, from what they give."""


def _is_curved(e: Explanation, slope: Quantity) -> bool:
    return slope.variable is not None and slope.by is not None and not e.case.is_arithmetic(slope)


def _only(position: int) -> Patch:
    """One of the operands, in the place of what is made of both."""

    def patch(inputs: list[np.ndarray], evaluate: Evaluate, read: Read, point: int) -> list[np.ndarray]:
        return [np.broadcast_to(inputs[position], evaluate(inputs)[0].shape)]

    return patch


def _extra(e: Explanation, cause: str | None, part: str, name: str, place: Place) -> Finding:
    words = _words.extra_factor_of if name == "mul" else _words.extra_part
    usual = "double-counted-term" if name in ("add", "sub") else "extra-factor"
    return words(e.paths, part=part, cause=cause or usual, place=place)


def lacking(e: Explanation) -> Iterator[Part]:
    """Each value on the way to what the statement gives, with a parameter added that it does not read; each number that
    it adds, with one multiplied.
    """
    bench, program = e.case.bench, e.case.bench.program
    read = {atom for index in e.run for atom in program.equations[index].inputs}
    params = {variable: name for variable, name in e.case.params.items() if variable not in read}
    for index in e.run:
        equation, node = program.equations[index], e.expressions[index]
        [value] = equation.outputs[:1]
        shape = bench.run.at(value)[0].shape
        if node is None or bench.run.at(value)[0].dtype.kind != "f" or is_within(e, index):
            continue
        for variable, name in params.items():
            values, code = bench.run.at(variable), ast.parse(name, mode="eval").body
            if _fits(values[0].shape, shape):
                plus: Patch = after(0, lambda value, point, v=values: value + v[point])
                yield Part(
                    *(index, everywhere(e, index, plus), node, ast.BinOp(node, ast.Add(), code)),
                    lambda cause, place, n=name: _words.missing_part(
                        e.paths, part=n, cause=cause or "missing-term", place=place
                    ),
                )
            for position, side in _numbers(e, index, node) if values[0].shape == shape else ():
                patches = everywhere(e, index, _times(position, values))
                yield Part(
                    *(index, patches, side, ast.BinOp(side, ast.Mult(), code)),
                    lambda cause, place, n=name: _words.missing_factor_of(
                        e.paths, part=n, cause=cause or "missing-factor", place=place
                    ),
                    is_a_number=True,
                )


def _numbers(e: Explanation, index: int, node: ast.expr) -> Iterator[tuple[int, ast.expr]]:
    """The positions and the expressions of the numbers that an equation adds."""
    equation = e.case.bench.program.equations[index]
    if not isinstance(node, ast.BinOp) or equation.name not in ("add", "sub"):
        return
    for position, side in enumerate((node.left, node.right)):
        if e.case.bench.run.at(equation.inputs[position])[0].size == 1:
            yield position, side


def _times(position: int, values: tuple[np.ndarray, ...]) -> Patch:
    """An equation of which the operand at a position is multiplied by a value."""

    def patch(inputs: list[np.ndarray], evaluate: Evaluate, read: Read, point: int) -> list[np.ndarray]:
        return evaluate([value * values[point] if p == position else value for p, value in enumerate(inputs)])

    return patch


def _fits(shape: tuple[int, ...], other: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(shape, other) == other
    except ValueError:
        return False


def replaced(e: Explanation) -> Iterator[Part]:
    """Each value that the statement reads, with another of its shape that has a name by then in its place."""
    bench, program = e.case.bench, e.case.bench.program
    inside = {out for index in e.run for out in program.equations[index].outputs}
    whole = _whole(e)
    if len(e.mistake.instances) > 1:
        return
    for atom in dict.fromkeys(a for i in e.run for a in program.equations[i].inputs if isinstance(a, int)):
        used, name = bench.run.at(atom), e.case.names.of(atom)
        if atom in inside or name is None or used[0].dtype.kind != "f":
            continue
        for other, instead in e.case.names.by_variable.items():
            values = bench.run.at(other)
            is_there = program.makers.get(other, -1) < e.run[0]
            must = with_name(e.site, name, instead) if is_there and other != atom else None
            if must is None or instead == name or values[0].shape != used[0].shape or values[0].dtype.kind != "f":
                continue
            patches = _with(e, atom, values)
            yield Part(
                *(min(patches), patches, whole, _parsed(must)),
                lambda cause, place, u=name, i=instead: _words.another_name(
                    e.paths, used=u, instead=i, cause=cause or "wrong-operand", place=place
                ),
            )


def turned(e: Explanation) -> Iterator[Part]:
    """Each value that the statement reads several times, with the other sign wherever it does."""
    bench, equations = e.case.bench, e.case.bench.program.equations
    inside = {out for index in e.run for out in equations[index].outputs}
    read = Counter(atom for index in e.run for atom in equations[index].inputs if isinstance(atom, int))
    for atom, times in read.items() if len(e.mistake.instances) == 1 else ():
        values, name = bench.run.at(atom), e.case.names.of(atom)
        if times < 2 or atom in inside or name is None or values[0].dtype.kind != "f":
            continue
        patches = _with(e, atom, tuple(map(np.negative, values)))
        must = with_name(e.site, name, f"-{name}")
        old, new = (None, None) if must is None else (_whole(e), _parsed(must))
        yield Part(
            *(min(patches), patches, old, new),
            lambda cause, place, n=name: _words.term_sign(e.paths, cause=cause or "sign", term=n, place=place),
        )


_EPSILON = 0.01
"""A number up to this size, added in the loss alone, is there to keep something from being zero."""


def without_epsilon(e: Explanation) -> Iterator[Part]:
    """What the statement reads, or computes on its way, with the small number added that the loss adds to it."""
    bench, program, whole = e.case.bench, e.case.bench.program, _whole(e)
    inside = {out: index for index in e.run for out in program.equations[index].outputs}
    for atom in dict.fromkeys(a for i in e.run for a in program.equations[i].inputs if isinstance(a, int)):
        name, index = e.case.names.of(atom), inside.get(atom)
        for number in e.case.forward.shifts(bench.run.at(atom)):
            if abs(number) > _EPSILON:
                continue
            text = f"{number:g}"
            if index is None:
                patches, old = _with(e, atom, tuple(value + number for value in bench.run.at(atom))), whole
                must = with_name(e.site, name, f"{name} + {text}") if name else None
                new = None if must is None else _parsed(must)
            else:
                patches = everywhere(e, index, after(0, lambda value, point, n=number: value + n))
                old = None if is_within(e, index) else e.expressions[index]
                new = None if old is None else ast.BinOp(old, ast.Add(), ast.parse(text, mode="eval").body)
            yield Part(
                *(min(patches), patches, old, new),
                lambda cause, place, t=text: _words.missing_part(e.paths, part=t, cause="epsilon", place=place),
            )


def _whole(e: Explanation) -> ast.expr | None:
    """All that the statement assigns."""
    return getattr(e.site.statement.node, "value", None) if e.site.statement else None


def _with(e: Explanation, atom: int, values: tuple[np.ndarray, ...]) -> dict[int, Patch]:
    """Another value in the place of one that the statement reads, wherever it does."""
    patches = {}
    for index in e.run:
        positions = [p for p, a in enumerate(e.case.bench.program.equations[index].inputs) if a == atom]
        if positions:
            patches[index] = with_inputs(positions, lambda point: values[point])
    return patches


def _parsed(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body
