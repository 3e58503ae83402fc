"""Where a mistake is made, if a statement gives a sum of which a single term is wrong."""

from collections.abc import Iterator, Sequence

import numpy as np

from .._program._sites import results, Site
from ._bench import Bench
from ._matching import Known
from ._offers import Offer
from ._quantities import Quantity
from ._relate import same, Values
from ._relocate import at_what_makes, corrected
from ._search import Mistake


_MOST = 16
"""How many terms are looked at."""


def in_an_addend(bench: Bench, sites: Sequence[Site], mistake: Mistake, cotangents: Known) -> Mistake:
    """The same mistake at the statement that makes the only term which the cotangent does not have.

    A cotangent of a value that is used several times is a sum, with a term for each use. The first run tells which term
    of the sum is wrong; in later ones others may be wrong because of it.
    """
    program, runs = bench.program, mistake.instances
    if mistake.edit.kind != "known" or any(len(results(program, run)) != 1 for run in runs):
        return mistake
    outs = [results(program, run)[0] for run in runs]
    addends = [list(_addends(bench, out)) for out in outs]
    terms = [_terms(bench, run, out, mistake, cotangents) for run, out in zip(runs, outs, strict=True)]
    if len({len(each) for each in addends}) > 1 or len({len(each) for each in terms}) > 1 or len(terms[0]) < 2:
        return mistake
    left = [n for n, atom in enumerate(addends[0]) if not any(same(bench.run.at(atom), t) for t in terms[0])]
    lacking = [n for n, t in enumerate(terms[0]) if not any(same(bench.run.at(atom), t) for atom in addends[0])]
    if len(left) != 1 or len(lacking) != 1 or len(addends[0]) < 2:
        return mistake
    atoms, wanted = [each[left[0]] for each in addends], [each[lacking[0]] for each in terms]
    offer = Offer(tuple(wanted), None, Quantity("cotangent", wanted[0]))
    return at_what_makes(bench, sites, mistake, atoms, wanted, offer)


def _addends(bench: Bench, variable: int) -> Iterator[int]:
    """The variables of which a variable is the sum."""
    maker = bench.program.makers.get(variable)
    equation = None if maker is None else bench.program.equations[maker]
    if equation is None or equation.name not in ("add", "add_any"):
        yield variable
        return
    for atom in equation.inputs:
        if isinstance(atom, int) and any(value.any() for value in bench.run.at(atom)):
            yield from _addends(bench, atom)


def _terms(bench: Bench, run: Sequence[int], out: int, mistake: Mistake, cotangents: Known) -> list[Values]:
    """The terms of the cotangent that a run must give."""
    wanted = tuple(corrected(bench, run, out, mistake))
    quantity = cotangents.find(wanted) if len(wanted) == bench.count else None
    terms = [] if quantity is None else [tuple(map(np.asarray, term)) for term in quantity.terms]
    terms = [term for term in terms if any(value.any() for value in term)]
    return terms if len(terms) <= _MOST else []
