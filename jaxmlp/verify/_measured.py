"""The report of a check that asks the values of the loss too, which take no derivative on trust."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ._judge import judged, undecided
from ._mistake._leaf import explained, WrongLeaf
from ._numeric._gradient import LeafSlopes, Numeric, numeric_gradient
from ._numeric._opinion import evaluated, LeafOpinion, opinion, REAL
from ._numeric._words import autodiff_differs, unmeasured, values_differ
from ._program._call import is_traceable
from ._program._interpret import interpreted
from ._program._tree import in_float64, named_leaves, on_host
from ._repeated import gradient_repeated
from ._report._gradient_report import Finding, GradientReport, LeafCheck
from ._verdict._accuracy import compared, FORMULA, norm, VANISHED
from ._verdict._evidence import Subject, VALUE
from ._verdict._reference import truth, value_and_grad


# The steps go far, and what over- or underflows on the way is seen in the values.
@np.errstate(all="ignore")
def measured(subject: Subject, params: Any) -> GradientReport:
    """The report on `subject` at `params`, by the derivative of its loss where that is what the values say it is."""
    numeric = numeric_gradient(subject.loss, params, *subject.args)
    if not _is_differentiable(subject, params):
        traceable = is_traceable(subject.grads, params, *subject.args)
        repeated = gradient_repeated(subject, params, None, traceable=traceable)
        if repeated.reasons:
            return undecided(subject, params, repeated)
        return by_values(subject, params, numeric)
    report = judged(subject, params)
    _, autodiff = evaluated(value_and_grad(subject.loss), params, subject.args)
    derived = {path: seen for path, seen in opinion(numeric, autodiff).leaves.items() if seen.verdict != "right"}
    lies = tuple(path for path, seen in derived.items() if seen.verdict == "wrong")
    if lies:
        return _against_autodiff(report, by_values(subject, params, numeric), lies)
    sizes = {path: norm(seen.slopes.values[seen.slopes.states == "ok"]) for path, seen in numeric.leaves.items()}
    whole = norm(np.array(list(sizes.values())))
    at = {path: on_host(leaf).astype(np.float64) for path, leaf in named_leaves(autodiff).items()}
    doubts = {path: seen for path, seen in derived.items() if not _is_zero(at[path], numeric.leaves[path], whole)}
    return _with_doubts(report, doubts)


def _is_zero(derived: np.ndarray, seen: LeafSlopes, whole: float) -> bool:
    """Whether a leaf is zero to automatic differentiation and to the values, so that no digit of it is in doubt."""
    slopes = seen.slopes
    if not np.isin(slopes.states, ("ok", "constant")).all():
        return False
    if (slopes.states == "constant").all() and not derived.any():
        return True
    return norm(np.abs(seen.along(derived)) + np.abs(slopes.values) + slopes.bars) <= VANISHED * whole


def _is_differentiable(subject: Subject, params: Any) -> bool:
    """Whether JAX can differentiate the loss, which itself can be called."""
    try:
        truth(subject.loss, params, subject.args, evaluate=interpreted)
    except Exception:
        return False
    return True


def by_values(subject: Subject, params: Any, numeric: Numeric) -> GradientReport:
    """The report by the values of the loss alone."""
    tree = evaluated(subject.gradient, params, subject.args)
    given = {path: in_float64(on_host(leaf)) for path, leaf in named_leaves(tree).items()}
    opinions = opinion(numeric, tree).leaves
    extra = tuple(path for path in given if path not in opinions)
    dtypes = {path: jax.dtypes.canonicalize_dtype(jnp.result_type(leaf)) for path, leaf in named_leaves(params).items()}
    leaves = [_value_leaf(subject, params, numeric)] if subject.has_value else []
    for path, seen in opinions.items():
        allowed = REAL if seen.verdict == "wrong" else seen.resolution
        shape, dtype = numeric.leaves[path].shape, dtypes[path].name
        leaves.append(LeafCheck(path, seen.verdict, seen.error, allowed, shape, dtype))

    wrong = [_wrong(path, given.get(path), numeric.leaves[path]) for path in opinions if _is("wrong", opinions[path])]
    if subject.has_value and leaves[0].verdict == "wrong":
        wrong.insert(0, WrongLeaf(VALUE, None, np.zeros(())))
    is_wrong = bool(wrong or extra)
    reasons = unmeasured({path: seen for path, seen in opinions.items() if _is("undecided", seen)})
    findings = [
        values_differ(path, opinions[path].where) if finding.cause == "unknown" else finding
        for finding in explained(wrong, extra, subject.args)
        for path in (finding.leaves if finding.cause == "unknown" else finding.leaves[:1])
    ]
    return GradientReport(
        subject=subject.name,
        verdict="wrong" if is_wrong else "undecided" if reasons else "right",
        leaves=tuple(leaves),
        findings=tuple(findings),
        reasons=() if is_wrong else reasons,
        precision=numeric.precision,
    )


def _wrong(path: str, actual: np.ndarray | None, seen: LeafSlopes) -> WrongLeaf:
    """A leaf along the lines that were measured; or as it is, where its shape or dtype is what is wrong."""
    values = seen.slopes.values
    if actual is None or actual.dtype.kind != "f" or actual.shape != seen.shape:
        return WrongLeaf(path, actual, values.reshape(seen.shape) if seen.directions is None else np.zeros(seen.shape))
    is_ok = seen.slopes.states == "ok"
    return WrongLeaf(path, seen.along(actual)[is_ok], values[is_ok])


def _value_leaf(subject: Subject, params: Any, numeric: Numeric) -> LeafCheck:
    """The value that comes with the gradient, beside that of the loss."""
    value = on_host(evaluated(lambda *args: subject.grads(*args)[0], params, subject.args))
    if value.shape != ():
        return LeafCheck(VALUE, "wrong", float("inf"), FORMULA, (), numeric.precision)
    allowed = max(FORMULA, 1e3 * float(jnp.finfo(numeric.precision).eps))
    error = compared(value.astype(np.float64), np.asarray(numeric.value)).error
    return LeafCheck(VALUE, "right" if error <= allowed else "wrong", error, allowed, (), numeric.precision)


def _against_autodiff(report: GradientReport, by_values: GradientReport, lies: tuple[str, ...]) -> GradientReport:
    """The report where automatic differentiation of the loss and its values disagree in the leaves `lies`."""
    decided = {leaf.path: leaf for leaf in report.leaves if leaf.verdict != "undecided" and leaf.path not in lies}
    leaves = tuple(decided.get(leaf.path, leaf) for leaf in by_values.leaves)
    is_wrong = by_values.verdict == "wrong" or any(leaf.verdict == "wrong" for leaf in leaves)
    kept = [finding for finding in report.findings if set(finding.leaves) <= set(decided) or finding.cause == "shape"]
    told = {path for finding in kept for path in finding.leaves}
    rest = [finding for finding in by_values.findings if not set(finding.leaves) <= told]
    verdict = "wrong" if is_wrong else "right" if all(leaf.ok for leaf in leaves) else "undecided"
    findings: tuple[Finding, ...] = (autodiff_differs(lies), *kept, *rest)
    return replace(
        by_values,
        verdict=verdict,
        leaves=leaves,
        findings=findings,
        reasons=by_values.reasons if verdict == "undecided" else (),
    )


def _with_doubts(report: GradientReport, doubts: dict[str, LeafOpinion]) -> GradientReport:
    """The report, undecided where it calls leaves right whose derivative the values cannot confirm."""
    open_ = {leaf.path for leaf in report.leaves if leaf.verdict != "wrong"} & set(doubts)
    if not open_:
        return report
    leaves = tuple(replace(leaf, verdict="undecided") if leaf.path in open_ else leaf for leaf in report.leaves)
    if report.verdict == "wrong":
        return replace(report, leaves=leaves)
    reasons = unmeasured({path: seen for path, seen in doubts.items() if path in open_})
    return replace(report, verdict="undecided", leaves=leaves, reasons=report.reasons + reasons)


def _is(verdict: str, seen: LeafOpinion) -> bool:
    return seen.verdict == verdict
