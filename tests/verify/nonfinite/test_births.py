import json
import linecache
import math
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp.lectures._numbers import numbers
from jaxmlp.lectures._program import network, xor
from jaxmlp.lectures._rules import cross_entropy, directions, forward, lost_sign_rule
from jaxmlp.verify._nonfinite import _training as _nonfinite


trace_nonfinite: Any = _nonfinite.trace_nonfinite  # a report's parts may be None, but not in these tests
f32 = partial(jnp.asarray, dtype=jnp.float32)
X, Y = xor("float32")


def lost_sign(params, x, y):
    """Lecture 004's own lines: they are this file's, wherever the package is installed."""
    a1, _, p = forward(params, x)
    d_loss = y / p - (1 - y) / (1 - p)
    return -cross_entropy(p, y, 0.0), directions(params, x, a1, d_loss * (p * (1 - p)))


def lecture_step(params, sign=1.0):
    loss, d_params = lost_sign(params, X, Y)
    return jax.tree.map(lambda param, d_param: param - np.float32(0.01) * d_param, params, d_params), sign * loss


@pytest.fixture(scope="module")
def lecture():
    return trace_nonfinite(lecture_step, network(numbers("004")["start"], "float32"), max_steps=1000)


def text_of(birth):
    """The text of the line, and that it is the line of the number and the file."""
    assert linecache.getline(birth.line.file, birth.line.number).strip() == birth.line.text
    return birth.line.text


# The lecture: what, where, when, and why.


def test_the_lectures_nan_is_zero_times_minus_inf(lecture):
    nan = lecture.first_nan
    assert (lecture.found, lecture.step, lecture.steps, nan.step) == (True, 312, 312, 312)
    assert (nan.operation, nan.reason, nan.element, nan.shape) == ("multiply", "zero-times-inf", (3, 0), (4, 1))
    assert sorted(operand.value for operand in nan.operands) == [-math.inf, 0.0]
    assert "d_loss * (p * (1 - p))" in text_of(nan)
    assert nan.caller.text == "loss, d_params = lost_sign(params, X, Y)"
    assert lecture.leaves == ("0.w", "0.b", "1.w", "1.b", "output")


def test_the_lectures_inf_is_a_division_by_zero(lecture):
    inf = lecture.first_inf
    assert (inf.expression, inf.value, inf.element, inf.reason) == ("1 / 0", math.inf, (3, 0), "division-by-zero")
    assert "(1 - y) / (1 - p)" in text_of(inf)


def test_the_chain_leads_from_a_saturated_p_to_the_nan(lecture):
    reasons = [link.reason for link in lecture.chain]
    assert reasons[-1] == "zero-times-inf" and lecture.chain[-1] == lecture.first_nan
    assert {"absorbed", "cancelled", "division-by-zero"} < set(reasons)
    small, absorbed = lecture.chain[:2]
    assert small.operation == "exp" and 16.6355 < -small.operands[0].value < 16.66
    assert absorbed.expression.startswith("1 + 5.9") and absorbed.value == 1.0
    assert any(link.expression == "1 - 1" and "1 - p" in link.line.text for link in lecture.chain)
    assert "24 ln 2 = 16.6355" in str(lecture)


def test_the_last_finite_state_is_that_of_epoch_311(lecture):
    assert all(np.isfinite(leaf).all() and leaf.dtype == np.float32 for leaf in jax.tree.leaves(lecture.state))
    after, loss = jax.jit(lecture_step)(lecture.state)
    assert np.isnan(after[0].w).all() and loss == -np.inf


def test_the_printed_loss_falls_below_zero_and_the_true_one_is_climbed(lecture):
    assert len(lecture.losses) == 312 and lecture.losses[-1] == -math.inf
    assert lecture.trend == "fell-below-zero" and "lost its minus sign" in str(lecture)
    start = network(numbers("004")["start"], "float32")
    climbed = trace_nonfinite(partial(lecture_step, sign=-1.0), start, max_steps=200)
    assert (climbed.found, climbed.trend, climbed.rose) == (False, "climbed", 199)
    assert "climb" not in str(climbed) and "sign of the update" in str(climbed)


def test_the_repaired_sign_is_finite():
    def step(params):
        loss, d_params = lost_sign_rule(params, X, Y, sign=-1.0)
        return jax.tree.map(lambda param, d_param: param - np.float32(0.01) * d_param, params, d_params), -loss

    report = trace_nonfinite(step, network(numbers("004")["start"], "float32"), max_steps=1000)
    assert not report.found and report.trend == "fell"
    assert (report.step, report.state, report.first_nan, report.first_inf, report.chain) == (None, None, None, None, ())


