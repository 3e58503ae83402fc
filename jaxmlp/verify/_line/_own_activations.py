"""What a candidate computes on its own way to a cotangent of the loss: `a = sigmoid(z)`, where the loss has no `a`.

Losses take logits and candidates probabilities: of `a` the loss has no cotangent, but that of `z` by the slope of `a`.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from .._program._sites import results, Site
from .._program._trace import Equation, Literal, Program, traced
from ._elementwise import ELEMENTWISE
from ._matching import Known
from ._quantities import Knowledge, Quantity, Run
from ._relate import same


Chain: TypeAlias = tuple[int, tuple[Equation, ...], int]
"""A variable, the equations that make another of it and of numbers alone, and this one."""


_LONGEST = 64
"""Of how many equations a chain consists at most."""


def with_own_activations(run: Run, sites: Sequence[Site], loss: Program, knowledge: Knowledge) -> Knowledge:
    """What is known of a loss, and the slopes and cotangents of the activations that only the candidate has.

    For `a = f(z)`, where the loss has `z` and not `a`: the slope `f'(z)`, and the cotangent of `a`, which is that of
    `z` divided by it. The variables of such activations are numbered after all those of the loss.
    """
    program, everything, logits = run.program, Known(knowledge.quantities), with_cotangents(knowledge)
    chains: list[tuple[Quantity, Chain]] = []
    for site in sites:
        for equations in site.instances if len(site.instances) == 1 and site.leaf is None else ():
            for out in results(program, equations):
                inside = {i for i in equations if program.equations[i].name in ELEMENTWISE}
                chain = chain_to(program, out, lambda v: logits.find(run.at(v)) is not None, inside.__contains__)
                if chain and run.at(out)[0].dtype.kind == "f" and logits.find(run.at(out)) is None:
                    z = logits.find(run.at(chain[0]))
                    chains += [(z, chain)] if z is not None and z.values[0].shape == run.at(out)[0].shape else []
    if not chains:
        return knowledge
    number = next_number(loss, knowledge)
    quantities, cotangents, slopes = list(knowledge.quantities), dict(knowledge.cotangents), dict(knowledge.slopes)
    for (z, (_, _, out)), values in zip(chains, _slopes(run, [chain for _, chain in chains]), strict=True):
        assert z.variable is not None
        if not all(np.isfinite(v).all() and v.all() and np.ptp(v) > 0 for v in values):
            continue
        # An exponential is its own slope: what the candidate computes would be known for no other reason.
        if same(values, run.at(out)):
            continue
        slope = Quantity("slope", values, number, z.variable)
        upstream = tuple(g / s for g, s in zip(knowledge.cotangents[z.variable].values, values, strict=True))
        slopes[number, z.variable], cotangents[number] = slope, Quantity("cotangent", upstream, number)
        quantities += [q for q in (cotangents[number], slope) if everything.find(q.values) is None]
        number += 1
    return replace(knowledge, quantities=tuple(quantities), cotangents=cotangents, slopes=slopes)


def next_number(loss: Program, knowledge: Knowledge) -> int:
    """A number for a variable that neither the loss has nor what is known of it."""
    return max((*loss.shapes, *knowledge.cotangents)) + 1


def with_cotangents(knowledge: Knowledge) -> Known:
    """The values of the loss that have a cotangent."""
    return Known(value for variable, value in knowledge.values.items() if variable in knowledge.cotangents)


def chain_to(program: Program, out: int, is_known: Callable[[int], bool], leads: Callable[[int], bool]) -> Chain | None:
    """How a result comes from one known value of its shape, through equations that `leads` is true of; None if it comes
    of anything else as well.
    """
    starts, needed, pending, shape = set[int](), set[int](), [out], program.shapes[out].shape
    while pending:
        variable = pending.pop()
        maker = program.makers.get(variable)
        # `1 / (1 + exp(-z))` is an activation of `z`, and not of `-z`.
        is_start = variable != out and program.shapes[variable].shape == shape and is_known(variable)
        if is_start and (maker is None or program.equations[maker].name != "neg" or not leads(maker)):
            starts.add(variable)
        elif maker is not None and leads(maker) and len(needed) < _LONGEST:
            needed.add(maker)
            pending += [atom for atom in program.equations[maker].inputs if isinstance(atom, int)]
        else:
            return None
    return (starts.pop(), tuple(program.equations[i] for i in sorted(needed)), out) if len(starts) == 1 else None


def _slopes(run: Run, chains: Sequence[Chain]) -> list[tuple[np.ndarray, ...]]:
    """The slope of what each chain makes, at each point."""

    def slopes(starts: list[Any]) -> list[Any]:
        each = zip(chains, starts, strict=True)
        return [jax.jvp(lambda z, c=chain: made(c, z), (z,), (jnp.ones_like(z),))[1] for chain, z in each]

    points = [[run.at(start)[k] for start, _, _ in chains] for k in range(len(run.values))]
    found = Run(traced(slopes, points[0]), points)
    return [found.at(out) for out in found.program.outputs]


def made(chain: Chain, z: Any) -> Any:
    """What a chain makes of a value."""
    start, equations, out = chain
    values = {start: z}
    for equation in equations:
        read = [atom.value if isinstance(atom, Literal) else values[atom] for atom in equation.inputs]
        values.update(zip(equation.outputs, equation.bind(*read), strict=True))
    return values[out]
