"""Mistakes that are plain without knowing anything of the loss: a NaN that is born, leaves in each other's place, a
quotient of which nothing is left.
"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from .._line._bench import Bench
from .._line._relate import is_constant, same
from .._program._sites import Site
from .._program._source import Source
from .._program._trace import Literal
from .._report import _words, _words_of_parts
from .._report._gradient_report import Finding
from .._report._words import Place
from ._names import line_of


def born_nonfinite(bench: Bench, places: Sequence[Site], source: Source, path: str) -> Finding | None:
    """The first operation that makes a NaN or inf of finite numbers, on the way to a leaf that is not finite: each
    after it reads one and gives one, where a condition may drop those of others.
    """
    for values in bench.run.values:
        births = _births(bench, values, bench.leaves[path])
        if not births:
            continue
        equation = bench.program.equations[births[0]]
        inputs = [atom.value if isinstance(atom, Literal) else values[atom] for atom in equation.inputs]
        site = next((s for s in places if any(births[0] in i for i in s.instances)), None)
        name = site.statement.target if site and site.statement else None
        place = Place(line_of(site.frame, source) if site else None, name)
        where = np.argwhere(~np.isfinite(values[equation.outputs[0]]))[0]
        shown = [_element(value, where) for value in inputs]
        symbol = {"div": " / ", "mul": " * ", "sub": " - ", "add": " + "}.get(equation.name)
        said = symbol.join(shown) if symbol else f"{equation.name}({', '.join(shown)})"
        return _words.born_nonfinite((path,), operation=said, operands=shown, place=place)
    return None


def _births(bench: Bench, values: dict[int, np.ndarray], leaf: int) -> list[int]:
    """The equations that make what is not finite of finite numbers, if a leaf is not finite because of them."""
    is_bad = lambda variable: values[variable].dtype.kind in "fc" and not np.isfinite(values[variable]).all()
    found, pending = set[int](), [leaf] if is_bad(leaf) else []
    seen = set(pending)
    while pending:
        maker = bench.program.makers.get(pending.pop())
        if maker is None:
            continue
        read = [atom for atom in bench.program.equations[maker].inputs if isinstance(atom, int) and is_bad(atom)]
        if not read:
            found.add(maker)
        pending += [atom for atom in read if atom not in seen]
        seen.update(read)
    return sorted(found)


def swapped(bench: Bench, places: Sequence[Site], source: Source, wrong: Sequence[str]) -> list[Finding]:
    """Pairs of leaves that are returned in each other's place."""
    found = []
    for first, second in combinations(wrong, 2):
        actual = [bench.run.at(bench.leaves[path]) for path in (first, second)]
        truth = [tuple(leaves[path] for leaves in bench.truth) for path in (second, first)]
        if all(same(a, t) for a, t in zip(actual, truth, strict=True)):
            site = next((site for site in places if site.leaf == first), None)
            place = Place(line_of(site.frame, source) if site else None)
            found.append(_words.swapped_leaves((first, second), place=place))
    return found


def always_the_same(
    bench: Bench, places: Sequence[Site], source: Source, wrong: Sequence[str], params: Sequence[int]
) -> list[Finding]:
    """A quotient on the way to leaves that is one number at all points, though both what is divided and what divides
    depend on the parameters: `exp(z) / exp(1 + z)`.
    """
    depends, found = set(params), dict[int, float]()
    for index, equation in enumerate(bench.program.equations):
        if depends.isdisjoint(atom for atom in equation.inputs if isinstance(atom, int)):
            continue
        depends.update(equation.outputs)
        if equation.name == "div" and depends.issuperset(equation.inputs):
            quotient, above, below = (bench.run.at(atom) for atom in (equation.outputs[0], *equation.inputs))
            number = float(quotient[0].flat[0]) if quotient[0].size else 0.0
            varies = not is_constant(above) and not is_constant(below)
            if varies and is_constant(quotient) and abs(number) not in (0.0, 1.0):
                found[index] = number
    lines: dict[Site, tuple[float, list[str]]] = {}
    for index, number in found.items():
        site = next((s for s in places if any(index in run for run in s.instances)), None)
        if site is not None:
            lines.setdefault(site, (number, []))[1].extend(bench.reached((index,)))
    return [
        _words_of_parts.always_the_same(paths, number=number, place=Place(line_of(site.frame, source)))
        for site, (number, reached) in lines.items()
        if (paths := tuple(path for path in wrong if path in reached))
    ]


def _element(value: np.ndarray, where: np.ndarray) -> str:
    return f"{float(value[tuple(where)] if value.ndim == len(where) else value.ravel()[0]):g}"
