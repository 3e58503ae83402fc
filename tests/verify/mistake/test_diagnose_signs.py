"""The diagnosis of a wrong sign: at the statement where it turns, or ought to turn."""

import jax
import jax.numpy as jnp
import pytest

from .findings import normals, said


def loss(params, x, y):
    a1 = jax.nn.sigmoid(x @ params["w1"])
    a2 = jax.nn.sigmoid(a1 @ params["w2"])
    return 0.5 * jnp.sum((y - a2 @ params["w3"]) ** 2)


@pytest.fixture
def three_layers(getkey):
    w1, w2, w3, x, y = normals(getkey, (3, 5), (5, 4), (4, 2), (6, 3), (6, 2))
    return {"w1": w1, "w2": w2, "w3": w3}, x, y


def forward(params, x):
    a1 = jax.nn.sigmoid(x @ params["w1"])
    a2 = jax.nn.sigmoid(a1 @ params["w2"])
    return a1, a2, a2 @ params["w3"]


def test_a_sign_that_turns_on_the_way_is_wrong_there(three_layers):
    def grads(params, x, y):
        a1, a2, out = forward(params, x)
        d3 = y - out
        d2 = (d3 @ params["w3"].T) * a2 * (1 - a2)
        d1 = (d2 @ params["w2"].T) * a1 * (a1 - 1)
        dw3 = a2.T @ d3
        dw2 = a1.T @ d2
        dw1 = x.T @ d1
        return {"w1": -dw1, "w2": -dw2, "w3": -dw3}

    assert said(loss, grads, *three_layers) == [("sign", 'd1 = (d2 @ params["w2"].T) * a1 * (a1 - 1)')]


def test_a_sign_that_turns_on_the_way_to_no_other_leaf_lacks_where_the_leaf_is_made(three_layers):
    def grads(params, x, y):
        a1, a2, out = forward(params, x)
        d3 = y - out
        d2 = (d3 @ params["w3"].T) * a2 * (1 - a2)
        d1 = (d2 @ params["w2"].T) * a1 * (1 - a1)
        dw3 = -a2.T @ d3
        dw2 = a1.T @ -d2
        dw1 = x.T @ d1
        return {"w1": dw1, "w2": dw2, "w3": dw3}

    assert said(loss, grads, *three_layers) == [("sign", "dw1 = x.T @ d1")]


def test_a_sign_is_wrong_where_it_turns_first(three_layers):
    def grads(params, x, y):
        a1, a2, out = forward(params, x)
        d3 = out - y
        d2 = -(d3 @ params["w3"].T) * a2 * (1 - a2)
        dw3 = a2.T @ d3
        dw2 = a1.T @ d2
        d1 = (d2 @ params["w2"].T) * a1 * (1 - a1)
        dw1 = x.T @ d1
        return {"w1": dw1, "w2": dw2, "w3": dw3}

    assert said(loss, grads, *three_layers) == [("sign", 'd2 = -(d3 @ params["w3"].T) * a2 * (1 - a2)')]


def sigmoid_of_the_negative(x):
    return 1 / (1 + jnp.exp(x))


def test_the_sign_in_a_formula_that_gives_a_single_number_is_wrong_in_the_formula(getkey):
    def logistic(params, x, y):
        z = jnp.dot(params["w"], x) + params["b"]
        return jnp.logaddexp(0.0, z) - y * z

    def grads(params, x, y):
        z = jnp.dot(params["w"], x) + params["b"]
        dz = sigmoid_of_the_negative(z) - y
        return {"w": dz * x, "b": dz}

    w, b, x, y = normals(getkey, (3,), (), (3,), ())
    assert said(logistic, grads, {"w": w, "b": b}, x, y)[0] == ("sign", "return 1 / (1 + jnp.exp(x))")
