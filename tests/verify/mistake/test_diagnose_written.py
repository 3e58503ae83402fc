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


def a_mean_for_a_sum(params, x, y):
    a1 = jnp.tanh(x @ params["w1"] + params["b1"])
    dz2 = 2 * (a1 @ params["w2"] - y)
    dz1 = dz2 @ params["w2"].T * (1 - a1**2)
    db1 = jnp.mean(dz1, axis=0, keepdims=True)
    return {"w1": x.T @ dz1, "b1": db1, "w2": a1.T @ dz2}


@pytest.mark.parametrize(
    ("grads", "cause", "must"),
    (
        (half_of_a_product, "scale-constant", "a1.T @ dz2"),
        (a_minus_too_much, "sign", "a1.T @ dz2"),
        (a_difference_the_other_way_round, "sign", "2 * (a1 @ params['w2'] - y)"),
        (a_mean_for_a_sum, "scale-batch", "jnp.sum(dz1, axis=0, keepdims=True)"),
    ),
)
def test_the_line_is_written_as_it_must_be(getkey, grads, cause, must):
    w1, b1, w2, x, y = normals(getkey, (4, 5), (1, 5), (5, 3), (6, 4), (6, 3))
    (finding,) = check(loss, grads, {"w1": w1, "b1": b1, "w2": w2}, x, y).findings
    assert (finding.cause, finding.must) == (cause, must)
