"""Lecture 001: the loss curves of XOR, by the gradient derived by hand and by automatic differentiation."""

from collections.abc import Iterator
from functools import partial

from . import _diagnoses
from ._claim import Claim
from ._descent import descend, NETWORKS, RULES, start
from ._hand_curves import claims as hand_curve_claims
from ._numbers import numbers
from ._replay import claims as replay_claims
from ._sharpness import claims as sharpness_claims


claim = partial(Claim, "001")

_END_TO_END = "three times the worst of 256 runs whose start was moved by a rounding unit, or four units of log(1 - p)"
_BAND = (
    "a band: three times the spread over word lengths. Past step 3010 the deep network's loss jumps out of rounding "
    "noise, so the print is one sample of it; the replays check the steps there"
)
_TEXT = {
    "by hand": "Our hand-derived gradient, run from the start that seed 777 gave, prints the lecture's curve.",
    "by jax.grad": "Automatic differentiation of the loss as the lecture writes it prints the same curve.",
}
_JUMP = 3010  # where the deep network's sharpness passes 2 / lr; see `_sharpness`


def claims(dtype: str = "float32") -> Iterator[Claim]:
    """The claims of lecture 001; the runs are in `dtype`, each with that dtype's tolerance."""
    ends = {}
    for name in NETWORKS:
        for rule in RULES:
            _, losses = descend(start(name, dtype), numbers("001")[name]["lr"], rule, last=10_000)
            for step, printed, any_dtype, float32 in numbers("001")[name]["rows"]:
                deep_and_late = name != "2-2-1" and step > _JUMP
                tolerance = printed * (float32 if dtype == "float32" else any_dtype)
                source = _BAND if deep_and_late else _END_TO_END
                computed = float(losses[step])
                yield claim(f"{name} {rule}: step {step}", printed, computed, tolerance, source, _TEXT[rule])
            ends[name, rule] = losses
    yield from _deeper_is_not_always_lower(ends)
    yield from replay_claims(dtype)
    yield from sharpness_claims()
    yield from _jump(ends)
    yield from hand_curve_claims(dtype)
    yield from _diagnoses.lecture_001()


def _deeper_is_not_always_lower(curves: dict) -> Iterator[Claim]:
    text = "The deep network ends lower, but gets going later: at step 3000 it is far behind."
    for step, lower in ((3000, False), (10_000, True)):
        is_lower = bool(curves["2-10-10-10-1", "by hand"][step] < curves["2-2-1", "by hand"][step])
        yield claim(f"the deep network's loss is lower at step {step}", lower, is_lower, 0, "a comparison", text)


def _jump(curves: dict) -> Iterator[Claim]:
    text = (
        "The loss was 0.55 at step 3000. It jumps above 1 before it falls for good; the curve's lines do not show it."
    )
    for rule in RULES:
        peak = float(curves["2-10-10-10-1", rule][3030:3131].max())
        source = "a comparison: 1.5 to 1.7 in float32, 2.2 to 2.3 in float64"
        yield claim(f"the deep loss {rule} exceeds 1 after step 3030", True, peak > 1, 0, source, text)
