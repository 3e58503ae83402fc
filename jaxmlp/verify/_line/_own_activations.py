"""What a candidate computes on its own way to a cotangent of the loss: `a = sigmoid(z)`, where the loss has no `a`.

Losses take logits and candidates probabilities: of `a` the loss has no cotangent, but that of `z` by the slope of `a`.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .._program._sites import results, Site
from .._program._trace import Equation, Literal, Program, traced
from ._known import ELEMENTWISE, Knowledge, Quantity, Run
from ._matching import Known


_Chain = tuple[int, tuple[Equation, ...], int]
"""A variable, the equations that make another of it element by element, and this one."""


def with_own_activations(run: Run, sites: Sequence[Site], knowledge: Knowledge) -> Knowledge:
    """What is known of a loss, and the slopes and cotangents of the activations that only the candidate has.

    For `a = f(z)`, where the loss has `z` and not `a`: the slope `f'(z)`, and the cotangent of `a`, which is that of
    `z` divided by it. The variables of such activations are numbered after all those of the loss.
    """
    program, everything = run.program, Known(knowledge.quantities)
    logits = Known(value for variable, value in knowledge.values.items() if variable in knowledge.cotangents)
    chains: list[tuple[Quantity, _Chain]] = []
    for site in sites:
        for equations in site.instances if len(site.instances) == 1 and site.leaf is None else ():
            for out in results(program, equations):
                chain = _chain(program, equations, out, lambda v: logits.find(run.at(v)) is not None)
                if chain and logits.find(run.at(out)) is None:
                    z = logits.find(run.at(chain[0]))
                    chains += [(z, chain)] if z is not None and z.values[0].shape == run.at(out)[0].shape else []
    if not chains:
        return knowledge
    number = max(knowledge.values) + 1
    quantities, cotangents, slopes = list(knowledge.quantities), dict(knowledge.cotangents), dict(knowledge.slopes)
    for (z, _), values in zip(chains, _slopes(run, [chain for _, chain in chains]), strict=True):
        assert z.variable is not None
        if not all(np.isfinite(v).all() and v.all() and np.ptp(v) > 0 for v in values):
            continue
        slope = Quantity("slope", values, number, z.variable)
        upstream = tuple(g / s for g, s in zip(knowledge.cotangents[z.variable].values, values, strict=True))
        slopes[number, z.variable], cotangents[number] = slope, Quantity("cotangent", upstream, number)
        quantities += [q for q in (cotangents[number], slope) if everything.find(q.values) is None]
        number += 1
    return replace(knowledge, quantities=tuple(quantities), cotangents=cotangents, slopes=slopes)


def _chain(program: Program, equations: Sequence[int], out: int, is_known: Any) -> _Chain | None:
    """How a statement makes a result from one known value, element by element; None if it does not."""
    inside, starts, needed, pending = set(equations), set[int](), set[int](), [out]
    shape = program.shapes[out].shape
    while pending:
        variable = pending.pop()
        maker = program.makers.get(variable)
        name = program.equations[maker].name if maker in inside else None
        # `1 / (1 + exp(-z))` is an activation of `z`, and not of `-z`.
        if name != "neg" and variable != out and program.shapes[variable].shape == shape and is_known(variable):
            starts.add(variable)
        elif name in ELEMENTWISE:
            assert maker is not None
            needed.add(maker)
            pending += [atom for atom in program.equations[maker].inputs if isinstance(atom, int)]
        else:
            return None
    return (starts.pop(), tuple(program.equations[i] for i in sorted(needed)), out) if len(starts) == 1 else None


def _slopes(run: Run, chains: Sequence[_Chain]) -> list[tuple[np.ndarray, ...]]:
    """The slope of what each chain makes, at each point."""

    def slopes(starts: list[Any]) -> list[Any]:
        each = zip(chains, starts, strict=True)
        return [jax.jvp(lambda z, c=chain: _made(c, z), (z,), (jnp.ones_like(z),))[1] for chain, z in each]

    points = [[run.at(start)[k] for start, _, _ in chains] for k in range(len(run.values))]
    found = Run(traced(slopes, points[0]), points)
    return [found.at(out) for out in found.program.outputs]


def _made(chain: _Chain, z: Any) -> Any:
    start, equations, out = chain
    values = {start: z}
    for equation in equations:
        read = [atom.value if isinstance(atom, Literal) else values[atom] for atom in equation.inputs]
        values.update(zip(equation.outputs, equation.bind(*read), strict=True))
    return values[out]
