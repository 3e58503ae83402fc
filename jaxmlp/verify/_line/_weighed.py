"""The correction of a sum that is a leaf, of which both terms have a wrong factor."""

from collections.abc import Iterator, Sequence

import numpy as np

from .._program._trace import Atom, Literal
from ._bench import Bench, Evaluate, Patch, Read
from ._edits import Edit
from ._matching import is_simple, scale_cost, snapped
from ._offers import Instances
from ._relate import weights


_BOTH = 1.2
"""What it costs beside the factors themselves that both are wrong."""


def weighed(bench: Bench, instances: Instances) -> Iterator[Edit]:
    """Another number in front of each of the two terms, as in `g / n + lam * w` for `g - lam * w`."""
    program = bench.program
    returned = {program.equations[program.makers[leaf]].inputs[0]: path for path, leaf in bench.leaves.items()}
    for index in instances[0] if len(instances) == 1 else ():
        equation = program.equations[index]
        path = returned.get(equation.outputs[0])
        if equation.name not in ("add", "sub") or path is None or any(isinstance(a, Literal) for a in equation.inputs):
            continue
        factors = _factors(bench, equation.inputs, path, -1.0 if equation.name == "sub" else 1.0)
        if factors and not {0.0, 1.0}.intersection(factors) and all(map(is_simple, factors)):
            patch = _times(factors)
            cost = _BOTH + sum(scale_cost(factor, frozenset(), alone=True) for factor in factors)
            facts = {"terms": equation.inputs, "factors": factors}
            yield Edit("weighed", cost, lambda c, i=index, p=patch: {i: p}, facts=facts)


def _factors(bench: Bench, terms: Sequence[Atom], path: str, sign: float) -> tuple[float, ...] | None:
    """The numbers with which the terms add up to a leaf."""
    first, second = map(bench.run.at, terms)
    truth = tuple(leaves[path] for leaves in bench.truth)
    if any(values[0].shape != truth[0].shape for values in (first, second)):
        return None
    found = weights([first, tuple(sign * value for value in second)], truth)
    return None if found is None else tuple(map(snapped, found))


def _times(factors: Sequence[float]) -> Patch:
    def patch(inputs: list[np.ndarray], evaluate: Evaluate, read: Read, point: int) -> list[np.ndarray]:
        return evaluate([factor * value for factor, value in zip(factors, inputs, strict=True)])

    return patch
