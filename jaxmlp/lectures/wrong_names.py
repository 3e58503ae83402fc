"""Lecture 002: a backward pass with four wrong names, and what each of them does."""

from collections.abc import Callable, Iterator
from functools import partial
from types import SimpleNamespace
from typing import TypeAlias

import jax
import numpy as np

from . import _diagnoses
from ._claim import Claim
from ._numbers import numbers
from ._program import network, program, xor
from ._rules import all_directions, cross_entropy, ratios, sigmoid, train_mixed


claim = partial(Claim, "002")

Line: TypeAlias = tuple[str, Callable[[SimpleNamespace], jax.Array]]
"""A target, and the expression assigned to it; an undefined name is an error when it is evaluated."""

_FORWARD: tuple[Line, ...] = (
    ("a1", lambda v: sigmoid(v.x @ v.w1 + v.b1[None, :])),
    ("p", lambda v: sigmoid(v.a1 @ v.w2 + v.b2[None, :])),
    ("d_p", lambda v: (v.p - v.y) / (v.p * (1 - v.p) + v.eps)),
    ("d_b2", lambda v: v.d_p * v.p * (1 - v.p)),
    ("d_w2", lambda v: v.a1.T @ v.d_b2),
    ("d_b1", lambda v: (v.d_b2 @ v.w2.T) * v.a1 * (1 - v.a1)),
)
_STEP_W1: Line = ("w1", lambda v: v.w1 - v.learning_rate * v.d_w1)
_STEP_B1: Line = ("b1", lambda v: v.b1 - v.learning_rate * v.d_b1.mean(axis=0))
_D_W1: Line = ("d_w1", lambda v: v.x.T @ v.d_b1)

AS_PRINTED: tuple[Line, ...] = (
    *_FORWARD,
    ("d_w2", _D_W1[1]),  # wrong: d_w1
    _STEP_W1,
    _STEP_B1,
    _STEP_W1,  # wrong twice: w2 by d_w2
    ("b1", lambda v: v.b1 - v.learning_rate * v.d_b2.mean(axis=0)),  # wrong: b2
)
ONLY_NAMED: tuple[Line, ...] = (*_FORWARD, _D_W1, *AS_PRINTED[7:])
REPAIRED: tuple[Line, ...] = (
    *_FORWARD,
    _D_W1,
    _STEP_W1,
    _STEP_B1,
    ("w2", lambda v: v.w2 - v.learning_rate * v.d_w2),
    ("b2", lambda v: v.b2 - v.learning_rate * v.d_b2.mean(axis=0)),
)


def claims(dtype: str = "float32") -> Iterator[Claim]:
    """The claims of lecture 002; what it trained is trained in `dtype`."""
    yield from _undefined_names()
    yield from _stale_name()
    yield from _repairs(dtype)
    yield from _sum_against_mean()
    yield from _diagnoses.lecture_002()


def run_lines(lines: tuple[Line, ...], **names) -> SimpleNamespace:
    """Assign line by line, as a notebook cell would, starting from `names`."""
    v = SimpleNamespace(**names)
    for target, expression in lines:
        setattr(v, target, expression(v))
    return v


def _names(dtype: str, **more) -> dict:
    """What is defined before the first step: data, parameters of the seeded normal start, eps."""
    given = numbers("001")["normal_start"]
    (w1, b1), (w2, b2) = network(given["start"], dtype)
    x, y = xor(dtype)
    return dict(x=x, y=y, w1=w1, b1=b1, w2=w2, b2=b2, eps=np.asarray(given["eps"], dtype)) | more


@program(static=("lines",))
def _one_step(names: dict, *, lines: tuple[Line, ...]) -> dict:
    return vars(run_lines(lines, **names))


@program(static=("lines", "last"))
def _train(names: dict, *, lines: tuple[Line, ...], last: int):
    """The cost of step `last`: of the parameters after that many rounds of `lines`."""
    params = {name: names.pop(name) for name in ("w1", "b1", "w2", "b2")}

    def step(params, _):
        v = vars(run_lines(lines, **names, **params))
        return {name: v[name] for name in params}, None

    params, _ = jax.lax.scan(step, params, length=last)
    return cross_entropy(run_lines(_FORWARD[:2], **names, **params).p, names["y"])


