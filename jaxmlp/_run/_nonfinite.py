"""Stopping at the very step that is not finite, at the price of a look at each chunk.

`optax.apply_updates` adds, and NaN or inf plus anything is NaN or inf: a parameter that is not finite never becomes
finite again. So a chunk is fine exactly if its losses and its last parameters are, and only a chunk that is not is
made once more, in smaller and smaller pieces.
"""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .._train import TrainState
from ..verify import NonfiniteReport, trace_nonfinite
from ._plain import Step


@dataclass(frozen=True)
class Found:
    """The last finite state of a chunk, the losses of the steps that led there, and what made the next step fail."""

    state: TrainState
    losses: tuple[np.ndarray, ...]
    report: NonfiniteReport | None


def is_finite(losses: np.ndarray, params: Any) -> bool:
    """Whether all of them are finite; `losses` decides first, for it is on the host."""
    return bool(np.isfinite(losses).all()) and bool(_all_finite(params))


# 0 x is 0 for a finite x and NaN otherwise, and so is the sum: on a CPU a third of the time of isfinite(x).all().
@jax.jit
def _all_finite(tree: Any) -> jax.Array:
    inexact = [leaf for leaf in jax.tree.leaves(tree) if jnp.issubdtype(leaf.dtype, jnp.inexact)]
    return jnp.all(jnp.array([jnp.isfinite((0 * leaf).sum()) for leaf in inexact], bool))


def find(advance: Callable[[Any, int], Any], step: Step, state: TrainState, count: int, made: int) -> Found:
    """Where in the `count` steps from `state`, reached after `made` steps, the first is not finite.

    About the root of `count` steps at a time, then one by one: two further programs, and at most two roots of calls.
    """
    pieces, block, steps, before = [], state, 0, 0
    for size in (math.isqrt(count), 1):
        block, before = state, steps
        while steps + size <= count:
            new, losses = advance(state, size)
            if not is_finite(losses := np.asarray(losses), new.params):
                break
            state, steps = new, steps + size
            pieces.append(losses)
    return Found(state, tuple(pieces), _report(step, block, steps - before + 1, made + before))


def _report(step: Step, state: TrainState, steps: int, made: int) -> NonfiniteReport | None:
    def training(state: TrainState) -> Any:
        return step(state)

    try:
        return _shifted(trace_nonfinite(training, state, max_steps=steps), made)
    except Exception as error:  # whatever it is, the training that led here must not be lost to its explanation
        warnings.warn(f"no explanation of the step that is not finite: {error}", RuntimeWarning, stacklevel=2)
        return None


def _shifted(report: NonfiniteReport, by: int) -> NonfiniteReport:
    """The report, with its steps counted from `by` steps earlier."""
    birth = lambda birth: None if birth is None else replace(birth, step=birth.step + by)
    return replace(
        report,
        steps=report.steps + by,
        step=None if report.step is None else report.step + by,
        first_inf=birth(report.first_inf),
        first_nan=birth(report.first_nan),
        chain=tuple(birth(link) for link in report.chain),
    )
