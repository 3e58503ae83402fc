"""Mistakes that are plain without knowing anything of the loss: a NaN that is born, leaves in each other's place."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from .._line._bench import Bench
from .._line._relate import same
from .._program._sites import Site
from .._program._source import Source
from .._program._trace import Literal
from .._report import _words
from .._report._gradient_report import Finding
from .._report._words import Place
from ._names import line_of


def born_nonfinite(
    bench: Bench, places: Sequence[Site], source: Source, names: dict[int, str], path: str
) -> Finding | None:
    """The first operation that makes a NaN or inf of finite numbers, on the way to a leaf that is not finite."""
    for values in bench.run.values:
        if np.isfinite(values[bench.leaves[path]]).all():
            continue
        for index in bench.order[path]:
            equation = bench.program.equations[index]
            inputs = [atom.value if isinstance(atom, Literal) else values[atom] for atom in equation.inputs]
            if all(np.isfinite(v).all() for v in inputs) and not np.isfinite(values[equation.outputs[0]]).all():
                site = next((s for s in places if any(index in i for i in s.instances)), None)
                name = site.statement.target if site and site.statement else None
                place = Place(line_of(site.frame, source) if site else None, name)
                where = np.argwhere(~np.isfinite(values[equation.outputs[0]]))[0]
                shown = [_element(value, where) for value in inputs]
                symbol = {"div": " / ", "mul": " * ", "sub": " - ", "add": " + "}.get(equation.name)
                said = symbol.join(shown) if symbol else f"{equation.name}({', '.join(shown)})"
                return _words.born_nonfinite((path,), operation=said, operands=shown, place=place)
    return None


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


def _element(value: np.ndarray, where: np.ndarray) -> str:
    return f"{float(value[tuple(where)] if value.ndim == len(where) else value.ravel()[0]):g}"
