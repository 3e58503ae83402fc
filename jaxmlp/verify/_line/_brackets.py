"""Corrections of brackets: what is added inside a product and belongs outside of it, and the other way round."""

from collections.abc import Callable, Iterator, Sequence

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


def of_brackets(bench: Bench, instances: Instances) -> Iterator[Edit]:
    """`x * a + b` for `x * (a + b)`, and `x * (a + b)` for `x * a + b`; likewise with a divisor, and with `-`."""
    equations, first = bench.program.equations, instances[0]
    if len({tuple(equations[index].name for index in instance) for instance in instances}) > 1:
        return
    makers = {out: place for place, index in enumerate(first) for out in equations[index].outputs}
    for place, index in enumerate(first):
        name = equations[index].name
        if name in ("mul", "div"):
            for way in _ways_to_sums(bench, first, makers, place):
                yield from _taken_out(bench, instances, way)
        elif name in _SUMS:
            yield from _taken_in(bench, instances, makers, place)


def _ways_to_sums(
    bench: Bench, run: tuple[int, ...], makers: dict[int, int], place: int
) -> Iterator[list[tuple[int, int]]]:
    """From a sum up to the product at `place`: the places of the equations, each with the operand that it comes in by;
    the sum itself comes first.
    """
    equation = bench.program.equations[run[place]]
    for position, atom in enumerate(equation.inputs if equation.name != "div" else equation.inputs[:1]):
        made = makers.get(atom) if isinstance(atom, int) else None
        name = None if made is None else bench.program.equations[run[made]].name
        if made is not None and name in _SUMS:
            yield [(made, -1), (place, position)]
        elif made is not None and name in ("mul", "div", "neg"):
            yield from ([*way, (place, position)] for way in _ways_to_sums(bench, run, makers, made))


def _taken_out(bench: Bench, instances: Instances, way: Sequence[tuple[int, int]]) -> Iterator[Edit]:
    """The first terms of the sum, or the last, outside of the product."""
    equations = bench.program.equations
    (base, _), *steps = way
    place = steps[-1][0]
    makers = {out: at for at, index in enumerate(instances[0]) for out in equations[index].outputs}
    for terms in _terms_of(bench, instances, makers, base):
        for outside in (0, 1):

            def patches(c: float, terms: list[list[list[_Term]]] = terms, outside: int = outside) -> Patches:
                return {
                    run[place]: _outside(
                        [equations[run[at]] for at, _ in steps], steps, both[1 - outside], both[outside]
                    )
                    for run, both in zip(instances, terms, strict=True)
                }

            moved = [atom for _, atom in terms[0][outside]]
            factor = _through([equations[instances[0][at]] for at, _ in steps], steps)
            facts = {"sum": base, "product": place, "moved": moved, "outside": outside, "factor": factor}
            yield Edit("brackets", _WIDE, patches, False, facts)


_Term = tuple[int, Atom]
"""A term of a sum, with its sign in front."""


def _terms_of(
    bench: Bench, instances: Instances, makers: dict[int, int], base: int
) -> Iterator[list[list[list[_Term]]]]:
    """Every way to cut a sum in two: of each run, the first terms and the last."""
    rows = [_flat(bench, run, makers, base, 1) for run in instances]
    for cut in range(1, len(rows[0]) if len(rows[0]) <= _MOST else 1):
        # `1 - a * a` for `a * (1 - a)` is the slope of another activation.
        if not any(all(isinstance(atom, Literal) for _, atom in part) for part in (rows[0][:cut], rows[0][cut:])):
            yield [[row[:cut], row[cut:]] for row in rows]


def _flat(bench: Bench, run: tuple[int, ...], makers: dict[int, int], place: int, sign: int) -> list[_Term]:
    equation, places = bench.program.equations[run[place]], bench.program.equations
    found: list[_Term] = []
    for position, atom in enumerate(equation.inputs):
        of = -sign if equation.name == "sub" and position == 1 else sign
        made = next((at for at in range(place) if atom in places[run[at]].outputs), None)
        if made is not None and isinstance(atom, int) and places[run[made]].name in _SUMS:
            found += _flat(bench, run, makers, made, of)
        else:
            found.append((of, atom))
    return found


