"""The correction of a sum that is a leaf, of which both terms have a wrong factor."""

from collections.abc import Iterator, Sequence

import numpy as np

from .._program._trace import Atom, Literal
from ._bench import Bench, Evaluate, Patch, Read, RIGHT
from ._edits import Edit
from ._matching import is_simple, scale_cost, snapped
from ._offers import Instances


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
    """The numbers with which the terms add up to a leaf, by least squares over all points."""
    truth = [leaves[path] for leaves in bench.truth]
    each = [bench.run.at(term) for term in terms]
    if truth[0].size * len(truth) < 4 or any(values[0].shape != truth[0].shape for values in each):
        return None
    columns = np.stack([np.concatenate([value.ravel() for value in values]) for values in (each[0], each[1])], axis=1)
    columns, wanted = columns * [1.0, sign], np.concatenate([leaf.ravel() for leaf in truth])
    if not np.isfinite(columns).all():
        return None
    solution, _, rank, _ = np.linalg.lstsq(columns, wanted, rcond=None)
    is_right = rank == 2 and np.linalg.norm(columns @ solution - wanted) <= RIGHT * np.linalg.norm(wanted)
    return tuple(map(snapped, solution.tolist())) if is_right else None


def _times(factors: Sequence[float]) -> Patch:
    def patch(inputs: list[np.ndarray], evaluate: Evaluate, read: Read, point: int) -> list[np.ndarray]:
        return evaluate([factor * value for factor, value in zip(factors, inputs, strict=True)])

    return patch
