"""Which mistakes, if all of a gradient has a wrong factor beside them: those of the gradient of a multiple of the loss.

A gradient that sums over the batch is that of the loss times the number of examples. With a penalty in the loss no line
gives that factor to all leaves, and it would be told leaf by leaf, and in each term.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import wraps
from typing import Any

from .._line._matching import snapped
from .._line._quantities import Run
from .._line._relate import multiple
from .._program._call import split
from .._program._trace import Program, program_of
from .._report._gradient_report import Finding
from ._patient import Patient


def of_a_multiple(
    patient: Patient,
    program: Program,
    paths: Sequence[str],
    found: list[Finding],
    again: Callable[[Patient, list[str], Program], list[Finding]],
) -> list[Finding]:
    """What was `found`, or what `again` finds of the same gradient as that of a multiple of the loss, if that is less:
    with what was found for the leaves that are that multiple.
    """
    factor, scaled = _factor(patient, program, paths)
    of_the_factor = [f for f in found if f.cause.startswith("scale-") and set(f.leaves) <= scaled]
    if factor is None or not of_the_factor or len(found) < _MANY:
        return found

    @wraps(patient.loss)
    def loss(*args: Any) -> Any:
        return factor * patient.loss(*args)

    truth = [{path: factor * leaf for path, leaf in leaves.items()} for leaves in patient.truth]
    rest = [path for path in patient.truth[0] if path not in scaled]
    of_loss = program_of(loss, patient.points[0], *patient.args)
    others = again(replace(patient, loss=loss, truth=truth), rest, of_loss)
    is_vague = any(finding.cause == "unknown" or finding.line is None for finding in others)
    if is_vague or len(others) + len(of_the_factor) >= len(found):
        return found
    # Neither alone makes those leaves right that have both.
    of_the_factor[0] = replace(of_the_factor[0], leaves=(*of_the_factor[0].leaves, *rest))
    return [replace(finding, evidence=None) for finding in (*others, *of_the_factor)]


_MANY = 3
"""Of fewer mistakes none is told in parts."""


def _factor(patient: Patient, program: Program, paths: Sequence[str]) -> tuple[float | None, set[str]]:
    """The factor of all leaves that are right but for one, weights among them, and those leaves."""
    run = Run(program, [split((params, *patient.args))[0] for params in patient.points])
    factors = {}
    for path, out in zip(paths, program.outputs, strict=True):
        if path in patient.truth[0] and isinstance(out, int):
            truth = tuple(leaves[path] for leaves in patient.truth)
            factor = multiple(run.at(out), truth) if run.at(out)[0].shape == truth[0].shape else None
            factors[path] = None if factor is None else snapped(factor)
    known = set(factors.values()) - {None}
    scaled = {path for path, factor in factors.items() if factor is not None}
    # A bias may be summed, or averaged, on its own.
    is_of_weights = any(min(patient.truth[0][path].shape, default=1) > 1 for path in scaled)
    is_one = len(known) == 1 and 1.0 not in known and is_of_weights and 1 < len(scaled) < len(factors)
    return (known.pop(), scaled) if is_one else (None, set())
