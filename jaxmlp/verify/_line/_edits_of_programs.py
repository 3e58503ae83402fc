"""Corrections of several statements at once: of early steps, of a number, an axis or a value wherever it is used."""

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import combinations, islice

import numpy as np

from .._program._sites import name_of, results, Site
from .._program._trace import Literal
from ._bench import Bench, Patch, Patches
from ._edits import axes_of, Edit
from ._edits_of_sums import only_the_last, sent_again
from ._patches import after, divided, with_input, with_inputs, WithAnother


_PARTS = frozenset(("slice", "dynamic_slice", "gather", "index"))
"""Operations that read a part of their first input."""

STEPS = frozenset(("add", "sub", "scatter-add", "scatter", "dynamic_update_slice"))
"""Operations that make of a parameter what it is after a step, all of it or a part."""

_PAIRS = 200
"""How many values are tried, at most, in the place of others that several statements read."""


def of_programs(
    bench: Bench,
    sites: Sequence[Site],
    params: Sequence[int],
    is_a_value: Callable[[int], bool],
    wrong: Collection[str],
) -> Iterator[tuple[list[Site], Edit]]:
    """Corrections that belong to several statements, and those statements; `params` are the parameters' variables, and
    `wrong` the leaves that are.
    """
    owners = {index: site for site in sites for instance in site.instances for index in instance if _owns(site)}
    yield from _undone(bench, owners, params, is_a_value)
    yield from _read_before(bench, owners, params, is_a_value)
    yield from _everywhere(bench, owners, params)
    yield from _in_each(bench, owners, wrong)
    yield from _along_other_axes(bench, owners)
    yield from islice(_instead_of_another(bench, owners, params, wrong), _PAIRS)
    yield from _unrounded(bench, owners)
    yield from sent_again(bench, owners)
    yield from only_the_last(bench, list(dict.fromkeys(owners.values())))


def _owns(site: Site) -> bool:
    return site.leaf is None and not site.is_formula


def _undone(
    bench: Bench, owners: dict[int, Site], params: Sequence[int], is_a_value: Callable[[int], bool]
) -> Iterator[tuple[list[Site], Edit]]:
    """The parameters themselves, wherever they have been moved already."""
    program = bench.program
    moved = _moved(bench, owners, params, is_a_value)
    patches: dict[int, Patch] = {}
    for index in (program.makers[variable] for variable in moved if variable in program.makers):
        before = bench.run.at(moved[program.equations[index].outputs[0]])
        patches[index] = after(0, lambda value, point, before=before: before[point])
    if patches:
        where = list(dict.fromkeys(owners[index] for index in patches))
        names = {site: moved[program.equations[index].outputs[0]] for index in patches for site in [owners[index]]}
        yield where, Edit("undone", 0.7, lambda c: patches, False, {"across": where, "parameters": names})


def _read_before(
    bench: Bench, owners: dict[int, Site], params: Sequence[int], is_a_value: Callable[[int], bool]
) -> Iterator[tuple[list[Site], Edit]]:
    """The parameters themselves, wherever a part of one is read that has been moved already."""
    moved = _moved(bench, owners, params, is_a_value, decays=True)
    reads: dict[int, Patch] = {}
    starts: dict[Site, int] = {}
    for index, equation in enumerate(bench.program.equations):
        whole = equation.inputs[0] if equation.name in _PARTS else None
        start = moved.get(whole) if isinstance(whole, int) else None
        if start is not None and start != whole and index in owners:
            before = bench.run.at(start)
            reads[index] = with_inputs([0], lambda point, before=before: before[point])
            starts[owners[index]] = start
    if reads:
        facts = {"across": list(starts), "parameters": starts}
        yield list(starts), Edit("read_before", 0.75, lambda c: reads, False, facts)


