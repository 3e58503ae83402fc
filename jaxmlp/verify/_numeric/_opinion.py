"""A second opinion on a gradient: what differences of the loss say of it, leaf by leaf."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import jax.numpy as jnp
import numpy as np

from .._program._call import called, is_traceable
from .._program._interpret import interpreted
from .._program._tree import named_leaves, on_host
from .._report._gradient_report import Verdict
from .._verdict._accuracy import norm, relative
from ._gradient import LeafSlopes, Numeric, numeric_gradient
from ._lines import in_float64


Reason: TypeAlias = Literal["shape", "differs", "random", "nonfinite", "kink", "rough", "constant", "drowned", "close"]

RESOLUTION = 1e-4
"""The relative error of a leaf that must be excluded before it is called right."""

REAL = 1e-6
"""The relative error of a leaf below which it is not called wrong: what rounding may do to a right gradient."""

BARS = 4
"""How many bars wide a difference must be to be one."""

MISSED = 1e-6
"""The chance that random directions see less of an error than `bound_of_projections` says."""


@dataclass(frozen=True)
class LeafOpinion:
    """What differences say of one leaf.

    Attributes:
      verdict: "right", "wrong" or "undecided".
      error: the relative difference that was seen; inf where there is nothing to compare.
      resolution: the relative error of the leaf that could still be there; inf where nothing is known.
      reason: why it is wrong ("shape", "differs") or undecided (any other); None where it is right.
      where: the coordinate that `reason` is about; None if it is about a direction or the whole leaf.
    """

    verdict: Verdict
    error: float
    resolution: float
    reason: Reason | None = None
    where: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Opinion:
    """What differences say of a gradient: `leaves` by path, and what was measured."""

    leaves: dict[str, LeafOpinion]
    numeric: Numeric

    @property
    def verdict(self) -> Verdict:
        """Wrong where a leaf is; right where every leaf is; else undecided."""
        verdicts = {leaf.verdict for leaf in self.leaves.values()}
        return "wrong" if "wrong" in verdicts else "right" if verdicts == {"right"} else "undecided"


def second_opinion(
    loss: Callable[..., Any], grads: Any, params: Any, *args: Any, directions: int | None = None
) -> Opinion:
    """What the values of `loss(params, *args)` say of a gradient of it.

    A leaf is right if an error of more than 1e-4 of its norm is excluded, wrong if it differs by several error bars
    and by more than rounding accounts for, and undecided, with the reason, in every other case.

    Args:
      loss: evaluated only, as `numeric_gradient` says.
      grads: a tree like `params`, or a function of `(params, *args)` that returns one; it is called in float64 if
        it can be.
      directions: how many random directions a leaf is measured along, as `numeric_gradient` says.
    """
    numeric = numeric_gradient(loss, params, *args, directions=directions)
    return opinion(numeric, evaluated(grads, params, args) if callable(grads) else grads)


def opinion(numeric: Numeric, grads: Any) -> Opinion:
    """What was measured says of `grads`, a tree with the leaves of `params`."""
    given = {path: on_host(leaf) for path, leaf in named_leaves(grads).items()}
    leaves = {path: _opinion(given.get(path), seen, numeric) for path, seen in numeric.leaves.items()}
    return Opinion(leaves, numeric)


def evaluated(function: Callable[..., Any], params: Any, args: tuple[Any, ...]) -> Any:
    """`function(params, *args)` in float64 if it can be, as `interpreted` if JAX can trace it."""

    def call(params: Any, args: tuple[Any, ...]) -> Any:
        return (interpreted if is_traceable(function, params, *args) else called)(function, params, *args)

    return in_float64(call, params, args)


def bound_of_projections(count: int) -> float:
    """How many times the root mean square of its projections an error may be, but for a chance of `MISSED`.

    Of `count` Gaussian projections of a vector, the mean square is less than u of its squared norm with a chance of at
    most (u exp(1 - u))^(count/2) (Chernoff), so with u = MISSED^(2/count) / e of at most MISSED.
    """
    return float(np.exp(0.5) * MISSED ** (-1 / count)) if count else float("inf")


def _opinion(given: np.ndarray | None, seen: LeafSlopes, numeric: Numeric) -> LeafOpinion:
    inf = float("inf")
    if given is None or given.shape != seen.shape or not jnp.issubdtype(given.dtype, jnp.floating):
        return LeafOpinion("wrong", inf, inf, "shape")
    if numeric.is_random:
        return LeafOpinion("undecided", inf, inf, "random")
    if given.size == 0:
        return LeafOpinion("right", 0.0, 0.0)

    slopes, expected = seen.slopes, seen.along(given.astype(np.float64))
    real = max(REAL, 1e4 * float(jnp.finfo(given.dtype).eps))
    off = np.abs(expected - slopes.values)
    ok = slopes.states == "ok"
    size = norm(slopes.values[ok])
    if (ok & ~np.isfinite(expected)).any():
        return LeafOpinion("wrong", inf, inf, "differs")
    excess = np.where(ok & (off > BARS * slopes.bars), off, 0.0)
    error = relative(norm(off[ok]), size)
    if relative(norm(excess), size) > real:
        where = _coordinate(int(np.argmax(excess)), seen)
        return LeafOpinion("wrong", error, inf, "differs", where)

    # A constant is as good as a slope of 0 beside others of its leaf that are not constant.
    usable = ok | ((slopes.states == "constant") & (off <= slopes.bars))
    bound = bound_of_projections(int(usable.sum())) if seen.directions is not None else 1.0
    rest = relative(norm((off + slopes.bars)[usable]), size) if ok.any() else inf
    resolution = bound * rest
    if seen.directions is None and not usable.all():
        resolution = inf
    if resolution <= RESOLUTION:
        return LeafOpinion("right", error, resolution)
    for state in ("nonfinite", "kink", "rough", "constant"):
        at = ~usable & (slopes.states == state)
        if at.any():
            return LeafOpinion("undecided", error, resolution, state, _coordinate(int(np.argmax(at)), seen))
    if not ok.any():
        return LeafOpinion("undecided", error, resolution, "constant")
    reason = "drowned" if bound * relative(norm(slopes.bars[usable]), size) > RESOLUTION / 2 else "close"
    return LeafOpinion("undecided", error, resolution, reason)


def _coordinate(line: int, seen: LeafSlopes) -> tuple[int, ...] | None:
    return None if seen.directions is not None else tuple(int(i) for i in np.unravel_index(line, seen.shape))
