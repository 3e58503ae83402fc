"""The host's loop: a chunk of steps on the device, then a look at it, and again."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import jax
import numpy as np

from .._train import TrainState
from ..verify import NonfiniteReport
from ._bar import Bar
from ._checkpoint import Checkpoints
from ._interrupt import Interruption
from ._nonfinite import find, is_finite
from ._plain import Step
from ._result import History, Reason, Record, RunResult


Advance: TypeAlias = Callable[[TrainState, int], tuple[TrainState, jax.Array]]
"""`advance(state, steps) -> (state, losses)`, the steps along the last axis of `losses`."""


@dataclass(frozen=True)
class Looks:
    """What is done between two chunks; each as `run` documents it."""

    evaluate: Callable[[Any], Any] | None
    stop: Callable[[History], bool] | None
    stop_nonfinite: bool
    bar: Bar
    checkpoints: Checkpoints | None


def loop(
    advance: Advance, step: Step, start: TrainState, *, steps: int, chunk: int, looks: Looks, resume: bool
) -> RunResult:
    """Make `steps` steps from `start`, `chunk` at a time; the ends of chunks are the same after a resumption.

    `step` is one of them as the formula has it, for the explanation of one that is not finite.
    """
    began, record, state = time.perf_counter(), Record(steps), start
    reason: Reason = "finished"
    report: NonfiniteReport | None = None
    unsaved: str | None = None
    try:
        if looks.checkpoints:
            state = looks.checkpoints.restore(start, record, resume=resume)
        resumed_from = record.made
        if record.made < steps:
            looks.bar.start(record.made)
        with Interruption() as interrupted:
            while record.made < steps:
                if record.made and looks.stop and looks.stop(record.history()):
                    reason = "stopped"
                    break
                if interrupted:
                    reason = "interrupted"
                    break
                count = min(chunk - record.made % chunk, steps - record.made)
                new, losses = advance(state, count)
                losses = np.asarray(losses)
                if looks.stop_nonfinite and not is_finite(losses, new.params):
                    reason = "nonfinite"
                    found = find(advance, step, state, count, record.made)
                    state, report = found.state, found.report
                    for piece in found.losses:
                        record.add(piece)
                    break
                state = new
                record.add(losses)
                if looks.evaluate:
                    record.evaluate(looks.evaluate, state.params)
                looks.bar.advance(record.made, losses[..., -1])
                if looks.checkpoints:
                    looks.checkpoints.save_if_due(state, record)
            if looks.checkpoints and record.made:
                unsaved = looks.checkpoints.finish(state, record)
    finally:
        looks.bar.stop()
        if looks.checkpoints:
            looks.checkpoints.close()
    return RunResult(
        state=state,
        history=record.history(),
        reason=reason,
        nonfinite=report,
        resumed_from=resumed_from,
        seconds=time.perf_counter() - began,
        unsaved=unsaved,
    )
