"""The verdict: is the formula right, and are the numbers good, put together in a report."""

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from ._findings import found
from ._mistake._leaf import WrongLeaf
from ._power import powered
from ._program._tree import named_leaves
from ._repeated import gradient_repeated, Repeated, repeated_often
from ._report._gradient_report import GradientReport, LeafCheck
from ._report._heat import difference
from ._report._words import only_in
from ._verdict._accuracy import Comparison, FORMULA
from ._verdict._evidence import Evidence, Subject, VALUE, View
from ._verdict._formula import Formula
from ._verdict._numbers import Numbers


def judged(subject: Subject, params: Any) -> GradientReport:
    """The report on `subject` at `params`."""
    dtypes = _dtypes(params)
    own_view = View(subject, params, wide=False)
    own = own_view.at()
    repeated = gradient_repeated(subject, params, own.actual, traceable=own_view.is_traceable)
    if repeated.reasons:
        return undecided(subject, params, repeated)
    view, here, refusal = _widest(subject, params, own_view, own)

    formula = Formula(view, here)
    seen = {path: formula.judged(path) for path in here.expected}
    comparisons = {path: comparison for path, (comparison, _) in seen.items()}
    wrong = [
        WrongLeaf(path, at.actual.get(path), at.expected[path])
        for path, (comparison, at) in seen.items()
        if comparison.verdict == "wrong"
    ]
    extra = tuple(path for path in here.actual if path not in here.expected)
    if wrong and (doubt := repeated_often(subject, params, own, traceable=own_view.is_traceable)).reasons:
        return undecided(subject, params, doubt)
    right = {path: dtypes[path] for path, comparison in comparisons.items() if comparison.verdict == "right"}
    numbers = Numbers(own, here, right)

    is_wrong = bool(wrong or extra or numbers.useless)
    reasons = formula.reasons(comparisons) + ((only_in(dtypes, refusal),) if refusal else ())
    leaves = []
    for path, (comparison, at) in seen.items():
        final = _final(comparison, useless=path in numbers.useless, doubted=bool(reasons))
        shape, dtype = here.expected[path].shape, dtypes[path].name
        where = difference(at.actual.get(path), at.expected[path]) if comparison.verdict == "wrong" else None
        ulps = numbers.ulps(path)
        leaves.append(LeafCheck(path, final.verdict, final.error, final.allowed, shape, dtype, *ulps, where))
    return GradientReport(
        subject=subject.name,
        verdict="wrong" if is_wrong else "undecided" if reasons else "right",
        leaves=tuple(leaves),
        findings=found(subject, view, formula, wrong, extra)
        + (numbers.mistakes() if is_wrong else numbers.warnings())
        + repeated.findings,
        reasons=() if is_wrong else reasons,
        precision="/".join(sorted({dtype.name for dtype in dtypes.values()})) if refusal else "float64",
        points=1 + len(formula.near),
        _power=partial(powered, subject, view, formula, {leaf.path: leaf.allowed for leaf in leaves}),
    )


def undecided(subject: Subject, params: Any, repeated: Repeated) -> GradientReport:
    """The report on what is no function of its arguments."""
    dtypes = _dtypes(params)
    shapes = {VALUE: ()} if subject.has_value else {}
    shapes |= {path: jnp.shape(leaf) for path, leaf in named_leaves(params).items()}
    return GradientReport(
        subject=subject.name,
        verdict="undecided",
        leaves=tuple(
            LeafCheck(path, "undecided", float("nan"), FORMULA, shape, dtypes[path].name)
            for path, shape in shapes.items()
        ),
        findings=repeated.findings,
        reasons=repeated.reasons,
        precision="/".join(sorted({dtype.name for dtype in dtypes.values()})),
    )


def _final(comparison: Comparison, *, useless: bool, doubted: bool) -> Comparison:
    """What a leaf's comparison comes to, where its numbers are of no use or nothing can be called right."""
    if useless:
        return replace(comparison, verdict="wrong", error=float("inf"))
    if doubted and comparison.verdict == "right":
        return replace(comparison, verdict="undecided")
    return comparison


def _widest(subject: Subject, params: Any, own_view: View, own: Evidence) -> tuple[View, Evidence, Exception | None]:
    """The subject in float64; or, where a kernel or a library refuses float64, as the caller has it, and why."""
    try:
        wide = View(subject, params, wide=True)
        return wide, wide.at(), None
    except Exception as error:
        return own_view, own, error


def _dtypes(params: Any) -> dict[str, Any]:
    """The dtype of every leaf as JAX computes with it; the value of the loss has the finest of them."""
    dtypes = {path: jax.dtypes.canonicalize_dtype(jnp.result_type(leaf)) for path, leaf in named_leaves(params).items()}
    return {VALUE: min(dtypes.values(), key=lambda dtype: float(jnp.finfo(dtype).eps))} | dtypes
