"""Is a true derivative of zero one? What goes through integers or bits is not differentiated, though it varies."""

from dataclasses import replace
from typing import Any

import jax

from .._program._tree import named_leaves, widened
from .._report._gradient_report import GradientReport
from .._verdict._evidence import Subject, VALUE
from .._verdict._points import moved, Step
from ._words import not_differentiated


MOVE = 1e-6
"""By which fraction of itself a leaf is moved: less than what a function that is flat in steps rounds to."""


def without_false_zeros(
    subject: Subject, params: Any, report: GradientReport, flat: dict[str, tuple[Step, ...]]
) -> GradientReport:
    """The report, undecided if the function varies with leaves by which its own derivative is zero.

    Args:
      flat: the wrong leaves whose true gradient is zero at the point, or near by, and the steps that lead there.
    """
    varying = tuple(path for path, steps in flat.items() if _varies(subject, params, path, steps))
    if not varying:
        return report
    leaves = tuple(replace(leaf, verdict="undecided") if leaf.path != VALUE else leaf for leaf in report.leaves)
    reasons = (not_differentiated(varying),)
    return replace(report, verdict="undecided", leaves=leaves, findings=(), reasons=reasons)


def _varies(subject: Subject, params: Any, path: str, steps: tuple[Step, ...]) -> bool:
    with jax.enable_x64(True):
        params, args = widened((params, subject.args))
        for step in steps:
            params = step(params)
        leaves, elsewhere = named_leaves(params), named_leaves(moved(params, by=MOVE, draw=0))
        structure = jax.tree.structure(params)
        other = jax.tree.unflatten(structure, list((leaves | {path: elsewhere[path]}).values()))
        return bool(subject.loss(params, *args) != subject.loss(other, *args))