def _moved(
    bench: Bench,
    owners: dict[int, Site],
    params: Sequence[int],
    is_a_value: Callable[[int], bool],
    *,
    decays: bool = False,
) -> dict[int, int]:
    """The variables that are a parameter, or one that has been moved, each with that parameter; also where a number
    multiplies it before, if it `decays`: `w * (1 - rate * decay) - rate * dw`.
    """
    program = bench.program
    moved: dict[int, int] = {parameter: parameter for parameter in params}
    for index, equation in enumerate(program.equations):
        start = next((moved[atom] for atom in equation.inputs if isinstance(atom, int) and atom in moved), None)
        decay = decays and equation.name == "mul" and any(bench.run.at(atom)[0].size == 1 for atom in equation.inputs)
        if start is None or (equation.name not in STEPS and not decay) or index not in owners:
            continue
        [out] = equation.outputs
        first = results(program, owners[index].instances[0])
        if bench.run.at(out)[0].shape == bench.run.at(start)[0].shape and not any(map(is_a_value, (out, *first))):
            moved[out] = start
    return moved


def _along_other_axes(bench: Bench, owners: dict[int, Site]) -> Iterator[tuple[list[Site], Edit]]:
    """Sums along other axes, in several statements of a function that sum arrays of one shape along the same axes; and
    with them what that function divides by the length of these axes.
    """
    found: dict[tuple[object, tuple[int, ...], tuple[int, ...]], list[int]] = {}
    for index, equation in enumerate(bench.program.equations):
        if equation.name == "reduce_sum" and _function_of(owners, index) is not None:
            shape = bench.run.at(equation.inputs[0])[0].shape
            found.setdefault((_function_of(owners, index), shape, tuple(equation.params["axes"])), []).append(index)
    for (function, shape, was), sums in found.items():
        where = list(dict.fromkeys(owners[index] for index in sums))
        for axes in axes_of(len(shape)) if len(where) > 1 else ():
            for keep in (False, True) if axes != was else ():
                summed: Patch = lambda inputs, evaluate, read, point, a=axes, k=keep: [
                    inputs[0].sum(axis=a, keepdims=k)
                ]
                lengths = [math.prod(shape[axis] for axis in of) for of in (was, axes)]
                counted = _counted(bench, [i for i in owners if _function_of(owners, i) == function], *lengths)
                for counts in ({}, counted) if counted else ({},):
                    patches = {**counts, **dict.fromkeys(sums, summed)}
                    across = list(dict.fromkeys(owners[index] for index in sorted(patches)))
                    facts = {"across": across, "sums": where, "axes": axes, "was": was, "lengths": lengths}
                    cost = 1.8 + 0.1 * bool(counts)
                    yield across, Edit("sums", cost, lambda c, p=patches: p, False, facts)


def _function_of(owners: dict[int, Site], index: int) -> tuple[str, str] | None:
    """The file and the function that an equation's statement stands in."""
    frame = owners[index].frame if index in owners else None
    return None if frame is None else (frame.file, frame.function)


def _counted(bench: Bench, indices: Iterable[int], was: int, length: int) -> dict[int, Patch]:
    """A division by one length, of those at `indices`, as one by another."""
    another = with_input(1, lambda value: np.full_like(value, length))
    return {
        index: another
        for index in indices
        for equation in [bench.program.equations[index]]
        if equation.name == "div" and isinstance(by := equation.inputs[1], Literal) and by.value == was != length
    }


def _instead_of_another(
    bench: Bench, owners: dict[int, Site], params: Sequence[int], wrong: Collection[str]
) -> Iterator[tuple[list[Site], Edit]]:
    """A value of the candidate's in the place of another, in all statements that read that on the way to wrong leaves
    alone: `x - mean` where `x_norm - mean` stands time after time. What nothing else reads is wrong itself, unless it
    is an argument, as one draw of noise is where another belongs.
    """
    program = bench.program
    sites = [site for site in dict.fromkeys(owners.values()) if len(site.instances) == 1 and name_of(program, site)]
    named = [out for site in sites for out in results(program, site.instances[0])]
    arguments = [variable for variable in program.inputs if variable not in params and bench.run.at(variable)[0].ndim]
    for used in (*arguments, *named):
        uses = [
            index
            for index in dict.fromkeys(program.users.get(used, ()))
            if index in owners and (reached := bench.reached((index,))) and set(reached) <= set(wrong)
        ]
        where = list(dict.fromkeys(owners[index] for index in uses))
        values = bench.run.at(used)
        is_right = used in arguments or len(uses) < len(set(program.users.get(used, ())))
        for instead in (*arguments, *named) if is_right and len(where) > 1 and values[0].dtype.kind == "f" else ():
            others = bench.run.at(instead)
            is_there = instead != used and program.makers.get(instead, -1) < uses[0] and instead in program.users
            if not is_there or others[0].shape != values[0].shape or others[0].dtype != values[0].dtype:
                continue
            patches: dict[int, Patch] = {}
            for index in uses:
                positions = [p for p, atom in enumerate(program.equations[index].inputs) if atom == used]
                patches[index] = WithAnother(positions, instead)
            facts = {"across": where, "used": used, "instead": instead}
            yield where, Edit("another", 2.2, lambda c, p=patches: p, False, facts)


