"""Corrections of brackets: what is added inside a product and belongs outside of it, and the other way round."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import numpy as np

from .._program._operations import applied
from .._program._trace import Atom, Equation, Literal
from ._bench import Bench, Evaluate, Patch, Patches, Read
from ._edits import Edit
from ._offers import Instances


_SUMS = frozenset(("add", "add_any", "sub"))

_WIDE, _NARROW = 1.9, 1.95
"""What it costs that brackets hold a term too much, or one too few."""

_MOST = 4
"""How many terms of a sum, and factors of a product, are looked at."""

_Run: TypeAlias = tuple[int, ...]
"""The equations of one execution of a statement; a place is one of them, counted from the first."""

_Operand: TypeAlias = tuple[int, int]
"""The place of an equation, and which of its operands is meant."""

_Term: TypeAlias = tuple[int, Atom]
"""A term of a sum, with its sign in front."""

_Factor: TypeAlias = Callable[[np.ndarray, Read], np.ndarray]
"""What multiplies a value."""


def of_brackets(bench: Bench, instances: Instances) -> Iterator[Edit]:
    """`x * a + b` for `x * (a + b)`, and `x * (a + b)` for `x * a + b`; likewise with a divisor, and with `-`."""
    equations, first = bench.program.equations, instances[0]
    if len({tuple(equations[index].name for index in instance) for instance in instances}) > 1:
        return
    for place, index in enumerate(first):
        if equations[index].name in ("mul", "div"):
            for way in _ways_to_sums(equations, first, place):
                yield from _taken_out(equations, instances, way)
        elif equations[index].name in _SUMS:
            yield from _taken_in(equations, instances, place)


def _made_at(equations: Sequence[Equation], run: _Run, atom: Atom) -> int | None:
    """The place at which an execution makes a value; None for what it reads."""
    if isinstance(atom, Literal):
        return None
    return next((place for place, index in enumerate(run) if atom in equations[index].outputs), None)


def _ways_to_sums(equations: Sequence[Equation], run: _Run, place: int) -> Iterator[list[_Operand]]:
    """From a sum up to the product at `place`: the sum's own place, then the operands that it goes through."""
    equation = equations[run[place]]
    for position, atom in enumerate(equation.inputs if equation.name != "div" else equation.inputs[:1]):
        made = _made_at(equations, run, atom)
        name = None if made is None else equations[run[made]].name
        if made is not None and name in _SUMS:
            yield [(made, -1), (place, position)]
        elif made is not None and name in ("mul", "div", "neg"):
            yield from ([*way, (place, position)] for way in _ways_to_sums(equations, run, made))


def _taken_out(equations: Sequence[Equation], instances: Instances, way: Sequence[_Operand]) -> Iterator[Edit]:
    """The first terms of the sum, or the last, outside of the product."""
    (base, _), *steps = way
    place = steps[-1][0]
    factors = [_through(equations, run, steps) for run in instances]
    rows = [_terms(equations, run, base) for run in instances]
    for cut in range(1, len(rows[0]) if len(rows[0]) <= _MOST else 1):
        parts = [(row[:cut], row[cut:]) for row in rows]
        # `1 - a * a` for `a * (1 - a)` is the slope of another activation.
        if any(all(isinstance(atom, Literal) for _, atom in part) for part in parts[0]):
            continue
        for outside in (0, 1):
            patches: Patches = {
                run[place]: _outside(factor, both[1 - outside], both[outside])
                for run, factor, both in zip(instances, factors, parts, strict=True)
            }
            moved = [atom for _, atom in parts[0][outside]]
            facts = {"sum": base, "product": place, "moved": moved, "term": outside, "factor": factors[0]}
            yield Edit("brackets", _WIDE, lambda c, p=patches: p, False, facts)


