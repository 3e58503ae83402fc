from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxmlp
from jaxmlp import NonfiniteReport
from jaxmlp._run import _nonfinite

from .problem import BATCH


SGD = optax.sgd(1.0)


def bursting(loss_by, grads_by):
    """The loss, or the gradient of `w`, is not finite where `params["left"]`, which falls by 1 a step, is 0."""

    def loss_and_grads(params, x, y):
        bursts = params["left"] == 0
        loss = jnp.where(bursts, loss_by * params["w"], params["w"]) * jnp.mean(y)
        dw = jnp.where(bursts, grads_by, 0.25)
        return loss, {"left": jnp.ones_like(dw), "w": dw}

    return loss_and_grads


BOTH, LOSS, GRADS, INFINITE = (
    bursting(jnp.nan, jnp.nan),
    bursting(jnp.nan, 0.0),
    bursting(1.0, jnp.nan),
    bursting(1.0, jnp.inf),
)


def bursting_at(step):
    return {"left": jnp.asarray(step - 1.0), "w": jnp.asarray(1.0)}


@pytest.fixture
def untraced(monkeypatch):
    """The explanation takes seconds, and has tests of its own."""
    report = lambda step, state, *, max_steps: NonfiniteReport("training", steps=max_steps, step=max_steps)
    monkeypatch.setattr(_nonfinite, "trace_nonfinite", report)


@pytest.mark.parametrize("at", (1, 5, 9, 10, 16, 20))
@pytest.mark.parametrize("kind", (BOTH, LOSS, GRADS, INFINITE), ids=("both", "loss", "gradient", "infinite"))
def test_stops_at_the_very_step_with_the_last_good_state(at, kind, untraced):
    result = jaxmlp.run(bursting_at(at), BATCH, loss_and_grads=kind, optimizer=SGD, steps=20, chunk=9)
    assert (result.reason, int(result.state.step), result.history.steps) == ("nonfinite", at - 1, at - 1)
    assert result.state.params == {"left": 0.0, "w": 1.0 - 0.25 * (at - 1)}
    np.testing.assert_array_equal(result.history.losses, 0.5 - 0.125 * np.arange(at - 1))
    assert result.nonfinite is not None and result.nonfinite.step == at


def test_after_the_last_step_nothing_is_looked_for():
    result = jaxmlp.run(bursting_at(21), BATCH, loss_and_grads=BOTH, optimizer=SGD, steps=20, chunk=9)
    assert (result.reason, result.nonfinite, int(result.state.step)) == ("finished", None, 20)


def test_goes_on_where_it_is_asked_to():
    optimizer = optax.apply_if_finite(SGD, 3)
    options: dict[str, Any] = dict(loss_and_grads=BOTH, optimizer=optimizer, stop_nonfinite=False)
    result = jaxmlp.run(bursting_at(5), BATCH, **options, steps=20, chunk=9)
    assert (result.reason, result.nonfinite) == ("finished", None)
    np.testing.assert_array_equal(np.isnan(result.history.losses), np.arange(20) >= 4)


def test_a_member_of_an_ensemble_that_fails_stops_it(untraced):
    params = jax.tree.map(lambda *leaves: jnp.stack(leaves), bursting_at(9), bursting_at(6))
    result = jaxmlp.run(params, BATCH, loss_and_grads=BOTH, optimizer=SGD, steps=20, ensemble=True)
    assert result.reason == "nonfinite" and result.history.losses.shape == (2, 5)
    assert result.nonfinite is not None and result.nonfinite.step == 6


def test_the_explanation_names_the_line_and_the_step_of_the_training():
    def loss(w, x, y):
        p = jax.nn.sigmoid(x @ w)
        return -jnp.mean(y * jnp.log(p) + (1 - y) * jnp.log(1 - p))

    def climbing(w, x, y):
        value, dw = jax.value_and_grad(loss)(w, x, y)
        return value, -dw

    w = jnp.ones((2, 1), BATCH[0].dtype)
    result = jaxmlp.run(w, BATCH, loss_and_grads=climbing, optimizer=SGD, steps=1000, chunk=30)
    report = result.nonfinite
    assert report is not None and report.first_nan is not None
    assert report.first_inf is not None and report.first_inf.line is not None
    assert report.step == report.first_nan.step == result.history.steps + 1 > 30
    assert report.first_inf.line.text == "return -jnp.mean(y * jnp.log(p) + (1 - y) * jnp.log(1 - p))"
    assert f"in step {report.step}" in str(report)


def test_an_explanation_that_fails_loses_nothing(monkeypatch):
    def broken(*args, **kwargs):
        raise RecursionError("too deep")

    monkeypatch.setattr(_nonfinite, "trace_nonfinite", broken)
    with pytest.warns(RuntimeWarning, match="no explanation of the step that is not finite: too deep"):
        result = jaxmlp.run(bursting_at(5), BATCH, loss_and_grads=BOTH, optimizer=SGD, steps=20)
    assert (result.reason, result.history.steps, result.nonfinite) == ("nonfinite", 4, None)


def test_integers_among_the_parameters_are_finite():
    assert _nonfinite.is_finite(np.zeros(2), {"count": jnp.arange(2), "w": jnp.ones(2)})
    for value in (np.nan, np.inf, -np.inf):
        assert not _nonfinite.is_finite(np.zeros(2), {"w": jnp.array([1.0, value])})
    assert _nonfinite.is_finite(np.zeros(2), {"w": jnp.finfo("float64").max * jnp.array([1.0, 1.0, -1.0])})
    assert not _nonfinite.is_finite(np.array([0.0, np.nan]), {})
