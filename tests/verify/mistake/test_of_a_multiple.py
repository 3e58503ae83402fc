"""A wrong factor of all of a gradient, beside other mistakes: told once, and not in every line."""

import jax
import jax.numpy as jnp

from jaxmlp import check

from .findings import named, normals


def penalized(params, x, y):
    """The mean of squared errors and a penalty, both divided by the number of examples."""
    a = jax.nn.sigmoid(jnp.tanh(x @ params["w1"] + params["b1"]) @ params["w2"] + params["b2"])
    squares = jnp.sum(params["w1"] ** 2) + jnp.sum(params["w2"] ** 2) + jnp.sum(params["w3"] ** 2)
    return (0.5 * jnp.sum((a @ params["w3"] + params["b3"] - y) ** 2) + 0.05 * squares) / len(x)


def summed(params, x, y, slope=lambda a: 1 - a**2):
    a1 = jnp.tanh(x @ params["w1"] + params["b1"])
    a2 = jax.nn.sigmoid(a1 @ params["w2"] + params["b2"])
    d3 = a2 @ params["w3"] + params["b3"] - y
    dw3 = a2.T @ d3 + 0.1 * params["w3"]
    db3 = jnp.sum(d3, axis=0, keepdims=True)
    d2 = d3 @ params["w3"].T * slope(a2)
    dw2 = a1.T @ d2 + 0.1 * params["w2"]
    db2 = jnp.sum(d2, axis=0, keepdims=True)
    d1 = d2 @ params["w2"].T * (1 - a1**2)
    dw1 = x.T @ d1 + 0.1 * params["w1"]
    db1 = jnp.sum(d1, axis=0, keepdims=True)
    return {"w1": dw1, "b1": db1, "w2": dw2, "b2": db2, "w3": dw3, "b3": db3}


def test_sums_for_means_are_told_once_beside_a_wrong_slope(getkey):
    w1, b1, w2, b2, w3, b3 = normals(getkey, (3, 4), (1, 4), (4, 5), (1, 5), (5, 2), (1, 2))
    x, y = normals(getkey, (7, 3), (7, 2))
    params = {"w1": w1, "b1": b1, "w2": w2, "b2": b2, "w3": w3, "b3": b3}
    report = check(penalized, summed, params, x, y)
    (slope, line), *scales = named(report)
    assert (slope, line) == ("wrong-activation-derivative", 'd2 = d3 @ params["w3"].T * slope(a2)')
    assert [cause for cause, _ in scales] == ["scale-batch", "scale-batch"]
    assert set(report.findings[1].leaves) | set(report.findings[2].leaves) == set(params)


def test_biases_that_are_averaged_on_their_own_are_no_sign_of_another_loss(getkey):
    def loss(params, x, y):
        out = jnp.tanh(x @ params["w1"] + params["b1"]) @ params["w2"] + params["b2"]
        return 0.5 * jnp.sum((out - y) ** 2) + 0.05 * (jnp.sum(params["w1"] ** 2) + jnp.sum(params["w2"] ** 2))

    def grads(params, x, y):
        a = jnp.tanh(x @ params["w1"] + params["b1"])
        d2 = a @ params["w2"] + params["b2"] - y
        dw2 = a.T @ d2 + 0.2 * params["w2"]
        db2 = jnp.mean(d2, axis=0, keepdims=True)
        d1 = d2 @ params["w2"].T * (1 - a**2)
        dw1 = x.T @ d1 + 0.2 * params["w1"]
        db1 = jnp.mean(d1, axis=0, keepdims=True)
        return {"w1": dw1, "b1": db1, "w2": dw2, "b2": db2}

    w1, b1, w2, b2, x, y = normals(getkey, (3, 4), (1, 4), (4, 2), (1, 2), (7, 3), (7, 2))
    report = check(loss, grads, {"w1": w1, "b1": b1, "w2": w2, "b2": b2}, x, y)
    assert sorted(named(report)) == [
        ("scale-batch", "db1 = jnp.mean(d1, axis=0, keepdims=True)"),
        ("scale-batch", "db2 = jnp.mean(d2, axis=0, keepdims=True)"),
        ("wrong-regularization", 'dw1 = x.T @ d1 + 0.2 * params["w1"]'),
        ("wrong-regularization", 'dw2 = a.T @ d2 + 0.2 * params["w2"]'),
    ]
