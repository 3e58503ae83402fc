"""Corrections of what a statement gives: a factor, a slope, a term, a sum, or another value altogether."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np

from .._program._sites import results
from .._program._trace import Atom
from ._bench import Bench, Patches
from ._edits import axes_of, Edit
from ._known import Quantity
from ._offers import fitted_to, Instances, is_there, Offer
from ._patches import after, divided
from ._sieve import Get, Sieve


Change: TypeAlias = Callable[[np.ndarray, int, int], np.ndarray]
"""Of a value, at the point and in the instance with these numbers."""

AsKnown: TypeAlias = Literal["forward", "cotangent", "value"]
"""The role in which a result is known."""

_KNOWN = {"slope": 2.2, "value": 2.4, "cotangent": 3.0, "part": 3.3}
"""The costs of putting a known quantity in the place of a result, by its kind."""

_LEAF = 4.4
"""The cost of putting the gradient of a parameter there: it makes that leaf right whatever the mistake is."""

_NEXT = 0.1
"""The cost of the slope that the chain rule asks for next after a cotangent."""

_FOLLOWING = 1.4
"""The cost of putting the cotangent of an operation's input in the place of that of its output."""


def of_result(
    bench: Bench,
    instances: Instances,
    position: int,
    offers: Sequence[Offer],
    is_innocent: Callable[[Atom], bool],
    *,
    as_known: AsKnown | None,
    following: Iterable[tuple[Quantity, Change]] = (),
    slopes: Sequence[Quantity] = (),
    sieve: Sieve | None = None,
    bends: bool = False,
) -> Iterator[Edit]:
    """Corrections of a result of a statement, the one at `position`.

    `following` are the cotangents that may be meant, and `slopes` the slopes that may be lacking, where it is one.
    Of the offers only those are tried that pass the `sieve`. In the place of zeros only values may be meant where
    leaves are not linear in them (`bends`).
    What is `as_known`, as it stands, can only lack something or stand where another belongs: a value of the forward
    pass another value or a term; a cotangent a slope; a value that serves as a cotangent a slope or a factor.
    """
    spots, alone = [], True
    for equations in instances:
        outs = results(bench.program, equations)
        alone &= len(outs) == 1
        if position >= len(outs):
            return
        index = bench.program.makers[outs[position]]
        spots.append((index, bench.program.equations[index].outputs.index(outs[position])))
    shapes = [bench.run.at(results(bench.program, equations)[position])[0].shape for equations in instances]
    shape = shapes[0]

    def edit(kind: str, cost: float, change: Change, *, factor: bool = True, **facts: Any) -> Edit:
        def patches(c: float) -> Patches:
            return {
                index: after(place, lambda value, point, i=i: c * change(value, point, i))
                for i, (index, place) in enumerate(spots)
            }

        return Edit(kind, cost, patches, factor, {"position": position, **facts}, alone)

    masks = [results(bench.program, equations)[position] for equations in instances]
    is_a_mask = bool(shape) and all(np.isin(bench.run.at(out)[0], (0, 1)).all() for out in masks)
    is_zero = not any(
        bench.run.at(out)[0].any() for i in instances for out in results(bench.program, i)[position : position + 1]
    )
    innocent = as_known is not None
    if as_known in (None, "value") and not is_zero:
        # A factor is likeliest to be wrong where it is made, and least likely in a mask.
        is_a_number = not shape and len(instances) == 1
        yield edit("scale", 0.0 if is_a_number else 0.2 if is_a_mask else 0.1, lambda value, point, i: value)
    reduces = any(bench.program.equations[i].name == "reduce_sum" for equations in instances for i in equations)
    if as_known == "cotangent":
        # `2 * (y - out)` is right for the difference, and of the wrong sign for `out`.
        yield edit("negated", 1.1, lambda value, point, i: -value, factor=False)
    if not innocent and not is_zero:
        if len(shape) == 2:
            yield edit("transpose", 1.4, lambda value, point, i: value.T)
        for axes in _sides(shape):
            yield edit("reversed_order", 1.6, lambda value, point, i, a=axes: np.flip(value, a), axes=axes)
        for axes in () if is_a_mask else axes_of(len(shape)):
            for keep in (False, True):
                summed: Change = lambda value, point, i, a=axes, k=keep: value.sum(axis=a, keepdims=k)
                yield edit("unreduced", 1.7 if reduces else 1.5, summed, axes=axes)
    for quantity, change in following:
        yield edit("known", _FOLLOWING, change, offer=Offer((quantity.values,), None, quantity, fits=True))
    operands = [] if innocent else _operands(bench, instances, shape, is_innocent)
    there = [offer for offer in offers if is_there(offer, instances)]
    fits = [fitted_to(offer, shape) for offer in there]
    wide = [None if fitted else _widened(offer, shapes) for offer, fitted in zip(there, fits, strict=True)]
    getters = [fitted or widened for fitted, widened in zip(fits, wide, strict=True)]
    passing = sieve.results(position, [get for get in getters if get]) if sieve else {}
    places = iter(range(len(getters)))
    for offer, fitted, widened in zip(there, fits, wide, strict=True):
        place = next(places) if fitted or widened else None
        passes = lambda kind, place=place: kind not in passing or passing[kind][place]
        kind = offer.quantity.kind if offer.quantity else None
        if fitted is None:
            if widened and not innocent and not is_zero:
                yield from (factor for factor in _factors(edit, offer, widened) if passes(factor.kind))
            continue
        if as_known == "forward":
            if kind == "value":
                yield edit("known", _KNOWN[kind], lambda value, point, i, f=fitted: f(i, point), offer=offer)
            continue
        is_meant = kind == "value" if bends and is_zero else kind == "cotangent" or not innocent
        if kind is not None and is_meant and passes("known"):
            cost = _LEAF if offer.is_a_leaf else _KNOWN[kind]
            yield edit("known", cost, lambda value, point, i, f=fitted: f(i, point), offer=offer, held=True)
        if kind == "slope" and not is_zero:
            near = next((n for n, slope in enumerate(slopes) if offer.quantity and slope.equals(offer.quantity)), None)
            cost = 1.5 if near is None else _NEXT + 0.01 * near
            if passes("times"):
                yield edit("times", cost, lambda value, point, i, f=fitted: value * f(i, point), offer=offer)
            cost = 1.9 if _varies_along_all(offer.values[0][0]) else 2.5
            for atoms in operands:
                at = [bench.run.at(atom) for atom in atoms]
                yield edit(
                    "slope", cost, lambda value, point, i, f=fitted, at=at: at[i][point] * f(i, point), offer=offer
                )
        if innocent or is_zero:
            continue
        if kind == "slope" and passes("over"):
            yield edit("over", 1.6, lambda value, point, i, f=fitted: divided(value, f(i, point)), offer=offer)
        elif kind in (None, "value"):
            yield from (factor for factor in _factors(edit, offer, fitted) if passes(factor.kind))
        if kind != "slope" and passes("plus"):
            yield _added(spots, offer, fitted, position)


