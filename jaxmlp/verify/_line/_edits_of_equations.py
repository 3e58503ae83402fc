"""Corrections inside a statement: of a number, a sign, an operand, an axis, a condition, the order of a product."""

from collections.abc import Callable, Iterator, Sequence
from itertools import permutations
from typing import Any

import numpy as np

from .._program._sites import results
from .._program._trace import Atom, Equation, Literal
from ._bench import Bench, Patch, Patches
from ._edits import axes_of, Edit
from ._edits_of_operands import in_several_places, replaced
from ._offers import Instances, Offer
from ._patches import (
    added,
    aligned,
    changed_by_each,
    divided,
    elementwise,
    product_of,
    then_scaled,
    with_input,
    with_inputs,
    without_count,
)
from ._sieve import Sieve


_WITH_NUMBERS = frozenset(("add", "sub", "mul", "div", "broadcast_in_dim"))

_POWERS = frozenset(("pow", "integer_pow", "square", "sqrt", "rsqrt"))

_MOST_AXES = 4
"""Of how many axes every order is tried."""

_PUTS = ("scatter", "dynamic_update_slice")


def of_equations(
    bench: Bench, instances: Instances, offers: Sequence[Offer], is_innocent: Callable[[Atom], bool], sieve: Sieve
) -> Iterator[Edit]:
    """Corrections inside a statement: of a number, a sign, an operand, an axis, the order of a product.

    Only an operand that is right in itself can be a wrong operand: any other is corrected where it comes from. Of the
    offers only those are tried in its place that pass the `sieve`.
    """
    equations = bench.program.equations
    alike = {tuple((equations[i].name, len(equations[i].inputs)) for i in instance) for instance in instances}
    if len(alike) > 1:
        return
    inside = {out for index in instances[0] for out in equations[index].outputs}
    powers = {out for index in instances[0] for out in equations[index].outputs if equations[index].name in _POWERS}
    for place, index in enumerate(instances[0]):
        spots = [instance[place] for instance in instances]
        ndim = bench.run.at(equations[index].inputs[0])[0].ndim if equations[index].inputs else 0
        yield from _of_equation(equations[index], spots, ndim, is_of_an_index=_is_of_an_index(bench, index))
        for position, atom in enumerate(equations[index].inputs):
            if isinstance(atom, Literal) or atom in inside or is_innocent(atom):
                if atom not in powers:  # of which another exponent is told
                    yield from _on_the_other_side(equations[index], spots, position)
                yield from replaced(bench, instances, [(place, position)], atom, offers, sieve)
    yield from _of_common_numbers(bench, instances)
    yield from _of_common_axes(bench, instances)
    # A loop of one statement is one execution of it.
    puts = [i for instance in instances for i in instance if equations[i].name in _PUTS]
    if len(puts) > len(instances):
        summed: Patches = {index: added(equations[index]) for index in puts}
        yield Edit("added", 1.2, lambda c: summed)
    yield from _begun_anew(bench, instances)
    yield from turned(bench, instances)
    yield from in_several_places(bench, instances, offers, is_innocent, sieve)


def _on_the_other_side(equation: Equation, spots: Sequence[int], position: int) -> Iterator[Edit]:
    """A factor that must divide, or what divides and must be a factor."""
    is_it = equation.name == "mul" or (equation.name == "div" and position == 1)
    if is_it and not any(isinstance(atom, Literal) for atom in equation.inputs):
        inverse = with_input(position, lambda value: divided(np.ones_like(value), value))
        facts = {"equation": equation, "operand": position}
        yield Edit("inverted", 1.6, lambda c: dict.fromkeys(spots, then_scaled(inverse, c)), True, facts)


def turned(bench: Bench, instances: Instances) -> Iterator[Edit]:
    """What a statement transposes that must stay as it is, and what it reshapes that must be transposed before."""
    equations = bench.program.equations
    for place in range(min(map(len, instances))):
        spots = [instance[place] for instance in instances]
        names = {equations[index].name for index in spots}
        if names == {"transpose"}:
            patches: Patches = dict.fromkeys(spots, lambda inputs, evaluate, read, point: [inputs[0]])
            yield Edit("transpose", 0.8, lambda c, p=patches: p)
        elif names == {"reshape"}:
            was, made = (
                bench.run.at(atom)[0].shape for atom in (equations[spots[0]].inputs[0], *equations[spots[0]].outputs)
            )
            for order in _orders(was) if _without_ones(was) != _without_ones(made) else ():
                patches = dict.fromkeys(spots, with_input(0, lambda value, order=order: value.transpose(order)))
                yield Edit("turned_before", 1.5, lambda c, p=patches: p, False, {"order": order})


