"""What a line must compute, as people write it."""

import jax.numpy as jnp
import pytest

from jaxmlp import check

from .findings import normals


def loss(params, x, y):
    return jnp.sum((jnp.tanh(x @ params["w1"] + params["b1"]) @ params["w2"] - y) ** 2)


def half_of_a_product(params, x, y):
    a1 = jnp.tanh(x @ params["w1"] + params["b1"])
    dz2 = 2 * (a1 @ params["w2"] - y)
    dw2 = 0.5 * (a1.T @ dz2)
    dz1 = dz2 @ params["w2"].T * (1 - a1**2)
    return {"w1": x.T @ dz1, "b1": jnp.sum(dz1, axis=0, keepdims=True), "w2": dw2}


def a_minus_too_much(params, x, y):
    a1 = jnp.tanh(x @ params["w1"] + params["b1"])
    dz2 = 2 * (a1 @ params["w2"] - y)
    dw2 = -(a1.T @ dz2)
    dz1 = dz2 @ params["w2"].T * (1 - a1**2)
    return {"w1": x.T @ dz1, "b1": jnp.sum(dz1, axis=0, keepdims=True), "w2": dw2}


def a_difference_the_other_way_round(params, x, y):
    a1 = jnp.tanh(x @ params["w1"] + params["b1"])
    dz2 = 2 * (y - a1 @ params["w2"])
    dz1 = dz2 @ params["w2"].T * (1 - a1**2)
    return {"w1": x.T @ dz1, "b1": jnp.sum(dz1, axis=0, keepdims=True), "w2": a1.T @ dz2}


def a_slope_twice(params, x, y):
    a1 = jnp.tanh(x @ params["w1"] + params["b1"])
    dz2 = 2 * (a1 @ params["w2"] - y)
    dz1 = dz2 @ params["w2"].T * (1 - a1**2) * (1 - a1**2)
    return {"w1": x.T @ dz1, "b1": jnp.sum(dz1, axis=0, keepdims=True), "w2": a1.T @ dz2}


def a_mean_for_a_sum(params, x, y):
    a1 = jnp.tanh(x @ params["w1"] + params["b1"])
    dz2 = 2 * (a1 @ params["w2"] - y)
    dz1 = dz2 @ params["w2"].T * (1 - a1**2)
    db1 = jnp.mean(dz1, axis=0, keepdims=True)
    return {"w1": x.T @ dz1, "b1": db1, "w2": a1.T @ dz2}


def the_activation_for_its_slope(params, x, y):
    a1 = jnp.tanh(x @ params["w1"] + params["b1"])
    dz2 = 2 * (a1 @ params["w2"] - y)
    da1 = dz2 @ params["w2"].T
    dz1 = da1 * a1
    return {"w1": x.T @ dz1, "b1": jnp.sum(dz1, axis=0, keepdims=True), "w2": a1.T @ dz2}


@pytest.mark.parametrize(
    ("grads", "cause", "must"),
    (
        (half_of_a_product, "scale-constant", "a1.T @ dz2"),
        (a_minus_too_much, "sign", "a1.T @ dz2"),
        (a_difference_the_other_way_round, "sign", "2 * (a1 @ params['w2'] - y)"),
        (the_activation_for_its_slope, "wrong-activation-derivative", "da1 * (1 - a1 ** 2)"),
        (a_slope_twice, "extra-activation-derivative", "dz2 @ params['w2'].T * (1 - a1 ** 2)"),
        (a_mean_for_a_sum, "scale-batch", "jnp.sum(dz1, axis=0, keepdims=True)"),
    ),
)
def test_the_line_is_written_as_it_must_be(getkey, grads, cause, must):
    w1, b1, w2, x, y = normals(getkey, (4, 5), (1, 5), (5, 3), (6, 4), (6, 3))
    (finding,) = check(loss, grads, {"w1": w1, "b1": b1, "w2": w2}, x, y).findings
    assert (finding.cause, finding.must) == (cause, must)


def test_a_condition_is_written_as_it_must_be(getkey):
    def loss(params, x, y):
        return jnp.sum((jnp.maximum(x @ params["w"], 0) - y) ** 2)

    def grads(params, x, y):
        z = x @ params["w"]
        dz = jnp.where(z < 0, 2 * (jnp.maximum(z, 0) - y), 0)
        return {"w": x.T @ dz}

    w, x, y = normals(getkey, (4, 5), (6, 4), (6, 5))
    (finding,) = check(loss, grads, {"w": w}, x, y).findings
    assert (finding.cause, finding.must) == ("wrong-mask", "jnp.where(z >= 0, 2 * (jnp.maximum(z, 0) - y), 0)")


def test_a_product_is_written_as_it_must_be(getkey):
    def loss(params, x, y):
        return jnp.sum((jnp.tanh(x @ params["w1"]) @ params["w2"] - y) ** 2)

    def grads(params, x, y):
        a1 = jnp.tanh(x @ params["w1"])
        dz2 = 2 * (a1 @ params["w2"] - y)
        da1 = dz2 @ params["w2"]
        return {"w1": x.T @ (da1 * (1 - a1**2)), "w2": a1.T @ dz2}

    w1, w2, x, y = normals(getkey, (4, 4), (4, 4), (6, 4), (6, 4))
    (finding,) = check(loss, grads, {"w1": w1, "w2": w2}, x, y).findings
    assert (finding.cause, finding.must) == ("transposed", "dz2 @ params['w2'].T")
