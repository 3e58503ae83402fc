"""`check(..., numeric=True)`: losses that JAX cannot differentiate, and losses whose derivative is not theirs."""

import re
from itertools import count

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp import assert_gradients, check, GradientError
from jaxmlp.verify._numeric._opinion import LeafOpinion
from jaxmlp.verify._numeric._words import autodiff_differs, unmeasured, values_differ
from jaxmlp.verify._report._sentence import said
from jaxmlp.verify._verdict._accuracy import FORMULA

from ...helpers import normal
from .. import gradients as net


def numpy_loss(params, x, y):
    a1 = np.tanh(np.asarray(x) @ np.asarray(params["w1"]) + np.asarray(params["b1"]))
    out = a1 @ np.asarray(params["w2"]) + np.asarray(params["b2"])
    return ((out - np.asarray(y)) ** 2).sum(axis=1).mean()


@jax.custom_vjp
def lying(z):
    return jnp.tanh(z)


lying.defvjp(lambda z: (jnp.tanh(z), z), lambda z, dout: (dout,))


def lying_loss(params, x, y):
    out = lying(x @ params["w1"] + params["b1"][None]) @ params["w2"] + params["b2"][None]
    return ((out - y) ** 2).sum(axis=1).mean()


def stopped_loss(params, x, y):
    return net.loss(params | {"w1": jax.lax.stop_gradient(params["w1"])}, x, y)


def causes(report):
    return [finding.cause for finding in report.findings]


def wrong(report):
    return {leaf.path for leaf in report.leaves if leaf.verdict == "wrong"}


def numeric(loss, grads, params, *args, **options):
    return check(loss, grads, params, *args, numeric=True, **options)


def test_a_loss_that_jax_cannot_follow_needs_numeric(getkey):
    params, x, y = net.problem(getkey())

    def branching_loss(*args):
        return max(numpy_loss(*args), 0.0)

    with pytest.raises(TypeError, match="cannot be differentiated by JAX"):
        check(branching_loss, net.grads, params, x, y)
    report = assert_gradients(branching_loss, net.grads, params, x, y, numeric=True)
    assert report.ok and report.precision == "float64" and report.points == 1 and not report.findings
    assert all(leaf.error < leaf.allowed <= 1e-4 and leaf.dtype == "float32" for leaf in report.leaves)


@pytest.mark.parametrize(
    ("change", "cause"),
    (
        (lambda w: -w, "sign"),
        (lambda w: 5 * w, "scale-batch"),
        (lambda w: 3 * w, "scale-constant"),
        (lambda w: w.T, "transposed"),
        (lambda w: w[None], "shape"),
        (lambda w: 0 * w, "zero-gradient"),
        (lambda w: w.at[1, 2].set(np.nan), "nonfinite"),
        (lambda w: w.at[2, 1].add(1e-3), "values-differ"),
    ),
)
def test_what_is_wrong_beside_a_loss_in_numpy_is_named(getkey, change, cause):
    params, x, y = net.problem(getkey())
    report = numeric(numpy_loss, net.changed(w1=change), params, x, y)
    assert report.verdict == "wrong" and wrong(report) == {"w1"} and causes(report) == [cause]
    assert not report.reasons
    if cause == "values-differ":
        assert "`w1[2, 1]`" in report.findings[0].message


def test_a_large_leaf_is_measured_along_directions(getkey):
    w = np.asarray(normal(getkey(), (30, 20)))
    loss = lambda w: np.sin(np.asarray(w)).sum()
    assert numeric(loss, lambda w: np.cos(w), w).ok
    assert causes(numeric(loss, lambda w: -np.cos(w), w)) == ["sign"]
    assert causes(numeric(loss, lambda w: np.cos(w).T, w)) == ["shape"]


def test_a_leaf_in_bfloat16_is_a_floating_one():
    w = jnp.asarray([1.0, 2.0], "bfloat16")
    loss = lambda w: float((np.asarray(w, np.float64) ** 2).sum())
    report = numeric(loss, lambda w: np.asarray(2 * w, jnp.bfloat16)[None], w)
    assert wrong(report) == {"params"} and "has shape (1, 2)" in report.findings[0].message


def test_leaves_too_few_and_too_many(getkey):
    params, x, y = net.problem(getkey())
    assert wrong(numeric(numpy_loss, net.without("b1"), params, x, y)) == {"b1"}
    more = lambda *args: net.grads(*args) | {"b9": jnp.ones(3)}
    report = numeric(numpy_loss, more, params, x, y)
    assert report.verdict == "wrong" and report.findings[-1].leaves == ("b9",)


def test_the_value_is_checked_too(getkey):
    params, x, y = net.problem(getkey())
    for factor, verdict in ((1.0, "right"), (1.01, "wrong")):
        both = lambda *args, factor=factor: (factor * net.loss(*args), net.grads(*args))
        report = numeric(numpy_loss, both, params, x, y, has_value=True)
        assert report.verdict == verdict and report.leaves[0].path == "(value)"
        assert causes(report) == ([] if verdict == "right" else ["wrong-forward"])
    with pytest.raises(TypeError, match="has_value=True"):
        numeric(numpy_loss, net.grads, params, x, y, has_value=True)


