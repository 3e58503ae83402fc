"""What ought to stand in a statement that runs many times: told, for each run, by what it reads and by what it gives.

A loop over layers, steps or examples gives each run of one statement another layer's slope or cotangent. Which one
follows from what the run reads: beside an activation's output belongs its slope, after the cotangent of that output
comes the cotangent of its input. Where the loss takes all examples at once, what belongs to one is a row.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import TypeAlias

import numpy as np

from .._program._sites import results
from .._program._trace import Atom
from ._bench import Bench
from ._matching import Known
from ._offers import Instances, Offer
from ._quantities import Knowledge, Quantity
from ._relate import same, Values


_Found: TypeAlias = tuple[Quantity, float]
"""A quantity, and how many times it a value is."""

_Pair: TypeAlias = tuple[int, int]
"""The variables of a slope: what changes, and by what."""

Following: TypeAlias = tuple[Quantity, Callable[[np.ndarray, int, int], np.ndarray]]
"""A cotangent, and what turns the one before it into it: of a value, the point and the number of the run."""

_MOST = 16
"""How many quantities of one role are offered: those that are nearest in the loss."""


class Roles:
    """The roles of values in the loss, found by their numbers."""

    def __init__(self, bench: Bench, knowledge: Knowledge, known: Known, scales: Sequence[float]) -> None:
        self._bench, self._knowledge, self._known, self._scales = bench, knowledge, known, scales
        self._seen: dict[Atom, _Found | None] = {}
        self._alike: dict[tuple[str, int], list[int]] = {}
        # The slopes of a variable, by the last other first; and those by a variable, of the first other first.
        self._of: dict[int, list[_Pair]] = {}
        self._by: dict[int, list[_Pair]] = {}
        for pair in sorted(knowledge.slopes, key=lambda pair: -pair[1]):
            self._of.setdefault(pair[0], []).append(pair)
        for pair in sorted(knowledge.slopes, key=lambda pair: pair[0]):
            self._by.setdefault(pair[1], []).append(pair)

    def offers(self, instances: Instances) -> Iterator[Offer]:
        """What belongs beside what each run reads, and after what it gives; one value for each run."""
        for atoms in zip(*(self._atoms(instance) for instance in instances), strict=False):
            found = [self._match(atom) for atom in atoms]
            roles = [list(self._roles(*match)) if match else [] for match in found]
            for options in zip(*roles, strict=False):
                kinds = {quantity.kind for quantity, _ in options}
                if len(kinds) == 1:
                    values = tuple(tuple(scale * v for v in quantity.values) for quantity, scale in options)
                    yield Offer(values, None, options[0][0], fits=True)

    def of_layers(self, instances: Instances) -> Iterator[Offer]:
        """The cotangents of the shapes that the runs give, if each gives another and multiplies a matrix of the loss:
        what a loop over layers sends back, the last value of each layer first. Where the first run reads what is not
        known, the mistake was made before.
        """
        program, run = self._bench.program, self._bench.run
        outs = [results(program, instance) for instance in instances]
        shapes = [run.at(each[0])[0].shape for each in outs if len(each) == 1]
        if len(set(shapes)) < len(instances) or not all(map(self._is_a_product, instances)):
            return
        if not all(map(self._match, self._atoms(instances[0])[1:])):
            return
        given = [run.at(atom) for atom in program.inputs]
        last = [(v, q) for v, q in self._knowledge.cotangents.items() if not self._is_given(v, given)]
        last.sort(key=lambda pair: -pair[0])
        each = [[quantity for _, quantity in last if quantity.values[0].shape == shape] for shape in shapes]
        for quantities in islice(zip(*each, strict=False), _MOST):
            yield Offer(tuple(quantity.values for quantity in quantities), None, quantities[0], fits=True)

    def _is_given(self, variable: int, arguments: Sequence[Values]) -> bool:
        """Whether a variable of the loss is one of the arguments, as the parameters are."""
        values = self._knowledge.values[variable].values if variable in self._knowledge.values else ()
        return any(values and a[0].shape == values[0].shape and same(a, values) for a in arguments)

    def _is_a_product(self, instance: tuple[int, ...]) -> bool:
        """Whether a run is the product of a matrix of the forward pass with something else."""
        equations = [self._bench.program.equations[index] for index in instance]
        read = {atom for equation in equations for atom in equation.inputs}
        found = [self._match(atom) for atom in read if self._bench.run.at(atom)[0].ndim == 2]
        is_a_product = any(equation.name == "dot_general" for equation in equations)
        return is_a_product and any(match is not None and match[0].kind == "value" for match in found)

    def errors(self, instances: Instances) -> Iterator[Offer]:
        """The errors that come back to the units whose values each run reads: of what they give, then of what they
        take in.
        """
        for atoms in zip(*(self._atoms(instance) for instance in instances), strict=False):
            found = [self._match(atom) for atom in atoms]
            each = [list(self._errors(match[0])) if match and match[0].kind == "value" else [] for match in found]
            for quantities in zip(*each, strict=False):
                for scale in self._scales:
                    values = tuple(tuple(scale * v for v in quantity.values) for quantity in quantities)
                    yield Offer(values, None, quantities[0], fits=True)

    def _errors(self, value: Quantity) -> Iterator[Quantity]:
        for variable in dict.fromkeys((*self._variables(value), *(by for _, by in self._after(value)))):
            if variable in self._knowledge.cotangents:
                yield _row(self._knowledge.cotangents[variable], value)

    def computed_of(self, instances: Instances) -> Iterator[Offer]:
        """What the loss computes, element by element, of the values that each run reads: the `tanh(s)` of an `s`."""
        for atoms in zip(*(self._atoms(instance) for instance in instances), strict=False):
            found = [self._match(atom) for atom in atoms]
            each = [list(self._computed_of(match[0])) if match and match[0].kind == "value" else [] for match in found]
            for quantities in zip(*each, strict=False):
                yield Offer(tuple(quantity.values for quantity in quantities), None, quantities[0], fits=True)

    def _computed_of(self, value: Quantity) -> Iterator[Quantity]:
        own, values = self._variables(value), self._knowledge.values
        outs = dict.fromkeys(out for variable in own for out, _ in self._by.get(variable, ()) if out not in own)
        yield from (_row(values[out], value) for out in [*outs][:_MOST] if out in values)

    def following(self, variable: int) -> Iterator[Following]:
        """If a value is a cotangent of the loss: those that come after it, through one operation or more.

        Each with what turns such a cotangent, whichever it is, into the one after it: where one run leads to the next,
        the next is told from what the corrected one before it gives.
        """
        match = self._match(variable)
        if match is None or match[0].kind != "cotangent":
            return
        for which, (quantity, _) in enumerate(self._roles(*match)):
            if quantity.kind == "cotangent":
                yield quantity, lambda value, point, instance, which=which: self._next(value, point, which)

    def instead_of(self, variable: int) -> Iterator[Following]:
        """If a value is the slope of an activation that the loss has not: the cotangent of what it is a slope by, which
        may be meant. A slope of the loss's own may be a value as well, as a sigmoid is.
        """
        match, known = self._match(variable), self._knowledge
        is_own = match is not None and match[0].kind == "slope" and match[0].variable not in known.values
        if match is not None and is_own and match[0].by in known.cotangents:
            cotangent = self._knowledge.cotangents[match[0].by]
            if cotangent.values[0].shape == self._bench.run.at(variable)[0].shape:
                yield cotangent, lambda value, point, instance: cotangent.values[point]

    def slopes_after(self, variable: int) -> list[Quantity]:
        """If a value is a cotangent of the loss: the slopes that it may be multiplied by next, the nearest first."""
        match = self._match(variable)
        if match is None or match[0].kind != "cotangent" or self._is_passed_on(variable):
            return []
        return [self._knowledge.slopes[pair] for pair in self._after(match[0])]

    def with_a_term(self, variable: int) -> frozenset[int | None]:
        """If a value is one of the loss: the variables of the loss that are it plus another term, such as a bias."""
        match = self._match(variable)
        if match is None or match[0].kind != "value":
            return frozenset()
        pairs = [pair for own in self._variables(match[0]) for pair in self._by.get(own, ())]
        values = self._knowledge.values
        return frozenset(out for out, by in pairs if out in values and self._differ_by_a_term(values[out], values[by]))

    def _differ_by_a_term(self, more: Quantity, less: Quantity) -> bool:
        """Whether two values differ by an argument, or by another value of the loss."""
        difference = tuple(a - b for a, b in zip(more.values, less.values, strict=True))
        term = self._known.find(difference)
        if term is not None and term.kind == "value":
            return True
        for argument in self._bench.program.inputs:
            given = self._bench.run.at(argument)
            try:
                if same(difference, tuple(np.broadcast_to(v, difference[0].shape) for v in given)):
                    return True
            except ValueError:
                continue
        return False

    def _is_passed_on(self, variable: int) -> bool:
        """Whether an operation gives the value as it is, so that what is lacking may be lacking there."""
        program, values = self._bench.program, self._bench.run.at(variable)
        after = [out for index in program.users.get(variable, ()) for out in program.equations[index].outputs]
        return any(
            len(program.equations[program.makers[out]].inputs) > 1 and same(self._bench.run.at(out), values)
            for out in after
        )

    def _next(self, value: np.ndarray, point: int, which: int) -> np.ndarray:
        known = self._known.at(point)
        scale = known.scale((value,))
        quantity = None if scale is None else known.find((value,), (scale,))
        if scale is None or quantity is None or quantity.kind != "cotangent":
            return value
        after = [found for found in self._roles(quantity, scale) if found[0].kind == "cotangent"]
        if which >= len(after) or after[which][0].values[point].size != value.size:
            return value
        return scale * after[which][0].values[point].reshape(value.shape)

    def _atoms(self, instance: tuple[int, ...]) -> list[Atom]:
        """What a run gives, then what it reads, in the order of its equations."""
        equations = [self._bench.program.equations[index] for index in instance]
        inside = {out for equation in equations for out in equation.outputs}
        read = [atom for equation in equations for atom in equation.inputs]
        outside = [atom for atom in read if isinstance(atom, int) and atom not in inside]
        return [*results(self._bench.program, instance), *dict.fromkeys(outside)]

    def _match(self, atom: Atom) -> _Found | None:
        if atom not in self._seen:
            values = self._bench.run.at(atom)
            scale = self._known.scale(values)
            quantity = self._known.find(values, (1.0 if scale is None else scale, *self._scales))
            factor = scale if scale is not None and quantity is not None and quantity.kind == "cotangent" else 1.0
            self._seen[atom] = None if quantity is None else (quantity, factor)
        return self._seen[atom]

    def _roles(self, quantity: Quantity, scale: float) -> Iterator[_Found]:
        """What belongs beside a value or after a cotangent, the nearest first."""
        if quantity.kind == "slope" and quantity.by in self._knowledge.cotangents:
            yield _row(self._knowledge.cotangents[quantity.by], quantity), 1.0
        if quantity.kind not in ("value", "cotangent") or quantity.variable is None:
            return
        slopes, after = self._knowledge.slopes, self._after(quantity)[:_MOST]
        before = [pair for variable in self._variables(quantity) for pair in self._by.get(variable, ())]
        before = sorted(before, key=lambda pair: pair[0])[:_MOST]
        if quantity.kind == "cotangent":
            for _, by in after:
                yield _row(self._knowledge.cotangents[by], quantity), scale
        for pair in (*after, *before):
            if np.ptp(slopes[pair].values[0]) > 0:
                yield _row(slopes[pair], quantity), 1.0

    def _after(self, quantity: Quantity) -> list[_Pair]:
        """The slopes of the variables that a quantity may be of, the nearest first."""
        pairs = [pair for variable in self._variables(quantity) for pair in self._of.get(variable, ())]
        return sorted(pairs, key=lambda pair: -pair[1])

    def _variables(self, quantity: Quantity) -> list[int]:
        """The variables of the loss that have the same value, or the same cotangent."""
        assert quantity.variable is not None
        key = quantity.kind, quantity.variable
        if key not in self._alike:
            self._alike[key] = list(self._knowledge.alike(quantity))
        return self._alike[key]


def _row(quantity: Quantity, like: Quantity) -> Quantity:
    """The same example's row, where `like` is one."""
    if like.row is None:
        return quantity
    axis, index = like.row
    values = quantity.values
    if not values[0].ndim or index >= values[0].shape[axis]:
        return quantity
    return replace(quantity, values=tuple(np.take(v, index, axis) for v in values), terms=(), row=like.row)
