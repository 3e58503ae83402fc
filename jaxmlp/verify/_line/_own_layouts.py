"""What is known of a loss, as the candidate lays it out: images as rows of pixels, heads as a batch of their own.

Of `rows = images.transpose(0, 2, 3, 1).reshape(-1, channels)`, where the loss has `images` alone, the cotangent is that
of `images` with its numbers in the same order.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate
from operator import mul

import numpy as np

from .._program._sites import results, Site
from .._program._trace import Equation, Program
from ._matching import core, Known
from ._own_activations import Chain, made, next_number, with_cotangents
from ._quantities import Knowledge, Quantity, Run


_MOVES = frozenset("transpose reshape squeeze expand_dims copy copy_p convert_element_type name".split())


def with_own_layouts(run: Run, sites: Sequence[Site], loss: Program, knowledge: Knowledge) -> Knowledge:
    """What is known of a loss, and the same in each layout to which only the candidate brings a value of the loss.

    The variables in another layout are numbered after all others.
    """
    quantities, everything = list(knowledge.quantities), Known(knowledge.quantities)
    cotangents, slopes, values = dict(knowledge.cotangents), dict(knowledge.slopes), dict(knowledge.values)
    laid_out, number = dict(knowledge.laid_out), next_number(loss, knowledge)
    for shape, order in _layouts(run, sites, knowledge, everything):
        alike = [v for v, of in knowledge.cotangents.items() if core(of.values[0].shape) == core(shape)]
        numbers = {variable: number + k for k, variable in enumerate(alike)}
        number += len(numbers)
        laid_out |= {new: old for old, new in numbers.items()}
        stand = {numbers[v]: _moved(q, order, numbers) for v, q in knowledge.values.items() if v in numbers}
        come = {numbers[v]: _moved(knowledge.cotangents[v], order, numbers) for v in alike}
        lead = {
            (numbers[out], numbers[by]): _moved(slope, order, numbers)
            for (out, by), slope in knowledge.slopes.items()
            if out in numbers and by in numbers
        }
        values, cotangents, slopes = values | stand, cotangents | come, slopes | lead
        new = (*stand.values(), *come.values(), *lead.values())
        quantities += [quantity for quantity in new if everything.find(quantity.values) is None]
    return replace(
        knowledge,
        quantities=tuple(quantities),
        cotangents=cotangents,
        slopes=slopes,
        values=values,
        laid_out=laid_out,
    )


def _layouts(
    run: Run, sites: Sequence[Site], knowledge: Knowledge, everything: Known
) -> Iterator[tuple[tuple[int, ...], np.ndarray]]:
    """The shape of a value of the loss, and which of its numbers stands where in a layout that it is brought to."""
    seen, at_hand = set[tuple[tuple[int, ...], ...]](), with_cotangents(knowledge)
    for out in (out for site in sites if not site.leaf for i in site.instances[:1] for out in results(run.program, i)):
        values = run.at(out)
        if values[0].dtype.kind != "f" or values[0].size < 2 or everything.find(values) is not None:
            continue
        chain = _moves_to(run.program, out, lambda v: at_hand.find(run.at(v)) is not None)
        if chain is not None:
            shape = run.program.shapes[chain[0]].shape
            order = np.asarray(made(chain, np.arange(values[0].size, dtype=float).reshape(shape))).astype(int)
            key = core(shape), core(order.shape), tuple(order.ravel())
            if key not in seen:
                seen.add(key)
                yield shape, order


def _moves_to(program: Program, out: int, is_known: Callable[[int], bool]) -> Chain | None:
    """The nearest known value of which a result is another layout, and the equations that bring it there."""
    start, equations = out, list[Equation]()
    while start in program.makers and _is_a_layout(program, program.equations[program.makers[start]]):
        equations.insert(0, program.equations[program.makers[start]])
        [start] = (atom for atom in equations[0].inputs if isinstance(atom, int))
        if is_known(start):
            return start, tuple(equations), out
    return None


def _is_a_layout(program: Program, equation: Equation) -> bool:
    """Whether an equation only lays its numbers out: axes that are merged or split, and none of other sizes instead."""
    atoms = (*equation.inputs, *equation.outputs)
    if equation.name not in _MOVES or not all(isinstance(atom, int) for atom in atoms):
        return False
    one, other = ({*accumulate(program.shapes[v].shape, mul)} for v in atoms if isinstance(v, int))
    return equation.name != "reshape" or one <= other or other <= one


def _moved(quantity: Quantity, order: np.ndarray, numbers: dict[int, int]) -> Quantity:
    """What is known of variables, in another layout, in which they have other numbers."""
    variable, by = (None if v is None else numbers[v] for v in (quantity.variable, quantity.by))
    move = lambda values: tuple(value.ravel()[order] for value in values)
    terms = tuple(map(move, quantity.terms))
    return replace(quantity, values=move(quantity.values), terms=terms, variable=variable, by=by)