# A single call: what is named.


def log_of_zero(x):
    return jnp.log(x)


def root(x):
    return jnp.sqrt(x).sum()


def norm(x):
    return jnp.sqrt(jnp.sum(x**2))


def softmax(x):
    return jnp.exp(x) / jnp.exp(x).sum()


def difference(x):
    return jnp.exp(x) - jnp.exp(x)


def product(x):
    return jnp.exp(x) @ jnp.zeros((2, 2), x.dtype)


def surprise(z):
    return -jnp.log(1 - jax.nn.sigmoid(z))


def total(x):
    return jnp.sum(x)


@pytest.mark.parametrize(
    ("function", "x", "nan", "inf", "first"),
    [
        (log_of_zero, [1.0, 0.0], None, "log(0)", "log-of-zero"),
        (log_of_zero, [1.0, -1.0], "log(-1)", None, "negative"),
        (jax.grad(root), [1.0, 0.0], None, "0.5 / 0", "division-by-zero"),
        (jax.grad(norm), [0.0, 0.0], "inf * 0", "0.5 / 0", "value"),
        (lambda x: x / x.sum(), [0.0, 0.0], "0 / 0", None, "value"),
        (softmax, [0.0, 100.0], "inf / inf", "exp(100)", "overflow"),
        (difference, [100.0, 0.0], "inf - inf", "exp(100)", "overflow"),
        (product, [[1.0, 100.0]], "... + inf * 0 + ...", "exp(100)", "overflow"),
        (jax.grad(surprise), 40.0, "inf * 0", "-1 / 0", "saturated"),
        (surprise, 40.0, None, "log(0)", "saturated"),
        (lambda x: jnp.log(jax.nn.relu(x)), [1.0, -2.0], None, "log(0)", "cut"),
        (lambda x: jnp.log(jnp.exp(x).mean()), [-200.0, -200.0], None, "log(0)", "underflow"),
        (lambda x: x**-2, [0.0], None, "0 ** -2", "division-by-zero"),
        (total, [3e38, 3e38], None, "sum of shape (2,)", "overflow"),
        (lambda x: x[0] * x[1], [1e30, 1e30], None, "1e+30 * 1e+30", "overflow"),
    ],
)
def test_the_operation_and_the_root_are_named(function, x, nan, inf, first):
    report = trace_nonfinite(function, f32(x))
    assert (report.first_nan and report.first_nan.expression) == nan
    assert (report.first_inf and report.first_inf.expression) == inf
    assert report.chain[0].reason == first
    assert report.found and all(name.startswith("output") for name in report.leaves)
    assert report.chain[-1] in (report.first_nan, report.first_inf)
    assert text_of(report.chain[-1])


def convolved(x):
    window = jnp.ones((1, 1, 3), x.dtype)
    return jax.lax.conv_general_dilated(jnp.log(x)[None, None], window, (1,), "SAME")


def attention(x):
    mask = jnp.arange(4)[None] < jnp.array([[2], [0]])
    return jax.nn.softmax(jnp.where(mask, x[None], -jnp.inf), axis=-1).sum()


@pytest.mark.parametrize(
    "function",
    [
        convolved,
        lambda x: jnp.cumsum(jnp.log(x)),
        lambda x: jnp.sort(jnp.log(x)),
        lambda x: jnp.log(x)[jnp.array([2, 0])],
        lambda x: jnp.zeros(4, x.dtype).at[jnp.array([2, 0, 0, 1])].add(jnp.log(x)),
        lambda x: jax.lax.dynamic_slice(jnp.log(x), (1,), (2,)),
        lambda x: jnp.concatenate([x, jnp.log(x)]).reshape(2, 4).T,
        lambda x: jnp.outer(x, jnp.log(x)) @ jnp.ones((4, 2), x.dtype),
        lambda x: jax.vmap(lambda a: jnp.log(a))(x).max(),
        lambda x: jnp.pad(jnp.log(x), 1).mean(),
    ],
)
def test_the_way_back_leads_through_every_kind_of_operation(function):
    x = f32([1.0, 2.0, -1.0, 3.0])
    born = trace_nonfinite(function, x).first_nan
    assert (born.expression, born.element, born.operands[0].name) == ("log(-1)", (2,), "state")


def test_a_row_that_is_masked_out_altogether():
    nan = trace_nonfinite(attention, f32([1.0, 2.0, 3.0, 4.0])).first_nan
    assert (nan.expression, nan.reason, nan.element) == ("-inf - -inf", "inf-minus-inf", (1, 0))


