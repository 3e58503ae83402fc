"""Corrections of what goes into a sum or a matrix product inside a statement: a factor more, or less."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from .._program._trace import Atom, Literal
from ._bench import Bench, Evaluate, Patch, Patches, Read
from ._edits import Edit
from ._offers import fitted_to, Instances, is_there, Offer, varies_along_all
from ._patches import divided
from ._sieve import Get, Sieve


_MIXES = frozenset(("dot_general", "reduce_sum", "add", "add_any", "sub", "scatter-add"))
"""Operations that a factor on an operand does not pass through, so that it is none of their result."""

_SCALES = frozenset(("mul", "broadcast_in_dim", "reshape"))
"""Operations by which a factor comes into a product."""

_INSIDE, _READ = 0.15, 0.6
"""What a factor costs more than on all that the statement gives: on what it makes on its way, and on what it reads."""

_NO_SLOPE = 0.7
"""What it costs more where it is no slope."""


def of_factors(
    bench: Bench, instances: Instances, offers: Sequence[Offer], is_innocent: Callable[[Atom], bool], sieve: Sieve
) -> Iterator[Edit]:
    """A slope, something that has a name, or something else in each run, as a factor of an operand: missing there, or
    too much.

    An operand that another statement makes is right in itself: any other is corrected where it comes from. Only where
    the leaves are linear in the operand: there one matrix product tells which of the offers help.
    """
    equations = bench.program.equations
    alike = {tuple(equations[index].name for index in instance) for instance in instances}
    inside = {out for index in instances[0] for out in equations[index].outputs}
    there = [
        offer
        for offer in offers
        if is_there(offer, instances) and (offer.name or _is_a_slope(offer) or len(offer.values) > 1)
    ]
    for place, index in enumerate(instances[0] if len(alike) == 1 else ()):
        for position, atom in enumerate(equations[index].inputs if equations[index].name in _MIXES else ()):
            values = bench.run.at(atom)
            # One number is corrected as a whole, unless it is another in each run.
            if isinstance(atom, Literal) or values[0].size * len(instances) < 2 or values[0].dtype.kind != "f":
                continue
            if atom not in inside and not is_innocent(atom):
                continue
            fits = [(offer, get) for offer in there if (get := _widened(offer, values[0].shape))]
            for kind, passes in sieve.factors((place, position), [get for _, get in fits]).items():
                for (offer, get), passed in zip(fits, passes, strict=True):
                    if passed:
                        dearer = _INSIDE if atom in inside else _READ
                        yield _edit(instances, (place, position), kind, offer, get, dearer)


def moved_inside(bench: Bench, instances: Instances) -> Iterator[Edit]:
    """What multiplies all that a statement gives, as a factor of a value that it sums: `n * g * d - sum(g * d)` for
    `g * (n * d - sum(d))`, where `g` is not the same all along the sum.
    """
    equations, run = bench.program.equations, instances[0]
    if len(instances) > 1 or all(equations[index].name not in ("reduce_sum", "dot_general") for index in run):
        return
    uses: dict[int, list[tuple[int, int]]] = {}
    made = {out for index in run for out in equations[index].outputs}
    for index in run:
        for position, atom in enumerate(equations[index].inputs):
            if isinstance(atom, int) and atom not in made and _varies(bench.run.at(atom)[0]):
                uses.setdefault(atom, []).append((index, position))
    multiplied = (atom for atom, [(index, _), *more] in uses.items() if not more and equations[index].name in _SCALES)
    for factor in multiplied:
        for inside in (atom for atom, places in uses.items() if len(places) > 1):
            if not _spreads(bench.run.at(factor)[0].shape, bench.run.at(inside)[0].shape):
                continue
            patches: dict[int, Patch] = {}
            for index in {index for index, _ in (*uses[factor], *uses[inside])}:
                atoms = equations[index].inputs
                patches[index] = _with_factor(
                    [p for p, atom in enumerate(atoms) if atom == factor],
                    [p for p, atom in enumerate(atoms) if atom == inside],
                    factor,
                )
            yield Edit("inside", 2.0, lambda c, p=patches: p, False, {"factor": factor, "inside": inside})


def _spreads(shape: tuple[int, ...], over: tuple[int, ...]) -> bool:
    """Whether an array of one shape is broadcast to another."""
    ends = over[len(over) - len(shape) :]
    return len(ends) == len(shape) and all(n in (1, m) for n, m in zip(shape, ends, strict=True))


def _varies(value: np.ndarray) -> bool:
    return value.dtype.kind == "f" and value.size > 1 and bool(np.ptp(value) > 0)


def _with_factor(without: Sequence[int], inside: Sequence[int], factor: int) -> Patch:
    """An equation with ones for a factor where it stands, and the factor where it belongs."""

    def patch(inputs: list[np.ndarray], evaluate: Evaluate, read: Read, point: int) -> list[np.ndarray]:
        return evaluate(
            [
                np.ones_like(value) if p in without else value * read(factor) if p in inside else value
                for p, value in enumerate(inputs)
            ]
        )

    return patch


def _edit(instances: Instances, where: tuple[int, int], kind: str, offer: Offer, get: Get, dearer: float) -> Edit:
    place, position = where

    def changed(value: np.ndarray, point: int, i: int) -> np.ndarray:
        return value * get(i, point) if kind == "times" else divided(value, get(i, point))

    def patches(c: float) -> Patches:
        made: dict[int, Patch] = {}
        for i, instance in enumerate(instances):

            def patch(
                inputs: list[np.ndarray], evaluate: Evaluate, read: Read, point: int, i: int = i
            ) -> list[np.ndarray]:
                return evaluate([c * changed(v, point, i) if p == position else v for p, v in enumerate(inputs)])

            made[instance[place]] = patch
        return made

    cost = (1.5 if kind == "times" else 1.6) + dearer + _NO_SLOPE * (not _is_a_slope(offer))
    facts = {"offer": offer, "within": where, "changed": changed}
    return Edit(kind, cost, patches, True, facts)


def _is_a_slope(offer: Offer) -> bool:
    quantity = offer.quantity
    return quantity is not None and quantity.kind == "slope" and varies_along_all(quantity.values[0])


def _widened(offer: Offer, shape: tuple[int, ...]) -> Get | None:
    """The offer in `shape`, broadcast to it if need be; None if it does not fit."""
    fitted = fitted_to(offer, shape)
    if fitted is not None or len(offer.values) > 1:
        return fitted
    if not _spreads(offer.shape, shape):
        return None
    return lambda i, point: np.broadcast_to(offer.at(i, point), shape)
