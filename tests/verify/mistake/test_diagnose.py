"""The diagnosis: small hand-written gradients with one mistake each, whose line and cause must be named."""

import jax
import jax.numpy as jnp
import pytest

from jaxmlp import check

from .. import gradients


MISTAKES = {}


def mistake(cause, line, leaves, *, loss=gradients.loss, must=None):
    """Registers the gradient below it, which is wrong in one line."""

    def registered(grads):
        MISTAKES[grads.__name__] = loss, grads, cause, line, leaves, must
        return grads

    return registered


def forward(params, x):
    z1 = x @ params["w1"] + params["b1"][None, :]
    a1 = jnp.tanh(z1)
    return z1, a1, a1 @ params["w2"] + params["b2"][None, :]


def behind(params, x, y):
    """The hidden layer and the cotangent of the outputs, both right."""
    _, a1, out = forward(params, x)
    return a1, 2 * (out - y) / len(y)


def softmax_squared(params, x, y):
    return ((jax.nn.softmax(forward(params, x)[2]) - y) ** 2).sum()


def penalized(params, x, y):
    return gradients.loss(params, x, y) + 0.1 * ((params["w1"] ** 2).sum() + (params["w2"] ** 2).sum())


def rectified(params, x, y):
    a1 = jax.nn.relu(forward(params, x)[0])
    return ((a1 @ params["w2"] + params["b2"][None, :] - y) ** 2).sum(axis=1).mean()


def normalized(params, x, y):
    """The last bias scales the outputs, as gamma does in a norm layer."""
    _, a1, _ = forward(params, x)
    out = a1 @ params["w2"]
    norm = out / jnp.sqrt((out**2).mean(axis=0, keepdims=True) + 1e-5)
    return ((norm * params["b2"][None, :] - y) ** 2).mean()


def logged(params, x, y):
    """Binary cross-entropy."""
    p = jax.nn.sigmoid(forward(params, x)[2])
    return -(jax.nn.sigmoid(y) * jnp.log(p) + (1 - jax.nn.sigmoid(y)) * jnp.log(1 - p)).mean()


def skipping(params, x, y):
    """A residual connection: the hidden layer is added to the outputs."""
    _, a1, out = forward(params, x)
    return ((out + a1[:, :2] - y) ** 2).sum()


@mistake("sign", "dz2 = 2 * (y - out) / len(y)", "w1 b1 w2 b2")
def a_sign(params, x, y):
    z1, a1, out = forward(params, x)
    dz2 = 2 * (y - out) / len(y)
    dz1 = dz2 @ params["w2"].T * (1 - a1**2)
    return {"w1": x.T @ dz1, "b1": dz1.sum(axis=0), "w2": a1.T @ dz2, "b2": dz2.sum(axis=0)}


@mistake("scale-batch", "db1 = dz1.mean(axis=0)", "b1", must="dz1.sum(axis=0)")
def a_mean_for_a_sum(params, x, y):
    a1, dz2 = behind(params, x, y)
    dz1 = dz2 @ params["w2"].T * (1 - a1**2)
    db1 = dz1.mean(axis=0)
    return {"w1": x.T @ dz1, "b1": db1, "w2": a1.T @ dz2, "b2": dz2.sum(axis=0)}


@mistake("scale-constant", "dz2 = (out - y) / len(y)", "w1 b1 w2 b2", must="(out - y) / len(y) * 2")
def the_two_of_the_square(params, x, y):
    z1, a1, out = forward(params, x)
    dz2 = (out - y) / len(y)
    dz1 = dz2 @ params["w2"].T * (1 - a1**2)
    return {"w1": x.T @ dz1, "b1": dz1.sum(axis=0), "w2": a1.T @ dz2, "b2": dz2.sum(axis=0)}


@mistake("transposed", "dw2 = dz2.T @ a1", "w2", must="(dz2.T @ a1).T")
def a_transpose(params, x, y):
    a1, dz2 = behind(params, x, y)
    dw2 = dz2.T @ a1
    dz1 = dz2 @ params["w2"].T * (1 - a1**2)
    return {"w1": x.T @ dz1, "b1": dz1.sum(axis=0), "w2": dw2, "b2": dz2.sum(axis=0)}