def test_a_right_loss_and_gradient_are_reported_as_without_numeric(getkey):
    params, x, y = net.problem(getkey())
    assert numeric(net.loss, net.grads, params, x, y) == check(net.loss, net.grads, params, x, y)
    for grads in (net.changed(w1=lambda w: -w), net.changed(b2=lambda b: b * (1 + 1e-5))):
        assert numeric(net.loss, grads, params, x, y) == check(net.loss, grads, params, x, y)


@pytest.mark.parametrize(("loss", "lies"), ((lying_loss, ("b1", "w1")), (stopped_loss, ("w1",))))
def test_a_loss_whose_derivative_is_not_that_of_its_values_is_judged_by_the_values(getkey, loss, lies):
    params, x, y = net.problem(getkey())
    assert check(loss, net.grads, params, x, y).verdict == "wrong", (
        "without `numeric` automatic differentiation is truth"
    )
    report = numeric(loss, net.grads, params, x, y)
    assert report.ok and causes(report) == ["autodiff-differs"] and report.findings[0].leaves == lies

    assert check(loss, jax.grad(loss), params, x, y).ok
    report = numeric(loss, jax.grad(loss), params, x, y)
    assert report.verdict == "wrong" and wrong(report) == set(lies) and causes(report)[0] == "autodiff-differs"
    assert {path for finding in report.findings[1:] for path in finding.leaves} == set(lies)
    with pytest.raises(GradientError, match="Automatic differentiation of `loss` and its values disagree in"):
        assert_gradients(loss, jax.grad(loss), params, x, y, numeric=True)


def test_beside_a_lie_another_mistake_is_still_named(getkey):
    params, x, y = net.problem(getkey())
    report = numeric(stopped_loss, net.changed(b2=lambda b: -b), params, x, y)
    assert wrong(report) == {"b2"} and causes(report) == ["autodiff-differs", "sign"]


def test_beside_a_lie_the_other_leaves_are_judged_as_exactly_as_without():
    """To the values of a loss a mistake of 5e-7 is none."""

    def loss(params):
        return sum(jnp.sum(leaf**2) for leaf in (params[0], jax.lax.stop_gradient(params[1]), params[2]))

    double = lambda params, *by: [2.0 * factor * leaf for factor, leaf in zip(by, params, strict=True)]
    params = [jnp.asarray([1.0, -2.0, 0.5])] * 3
    right, wrongly = (numeric(loss, lambda p, by=by: double(p, 1, 1, by), params) for by in (1, 1 + 5e-7))
    exact = [(leaf.path, leaf.allowed, leaf.error < 1e-12) for leaf in right.leaves[::2]]
    assert right.ok and exact == [("0", FORMULA, True), ("2", FORMULA, True)]
    assert wrong(wrongly) == {"2"} and wrongly.verdict == "wrong" and causes(wrongly)[0] == "autodiff-differs"
    twice = numeric(loss, lambda p: double(p, -1, 1, 3), params)
    assert sorted(causes(twice)) == ["autodiff-differs", "scale-constant", "sign"], "each is told once"


@pytest.mark.parametrize(("at_zero", "verdict"), ((0.5, "right"), (0.0, "undecided")))
def test_beside_a_lie_reasons_are_given_for_what_is_undecided_alone(at_zero, verdict):
    loss = lambda w, z: jnp.sum(jax.lax.stop_gradient(w) ** 2) + jnp.sum(jnp.maximum(z, 0))
    grads = lambda p: {"w": 2 * p["w"], "z": jnp.where(p["z"] == 0, at_zero, jnp.where(p["z"] > 0, 1.0, 0.0))}
    report = numeric(lambda p: loss(**p), grads, {"w": jnp.ones(2), "z": jnp.asarray([1.0, 0.0])})
    assert report.verdict == verdict and causes(report) == ["autodiff-differs"]
    assert ["`z[1]`" in reason for reason in report.reasons] == ([] if verdict == "right" else [True])


def test_every_leaf_that_the_values_contradict_is_told_and_a_mistake_in_two_once():
    loss = lambda params: max(sum((np.asarray(leaf) ** 2).sum() for leaf in params), 0.0)
    params = [np.asarray([1.0, -2.0, 0.5])] * 2
    for change, told in (
        (lambda g: g + np.asarray([0, 0.01, 0]), [("values-differ", ("0",)), ("values-differ", ("1",))]),
        (np.negative, [("sign", ("0", "1"))]),
    ):
        report = numeric(loss, lambda params, change=change: [change(2 * leaf) for leaf in params], params)
        assert [(finding.cause, finding.leaves) for finding in report.findings] == told


def test_a_slope_that_rounding_hides_from_the_values_is_in_doubt():
    loss = lambda w: 1e18 + w.sum()
    assert check(loss, jnp.ones_like, jnp.ones(2)).ok
    report = numeric(loss, jnp.ones_like, jnp.ones(2))
    assert report.verdict == "undecided" and "unused or dead" in report.reasons[0]


