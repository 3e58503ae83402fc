"""Which part of a statement is wrong, where the rest of it is right: the sign of a term, a number, a sum for a mean."""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from .._line import _relate
from .._line._bench import Patch, Patches
from .._line._matching import snapped
from .._line._offers import Instances
from .._line._patches import after, with_input
from .._line._relate import Values
from .._program._expressions import multiplied, negated, reduced_by, reduced_otherwise
from .._report import _words_of_parts as _words
from .._report._gradient_report import Finding
from .._report._words import Place
from ._explanation import Explanation


@dataclass(frozen=True)
class Part:
    """A part of a statement with which alone corrected all of it is right.

    Attributes:
      index: the equation that is corrected.
      patches: the correction.
      old: the expression that the correction changes, if the source tells.
      new: what it must be.
      said: the finding, of the cause that is given, at a place.
      is_a_number: whether it is one number, which lacks a parameter as a factor.
      position: which of the terms of a sum is corrected, if one is.
    """

    index: int
    patches: Patches
    old: ast.expr | None
    new: ast.expr | None
    said: Callable[[str | None, Place], Finding]
    is_a_number: bool = False
    position: int | None = None


def everywhere(e: Explanation, index: int, patch: Patch) -> Patches:
    """A correction of an equation, in all runs of the statement that are wrong; in all that add to its result."""
    place, alike = e.run.index(index), len(e.run)
    return {run[place]: patch for run in runs_of(e) if len(run) == alike}


def runs_of(e: Explanation) -> Instances:
    """The runs of the statement that are wrong: all of them, where each goes on from the result of the one before."""
    return e.site.instances if accumulates(e) else e.mistake.instances


def accumulates(e: Explanation) -> bool:
    """Whether a statement in a loop reads what it assigns."""
    statement = e.site.statement
    if statement is None or statement.target is None or len(e.site.instances) < 2:
        return False
    value = getattr(statement.node, "value", statement.node)
    read = {ast.unparse(node) for node in ast.walk(value) if isinstance(node, ast.expr)}
    return isinstance(statement.node, ast.AugAssign) or statement.target in read


def is_within(e: Explanation, index: int) -> bool:
    """Whether an equation stands within a function that the statement calls, and gives none of what that gives."""
    program, node = e.case.bench.program, e.expressions[index]
    users = [user for out in program.equations[index].outputs for user in program.users.get(out, ())]
    return node is not None and any(e.expressions.get(user) is node for user in users)


def signs(e: Explanation) -> Iterator[Part]:
    """Each term of a sum, and each argument of a function, with the other sign."""
    for index in reversed(e.run):
        name = e.case.bench.program.equations[index].name
        for position in (1, 0) if name in ("add", "sub") else (0,) if name in ("exp", "logistic") else ():
            patches = everywhere(e, index, with_input(position, np.negative))
            old = e.expressions[index]
            if _is_carried(e, index, position):
                continue  # a sum goes on from its own value as it is
            term, new = (None, None) if old is None else _with_the_sign_turned(old, position)
            text = ast.unparse(term) if term is not None else None
            said = lambda cause, place, text=text: _sign(e, cause, text, place)
            yield Part(index, patches, old, new, said, position=position)


def _is_carried(e: Explanation, index: int, position: int) -> bool:
    """Whether an operand is what the statement gave in another run."""
    equations, place = e.case.bench.program.equations, e.run.index(index)
    makers = {out: run for run in e.site.instances for i in run for out in equations[i].outputs}
    runs = [run for run in e.site.instances if len(run) == len(e.run)]
    read = [(equations[run[place]].inputs[position], run) for run in runs]
    return any(isinstance(atom, int) and makers.get(atom, run) != run for atom, run in read)


def added_number(e: Explanation) -> Iterator[Part]:
    """The number of a sum that the correction changes, as the 2 of `2 + x`."""
    equation = e.facts.get("equation")
    if e.edit.kind != "number" or equation is None or equation.name not in ("add", "sub"):
        return
    position, used = e.facts["operand"], e.facts["number"]
    instead = snapped(used * e.mistake.factor)
    texts = {"used": f"{used:g}", "instead": f"{instead:g}"}
    is_a_term = equation.outputs == (e.out,)  # of all that the statement gives
    name = lambda cause: "scale-constant" if is_a_term else cause or "wrong-operand"
    said = lambda cause, place: _words.another_name(e.paths, cause=name(cause), **texts, place=place)
    for index in (index for index in e.run if e.case.bench.program.equations[index] is equation):
        old, new = e.expressions[index], None
        if isinstance(old, ast.BinOp) and isinstance((old.left, old.right)[position], ast.Constant):
            operands = [old.left, old.right]
            operands[position] = ast.Constant(int(instead) if instead == int(instead) else instead)
            new = ast.BinOp(operands[0], old.op, operands[1])
        yield Part(index, e.mistake.patches, old if new else None, new, said, position=position)


def _sign(e: Explanation, cause: str | None, text: str | None, place: Place) -> Finding:
    return _words.term_sign(e.paths, cause=cause or "sign", term=text, place=place)