def of_return(bench: Bench, instances: Instances, path: str, offers: Sequence[Offer]) -> Iterator[Edit]:
    """Another value of the candidate's own in place of what is returned as a leaf; at last the leaf itself."""
    [[index]] = instances
    truth = [leaves[path] for leaves in bench.truth]
    returned = bench.run.at(bench.leaves[path])
    for offer in offers:
        if offer.variables and offer.before != -1 and len(offer.values) == 1 and offer.shape == truth[0].shape:
            swapped = {index: after(0, lambda value, point, o=offer: o.at(0, point))}
            yield Edit("returned", 2.0 if offer.name else 2.3, lambda c, p=swapped: p, False, {"offer": offer})
        elif np.size(truth[0]) == np.prod(offer.shape) and _is_one_of_several(returned, offer):

            def added(value: np.ndarray, point: int, o: Offer = offer) -> np.ndarray:
                return np.sum([o.at(run, point) for run in range(len(o.values))], axis=0).reshape(truth[0].shape)

            total = lambda c, f=added: {index: after(0, lambda value, point: c * f(value, point))}
            yield Edit("accumulated", 1.9, total, True, {"offer": offer})

    def edit(kind: str, cost: float, function: Callable[[np.ndarray], np.ndarray], **facts: Any) -> Edit:
        return Edit(kind, cost, lambda c: {index: after(0, lambda value, point: c * function(value))}, True, facts)

    yield edit("scale", 0.4, lambda value: value)
    ndim = bench.run.at(bench.leaves[path])[0].ndim
    if ndim == 2:
        yield edit("transpose", 1.7, lambda value: value.T)
    for axes in axes_of(ndim):
        for keep in (False, True):
            yield edit("unreduced", 1.8, lambda value, a=axes, k=keep: value.sum(axis=a, keepdims=k), axes=axes)
    patches = {index: after(0, lambda value, point: truth[point])}
    yield Edit("leaf", 5.0, lambda c: patches)


