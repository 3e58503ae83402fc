"""Where a program departs from all that is known, if nothing but the leaf itself could be put right."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache

from .._program._sites import Site
from .._program._trace import Atom
from ._bench import Bench
from ._edits import Edit
from ._patches import after
from ._relate import same
from ._search import Mistake


def departed(
    bench: Bench,
    sites: Sequence[Site],
    mistake: Mistake,
    wrong: Sequence[str],
    is_known: Callable[[Atom], bool],
    is_a_value: Callable[[int], bool],
) -> Mistake | None:
    """The same mistake at the first statement that makes what is not known of what is; None if there is none
    on the way to the statement that was corrected.

    What leads to leaves that are right as well, or soon to a value of the loss, is taken for right. Nothing is known of
    what ought to stand there, so there are no patches.
    """
    owners = {index: (site, run) for site in sites if not site.is_formula for run in site.instances for index in run}
    leading = {index for path in mistake.leaves for index in bench.order[path]}
    pieces = mistake.edit.facts.get("pieces", {})
    pending = [run for runs in pieces.values() for run in runs] or list(mistake.instances)
    seen = set(pending)
    found: dict[Site, list[tuple[int, ...]]] = {}

    @cache
    def is_right(atom: int) -> bool:
        if is_known(atom) or _leads_elsewhere(bench, atom, wrong) or _leads_to_a_value(bench, atom, is_a_value):
            return True
        pieces = _pieces(bench, atom)
        return bool(pieces) and all(map(is_right, pieces))

    while pending:
        run = pending.pop()
        site, _ = owners.get(run[0], (None, run))
        read = _read(bench, [index for index in run if index in leading])
        unknown = [atom for atom in read if not is_right(atom)]
        if not unknown and site is not None and (site is not mistake.site or _is_called_elsewhere(run, mistake)):
            found.setdefault(site, []).append(run)
        makers = [owners[bench.program.makers[atom]][1] for atom in unknown if bench.program.makers.get(atom) in owners]
        pending += [maker for maker in makers if maker not in seen]
        seen.update(makers)
    if not found:
        return None
    site = min(found, key=lambda site: min(found[site]))
    runs = tuple(sorted(found[site]))
    edit = Edit("departed", mistake.edit.cost, lambda c: {})
    return replace(mistake, site=site, instances=runs, edit=edit, factor=1.0, patches={}, innocent=False)


_COLLECTS = frozenset(
    "stack scatter dynamic_update_slice concatenate expand_dims reshape broadcast_in_dim squeeze copy".split()
)
"""Operations that put pieces together as they stand."""


def _pieces(bench: Bench, atom: int) -> list[int]:
    """What a value is put together from, but for zeros; none if it is computed."""
    index = bench.program.makers.get(atom)
    equation = None if index is None else bench.program.equations[index]
    if equation is None or equation.name not in _COLLECTS:
        return []
    atoms = [each for each in equation.inputs if isinstance(each, int)]
    return [each for each in atoms if bench.run.at(each)[0].dtype.kind == "f" and bench.run.at(each)[0].any()]


def _is_called_elsewhere(run: tuple[int, ...], mistake: Mistake) -> bool:
    """Whether a run of the statement comes from another line than those that are corrected."""
    return any(run in call for call in mistake.site.calls if set(call).isdisjoint(mistake.instances))


def _leads_elsewhere(bench: Bench, atom: int, wrong: Sequence[str]) -> bool:
    """Whether a leaf that is right comes of a value."""
    return not set(bench.reached(bench.program.users.get(atom, ()))).issubset(wrong)


def _leads_to_a_value(bench: Bench, atom: int, is_a_value: Callable[[int], bool]) -> bool:
    """Whether a value of the loss comes of another within a few operations, as `e / sum(e)` does of `e`."""
    program, reached, leading = bench.program, {atom}, set[int]()
    for _ in range(_FEW if atom in program.makers else 0):
        users = {index for each in reached for index in program.users.get(each, ())}
        leading |= users
        reached = {out for index in users for out in program.equations[index].outputs if bench.run.at(out)[0].size > 1}
        if any(
            bench.run.at(out)[0].dtype.kind == "f" and is_a_value(out) and _moves(bench, atom, out, leading)
            for out in reached
        ):
            return True
    return False


def _moves(bench: Bench, atom: int, out: int, leading: set[int]) -> bool:
    """Whether another value of `atom` gives another one of `out`: what is multiplied by zero vouches for nothing."""
    maker, place = bench.program.made_by(atom)
    turned = {maker: after(place, lambda value, point: 2 * value + 1)}
    made = bench.values((maker, *sorted(leading)), turned, 0) or {}
    return out in made and not same((made[out],), (bench.run.at(out)[0],))


_FEW = 3
"""How many operations away."""


def _read(bench: Bench, run: Sequence[int]) -> Iterator[int]:
    """The floating numbers that a run reads and that are not zero throughout."""
    equations = [bench.program.equations[index] for index in run]
    made = {out for equation in equations for out in equation.outputs}
    for atom in dict.fromkeys(atom for equation in equations for atom in equation.inputs if isinstance(atom, int)):
        values = bench.run.at(atom)
        if atom not in made and values[0].dtype.kind == "f" and any(value.any() for value in values):
            yield atom
