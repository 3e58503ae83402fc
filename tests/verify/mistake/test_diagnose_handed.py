"""The diagnosis where a function gives what it is given as it is: nothing is computed there, and it is wrong there."""

import jax
import jax.numpy as jnp

from .findings import normals, said


def _tanh_backward(h, error):
    back = error
    return back


def _flat_backward(error):
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
