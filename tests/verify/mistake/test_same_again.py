"""The diagnosis of a loop that calls a function with one and the same cotangent time after time."""

from functools import partial

import jax
import jax.numpy as jnp

from .findings import normals, said


def _deep(params, x, y):
    a = x
    for name in ("w0", "w1", "w2"):
        a = jax.nn.relu(a @ params[name])
    return 0.5 * jnp.sum((a @ params["w3"] - y) ** 2)


def _layer(d, z, a, w):
    dz = jnp.where(z > 0, d, 0)
    return a.T @ dz, dz @ w.T


def _grads(params, x, y, last):
    zs, a = [], [x]
    for name in ("w0", "w1", "w2"):
        zs.append(a[-1] @ params[name])
        a.append(jnp.maximum(zs[-1], 0))
    d = a[3] @ params["w3"] - y
    grads, sent = {"w3": a[3].T @ d}, {3: d @ params["w3"].T}
    for i in (2, 1, 0):
        grads[f"w{i}"], sent[i] = _layer(sent[3 if last else i + 1], zs[i], a[i], params[f"w{i}"])
    return grads


CALL = 'grads[f"w{i}"], sent[i] = _layer(sent[3 if last else i + 1], zs[i], a[i], params[f"w{i}"])'


def test_a_loop_that_always_sends_what_the_last_layer_sent(getkey):
    *weights, last, x, y = normals(getkey, (4, 4), (4, 4), (4, 4), (4, 2), (7, 4), (7, 2))
    params = {f"w{i}": w for i, w in enumerate([*weights, last])}
    assert said(_deep, partial(_grads, last=True), params, x, y) == [("wrong-operand", CALL)]


def _leaky(d, z, rate):
    scaled = rate * d
    return jnp.where(z > 0, d, scaled)


def test_branches_that_share_a_cotangent_are_not_called_with_another_ones(getkey):
    def loss(params, x, y):
        h = jax.nn.leaky_relu(x @ params["w1"], 0.1) + jax.nn.leaky_relu(x @ params["w2"], 0.3)
        return 0.5 * jnp.sum((h - y) ** 2)

    def grads(params, x, y):
        z1, z2 = x @ params["w1"], x @ params["w2"]
        d = jnp.where(z1 > 0, z1, 0.1 * z1) + jnp.where(z2 > 0, z2, 0.3 * z2) - y
        dz1 = _leaky(d, z1, 0.1)
        dz2 = _leaky(d, z2, 0.1)
        return {"w1": x.T @ dz1, "w2": x.T @ dz2}

    w1, w2, x, y = normals(getkey, (4, 3), (4, 3), (7, 4), (7, 3))
    assert "wrong-operand" not in {cause for cause, _ in said(loss, grads, {"w1": w1, "w2": w2}, x, y)}
