"""The corrections that are tried on a statement: each is a mistake that people make, undone."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, combinations
from typing import Any, TypeAlias

import numpy as np

from ._bench import Bench, Evaluate, Patch, Patches, Read, results, Site
from ._known import Knowledge, Quantity
from ._trace import Atom, Equation, Literal


Instances: TypeAlias = tuple[tuple[int, ...], ...]
Change: TypeAlias = Callable[[np.ndarray, int, int], np.ndarray]
"""Of a value, at the point and in the instance with these numbers."""


@dataclass(frozen=True, eq=False)
class Edit:
    """A correction of a statement.

    Attributes:
      kind: which mistake it undoes.
      cost: how much it takes to describe: of two corrections that do the same, the cheaper one is believed.
      patches: what to put in place, for a factor on the corrected value (or on the corrected part of it).
      factor: whether a factor other than 1 may be tried.
      facts: what the words need.
    """

    kind: str
    cost: float
    patches: Callable[[float], Patches]
    factor: bool = False
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Offer:
    """A value that could stand where another one does: at each point, for each instance of the statement.

    Attributes:
      values: indexed by instance, then by point; a single instance serves all.
      name: what the candidate calls it, or None.
      quantity: what it is known to be, if it is known.
      before: the equation from which on it is there; None for what the candidate does not compute.
      variables: its variables in the candidate, by instance.
    """

    values: tuple[tuple[np.ndarray, ...], ...]
    name: str | None = None
    quantity: Quantity | None = None
    before: int | None = None
    variables: tuple[int, ...] = ()

    def at(self, instance: int, point: int) -> np.ndarray:
        """The value for an instance, at a point."""
        return self.values[instance if len(self.values) > 1 else 0][point]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of its first value."""
        return self.values[0][0].shape


def of_result(
    bench: Bench,
    instances: Instances,
    position: int,
    offers: Sequence[Offer],
    is_innocent: Callable[[Atom], bool],
    *,
    innocent: bool,
) -> Iterator[Edit]:
    """Corrections of a result of a statement, the one at `position`.

    What is `innocent` is a known cotangent as it stands: it can only lack a slope, or stand where another belongs.
    """
    spots = []
    for equations in instances:
        outs = results(bench.program, equations)
        if position >= len(outs):
            return
        index = bench.program.makers[outs[position]]
        spots.append((index, bench.program.equations[index].outputs.index(outs[position])))
    shape = bench.run.at(results(bench.program, instances[0])[position])[0].shape

    def edit(kind: str, cost: float, change: Change, *, factor: bool = True, **facts: Any) -> Edit:
        def patches(c: float) -> Patches:
            return {
                index: _after(place, lambda value, point, i=i: c * change(value, point, i))
                for i, (index, place) in enumerate(spots)
            }

        return Edit(kind, cost, patches, factor, {"position": position, **facts})

    if not innocent:
        yield edit("scale", 0.1, lambda value, point, i: value)
        if len(shape) == 2:
            yield edit("transpose", 1.4, lambda value, point, i: value.T)
        for axes in _axes(len(shape)):
            for keep in (False, True):
                summed: Change = lambda value, point, i, a=axes, k=keep: value.sum(axis=a, keepdims=k)
                yield edit("unreduced", 1.5, summed, axes=axes)
    operands = [] if innocent else _operands(bench, instances, shape, is_innocent)
    for offer in offers:
        if len(offer.values) not in (1, len(instances)) or not (len(instances) == 1 or _is_fixed(offer, instances)):
            continue
        fitted = _fitted(offer, shape)
        kind = offer.quantity.kind if offer.quantity else None
        if fitted is None:
            if kind != "part" and not innocent and _broadcasts(offer.shape, shape):
                yield from _factors(edit, offer, offer.at)
            continue
        if kind is not None:
            yield edit("known", _KNOWN[kind], lambda value, point, i, f=fitted: f(i, point), offer=offer)
        if kind == "slope":
            yield edit("times", 1.5, lambda value, point, i, f=fitted: value * f(i, point), offer=offer)
            for atoms in operands:
                at = [bench.run.at(atom) for atom in atoms]
                yield edit(
                    "slope", 1.9, lambda value, point, i, f=fitted, at=at: at[i][point] * f(i, point), offer=offer
                )
        if innocent:
            continue
        if kind == "slope":
            yield edit("over", 1.6, lambda value, point, i, f=fitted: _divided(value, f(i, point)), offer=offer)
        elif kind in (None, "value"):
            yield from _factors(edit, offer, fitted)
        if kind != "slope":
            yield _added(spots, offer, fitted, position)


