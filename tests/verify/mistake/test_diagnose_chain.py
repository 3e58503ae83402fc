"""The diagnosis of a chain rule that stops short or takes the wrong turn: small examples of what people write."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp import check

from ...helpers import normal
from .findings import named, normals, said


@pytest.fixture
def line_data(getkey):
    x = normal(getkey(), (5,))
    return {"slope": jnp.asarray(0.7), "offset": jnp.asarray(-0.4)}, x, jnp.sin(3 * x)


def squared_errors(params, x, y):
    return jnp.sum((params["slope"] * x + params["offset"] - y) ** 2)


def test_a_squared_error_in_a_loop_where_the_error_belongs(line_data):
    def grads(params, x, y):
        slope, offset = params["slope"], params["offset"]
        dslope = doffset = 0.0
        for i in range(len(x)):
            guess = slope * x[i] + offset
            error = (guess - y[i]) ** 2
            dslope += error * x[i]
            doffset += error
        return {"slope": dslope, "offset": doffset}

    assert said(squared_errors, grads, *line_data) == [("wrong-operand", "error = (guess - y[i]) ** 2")]


def test_squared_errors_at_once_where_the_errors_belong(line_data):
    def grads(params, x, y):
        errors = (params["slope"] * x + params["offset"] - y) ** 2
        return {"slope": jnp.sum(errors * x), "offset": jnp.sum(errors)}

    [found] = said(squared_errors, grads, *line_data)
    assert found == ("wrong-operand", 'errors = (params["slope"] * x + params["offset"] - y) ** 2')


def logistic(params, x, y):
    z = x @ params["w"]
    return jnp.mean(jnp.logaddexp(0.0, z) - y * z)


@pytest.fixture
def labelled(getkey):
    keys = jax.random.split(getkey(), 2)
    return {"w": normal(keys[0], (3,))}, normal(keys[1], (6, 3)), jnp.array([0.0, 1, 1, 0, 1, 0])


def test_the_slope_of_the_output_alone(labelled):
    def grads(params, x, y):
        a = jax.nn.sigmoid(x @ params["w"])
        dz = a * (1 - a)
        return {"w": x.T @ dz / len(y)}

    assert said(logistic, grads, *labelled) == [("missing-upstream", "dz = a * (1 - a)")]


def test_another_slope_is_no_slope_alone(getkey):
    def loss(params, x):
        return jnp.sum(jnp.tanh(x @ params["w"]))

    def grads(params, x):
        a = jnp.tanh(x @ params["w"])
        dz = a * (1 - a)
        return {"w": x.T @ dz}

    keys = jax.random.split(getkey(), 2)
    found = said(loss, grads, {"w": normal(keys[0], (3,))}, normal(keys[1], (6, 3)))
    assert found == [("wrong-activation-derivative", "dz = a * (1 - a)")]


def swish(z):
    return z * jax.nn.sigmoid(2 * z)


def swish_slope(z):
    s = jax.nn.sigmoid(2 * z)
    return s + z * s * (1 - s)


def of_swish(params, x, y):
    return 0.5 * jnp.sum((swish(x @ params["w1"]) @ params["w2"] - y) ** 2)


SLOPES = {"swish": swish_slope, "tanh": lambda z: 1 - jnp.tanh(z) ** 2}


@pytest.fixture
def layers(getkey):
    keys = jax.random.split(getkey(), 4)
    params = {"w1": normal(keys[0], (3, 4)), "w2": normal(keys[1], (4, 2))}
    return params, normal(keys[2], (5, 3)), normal(keys[3], (5, 2))


def swish_bwd(params, x, y, name="swish"):
    z = x @ params["w1"]
    a = swish(z)
    dout = a @ params["w2"] - y
    dz = (dout @ params["w2"].T) * SLOPES[name](z)
    return {"w1": x.T @ dz, "w2": a.T @ dout}


def test_a_slope_that_is_wrong_within_carries_the_mistake(layers):
    assert said(of_swish, swish_bwd, *layers) == [("wrong-activation-derivative", "return s + z * s * (1 - s)")]


def test_a_slope_of_another_activation_is_the_call_s(layers):
    def grads(params, x, y):
        return swish_bwd(params, x, y, "tanh")

    [found] = said(of_swish, grads, *layers)
    assert found == ("wrong-activation-derivative", 'dz = (dout @ params["w2"].T) * SLOPES[name](z)')


class Net:
    """A net of two layers whose backward pass is a method."""

    def __init__(self, params):
        self.w1, self.w2 = params["w1"], params["w2"]

    def backward(self, x, y):
        a = jnp.tanh(x @ self.w1)
        out = jnp.tanh(a @ self.w2)
        error = out - y
        delta = error
        dw2 = a.T @ delta
        delta = (delta @ self.w2.T) * (1 - a**2)
        return {"w1": x.T @ delta, "w2": dw2}


def test_an_error_that_is_renamed_in_a_method(layers):
    def loss(params, x, y):
        return 0.5 * jnp.sum((jnp.tanh(jnp.tanh(x @ params["w1"]) @ params["w2"]) - y) ** 2)

    found = said(loss, lambda params, x, y: Net(params).backward(x, y), *layers)
    assert found == [("missing-activation-derivative", "delta = error")]


def test_a_slope_of_a_single_number_at_the_output_of_its_function(getkey):
    def loss(params, x, y):
        return (y - jax.nn.sigmoid(params["w"] @ x)[0]) ** 2

    def grads(params, x, y):
        out = jax.nn.sigmoid(params["w"] @ x)
        dz = -2 * jax.nn.sigmoid(out) * (1 - jax.nn.sigmoid(out)) * (y - out)
        return {"w": dz[:, None] * x[None, :]}

    found = said(loss, grads, {"w": normal(getkey(), (1, 3))}, normal(getkey(), (3,)), jnp.asarray(0.3))
    line = "dz = -2 * jax.nn.sigmoid(out) * (1 - jax.nn.sigmoid(out)) * (y - out)"
    assert found == [("wrong-activation-derivative", line)]


PAIRS = ((0, 1), (1, 0), (2, 2), (0, 2), (2, 1))


def test_factors_side_by_side_are_no_layers(getkey):
    def loss(params, ratings):
        return sum(0.5 * (ratings[i, j] - params["users"][i] @ params["items"][j]) ** 2 for i, j in PAIRS)

    def grads(params, ratings):
        dusers, ditems = jnp.zeros_like(params["users"]), jnp.zeros_like(params["items"])
        for i, j in PAIRS:
            u, v = params["users"][i], params["items"][j]
            error = u @ v - ratings[i, j]
            du = error * u
            dv = error * u
            dusers, ditems = dusers.at[i].add(du), ditems.at[j].add(dv)
        return {"users": dusers, "items": ditems}

    params = {name: normal(getkey(), (3, 4)) for name in ("users", "items")}
    assert said(loss, grads, params, normal(getkey(), (3, 3))) == [("wrong-operand", "du = error * u")]


def test_a_sign_that_one_of_several_has_already(getkey):
    def log_likelihood(params, x):
        square = (x - params["mean"][None, :]) ** 2
        return -jnp.sum(square * jnp.exp(-2 * params["log"])[None, :]) / 2 - len(x) * jnp.sum(params["log"])

    def grads(params, x):
        scale, ups = jnp.exp(-2 * params["log"]), {}
        ups["mean"] = -jnp.sum(x - params["mean"][None, :], axis=0) * scale
        ups["log"] = jnp.sum((x - params["mean"][None, :]) ** 2, axis=0) * scale - len(x)
        return {name: -up for name, up in ups.items()}

    params = {"mean": normal(getkey(), (3,)), "log": 0.3 * normal(getkey(), (3,))}
    found = said(lambda params, x: -log_likelihood(params, x), grads, params, normal(getkey(), (5, 3)))
    assert found == [("sign", 'ups["mean"] = -jnp.sum(x - params["mean"][None, :], axis=0) * scale')]


def test_a_sign_is_not_wrong_in_ones(getkey):
    def loss(params, x):
        return jnp.sum((x - params) ** 2) / 2

    def grads(params, x):
        ones = jnp.ones_like(x)
        return ones @ (x - params)

    assert said(loss, grads, jnp.asarray(0.3), normal(getkey(), (5,))) == [("sign", "return ones @ (x - params)")]


def test_the_error_of_the_output_in_the_place_of_a_hidden_neuron_s(getkey):
    def loss(params, x, y):
        hidden = jax.nn.sigmoid(x @ params["w"])
        return 0.5 * jnp.sum((jax.nn.sigmoid(params["v"] * hidden) - y) ** 2)

    def grads(params, x, y):
        w, v = list(params["w"]), params["v"]
        dw, dv, unused = [0.0] * 3, 0.0, []
        for row, target in zip(x, y, strict=True):
            h = jax.nn.sigmoid(sum(a * b for a, b in zip(row, w, strict=True)))
            out = jax.nn.sigmoid(v * h)
            error = (out - target) * out * (1 - out)
            error_of_h = error * v * h * (1 - h)
            unused.append(error_of_h)
            dv += error * h
            dw = [d + a * error for d, a in zip(dw, row, strict=True)]
        return {"w": jnp.stack(dw), "v": dv}

    x = np.asarray(normal(getkey(), (4, 3)))
    params = {"w": normal(getkey(), (3,)), "v": jnp.asarray(0.8)}
    [found] = said(loss, grads, params, x, jnp.array([0.0, 1, 1, 0]))
    assert found == ("wrong-operand", "dw = [d + a * error for d, a in zip(dw, row, strict=True)]")


def half_squares_bwd(upstream, out, y):
    dout = (out - y) / y.size
    return dout


def half_squares_bwd_scaled(upstream, out, y):
    dout = (out - y) / y.size
    return dout * upstream


@pytest.mark.parametrize(
    ("bwd", "found"),
    [(half_squares_bwd, [("missing-upstream", "dout = (out - y) / y.size")]), (half_squares_bwd_scaled, [])],
)
def test_an_upstream_number_that_a_function_is_given_and_never_reads(bwd, found, getkey):
    def loss(params, x, y, weight):
        errors = x @ params["w"] - y
        return 0.5 * weight * jnp.mean(errors**2)

    def grads(params, x, y, weight):
        return {"w": x.T @ bwd(weight, x @ params["w"], y)}

    w, x, y = normals(getkey, (3, 2), (6, 3), (6, 2))
    report = check(loss, grads, {"w": w}, x, y, jnp.asarray(2.5))
    assert report.ok == (not found)
    assert [(finding.cause, finding.line and finding.line.text) for finding in report.findings] == found


def test_ones_where_the_gradient_goes_past_a_layer_lack_what_comes_in(getkey):
    def loss(params, x, y):
        e = x @ params["e"]
        return 0.5 * jnp.sum((jnp.tanh(e @ params["w"]) + e - y) ** 2)

    def grads(params, x, y):
        e = x @ params["e"]
        a = jnp.tanh(e @ params["w"])
        d = a + e - y
        dz = d * (1 - a**2)
        de = jnp.ones(d.shape, d.dtype)
        de = de + dz @ params["w"].T
        return {"e": x.T @ de, "w": e.T @ dz}

    e, w, x, y = normals(getkey, (5, 4), (4, 4), (7, 5), (7, 4))
    report = check(loss, grads, {"e": e, "w": w}, x, y)
    assert named(report) == [("missing-upstream", "de = jnp.ones(d.shape, d.dtype)")]
    [finding] = report.findings
    assert "`d`" in finding.message and finding.must == "d"


def test_a_slope_is_missed_before_a_weight_is_updated_with_the_error(getkey):
    def loss(params, x, y):
        h = jax.nn.relu(x @ params["u"])
        return jnp.mean((jax.nn.sigmoid(h @ params["w"])[:, 0] - y) ** 2)

    def grads(params, x, y):
        u, w = params["u"], params["w"]
        h = jax.nn.relu(x @ u)
        p = jax.nn.sigmoid(h @ w)[:, 0]
        d = 2 * (p - y) / len(x)
        dw = h.T @ d[:, None]
        w = w - 0.01 * dw
        dh = d[:, None] @ w.T * jnp.where(h > 0, 1, 0)
        return {"u": x.T @ dh, "w": dw}

    u, w, x, y = normals(getkey, (5, 4), (4, 1), (6, 5), (6,))
    assert said(loss, grads, {"u": u, "w": w}, x, y) == [
        ("missing-activation-derivative", "d = 2 * (p - y) / len(x)"),
        ("stale-weights", "w = w - 0.01 * dw"),
    ]
