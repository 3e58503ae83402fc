"""Which line: the statement whose correction makes leaves right, and the least that has to be corrected in it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from ._bench import Bench
from ._edits import Edit
from ._known import Knowledge
from ._offers import Offer
from ._patches import after
from ._relate import same, Values
from ._search import Mistake as Mistake, Search
from ._sites import results, Site


def localized(
    bench: Bench,
    sites: Sequence[Site],
    offers: Sequence[Offer],
    knowledge: Knowledge,
    wrong: Sequence[str],
    batches: frozenset[int],
    *,
    planted: frozenset[str] | None = None,
) -> Iterator[Mistake]:
    """The mistakes, peeled off one after another: that which makes most leaves wrong comes first.

    The bench is left with all of them corrected. With `planted`, which names the kinds of edits to try, the program is
    right, and it is mistakes that are put into it, to give what the truth of the bench stands for.
    """
    left = list(wrong)
    while left:
        found = Search(bench, sites, offers, knowledge, left, batches, planted).best()
        if found is None:
            return
        if planted is None:
            found = _in_its_term(bench, [site for site in sites if not site.is_formula], found)
        yield found
        bench.apply(found.patches)
        left = [path for path in left if path not in found.leaves]


def _in_its_term(bench: Bench, sites: Sequence[Site], mistake: Mistake) -> Mistake:
    """The same mistake where it is made: in a term that the statement only adds, which another mask makes right."""
    program, edit = bench.program, mistake.edit
    if edit.kind != "known" or len(mistake.instances) != 1:
        return mistake
    out = results(program, mistake.instances[0])[edit.facts["position"]]
    total = program.equations[program.makers[out]]
    if total.name not in ("add", "sub"):
        return mistake
    corrected = [bench.values(mistake.instances[0], mistake.patches, k) for k in range(bench.count)]
    sums = [values[out] for values in corrected if values]
    for position, atom in enumerate(total.inputs):
        if not isinstance(atom, int):
            continue
        other = bench.run.at(total.inputs[1 - position])
        wanted = tuple(
            value + b if total.name == "sub" and position == 0 else b - value if total.name == "sub" else value - b
            for value, b in zip(sums, other, strict=True)
        )
        for site in sites:
            if site is mistake.site or site.leaf or len(site.instances) != 1:
                continue
            if results(program, site.instances[0]) != [atom] or len(program.users[atom]) > 1:
                continue
            maker = program.equations[program.makers[atom]]
            masked = [bench.run.at(operand) for operand in maker.inputs]
            if any(_is_masked(wanted, v) and _is_masked(bench.run.at(atom), v) for v in masked):
                patches = {program.makers[atom]: after(0, lambda value, point, w=wanted: w[point])}
                inner = Edit("known", edit.cost, lambda c, p=patches: p, False, {**edit.facts, "position": 0})
                return replace(mistake, site=site, instances=site.instances, edit=inner, factor=1.0, patches=patches)
    return mistake


def _is_masked(values: Values, whole: Values) -> bool:
    """Whether it is `whole` where it is not zero."""
    if values[0].shape != whole[0].shape or whole[0].size < 2 or whole[0].dtype.kind != "f":
        return False
    size = max(float(np.abs(w).max()) for w in whole)
    kept = tuple(np.where(np.abs(v) > 1e-9 * size, w, 0) for v, w in zip(values, whole, strict=True))
    return any(k.any() for k in kept) and same(kept, values)
