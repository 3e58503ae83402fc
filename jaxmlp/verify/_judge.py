"""The verdict: is the formula right, and are the numbers good, put together in a report."""

from collections.abc import Mapping, Sequence
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
from ._report._planted import Power
from ._report._words import only_in
from ._verdict._accuracy import Comparison, FORMULA
from ._verdict._evidence import AnyView, Subject, VALUE, View
from ._verdict._formula import Formula
from ._verdict._numbers import Numbers
from ._verdict._points import Step
from ._verdict._streamed import streamed


def judged(subject: Subject, params: Any, *, is_further: bool = False) -> GradientReport:
    """The report on `subject` at `params`.

    That on a further question about a gradient, which was called a second time already, is without findings, and only
    what is wrong is called again.
    """
    dtypes = _dtypes(params)
    own_view = streamed(subject, params) or View(subject, params, wide=False)
    first = own_view.first and own_view.first.actual
    again = partial(gradient_repeated, subject, params, first, traceable=own_view.is_traceable)
    repeated = Repeated() if is_further else again()
    if repeated.reasons:
        return undecided(subject, params, repeated)
    view, here, own, refusal = own_view.widest()

    formula = Formula(view, here)
    seen = {path: formula.judged(path) for path in here.paths}
    comparisons = {path: comparison for path, (comparison, _) in seen.items()}
    shown = {path: at.shown(path) for path, (comparison, at) in seen.items() if comparison.verdict == "wrong"}
    wrong = [WrongLeaf(path, leaf.actual, leaf.expected, leaf.shapes) for path, leaf in shown.items()]
    if wrong and (doubt := repeated_often(subject, params, first, own.value, traceable=own_view.is_traceable)).reasons:
        return undecided(subject, params, doubt)
    right = {path: dtypes[path] for path, comparison in comparisons.items() if comparison.verdict == "right"}
    numbers = Numbers(own, here, right)

    extra = here.extra
    is_wrong = bool(wrong or extra or numbers.useless)
    reasons = formula.reasons(comparisons) + ((only_in(dtypes, refusal),) if refusal else ())
    leaves = []
    for path, (comparison, _) in seen.items():
        final = _final(comparison, useless=path in numbers.useless, doubted=bool(reasons))
        shape, dtype = here.shape(path), dtypes[path].name
        where = shown[path].difference if path in shown else None
        ulps = numbers.ulps(path)
        leaves.append(LeafCheck(path, final.verdict, final.error, final.allowed, shape, dtype, *ulps, where))
    return GradientReport(
        subject=subject.name,
        verdict="wrong" if is_wrong else "undecided" if reasons else "right",
        leaves=tuple(leaves),
        findings=()
        if is_further
        else found(subject, view, formula.here, formula.beside(comparisons), wrong, extra)
        + (numbers.mistakes() if is_wrong else numbers.warnings())
        + repeated.findings,
        reasons=() if is_wrong else reasons,
        precision="/".join(sorted({dtype.name for dtype in dtypes.values()})) if refusal else "float64",
        points=1 + len(formula.near),
        _power=partial(_powered, subject, view, tuple(formula.near), {leaf.path: leaf.allowed for leaf in leaves}),
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


def _powered(subject: Subject, view: AnyView, near: Sequence[Step], allowed: Mapping[str, float]) -> Power:
    return powered(subject, view.whole, near, allowed)


def _dtypes(params: Any) -> dict[str, Any]:
    """The dtype of every leaf as JAX computes with it; the value of the loss has the finest of them."""
    dtypes = {path: jax.dtypes.canonicalize_dtype(jnp.result_type(leaf)) for path, leaf in named_leaves(params).items()}
    return {VALUE: min(dtypes.values(), key=lambda dtype: float(jnp.finfo(dtype).eps))} | dtypes
