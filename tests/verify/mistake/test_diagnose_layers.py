"""The diagnosis in networks of two layers: what is of the other layer, or of the parameters after their step."""

import jax
import jax.numpy as jnp
import pytest

from jaxmlp import check

from ...helpers import normal
from .findings import first, normals


def tanh_loss(params, x, y):
    out = jnp.tanh(x @ params["w1"]) @ params["w2"]
    return jnp.sum((out - y) ** 2) / 2 + 0.05 * sum(jnp.sum(w**2) for w in params.values())


@pytest.fixture
def two_layers(getkey):
    keys = jax.random.split(getkey(), 4)
    params = {"w1": normal(keys[0], (3, 4)), "w2": normal(keys[1], (4, 2))}
    return params, normal(keys[2], (5, 3)), normal(keys[3], (5, 2))


def test_a_parameter_after_its_step_is_stale_where_it_is_used(two_layers):
    def grads(params, x, y):
        w1, w2 = params["w1"], params["w2"]
        h = jnp.tanh(x @ w1)
        e = h @ w2 - y
        dw2 = h.T @ e + 0.1 * w2
        w2 = w2 - 0.5 * dw2
        dz = (e @ w2.T) * (1 - h**2)
        return {"w1": x.T @ dz + 0.1 * w1, "w2": dw2}

    cause, line = first(check(tanh_loss, grads, *two_layers))
    assert cause == "stale-weights" and line.startswith(("w2 =", "dz ="))


def test_a_penalty_of_the_square_of_a_parameter(two_layers):
    def grads(params, x, y):
        w1, w2 = params["w1"], params["w2"]
        h = jnp.tanh(x @ w1)
        e = h @ w2 - y
        dz = (e @ w2.T) * (1 - h**2)
        return {"w1": x.T @ dz + 0.1 * w1, "w2": h.T @ e + 0.1 * jnp.square(w2)}

    cause, line = first(check(tanh_loss, grads, *two_layers))
    assert cause == "wrong-regularization" and line.startswith("return")


def test_a_pre_activation_is_of_the_same_layer(two_layers):
    def grads(params, x, y):
        z = x @ params["w1"]
        h = jnp.tanh(z)
        e = h @ params["w2"] - y
        dw2 = z.T @ e + 0.1 * params["w2"]
        return {"w1": x.T @ ((e @ params["w2"].T) * (1 - h**2)) + 0.1 * params["w1"], "w2": dw2}

    cause, line = first(check(tanh_loss, grads, *two_layers))
    assert cause == "wrong-operand" and line.startswith("dw2 =")


def test_a_term_that_lacks_the_slope_which_the_other_one_has(getkey):
    def loss(params, x, y):
        h = jax.nn.sigmoid(x @ params["w1"])
        return 0.5 * jnp.sum((h @ params["w2"] - y) ** 2) + 0.3 * jnp.sum(jnp.mean(h, axis=0) ** 2)

    def grads(params, x, y):
        h = jax.nn.sigmoid(x @ params["w1"])
        d2 = h @ params["w2"] - y
        sparsity = 0.6 * jnp.mean(h, axis=0, keepdims=True) / len(x)
        dz = (d2 @ params["w2"].T) * h * (1 - h) + sparsity
        return {"w1": x.T @ dz, "w2": h.T @ d2}

    w1, w2, x, y = (normal(getkey(), shape) for shape in ((3, 4), (4, 2), (5, 3), (5, 2)))
    found = first(check(loss, grads, {"w1": w1, "w2": w2}, x, y))
    assert found == ("missing-activation-derivative", 'dz = (d2 @ params["w2"].T) * h * (1 - h) + sparsity')


def test_the_error_of_another_layer_beside_a_slope(getkey):
    def loss(params, x, y):
        return 0.5 * jnp.sum((jax.nn.sigmoid(jax.nn.sigmoid(x @ params["w1"]) @ params["w2"]) - y) ** 2)

    def grads(params, x, y):
        h = jax.nn.sigmoid(x @ params["w1"])
        out = jax.nn.sigmoid(h @ params["w2"])
        error = out - y
        d2 = error * out * (1 - out)
        d1 = error * (h * (1 - h))
        return {"w1": x.T @ d1, "w2": h.T @ d2}

    w1, w2, x, y = (normal(getkey(), shape) for shape in ((3, 4), (4, 1), (5, 3), (5, 1)))
    found = first(check(loss, grads, {"w1": w1, "w2": w2}, x, y))
    assert found == ("wrong-operand", "d1 = error * (h * (1 - h))")


def test_what_is_two_layers_away_is_not_of_a_neighbouring_layer(getkey):
    def loss(params, x, y):
        for name in ("w1", "w2", "w3"):
            x = jnp.tanh(x @ params[name])
        return 0.5 * jnp.sum((x - y) ** 2)

    def grads(params, x, y):
        a1 = jnp.tanh(x @ params["w1"])
        a2 = jnp.tanh(a1 @ params["w2"])
        a3 = jnp.tanh(a2 @ params["w3"])
        d3 = (a3 - y) * (1 - a3**2)
        d2 = d3 @ params["w3"].T * (1 - a2**2)
        d1 = d2 @ params["w2"].T * (1 - a1**2)
        dw1 = a2.T @ d1
        return {"w1": dw1, "w2": a1.T @ d2, "w3": a2.T @ d3}

    w1, w2, w3, x, y = (normal(getkey(), shape) for shape in ((4, 4), (4, 4), (4, 4), (6, 4), (6, 4)))
    assert first(check(loss, grads, {"w1": w1, "w2": w2, "w3": w3}, x, y)) == ("wrong-operand", "dw1 = a2.T @ d1")