_KNOWN = {"slope": 2.2, "value": 2.4, "cotangent": 3.0, "part": 3.3}


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


def of_return(bench: Bench, instances: Instances, path: str, offers: Sequence[Offer]) -> Iterator[Edit]:
    """Another value of the candidate's own in place of what is returned as a leaf; at last the leaf itself."""
    [[index]] = instances
    truth = [leaves[path] for leaves in bench.truth]
    for offer in offers:
        if offer.name and offer.before != -1 and len(offer.values) == 1 and offer.shape == truth[0].shape:
            swapped = {index: _after(0, lambda value, point, o=offer: o.at(0, point))}
            yield Edit("returned", 2.0, lambda c, p=swapped: p, False, {"offer": offer})
    patches = {index: _after(0, lambda value, point: truth[point])}
    yield Edit("leaf", 5.0, lambda c: patches)


def _factors(edit: Callable[..., Edit], offer: Offer, get: Callable[[int, int], np.ndarray]) -> Iterator[Edit]:
    dearer = 0.7 if offer.name else 0.9
    yield edit("times", 1.5 + dearer, lambda value, point, i: value * get(i, point), offer=offer)
    yield edit("over", 1.6 + dearer, lambda value, point, i: _divided(value, get(i, point)), offer=offer)


def _added(spots: list[tuple[int, int]], offer: Offer, get: Callable[[int, int], np.ndarray], position: int) -> Edit:
    def patches(c: float) -> Patches:
        return {
            index: _after(place, lambda value, point, i=i: value + c * get(i, point))
            for i, (index, place) in enumerate(spots)
        }

    cost = 2.1 if offer.name else 2.6
    return Edit("plus", cost, patches, True, {"position": position, "offer": offer})


def of_equations(
    bench: Bench, instances: Instances, offers: Sequence[Offer], is_innocent: Callable[[Atom], bool]
) -> Iterator[Edit]:
    """Corrections inside a statement: of a number, a sign, an operand, an axis, the order of a product.

    Only an operand that is right in itself can be a wrong operand: any other is corrected where it comes from.
    """
    equations = bench.program.equations
    names = [tuple(equations[index].name for index in instance) for instance in instances]
    if len(set(names)) > 1:
        return
    inside = {out for index in instances[0] for out in equations[index].outputs}
    for place, index in enumerate(instances[0]):
        spots = [instance[place] for instance in instances]
        ndim = bench.run.at(equations[index].inputs[0])[0].ndim if equations[index].inputs else 0
        yield from _of_equation(equations[index], spots, ndim)
        for position, atom in enumerate(equations[index].inputs):
            if isinstance(atom, Literal) or atom in inside or is_innocent(atom):
                yield from _replaced(bench, instances, [(place, position)], atom, offers)
    outside: dict[int, list[tuple[int, int]]] = {}
    for place, index in enumerate(instances[0]):
        for position, atom in enumerate(equations[index].inputs):
            if isinstance(atom, int) and atom not in inside:
                outside.setdefault(atom, []).append((place, position))
    for atom, uses in outside.items():
        if len(uses) > 1 and is_innocent(atom):
            yield from _replaced(bench, instances, uses, atom, offers)