def _terms(equations: Sequence[Equation], run: _Run, place: int, sign: int = 1) -> list[_Term]:
    """The terms of a sum, and of the sums among them."""
    equation, found = equations[run[place]], list[_Term]()
    for position, atom in enumerate(equation.inputs):
        own = -sign if equation.name == "sub" and position == 1 else sign
        made = _made_at(equations, run, atom)
        is_a_sum = made is not None and equations[run[made]].name in _SUMS
        found += _terms(equations, run, made, own) if is_a_sum and made is not None else [(own, atom)]
    return found


def _through(equations: Sequence[Equation], run: _Run, steps: Sequence[_Operand]) -> _Factor:
    """What a product makes of a value that comes in where the sum did."""

    def passed(value: np.ndarray, read: Read) -> np.ndarray:
        for place, position in steps:
            equation = equations[run[place]]
            inputs = [value if p == position else read(atom) for p, atom in enumerate(equation.inputs)]
            value = applied(equation, inputs)[0]
        return value

    return passed


def _outside(factor: _Factor, kept: Sequence[_Term], out: Sequence[_Term]) -> Patch:
    def total(terms: Sequence[_Term], read: Read) -> np.ndarray:
        return np.asarray(sum(sign * read(atom) for sign, atom in terms))

    def patch(inputs: list[np.ndarray], evaluate: Evaluate, read: Read, point: int) -> list[np.ndarray]:
        made = factor(total(kept, read), read) + total(out, read)
        if made.shape != evaluate(inputs)[0].shape:
            raise ValueError("the terms alone have another shape")
        return [made]

    return patch


def _taken_in(equations: Sequence[Equation], instances: Instances, place: int) -> Iterator[Edit]:
    """The first or the last factors of one term as those of the other too."""
    first = instances[0]
    for position in (0, 1):
        term, other = (equations[first[place]].inputs[p] for p in (position, 1 - position))
        chain = [] if isinstance(other, Literal) else _chain(equations, first, term)
        for operands in _of_one_end(equations, first, chain):
            if all(isinstance(equations[first[at]].inputs[p], Literal) for at, p in operands):
                continue
            factors = [_multiplied([(equations[run[at]], p) for at, p in operands]) for run in instances]
            patches: Patches = {
                run[place]: _inside(factor, 1 - position) for run, factor in zip(instances, factors, strict=True)
            }
            facts = {"sum": place, "product": None, "moved": [other], "term": position, "factor": factors[0]}
            facts["is_last"] = operands == [(chain[0], 1)]
            yield Edit("brackets", _NARROW, lambda c, p=patches: p, False, facts)


def _chain(equations: Sequence[Equation], run: _Run, atom: Atom) -> list[int]:
    """The products that a term is made of, each in the first operand of the one before: `((a * b) * c) / d`."""
    made = _made_at(equations, run, atom)
    if made is None or equations[run[made]].name not in ("mul", "div"):
        return []
    return [made, *_chain(equations, run, equations[run[made]].inputs[0])]


def _of_one_end(equations: Sequence[Equation], run: _Run, chain: Sequence[int]) -> Iterator[list[_Operand]]:
    """The last factors of a product, and the first ones; not all of them, which would leave nothing of the term."""
    for count in range(1, min(len(chain), _MOST) + 1):
        yield [(place, 1) for place in chain[:count]]
    if chain and equations[run[chain[-1]]].name == "mul":
        for count in range(len(chain)):
            yield [(chain[-1], 0), *((place, 1) for place in chain[len(chain) - count :])]


def _multiplied(operands: Sequence[tuple[Equation, int]]) -> _Factor:
    """A value with more factors, or divided by what is a divisor."""

    def by(value: np.ndarray, read: Read) -> np.ndarray:
        for equation, position in operands:
            factor = read(equation.inputs[position])
            value = np.asarray(value / factor if equation.name == "div" else value * factor)
        return value

    return by


def _inside(factor: _Factor, position: int) -> Patch:
    def patch(inputs: list[np.ndarray], evaluate: Evaluate, read: Read, point: int) -> list[np.ndarray]:
        changed = factor(inputs[position], read)
        if changed.shape != inputs[position].shape:
            raise ValueError("these are factors of another shape")
        return evaluate([changed if p == position else value for p, value in enumerate(inputs)])

    return patch