def _undefined_names() -> Iterator[Claim]:
    names, undefined = _names("float32"), []
    for _ in range(5):  # more than there are; each round defines what the last one missed
        try:
            _one_step(names, lines=AS_PRINTED)
            break
        except AttributeError as error:
            undefined.append(error.name)
            names[error.name] = np.zeros((2, 2), np.float32) if error.name == "d_w1" else np.float32(1)
    text = (
        "Run as printed, the cell stops at a name that was never made, learning_rate; with that defined, at the next, "
        "d_w1. Python reads the rate before d_w1, so the mistake that matters comes to light second."
    )
    yield claim("undefined names, in order", ("learning_rate", "d_w1"), tuple(undefined), 0, "evaluation order", text)


def _stale_name() -> Iterator[Claim]:
    stale = np.array([[1, 2], [3, 4]], np.float32)
    names = _names("float32", learning_rate=np.float32(1), d_w1=stale)
    after = _one_step(names, lines=AS_PRINTED)
    text = (
        "In a notebook an old d_w1 may still be there. Then the cell runs, says nothing, and trains on the old value."
    )
    yield claim("with an old d_w1 it runs: shape of d_w2", (2, 2), after["d_w2"].shape, 0, "shapes: w2 is (2, 1)", text)
    moved = float(np.abs(names["w1"] - after["w1"] - 2 * stale).max())
    source = "float32 rounding of parameters up to 10: one unit, 9.5e-7"
    yield claim("w1 moves by twice the old d_w1, give or take", 0.0, moved, 1e-6, source, text)
    text = "The second layer has an update computed and none applied: its two lines name the first layer's arrays."
    for name in ("w2", "b2"):
        still = bool(np.array_equal(after[name], names[name]))
        yield claim(f"{name} is never updated", True, still, 0, "equality", text)
    twice = after["b1"] - (names["b1"] - after["d_b1"].mean(axis=0))
    text = "b1 is moved again, by the mean of d_b2: one number for the output unit, broadcast over both hidden units."
    source = "float32 rounding of parameters near 1: two units, 2.4e-7"
    name = "the second move of b1 is the same for both units, give or take"
    yield claim(name, 0.0, float(np.ptp(twice)), 2.4e-7, source, text)


def _repairs(dtype: str) -> Iterator[Claim]:
    # Half of the last digit given for the end of each run, which float32 and float64 both meet.
    rate = np.asarray(1, dtype)
    names = _names(dtype, learning_rate=rate)
    stuck = float(_train(names, lines=ONLY_NAMED, last=10_000))
    text = "Make only the missing name, and the errors stop: the network trains half of itself and gets stuck."
    source = "half of the last digit of a reference run"
    yield claim("cost at step 10000, only the name repaired", 0.57493, stuck, 5e-6, source, text)
    solved = float(_train(names, lines=REPAIRED, last=10_000))
    text = "With d_w1, w2 and b2 each in its own line the network learns XOR."
    source = "2.4e-7: what log(1 - p), 6e-8 apart in float32, allows"
    yield claim("cost at step 10000, all four names repaired", 0.00030918, solved, 2.4e-7, source, text)
    given = numbers("001")["normal_start"]
    run = train_mixed(network(given["start"], dtype), *xor(dtype), given["lr"], given["eps"], last=10_000)
    text = "Repaired, the lines are those of lecture 001: they end where its rule ends, from the same start."
    yield claim("the repaired lines and lecture 001's rule", float(run.costs[-1]), solved, 2.4e-7, source, text)


def _sum_against_mean() -> Iterator[Claim]:
    at = all_directions(network(numbers("001")["normal_start"]["start"], "float64"), *xor("float64"))
    text = (
        "The cost is a mean over 4 examples, so every part of its gradient is a mean. Summing the weights' parts and "
        "averaging the biases' is 4 times the gradient for one and 1 times for the other: no gradient of any one cost."
    )
    source = "float64 rounding; eps is 0 here"
    for layer in (0, 1):
        for leaf, factor in (("w", 4.0), ("b", 1.0)):
            furthest = ratios(at.mixed[layer : layer + 1], at.by_autodiff[layer : layer + 1], leaf, factor)
            yield claim(f"d_{leaf}{layer + 1} over the gradient of the cost", factor, furthest, 1e-12, source, text)
