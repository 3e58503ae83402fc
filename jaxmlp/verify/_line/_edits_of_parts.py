"""Corrections of which part of an array a statement takes, or adds to."""

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from .._program._sites import wholes
from .._program._trace import Equation
from ._bench import Bench, Evaluate, Patch, Patches, Read
from ._edits import axes_among, Edit
from ._offers import Instances
from ._patches import after
from ._relate import same


_COST = 0.8
"""What it costs that all runs take the same part, or each another than it must, all along the same axes."""

_SELDOM = 1.5
"""What it costs that one run alone does, or that the axes come in another order: often it is no place that is wrong."""

_STRIDES = (2, 3)


def of_parts(bench: Bench, instances: Instances) -> Iterator[Edit]:
    """Part after part of an argument, in either order, where each run of a statement takes the same part."""
    count, equations = len(instances), bench.program.equations
    for spots in zip(*instances, strict=False):
        outs = [equations[index].outputs[0] for index in spots]
        argument = _argument(bench, outs)
        if argument is None:
            continue
        whole, first = bench.run.at(argument), bench.run.at(outs[0])
        if len(whole[0]) != count or whole[0].shape[1:] != first[0].shape or whole[0].dtype.kind not in "fb":
            continue
        if all(same(first, bench.run.at(out)) for out in outs[1:]):
            for order in (range(count), range(count)[::-1]):
                patches = {
                    index: after(0, lambda value, point, whole=whole, n=n: whole[point][n])
                    for index, n in zip(spots, order, strict=True)
                }
                yield Edit("same_part", _COST, lambda c, p=patches: p, False, {"argument": argument})


def _argument(bench: Bench, variables: Sequence[int]) -> int | None:
    """The argument of more than one number that all of `variables` are parts of, and not all of it."""
    found = set()
    for variable in variables:
        *parts, whole = wholes(bench.program, variable)
        found.add(whole if parts and whole in bench.program.inputs and bench.run.at(whole)[0].ndim else None)
    argument = found.pop() if len(found) == 1 else None
    return argument if isinstance(argument, int) else None


def elsewhere(bench: Bench, instances: Instances) -> Iterator[Edit]:
    """Another place in the array for each run that takes a part of it or adds to one.

    It begins at a multiple of where it begins, as a stride makes it, one number before or after, or with two of the
    axes in the other order.
    """
    equations = bench.program.equations
    for spots in zip(*instances, strict=False):
        places = [_place(bench, equations[index]) for index in spots]
        if any(place is None for place in places) or len({len(place[0]) for place in places if place}) > 1:
            continue
        begins = np.array([place[0] for place in places if place])
        last = np.array([place[1] for place in places if place])
        for instead in _others(begins, last):
            patches: Patches = {
                index: _beginning(equations[index], begin) for index, begin in zip(spots, instead, strict=True)
            }
            where = {index: pair for index, pair in zip(spots, zip(begins, instead, strict=True), strict=True)}
            cost = _COST if len(spots) > 1 and not _is_turned(begins, instead) else _SELDOM
            yield Edit("elsewhere", cost, lambda c, p=patches: p, False, {"where": where})


def _is_turned(begins: np.ndarray, instead: np.ndarray) -> bool:
    """Whether the places are the same numbers in the order of other axes."""
    return sorted(map(tuple, begins.T)) == sorted(map(tuple, instead.T))


def _place(bench: Bench, equation: Equation) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Where the part begins that an equation takes or adds to, along each axis that it is placed on, and where it may
    begin at last; None if it does neither.
    """
    read = [bench.run.at(atom)[0] for atom in equation.inputs]
    if equation.name == "slice":
        begins, ends = equation.params["start_indices"], equation.params["limit_indices"]
        return begins, tuple(n - (end - begin) for n, begin, end in zip(read[0].shape, begins, ends, strict=True))
    if equation.name in ("dynamic_slice", "dynamic_update_slice"):
        first = equation.name.count("_")  # the array, what it is updated with, where
        size = equation.params["slice_sizes"] if first == 1 else read[1].shape
        begins = tuple(int(start) for start in read[first:])
        return begins, tuple(n - k for n, k in zip(read[0].shape, size, strict=True))
    if equation.name in ("scatter", "scatter-add") and read[1].ndim == 1:
        numbers = equation.params["dimension_numbers"]
        if numbers.operand_batching_dims:  # one place for each example
            return None
        kept = [axis for axis in range(read[0].ndim) if axis not in numbers.inserted_window_dims]
        window = dict(zip(kept, (read[2].shape[axis] for axis in numbers.update_window_dims), strict=True))
        axes = numbers.scatter_dims_to_operand_dims
        return tuple(map(int, read[1])), tuple(read[0].shape[axis] - window.get(axis, 1) for axis in axes)
    return None


def _others(begins: np.ndarray, last: np.ndarray) -> Iterator[np.ndarray]:
    """Where the parts of each run (rows) may begin instead, along each axis (columns)."""
    found = [begins]
    moving = [axis for axis in range(begins.shape[1]) if np.ptp(begins[:, axis])]
    changes = [lambda place, n=n: place * n for n in _STRIDES] + [lambda place: place + 1, lambda place: place - 1]
    free = [axis for axis in range(begins.shape[1]) if last[:, axis].any()]
    for axes in dict.fromkeys([*axes_among(moving), *((axis,) for axis in free)]):
        for change in changes:
            instead = begins.copy()
            instead[:, axes] = change(begins[:, axes])
            found.append(instead)
    for one, other in combinations(moving, 2):
        instead = begins.copy()
        instead[:, [one, other]] = begins[:, [other, one]]
        found.append(instead)
    seen = {begins.tobytes()}
    for instead in found:
        if instead.tobytes() not in seen and (instead >= 0).all() and (instead <= last).all():
            seen.add(instead.tobytes())
            yield instead


def _beginning(equation: Equation, begin: np.ndarray) -> Patch:
    """The equation, with the part that it takes or adds to beginning elsewhere."""

    def patch(inputs: list[np.ndarray], evaluate: Evaluate, read: Read, point: int) -> list[np.ndarray]:
        if equation.name == "slice":
            was, ends = equation.params["start_indices"], equation.params["limit_indices"]
            steps = equation.params["strides"] or (1,) * len(was)
            moved = zip(begin, begin - np.array(was) + np.array(ends), steps, strict=True)
            return [inputs[0][tuple(slice(*each) for each in moved)]]
        if equation.name.startswith("scatter"):
            return evaluate([inputs[0], begin.astype(inputs[1].dtype), *inputs[2:]])
        first = equation.name.count("_")
        return evaluate(
            [*inputs[:first], *(np.asarray(n, i.dtype) for n, i in zip(begin, inputs[first:], strict=True))]
        )

    return patch