@mistake("missing-activation-derivative", 'dz1 = dz2 @ params["w2"].T', "w1 b1")
def no_slope(params, x, y):
    a1, dz2 = behind(params, x, y)
    dz1 = dz2 @ params["w2"].T
    return {"w1": x.T @ dz1, "b1": dz1.sum(axis=0), "w2": a1.T @ dz2, "b2": dz2.sum(axis=0)}


@mistake("missing-activation-derivative", "dz1 = da1", "w1 b1")
def another_name(params, x, y):
    a1, dz2 = behind(params, x, y)
    da1 = dz2 @ params["w2"].T
    dz1 = da1
    return {"w1": x.T @ dz1, "b1": dz1.sum(axis=0), "w2": a1.T @ dz2, "b2": dz2.sum(axis=0)}


@mistake("extra-activation-derivative", "dz1 = da1 * slope", "w1 b1")
def the_slope_twice(params, x, y):
    a1, dz2 = behind(params, x, y)
    slope = 1 - a1**2
    da1 = dz2 @ params["w2"].T * slope
    dz1 = da1 * slope
    return {"w1": x.T @ dz1, "b1": dz1.sum(axis=0), "w2": a1.T @ dz2, "b2": dz2.sum(axis=0)}


@mistake("wrong-activation-derivative", "slope = a1 * (1 - a1)", "w1 b1")
def the_slope_of_sigmoid(params, x, y):
    a1, dz2 = behind(params, x, y)
    slope = a1 * (1 - a1)
    dz1 = dz2 @ params["w2"].T * slope
    return {"w1": x.T @ dz1, "b1": dz1.sum(axis=0), "w2": a1.T @ dz2, "b2": dz2.sum(axis=0)}


@mistake("missing-upstream", "dz1 = 1 - a1**2", "w1 b1")
def nothing_from_behind(params, x, y):
    a1, dz2 = behind(params, x, y)
    dz1 = 1 - a1**2
    return {"w1": x.T @ dz1, "b1": dz1.sum(axis=0), "w2": a1.T @ dz2, "b2": dz2.sum(axis=0)}


@mistake("missing-reduction", 'return {"w1": x.T @ dz1, "b1": dz1, "w2": a1.T @ dz2, "b2": dz2.sum(axis=0)}', "b1")
def a_bias_for_each_example(params, x, y):
    a1, dz2 = behind(params, x, y)
    dz1 = dz2 @ params["w2"].T * (1 - a1**2)
    return {"w1": x.T @ dz1, "b1": dz1, "w2": a1.T @ dz2, "b2": dz2.sum(axis=0)}


@mistake("shape", "db1 = dz1.sum(axis=0, keepdims=True)", "b1")
def an_axis_that_is_kept(params, x, y):
    a1, dz2 = behind(params, x, y)
    dz1 = dz2 @ params["w2"].T * (1 - a1**2)
    db1 = dz1.sum(axis=0, keepdims=True)
    return {"w1": x.T @ dz1, "b1": db1, "w2": a1.T @ dz2, "b2": dz2.sum(axis=0)}


@mistake("wrong-reduction-axis", "db1 = dz1.sum(axis=1)", "b1")
def another_axis(params, x, y):
    a1, dz2 = behind(params, x, y)
    dz1 = dz2 @ params["w2"].T * (1 - a1**2)
    db1 = dz1.sum(axis=1)
    return {"w1": x.T @ dz1, "b1": db1, "w2": a1.T @ dz2, "b2": dz2.sum(axis=0)}


@mistake("wrong-operand", "dw2 = jnp.tanh(a1).T @ dz2", "w2")
def another_operand(params, x, y):
    z1, a1, out = forward(params, x)
    dz2 = 2 * (out - y) / len(y)
    dw2 = jnp.tanh(a1).T @ dz2
    dz1 = dz2 @ params["w2"].T * (1 - a1**2)
    return {"w1": x.T @ dz1, "b1": dz1.sum(axis=0), "w2": dw2, "b2": dz2.sum(axis=0)}