def _without_ones(shape: tuple[int, ...]) -> list[int]:
    return [n for n in shape if n != 1]


def _orders(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Every other order of the axes that changes the order of the numbers, of a few axes."""
    long = [axis for axis, n in enumerate(shape) if n != 1]
    for order in permutations(range(len(shape))) if 2 <= len(long) <= _MOST_AXES else ():
        if [axis for axis in order if axis in long] != long:
            yield order


def _begun_anew(bench: Bench, instances: Instances) -> Iterator[Edit]:
    """What the first run of a loop reads, in each of its runs, where each one goes on from what the last one made."""
    equations = bench.program.equations
    makers = {out: run for run in instances for out in results(bench.program, run)}
    for place in range(len(instances[0])):
        for position in range(len(equations[instances[0][place]].inputs)):
            read = {run: equations[run[place]].inputs[position] for run in instances}
            origin: dict[tuple[int, ...], Atom] = {}
            for run, atom in read.items():
                maker = makers.get(atom) if isinstance(atom, int) else None
                origin[run] = atom if maker is None else origin.get(maker, atom)
            patches: Patches = {
                run[place]: with_inputs([position], lambda point, a=origin[run]: bench.run.at(a)[point])
                for run in instances
                if origin[run] != read[run]
            }
            if patches:
                yield Edit("begun_anew", 1.7, lambda c, p=patches: p)


def _of_common_numbers(bench: Bench, instances: Instances) -> Iterator[Edit]:
    """A number that stands in several places of a statement, such as the batch size, wrong in all of them."""
    found: dict[tuple[str, int, float], list[int]] = {}
    for place, index in enumerate(instances[0]):
        equation = bench.program.equations[index]
        for position, atom in enumerate(equation.inputs):
            if isinstance(atom, Literal) and atom.value.ndim == 0 and equation.name in ("mul", "div"):
                number = float(atom.value)
                if abs(number) not in (0.0, 1.0):
                    found.setdefault((equation.name, position, number), []).append(place)
    for (name, position, number), places in found.items():
        if len(places) < 2:
            continue
        below = name == "div" and position == 1

        def patches(c: float, places: list[int] = places, position: int = position, below: bool = below) -> Patches:
            scaled = with_input(position, lambda value: divided(value, np.asarray(c)) if below else value * c)
            return {instance[place]: scaled for instance in instances for place in places}

        facts = {"number": number, "operand": position, "below": below}
        yield Edit("number", 0.0, patches, True, facts)


def _of_common_axes(bench: Bench, instances: Instances) -> Iterator[Edit]:
    """The axes of several sums in a statement, wrong in all of them; a mean has another divisor over other axes."""
    equations = bench.program.equations
    found: dict[tuple[tuple[int, ...], tuple[int, ...]], list[int]] = {}
    for place, index in enumerate(instances[0]):
        if equations[index].name == "reduce_sum":
            shape = bench.run.at(equations[index].inputs[0])[0].shape
            found.setdefault((shape, tuple(equations[index].params["axes"])), []).append(place)
    for (shape, was), places in found.items():
        for axes in axes_of(len(shape)) if len(places) > 1 else ():
            for keep in (False, True) if axes != was else ():
                summed: Patch = lambda inputs, evaluate, read, point, a=axes, k=keep: [
                    inputs[0].sum(axis=a, keepdims=k)
                ]

                def patches(c: float, places: list[int] = places, summed: Patch = summed) -> Patches:
                    return {instance[place]: then_scaled(summed, c) for instance in instances for place in places}

                yield Edit("axes", 1.6, patches, True, {"axes": axes, "was": was})


def _is_of_an_index(bench: Bench, index: int) -> bool:
    """Whether a comparison only chooses between integers, as JAX asks whether an index counts from the end."""
    program = bench.program
    users = [program.equations[user] for user in program.users.get(program.equations[index].outputs[0], ())]
    return bool(users) and all(
        user.name == "select_n" and bench.run.at(user.outputs[0])[0].dtype.kind == "i" for user in users
    )


def _of_equation(
    equation: Equation, spots: Sequence[int], ndim: int, *, is_of_an_index: bool = False
) -> Iterator[Edit]:
    def edit(kind: str, cost: float, patch: Callable[[float], Patch], *, factor: bool = False, **facts: Any) -> Edit:
        def patches(c: float) -> Patches:
            made = patch(c)
            return {index: made for index in spots}

        return Edit(kind, cost, patches, factor, {"equation": equation, **facts})

    name = equation.name
    for position, atom in enumerate(equation.inputs):
        if isinstance(atom, Literal) and atom.value.dtype.kind == "f" and name in _WITH_NUMBERS:
            below = name == "div" and position == 1
            scaled: Callable[[float], Patch] = lambda c, p=position, b=below: with_input(
                p, lambda value: divided(value, np.asarray(c)) if b else value * c
            )
            # What fills an array is seldom what is wrong, if what is done with it may be as well.
            cost = 0.3 if name == "broadcast_in_dim" else 0.0
            yield edit("number", cost, scaled, factor=True, number=float(atom.value), operand=position, below=below)
        elif name in ("add", "add_any", "sub") and not isinstance(atom, Literal):
            yield edit(
                "term",
                0.3,
                lambda c, p=position: with_input(p, lambda value: c * value),
                factor=True,
                operand=position,
            )
        elif name in ("exp", "tanh", "logistic", "log", "sin"):
            yield edit("term", 1.2, lambda c, p=position: with_input(p, lambda value: -value), operand=position)
    if name in ("mul", "div", "sub", "max", "min", "pow"):  # of a sum, a term is left out by a factor of 0
        kept: Callable[[int], Patch] = lambda p: (
            lambda inputs, evaluate, read, point: [np.broadcast_to(inputs[p], evaluate(inputs)[0].shape)]
        )
        for position in (0, 1):
            if not isinstance(equation.inputs[1 - position], Literal):
                yield edit("dropped", 1.9, lambda c, p=position: kept(p), dropped=equation.inputs[1 - position])
    if name == "div" and not isinstance(equation.inputs[1], Literal):
        yield edit("counted", 1.0, lambda c: then_scaled(without_count, c), factor=True)
    if name in ("mul", "div", "add", "sub"):
        for which in (0, 1):
            yield edit("aligned", 1.0, lambda c, w=which: aligned(w))
    if name == "integer_pow":
        for exponent in (1, 2, 3, -1):
            if exponent != equation.params["y"]:
                power: Patch = lambda inputs, evaluate, read, point, y=exponent: [inputs[0] ** float(y)]
                yield edit("power", 1.8, lambda c, p=power: p, exponent=exponent)
    if name in ("gt", "ge", "lt", "le") and not is_of_an_index:
        flipped: Patch = lambda inputs, evaluate, read, point: [~evaluate(inputs)[0]]
        yield edit("mask", 1.5, lambda c: flipped)
    if name in _PUTS:
        yield edit("added", 1.2, lambda c: then_scaled(added(equation), c), factor=True)
        which = 1 if name == "dynamic_update_slice" else 2
        yield edit("put", 0.3, lambda c: with_input(which, lambda value: c * value), factor=True)
    if name == "scatter" and len(equation.inputs) == 3:
        yield edit("put_twice", 1.3, lambda c: changed_by_each(equation))
    if name.startswith("reduce_"):
        functions: dict[str, Any] = {"reduce_sum": np.sum, "reduce_max": np.max, "reduce_min": np.min}
        function: Any = functions.get(name)
        for axes in (*axes_of(ndim), ()) if function else ():
            for keep in (False, True):
                if tuple(equation.params["axes"]) != axes or keep:
                    reduced: Patch = lambda inputs, evaluate, read, point, a=axes, k=keep, f=function: [
                        f(inputs[0], axis=a, keepdims=k)
                    ]
                    scaled_too: Callable[[float], Patch] = lambda c, p=reduced: then_scaled(p, c)
                    was = tuple(equation.params["axes"])
                    # That no sum belongs there at all is less likely, and that a named value does (2.0) less than that.
                    yield edit("axes", 1.6 if axes else 1.95, scaled_too, factor=axes != was, axes=axes, was=was)
    if name == "dot_general":
        yield edit("elementwise", 1.5, lambda c: then_scaled(elementwise, c), factor=True)
        for swap in (False, True):
            for turn in ((False, False), (True, False), (False, True), (True, True)):
                if swap or any(turn):
                    yield edit("product", 1.5, lambda c, s=swap, t=turn: product_of(s, t), swap=swap, turn=turn)
