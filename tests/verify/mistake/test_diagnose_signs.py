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


def difference(a, b):
    return a - b


def difference_backward(d):
    da = 1.0 * d
    db = 1.0 * d
    return da, db


def test_what_only_passes_a_cotangent_on_may_lack_its_sign_and_a_right_difference_does_not(getkey):
    def squared(params, x, y):
        return jnp.sum((y - jnp.tanh(x @ params["w"])) ** 2)

    def grads(params, x, y):
        a = jnp.tanh(x @ params["w"])
        error = difference(y, a)
        _, da = difference_backward(2 * error)
        dz = (1 - a**2) * da
        return {"w": x.T @ dz}

    w, x, y = normals(getkey, (3, 2), (5, 3), (5, 2))
    assert said(squared, grads, {"w": w}, x, y) == [("sign", "db = 1.0 * d")]


def test_a_sign_that_is_turned_on_purpose_where_the_leaf_is_made_was_wrong_before(getkey):
    def one_layer(params, x, y):
        return 0.5 * jnp.sum((y - jax.nn.sigmoid(x @ params["w"])) ** 2)

    def grads(params, x, y):
        a = jax.nn.sigmoid(x @ params["w"])
        error = a - y
        step = x.T @ (error * a * (1 - a))
        return {"w": -step}

    w, x, y = normals(getkey, (3, 2), (5, 3), (5, 2))
    assert said(one_layer, grads, {"w": w}, x, y) == [("sign", "error = a - y")]


def test_what_a_loop_adds_up_is_taken_as_it_is(getkey):
    def perceptron(params, x, y):
        z = x @ params["w"] + params["b"]
        return jnp.sum(jax.nn.relu(z) - y * z)

    def grads(params, x, y):
        dw, db = jnp.zeros_like(params["w"]), 0.0
        for k in range(len(x)):
            error = y[k] - jnp.where(x[k] @ params["w"] + params["b"] > 0, 1.0, 0.0)
            for i in range(3):
                dw = dw.at[i].add(-error * x[k, i])
                db = db - error
        return {"w": dw, "b": db}

    w, b, x, y = normals(getkey, (3,), (), (5, 3), (5,))
    # With one sign turned in each run, three runs give what one must.
    assert said(perceptron, grads, {"w": w, "b": b}, x, y) == [("scale-constant", "db = db - error")]


def test_an_absolute_value_loses_the_sign_of_an_error_that_lacks_its_slope(getkey):
    def two_layers(params, x, y):
        h = jax.nn.sigmoid(params["v"] @ x)
        return 0.5 * jnp.sum((y - jax.nn.sigmoid(params["w"] @ h)) ** 2)

    def grads(params, x, y):
        h = jax.nn.sigmoid(params["v"] @ x)
        a = jax.nn.sigmoid(params["w"] @ h)
        error = jnp.abs(a - y)
        dh = (params["w"].T @ error) * h * (1 - h)
        return {"w": -jnp.outer(error, h), "v": -jnp.outer(dh, x)}

    v, w, x, y = normals(getkey, (4, 3), (5, 4), (3,), (5,))
    assert said(two_layers, grads, {"v": v, "w": w}, x, y) == [
        ("missing-activation-derivative", "error = jnp.abs(a - y)")
    ]


def test_a_sign_is_told_where_a_loop_adds_up(getkey):
    def loss(params, x, y):
        return jnp.mean(jax.nn.relu(1 - y * (x @ params["w"] + params["b"])))

    def grads(params, x, y):
        margins = 1 - y * (x @ params["w"] + params["b"])
        dw, db = jnp.zeros_like(params["w"]), 0.0
        for n in range(len(y)):
            dw = dw - jnp.where(margins[n] > 0, y[n], 0.0) * x[n]
            db = db + jnp.where(margins[n] > 0, y[n], 0.0)
        return {"w": dw / len(y), "b": db / len(y)}

    w, b, x = normals(getkey, (3,), (), (8, 3))
    y = jnp.where(x[:, 0] > 0.1, 1.0, -1.0)
    line = "db = db + jnp.where(margins[n] > 0, y[n], 0.0)"
    assert said(loss, grads, {"w": w, "b": b}, x, y) == [("sign", line)]