@mistake("stale-weights", 'w2 = params["w2"] - 0.5 * dw2', "w1 b1", must='params["w2"]')
def weights_of_the_next_step(params, x, y):
    a1, dz2 = behind(params, x, y)
    dw2 = a1.T @ dz2
    w2 = params["w2"] - 0.5 * dw2
    dz1 = dz2 @ w2.T * (1 - a1**2)
    return {"w1": x.T @ dz1, "b1": dz1.sum(axis=0), "w2": dw2, "b2": dz2.sum(axis=0)}


@mistake("missing-regularization", "dw1 = x.T @ dz1", "w1", loss=penalized)
def no_penalty(params, x, y):
    a1, dz2 = behind(params, x, y)
    dw2 = a1.T @ dz2 + 0.2 * params["w2"]
    dz1 = dz2 @ params["w2"].T * (1 - a1**2)
    dw1 = x.T @ dz1
    return {"w1": dw1, "b1": dz1.sum(axis=0), "w2": dw2, "b2": dz2.sum(axis=0)}


@mistake("nonfinite", "dp = (p - t) / (p * (1 - p) * 0)", "w1 b1 w2 b2", loss=logged)
def a_division_by_zero(params, x, y):
    z1, a1, out = forward(params, x)
    p, t = jax.nn.sigmoid(out), jax.nn.sigmoid(y)
    dp = (p - t) / (p * (1 - p) * 0)
    dz2 = dp * p * (1 - p) / p.size
    dz1 = dz2 @ params["w2"].T * (1 - a1**2)
    return {"w1": x.T @ dz1, "b1": dz1.sum(axis=0), "w2": a1.T @ dz2, "b2": dz2.sum(axis=0)}


@mistake("zero-gradient", "db1 = jnp.zeros(4)", "b1")
def a_bias_not_trained(params, x, y):
    a1, dz2 = behind(params, x, y)
    dz1 = dz2 @ params["w2"].T * (1 - a1**2)
    db1 = jnp.zeros(4)
    return {"w1": x.T @ dz1, "b1": db1, "w2": a1.T @ dz2, "b2": dz2.sum(axis=0)}


@mistake("wrong-mask", 'dz1 = jnp.where(x @ params["w1"] > 0, da1, 0)', "w1 b1", loss=rectified)
def a_mask_without_bias(params, x, y):
    z1 = forward(params, x)[0]
    a1 = jnp.maximum(z1, 0)
    dz2 = 2 * (a1 @ params["w2"] + params["b2"][None, :] - y) / len(y)
    da1 = dz2 @ params["w2"].T
    dz1 = jnp.where(x @ params["w1"] > 0, da1, 0)
    return {"w1": x.T @ dz1, "b1": dz1.sum(axis=0), "w2": a1.T @ dz2, "b2": dz2.sum(axis=0)}


@mistake("softmax-jacobian-diagonal-only", "dz2 = dp * p * (1 - p)", "w1 b1 w2 b2", loss=softmax_squared)
def the_diagonal_of_softmax(params, x, y):
    z1, a1, logits = forward(params, x)
    p = jax.nn.softmax(logits)
    dp = 2 * (p - y)
    dz2 = dp * p * (1 - p)
    dz1 = dz2 @ params["w2"].T * (1 - a1**2)
    return {"w1": x.T @ dz1, "b1": dz1.sum(axis=0), "w2": a1.T @ dz2, "b2": dz2.sum(axis=0)}


@mistake("missing-term", 'da1 = dout @ params["w2"].T', "w1 b1", loss=skipping)
def one_of_two_paths(params, x, y):
    z1, a1, out = forward(params, x)
    dout = 2 * (out + a1[:, :2] - y)
    da1 = dout @ params["w2"].T
    dz1 = da1 * (1 - a1**2)
    return {"w1": x.T @ dz1, "b1": dz1.sum(axis=0), "w2": a1.T @ dout, "b2": dout.sum(axis=0)}


