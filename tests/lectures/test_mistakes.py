from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import jaxmlp
from jaxmlp.lectures import _diagnoses, _mistakes
from jaxmlp.lectures._numbers import numbers
from jaxmlp.lectures._program import network, xor
from jaxmlp.lectures._rules import lost_sign_rule, mixed_rule


LECTURES = {"000": _diagnoses.lecture_000, "004": _diagnoses.lecture_004}


def named(layers):
    first, second = layers
    return {"w1": first.w, "b1": first.b, "w2": second.w, "b2": second.b}


@pytest.mark.parametrize(
    ("mistaken", "rule"),
    (
        (_mistakes.lecture_000, lambda *at: mixed_rule(*at, eps=1e-8)),
        (_mistakes.lecture_001, lambda *at: mixed_rule(*at, eps=0)),
        (_mistakes.lecture_004, lost_sign_rule),
    ),
)
def test_the_restated_lines_are_what_the_lectures_train_with(mistaken, rule):
    params, (x, y) = network(numbers("001")["normal_start"]["start"], "float64"), xor("float64")
    restated, trained = mistaken(named(params), x, y), named(rule(params, x, y)[1])
    for name, direction in trained.items():
        np.testing.assert_allclose(restated[name], direction, rtol=1e-12)


# That each is diagnosed is among the claims, in test_run.py.


@pytest.mark.parametrize("lecture", LECTURES)
def test_a_gradient_without_the_mistakes_fails_the_claims(lecture, monkeypatch):
    right: Callable[..., Any] = lambda params, x, y: named(
        jaxmlp.loss_and_grads(
            (jaxmlp.Dense(params["w1"], params["b1"]), jaxmlp.Dense(params["w2"], params["b2"])), x, y
        )[1]
    )
    monkeypatch.setattr(_mistakes, f"lecture_{lecture}", right)
    monkeypatch.setattr(_mistakes, "coded_loss", _mistakes.stated_loss)
    assert not any(claim.ok for claim in LECTURES[lecture]())


def test_another_line_fails_the_claim(monkeypatch):
    monkeypatch.setattr(_mistakes, "lecture_000", _mistakes.lecture_001)
    held = {claim.name for claim in _diagnoses.lecture_000() if claim.ok}
    assert held == {"diagnosed: wrong leaves"}
