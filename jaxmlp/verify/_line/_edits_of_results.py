"""Corrections of what a statement gives: a factor, a slope, a term, a sum, or another value altogether."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import product
from typing import Any, Literal, TypeAlias

import numpy as np

from .._program._sites import results
from .._program._trace import Atom, Equation, Literal as Number
from ._bench import Bench, Patches
from ._edits import axes_of, Edit
from ._offers import fitted_to, Instances, is_there, Offer, varies_along_all
from ._patches import after, divided
from ._quantities import Quantity
from ._relate import Values
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

_PRODUCT, _TURNED = 2.2, 0.2
"""The cost of a matrix product that is missing, and what it costs more with the transpose."""

_SUM, _UPSTREAM = 0.8, 0.9
"""The costs of putting a value and something more, such as a bias, in the place of the value alone, and a slope times
what comes in in the place of the slope alone."""

_FILLED = 0.4
"""What it costs more in the place of zeros that are filled one after another: it is what fills them that is wrong."""

_EACH = 2.4
"""The cost of a factor of its own that each run lacks, such as the example's input, where what it gives is known."""

_FOLLOWING, _INSTEAD = 1.4, 1.1
"""The costs of putting the cotangent of an operation's input in the place of that of its output, or of a slope."""


def of_result(
    bench: Bench,
    instances: Instances,
    position: int,
    offers: Sequence[Offer],
    is_innocent: Callable[[Atom], bool],
    *,
    as_known: AsKnown | None,
    following: Iterable[tuple[Quantity, Change]] = (),
    instead: Iterable[tuple[Quantity, Change]] = (),
    slopes: Sequence[Quantity] = (),
    sums: Collection[int | None] = (),
    upstream: Collection[Offer] = (),
    sieve: Sieve | None = None,
    bends: bool = False,
) -> Iterator[Edit]:
    """Corrections of a result of a statement, the one at `position`.

    `following` are the cotangents that may be meant, and `slopes` the slopes that may be lacking, where it is one;
    `instead` are the cotangents that may be meant where it is a slope. Of a value of the loss, `sums` are those that
    are it and something more; of a slope, `upstream` are the cotangents that it may be multiplied by.
    Of the offers only those are tried that pass the `sieve`. In the place of zeros only values may be meant where
    leaves are not linear in them (`bends`).
    What is `as_known`, as it stands, can only lack something or stand where another belongs: a value of the forward
    pass another value or a term; a cotangent a slope; a value that serves as a cotangent a slope or a factor.
    """
    if any(position >= len(results(bench.program, equations)) for equations in instances):
        return
    result, innocent = _Result(bench, instances, position), as_known is not None
    yield from result.changed(as_known)
    for quantity, change in following:
        yield result.edit("known", _FOLLOWING, change, offer=Offer((quantity.values,), None, quantity, fits=True))
    for quantity, change in instead:
        yield result.edit("known", _INSTEAD, change, offer=Offer((quantity.values,), None, quantity))
    leaves = {leaf.shape for leaf in bench.truth[0].values()}
    operands = [] if innocent else _operands(bench, instances, result.shape, is_innocent)
    there = [offer for offer in offers if is_there(offer, instances)]
    fits = [fitted_to(offer, result.shape) for offer in there]
    wide = [None if fitted else _widened(offer, result.shapes) for offer, fitted in zip(there, fits, strict=True)]
    getters = [fitted or widened for fitted, widened in zip(fits, wide, strict=True)]
    passing = sieve.results(position, [get for get in getters if get]) if sieve else {}
    places = iter(range(len(getters)))
    for offer, fitted, widened in zip(there, fits, wide, strict=True):
        place = next(places) if fitted or widened else None
        passes = lambda kind, place=place: kind not in passing or passing[kind][place]
        kind = offer.quantity.kind if offer.quantity else None
        if offer.name and not innocent and not result.is_zero:
            yield from result.products(offer, leaves)
        if fitted is None:
            if widened and not innocent and not result.is_zero:
                yield from (factor for factor in result.times(offer, widened) if passes(factor.kind))
            continue
        if offer.quantity and kind == "value" and offer.quantity.variable in sums:
            yield result.replaced(_SUM, offer, fitted)
        elif as_known == "forward" and kind == "value":
            yield result.replaced(_KNOWN[kind], offer, fitted)
        if as_known == "forward":
            continue
        if offer in upstream and not result.is_zero:
            yield result.multiplied(_UPSTREAM, offer, fitted)
        is_meant = kind == "value" if bends and result.is_zero else kind == "cotangent" or not innocent
        if kind is not None and is_meant and passes("known"):
            cost = _LEAF if offer.is_a_leaf else _KNOWN[kind] + _FILLED * result.is_filled
            yield result.replaced(cost, offer, fitted, held=True)
        if kind == "slope" and not result.is_zero:
            if passes("times"):
                near = next(
                    (n for n, each in enumerate(slopes) if offer.quantity and each.equals(offer.quantity)), None
                )
                yield result.multiplied(1.5 if near is None else _NEXT + 0.01 * near, offer, fitted)
            yield from result.of_operands(operands, offer, fitted)
        if as_known == "cotangent" and offer.is_unread and passes("plus"):
            yield result.added(offer, fitted)
        if innocent and kind == "value" and len(offer.values) > 1 and not result.is_zero and passes("times"):
            yield result.multiplied(_EACH, offer, fitted)
        if innocent or result.is_zero:
            continue
        if kind == "slope" and passes("over"):
            yield result.divided(1.6, offer, fitted)
        elif kind in (None, "value"):
            yield from (factor for factor in result.times(offer, fitted) if passes(factor.kind))
        if kind != "slope" and passes("plus"):
            yield result.added(offer, fitted)