@mistake("double-counted-term", 'da1 = da1 + dout @ params["w2"].T', "w1 b1", loss=skipping)
def a_path_twice(params, x, y):
    z1, a1, out = forward(params, x)
    dout = 2 * (out + a1[:, :2] - y)
    dskip = jnp.pad(dout, ((0, 0), (0, 2)))
    da1 = dskip + dout @ params["w2"].T
    da1 = da1 + dout @ params["w2"].T
    dz1 = da1 * (1 - a1**2)
    return {"w1": x.T @ dz1, "b1": dz1.sum(axis=0), "w2": a1.T @ dout, "b2": dout.sum(axis=0)}


@mistake("wrong-forward", "a1 = jnp.sin(z1)", "w1 b1 w2 b2")
def another_forward(params, x, y):
    z1, _, _ = forward(params, x)
    a1 = jnp.sin(z1)
    dz2 = 2 * (a1 @ params["w2"] + params["b2"][None, :] - y) / len(y)
    dz1 = dz2 @ params["w2"].T * (1 - a1**2)
    return {"w1": x.T @ dz1, "b1": dz1.sum(axis=0), "w2": a1.T @ dz2, "b2": dz2.sum(axis=0)}


@mistake(
    "missing-factor",
    "dz2 = inv * (dout - norm * (dout * norm).mean(axis=0)[None, :])",
    "w1 b1 w2",
    loss=normalized,
)
def no_gamma(params, x, y):
    z1, a1, _ = forward(params, x)
    out = a1 @ params["w2"]
    inv = 1 / jnp.sqrt((out**2).mean(axis=0, keepdims=True) + 1e-5)
    norm = out * inv
    dout = 2 * (norm * params["b2"][None, :] - y) / y.size
    dz2 = inv * (dout - norm * (dout * norm).mean(axis=0)[None, :])
    dz1 = dz2 @ params["w2"].T * (1 - a1**2)
    return {"w1": x.T @ dz1, "b1": dz1.sum(axis=0), "w2": a1.T @ dz2, "b2": (dout * norm).sum(axis=0)}


@mistake("extra-factor", 'dw1 = x.T @ dz1 * params["w1"]', "w1")
def a_factor_of_the_weights(params, x, y):
    a1, dz2 = behind(params, x, y)
    dz1 = dz2 @ params["w2"].T * (1 - a1**2)
    dw1 = x.T @ dz1 * params["w1"]
    return {"w1": dw1, "b1": dz1.sum(axis=0), "w2": a1.T @ dz2, "b2": dz2.sum(axis=0)}


@mistake("wrong-regularization", 'dw1 = x.T @ dz1 + 0.2 * jnp.abs(params["w1"])', "w1", loss=penalized)
def another_penalty(params, x, y):
    a1, dz2 = behind(params, x, y)
    dw2 = a1.T @ dz2 + 0.2 * params["w2"]
    dz1 = dz2 @ params["w2"].T * (1 - a1**2)
    dw1 = x.T @ dz1 + 0.2 * jnp.abs(params["w1"])
    return {"w1": dw1, "b1": dz1.sum(axis=0), "w2": dw2, "b2": dz2.sum(axis=0)}


@pytest.mark.parametrize("name", MISTAKES)
def test_the_line_and_the_cause_of_a_mistake_are_named(getkey, name):
    loss, grads, cause, line, leaves, must = MISTAKES[name]
    report = check(loss, grads, *gradients.problem(getkey()))
    assert report.verdict == "wrong"
    finding = report.findings[0]
    assert len(report.findings) == 1
    assert finding.line is not None
    assert (finding.cause, finding.line.text.strip()) == (cause, line)
    assert finding.line.file == __file__
    assert set(finding.leaves) == set(leaves.split())
    assert finding.fix and (finding.evidence or finding.cause == "nonfinite")
    assert must is None or finding.must == must
