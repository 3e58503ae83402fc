"""The diagnosis where a function gives what it is given as it is: nothing is computed there, and it is wrong there."""

import jax
import jax.numpy as jnp

from jaxmlp import check

from .findings import named, normals, said


def _tanh_backward(h, error):
    back = error
    return back


def _flat_backward(error):
    return error


def _times_backward(error, constant):
    return error


def test_a_function_that_only_renames_its_argument_is_where_the_slope_is_missing(getkey):
    def loss(params, x, y):
        return 0.5 * jnp.sum((jnp.tanh(x @ params["w"]) - y) ** 2)

    def grads(params, x, y):
        h = jnp.tanh(x @ params["w"])
        dh = h - y
        dz = _tanh_backward(h, dh)
        dw = x.T @ dz
        return {"w": dw}

    w, x, y = normals(getkey, (3, 2), (5, 3), (5, 2))
    assert said(loss, grads, {"w": w}, x, y) == [("missing-activation-derivative", "back = error")]


def test_a_function_that_gives_its_argument_at_once_is_wrong_where_it_is_called(getkey):
    def loss(params, x, y):
        p = jax.nn.softmax(x @ params["w"] + params["b"][None])
        return 0.5 * jnp.sum((p - y) ** 2)

    def grads(params, x, y):
        p = jax.nn.softmax(x @ params["w"] + params["b"][None])
        dp = p - y
        dz = _flat_backward(dp)
        dw = x.T @ dz
        return {"w": dw, "b": dz.sum(0)}

    w, b, x, y = normals(getkey, (3, 2), (2,), (5, 3), (5, 2))
    found = said(loss, grads, {"w": w, "b": b}, x, jax.nn.softmax(y))
    assert found == [("missing-activation-derivative", "dz = _flat_backward(dp)")]


def test_a_value_that_is_read_by_its_own_name_too_is_wrong_where_it_is_made(getkey):
    def loss(params, x, y):
        return 0.5 * jnp.sum((jnp.tanh(x @ params["w"] + params["b"][None]) - y) ** 2)

    def grads(params, x, y):
        h = jnp.tanh(x @ params["w"] + params["b"][None])
        dh = h - y
        dz = _flat_backward(dh)
        dw = x.T @ dh
        return {"w": dw, "b": dz.sum(0)}

    w, b, x, y = normals(getkey, (3, 2), (2,), (5, 3), (5, 2))
    assert said(loss, grads, {"w": w, "b": b}, x, y) == [("missing-activation-derivative", "dh = h - y")]


def test_a_number_that_a_function_is_given_and_never_reads_is_missing_where_it_is_called(getkey):
    def loss(params, x, y):
        return 0.5 * jnp.sum((7.0 * jnp.tanh(x @ params["w"]) @ params["v"] - y) ** 2)

    def grads(params, x, y):
        a = jnp.tanh(x @ params["w"])
        h = 7.0 * a
        error = h @ params["v"] - y
        dh = error @ params["v"].T
        da = _times_backward(dh, 7.0)
        dz = da * (1 - a**2)
        return {"w": x.T @ dz, "v": h.T @ error}

    w, v, x, y = normals(getkey, (3, 2), (2, 4), (5, 3), (5, 4))
    assert said(loss, grads, {"w": w, "v": v}, x, y)[0] == ("scale-constant", "da = _times_backward(dh, 7.0)")


def _local_slopes(error, x, bias):
    dx = x
    db = jnp.ones_like(bias)
    return dx, db


def test_what_is_returned_with_others_at_once_is_named_where_it_comes_from(getkey):
    def loss(params, x, y):
        return 0.5 * (params["w"] @ x + params["b"] - y) ** 2

    def grads(params, x, y):
        error = params["w"] @ x + params["b"] - y
        dw, db = _local_slopes(error, x, params["b"])
        return {"w": dw, "b": db}

    w, x = normals(getkey, (4,), (4,))
    report = check(loss, grads, {"w": w, "b": jnp.asarray(0.2)}, x, 0.7)
    assert named(report) == [("missing-upstream", 'dw, db = _local_slopes(error, x, params["b"])')]
    assert set(report.findings[0].leaves) == {"w", "b"}


class Layer:
    def __init__(self, w):
        self.w = w
        self.error = self.delta = jnp.zeros(())

    def forward(self, x):
        self.x = x
        self.out = jnp.tanh(x @ self.w)
        return self.out


def test_an_error_that_an_object_holds_gets_its_other_name_there(getkey):
    def loss(params, x, y):
        return 0.5 * jnp.sum((jnp.tanh(jnp.tanh(x @ params["w"]) @ params["v"]) - y) ** 2)

    def grads(params, x, y):
        layers = [Layer(params["w"]), Layer(params["v"])]
        out = layers[1].forward(layers[0].forward(x))
        for i in (1, 0):
            layer = layers[i]
            if i == 1:
                layer.error = out - y
                layer.delta = layer.error
            else:
                layer.error = layers[i + 1].delta @ layers[i + 1].w.T
                layer.delta = layer.error * (1 - layer.out**2)
        return {"w": layers[0].x.T @ layers[0].delta, "v": layers[1].x.T @ layers[1].delta}

    w, v, x, y = normals(getkey, (3, 2), (2, 4), (5, 3), (5, 4))
    found = said(loss, grads, {"w": w, "v": v}, x, y)
    assert found == [("missing-activation-derivative", "layer.delta = layer.error")]
