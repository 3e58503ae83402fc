"""What a candidate has on its way through a function that mixes numbers, as a softmax before a logarithm does.

Many cotangents of `p = softmax(z)` lead to that of `z`: which of them the candidate has, such as `-y / p`, is seen by
pulling what it computes back to `z`.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from .._program._sites import results, Site
from .._program._trace import Equation, Program, traced
from ._elementwise import ELEMENTWISE
from ._matching import Known, snapped
from ._own_activations import Chain, chain_to, made, next_number, with_cotangents
from ._quantities import Knowledge, Quantity, Run
from ._relate import multiple


_MOST = 16
"""How many numbers a value has at most whose Jacobian is made."""

_LONG = 1000
"""Of how many equations a program is not looked through: it would take longer than all else."""


def with_own_jacobians(run: Run, sites: Sequence[Site], loss: Program, knowledge: Knowledge) -> Knowledge:
    """What is known of a loss, and what the candidate has of functions `p = f(z)` that mix the numbers of `z`.

    That is a cotangent of `p` which leads to that of `z`, as it stands or times a number; and, where `z` is a vector,
    the matrix of the derivatives `dp_i / dz_j`.
    """
    program, logits, everything = run.program, with_cotangents(knowledge), Known(knowledge.quantities)
    alone = [site.instances[0] for site in sites if len(site.instances) == 1 and not site.leaf]
    given = [out for equations in alone for out in results(program, equations)]
    chains = _functions(run, given, logits) if len(program.equations) < _LONG else []
    quantities, number = list(knowledge.quantities), next_number(loss, knowledge)
    for chain in chains:
        z = logits.find(run.at(chain[0]))
        assert z is not None and z.variable is not None
        shape = run.at(chain[2])[0].shape
        others = [v for v in given if v > chain[2] and run.at(v)[0].shape == shape and run.at(v)[0].dtype.kind == "f"]
        try:
            pulled, jacobian = _pulled(run, chain, others)
        except Exception:  # what JAX does not differentiate, such as a callback, fails in its own way
            continue
        for variable, values in zip(others, pulled, strict=True):
            scale = multiple(values, knowledge.cotangents[z.variable].values)
            if scale and everything.scale(run.at(variable)) is None:
                upstream = tuple(v / snapped(scale) for v in run.at(variable))
                quantities.append(Quantity("cotangent", upstream, number))
                number += 1
        if jacobian:
            quantities.append(Quantity("slope", jacobian, number, z.variable))
            number += 1
    return replace(knowledge, quantities=tuple(quantities))


def _functions(run: Run, given: Sequence[int], logits: Known) -> list[Chain]:
    """How results come from one value of the loss that comes from no other, if not element by element; none of those on
    the way to others, as `exp(z)` is to `exp(z) / sum(exp(z))`.
    """
    program, found = run.program, dict[int, Chain]()
    leads = lambda index: not program.equations[index].holds_programs and program.equations[index].primitive is not None
    first = {variable for variable in program.inputs if logits.find(run.at(variable)) is not None}
    is_first = first.__contains__
    for equation in program.equations:  # in the order of execution: what comes before is known by then
        for out in filter(lambda out: _is_an_array(run, out), equation.outputs):
            if logits.find(run.at(out)) is not None and chain_to(program, out, is_first, leads) is None:
                first.add(out)
    for out in given:
        chain = chain_to(program, out, is_first, leads) if _is_an_array(run, out) else None
        if chain is not None and not _is_elementwise(chain[1]):
            found[out] = chain
    between = (
        (out, [e for e in other[1] if e not in chain[1]]) for out, chain in found.items() for other in found.values()
    )
    on_the_way = {out for out, rest in between if not _is_elementwise(rest) and any(out in e.inputs for e in rest)}
    return [chain for out, chain in found.items() if out not in on_the_way]


def _is_an_array(run: Run, variable: int) -> bool:
    values = run.at(variable)[0]
    return values.dtype.kind == "f" and values.size > 1


def _is_elementwise(equations: Sequence[Equation]) -> bool:
    return all(equation.name in ELEMENTWISE for equation in equations)


def _pulled(run: Run, chain: Chain, others: Sequence[int]) -> tuple[list[Any], tuple[np.ndarray, ...] | None]:
    """What each of `others`, taken for a cotangent of what a chain makes, gives as one of what it starts from; and the
    Jacobian, of a vector.
    """
    has_jacobian = 1 < run.at(chain[0])[0].shape[0] <= _MOST if run.at(chain[0])[0].ndim == 1 else False

    def pulled(z: Any, each: list[Any]) -> list[Any]:
        back = jax.vjp(lambda z: made(chain, z), z)[1]
        return [back(v)[0] for v in each] + ([jax.jacrev(lambda z: made(chain, z))(z)] if has_jacobian else [])

    points = [[run.at(chain[0])[k], *(run.at(v)[k] for v in others)] for k in range(len(run.values))]
    program = traced(lambda arrays: pulled(arrays[0], list(arrays[1:])), points[0])
    found = Run(program, points)
    values = [found.at(out) for out in program.outputs]
    return values[: len(others)], values[-1] if has_jacobian else None
