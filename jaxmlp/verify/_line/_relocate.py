"""Where a mistake is made: before the statement that was corrected, where that only adds, multiplies or collects."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .._program._sites import results, Site
from .._program._trace import Atom
from ._bench import Bench, RIGHT
from ._edits import Edit
from ._offers import Offer
from ._overwritten import put_over_another, PUTS, touched
from ._patches import after
from ._relate import multiple, same, Values
from ._search import Mistake
from ._zeros import left_at_zero


def where_it_is_made(bench: Bench, sites: Sequence[Site], mistake: Mistake) -> Mistake:
    """The same mistake at the statement that makes it."""
    for moved in (put_over_another, left_at_zero, _in_its_term, _in_a_factor, _in_a_part, _in_what_is_read):
        found = moved(bench, sites, mistake)
        if found is not mistake:
            return found
    return mistake


def _in_a_part(bench: Bench, sites: Sequence[Site], mistake: Mistake) -> Mistake:
    """The same mistake where it is made: in an earlier statement that put the wrong part into an array.

    The first run tells which part; what is wrong with later ones may come of it.
    """
    program, runs = bench.program, mistake.instances
    outs = [out for run in runs for out in results(program, run)]
    if mistake.edit.kind != "known" or len(outs) != len(runs):
        return mistake
    expected = [corrected(bench, run, out, mistake) for run, out in zip(runs, outs, strict=True)]
    actual = bench.run.at(outs[0])[0]
    if any(len(values) < bench.count or values[0].shape != actual.shape for values in expected):
        return mistake
    wrong = np.abs(actual - expected[0][0]) > RIGHT * np.abs(expected[0][0]).max()
    owners = {tuple(results(program, run)): site for site in sites for run in site.instances if not site.leaf}
    found: Site | None = None
    while all(out in program.makers and program.equations[program.makers[out]].name in PUTS for out in outs):
        before = [program.equations[program.makers[out]].inputs[0] for out in outs]
        earlier = [atom for atom in before if isinstance(atom, int)]
        at = {owners.get((atom,)) for atom in earlier}
        site = at.pop() if len(at) == 1 and len(earlier) == len(outs) else None
        if site is None or (wrong & _touched(bench, outs[0])).any():
            break
        found, outs = site, earlier
    if found is None:
        return mistake
    instances = tuple(run for run in found.instances if set(results(program, run)) & set(outs))
    part = _touched(bench, outs[0])
    patches = {
        program.makers[out]: after(0, lambda value, point, right=right: np.where(part, right[point], value))
        for out, right in zip(outs, expected, strict=True)
    }
    if not all(bench.is_right(path, patches) for path in mistake.leaves):
        return mistake
    edit = Edit("known", mistake.edit.cost, lambda c: patches, False, {**mistake.edit.facts, "position": 0})
    return replace(mistake, site=found, instances=instances, edit=edit, factor=1.0, patches=patches)


def _in_what_is_read(bench: Bench, sites: Sequence[Site], mistake: Mistake) -> Mistake:
    """The same mistake where it is made: in the value that is read where another belongs, if other statements read it
    too, and with the other value in its place they give what is right as well.

    Its facts then say which statement makes it (`made`).
    """
    edit, program = mistake.edit, bench.program
    if edit.kind != "operand" or mistake.factor != 1 or len(mistake.instances) > 1:
        return mistake
    used, offer = edit.facts["used"], edit.facts["offer"]
    if used not in program.makers:
        return mistake
    maker = program.makers[used]
    if program.equations[maker].outputs != (used,) or offer.shape != bench.run.at(used)[0].shape:
        return mistake
    patches = {maker: after(0, lambda value, point: offer.at(0, point))}
    reached = bench.reached((maker,))
    wrong = [path for path in reached if not bench.is_right(path, {})]
    right = [path for path in reached if bench.is_right(path, patches)]
    site = next((s for s in sites if not s.leaf and any(used in results(program, run) for run in s.instances)), None)
    if site is None or len(right) < len(reached) or not set(wrong) > set(mistake.leaves):
        return mistake
    inner = Edit("operand", edit.cost, lambda c: patches, False, {**edit.facts, "made": site})
    return replace(mistake, leaves=tuple(wrong), edit=inner, patches=patches)


def at_what_makes(
    bench: Bench, sites: Sequence[Site], mistake: Mistake, atoms: Sequence[int], wanted: Sequence[Values], offer: Offer
) -> Mistake:
    """The same mistake at the one statement that makes `atoms`, where it must give what is `wanted`; as it is, if
    several make them, or this does not make the leaves right.
    """
    program = bench.program
    owners = {out: site for site in sites if not site.leaf for run in site.instances for out in results(program, run)}
    places = {owners.get(atom) for atom in atoms}
    site = places.pop() if len(places) == 1 else None
    alike = (bench.run.at(atom)[0].shape == values[0].shape for atom, values in zip(atoms, wanted, strict=True))
    if site is None or site is mistake.site or not all(alike):
        return mistake
    patches = {
        program.makers[atom]: after(0, lambda value, point, w=values: w[point])
        for atom, values in zip(atoms, wanted, strict=True)
    }
    if not all(bench.is_right(path, patches) for path in mistake.leaves):
        return mistake
    instances = tuple(run for run in site.instances if set(results(program, run)) & set(atoms))
    position = next(n for n, out in enumerate(results(program, instances[0])) if out in atoms)
    facts = {**mistake.edit.facts, "position": position, "offer": offer}
    edit = Edit("known", mistake.edit.cost, lambda c: patches, False, facts)
    return replace(mistake, site=site, instances=instances, edit=edit, factor=1.0, patches=patches, innocent=False)


def corrected(bench: Bench, run: Sequence[int], out: int, mistake: Mistake) -> list[np.ndarray]:
    """What one run gives once it is corrected, at each point."""
    patches = {index: mistake.patches[index] for index in run if index in mistake.patches}
    made = [bench.values(run, patches, k) for k in range(bench.count)] if patches else []
    return [values[out] for values in made if values and out in values]


def _touched(bench: Bench, out: int) -> np.ndarray:
    """Where an operation puts something into its first input."""
    equation = bench.program.equations[bench.program.makers[out]]
    return touched(bench, equation) if equation.name in PUTS else np.ones(bench.run.at(out)[0].shape, bool)


def _in_its_term(bench: Bench, sites: Sequence[Site], mistake: Mistake) -> Mistake:
    """The same mistake where it is made: in a term that the statement only adds, which another mask makes right."""
    program, edit = bench.program, mistake.edit
    if edit.kind != "known" or len(mistake.instances) != 1:
        return mistake
    out = results(program, mistake.instances[0])[edit.facts["position"]]
    total = program.equations[program.makers[out]]
    if total.name not in ("add", "sub"):
        return mistake
    made_right = [bench.values(mistake.instances[0], mistake.patches, k) for k in range(bench.count)]
    sums = [values[out] for values in made_right if values]
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


def _in_a_factor(bench: Bench, sites: Sequence[Site], mistake: Mistake) -> Mistake:
    """The same mistake where it is made: in a value that the statement only multiplies, if all that is missing there is
    the product of two values at hand.
    """
    program, run = bench.program, mistake.instances[0]
    outs = results(program, run)
    found = [bench.values(run, mistake.patches, k) for k in range(bench.count)]
    offer = mistake.edit.facts.get("offer")
    is_simple = mistake.edit.kind not in ("known", "operand") or (offer is not None and offer.name is not None)
    if is_simple or len(mistake.instances) != 1 or mistake.site.leaf or len(outs) != 1 or None in found:
        return mistake
    actual = bench.run.at(outs[0])
    expected = tuple(values.get(outs[0], a) for values, a in zip(found, actual, strict=True) if values is not None)
    inside = {out for index in run for out in program.equations[index].outputs}
    # Where a slope belongs in the place of one factor, no other is wrong.
    of_it = _leads_to(bench, run, mistake.edit.facts["used"]) if _is_for_a_slope(mistake.edit) else None
    read = {a: None for i in run for a in program.equations[i].inputs if isinstance(a, int) and a not in inside}
    read = {atom: None for atom in read if of_it is None or atom in of_it}
    for site in sites:
        [*_, last] = site.instances
        made = results(program, last)
        if len(site.instances) != 1 or len(made) != 1 or made[0] not in read or program.users[made[0]][0] not in run:
            continue
        values = bench.run.at(made[0])
        if values[0].dtype.kind != "f" or {values[0].shape, actual[0].shape} != {expected[0].shape}:
            continue
        twice = gives(bench, run, outs[0], program.makers[made[0]], tuple(2 * v for v in values))
        if twice is None or not same(twice, tuple(2 * a for a in actual)):
            continue
        with np.errstate(all="ignore"):
            wanted = tuple(v * x / a for v, x, a in zip(values, expected, actual, strict=True))
        missing = tuple(w - v for w, v in zip(wanted, values, strict=True))
        if not all(np.isfinite(m).all() for m in missing) or multiple(missing, values) is not None:
            continue
        patches = {program.makers[made[0]]: after(0, lambda value, point, w=wanted: w[point])}
        if _is_a_product(missing, _at_hand(bench, sites, site)) and all(
            bench.is_right(path, patches) for path in mistake.leaves
        ):
            inner = Edit("lacking", mistake.edit.cost, lambda c, p=patches: p)
            return replace(mistake, site=site, instances=site.instances, edit=inner, factor=1.0, patches=patches)
    return mistake


def _is_for_a_slope(edit: Edit) -> bool:
    offer: Offer | None = edit.facts.get("offer")
    return (
        edit.kind == "operand" and offer is not None and offer.quantity is not None and offer.quantity.kind == "slope"
    )


def _leads_to(bench: Bench, run: Sequence[int], atom: Atom) -> set[Atom]:
    """A value, and what a run makes it of."""
    found, pending = set[Atom](), [atom]
    while pending:
        atom = pending.pop()
        found.add(atom)
        index = bench.program.makers.get(atom) if isinstance(atom, int) else None
        if index in run and index is not None:
            pending += (each for each in bench.program.equations[index].inputs if isinstance(each, int))
    return found


def gives(bench: Bench, run: Sequence[int], out: int, maker: int, values: Values) -> Values | None:
    """What a statement gives where it reads `values` of the equation `maker`."""
    patches = {maker: after(0, lambda value, point: values[point])}
    made = [bench.values((maker, *run), patches, k) for k in range(bench.count)]
    return (
        tuple(each[out] for each in made if each and out in each)
        if all(each and out in each for each in made)
        else None
    )


def _at_hand(bench: Bench, sites: Sequence[Site], site: Site) -> list[Values]:
    """The values that the function computes up to a statement, of that statement's shape."""
    program, shape = bench.program, bench.run.at(results(bench.program, site.instances[0])[0])[0].shape
    same_function = [s for s in sites if s.frame and site.frame and s.frame.function == site.frame.function]
    indices = [i for s in same_function for run in s.instances for i in run if i <= site.instances[0][-1]]
    atoms = dict.fromkeys(a for i in indices for a in (*program.equations[i].inputs, *program.equations[i].outputs))
    values = [bench.run.at(atom) for atom in atoms if isinstance(atom, int)]
    return [v for v in values if v[0].shape == shape and v[0].dtype.kind == "f"]


def _is_a_product(missing: Values, values: Sequence[Values]) -> bool:
    return any(
        multiple(missing, tuple(a * b for a, b in zip(first, second, strict=True))) is not None
        for position, first in enumerate(values)
        for second in values[: position + 1]
    )


def _is_masked(values: Values, whole: Values) -> bool:
    """Whether it is `whole` where it is not zero."""
    if values[0].shape != whole[0].shape or whole[0].size < 2 or whole[0].dtype.kind != "f":
        return False
    size = max(float(np.abs(w).max()) for w in whole)
    kept = tuple(np.where(np.abs(v) > 1e-9 * size, w, 0) for v, w in zip(values, whole, strict=True))
    return any(k.any() for k in kept) and same(kept, values)
