"""The verdict: what is seen at several points, put together leaf by leaf."""

from dataclasses import replace
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ._accuracy import compared, Comparison, excused, FORMULA, norm, relative
from ._evidence import Evidence, Subject, VALUE, View
from ._explain import explained, WrongLeaf
from ._points import Move, NEAR, NUDGES, SHAKES
from ._report import Finding, GradientReport, LeafCheck
from ._tree import named_leaves
from ._words import (
    at_a_kink,
    drowned,
    in_a_coarser_dtype,
    no_truth,
    not_finite_in,
    only_in,
    poor_numbers,
    zero_everywhere,
)


def judged(subject: Subject, params: Any) -> GradientReport:
    """The report on `subject` at `params`."""
    own_view = View(subject, params, wide=False)
    own = own_view.at()
    view, here, refusal = _widest(subject, params, own_view, own)
    case = _Case(view, here)
    formula = {path: case.leaf(path) for path in here.expected}
    dtypes = _dtypes(params)
    wrong = [
        WrongLeaf(path, at.actual.get(path), at.expected[path])
        for path, (comparison, at) in formula.items()
        if comparison.verdict == "wrong"
    ]
    extra = tuple(path for path in here.actual if path not in here.expected)
    numbers = _Numbers(own, here, {path: dtypes[path] for path, (c, _) in formula.items() if c.verdict == "right"})
    mistakes = explained(wrong, extra, subject.args) + numbers.mistakes()
    reasons = case.reasons(formula) + ((only_in(dtypes, refusal),) if refusal else ())
    is_wrong = bool(wrong or extra or numbers.useless)

    leaves = []
    for path, (comparison, _) in formula.items():
        if path in numbers.useless:
            comparison = replace(comparison, verdict="wrong", error=float("inf"))
        elif reasons and comparison.verdict == "right":
            comparison = replace(comparison, verdict="undecided")
        shape, dtype = here.expected[path].shape, dtypes[path]
        ulps = (numbers.ulps(path, own.actual), None if dtype == np.float64 else numbers.ulps(path, own.expected))
        leaves.append(
            LeafCheck(path, comparison.verdict, comparison.error, comparison.allowed, shape, dtype.name, *ulps)
        )
    return GradientReport(
        subject=subject.name,
        verdict="wrong" if is_wrong else "undecided" if reasons else "right",
        leaves=tuple(leaves),
        findings=mistakes or numbers.warnings(),
        reasons=() if is_wrong else reasons,
        precision="/".join(sorted({dtype.name for dtype in dtypes.values()})) if refusal else "float64",
        points=1 + len(case.near),
    )


def _widest(subject: Subject, params: Any, own_view: View, own: Evidence) -> tuple[View, Evidence, Exception | None]:
    """The subject in float64; or, where a kernel or a library refuses float64, as the caller has it, and why."""
    try:
        wide = View(subject, params, wide=True)
        return wide, wide.at(), None
    except Exception as error:
        return own_view, own, error


def _dtypes(params: Any) -> dict[str, Any]:
    """The dtype of every leaf as JAX computes with it; the value of the loss has the widest of them."""
    dtypes = {path: jax.dtypes.canonicalize_dtype(jnp.result_type(leaf)) for path, leaf in named_leaves(params).items()}
    return {VALUE: min(dtypes.values(), key=lambda dtype: float(jnp.finfo(dtype).eps))} | dtypes


