"""Lecture 004: a lost minus sign, and the NaN that it leads to.

The lecture states the cross-entropy with its minus and codes it without, in the loss and in its derivative. So the
update climbs the cross-entropy while the printed loss falls, until an output is exactly 1 on a wrong answer.
"""

from collections.abc import Iterator
from functools import partial

import jax
import numpy as np

from .._types import Params
from . import _diagnoses
from ._claim import Claim
from ._lost_sign_birth import claims as birth_claims
from ._lost_sign_fixes import claims as fix_claims
from ._lost_sign_rules import AS_PRINTED, epoch_by_epoch, train
from ._numbers import numbers
from ._program import xor
from ._rules import all_directions, directions, forward_in_numpy, ratios


claim = partial(Claim, "004")

_BITS = {"float32": 24, "float64": 53, "float16": 11, "bfloat16": 8}  # of the significand
_ORDER = "exact: the order of the operations"


def claims(dtype: str = "float32") -> Iterator[Claim]:
    """The claims of lecture 004. Each is about a number format of its own, whatever `dtype`."""
    del dtype
    float32 = train(AS_PRINTED, "float32", epochs=10_000)
    yield from _printed(float32.losses)
    yield from _looks_like_progress(float32.losses, train(AS_PRINTED, "float64", epochs=774).losses)
    yield from _formats(float32.losses)
    yield from _directions()
    yield from _diagnoses.lecture_004()
    yield from _operations(float32.snapshots[1])
    yield from birth_claims()
    yield from fix_claims()


def _printed(losses: np.ndarray) -> Iterator[Claim]:
    text = "Every line that the lecture prints is a NaN; the last number was gone 188 epochs before the first line."
    for epoch in numbers("004")["printed_nan_epochs"]:
        yield claim(f"loss at epoch {epoch}", float("nan"), float(losses[epoch - 1]), 0, "NaN matches NaN alone", text)


def _looks_like_progress(float32: np.ndarray, float64: np.ndarray) -> Iterator[Claim]:
    text = "Had it printed earlier: the loss falls, as it should. But it is minus a cross-entropy, which cannot be < 0."
    for epoch, loss in numbers("004")["falling"]:
        yield claim(f"loss at epoch {epoch}", loss, float(float32[epoch - 1]), 5e-5, "half of the fourth decimal", text)
    text = (
        "A test that the loss falls passes wherever rounding lets it fall. A test that a cross-entropy is not negative "
        "fails at the first."
    )
    source = "a comparison, in float64; later 1 - p has too few digits left to tell two epochs apart"
    falls = bool((np.diff(float64[:700]) < 0).all())
    yield claim("the printed loss falls at every epoch up to 700", True, falls, 0, source, text)
    entropy = -float64[[0, 773]]
    yield claim("cross-entropy at epoch 1", 1.8333, float(entropy[0]), 5e-5, "half of the fourth decimal", text)
    source = "half of the fourth decimal"
    yield claim("cross-entropy at epoch 774, in float64", 17.8485, float(entropy[1]), 5e-5, source, text)


def _formats(float32: np.ndarray) -> Iterator[Claim]:
    for dtype, (first_inf, first_nan) in numbers("004")["first_inf_and_nan"].items():
        allowed = epochs_allowed(dtype)
        losses = float32 if dtype == "float32" else train(AS_PRINTED, dtype, epochs=first_nan + allowed).losses
        text = (
            f"s(z) rounds to exactly 1 in {dtype} where e^-z falls below half a unit of 1, at z = {_BITS[dtype]} ln 2. "
            "The example (1, 1), whose answer is 0, gets there first, and log(1 - p) is log 0. More bits buy time only."
        )
        computed = int(np.argmax(~np.isfinite(losses))) + 1
        yield claim(f"{dtype}: first infinite loss at epoch", first_inf, computed, allowed, "an epoch", text)
        which = float(losses[computed - 1])
        yield claim(f"{dtype}: that loss", float("-inf"), which, 0, "-inf matches -inf alone", text)
        computed = int(np.argmax(np.isnan(losses))) + 1
        yield claim(f"{dtype}: first NaN at epoch", first_nan, computed, allowed, "an epoch", text)


