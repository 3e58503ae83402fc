import linecache
import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxmlp.verify._nonfinite import _births as _nonfinite_births, _training as _nonfinite
from jaxmlp.verify._program import _trace


trace_nonfinite: Any = _nonfinite.trace_nonfinite  # a report's parts may be None, but not in these tests
f32 = partial(jnp.asarray, dtype=jnp.float32)


def surprise(z):
    return -jnp.log(1 - jax.nn.sigmoid(z))


def text_of(birth):
    """The text of the line, and that it is the line of the number and the file."""
    assert linecache.getline(birth.line.file, birth.line.number).strip() == birth.line.text
    return birth.line.text


# Training: every kind of state, and what the losses did.


def test_a_step_under_jit_that_gives_its_argument_away():
    @partial(jax.jit, donate_argnums=0)
    def step(w):
        return w * w

    report = trace_nonfinite(step, f32([1.5]), max_steps=100)
    assert report.step == 8 and text_of(report.first_inf) == "return w * w"
    assert report.first_inf.operands[0].name == "state" and report.first_inf.operands[0].value == report.state[0]
    assert trace_nonfinite(step, f32([1e30])).first_inf.expression == "1e+30 * 1e+30"


def test_an_optax_step():
    optimizer = optax.adam(0.1)

    def loss(params):
        return jnp.sum(jnp.sqrt(params["w"])) + params["b"] ** 2

    def step(state):
        params, moments = state
        value, grads = jax.value_and_grad(loss)(params)
        updates, moments = optimizer.update(grads, moments, params)
        return (optax.apply_updates(params, updates), moments), {"loss": value, "norm": optax.tree.norm(grads)}

    params = {"w": f32([1.0, 2.0]), "b": f32(1.0)}
    with jax.numpy_dtype_promotion("standard"):  # which optax.adam needs
        report = trace_nonfinite(step, (params, optimizer.init(params)), max_steps=100)
    assert report.first_nan.operation == "sqrt" and report.first_nan.operands[0].name == "0.w"
    assert report.trend == "fell" and len(report.losses) == report.step
    assert report.first_nan.caller.text == "value, grads = jax.value_and_grad(loss)(params)"


def test_random_keys_counters_and_flags_in_the_state():
    def step(state):
        key, new = jax.random.split(state["key"])
        noise = 1 + jax.random.uniform(new, (), jnp.float32)
        return {"key": key, "w": state["w"] * 10 * noise, "n": state["n"] + 1, "on": ~state["on"]}

    start = {"key": jax.random.key(0), "w": f32([1.0]), "n": 0, "on": jnp.array(True)}
    report = trace_nonfinite(step, start, max_steps=1000)
    assert report.leaves == ("w",) and report.state["n"] == report.step - 1
    assert report.first_inf.operation == "multiply" and not np.isfinite(jax.jit(step)(report.state)["w"])


def test_thousands_of_steps_are_counted_right():
    report = trace_nonfinite(lambda n: (n + 1, 1 / (3000.0 - n)), f32(1.0), max_steps=10_000)
    assert (report.step, len(report.losses), float(report.state)) == (3000, 3000, 3000.0)
    np.testing.assert_allclose(report.losses[:-1], 1 / (3000 - np.arange(1, 3000)), rtol=1e-6)


def test_an_inf_may_lead_to_a_nan_in_a_later_step():
    report = trace_nonfinite(lambda w: w * w - w, f32([1e30]), max_steps=5)
    assert (report.step, report.first_inf.step, report.first_nan.step) == (1, 1, 2)
    assert "in step 2" in str(report)
    assert trace_nonfinite(lambda w: w * w - w, f32([1e30])).first_nan is None


def test_a_state_that_holds_inf_from_the_start():
    def step(state):
        return {"best": jnp.minimum(state["best"], state["w"].sum()), "w": state["w"] * 2}

    report = trace_nonfinite(step, {"best": jnp.inf, "w": f32([1.0])}, max_steps=500)
    assert (report.step, report.leaves) == (128, ("w",))


@pytest.mark.parametrize(("dtype", "step"), [("float16", 16), ("bfloat16", 128), ("float32", 128), ("float64", 1024)])
def test_every_format_overflows_where_it_does(dtype, step):
    report = trace_nonfinite(lambda w: w * 2, jnp.ones(2, dtype), max_steps=2000)
    assert (report.step, report.first_inf.dtype, report.first_inf.reason) == (step, dtype, "overflow")
    assert f"the largest {dtype}" in str(report)