def _unrounded(bench: Bench, owners: dict[int, Site]) -> Iterator[tuple[list[Site], Edit]]:
    """What is rounded, as it was before, wherever one operation does it."""
    passed_on: Patch = lambda inputs, evaluate, read, point: [inputs[0]]
    for name in ("round", "floor", "ceil", "reduce_precision", "convert_element_type"):
        named = (i for i, equation in enumerate(bench.program.equations) if equation.name == name and i in owners)
        rounding = [index for index in named if bench.reached((index,)) and _loses_digits(bench, index)]
        where = list(dict.fromkeys(owners[index] for index in rounding))
        if where:
            patches = dict.fromkeys(rounding, passed_on)
            yield where, Edit("unrounded", 1.0, lambda c, p=patches: p, False, {"across": where})


def _loses_digits(bench: Bench, index: int) -> bool:
    """Whether an operation makes other numbers, to its own precision, of floating ones."""
    equation = bench.program.equations[index]
    before, after = bench.run.at(equation.inputs[0])[0], bench.run.at(equation.outputs[0])[0]
    return before.dtype.kind == "f" and not np.allclose(before, after, rtol=1e-12, atol=0)


def _everywhere(bench: Bench, owners: dict[int, Site], params: Sequence[int]) -> Iterator[tuple[list[Site], Edit]]:
    """Another factor on an argument that is one number, in all of its uses."""
    program = bench.program
    for variable in set(program.inputs).difference(params):
        value = bench.run.at(variable)[0]
        uses = [index for index in program.users.get(variable, ()) if index in owners]
        where = list(dict.fromkeys(owners[index] for index in uses))
        if value.ndim or value.dtype.kind != "f" or len(where) < 2:
            continue

        def patches(c: float, variable: int = variable, uses: Sequence[int] = uses) -> Patches:
            values = tuple(c * np.asarray(v) for v in bench.run.at(variable))
            found: dict[int, Patch] = {}
            for index in uses:
                positions = [p for p, atom in enumerate(program.equations[index].inputs) if atom == variable]
                found[index] = with_inputs(positions, lambda point: values[point])
            return found

        yield where, Edit("everywhere", 0.9, patches, True, {"across": where, "variable": variable, "uses": uses})


def _in_each(bench: Bench, owners: dict[int, Site], wrong: Collection[str]) -> Iterator[tuple[list[Site], Edit]]:
    """Another factor on a number that several statements multiply or divide by, each on the way to its own leaves; on
    the way to wrong ones alone, where it stands elsewhere as well.
    """
    program = bench.program
    found: dict[tuple[float, int, bool], list[int]] = {}
    for index, equation in enumerate(program.equations):
        for position, atom in enumerate(equation.inputs if equation.name in ("mul", "div") else ()):
            if isinstance(atom, Literal) and atom.value.dtype.kind == "f" and index in owners:
                below = equation.name == "div" and position == 1
                found.setdefault((float(atom.value), position, below), []).append(index)
    for (number, position, below), each in found.items():
        uses = [index for index in each if set(bench.reached((index,))).issubset(wrong)]
        where = list(dict.fromkeys(owners[index] for index in uses))
        leads = [set(bench.reached((index,))) for index in uses]
        if len(where) < 2 or not all(leads) or any(a & b for a, b in combinations(leads, 2)):
            continue

        def patches(c: float, uses: Sequence[int] = uses, position: int = position, below: bool = below) -> Patches:
            patch = with_input(position, lambda value: divided(value, np.asarray(c)) if below else value * c)
            return dict.fromkeys(uses, patch)

        facts = {"across": where, "equation": program.equations[uses[0]], "number": number, "below": below}
        yield where, Edit("numbers", 0.2, patches, True, {**facts, "operand": position})
