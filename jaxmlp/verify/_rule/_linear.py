"""Is a rule linear in the cotangent that comes in? It must be, whatever the function is."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .._program._tree import in_float64
from .._report._gradient_report import Finding, GradientReport, LeafCheck
from .._report._words import missing_upstream
from .._verdict._accuracy import norm, SPREAD_OF_SHAKES
from .._verdict._evidence import Subject, VALUE, View
from .._verdict._points import SHAKES
from ._pullback import Dout, random_dout
from ._words import not_linear, not_zero


LINEAR = 1e-6
"""The relative error below which the rule of a sum is the sum of the rules."""

ROUNDING = 100
"""How many times what rounding allows a leaf this error may be, and how many epsilons of its dtype."""


def linearity(subject: Subject, params: Any, out: Any, report: GradientReport, dout_name: str) -> tuple[Finding, ...]:
    """What is wrong with the rule at `dout`, `-dout`, another a thousand times its size, the sum of both, and 0.

    So a rule that ignores its cotangent, clips it, takes its absolute value or adds a constant is found.
    """
    inputs, dout = subject.args
    other, wide = random_dout(out, draw=1), report.precision == "float64"

    def answers(shake: int | None = None) -> list[dict[str, np.ndarray]]:
        douts = [_combined(dout, other, *factors) for factors in ((1, 0), (-1, 0), (0, -1000), (1, -1000), (0, 0))]
        views = [View(replace(subject, args=(inputs, dout)), params, wide=wide) for dout in douts]
        return [view.answer(shake=shake if view.is_traceable else None) for view in views]

    seen = answers()
    coarsest = (
        0.0 if wide else max(float(jnp.finfo(leaf.dtype).eps) for leaf in (*jax.tree.leaves(dout), *report.leaves))
    )
    shown: dict[str, list[str]] = {}
    for leaf in report.leaves:
        parts = [in_float64(answer[leaf.path]) for answer in seen if leaf.path in answer]
        if leaf.path != VALUE and len(parts) == len(seen):
            eps = max(coarsest, float(jnp.finfo(seen[0][leaf.path].dtype).eps)) if parts[0].dtype.kind == "f" else 0.0
            mistake = _mistake(leaf, parts, eps)
            if mistake == "bent" and _is_rounding(
                parts, [[in_float64(answer[leaf.path]) for answer in answers(k)] for k in SHAKES]
            ):
                mistake = ""
            shown.setdefault(mistake, []).append(leaf.path)
    words = {
        "ignored": lambda paths: missing_upstream(paths, upstream=dout_name),
        "shifted": lambda paths: not_zero(paths, f"`{dout_name}`"),
        "bent": lambda paths: not_linear(paths, f"`{dout_name}`"),
    }
    return tuple(say(tuple(shown[mistake])) for mistake, say in words.items() if mistake in shown)


def _mistake(leaf: LeafCheck, parts: list[np.ndarray], eps: float) -> str:
    one, two, none = parts[0], parts[2], parts[4]
    if len({part.shape for part in parts}) > 1 or any(part.dtype.kind != "f" for part in parts):
        return ""
    if not all(np.isfinite(part).all() for part in parts[:-1]):
        return ""
    if one.any() and np.array_equal(one, two):
        return "ignored"
    if none.any():  # NaN counts: 0 is divided by
        return "shifted"
    allowed = leaf.allowed if leaf.ok else 0.0  # that of a wrong leaf says nothing of rounding
    tolerance = max(LINEAR, ROUNDING * max(allowed, eps))
    sizes = norm(one), norm(one) + norm(two)
    return "bent" if any(norm(part) > tolerance * size for part, size in zip(_bends(parts), sizes, strict=True)) else ""


def _bends(parts: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """What is zero of a linear rule: the answer to `dout` and to its negative, and to a sum less those to its parts."""
    one, minus, two, both, _ = parts
    return one + minus, both - one - two


def _is_rounding(parts: list[np.ndarray], shaken: list[list[np.ndarray]]) -> bool:
    """Whether the answers move by as much as they bend when every rounding on the way is drawn anew."""
    spread = sum(max(norm(again[i] - part) for again in shaken) for i, part in enumerate(parts))
    return all(norm(part) <= SPREAD_OF_SHAKES * spread for part in _bends(parts))


def _combined(one: Dout, two: Dout, first: float, second: float) -> Dout:
    """`first * one + second * two`, in float64 where that is on, so that the sum is exact."""
    pairs = zip(one, two, strict=True)
    return tuple(None if a is None else first * np.float64(a) + second * np.float64(b) for a, b in pairs)
