"""Where a wrong factor stands already, if another line could make up for it: a count, a slope, what cuts off."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace

import numpy as np

from .._program._sites import results, Site
from .._program._trace import Atom, Equation, Literal
from ._bench import Bench, Patches
from ._edits import Edit
from ._matching import Known, snapped
from ._offers import fitted_to, Instances, Offer, varies_along_all
from ._patches import after, then_scaled
from ._quantities import Quantity
from ._relate import is_constant, same
from ._search import Mistake


_SHAPES = frozenset(("broadcast_in_dim", "reshape", "convert_element_type", "copy", "squeeze"))


def at_a_count(bench: Bench, sites: Sequence[Site], mistake: Mistake, batches: frozenset[int]) -> Mistake:
    """The same factor where a computed number divides, if the number of examples in its place makes up for it: a mean
    over those alone that a mask leaves.
    """
    program, first = bench.program, mistake.site.first
    if mistake.edit.kind != "scale" or len(mistake.instances) > 1 or mistake.factor == 0:
        return mistake
    for index in (i for i in bench.order[mistake.leaves[0]] if i >= first and program.equations[i].name == "div"):
        divisor = program.equations[index].inputs[1]
        counts = bench.run.at(divisor)
        if divisor not in program.makers or not all(count.size and is_constant((count,)) for count in counts):
            continue
        wanted = {snapped(float(count.flat[0]) / mistake.factor) for count in counts}
        if len(wanted) == 1 and wanted <= batches:
            [number] = wanted
            scaled = lambda c, i=index: {i: then_scaled(None, c)}
            edit = replace(mistake.edit, patches=scaled, facts={**mistake.edit.facts, "number of examples": number})
            moved = _moved(bench, sites, mistake, scaled(mistake.factor), edit)
            if moved is not None:
                return moved
    return mistake


def at_a_division(bench: Bench, sites: Sequence[Site], mistake: Mistake) -> Mistake:
    """The same factor where the next statement divides by just that number, or multiplies by one over it."""
    factor, program = mistake.factor, bench.program
    if mistake.edit.kind != "scale" or snapped(abs(factor)) in (0, 1):
        return mistake
    divisions = list[int]()
    for out in (out for run in mistake.instances for out in results(program, run)):
        users = program.users.get(out, ())
        if len(users) != 1 or not any(_undoes(program.equations[users[0]], factor, sign) for sign in (1, -1)):
            return mistake
        divisions += users
    scaled: Callable[[float], Patches] = lambda c: {i: then_scaled(None, c) for i in divisions}
    return _moved(bench, sites, mistake, scaled(factor), replace(mistake.edit, patches=scaled)) or mistake


def _undoes(equation: Equation, factor: float, sign: int) -> bool:
    """Whether a number stands there that a factor, or its opposite, makes up for."""
    numbers = [float(atom.value) for atom in equation.inputs[1:] if isinstance(atom, Literal) and atom.value.ndim == 0]
    if equation.name not in ("mul", "div") or len(numbers) != 1 or not numbers[0]:
        return False
    return snapped(sign * factor * (numbers[0] if equation.name == "mul" else 1 / numbers[0])) == 1


def at_a_named_number(bench: Bench, sites: Sequence[Site], mistake: Mistake, batches: frozenset[int]) -> Mistake:
    """The same factor where a number is multiplied by that is just that factor, or divides by it, and was given to the
    candidate: such as the width of a kernel, of which there is one too much or too little.
    """
    factor, program = mistake.factor, bench.program
    is_plain = snapped(abs(factor)) in (0, 1) or {snapped(abs(factor)), snapped(abs(1 / factor))} & batches
    if mistake.edit.kind != "scale" or is_plain:
        return mistake
    given = {v for v in program.inputs if bench.run.at(v)[0].ndim == 0 and _is_the_number(bench, v, factor)}
    for site in sites if given else ():
        uses = [[i for i in run if not given.isdisjoint(_factors_of(bench, i))] for run in site.instances]
        if site.leaf or not all(uses):
            continue
        if site is mistake.site:
            return mistake
        makers = [program.makers[out] for run in site.instances for out in results(program, run)]
        scaled: Callable[[float], Patches] = lambda c, makers=makers: {i: then_scaled(None, c) for i in makers}
        moved = _moved(bench, sites, mistake, scaled(factor), replace(mistake.edit, patches=scaled))
        if moved is not None:
            return moved
    return mistake


def _is_the_number(bench: Bench, variable: int, factor: float) -> bool:
    numbers = [float(value) for value in bench.run.at(variable)]
    return all(number and snapped(abs(number * factor)) == 1 for number in numbers) or all(
        snapped(abs(number / factor)) == 1 for number in numbers
    )


def _factors_of(bench: Bench, index: int) -> Iterator[Atom]:
    """What an equation multiplies or divides by, as the candidate was given it."""
    equation = bench.program.equations[index]
    for atom in equation.inputs if equation.name in ("mul", "div") else ():
        yield from _copied(bench, atom)


def _copied(bench: Bench, atom: Atom) -> Iterator[Atom]:
    yield atom
    while isinstance(atom, int) and atom in bench.program.makers:
        equation = bench.program.equations[bench.program.makers[atom]]
        if equation.name not in (*_SHAPES, "neg"):
            return
        atom = equation.inputs[0]
        yield atom


def at_another_slope(bench: Bench, sites: Sequence[Site], mistake: Mistake) -> Mistake:
    """The slope that is missing where a factor stands that it swallows: `sign(z)` times the slope of a relu is that
    slope, so what is wrong is `sign(z)`.
    """
    program, edit = bench.program, mistake.edit
    offer: Offer | None = edit.facts.get("offer")
    of_a_result = edit.kind == "times" and "position" in edit.facts
    if not of_a_result or len(mistake.instances) > 1 or offer is None or mistake.factor != 1:
        return mistake
    out = next(results(program, run)[edit.facts["position"]] for run in mistake.instances)
    get = fitted_to(offer, bench.run.at(out)[0].shape)
    if get is None or offer.quantity is None or offer.quantity.kind != "slope":
        return mistake
    slope = tuple(get(0, point) for point in range(bench.count))
    for atom in _factors(bench, out):
        values = bench.run.at(atom)
        swallowed = tuple(v * s for v, s in zip(values, slope, strict=True))
        if not is_constant(values) and not same(values, slope) and same(swallowed, slope):
            patches: Patches = {program.makers[atom]: after(0, lambda value, point: slope[point])}
            facts = {"position": 0, "offer": offer, "swallows": True}
            known = Edit("known", edit.cost, lambda c, p=patches: p, False, facts)
            moved = _moved(bench, sites, mistake, patches, known)
            if moved is not None:
                return moved
    return mistake


def at_a_constant_slope(bench: Bench, sites: Sequence[Site], mistake: Mistake) -> Mistake:
    """The slope that is missing where the next statement only multiplies by a number: `d / 6` for the slope of a hard
    sigmoid, which is that or 0. The number stands in the place of the slope, of which but a part is missing.
    """
    program, edit = bench.program, mistake.edit
    if edit.kind != "times" or "position" not in edit.facts or len(mistake.instances) > 1 or mistake.factor == 0:
        return mistake
    quantity = edit.facts["offer"].quantity
    if quantity is None or quantity.kind != "slope":
        return mistake
    is_a_part = mistake.factor == 1 and quantity.is_inside
    out = next(results(program, run)[edit.facts["position"]] for run in mistake.instances)
    users = program.users.get(out, ())
    equation = program.equations[users[0]] if len(users) == 1 else None
    number = None if equation is None else next((a.value for a in equation.inputs[1:] if isinstance(a, Literal)), None)
    if equation is None or equation.name not in ("mul", "div") or number is None or number.ndim:
        return mistake
    if not is_a_part and snapped(mistake.factor * float(number if equation.name == "mul" else 1 / number)) != 1:
        return mistake
    return _at_the_next(bench, sites, mistake, users[0]) or mistake


def at_a_part_of_a_slope(
    bench: Bench, sites: Sequence[Site], mistake: Mistake, slopes: Collection[Quantity]
) -> Mistake:
    """The same factor where something else is multiplied by the slope that has it, and lacks it: `d * a * (1 - a)` for
    `sigmoid(k * z)`, of which the slope is `k * a * (1 - a)`.
    """
    factor, count = mistake.factor, len(mistake.instances)
    if mistake.edit.kind != "scale" or snapped(abs(factor)) in (0, 1):
        return mistake
    known, leaves = Known(slopes), set(mistake.leaves)
    for site in sites:
        leads = set(bench.reached([index for run in site.instances for index in run]))
        is_for_all = leaves <= leads if mistake.site.first < site.first else leaves == leads
        if site.leaf or len(site.instances) != count or not is_for_all:
            continue
        outs = [results(bench.program, run) for run in site.instances]
        if all(
            len(each) == 1 and _is_a_part(bench, run, each[0], factor, known, slopes)
            for run, each in zip(site.instances, outs, strict=True)
        ):
            makers = [bench.program.makers[out] for [out] in outs]
            scaled: Callable[[float], Patches] = lambda c, makers=makers: {i: then_scaled(None, c) for i in makers}
            moved = _moved(bench, sites, mistake, scaled(factor), replace(mistake.edit, patches=scaled))
            if moved is not None:
                return moved
    return mistake


def _is_a_part(
    bench: Bench, run: Sequence[int], out: int, factor: float, known: Known, slopes: Collection[Quantity]
) -> bool:
    """Whether a run multiplies by a slope of the loss but for its factor."""
    scaled = tuple(factor * value for value in bench.run.at(out))
    read = {atom for index in run for atom in bench.program.equations[index].inputs if isinstance(atom, int)}
    alike = [values for atom in read if (values := bench.run.at(atom))[0].shape == scaled[0].shape]
    alike = [values for values in alike if values[0].dtype.kind == "f" and known.find(values) is None]
    of_scaled = [slope.values for slope in slopes if slope.values[0].shape == scaled[0].shape]
    return any(
        varies_along_all(slope[0]) and same(tuple(s * v for s, v in zip(slope, values, strict=True)), scaled)
        for slope in of_scaled
        for values in alike
    )


def _at_the_next(bench: Bench, sites: Sequence[Site], mistake: Mistake, index: int) -> Mistake | None:
    """The mistake at the equation that follows, which then gives what it gives of what was corrected."""
    wanted = [bench.values(range(index + 1), mistake.patches, point) or {} for point in range(bench.count)]
    [out] = bench.program.equations[index].outputs
    patches: Patches = {index: after(0, lambda value, point: wanted[point].get(out, value))}
    facts = {"position": 0, "offer": mistake.edit.facts["offer"], "swallows": True}
    known = Edit("known", mistake.edit.cost, lambda c: patches, False, facts)
    moved = _moved(bench, sites, mistake, patches, known)
    return None if moved is None else replace(moved, factor=1.0)


def at_what_cuts(bench: Bench, sites: Sequence[Site], mistake: Mistake) -> Mistake:
    """The slope that is missing where a right cotangent goes through a relu itself: a mask is what belongs there."""
    program, equations = bench.program, range(len(bench.program.equations))
    outs = [out for run in mistake.instances for out in results(program, run)]
    cuts = [user for out in outs for user in program.users.get(out, ())]
    is_cut = len(outs) == len(cuts) and all(program.equations[user].name == "max" for user in cuts)
    if not is_cut or not mistake.innocent or mistake.edit.kind not in ("known", "times"):
        return mistake
    wanted = [bench.values(equations, mistake.patches, point) or {} for point in range(bench.count)]
    patches: Patches = {
        cut: after(0, lambda value, point, out=out: wanted[point].get(out, value))
        for out, cut in zip(outs, cuts, strict=True)
    }
    edit = Edit("mask", mistake.edit.cost, lambda c: patches)
    return _moved(bench, sites, mistake, patches, edit) or mistake


def _moved(bench: Bench, sites: Sequence[Site], mistake: Mistake, patches: Patches, edit: Edit) -> Mistake | None:
    """The mistake at the one statement that the patches are of, if they make the same leaves right."""
    found = [(site, _runs_of(site, patches)) for site in sites if not site.leaf]
    found = [(site, runs) for site, runs in found if runs]
    if len(found) != 1 or not all(bench.is_right(path, patches) for path in mistake.leaves):
        return None
    [(site, runs)] = found
    return replace(mistake, site=site, instances=runs, edit=edit, patches=patches, innocent=False)


def _runs_of(site: Site, equations: Collection[int]) -> Instances:
    return tuple(run for run in site.instances if not set(run).isdisjoint(equations))


def _factors(bench: Bench, out: int) -> Iterator[int]:
    """A value, what it is a product of, in its own shape, and what it is multiplied by next."""
    program, shape = bench.program, bench.run.at(out)[0].shape
    users = [program.equations[user] for user in program.users.get(out, ())]
    pending: list[Atom] = [out, *(atom for user in users if user.name == "mul" for atom in user.inputs if atom != out)]
    while pending:
        atom = pending.pop()
        if not isinstance(atom, int) or atom not in program.makers:
            continue
        values = bench.run.at(atom)
        if values[0].shape == shape and values[0].dtype.kind == "f" and np.isfinite(values[0]).all():
            yield atom
        maker = program.equations[program.makers[atom]]
        if maker.name == "mul" or maker.name in _SHAPES:
            pending += maker.inputs