def test_a_penalty_of_a_bias_of_two_numbers_is_missing(getkey):
    def loss(params, x, y):
        return 0.5 * jnp.sum((x @ params["w"] + params["b"] - y) ** 2) + 0.05 * jnp.sum(params["b"] ** 2)

    def grads(params, x, y):
        d = x @ params["w"] + params["b"] - y
        db = jnp.sum(d, axis=0, keepdims=True)
        return {"w": x.T @ d, "b": db}

    w, b, x, y = (normal(getkey(), shape) for shape in ((4, 2), (1, 2), (6, 4), (6, 2)))
    line = "db = jnp.sum(d, axis=0, keepdims=True)"
    assert first(check(loss, grads, {"w": w, "b": b}, x, y)) == ("missing-regularization", line)


def test_an_input_and_an_error_that_are_both_of_the_other_layer(getkey):
    def loss(params, x, y):
        return 0.5 * (jnp.tanh(params["w2"] @ jnp.tanh(params["w1"] @ x)) - y) ** 2

    def grads(params, x, y):
        a2 = jnp.tanh(params["w1"] @ x)
        a3 = jnp.tanh(params["w2"] @ a2)
        delta3 = (a3 - y) * (1 - a3**2)
        delta2 = delta3 * (1 - a2**2)
        dw2 = x * delta2
        dw1 = jnp.outer(params["w2"] * delta2, x)
        return {"w1": dw1, "w2": dw2}

    w1, w2, x = normals(getkey, (3, 3), (3,), (3,))
    report = check(loss, grads, {"w1": w1, "w2": w2}, x, 0.4)
    assert first(report) == ("off-by-one-layer", "dw2 = x * delta2")
    assert "`a2` and `delta3`" in report.findings[0].message


def test_a_bias_that_is_summed_from_the_error_of_an_equally_wide_layer(getkey):
    def loss(params, x, y):
        a = jnp.tanh(x @ params["w1"] + params["b1"][None])
        a = jnp.tanh(a @ params["w2"] + params["b2"][None])
        return 0.5 * jnp.sum((a - y) ** 2)

    def grads(params, x, y):
        a1 = jnp.tanh(x @ params["w1"] + params["b1"][None])
        a2 = jnp.tanh(a1 @ params["w2"] + params["b2"][None])
        d2 = (a2 - y) * (1 - a2**2)
        d1 = d2 @ params["w2"].T * (1 - a1**2)
        db2 = jnp.sum(d2, axis=0)
        db1 = jnp.sum(d2, axis=0)
        return {"w1": x.T @ d1, "b1": db1 / 1.0, "w2": a1.T @ d2, "b2": db2 / 1.0}

    w1, b1, w2, b2, x, y = normals(getkey, (3, 4), (4,), (4, 4), (4,), (7, 3), (7, 4))
    report = check(loss, grads, {"w1": w1, "b1": b1, "w2": w2, "b2": b2}, x, y)
    assert first(report)[1] == "db1 = jnp.sum(d2, axis=0)"
    assert report.findings[0].must == "jnp.sum(d1, axis=0)"


def test_errors_that_a_loop_over_layers_sends_back_without_their_slopes(getkey):
    def loss(params, x, y):
        a = jax.nn.relu(params["w1"] @ x + params["b1"])
        a = jax.nn.relu(params["w2"] @ a + params["b2"])
        return 0.5 * jnp.sum((jax.nn.sigmoid(params["w3"] @ a) - y) ** 2)

    def slope(a, is_last):
        return a * (1 - a) if is_last else jnp.where(a > 0, 1.0, 0.0)

    def grads(params, x, y):
        weights = [params["w1"], params["w2"], params["w3"]]
        outs = [x]
        outs.append(jnp.maximum(params["w1"] @ x + params["b1"], 0))
        outs.append(jnp.maximum(params["w2"] @ outs[-1] + params["b2"], 0))
        outs.append(1 / (1 + jnp.exp(-(params["w3"] @ outs[-1]))))
        errors = [outs[-1] - y]
        for i in (2, 1):
            delta = weights[i].T @ errors[0]
            errors.insert(0, delta)
        found = {}
        for i in range(3):
            d = errors[i] * slope(outs[i + 1], i == 2)
            found[f"w{i + 1}"] = d @ outs[i].T
            found[f"b{i + 1}"] = d
        del found["b3"]
        return found

    w1, b1, w2, b2, w3, x, y = normals(getkey, (6, 4), (6, 1), (5, 6), (5, 1), (1, 5), (4, 1), (1, 1))
    params = {"w1": w1, "b1": b1 + 1, "w2": w2, "b2": b2 + 1, "w3": w3}
    assert first(check(loss, grads, params, x, y)) == (
        "missing-activation-derivative",
        "delta = weights[i].T @ errors[0]",
    )


def test_the_total_of_another_layer_s_error_is_no_gradient_of_a_bias(getkey):
    def loss(params, x, y):
        return jnp.sum((jnp.tanh(x @ params["w1"] + params["b1"]) @ params["w2"] - y) ** 2) / len(x)

    def grads(params, x, y):
        m = len(x)
        a = jnp.tanh(x @ params["w1"] + params["b1"])
        d2 = 2 * (a @ params["w2"] - y)
        d1 = d2 @ params["w2"].T * (1 - a**2)
        db1 = jnp.full((1, a.shape[1]), jnp.sum(d2)) / m
        return {"w1": x.T @ d1 / m, "b1": db1, "w2": a.T @ d2 / m}

    w1, b1, w2, x, y = normals(getkey, (3, 4), (1, 4), (4, 2), (6, 3), (6, 2))
    report = check(loss, grads, {"w1": w1, "b1": b1, "w2": w2}, x, y)
    assert [finding.cause for finding in report.findings] == ["wrong-operand"]