class _Result:
    """A result of a statement, in each of its runs, and what it may be changed to."""

    def __init__(self, bench: Bench, instances: Instances, position: int) -> None:
        program, each = bench.program, [results(bench.program, equations) for equations in instances]
        outs = [outs[position] for outs in each]
        self._position, self._is_alone = position, all(len(outs) == 1 for outs in each)
        self._spots = [*map(program.made_by, outs)]
        self._is_reduced = any(program.equations[i].name == "reduce_sum" for run in instances for i in run)
        self._is_exponential = all(program.equations[maker].name == "exp" for maker, _ in self._spots)
        self.shapes = [bench.run.at(out)[0].shape for out in outs]
        self.shape = self.shapes[0]
        self.is_zero = not any(bench.run.at(out)[0].any() for out in outs)
        users = {user for out in outs for user in program.users.get(out, ())} - {i for run in instances for i in run}
        names = {program.equations[user].name for user in users}
        self.is_filled = self.is_zero and bool(names) and names <= {"scatter", "dynamic_update_slice"}
        numbers = [any(isinstance(atom, Number) for atom in program.equations[user].inputs) for user in users]
        places = {_function_of(program.equations[i]) for i in (*users, *(maker for maker, _ in self._spots))}
        self._gets_a_number = bool(numbers) and names <= {"mul", "div"} and all(numbers) and len(places) == 1
        self._is_only_summed = names == {"reduce_sum"}  # then the axis of the sum is wrong
        self._values = [bench.run.at(out)[0] for out in outs]
        self._is_a_mask = bool(self.shape) and all(np.isin(bench.run.at(out)[0], (0, 1)).all() for out in outs)

    def edit(self, kind: str, cost: float, change: Change, *, factor: bool = True, **facts: Any) -> Edit:
        def patches(c: float) -> Patches:
            return {
                index: after(place, lambda value, point, i=i: c * change(value, point, i))
                for i, (index, place) in enumerate(self._spots)
            }

        return Edit(kind, cost, patches, factor, {"position": self._position, **facts}, self._is_alone)

    def changed(self, as_known: AsKnown | None) -> Iterator[Edit]:
        """Corrections that take nothing else: a number, a sign, an axis, an order, a sum."""
        if as_known in (None, "value") and not self.is_zero:
            # A factor is likeliest to be wrong where it is made, and least likely in a mask, or in a difference that
            # the next line makes a gradient of with a number of its own.
            is_a_number = not self.shape and len(self.shapes) == 1 and as_known is None
            is_unlikely = self._is_a_mask or self._gets_a_number
            yield self.edit("scale", 0.0 if is_a_number else 0.2 if is_unlikely else 0.1, lambda value, point, i: value)
        if as_known == "cotangent":
            # `2 * (y - out)` is right for the difference, and of the wrong sign for `out`.
            yield self.edit("negated", 1.1, lambda value, point, i: -value, factor=False)
        for axis in sorted({len(self.shape) - 1, 0}) if self._is_exponential else ():
            normal: Change = lambda value, point, i, a=axis: value / value.sum(axis=a, keepdims=True)
            yield self.edit("normalized", 1.0, normal, factor=False, axis=axis)
        if as_known is not None or self.is_zero:
            return
        if len(self.shape) == 2:
            yield self.edit("transpose", 1.7 if self._is_only_summed else 1.4, lambda value, point, i: value.T)
        for axes in _sides(self.shape):
            yield self.edit("reversed_order", 1.6, lambda value, point, i, a=axes: np.flip(value, a), axes=axes)
        for axes in () if self._is_a_mask else axes_of(len(self.shape)):
            if self._adds_up_to_one(axes):
                continue
            # The sum of one number is that number.
            is_one = all(shape[axis : axis + 1] == (1,) for shape in self.shapes for axis in axes)
            for keep in (False,) if is_one else (False, True):
                summed: Change = lambda value, point, i, a=axes, k=keep: value.sum(axis=a, keepdims=k)
                yield self.edit("unreduced", 1.7 if self._is_reduced else 1.5, summed, axes=axes)

    def _adds_up_to_one(self, axes: tuple[int, ...]) -> bool:
        """Whether it is probabilities, of which the sum says nothing."""
        values = [value for value in self._values if value.dtype.kind == "f" and value.ndim > max(axes)]
        sums = [value.sum(axis=axes) for value in values]
        return len(sums) == len(self._values) and all(np.allclose(total, 1, rtol=1e-9, atol=0) for total in sums)

    def replaced(self, cost: float, offer: Offer, get: Get, **facts: Any) -> Edit:
        return self.edit("known", cost, lambda value, point, i: get(i, point), offer=offer, **facts)

    def multiplied(self, cost: float, offer: Offer, get: Get) -> Edit:
        return self.edit("times", cost, lambda value, point, i: value * get(i, point), offer=offer)

    def divided(self, cost: float, offer: Offer, get: Get) -> Edit:
        return self.edit("over", cost, lambda value, point, i: divided(value, get(i, point)), offer=offer)

    def times(self, offer: Offer, get: Get) -> Iterator[Edit]:
        """With a factor more, or less, that is no slope."""
        dearer = 0.7 if offer.name else 0.9
        yield self.multiplied(1.5 + dearer, offer, get)
        yield self.divided(1.6 + dearer, offer, get)

    def products(self, offer: Offer, shapes: Collection[tuple[int, ...]]) -> Iterator[Edit]:
        """A matrix product with another matrix, from either side, where it gives this shape or one of `shapes`."""
        if len(self.shape) != 2 or len(offer.shape) != 2 or len(self.shapes) > 1 or len(offer.values) > 1:
            return
        for turned, is_in_front in product((False, True), repeat=2):
            other = offer.shape[::-1] if turned else offer.shape
            (rows, inner), (same, columns) = (other, self.shape) if is_in_front else (self.shape, other)

            def change(value: np.ndarray, point: int, i: int, turned: bool = turned, first: bool = is_in_front) -> Any:
                matrix = offer.at(i, point).T if turned else offer.at(i, point)
                return matrix @ value if first else value @ matrix

            if inner == same and (rows, columns) in (self.shape, *shapes):
                cost = _PRODUCT + _TURNED * turned
                yield self.edit("matrix", cost, change, offer=offer, turned=turned, is_in_front=is_in_front)

    def of_operands(self, operands: Sequence[tuple[Values, ...]], offer: Offer, get: Get) -> Iterator[Edit]:
        """Something that the statement reads, times a slope."""
        cost = 1.9 if varies_along_all(offer.values[0][0]) else 2.5
        for each in operands:
            yield self.edit("slope", cost, lambda value, point, i, v=each: v[i][point] * get(i, point), offer=offer)

    def added(self, offer: Offer, get: Get) -> Edit:
        def patches(c: float) -> Patches:
            return {
                index: after(place, lambda value, point, i=i: value + c * get(i, point))
                for i, (index, place) in enumerate(self._spots)
            }

        return Edit("plus", 2.1 if offer.name else 2.6, patches, True, {"position": self._position, "offer": offer})


def _function_of(equation: Equation) -> str | None:
    """The name of the function in which an equation stands."""
    return next((frame.function for stack in equation.stacks for frame in stack if frame), None)


def _sides(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """The axes along which a sequence or a kernel may be the other way round: the last one, or the last two."""
    sides = [tuple(range(len(shape) - n, len(shape))) for n in (1, 2) if len(shape) >= n]
    return [axes for axes in sides if all(shape[axis] > 1 for axis in axes)]


def _operands(
    bench: Bench, instances: Instances, shape: tuple[int, ...], is_innocent: Callable[[Atom], bool]
) -> list[tuple[Values, ...]]:
    """The values of `shape` that a statement reads, by instance; none unless all that it reads is right in itself."""
    equations = bench.program.equations
    read = []
    for instance in instances:
        inside = {out for index in instance for out in equations[index].outputs}
        atoms = [a for index in instance for a in equations[index].inputs if isinstance(a, int) and a not in inside]
        if not all(map(is_innocent, atoms)):
            return []
        values = [bench.run.at(atom) for atom in dict.fromkeys(atoms)]
        read.append([each for each in values if each[0].shape == shape])
    return list(zip(*read, strict=False))


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
