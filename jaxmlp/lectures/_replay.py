"""Lecture 001, step by step: from stored parameters of the runs, the loss, the gradient, one step, and the next loss.

A curve that agrees does not prove a gradient: a wrong one may well train. One step from a given point does, and
the deep network can be followed in no other way past step 3010.
"""

from collections.abc import Iterator
from functools import partial
from operator import itemgetter

import jax
import numpy as np

from ._claim import Claim
from ._descent import descend, NETWORKS, RULES
from ._numbers import numbers, replay
from ._program import flatten, unflatten


claim = partial(Claim, "001")

# What two correct float32 programs may differ by, about twice the worst seen between two frameworks. The gradients
# stored are float64, rounded to 2⁻³⁴ = 6e-11; a float64 gradient is held to that.
_LOSS = (2.4e-7, 2e-7)  # absolute, and times the loss: seen 1.2e-7, and 1.6e-7 in the transient
_PARAMS = (1.2e-7, 1.2e-7)  # absolute, and times the parameter: seen 4.9e-7 at 14
_GRADS = {
    "float32": {"2-2-1": 1e-7, "2-10-10-10-1": 1e-7, "transient": 3e-7},  # seen 4.5e-8, and 1.0e-7 in the transient
    "float64": {"2-2-1": 1e-10, "2-10-10-10-1": 1e-10, "transient": 1e-10},
}
_NEXT = {"2-2-1": 1e-5, "2-10-10-10-1": 3e-4}  # times the loss: seen 5.2e-6 and 9.9e-5
_FLOOR = 6e-8  # the steps of log(1 - p) in float32 near p = 0, by half of which either loss may be off
_JUMP = ("2-10-10-10-1", 3000, 1e-2)  # seen 1.6e-3 from step 3000 to 3500, across the jump
_POINTS = "1 is what rounding allows: about twice the worst seen between correct programs"
_TEXT = "From the stored parameters of each of {n} steps; of all entries, the worst, as a share of what is allowed."


def claims(dtype: str) -> Iterator[Claim]:
    """The replays of all three runs by both rules."""
    for rule in RULES:
        for run in (*NETWORKS, "transient"):
            yield from _replay(run, rule, dtype)


def _replay(run: str, rule: str, dtype: str) -> Iterator[Claim]:
    network = NETWORKS[1] if run == "transient" else run
    sizes, lr = numbers("001")[network]["sizes"], numbers("001")[network]["lr"]
    stored = replay(run)
    points = unflatten(stored["params"], sizes, dtype)
    steps = stored["steps"].tolist()
    ahead = steps if run == "transient" else [*steps[1:], steps[-1]]
    parts = [
        descend(jax.tree.map(itemgetter(i), points), lr, rule, last=ahead[i] - step) for i, step in enumerate(steps)
    ]
    grads = np.array([flatten(grads) for grads, _ in parts])
    losses = np.array([losses[0] for _, losses in parts])
    stepped = flatten(points) - grads * np.asarray(lr, dtype)

    text = _TEXT.format(n=len(parts))
    off = _share(losses, stored["losses"], *_LOSS)
    yield claim(f"{run} {rule}, replayed: loss", 0.0, off, 1, f"{_POINTS}, 2.4e-7 + 2e-7 of the loss", text)
    off = _share(grads, stored["grads"], _GRADS[dtype][run], 0)
    source = f"{_POINTS}, {_GRADS[dtype][run]:.0e}"
    yield claim(f"{run} {rule}, replayed: gradient", 0.0, off, 1, source, text)
    off = _share(stepped, stored["next_params"], *_PARAMS)
    source = f"{_POINTS}, 1.2e-7 + 1.2e-7 of the parameter"
    yield claim(f"{run} {rule}, replayed: one step", 0.0, off, 1, source, text)
    if run == "transient":
        return

    for i, step in enumerate(steps[:-1]):
        across = (run, step) == _JUMP[:2]
        tolerance = _JUMP[2] if across else _NEXT[run]
        reference, computed = float(stored["losses"][i + 1]), float(parts[i][1][-1])
        source = f"{tolerance:.0e} of the loss, twice the worst seen or more, and one step of log(1 - p)"
        text = f"From the stored parameters of step {step}, {ahead[i] - step} steps on."
        allowed = tolerance * reference + _FLOOR
        yield claim(f"{run} {rule}, {step} to {ahead[i]}", reference, computed, allowed, source, text)


def _share(actual: np.ndarray, expected: np.ndarray, absolute: float, relative: float) -> float:
    """The largest deviation as a share of `absolute + relative |expected|`."""
    expected = expected.astype(np.float64)
    return float((np.abs(actual - expected) / (absolute + relative * np.abs(expected))).max())