@pytest.mark.parametrize(("dtype", "bound"), [("float16", 7.6246), ("bfloat16", 5.5452), ("float64", 36.7368)])
def test_a_sigmoid_saturates_where_the_format_says(dtype, bound):
    report = trace_nonfinite(surprise, jnp.asarray(50.0, dtype))
    assert report.chain[0].reason == "saturated" and f"{bound}" in str(report)


@pytest.mark.parametrize(("rate", "trend"), [(0.4, "fell"), (-0.1, "climbed"), (1.1, "diverged"), (1.0, None)], ids=str)
def test_the_trend_of_gradient_descent(rate, trend):
    report = trace_nonfinite(lambda w: (w - rate * 2 * w, (w**2).sum()), f32([1.0]), max_steps=20)
    assert report.trend == trend or (trend is None and report.trend == "wavered")


# Code that JAX cannot trace.


def test_numpy_code_is_called_step_by_step_and_its_line_is_named():
    def step(w):
        w *= 1.0  # in place: the report's state is another array
        grown = np.exp(10 * np.asarray(w, np.float64))
        return grown, float(np.log(grown).sum())

    start = np.array([1.0, 2.0])
    report = trace_nonfinite(step, start, max_steps=100)
    assert (report.step, report.notes, report.first_nan) == (2, ("opaque",), None)
    assert text_of(report.first_inf).startswith("grown = np.exp(") and report.first_inf.operation == "exp"
    assert np.isfinite(report.state).all() and (start == [1.0, 2.0]).all()
    assert "JAX cannot trace" in str(report)


def test_a_nan_in_numpy():
    def step(state):
        return {"w": np.log(np.asarray(state["w"])) * 1.0}

    report = trace_nonfinite(step, {"w": np.array([0.5])}, max_steps=4)
    assert (report.step, report.leaves, report.first_nan.operation) == (2, ("w",), "log")


# What is refused.


def test_bad_arguments_are_refused():
    ones = {"a": f32([1.0]), "b": f32([1.0, math.nan])}
    with pytest.raises(ValueError, match=r"leaf `b` holds NaN at \(1,\)"):
        trace_nonfinite(lambda state: state, ones, max_steps=3)
    for steps in (0, -1):
        with pytest.raises(ValueError, match=f"at least 1, got {steps}"):
            trace_nonfinite(lambda w: w, f32([1.0]), max_steps=steps)
    with pytest.raises(TypeError, match="`max_steps` must be an integer, got float"):
        trace_nonfinite(lambda w: w, f32([1.0]), max_steps=1.5)
    with pytest.raises(TypeError, match="must be a function, got ArrayImpl"):
        trace_nonfinite(f32(1.0), f32([1.0]))


@pytest.mark.parametrize(
    ("step", "match"),
    [
        (lambda w: {"w": w}, "must return the new state"),
        (lambda w: (w, w, w), "must return the new state"),
        (lambda w: w[None], r"float32 of shape \(2,\) into float32 of shape \(1, 2\)"),
        (lambda w: (w.astype(jnp.float16), 1.0), "into float16"),
        (lambda w: {"w": np.asarray(w, np.float32)}, "must return the new state"),
    ],
)
def test_a_step_that_returns_no_state_is_refused(step, match):
    with pytest.raises(TypeError, match=match):
        trace_nonfinite(step, f32([1.0, 2.0]), max_steps=2)


# A compiled step may round otherwise than the replay.


@pytest.mark.parametrize(("factor", "note", "step"), [(1.0, "replay-differs", None), (8.0, "later-step", 7)])
def test_a_replay_that_is_finite_where_the_compiled_step_is_not_is_said_to_be(monkeypatch, factor, note, step):
    replayed = lambda w: w * jnp.float32(factor)
    monkeypatch.setattr(_nonfinite_births, "traced", lambda _, state: _trace.traced(replayed, state))
    report = trace_nonfinite(lambda w: w * jnp.float32(1e9), f32([1.0]), max_steps=100)
    assert (report.step, report.notes) == (5, (note,)) and "Compiled, step 5 is not finite" in str(report)
    assert (report.first_inf and report.first_inf.step) == step
