"""The diagnosis of a line that multiplies more than it ought to, or less, told from what it reads and gives."""

import jax
import jax.numpy as jnp
import pytest

from jaxmlp import check

from .findings import named, normals, said


def two_layers(params, x, y):
    a = jax.nn.sigmoid(x @ params["w1"])
    return 0.5 * jnp.sum((a @ params["w2"] - y) ** 2) + 0.15 * jnp.sum(params["w1"] ** 2)


@pytest.fixture
def layers(getkey):
    w1, w2, x, y = normals(getkey, (3, 5), (5, 2), (7, 3), (7, 2))
    return {"w1": w1, "w2": w2}, x, y


def test_a_chain_that_is_one_product_of_matrices_lacks_the_slope_between_them(layers):
    def grads(params, x, y):
        a = jax.nn.sigmoid(x @ params["w1"])
        d = a @ params["w2"] - y
        dw1 = x.T @ d @ params["w2"].T + 0.3 * params["w1"]
        return {"w1": dw1, "w2": a.T @ d}

    report = check(two_layers, grads, *layers)
    assert named(report) == [("missing-activation-derivative", 'dw1 = x.T @ d @ params["w2"].T + 0.3 * params["w1"]')]
    assert "a * (1 - a)" in report.findings[0].message


def test_it_does_where_examples_lie_in_columns(getkey):
    def loss(params, x, y):
        return 0.5 * jnp.sum((params["w2"] @ jnp.tanh(params["w1"] @ x) - y) ** 2) + 0.1 * jnp.sum(params["w1"] ** 2)

    def grads(params, x, y):
        a = jnp.tanh(params["w1"] @ x)
        d = params["w2"] @ a - y
        dw1 = params["w2"].T @ (d @ x.T) + 0.2 * params["w1"]
        return {"w1": dw1, "w2": d @ a.T}

    w1, w2, x, y = normals(getkey, (5, 3), (2, 5), (3, 7), (2, 7))
    found = said(loss, grads, {"w1": w1, "w2": w2}, x, y)
    assert found == [("missing-activation-derivative", 'dw1 = params["w2"].T @ (d @ x.T) + 0.2 * params["w1"]')]


def test_an_error_that_is_handed_on_is_multiplied_by_nothing(getkey):
    def loss(params, x, y):
        return -jnp.sum(y * jax.nn.log_softmax(x @ params["w"], axis=1)) / len(x)

    def grads(params, x, y):
        z = x @ params["w"]
        error = jax.nn.softmax(z, axis=1) - y
        dz = error * jnp.exp(z) / jnp.sum(jnp.exp(z))
        return {"w": x.T @ dz}

    w, x = normals(getkey, (3, 4), (6, 3))
    y = jax.nn.one_hot(jnp.array([0, 1, 2, 3, 1, 0]), 4, dtype=x.dtype)
    assert said(loss, grads, {"w": w}, x, y) == [("extra-factor", "dz = error * jnp.exp(z) / jnp.sum(jnp.exp(z))")]


def test_a_product_of_which_no_factor_is_the_error_has_no_factor_too_much(getkey):
    def loss(params, x, y):
        return -jnp.sum(y * jax.nn.log_softmax(x @ params["w"], axis=1)) / len(x)

    def grads(params, x, y):
        z = x @ params["w"]
        dz = jnp.exp(z) * jnp.sin(z) / jnp.sum(jnp.exp(z))
        return {"w": x.T @ dz}

    w, x = normals(getkey, (3, 4), (6, 3))
    y = jax.nn.one_hot(jnp.array([0, 1, 2, 3, 1, 0]), 4, dtype=x.dtype)
    assert said(loss, grads, {"w": w}, x, y)[0][0] != "extra-factor"


def test_the_gradient_of_a_bias_is_none_of_the_bias(getkey):
    def loss(params, x, y):
        return 0.5 * jnp.sum((jnp.tanh(x @ params["w1"]) @ params["w2"] + params["b"] - y) ** 2)

    def grads(params, x, y):
        a = jnp.tanh(x @ params["w1"])
        d2 = a @ params["w2"] + params["b"] - y
        d1 = d2 @ params["w2"].T * (1 - a**2)
        db = params["b"] * jnp.mean(d1)
        return {"w1": x.T @ d1, "w2": a.T @ d2, "b": db}

    w1, w2, b, x, y = normals(getkey, (3, 4), (4, 1), (1, 1), (6, 3), (6, 1))
    report = check(loss, grads, {"w1": w1, "w2": w2, "b": b}, x, y)
    assert named(report) == [("wrong-operand", 'db = params["b"] * jnp.mean(d1)')]