def _through(
    equations: Sequence[Equation], steps: Sequence[tuple[int, int]]
) -> Callable[[np.ndarray, Read], np.ndarray]:
    """What the equations make of a value that comes in where the sum did."""

    def passed(value: np.ndarray, read: Read) -> np.ndarray:
        for equation, (_, position) in zip(equations, steps, strict=True):
            inputs = [value if p == position else read(atom) for p, atom in enumerate(equation.inputs)]
            value = applied(equation, inputs)[0]
        return value

    return passed


def _outside(
    equations: Sequence[Equation], steps: Sequence[tuple[int, int]], kept: Sequence[_Term], out: Sequence[_Term]
) -> Patch:
    through = _through(equations, steps)

    def patch(inputs: list[np.ndarray], evaluate: Evaluate, read: Read, point: int) -> list[np.ndarray]:
        made = through(_total(kept, read), read) + _total(out, read)
        if made.shape != evaluate(inputs)[0].shape:
            raise ValueError("the terms alone have another shape")
        return [made]

    return patch


def _total(terms: Sequence[_Term], read: Read) -> np.ndarray:
    return np.asarray(sum(sign * read(atom) for sign, atom in terms))


def _taken_in(bench: Bench, instances: Instances, makers: dict[int, int], place: int) -> Iterator[Edit]:
    """The first or the last factors of one term as those of the other too."""
    equations = bench.program.equations
    for position in (0, 1):
        atom, other = (equations[instances[0][place]].inputs[p] for p in (position, 1 - position))
        chain = [] if isinstance(other, Literal) else _chain(bench, instances[0], makers, atom)
        for factors in _of_one_end(equations, instances[0], chain):
            if all(isinstance(equations[instances[0][at]].inputs[p], Literal) for at, p in factors):
                continue

            def patches(c: float, factors: list[tuple[int, int]] = factors, position: int = position) -> Patches:
                return {
                    run[place]: _inside([(equations[run[at]], p) for at, p in factors], 1 - position)
                    for run in instances
                }

            by = _multiplied([(equations[instances[0][at]], p) for at, p in factors])
            moved = [equations[instances[0][place]].inputs[1 - position]]
            is_last = len(chain) > 0 and factors == [(chain[0], 1)]
            facts = {"sum": place, "product": None, "moved": moved, "outside": position, "factor": by}
            facts["is_last"] = is_last
            yield Edit("brackets", _NARROW, patches, False, facts)


def _chain(bench: Bench, run: tuple[int, ...], makers: dict[int, int], atom: Atom) -> list[int]:
    """The products that a term is made of, each in the first operand of the one before: `((a * b) * c) / d`."""
    made = makers.get(atom) if isinstance(atom, int) else None
    if made is None or bench.program.equations[run[made]].name not in ("mul", "div"):
        return []
    return [made, *_chain(bench, run, makers, bench.program.equations[run[made]].inputs[0])]


def _of_one_end(
    equations: Sequence[Equation], run: tuple[int, ...], chain: Sequence[int]
) -> Iterator[list[tuple[int, int]]]:
    """The last factors of a product, and the first ones."""
    for count in range(1, min(len(chain), _MOST) + 1):
        yield [(place, 1) for place in chain[:count]]
    if chain and equations[run[chain[-1]]].name == "mul":
        for count in range(len(chain)):
            yield [(chain[-1], 0), *((place, 1) for place in chain[len(chain) - count :])]


def _multiplied(factors: Sequence[tuple[Equation, int]]) -> Callable[[np.ndarray, Read], np.ndarray]:
    """A value with more factors, or divided by what is a divisor."""

    def by(value: np.ndarray, read: Read) -> np.ndarray:
        for equation, position in factors:
            factor = read(equation.inputs[position])
            value = np.asarray(value / factor if equation.name == "div" else value * factor)
        return value

    return by


def _inside(factors: Sequence[tuple[Equation, int]], position: int) -> Patch:
    by = _multiplied(factors)

    def patch(inputs: list[np.ndarray], evaluate: Evaluate, read: Read, point: int) -> list[np.ndarray]:
        changed = by(inputs[position], read)
        if changed.shape != inputs[position].shape:
            raise ValueError("these are factors of another shape")
        return evaluate([changed if p == position else value for p, value in enumerate(inputs)])

    return patch
