"""What belongs to one run of a loop alone, where the loss has what belongs to all of them in one array."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from math import prod

import numpy as np

from .._program._sites import Site
from ._offers import Offer
from ._quantities import Quantity


def lengths(sites: Iterable[Site]) -> frozenset[int]:
    """How often the statements of loops run."""
    return frozenset(len(site.instances) for site in sites) - {1}


def rows(quantities: Sequence[Quantity], lengths: frozenset[int]) -> Iterator[Quantity]:
    """What is known of each example alone, where what is known of all lies along the first axis or the last.

    Of examples, or of whatever else there are as many as one of the `lengths` says.
    """
    for quantity in quantities:
        shape = quantity.values[0].shape
        axes = dict.fromkeys((0, -1) if len(shape) > 1 else range(len(shape)))
        for axis in axes if quantity.kind != "part" else ():
            for index in range(shape[axis]) if shape[axis] in lengths else ():
                values = tuple(np.take(value, index, axis) for value in quantity.values)
                if any(value.any() for value in values):
                    yield replace(quantity, values=values, terms=(), row=(axis, index))


def slices(quantities: Sequence[Quantity], count: int) -> Iterator[Offer]:
    """What is known of each of `count` runs alone, where the loss has all of them in one array, in either order.

    Of loops in loops the runs lie along the first axes together.
    """
    for quantity in quantities:
        shape = quantity.values[0].shape
        if quantity.kind not in ("cotangent", "slope"):
            continue
        taken = [[np.moveaxis(v, axis, 0) for v in quantity.values] for axis, n in enumerate(shape) if n == count]
        for depth in range(2, len(shape) + 1):
            if prod(shape[:depth]) == count:
                taken.append([v.reshape(count, *shape[depth:]) for v in quantity.values])
        for values in taken:
            each = tuple(zip(*values, strict=True))
            yield from (Offer(each, None, quantity), Offer(each[::-1], None, quantity))


def spread(quantities: Sequence[Quantity], count: int) -> Iterator[Offer]:
    """One number of a row for each of `count` runs of a loop in a loop: by the outer one, or by the inner."""
    for quantity in quantities:
        size = quantity.values[0].size
        if quantity.kind != "value" or max(quantity.values[0].shape, default=0) != size or size < 2 or count % size:
            continue
        each = [tuple(np.ravel(value)[n] for value in quantity.values) for n in range(size)]
        for order in (lambda run, size=size: run * size // count, lambda run, size=size: run % size):
            yield Offer(tuple(each[order(run)] for run in range(count)), None, quantity)


def columns(quantities: Sequence[Quantity], count: int) -> Iterator[Offer]:
    """A column, or a row, of a value for each of `count` runs; of one more, such as a column of ones, the last ones."""
    for quantity in quantities:
        value = quantity.values[0]
        for axis, size in enumerate(value.shape if quantity.kind == "value" and value.ndim == 2 else ()):
            if size in (count, count + 1) and count > 1:
                turned = [np.moveaxis(value, axis, 0)[size - count :] for value in quantity.values]
                yield Offer(tuple(zip(*turned, strict=True)), None, quantity)