def _sides(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """The axes along which a sequence or a kernel may be the other way round: the last one, or the last two."""
    sides = [tuple(range(len(shape) - n, len(shape))) for n in (1, 2) if len(shape) >= n]
    return [axes for axes in sides if all(shape[axis] > 1 for axis in axes)]


def _is_one_of_several(values: tuple[np.ndarray, ...], offer: Offer) -> bool:
    """Whether it is what a single run of a statement made, of several runs."""
    runs = range(len(offer.values)) if len(offer.values) > 1 else ()
    return any(
        all(np.array_equal(v.ravel(), offer.at(run, point).ravel()) for point, v in enumerate(values)) for run in runs
    )


def _operands(
    bench: Bench, instances: Instances, shape: tuple[int, ...], is_innocent: Callable[[Atom], bool]
) -> list[tuple[int, ...]]:
    """The values of `shape` that a statement reads, by instance; none unless all that it reads is right in itself."""
    equations = bench.program.equations
    read = []
    for instance in instances:
        inside = {out for index in instance for out in equations[index].outputs}
        atoms = [a for index in instance for a in equations[index].inputs if isinstance(a, int) and a not in inside]
        if not all(map(is_innocent, atoms)):
            return []
        read.append([a for a in dict.fromkeys(atoms) if bench.run.at(a)[0].shape == shape])
    return list(zip(*read, strict=False))


def _factors(edit: Callable[..., Edit], offer: Offer, get: Callable[[int, int], np.ndarray]) -> Iterator[Edit]:
    dearer = 0.7 if offer.name else 0.9
    yield edit("times", 1.5 + dearer, lambda value, point, i: value * get(i, point), offer=offer)
    yield edit("over", 1.6 + dearer, lambda value, point, i: divided(value, get(i, point)), offer=offer)


def _added(spots: list[tuple[int, int]], offer: Offer, get: Callable[[int, int], np.ndarray], position: int) -> Edit:
    def patches(c: float) -> Patches:
        return {
            index: after(place, lambda value, point, i=i: value + c * get(i, point))
            for i, (index, place) in enumerate(spots)
        }

    cost = 2.1 if offer.name else 2.6
    return Edit("plus", cost, patches, True, {"position": position, "offer": offer})


def _varies_along_all(slope: np.ndarray) -> bool:
    """Whether a slope is that of an activation: what is one number along an axis, such as `1 / sum(e)`, is a factor."""
    return all(n == 1 or np.ptp(slope, axis).any() for axis, n in enumerate(slope.shape))


def _widened(offer: Offer, shapes: Sequence[tuple[int, ...]]) -> Get | None:
    """A factor that is broadcast to the shape that each instance gives."""
    kind = offer.quantity.kind if offer.quantity else None
    if kind == "part" or (kind is not None and len(offer.values) > 1):
        return None
    try:
        if any(np.broadcast_shapes(offer.at(i, 0).shape, shape) != shape for i, shape in enumerate(shapes)):
            return None
    except ValueError:
        return None
    return lambda i, point: np.broadcast_to(offer.at(i, point), shapes[i])