def _of_equation(equation: Equation, spots: Sequence[int], ndim: int) -> Iterator[Edit]:
    def edit(kind: str, cost: float, patch: Callable[[float], Patch], *, factor: bool = False, **facts: Any) -> Edit:
        def patches(c: float) -> Patches:
            made = patch(c)
            return {index: made for index in spots}

        return Edit(kind, cost, patches, factor, {"equation": equation, **facts})

    name = equation.name
    for position, atom in enumerate(equation.inputs):
        if isinstance(atom, Literal) and atom.value.dtype.kind == "f" and name in _WITH_NUMBERS:
            below = name == "div" and position == 1
            scaled: Callable[[float], Patch] = lambda c, p=position, b=below: _with_input(
                p, lambda value: _divided(value, np.float64(c)) if b else value * c
            )
            yield edit("number", 0.0, scaled, factor=True, number=float(atom.value), operand=position, below=below)
        elif name in ("add", "sub") and not isinstance(atom, Literal):
            yield edit(
                "term", 0.3, lambda c, p=position: _with_input(p, lambda value: c * value), factor=True, operand=position
            )
        elif name in ("exp", "tanh", "logistic", "log", "sin"):
            yield edit("term", 1.2, lambda c, p=position: _with_input(p, lambda value: -value), operand=position)
    if name in ("mul", "div", "add", "sub", "max", "min", "pow"):
        kept: Callable[[int], Patch] = lambda p: lambda inputs, evaluate, read, point: [
            np.broadcast_to(inputs[p], evaluate(inputs)[0].shape)
        ]
        for position, atom in enumerate(equation.inputs):
            if not isinstance(equation.inputs[1 - position], Literal):
                yield edit("dropped", 1.9, lambda c, p=position: kept(p), dropped=equation.inputs[1 - position])
    if name == "integer_pow":
        for exponent in (1, 2, 3, -1):
            if exponent != equation.params["y"]:
                power: Patch = lambda inputs, evaluate, read, point, y=exponent: [inputs[0] ** float(y)]
                yield edit("power", 1.8, lambda c, p=power: p, exponent=exponent)
    if name in ("gt", "ge", "lt", "le"):
        flipped: Patch = lambda inputs, evaluate, read, point: [~evaluate(inputs)[0]]
        yield edit("mask", 1.5, lambda c: flipped)
    if name.startswith("reduce_"):
        function = {"reduce_sum": np.sum, "reduce_max": np.max, "reduce_min": np.min, "reduce_prod": np.prod}.get(name)
        for axes in (*_axes(ndim), ()) if function else ():
            for keep in (False, True):
                if tuple(equation.params["axes"]) != axes or keep:
                    reduced: Patch = lambda inputs, evaluate, read, point, a=axes, k=keep, f=function: [
                        f(inputs[0], axis=a, keepdims=k)
                    ]
                    scaled_too: Callable[[float], Patch] = lambda c, p=reduced: _then_scaled(p, c)
                    was = tuple(equation.params["axes"])
                    yield edit("axes", 1.6, scaled_too, factor=True, axes=axes, was=was)
    if name == "dot_general":
        for swap in (False, True):
            for turn in ((False, False), (True, False), (False, True), (True, True)):
                if swap or any(turn):
                    yield edit("product", 1.5, lambda c, s=swap, t=turn: _product(s, t), swap=swap, turn=turn)


def _replaced(
    bench: Bench, instances: Instances, uses: Sequence[tuple[int, int]], atom: Atom, offers: Sequence[Offer]
) -> Iterator[Edit]:
    """Another value in the place of one that a statement uses."""
    program = bench.program
    first = instances[0][0]
    if isinstance(atom, Literal) and atom.value.ndim == 0 and program.equations[instances[0][uses[0][0]]].name not in (
        "mul",
        "div",
    ):
        return
    olds = [program.equations[instance[uses[0][0]]].inputs[uses[0][1]] for instance in instances]
    shape = bench.run.at(atom)[0].shape
    flexible = all(program.equations[instances[0][place]].name in _FLEXIBLE for place, _ in uses)
    for offer in offers:
        if offer.before is not None and offer.before > first:
            continue
        if len(offer.values) not in (1, len(instances)) or not (len(instances) == 1 or _is_fixed(offer, instances)):
            continue
        kind = offer.quantity.kind if offer.quantity else None
        reduced = all(program.equations[instances[0][place]].name == "reduce_sum" for place, _ in uses)
        if kind == "part" or (kind == "cotangent" and not isinstance(atom, Literal) and not reduced):
            continue
        if offer.variables and all(v == o for v, o in zip(offer.variables, olds, strict=False)):
            continue
        fitted = _fitted(offer, shape)
        if fitted is None and not flexible:
            continue
        get = fitted or offer.at

        def patches(c: float, get: Callable[[int, int], np.ndarray] = get) -> Patches:
            changed: dict[int, Patch] = {}
            for i, instance in enumerate(instances):
                by_equation: dict[int, list[int]] = {}
                for place, position in uses:
                    by_equation.setdefault(instance[place], []).append(position)
                for index, positions in by_equation.items():
                    changed[index] = _with_inputs(positions, lambda point, i=i: get(i, point))
                if c != 1:
                    for out in results(program, instance):
                        index = program.makers[out]
                        changed[index] = _then_scaled(changed.get(index), c)
            return changed

        cost = 2.0 if offer.name else 2.1 if reduced else 2.4
        if offer.shape != shape and not reduced:
            cost += 0.3
        facts = {"offer": offer, "used": atom, "all": len(uses) > 1, "uses": tuple(uses)}
        yield Edit("operand", cost, patches, True, facts)


def _is_fixed(offer: Offer, instances: Instances) -> bool:
    """Whether an offer is there for every instance alike: an argument, or a value for each of them."""
    return offer.before == -1 or len(offer.values) == len(instances)


