"""What `check` says of the right gradient of a seed, and of a mistake in it."""

import os
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

import jaxmlp
from jaxmlp.verify import _judge
from jaxmlp.verify._program._interpret import interpreted
from jaxmlp.verify._program._tree import named_leaves, widened
from jaxmlp.verify._verdict._points import NEAR

from .cases import Case, case
from .mistakes import Mistake, mistakes


Line = dict[str, Any]
"""A result as JSON."""

NOTHING = 1e-12
"""A mistake that moves no leaf by this part of it, here or near by, is none here."""

DRAWS = 30
"""How often another mistake is drawn in place of one that is none."""


def prepare(findings: bool) -> None:
    """Makes a process ready: for verdicts alone, unless the findings, which none of them depends on, are asked for."""
    if not findings:
        _judge.found = lambda *args: ()
    # What is compiled here runs once; half of the time goes into compiling.
    os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true")


def random_line(seed: int) -> Line:
    """The verdicts on the right gradient of a seed and on a mistake in it."""
    began = time.process_time()
    drawn = case(seed)
    right = checked(drawn, drawn.grads)
    line = {"part": "random", "seed": seed, "dtype": drawn.dtype, "way": drawn.about["way"]}
    line |= {"right": right.verdict, "reason": reason(right)}
    if right.verdict == "wrong":
        line["finite"] = _is_finite_in_its_dtype(drawn)
    mistake, off = planted(drawn)
    if mistake is None:
        return line | {"mistake": None} | took(began)
    report = checked(drawn, mistake.grads)
    line |= {"mistake": mistake.kind, "what": mistake.what, "verdict": report.verdict, "why": reason(report)}
    if report.verdict != "wrong":
        allowed = {leaf.path: leaf.allowed for leaf in right.leaves}
        line["off"] = max((at[path] / allowed[path] for at in off for path in at), default=float("inf"))
        line["foretold"] = line["off"] <= 1
    return line | took(began)


def planted(drawn: Case) -> tuple[Mistake | None, list[dict[str, float]]]:
    """The first mistake drawn that changes something here or near by, and by how much; none after so many draws."""
    for _, mistake in zip(range(DRAWS), mistakes(drawn), strict=False):
        off = differences(drawn, mistake)
        if not off or any(error > NOTHING for at in off for error in at.values()):
            return mistake, off
    return None, []


def checked(drawn: Case, grads: Callable[..., Any]) -> jaxmlp.GradientReport:
    """The report on a gradient where the case is."""
    with jax.enable_x64(drawn.dtype == "float64"):
        return jaxmlp.check(drawn.loss, grads, drawn.params, *drawn.args, has_value=drawn.has_value)


def differences(drawn: Case, mistake: Mistake) -> list[dict[str, float]]:
    """How far a mistake moves each leaf from the right gradient, relative to it: here, and at the point near by.

    Nothing where the two are not of the same shapes, or not finite.
    """
    found = []
    with jax.enable_x64(True):
        params, args = widened((drawn.params, drawn.args))
        for at in (params, NEAR[0](params)):
            right, wrong = (_leaves(drawn, grads, at, args) for grads in (drawn.grads, mistake.grads))
            if {path: leaf.shape for path, leaf in right.items()} != {path: leaf.shape for path, leaf in wrong.items()}:
                return []
            if not all(np.isfinite(leaf).all() for leaf in (*right.values(), *wrong.values())):
                return []
            found.append({path: _relative(wrong[path] - leaf, leaf) for path, leaf in right.items()})
    return found


def _leaves(drawn: Case, grads: Callable[..., Any], params: Any, args: Any) -> dict[str, np.ndarray]:
    result = grads(params, *args) if drawn.is_black_box else interpreted(grads, params, *args)
    return {path: np.asarray(leaf) for path, leaf in named_leaves(result[1] if drawn.has_value else result).items()}


def _relative(error: np.ndarray, leaf: np.ndarray) -> float:
    largest = np.abs(leaf).max(initial=0) or 1.0
    amount, size = (float(np.linalg.norm(np.ravel(values / largest))) for values in (error, leaf))
    return 0.0 if amount == 0 else amount / size if size else float("inf")


def _is_finite_in_its_dtype(drawn: Case) -> bool:
    with jax.enable_x64(drawn.dtype == "float64"):
        result = (drawn.grads if drawn.is_black_box else jax.jit(drawn.grads))(drawn.params, *drawn.args)
    return all(np.isfinite(np.asarray(leaf, np.float64)).all() for leaf in jax.tree.leaves(result))


def reason(report: jaxmlp.GradientReport) -> str:
    """Why a report is undecided, or what it says is wrong, in a few words."""
    if report.verdict == "wrong":
        return ", ".join(finding.cause for finding in report.findings)
    return ", ".join(sorted({getattr(said, "key", said).removeprefix("reason.") for said in report.reasons}))


def took(began: float) -> dict[str, float]:
    """The processor time since then."""
    return {"seconds": round(time.process_time() - began, 2)}
