"""Lecture 004: where its NaN is born, as `trace_nonfinite` finds it without being told."""

from collections.abc import Iterator
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from .._types import Params
from ..verify import trace_nonfinite
from ._claim import Claim
from ._numbers import numbers
from ._program import network, xor
from ._rules import cross_entropy, forward, lost_sign_rule


claim = partial(Claim, "004")

_X, _Y = xor("float32")
_FOUND = "as it is found"


def epoch(params: Params) -> tuple[Params, jax.Array]:
    """The lecture's update, with the loss that it states: the cross-entropy, with its minus."""
    _, d_params = lost_sign_rule(params, _X, _Y)
    lr = jnp.float32(0.01)
    after = jax.tree.map(lambda param, d_param: param - lr * d_param, params, d_params)
    return after, cross_entropy(forward(params, _X).p, _Y)


def claims() -> Iterator[Claim]:
    """The epoch, the operation, its operands, what led there, and what the training did until then."""
    with jax.default_matmul_precision("highest"):
        report = trace_nonfinite(epoch, network(numbers("004")["start"], "float32"), max_steps=400)
    nan, inf = report.first_nan, report.first_inf
    text = (
        "Nobody tells it where to look: it runs the training, stops at the first step that is not finite, runs that "
        "step again operation by operation, and goes back from the NaN to where it was born."
    )
    yield claim("traced: first epoch that is not finite", 312, report.step or 0, 0, "an epoch", text)
    yield claim("traced: a NaN and an inf are found", True, bool(nan and inf), 0, _FOUND, text)
    if not (nan and inf):
        return
    sample = tuple(int(bit) for bit in _X[nan.element[0]])
    yield claim("traced: the example of the first NaN", (1, 1), sample, 0, _FOUND, text)
    found = (nan.operation, *sorted((operand.value for operand in nan.operands), reverse=True))
    yield claim("traced: the first NaN", ("multiply", 0.0, float("-inf")), found, 0, _FOUND, text)
    yield claim("traced: the first inf", "1 / 0", inf.expression, 0, _FOUND, text)
    text = "e^-z is lost beside the 1, so p is exactly 1, so 1 - p is exactly 0. That is where it begins."
    reasons = tuple(link.reason for link in report.chain if link.reason not in ("value", "carried"))
    steps = ("absorbed", "cancelled", "division-by-zero", "cancelled", "zero-times-inf")
    yield claim("traced: what led to it", steps, reasons, 0, _FOUND, text)
    yield claim("traced: 1 + e^-z there, and so 1 / p", 1.0, report.chain[1].value, 0, "equality", text)
    text = "Until then the cross-entropy never fell but for the rounding of its last digits: it was climbed."
    yield claim("traced: what the cross-entropy did", "climbed", str(report.trend), 0, _FOUND, text)
    rising = int(np.argmin(np.diff(report.losses[:311]) > 0))
    yield claim("traced: it rose at every epoch up to 150", True, rising >= 150, 0, "a comparison", text)
