"""At which points a formula is judged, and what symmetric matrices let pass."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp.verify import check
from jaxmlp.verify._verdict._evidence import Subject, View
from jaxmlp.verify._verdict._formula import Formula
from jaxmlp.verify._verdict._points import NEAR


PARAMS = {"w": jnp.asarray([1.0, 2.0])}


@pytest.mark.parametrize("count", range(len(NEAR) + 1))
def test_the_first_point_near_by_with_a_finite_truth_is_looked_at(count):
    """`count` of them have none."""
    poles = [jnp.asarray(step(PARAMS)["w"]) for step in NEAR[:count]]

    def loss(params):
        return sum((jnp.log(jnp.abs(params["w"] - pole)).sum() for pole in poles), (params["w"] ** 2).sum())

    view = View(Subject("grads", loss, jax.grad(loss)), PARAMS, wide=True)
    formula = Formula(view, view.first)
    assert list(formula.near) == list(NEAR[count : count + 1])
    assert formula.judged("w")[0].verdict == "right"


def quadratic(w, x):
    return x @ w @ x + jnp.sum(w**3)


OFF_THE_DIAGONAL = np.asarray([[2.0, 0.5, 0.1], [0.5, 1.0, 0.3], [0.1, 0.3, 3.0]])


@pytest.mark.parametrize("w", (OFF_THE_DIAGONAL, np.eye(3), np.ones((3, 3))), ids=("covariance", "identity", "ones"))
def test_what_is_right_for_symmetric_matrices_is_not_accused_at_one(w):
    x = np.asarray([1.0, -2.0, 0.5])
    grads = lambda w, x: jnp.outer(x, x) + 3 * w.T**2
    report = check(quadratic, grads, w, x)
    assert report.verdict == "undecided" and "symmetric" in report.reasons[0]
    assert check(quadratic, grads, w + 0.1 * np.triu(np.ones((3, 3)), 1), x).verdict == "wrong"
    assert check(quadratic, lambda w, x: jnp.outer(x, x) + 3 * w**2, w, x).ok


def test_what_is_wrong_for_symmetric_matrices_too_is_wrong():
    x = np.asarray([1.0, -2.0, 0.5])
    no_power = lambda w, x: jnp.outer(x, x) + 3 * w.T  # right at ones
    assert check(quadratic, no_power, OFF_THE_DIAGONAL, x).verdict == "wrong"
    assert check(quadratic, no_power, np.ones((3, 3)), x).verdict == "wrong"


def test_what_is_wrong_where_matrices_are_symmetric_is_told_where_they_are():
    def loss(params, x):
        d = x - params["mean"]
        return 0.5 * d @ jnp.linalg.solve(params["cov"], d)

    def grads(params, x):
        solved = jnp.linalg.inv(params["cov"]) @ (x - params["mean"])
        dcov = 0.5 * jnp.outer(solved, solved)
        return {"cov": dcov, "mean": -solved}

    params = {"cov": OFF_THE_DIAGONAL, "mean": np.asarray([0.3, 1.2, -0.7])}
    report = check(loss, grads, params, np.asarray([1.0, -2.0, 0.5]))
    assert {leaf.path: leaf.verdict for leaf in report.leaves} == {"cov": "wrong", "mean": "undecided"}
    (finding,) = report.findings
    assert (finding.cause, finding.line and finding.line.text) == ("sign", "dcov = 0.5 * jnp.outer(solved, solved)")


def test_numbers_of_python_are_wrong_near_by_too():
    cube = lambda params: params["a"] ** 3 + (params["w"] ** 2).sum()
    square = lambda params: {"a": 3 * params["a"], "w": 2 * params["w"]}  # right at 1
    report = check(cube, square, {"a": 1.0, "w": np.eye(2)})
    assert [(leaf.path, leaf.verdict) for leaf in report.leaves] == [("a", "wrong"), ("w", "right")]
    assert [(finding.leaves, finding.line is not None) for finding in report.findings] == [(("a",), True)]


def test_of_a_mistake_that_shows_at_a_calm_point_no_rounding_is_drawn_at_the_callers(monkeypatch):
    drawn = set()
    at = View.at

    def seen(view, *steps, shake=None):
        drawn.update(() if shake is None else {steps})
        return at(view, *steps, shake=shake)

    monkeypatch.setattr(View, "at", seen)
    assert check(lambda w: jnp.sum(w**2), lambda w: 3 * w, np.ones(2)).verdict == "wrong"
    assert drawn and () not in drawn