def epochs_allowed(dtype: str) -> int:
    """How much earlier or later a loss is infinite: the eight bits of bfloat16 are rounded otherwise on a GPU."""
    return int(dtype == "bfloat16" and jax.default_backend() != "cpu")


def _directions() -> Iterator[Claim]:
    snapshots = train(AS_PRINTED, "float64", epochs=300).snapshots
    text = (
        "Weights move by -4 times the gradient of the cross-entropy, biases by -1 times: the sign from the lost minus, "
        "the 4 from a sum where the loss has a mean. Not noise, not a bad rate: exactly uphill, at every step."
    )
    source = "float64 rounding; three digits over the 3e-14 of a correct program"
    for index in (0, 1, 2):
        at = all_directions(snapshots[index], *xor("float64"))
        epoch = 1 + index * epoch_by_epoch("float64")
        for leaf, factor in (("w", -4.0), ("b", -1.0)):
            furthest = ratios(at.lost_sign, at.by_autodiff, leaf, factor)
            yield claim(f"d_{leaf} over the gradient at epoch {epoch}", factor, furthest, 1e-11, source, text)


def _one_epoch(params: Params, x, y) -> tuple[dict[str, np.ndarray], Params]:
    """An epoch as the lecture codes it, one NumPy operation at a time: every value by name, and the update."""
    with np.errstate(divide="ignore", invalid="ignore"):
        a1, l2 = forward_in_numpy(params, x)
        v: dict[str, np.ndarray] = {"l2": l2}
        v["1 + exp(-l2)"] = 1 + np.exp(-l2)
        v["p"] = p = 1 / v["1 + exp(-l2)"]
        v["1 - p"] = 1 - p
        v["log(p)"], v["log(1 - p)"] = np.log(p), np.log(1 - p)
        v["loss"] = np.mean(y * v["log(p)"] + (1 - y) * v["log(1 - p)"], keepdims=True)
        v["y / p"], v["(1 - y) / (1 - p)"] = y / p, (1 - y) / (1 - p)
        v["d_loss"] = v["y / p"] - v["(1 - y) / (1 - p)"]
        v["s'(l2)"] = p * (1 - p)
        v["d_l2"] = v["d_loss"] * v["s'(l2)"]
        return v, directions(params, x, a1, v["d_l2"])


def _operations(params: Params) -> Iterator[Claim]:
    """Epoch 312 in float32, operation by operation."""
    x, y = xor("float32")
    values, update = _one_epoch(params, x, y)
    at = {name: value[:, 0] for name, value in values.items()}

    def first(test) -> tuple:
        name = next(name for name in at if test(at[name]).any())
        return name, *(int(bit) for bit in x[int(np.argmax(test(at[name])))])

    text = (
        "At epoch 312 the example (1, 1) has p = 1 exactly, and its answer is 0. Then 1 - p = 0: the loss is -inf, and "
        "(1 - y) / (1 - p) is inf. The sigmoid's slope p (1 - p) is 0 there, and 0 · (-inf) is the first NaN. "
        "Through the sums over the batch it is in all nine parameters by the end of the epoch."
    )
    logit = numbers("004")["logits"]["312"]
    source = "a fiftieth of the step of one epoch, 0.0425"
    yield claim("epoch 312: the logit of (1, 1)", logit, float(at["l2"][3]), 8.5e-4, source, text)
    yield claim("epoch 312: p of (1, 1)", 1.0, float(at["p"][3]), 0, "equality: 24 ln 2 = 16.6355 < 16.6379", text)
    printed = ("log(1 - p)", 1, 1)
    yield claim("epoch 312: first non-finite value", printed, first(lambda v: ~np.isfinite(v)), 0, _ORDER, text)
    yield claim("epoch 312: first NaN", ("d_l2", 1, 1), first(np.isnan), 0, _ORDER, text)
    factors = (float(at["s'(l2)"][3]), float(at["d_loss"][3]))
    yield claim("epoch 312: the factors of that NaN", (0.0, float("-inf")), factors, 0, "equality", text)
    lost = sum(int(np.isnan(leaf).sum()) for leaf in jax.tree.leaves(update))
    yield claim("epoch 312: parameters that are NaN afterwards", 9, lost, 0, "a count", text)
