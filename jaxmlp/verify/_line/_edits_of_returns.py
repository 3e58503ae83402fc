"""Corrections of what is returned as a leaf: another value, more of them together, or at last the leaf itself."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ._bench import Bench
from ._edits import axes_of, Edit
from ._offers import Instances, Offer
from ._patches import after


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


def _is_one_of_several(values: tuple[np.ndarray, ...], offer: Offer) -> bool:
    """Whether it is what a single run of a statement made, of several runs."""
    runs = range(len(offer.values)) if len(offer.values) > 1 else ()
    return any(
        all(np.array_equal(v.ravel(), offer.at(run, point).ravel()) for point, v in enumerate(values)) for run in runs
    )