_WITH_NUMBERS = frozenset(("add", "sub", "mul", "div", "broadcast_in_dim"))
_FLEXIBLE = frozenset("dot_general mul add sub div broadcast_in_dim reshape transpose reduce_sum".split())


def _after(place: int, change: Callable[[np.ndarray, int], np.ndarray]) -> Patch:
    def patch(inputs: list[np.ndarray], evaluate: Evaluate, read: Read, point: int) -> list[np.ndarray]:
        outputs = list(evaluate(inputs))
        outputs[place] = change(outputs[place], point)
        return outputs

    return patch


def _with_input(position: int, change: Callable[[np.ndarray], np.ndarray]) -> Patch:
    def patch(inputs: list[np.ndarray], evaluate: Evaluate, read: Read, point: int) -> list[np.ndarray]:
        return evaluate([change(value) if p == position else value for p, value in enumerate(inputs)])

    return patch


def _with_inputs(positions: Sequence[int], get: Callable[[int], np.ndarray]) -> Patch:
    def patch(inputs: list[np.ndarray], evaluate: Evaluate, read: Read, point: int) -> list[np.ndarray]:
        return evaluate([get(point) if p in positions else value for p, value in enumerate(inputs)])

    return patch


def _then_scaled(patch: Patch | None, c: float) -> Patch:
    def scaled(inputs: list[np.ndarray], evaluate: Evaluate, read: Read, point: int) -> list[np.ndarray]:
        return [c * out for out in (patch(inputs, evaluate, read, point) if patch else evaluate(inputs))]

    return scaled


def _product(swap: bool, turn: tuple[bool, bool]) -> Patch:
    def patch(inputs: list[np.ndarray], evaluate: Evaluate, read: Read, point: int) -> list[np.ndarray]:
        a, b = (operand.T if t else operand for operand, t in zip(inputs, turn, strict=True))
        return evaluate([b, a] if swap else [a, b])

    return patch


def _divided(value: np.ndarray, by: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        return np.asarray(value / by)


def _fitted(offer: Offer, shape: tuple[int, ...]) -> Callable[[int, int], np.ndarray] | None:
    """The offer in `shape`: as it is, transposed, or with axes of size 1 more or less; None if it has another size."""
    mine = offer.shape
    if len(offer.values) == 1:
        if mine == shape:
            return offer.at
        if len(mine) == 2 and mine[::-1] == shape:
            return lambda i, point: offer.at(i, point).T
        if [n for n in mine if n != 1] == [n for n in shape if n != 1]:
            return lambda i, point: offer.at(i, point).reshape(shape)
        return None
    return offer.at if mine == shape else None


def _broadcasts(small: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(small, shape) == shape
    except ValueError:
        return False


def _axes(ndim: int) -> list[tuple[int, ...]]:
    return list(chain.from_iterable(combinations(range(ndim), n) for n in range(1, ndim + 1)))


def offered(
    bench: Bench,
    sites: Sequence[Site],
    inputs: dict[int, str],
    knowledge: Knowledge,
    repeated: Sequence[Sequence[int]],
) -> list[Offer]:
    """What could stand in the place of something: what the candidate computes or is given, and what is known.

    `repeated` are the variables of the loss that one statement defines time after time.
    """
    offers = [Offer((bench.run.at(variable),), name, None, -1, (variable,)) for variable, name in inputs.items()]
    for site in sites:
        columns = [] if site.leaf else [results(bench.program, instance) for instance in site.instances]
        if len({len(column) for column in columns}) > 1:
            continue
        for variables in zip(*columns, strict=True):
            name = site.statement.target if site.statement else None
            makers = [bench.program.makers[variable] for variable in variables]
            values = tuple(map(bench.run.at, variables))
            if len(variables) > 1:
                offers.append(Offer(values, name, None, makers[-1], variables))
                offers.append(Offer(values[::-1], name, None, makers[-1], variables[::-1]))
            offers += [Offer((v,), name, None, m, (n,)) for v, m, n in zip(values, makers, variables, strict=True)]
    for variables in repeated:
        quantities = [knowledge.cotangents[v] for v in variables if v in knowledge.cotangents]
        if len(quantities) == len(variables):
            values = tuple(quantity.values for quantity in quantities)
            offers += [Offer(values, None, quantities[0]), Offer(values[::-1], None, quantities[-1])]
    offers = [o for o in offers if all(v.dtype.kind == "f" for values in o.values for v in values)]
    return offers + [Offer((quantity.values,), None, quantity) for quantity in knowledge.quantities]
