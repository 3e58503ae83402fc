"""What rounding allows, leaf by leaf."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .._report._gradient_report import Verdict


FORMULA = 1e-7
"""The relative error of a leaf, in float64, below which two formulas are the same one.

Right gradients of a 2-10-10-10-1 network stay below 2e-8 even at a loss of 1e-6, where they cancel most; the
smallest mistake of the kind people make, an epsilon of 1e-7 in a denominator, is above 4e-7 everywhere.
"""

EXCUSED = 1e-3
"""The largest relative error of a leaf that rounding may excuse: beyond it a leaf has too few digits to be judged."""

VANISHED = 1e-9
"""A leaf this much smaller than the whole gradient is zero up to rounding, if rounding is all that moves it."""

UNDERFLOW = float(np.finfo(np.float64).tiny)
"""A number smaller than the smallest normal one has fewer digits, or none: an error up to it is rounding."""

SPREAD_OF_NUDGES = 30
"""How many times the spread at barely moved points an error may be.

Rounding errors there are as large as at the point itself, so their spread is about their size; an error of the formula
changes by no more than the gradient's own relative change, 1e-5 times its condition.
"""

SPREAD_OF_SHAKES = 8
"""How many times the spread with every rounding drawn anew an error may be: each draw is twice what rounding does."""


@dataclass(frozen=True)
class Comparison:
    """One leaf at one point: `error` and `allowed` are relative to the norm of the true leaf."""

    verdict: Verdict
    error: float
    allowed: float


def relative(error: float, size: float) -> float:
    """`error / size`, where nothing is wrong with an error of 0 and everything with one against 0."""
    return 0.0 if error == 0 else error / size if size > 0 else float("inf")


def compared(actual: np.ndarray, expected: np.ndarray) -> Comparison:
    """One leaf by its formula alone, before any excuse: the norm-relative error against `FORMULA`."""
    return by_norms(norm(actual - expected), norm(expected))


def by_norms(error: float, size: float) -> Comparison:
    """The same, of the norm of the error and that of the true leaf."""
    error = relative(error, size)
    return Comparison("right" if error <= FORMULA else "wrong", error, FORMULA)  # a NaN compares false, hence wrong


def excused(
    error: np.ndarray,
    again: Sequence[np.ndarray],
    *,
    times: float,
    size: float,
    whole: float,
    varies: Sequence[float] | None = None,
) -> Comparison:
    """One leaf again, with what rounding measurably does to it.

    Args:
      error: `actual - expected` of the leaf, or a sketch of it: its norm counts, and its distance from `again`.
      again: the same where rounding errors are drawn anew and a mistake in the formula is much the same.
      times: how many times their spread the error may be.
      size: the norm of the true leaf.
      whole: the norm of the whole true gradient.
      varies: by what part of its size the true leaf itself is another at each of `again`; a mistake in proportion to it
        changes as much, so that twice that is no rounding. Nothing by default.
    """
    amount = norm(error)
    smooth = [2 * amount * part for part in varies] if varies else [0.0] * len(again)
    spread = times * max((norm(other - error) - by for other, by in zip(again, smooth, strict=True)), default=0.0)
    spread = max(spread, UNDERFLOW)
    allowed = max(relative(spread, size), FORMULA)
    if not (np.isfinite(amount) and amount <= max(spread, FORMULA * size)):
        verdict: Verdict = "wrong"
    elif amount <= max(EXCUSED * size, VANISHED * whole):
        verdict = "right"
    else:
        verdict = "undecided"
    return Comparison(verdict, relative(amount, size), allowed)


def norm(values: np.ndarray) -> float:
    """The Euclidean norm over all elements, without overflow or underflow of the squares."""
    largest = float(np.max(np.abs(values), initial=0.0))
    if largest == 0 or not np.isfinite(largest):
        return largest
    return largest * float(np.linalg.norm(np.ravel(values / largest)))
