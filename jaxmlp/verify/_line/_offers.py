"""What could stand in the place of something: what the candidate has, and what is known of the loss."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from .._program._sites import given, name_of, Site
from ._bench import Bench
from ._matching import Known
from ._quantities import Knowledge, Quantity


Instances: TypeAlias = tuple[tuple[int, ...], ...]
"""The equations of each execution of a statement."""


@dataclass(frozen=True, eq=False)
class Offer:
    """A value that could stand where another one does: at each point, for each instance of the statement.

    Attributes:
      values: indexed by instance, then by point; a single instance serves all.
      name: what the candidate calls it, or None.
      quantity: what it is known to be, if it is known.
      before: the equation from which on it is there; None for what the candidate does not compute.
      variables: its variables in the candidate, by instance.
      is_a_leaf: whether it is the gradient of a parameter: whatever gives that can be replaced by it.
      is_unread: whether it is a value of the candidate's that nothing reads.
      fits: whether it follows from what each instance reads, and so is likelier to belong there than another.
    """

    values: tuple[tuple[np.ndarray, ...], ...]
    name: str | None = None
    quantity: Quantity | None = None
    before: int | None = None
    variables: tuple[int, ...] = ()
    fits: bool = False
    is_a_leaf: bool = False
    is_unread: bool = False

    def at(self, instance: int, point: int) -> np.ndarray:
        """The value for an instance, at a point."""
        return self.values[instance if len(self.values) > 1 else 0][point]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of its first value."""
        return self.values[0][0].shape


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
        columns = [] if site.leaf else [given(bench.program, instance) for instance in site.instances]
        if len({len(column) for column in columns}) > 1:
            continue
        name = name_of(bench.program, site)
        for variables in zip(*columns, strict=True):
            makers = [bench.program.makers[variable] for variable in variables]
            values = tuple(map(bench.run.at, variables))
            # Forward and backward loops run against each other, and one may start a step earlier than the other.
            for start, stop in ((0, None), (0, -1), (1, None)) if len(variables) > 1 else ():
                part, those = values[start:stop], variables[start:stop]
                if len(part) > 1:
                    offers.append(Offer(part, name, None, makers[0], those))
                    offers.append(Offer(part[::-1], name, None, makers[0], those[::-1]))
            offers += [
                Offer((v,), name, None, m, (n,), is_unread=not bench.program.users.get(n))
                for v, m, n in zip(values, makers, variables, strict=True)
            ]
    offers += _read_run_by_run(bench, sites, {offer.variables for offer in offers})
    leaves = Known(Quantity("value", tuple(leaves[path] for leaves in bench.truth)) for path in bench.leaves)
    rows = [[knowledge.cotangents.get(variable) for variable in variables] for variables in repeated]
    rows += [
        [knowledge.slopes.get(pair) for pair in zip(outs, ins, strict=True)]
        for outs in repeated
        for ins in repeated
        if len(outs) == len(ins) and (outs[0], ins[0]) in knowledge.slopes
    ]
    for row in rows:
        quantities = [quantity for quantity in row if quantity is not None]
        if len(quantities) == len(row):
            values = tuple(quantity.values for quantity in quantities)
            known = all(leaves.find(quantity.values) is not None for quantity in quantities)
            offers += [
                Offer(values, None, quantities[0], is_a_leaf=known),
                Offer(values[::-1], None, quantities[-1], is_a_leaf=known),
            ]
    offers += _repeated_terms(knowledge, repeated)
    offers = [o for o in offers if all(v.dtype.kind == "f" for values in o.values for v in values)]
    own = Known(Quantity("value", offer.values[0]) for offer in offers if offer.variables)
    offers += _repeated_values(knowledge, repeated, own)
    is_a_leaf = [q.kind in ("cotangent", "part") and leaves.find(q.values) is not None for q in knowledge.quantities]
    return offers + [
        Offer((quantity.values,), None, quantity, is_a_leaf=of_a_leaf)
        for quantity, of_a_leaf in zip(knowledge.quantities, is_a_leaf, strict=True)
    ]


def _read_run_by_run(bench: Bench, sites: Sequence[Site], given: set[tuple[int, ...]]) -> Iterator[Offer]:
    """What a statement reads in each of its runs, where no statement gives that row: the states before each step."""
    seen = set(given)
    for site in sites:
        made = [{out for index in run for out in bench.program.equations[index].outputs} for run in site.instances]
        columns = [
            [a for i in run for a in bench.program.equations[i].inputs if isinstance(a, int)] for run in site.instances
        ]
        if len(columns) < 2 or len({len(column) for column in columns}) > 1:
            continue
        for variables in dict.fromkeys(zip(*columns, strict=True)):
            inside = any(variable in own for variable, own in zip(variables, made, strict=True))
            if inside or variables in seen or len({*variables}) < len(variables):
                continue
            values = tuple(map(bench.run.at, variables))
            if len({value[0].shape for value in values}) == 1:
                seen.add(variables)
                yield Offer(values, None, None, site.first, variables)
                yield Offer(values[::-1], None, None, site.first, variables[::-1])


def _repeated_values(knowledge: Knowledge, repeated: Sequence[Sequence[int]], own: Known) -> Iterator[Offer]:
    """What one statement of the loss defines time after time, and the candidate never has."""
    for variables in repeated:
        row = [knowledge.values.get(variable) for variable in variables]
        found = [quantity for quantity in row if quantity is not None]
        if len(found) == len(row) and any(own.find(quantity.values) is None for quantity in found):
            values = tuple(quantity.values for quantity in found)
            yield from (Offer(values, None, found[0]), Offer(values[::-1], None, found[-1]))


def _repeated_terms(knowledge: Knowledge, repeated: Sequence[Sequence[int]]) -> Iterator[Offer]:
    """Of what one statement of the loss defines time after time: the terms of its cotangents, the same of each.

    What is used once at one end of the loop, such as the last state, has fewer terms there.
    """
    for variables in repeated:
        terms = [quantity.terms if (quantity := knowledge.cotangents.get(v)) else () for v in variables]
        for start, stop in ((0, len(terms)), (0, -1), (1, len(terms))):
            row = terms[start:stop]
            if len(row) < 2 or len({len(each) for each in row}) > 1:
                continue
            for values in zip(*row, strict=True):
                if len({value[0].shape for value in values}) == 1:
                    of = Quantity("part", values[0])
                    yield from (Offer(values, None, of), Offer(values[::-1], None, of))
            break


def is_there(offer: Offer, instances: Instances) -> bool:
    """Whether an offer has a value for every instance: its own, or one that is computed before all of them."""
    if len(offer.values) not in (1, len(instances)):
        return False
    before = offer.before is not None and offer.before < instances[0][0]
    return len(instances) == 1 or len(offer.values) == len(instances) or before


def fitted_to(offer: Offer, shape: tuple[int, ...]) -> Callable[[int, int], np.ndarray] | None:
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
    if mine == shape:
        return offer.at
    alike = {value.shape for values in offer.values for value in values} == {mine}
    if alike and [n for n in mine if n != 1] == [n for n in shape if n != 1]:
        return lambda i, point: offer.at(i, point).reshape(shape)
    return None


def varies_along_all(slope: np.ndarray) -> bool:
    """Whether a slope is that of an activation: what is one number along an axis, such as `1 / sum(e)`, is a factor."""
    return all(n == 1 or np.ptp(slope, axis).any() for axis, n in enumerate(slope.shape))