class _Case:
    """A gradient at the caller's point, and, as far as they are needed, at points near it and barely moved ones."""

    def __init__(self, view: View, here: Evidence) -> None:
        self.view, self.here = view, here
        self._nudged: dict[tuple[Move, ...], list[Evidence]] = {}
        self._shaken: dict[tuple[Move, ...], list[Evidence]] = {}

    @cached_property
    def near(self) -> dict[Move, Evidence]:
        """The points near the caller's at which the truth is finite."""
        seen = {move: self.view.at(move) for move in NEAR}
        return {move: evidence for move, evidence in seen.items() if evidence.is_true_finite}

    @cached_property
    def calm(self) -> Evidence:
        """A point where few activations saturate."""
        return self.view.at(NEAR[0], calm=True)

    def nudged(self, *moves: Move) -> list[Evidence]:
        """The points barely moved from the one that `moves` leads to."""
        if moves not in self._nudged:
            self._nudged[moves] = [self.view.at(*moves, nudge) for nudge in NUDGES]
        return self._nudged[moves]

    def shaken(self, *moves: Move) -> list[Evidence]:
        """The point that `moves` leads to, with every rounding on the way drawn anew."""
        if moves not in self._shaken:
            self._shaken[moves] = [self.view.at(*moves, shake=shake) for shake in SHAKES]
        return self._shaken[moves]

    def leaf(self, path: str) -> tuple[Comparison, Evidence]:
        """A leaf's verdict, and the point that it comes from: the first at which it is wrong, or the caller's."""
        here = self._compared(path, self.here)
        if here.verdict != "wrong":
            for move, evidence in self.near.items():
                near = self._compared(path, evidence, move)
                if near.verdict == "wrong":
                    return near, evidence
        return here, self.here

    def reasons(self, formula: dict[str, tuple[Comparison, Evidence]]) -> tuple[str, ...]:
        """Why the leaves that are not wrong cannot be called right; empty if they can."""
        if not self.here.is_true_finite:
            return (no_truth(self.here.value),)
        undecided = [path for path, (comparison, _) in formula.items() if comparison.verdict == "undecided"]
        kinks = tuple(path for path in undecided if all(_is_right(path, at) for at in self.nudged()))
        drowning = tuple(path for path in undecided if path not in kinks)
        if undecided:
            return ((at_a_kink(kinks),) if kinks else ()) + ((drowned(drowning),) if drowning else ())
        points = (self.here, *self.near.values())
        vanishes = not any(leaf.any() for at in points for path, leaf in at.expected.items() if path != VALUE)
        return (zero_everywhere(),) if vanishes else ()

    def _compared(self, path: str, evidence: Evidence, *moves: Move) -> Comparison:
        if not np.isfinite(evidence.expected[path]).all():
            return Comparison("undecided", float("nan"), FORMULA)
        if not evidence.is_comparable(path):
            return Comparison("wrong", float("inf"), FORMULA)
        comparison = compared(evidence.actual[path], evidence.expected[path])
        if comparison.verdict == "wrong":
            comparison = _excused(path, evidence, self.nudged(*moves))
        # A mistake in the formula shows at a calm point too. One that does not may be rounding that no small move
        # shows: where a sigmoid is 1 to rounding, its slope p (1 - p) is 0 to autodiff, and right in another form.
        if comparison.verdict == "wrong" and _is_right(path, self.calm):
            comparison = _excused(path, evidence, self.shaken(*moves))
        return comparison


def _is_right(path: str, at: Evidence) -> bool:
    return at.is_comparable(path) and compared(at.actual[path], at.expected[path]).verdict == "right"


def _excused(path: str, at: Evidence, again: list[Evidence]) -> Comparison:
    errors = [evidence.error(path) for evidence in again if evidence.is_comparable(path)]
    return excused(at.error(path), errors, size=norm(at.expected[path]), whole=at.size)


class _Numbers:
    """How good the numbers are in the caller's own dtypes, of the leaves whose formula is right."""

    def __init__(self, own: Evidence, here: Evidence, dtypes: dict[str, Any]) -> None:
        self.own, self.here, self.dtypes = own, here, dtypes
        self.coarse = tuple(path for path, dtype in dtypes.items() if _is_coarser(own.dtypes[path], dtype))
        self.lost = tuple(path for path in dtypes if path not in self.coarse and self._is_lost(path))
        self.useless = frozenset((*self.coarse, *self.lost))

    def ulps(self, path: str, leaves: dict[str, np.ndarray]) -> float | None:
        """The error of a leaf in the caller's dtype against the float64 truth, in units of that dtype's epsilon."""
        error = self._error(path, leaves)
        return None if error is None else error / float(jnp.finfo(self.dtypes[path]).eps)

    def mistakes(self) -> tuple[Finding, ...]:
        """Leaves that come in too coarse a dtype, or not finite where the loss and the true gradient are."""
        coarse = tuple(in_a_coarser_dtype(path, self.own.dtypes[path], self.dtypes[path]) for path in self.coarse)
        return coarse + ((not_finite_in(self.dtypes[self.lost[0]], self.lost),) if self.lost else ())

    def warnings(self) -> tuple[Finding, ...]:
        """Leaves with fewer than half of the digits that their dtype holds."""
        poor = {}
        for path, dtype in self.dtypes.items():
            error = self._error(path, self.own.actual)
            if path not in self.useless and error is not None and not error <= np.sqrt(float(jnp.finfo(dtype).eps)):
                poor[path] = (error, self._error(path, self.own.expected))
        return (poor_numbers(poor, self.dtypes),) if poor else ()

    def _error(self, path: str, leaves: dict[str, np.ndarray]) -> float | None:
        expected = self.here.expected[path]
        if path not in self.dtypes or not norm(expected) or leaves[path].shape != expected.shape:
            return None
        return relative(norm(leaves[path] - expected), norm(expected))

    def _is_lost(self, path: str) -> bool:
        fits = norm(self.here.expected[path]) <= float(jnp.finfo(self.dtypes[path]).max)
        return fits and bool(np.isfinite(self.own.value)) and not np.isfinite(self.own.actual[path]).all()


def _is_coarser(actual: Any, dtype: Any) -> bool:
    return float(jnp.finfo(actual).eps) > float(jnp.finfo(dtype).eps)