def _with_the_sign_turned(node: ast.expr, position: int) -> tuple[ast.expr | None, ast.expr | None]:
    """The term of a sum, or the argument of a function, and the expression with that of the other sign."""
    match node:
        case ast.BinOp(left=left, op=ast.Add(), right=right) if position == 0 and not _is_negative(left):
            return left, ast.BinOp(right, ast.Sub(), left)
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() as op, right=right) if position == 0:
            return left, ast.BinOp(negated(left), op, right)
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() as op, right=right) if _is_negative(right):
            return right, ast.BinOp(left, op, negated(right))
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return right, ast.BinOp(left, ast.Sub(), right)
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            return right, ast.BinOp(left, ast.Add(), right)
        case ast.Call(func=ast.Attribute(attr="exp" | "sigmoid" | "expit"), args=[argument]):
            return argument, ast.Call(node.func, [negated(argument)], node.keywords)
    return None, None


def _is_negative(node: ast.expr) -> bool:
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)


def multiples(e: Explanation, wanted: Values | None, *, usual: bool) -> Iterator[Part]:
    """Each value on the way to what the statement gives, times a number; also the mean for a sum, or the sum for it.

    The `usual` numbers are 2, the batch size, how many numbers were summed up, and one over each of these.
    """
    bench = e.case.bench
    for index in reversed(e.run):
        [value] = bench.program.equations[index].outputs[:1]
        if bench.run.at(value)[0].dtype.kind != "f" or value == e.out:
            continue
        if is_within(e, index):
            continue
        old = e.expressions[index]
        counts = {2, *e.batches, *_lengths(e, index)}
        for factor in _factors(e, index, wanted):
            if (factor in counts or round(1 / factor, 9) in counts) != usual:
                continue
            patches = everywhere(e, index, after(0, lambda value, point, c=factor: c * value))
            is_reduced = old is not None and reduced_by(old) and _is_of_the_length(e, index, factor)
            if old is not None and is_reduced:
                new = reduced_otherwise(old)
            else:
                new = None if old is None else multiplied(old, factor)
            text = None if old is None else ast.unparse(old)
            is_a_mean = factor > 1 if is_reduced else None
            yield Part(
                *(index, patches, old, new),
                lambda cause, place, text=text, c=factor, m=is_a_mean: _scale(e, cause, text, c, m, place),
            )


def _scale(
    e: Explanation, cause: str | None, text: str | None, factor: float, is_a_mean: bool | None, place: Place
) -> Finding:
    cause = cause or ("scale-batch" if any(factor in (n, 1 / n) for n in e.batches) else "scale-constant")
    if text is not None and is_a_mean is not None:
        return _words.another_reduction(e.paths, part=text, is_a_mean=is_a_mean, cause=cause, place=place)
    return _words.part_scale(e.paths, times=1 / factor, cause=cause, part=text, place=place)


def _is_of_the_length(e: Explanation, index: int, factor: float) -> bool:
    """Whether a factor is the number of what the statement sums up there, or one over that."""
    return any(abs(size * length - 1) < 1e-9 for size in (factor, 1 / factor) for length in _lengths(e, index))


def _lengths(e: Explanation, index: int) -> set[float]:
    """How many numbers are summed up into one by the expression that an equation stands for."""
    equations, run = e.case.bench.program.equations, e.case.bench.run
    sums = [
        equations[i] for i in e.run if equations[i].name == "reduce_sum" and e.expressions[i] is e.expressions[index]
    ]
    return {run.at(s.inputs[0])[0].size / max(1, run.at(s.outputs[0])[0].size) for s in sums}


def _factors(e: Explanation, index: int, wanted: Values | None) -> list[float]:
    """The positive numbers by which a value may have to be multiplied."""
    bench, counts = e.case.bench, sorted({*e.batches, *_lengths(e, index)} - {0, 1})
    guesses = [2.0, 0.5, *(c for n in counts for c in (float(n), 1.0 / n))]
    if wanted is None or wanted[0].shape != e.actual[0].shape or not _is_linear(e, index):
        return guesses
    twice = everywhere(e, index, after(0, lambda value, point: 2 * value))
    made = [bench.values(e.run, twice, k) for k in range(bench.count)]
    given = tuple(values[e.out] for values in made if values and e.out in values)
    if len(given) < bench.count or given[0].shape != wanted[0].shape:
        return guesses
    # What is linear in the value moves by as much as is missing, up to a factor.
    moved, missing = (tuple(v - a for v, a in zip(each, e.actual, strict=True)) for each in (given, wanted))
    more = _relate.multiple(missing, moved)
    if more is None:
        return []
    factor = snapped(1 + more)
    return [factor] if factor > 0 and len(f"{factor:g}{1 / factor:g}") < 12 else []


_BENDS = frozenset("exp log tanh logistic sin cos pow integer_pow square sqrt rsqrt max min abs".split())


def _is_linear(e: Explanation, index: int) -> bool:
    """Whether what the statement gives is linear in what an equation of it gives."""
    equations, moving = e.case.bench.program.equations, set(e.case.bench.program.equations[index].outputs)
    for equation in (equations[i] for i in e.run if i > index):
        read = [position for position, atom in enumerate(equation.inputs) if atom in moving]
        if read and (equation.name in _BENDS or len(read) > 1 or (equation.name == "div" and read != [0])):
            return False
        moving.update(equation.outputs if read else ())
    return True


def given_by(e: Explanation, patches: Patches, variable: int) -> Values | None:
    """A value of the statement with a correction in place."""
    bench = e.case.bench
    made = [bench.values(e.run, patches, k) for k in range(bench.count)]
    given = tuple(values[variable] for values in made if values and variable in values)
    return given if len(given) == bench.count else None
