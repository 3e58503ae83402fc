"""The correction of one term of a leaf that has a wrong factor, beside another mistake in the rest."""

from collections.abc import Sequence

from .._program._sites import Site
from .._program._trace import Literal
from ._bench import Bench, Patches
from ._edits import Edit
from ._matching import is_simple, snapped
from ._patches import with_input
from ._relate import multiple, Values
from ._search import Mistake


def one_term(bench: Bench, sites: Sequence[Site], path: str, terms: Sequence[Values]) -> Mistake | None:
    """The term of the sum which the leaf `path` is that is a multiple of one of the `terms` of the truth, and must be
    that term: the derivative of a penalty, with the wrong sign. The leaf need not be right with that alone.
    """
    program = bench.program
    owners = {
        index: site for site in sites if not site.leaf and not site.is_formula for i in site.instances for index in i
    }
    pending: list[tuple[int, float]] = [(bench.leaves[path], 1.0)]
    sums: list[tuple[int, int, int, float]] = []
    while pending:
        variable, sign = pending.pop()
        index = program.makers.get(variable, -1)
        equation = program.equations[index] if index >= 0 else None
        if equation is None or equation.name not in ("add", "sub", "copy"):
            continue
        for position, atom in enumerate(equation.inputs):
            if not isinstance(atom, Literal):
                turned = -sign if equation.name == "sub" and position == 1 else sign
                pending.append((atom, turned))
                sums += [(index, position, atom, turned)] if len(equation.inputs) == 2 else []
    for index, position, atom, sign in sums:
        given = bench.run.at(atom)
        for term in terms if index in owners and given[0].shape == terms[0][0].shape else ():
            factor = multiple(given, term)
            if factor is None or snapped(factor) == sign or not is_simple(factor):
                continue
            scale, site = sign / snapped(factor), owners[index]
            patches: Patches = {index: with_input(position, lambda value, scale=scale: scale * value)}
            runs = tuple(run for run in site.instances if index in run)
            facts = {"equation": program.equations[index], "operand": position}
            edit = Edit("term", 0.0, lambda c, p=patches: p, False, facts)
            return Mistake(site, runs, edit, scale, (path,), patches, 0.0, innocent=False)
    return None