def test_at_a_kink_the_slope_of_autodiff_is_in_doubt_too():
    loss, w = lambda w: jnp.maximum(w, 0).sum(), jnp.asarray([1.0, 0.0])
    assert check(loss, jax.grad(loss), w).ok
    report = numeric(loss, jax.grad(loss), w)
    assert report.verdict == "undecided" and "kink" in report.reasons[0]


def test_a_nan_that_only_autodiff_gives_is_no_obstacle():
    loss = lambda w: jnp.where(w > 0, jnp.sqrt(w), w**2).sum()  # jax.grad takes 0 times the slope of sqrt(-1)
    grads = lambda w: jnp.where(w > 0, 0.5 / jnp.sqrt(jnp.abs(w)), 2 * w)
    w = jnp.asarray([-1.0, 4.0])
    assert check(loss, grads, w).verdict == "undecided"
    report = numeric(loss, grads, w)
    assert report.ok and causes(report) == ["autodiff-differs"] and not report.reasons
    assert numeric(loss, lambda w: 2 * grads(w), w).verdict == "wrong"


@pytest.mark.parametrize("as_numpy", (False, True))
def test_a_kink_is_undecided(as_numpy):
    xp = np if as_numpy else jnp
    loss = lambda params: xp.maximum(xp.asarray(params["w"]), 0).sum()
    params = {"w": np.asarray([1.0, 0.0, -1.0], "float32")}
    report = numeric(loss, lambda params: {"w": (params["w"] > 0).astype(params["w"].dtype)}, params)
    assert report.verdict == "undecided"
    assert any("`w[1]`" in reason and "kink" in reason for reason in report.reasons)
    report = numeric(loss, lambda params: {"w": 2.0 * (params["w"] > 0).astype(params["w"].dtype)}, params)
    assert report.verdict == "wrong" and not report.reasons


def test_a_random_loss_is_undecided():
    seeds = count()
    loss = lambda w: np.asarray(w).sum() + np.random.default_rng(next(seeds)).normal()
    report = numeric(loss, np.ones_like, np.ones(3, "float32"))
    assert report.verdict == "undecided" and len(report.reasons) == 1
    assert "another value at every call" in report.reasons[0]


def test_an_unused_parameter_is_no_doubt_where_autodiff_says_so_too():
    params = {"unused": jnp.ones(2), "w": jnp.ones(3)}
    grads = lambda params: {"unused": jnp.zeros(2), "w": 2 * params["w"]}
    assert numeric(lambda params: (params["w"] ** 2).sum(), grads, params).ok
    report = numeric(lambda params: (np.asarray(params["w"]) ** 2).sum(), grads, params)
    assert report.verdict == "undecided" and "unused or dead" in report.reasons[0]


def test_a_slope_that_cancels_is_no_doubt_where_autodiff_says_so_too():
    def loss(params):  # the bias moves every logit alike
        z = params["w"] + params["b"]
        return jax.nn.logsumexp(z) - z[0]

    def grads(params):
        dz = jax.nn.softmax(params["w"]) - jnp.eye(3)[0]
        return {"b": dz.sum(keepdims=True), "w": dz}

    params = {"b": jnp.asarray([0.7]), "w": jnp.asarray([0.3, -1.0, 2.0])}
    assert numeric(loss, grads, params).ok
    assert wrong(numeric(loss, lambda params: grads(params) | {"b": jnp.ones(1)}, params)) == {"b"}


def test_an_error_in_the_loss_is_its_own():
    with pytest.raises(KeyError, match="w9"):
        numeric(lambda params: params["w9"], lambda params: params, {"w": jnp.ones(2)})
    with pytest.raises(TypeError, match="floating scalar"):
        numeric(lambda params: np.asarray(params["w"]).astype(int).sum(), lambda params: params, {"w": jnp.ones(2)})
    with pytest.raises(ValueError, match="scalar"):
        numeric(lambda params: np.asarray(params["w"]), lambda params: params, {"w": jnp.ones(2)})


REASONS = ("random", "kink", "rough", "constant", "nonfinite", "drowned", "close")


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_is_said_in_every_language_once(reason):
    leaf = LeafOpinion("undecided", 1e-5, 2e-4, reason, (1, 2))
    (sentence,) = unmeasured({"w1": leaf, "b1": leaf})
    assert re.search("[가-힣]", said(sentence, "ko")) and not re.search("[{}]|None", sentence + said(sentence, "ko"))
    (vanishing,) = unmeasured({"w1": LeafOpinion("undecided", float("inf"), float("inf"), "drowned")})
    assert "inf" not in vanishing


@pytest.mark.parametrize("finding", (values_differ("w1", None), values_differ("w1", (0, 1)), autodiff_differs(("w1",))))
def test_every_finding_is_said_in_every_language(finding):
    for lang in ("en", "ko"):
        assert not re.search("[{}]|None", finding.said(lang).message)
    assert re.search("[가-힣]", finding.said("ko").message)
