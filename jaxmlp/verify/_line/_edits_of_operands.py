"""Corrections inside a statement: another value in the place of one that it reads."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from .._program._sites import results
from .._program._trace import Atom, Literal
from ._bench import Bench, Patch, Patches
from ._edits import Edit
from ._offers import fitted_to, Instances, is_there, Offer
from ._patches import then_scaled, with_inputs, WithAnother
from ._relate import is_a_mask
from ._sieve import Sieve


_FLEXIBLE = frozenset("dot_general mul add sub div broadcast_in_dim reshape transpose reduce_sum".split())

_NO_MASK = 0.5
"""What it costs to put other numbers in the place of zeros and ones: a mask is seldom taken for anything else."""

_ARITHMETIC = frozenset(("add", "sub", "mul", "div", "broadcast_in_dim"))


def of_operands(
    bench: Bench,
    instances: Instances,
    offers: Sequence[Offer],
    errors: Sequence[Offer],
    is_innocent: Callable[[Atom], bool],
    is_a_value: Callable[[int], bool],
    sieve: Sieve,
) -> Iterator[Edit]:
    """One of the offers in the place of what a statement reads, wherever it does; of a value of the forward pass, also
    one of the `errors` that come back to it.
    """
    equations = bench.program.equations
    alike = {tuple((equations[i].name, len(equations[i].inputs)) for i in instance) for instance in instances}
    for atom, uses in read_from_outside(bench, instances[0]).items() if len(alike) == 1 else ():
        if is_innocent(atom):
            there = [*offers, *(errors if is_a_value(atom) else ())]
            yield from replaced(bench, instances, uses, atom, there, sieve, of_any_kind=True)


def in_each_place(
    bench: Bench, instances: Instances, offers: Sequence[Offer], is_innocent: Callable[[Atom], bool], sieve: Sieve
) -> Iterator[Edit]:
    """One of the offers in the place of what a statement reads, in one place alone."""
    for atom, uses in read_from_outside(bench, instances[0]).items():
        if is_innocent(atom):
            for use in uses:
                yield from replaced(bench, instances, [use], atom, offers, sieve)


def in_several_places(
    bench: Bench, instances: Instances, offers: Sequence[Offer], is_innocent: Callable[[Atom], bool], sieve: Sieve
) -> Iterator[Edit]:
    """One of the offers in the place of what a statement reads several times: everywhere, or where one function is
    called with it, as in `f(a) * (1 - f(a)) * (a - y)`.
    """
    equations = bench.program.equations
    for atom, uses in read_from_outside(bench, instances[0]).items():
        if len(uses) < 2 or not is_innocent(atom):
            continue
        yield from replaced(bench, instances, uses, atom, offers, sieve)
        for name in dict.fromkeys(equations[instances[0][place]].name for place, _ in uses):
            alike = [use for use in uses if equations[instances[0][use[0]]].name == name]
            if 1 < len(alike) < len(uses) and name not in _ARITHMETIC:
                yield from replaced(bench, instances, alike, atom, offers, sieve)


def read_from_outside(bench: Bench, instance: tuple[int, ...]) -> dict[int, list[tuple[int, int]]]:
    """What a run of a statement reads of others, each with the places and positions."""
    equations = [bench.program.equations[index] for index in instance]
    inside = {out for equation in equations for out in equation.outputs}
    found: dict[int, list[tuple[int, int]]] = {}
    for place, equation in enumerate(equations):
        for position, atom in enumerate(equation.inputs):
            if isinstance(atom, int) and atom not in inside:
                found.setdefault(atom, []).append((place, position))
    return found


def replaced(
    bench: Bench,
    instances: Instances,
    uses: Sequence[tuple[int, int]],
    atom: Atom,
    offers: Sequence[Offer],
    sieve: Sieve,
    *,
    of_any_kind: bool = False,
) -> Iterator[Edit]:
    """Another value in the place of one that a statement uses; a cotangent only where it may be `of_any_kind`."""
    program = bench.program
    first, user = instances[0][0], program.equations[instances[0][uses[0][0]]]
    if isinstance(atom, Literal) and atom.value.ndim == 0 and user.name not in ("mul", "div"):
        return
    # What is offered are floating numbers, and none of these is an index.
    made = bench.run.at(user.outputs[0])[0]
    if bench.run.at(atom)[0].dtype.kind != "f" and made.dtype.kind != "f":
        return
    olds = [program.equations[instance[uses[0][0]]].inputs[uses[0][1]] for instance in instances]
    shape, masks = bench.run.at(atom)[0].shape, is_a_mask(bench.run.at(atom))
    reduced = all(program.equations[instances[0][place]].name == "reduce_sum" for place, _ in uses)
    flexible = all(program.equations[instances[0][place]].name in _FLEXIBLE for place, _ in uses)
    there = [offer for offer in offers if offer.before is None or offer.before <= first]
    there = [offer for offer in there if is_there(offer, instances)]
    fits = [fitted_to(offer, shape) for offer in there]
    passing = sieve.operands(uses, [fitted for fitted in fits if fitted])
    passes = iter(() if passing is None else passing)
    runs: dict[tuple[int, ...], bool] = {}
    for offer, fitted in zip(there, fits, strict=True):
        if fitted and passing is not None and not next(passes):
            continue
        kind = offer.quantity.kind if offer.quantity else None
        if kind in ("cotangent", "part") and not isinstance(atom, Literal) and not of_any_kind:
            # What is summed up wrongly is made in place; any other cotangent has a statement of its own.
            if not reduced or (fitted_to(offer, shape) is None and (kind == "part" or 1 in offer.shape)):
                continue
        elif kind == "part":
            continue
        if offer.variables and all(v == o for v, o in zip(offer.variables, olds, strict=False)):
            continue
        if fitted is None and not flexible:
            continue
        if isinstance(atom, Literal) and (atom.value == 1).all() and offer.shape == atom.value.shape:
            continue  # something is missing beside a 1, and nothing stands in its place
        get = fitted or offer.at

        variables = offer.variables if len(olds) > 1 and offer.shape == shape else ()

        def patches(
            c: float, get: Callable[[int, int], np.ndarray] = get, variables: tuple[int, ...] = variables
        ) -> Patches:
            changed: dict[int, Patch] = {}
            for i, instance in enumerate(instances):
                by_equation: dict[int, list[int]] = {}
                for place, position in uses:
                    by_equation.setdefault(instance[place], []).append(position)
                # What the candidate has itself is read as it is by then: another run may be corrected before.
                variable = variables[i if len(variables) > 1 else 0] if variables else None
                for index, positions in by_equation.items():
                    if variable is not None and bench.program.makers.get(variable, index) < index:
                        changed[index] = WithAnother(positions, variable)
                    else:
                        changed[index] = with_inputs(positions, lambda point, i=i: get(i, point))
                if c != 1:
                    for out in results(program, instance):
                        index = program.makers[out]
                        changed[index] = then_scaled(changed.get(index), c)
            return changed

        if fitted is None and offer.shape not in runs:
            runs[offer.shape] = bench.values(instances[0], patches(1.0), 0) is not None
        if fitted is None and not runs[offer.shape]:
            continue
        cost = 2.0 if offer.name else 2.1 if reduced else 2.4
        cost += _NO_MASK * (masks and not is_a_mask(offer.values[0]))
        if offer.shape != shape and not reduced:
            cost += 0.3
        facts = {"offer": offer, "used": atom, "all": len(uses) > 1, "uses": tuple(uses)}
        yield Edit("operand", cost, patches, True, facts, whole=True)
