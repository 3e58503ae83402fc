"""Where a mistake is made, if a loop carries a wrong cotangent from one run to the next."""

from collections.abc import Sequence

import numpy as np

from .._program._sites import results, Site
from ._bench import Bench
from ._matching import Known
from ._offers import Offer
from ._relate import same, Values
from ._relocate import at_what_makes
from ._search import Mistake


def handed_on(bench: Bench, sites: Sequence[Site], mistake: Mistake, cotangents: Known) -> Mistake:
    """The same mistake at the statement from which the later runs read what is wrong with them.

    The first run is right, and each other one would be if one value that it reads were a cotangent of the loss: what
    makes that value carries the mistake, if it is right in the first run to read nothing but what is right.
    """
    program, runs = bench.program, mistake.instances
    outs = [results(program, run) for run in runs]
    if mistake.edit.kind != "known" or len(runs) < 2 or any(len(out) != 1 for out in outs):
        return mistake
    given = [bench.run.at(out) for [out] in outs]
    wanted = [_corrected(bench, run, out, mistake) for run, [out] in zip(runs, outs, strict=True)]
    if any(len(w) != len(g) or w[0].shape != g[0].shape for w, g in zip(wanted, given, strict=True)):
        return mistake
    wrong = [k for k, (g, w) in enumerate(zip(given, wanted, strict=True)) if not same(g, w)]
    if not wrong or 0 in wrong:
        return mistake
    atoms, needed = [], []
    for k in wrong:
        found = _read_instead(bench, runs[k], given[k], wanted[k], cotangents)
        if found is None:
            return mistake
        atoms.append(found[0])
        needed.append(found[1])
    offer = Offer((needed[0],), None, cotangents.find(needed[0]))
    return at_what_makes(bench, sites, mistake, atoms, needed, offer)


def _corrected(bench: Bench, run: Sequence[int], out: int, mistake: Mistake) -> Values:
    """What one run gives once all are corrected, at each point."""
    order = range(min(mistake.patches), run[-1] + 1)
    made = [bench.values(order, mistake.patches, k) for k in range(bench.count)]
    return tuple(values.get(out, bench.run.values[k][out]) for k, values in enumerate(made) if values is not None)


def _read_instead(
    bench: Bench, run: Sequence[int], given: Values, wanted: Values, cotangents: Known
) -> tuple[int, Values] | None:
    """A value that a run reads and that is no cotangent, and the cotangent with which the run gives what is wanted."""
    equations = [bench.program.equations[index] for index in run]
    made = {out for equation in equations for out in equation.outputs}
    for atom in dict.fromkeys(a for e in equations for a in e.inputs if isinstance(a, int) and a not in made):
        values = bench.run.at(atom)
        if values[0].shape != given[0].shape or values[0].dtype.kind != "f" or cotangents.find(values) is not None:
            continue
        with np.errstate(all="ignore"):
            needed = tuple(v * (w / g) for v, w, g in zip(values, wanted, given, strict=True))
        if all(np.isfinite(n).all() for n in needed) and cotangents.find(needed) is not None:
            return atom, needed
    return None