def test_what_a_line_does_not_show_is_said_to_be_hidden_in_it():
    assert "of its derivative" in str(trace_nonfinite(jax.grad(root), f32([0.0])))
    assert "of its derivative" not in str(trace_nonfinite(root, f32([-1.0])))


def masked(x):
    return jnp.where(x > 0, jnp.log(x), 0.0).sum()


def masked_and_not(x):
    logs = jnp.where(x > 0, jnp.log(x), 0.0)
    return (logs + jnp.sqrt(x - 3)).sum()


def mixed_mask(x):
    return jnp.where(x > -2, jnp.log(x), 0.0).sum()


def test_what_a_mask_discards_is_not_accused():
    assert not trace_nonfinite(masked, f32([-1.0, 0.0, 2.0])).found
    report = trace_nonfinite(masked_and_not, f32([-1.0, 0.0, 5.0]))
    assert report.first_nan.operation == "sqrt" and report.first_inf is None
    report = trace_nonfinite(mixed_mask, f32([-5.0, 2.0, -1.0]))
    assert (report.first_nan.expression, report.first_nan.element) == ("log(-1)", (2,))


def test_the_gradient_of_a_mask_is_accused():
    assert trace_nonfinite(jax.grad(masked), f32([0.0, 2.0])).first_nan.expression == "0 / 0"


@jax.jit
def helper(x):
    return jnp.log(x)


def two_calls(x):
    first = helper(x)
    second = helper(x - 2)
    return first + second


def test_a_helper_under_jit_is_named_with_the_call_that_fails():
    two_calls(f32([5.0]))  # so the helper is traced before, by another call
    nan = trace_nonfinite(two_calls, f32([1.0])).first_nan
    assert text_of(nan) == "return jnp.log(x)" and nan.caller.text == "second = helper(x - 2)"


def loop(x):
    def body(x, k):
        x = x - 3.0 * k * x
        return x, jnp.log(x.sum())

    return jax.lax.scan(body, x, jnp.ones(5000, x.dtype))


def compiled_loop(x):
    return jax.jit(loop)(x)


def branch(x):
    return jax.lax.cond(x.sum() > 0, lambda x: jnp.log(x - 1), lambda x: x, x)


def repeated(x):
    return jax.lax.while_loop(lambda x: x[0] < 1e30, jnp.exp, x)


@pytest.mark.parametrize(
    ("function", "expression", "line"),
    [
        (loop, "log(-4)", "return x, jnp.log(x.sum())"),
        (compiled_loop, "log(-4)", "return x, jnp.log(x.sum())"),
        (branch, "log(0)", "return jax.lax.cond(x.sum() > 0, lambda x: jnp.log(x - 1), lambda x: x, x)"),
        (repeated, "exp(3.81427e+06)", "return jax.lax.while_loop(lambda x: x[0] < 1e30, jnp.exp, x)"),
    ],
)
def test_it_is_found_within_a_loop_or_a_branch(function, expression, line):
    report = trace_nonfinite(function, f32([1.0, 1.0]))
    born = report.first_nan or report.first_inf
    assert born.expression == expression and text_of(born) == line


def test_an_array_that_the_step_holds_is_named():
    data = f32([[1.0, 2.0], [math.nan, 3.0]])

    def step(w):
        return w - (data @ w).sum()

    nan = trace_nonfinite(step, f32([1.0, 1.0]), max_steps=3).first_nan
    assert (nan.operation, nan.element, nan.reason) == ("constant", (1, 0), "given")
    assert text_of(nan) == "return w - (data @ w).sum()"


# The report.


def test_the_report_as_json_html_and_korean(lecture):
    data = json.loads(lecture.to_json())
    assert (data["schema"], data["found"], data["step"], data["losses"][-1]) == (1, True, 312, "-inf")
    assert data["first_nan"]["value"] == "nan" and data["chain"][-1] == data["first_nan"]
    assert "&lt;" not in lecture._repr_html_() and "-inf * 0" in lecture._repr_html_()
    assert "첫 NaN" in lecture.text("ko") and "24 ln 2 = 16.6355" in lecture.text("ko")
    with pytest.raises(ValueError, match="'en', 'ko', got 'de'"):
        lecture.text("de")


def test_every_sentence_is_in_both_languages():
    from jaxmlp.verify._nonfinite._sentences import SENTENCES

    english, korean = SENTENCES["en"], SENTENCES["ko"]
    assert list(english) == list(korean)
