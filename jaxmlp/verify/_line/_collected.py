"""Where a mistake is made, if a statement only collects what others made, or takes one of them out again."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from .._program._sites import results, Site, wholes
from .._program._trace import Atom
from ._bench import Bench, Patches
from ._edits import Edit
from ._matching import Known
from ._patches import after
from ._quantities import Quantity
from ._relate import same, Values
from ._relocate import corrected, gives
from ._search import Mistake


_SHAPES = frozenset(("broadcast_in_dim", "reshape", "expand_dims", "squeeze"))


def in_its_pieces(
    bench: Bench, sites: Sequence[Site], mistake: Mistake, cotangents: Known, forward: Sequence[Quantity]
) -> Mistake:
    """The same mistake with the pieces corrected that the statement collects, where it does nothing else.

    Its facts then say which statements make those that are wrong (`pieces`), in which runs, and whether each is what
    another must be (`permuted`). What is a cotangent as it stands was collected well, and the mistake is that nothing
    more is done with it. A statement that gives the right piece of what the loss has in the place of what it reads
    (`forward`) is right, and the one that makes this is not: `s` and not `tanh(s)`.
    """
    program, run = bench.program, mistake.instances[0]
    outs = results(program, run)
    if len(mistake.instances) != 1 or not outs or mistake.site.leaf or mistake.innocent:
        return mistake
    out = outs[mistake.edit.facts.get("position", 0)]
    run = _leading(bench, run, out)
    expected = tuple(corrected(bench, run, out, mistake))
    actual = bench.run.at(out)
    fits = len(expected) == bench.count and expected[0].shape == actual[0].shape
    if not fits or cotangents.scale(actual) is not None:
        return mistake
    made_by = [(site, each) for site in sites if not site.leaf for each in site.instances]
    owners = {out: owner for owner in made_by for out in results(program, owner[1])}
    pieces = [*_pieces(bench, run, out, expected)]
    alike = [quantity.values for quantity in forward if quantity.values[0].shape == expected[0].shape]
    parts = [[part for _, part in _pieces(bench, run, out, values)] for values in alike] if pieces else []
    before = (_read_by(bench, owners, pieces, each) for each in parts)
    pieces = next((each for each in before if each is not None), pieces)
    patches: Patches = {program.makers[out]: after(0, lambda value, point: expected[point])}
    made: dict[Site, list[tuple[int, ...]]] = {}
    for atom, wanted in pieces:
        if same(bench.run.at(atom), wanted):
            continue
        site, each = owners.get(atom, (None, ())) if isinstance(atom, int) else (None, ())
        if site is None or site is mistake.site or not isinstance(atom, int):
            return mistake
        made.setdefault(site, []).append(each)
        patches[program.makers[atom]] = after(0, lambda value, point, w=wanted: w[point].reshape(value.shape))
    right = {path for path in bench.leaves if bench.is_right(path, {})}
    if not made or not all(bench.is_right(path, patches) for path in {*mistake.leaves, *right}):
        return mistake
    wrong = [bench.run.at(atom) for atom, wanted in pieces if not same(bench.run.at(atom), wanted)]
    permuted = all(any(same(values, wanted) for _, wanted in pieces) for values in wrong)
    facts = {**mistake.edit.facts, "pieces": made, "permuted": permuted}
    edit = Edit(mistake.edit.kind, mistake.edit.cost, lambda c: patches, False, facts)
    return replace(mistake, edit=edit, patches=patches)


def where_it_was_put_in(bench: Bench, sites: Sequence[Site], mistake: Mistake) -> Mistake:
    """The same factor at the statement that makes a piece, where the one that lacks it only takes the piece out of what
    was collected: `delta[-1]`.
    """
    program, [run, *others] = bench.program, mistake.instances
    if mistake.edit.kind != "scale" or others:
        return mistake
    out = results(program, run)[mistake.edit.facts.get("position", 0)]
    made_of = [atom for atom in wholes(program, out) if isinstance(atom, int)]
    [*taken, whole] = [program.makers[atom] for atom in made_of if atom in program.makers]
    last = program.equations[whole]
    if last.name not in ("stack", "concatenate") or not mistake.patches.keys() <= set(taken):
        return mistake
    right = {path for path in bench.leaves if bench.is_right(path, {})}
    made = {each: equation for equation in program.equations if equation.name in _SHAPES for each in equation.outputs}
    for atom in last.inputs:
        while isinstance(atom, int) and atom in made:
            atom = made[atom].inputs[0]
        for site in sites:
            runs = tuple(each for each in site.instances if results(program, each) == [atom])
            if site.leaf or site is mistake.site or len(runs) != 1 or not isinstance(atom, int):
                continue
            changed = lambda c, maker=program.makers[atom]: {maker: after(0, lambda value, point: c * value)}
            patches = changed(mistake.factor)
            if all(bench.is_right(path, patches) for path in {*mistake.leaves, *right}):
                edit = replace(mistake.edit, patches=changed, facts={**mistake.edit.facts, "position": 0})
                return replace(mistake, site=site, instances=runs, edit=edit, patches=patches)
    return mistake


def _leading(bench: Bench, run: Sequence[int], out: int) -> tuple[int, ...]:
    """The equations of a run that one of its results comes of."""
    found, wanted = [], {out}
    for index in reversed(run):
        equation = bench.program.equations[index]
        if not wanted.isdisjoint(equation.outputs):
            found.append(index)
            wanted.update(atom for atom in equation.inputs if isinstance(atom, int))
    return tuple(reversed(found))


def _pieces(bench: Bench, run: Sequence[int], out: int, expected: Values) -> Iterator[tuple[Atom, Values]]:
    """What is collected from elsewhere, and what each must be; nothing where something else is done."""
    program = bench.program
    made = {each: program.equations[index] for index in run for each in program.equations[index].outputs}
    last = made[out]
    negated = last.inputs[0] if last.name == "neg" else None
    if isinstance(negated, int) and negated in made:
        last, expected = made[negated], tuple(-value for value in expected)
    if last.name not in ("stack", "concatenate") or any(
        equation is not last and equation.name not in ("neg", *_SHAPES) for equation in made.values()
    ):
        return
    axis = last.params["axis" if last.name == "stack" else "dimension"]
    sizes = [1 if last.name == "stack" else bench.run.at(atom)[0].shape[axis] for atom in last.inputs]
    for atom, start, size in zip(last.inputs, np.cumsum([0, *sizes]), sizes, strict=False):
        wanted = tuple(np.take(value, range(start, start + size), axis) for value in expected)
        while isinstance(atom, int) and atom in made and made[atom].name in _SHAPES:
            atom = made[atom].inputs[0]
        yield atom, wanted


def _read_by(
    bench: Bench,
    owners: dict[int, tuple[Site, tuple[int, ...]]],
    pieces: Sequence[tuple[Atom, Values]],
    parts: Sequence[Values],
) -> list[tuple[Atom, Values]] | None:
    """The one value that each statement reads which makes a piece, if of the `parts` they would make the pieces."""
    program, found = bench.program, []
    for (atom, wanted), part in zip(pieces, parts, strict=True):
        _, run = owners.get(atom, (None, ())) if isinstance(atom, int) else (None, ())
        inside = {out for index in run for out in program.equations[index].outputs}
        inputs = (each for index in run for each in program.equations[index].inputs if isinstance(each, int))
        read = owners.keys() & set(inputs) - inside
        if len(read) != 1 or not isinstance(atom, int):
            return None
        [before] = read
        actual = bench.run.at(before)
        if actual[0].size != part[0].size:
            return None
        part = tuple(value.reshape(actual[0].shape) for value in part)
        made = gives(bench, run, atom, program.makers[before], part)
        if made is None or not same(tuple(value.reshape(wanted[0].shape) for value in made), wanted):
            return None
        found.append((before, part))
    return found
