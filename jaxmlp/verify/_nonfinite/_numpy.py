"""The first inf and the first NaN of a step in NumPy, which is asked to raise where it would warn."""

import traceback
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from .._program._stacks import is_installed
from .._program._tree import on_host
from ._lines import line
from ._report import Birth
from ._step import copy_of, is_inexact, parted, paths


def births_in_numpy(
    step: Callable[[Any], Any], state: Any, number: int, *, single: bool
) -> tuple[tuple[str, ...], Birth | None, Birth | None, tuple[Birth, ...]]:
    """What is not finite after step `number`; the first operations that gave inf and NaN; and the same as a chain.

    Whether what they gave was masked later is not known.
    """
    with np.errstate(all="ignore"):
        new, output = parted(step(copy_of(state)), state, single=single)
    results = [*_named(new, "state", ""), *_named(output, "", "output")]
    leaves = [(name, on_host(leaf)) for name, leaf in results if is_inexact(leaf)]
    names = tuple(name for name, leaf in leaves if not np.isfinite(leaf).all())
    inf = _raised(step, state, number, "raise", "ignore")
    nan = _raised(step, state, number, "ignore", "raise") if any(np.isnan(leaf).any() for _, leaf in leaves) else None
    return names, inf, nan, tuple(birth for birth in (inf, nan) if birth)


def _named(tree: Any, root: str, prefix: str) -> list[tuple[str, Any]]:
    names = (".".join(filter(None, (prefix, path))) for path in paths(tree, root))
    return list(zip(names, jax.tree.leaves(tree), strict=True))


def _raised(step: Callable[[Any], Any], state: Any, number: int, infinite: Any, invalid: Any) -> Birth | None:
    try:
        with np.errstate(divide=infinite, over=infinite, invalid=invalid, under="ignore"):
            step(copy_of(state))
    except FloatingPointError as error:
        called = error.__traceback__.tb_next if error.__traceback__ else None  # below this very function
        frames = [frame for frame in traceback.extract_tb(called) if not is_installed(frame.filename)]
        where = line(frames[-1].filename, frames[-1].lineno or 0) if frames else None
        what, _, operation = str(error).partition(" encountered in ")
        reason = {"divide by zero": "division-by-zero", "overflow": "overflow"}.get(what, "undefined")
        reason = "log-of-zero" if (reason, operation[:3]) == ("division-by-zero", "log") else reason
        value = {"undefined": float("nan"), "log-of-zero": float("-inf")}.get(reason, float("inf"))
        return Birth(number, operation, f"{operation}(...)", value, reason, line=where)
    return None
