"""What the values of a function say of its rule, where the function's own derivative cannot be had or trusted.

Many a rule is written for the very points at which automatic differentiation of its function fails: it gives NaN there,
or the slope of one branch of a `max` or a `where` though the function is smooth, or nothing at all.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import jax
import numpy as np

from .._measured import by_values
from .._numeric._gradient import Numeric, numeric_gradient
from .._numeric._opinion import LeafOpinion, opinion, REAL, RESOLUTION
from .._program._call import Same
from .._report._gradient_report import GradientReport, LeafCheck
from .._verdict._accuracy import compared, FORMULA, norm, relative
from .._verdict._evidence import Evidence, Subject, VALUE, View
from .._verdict._points import NEAR
from ._words import contradicted, decided_by_values, only_by_values


def settled(subject: Subject, params: Any, report: GradientReport) -> GradientReport:
    """The report, with the leaves decided at whose very point the derivative of the function itself says nothing.

    There it is not finite, or zero all around, or differs from the rule's here and nowhere nearby. Slopes measured from
    the values tell which of the two is right, if they can.
    """
    if report.verdict == "right" or report.precision != "float64":
        return report
    view = View(subject, params, wide=True)
    here, near = view.at(), [at for at in map(view.at, NEAR) if at.is_true_finite]
    asked = [leaf.path for leaf in report.leaves if _is_doubtful(leaf, here, near)]
    if not asked:
        return report
    numeric = numeric_gradient(subject.loss, params, *subject.args)
    seen = {path: _opinions(path, numeric, here) for path in asked}
    decided = {path: both[0] for path, both in seen.items() if "undecided" not in (both[0].verdict, both[1].verdict)}
    return _with_decided(report, decided, {path for path in decided if seen[path][1].verdict == "wrong"})


def _is_doubtful(leaf: LeafCheck, here: Evidence, near: list[Evidence]) -> bool:
    """Whether a leaf that is not right may be so for the point's sake."""
    if leaf.path == VALUE or leaf.verdict == "right" or leaf.error <= FORMULA:
        return False
    if not np.isfinite(here.expected[leaf.path]).all():
        return True
    is_flat = not any(at.expected[leaf.path].any() for at in (here, *near))
    return here.is_comparable(leaf.path) and (is_flat or (bool(near) and all(_is_right(leaf.path, at) for at in near)))


def _is_right(path: str, at: Evidence) -> bool:
    return at.is_comparable(path) and compared(at.actual[path], at.expected[path]).verdict == "right"


def _opinions(path: str, numeric: Numeric, here: Evidence) -> tuple[LeafOpinion, LeafOpinion]:
    """What the values say of a leaf of the rule, and of that of automatic differentiation."""
    ours, autodiff = opinion(numeric, here.actual).leaves[path], opinion(numeric, here.expected).leaves[path]
    slopes = numeric.leaves[path].slopes
    is_vanishing = ours.verdict == "undecided" and autodiff.verdict == "wrong"
    if is_vanishing and here.is_comparable(path) and np.isin(slopes.states, ("ok", "constant")).all():
        # A slope of zero has no digits to compare; but it may be next to the rule, and far from the other.
        along = numeric.leaves[path].along
        off, far = (along(leaf[path]) - slopes.values for leaf in (here.actual, here.expected))
        nearness = relative(norm(np.abs(off) + np.where(slopes.states == "ok", slopes.bars, 0)), norm(far))
        if nearness <= RESOLUTION:
            ours = LeafOpinion("right", norm(off), nearness)
    return ours, autodiff


def _with_decided(report: GradientReport, decided: dict[str, LeafOpinion], misled: set[str]) -> GradientReport:
    """The report with the leaves that the values decide; `misled` are those in which automatic differentiation errs."""
    if not decided:
        return report
    leaves = [_decided(leaf, decided[leaf.path]) if leaf.path in decided else leaf for leaf in report.leaves]
    if not any(_is_open(leaf) for leaf in leaves):
        leaves = [replace(leaf, verdict="right") if leaf.verdict == "undecided" else leaf for leaf in leaves]
    wrong = {leaf.path for leaf in leaves if leaf.verdict == "wrong"}
    contradictions = tuple(path for path in decided if path in wrong)
    told = [finding for finding in report.findings if wrong & (set(finding.leaves) - set(decided))]
    new = [contradicted(contradictions)] if contradictions else []
    rescued = tuple(path for path in decided if path in misled - wrong)
    is_open = any(map(_is_open, leaves))
    return replace(
        report,
        verdict="wrong" if wrong else "undecided" if is_open else "right",
        leaves=tuple(leaves),
        findings=(*new, *told, *([decided_by_values(rescued)] if rescued else [])),
        reasons=report.reasons if is_open and not wrong else (),
    )


def _decided(leaf: LeafCheck, seen: LeafOpinion) -> LeafCheck:
    allowed = REAL if seen.verdict == "wrong" else seen.resolution
    return replace(leaf, verdict=seen.verdict, error=seen.error, allowed=allowed, difference=None)


def _is_open(leaf: LeafCheck) -> bool:
    """Whether a leaf is undecided, and not for another's sake."""
    return leaf.verdict == "undecided" and not leaf.error <= FORMULA


def values_report(subject: Subject, params: Any, refusal: BaseException) -> GradientReport:
    """The report on a rule whose function JAX cannot differentiate without it, because of `refusal`."""
    report = by_values(subject, params, numeric_gradient(subject.loss, params, *subject.args))
    findings = [contradicted(f.leaves) if f.cause == "values-differ" else f for f in report.findings]
    return replace(report, findings=(*findings, only_by_values(refusal)))


def undifferentiated(loss: Callable[..., Any]) -> Callable[..., Any]:
    """The loss with a derivative of zeros, for questions that are not about the truth."""
    return _undifferentiated(Same(loss))


@lru_cache(maxsize=256)
def _undifferentiated(loss: Same) -> Callable[..., Any]:
    return lambda params, *args: loss.value(jax.lax.stop_gradient(params), *args)
