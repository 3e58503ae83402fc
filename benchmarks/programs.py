"""Right backward passes by hand, as people write them: each a loss, its gradient, and where to look at it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp


class Program(NamedTuple):
    """A loss, its gradient by hand, the shapes of its parameters, and the other arguments from a key."""

    loss: Callable[..., Any]
    grads: Callable[..., Any]
    shapes: dict[str, tuple[int, ...]]
    data: Callable[[Any], tuple[Any, ...]]

    def problem(self, seed: int) -> tuple[Any, ...]:
        """Parameters and data drawn from a normal distribution."""
        key = jax.random.key(seed)
        keys = jax.random.split(key, len(self.shapes))
        draws = zip(self.shapes.items(), keys, strict=True)
        return {name: jax.random.normal(k, shape) for (name, shape), k in draws}, *self.data(jax.random.fold_in(key, 1))


def _xy(x_shape, y_shape):
    def data(key):
        return jax.random.normal(key, x_shape), jax.random.normal(jax.random.fold_in(key, 1), y_shape)

    return data


def tanh_loss(p, x, y):
    a1 = jnp.tanh(x @ p["w1"] + p["b1"])
    a2 = jnp.tanh(a1 @ p["w2"] + p["b2"])
    out = a2 @ p["w3"] + p["b3"]
    return jnp.mean(jnp.sum((out - y) ** 2, axis=1))


def tanh_grads(p, x, y):
    n = x.shape[0]
    z1 = x @ p["w1"] + p["b1"]
    a1 = jnp.tanh(z1)
    z2 = a1 @ p["w2"] + p["b2"]
    a2 = jnp.tanh(z2)
    out = a2 @ p["w3"] + p["b3"]
    dout = 2 * (out - y) / n
    dw3 = a2.T @ dout
    db3 = dout.sum(axis=0, keepdims=True)
    da2 = dout @ p["w3"].T
    dz2 = da2 * (1 - a2**2)
    dw2 = a1.T @ dz2
    db2 = dz2.sum(axis=0, keepdims=True)
    da1 = dz2 @ p["w2"].T
    dz1 = da1 * (1 - a1**2)
    dw1 = x.T @ dz1
    db1 = dz1.sum(axis=0, keepdims=True)
    return {"w1": dw1, "b1": db1, "w2": dw2, "b2": db2, "w3": dw3, "b3": db3}


def columns_loss(p, x, y):
    a = jax.nn.relu(p["w1"] @ x + p["b1"])
    return -jnp.sum(y * jax.nn.log_softmax(p["w2"] @ a + p["b2"], axis=0)) / x.shape[1]


def columns_grads(p, x, y):
    m = x.shape[1]
    z1 = p["w1"] @ x + p["b1"]
    a1 = jnp.maximum(z1, 0)
    z2 = p["w2"] @ a1 + p["b2"]
    e = jnp.exp(z2 - z2.max(axis=0, keepdims=True))
    prob = e / e.sum(axis=0, keepdims=True)
    dz2 = prob - y
    dw2 = dz2 @ a1.T / m
    db2 = dz2.sum(axis=1, keepdims=True) / m
    da1 = p["w2"].T @ dz2
    dz1 = jnp.where(z1 > 0, da1, 0.0)
    dw1 = dz1 @ x.T / m
    db1 = dz1.sum(axis=1, keepdims=True) / m
    return {"w1": dw1, "b1": db1, "w2": dw2, "b2": db2}


def _columns(key):
    x = jax.random.normal(key, (3, 6))
    return x, jax.nn.one_hot(jax.random.randint(jax.random.fold_in(key, 1), (6,), 0, 4), 4, axis=0, dtype=x.dtype)


def loop_loss(p, x, y):
    a = x
    for i in range(1, 4):
        a = jax.nn.sigmoid(a @ p[f"w{i}"] + p[f"b{i}"])
    return -jnp.mean(y * jnp.log(a) + (1 - y) * jnp.log(1 - a))


def loop_grads(p, x, y):
    acts = [x]
    for i in range(1, 4):
        z = acts[-1] @ p[f"w{i}"] + p[f"b{i}"]
        acts.append(1 / (1 + jnp.exp(-z)))
    grads = {}
    dz = (acts[-1] - y) / y.shape[0]
    for i in reversed(range(1, 4)):
        a = acts[i - 1]
        grads[f"w{i}"] = a.T @ dz
        grads[f"b{i}"] = dz.sum(axis=0, keepdims=True)
        da = dz @ p[f"w{i}"].T
        dz = da * a * (1 - a)
    return grads


def _binary(key):
    return jax.random.normal(key, (7, 4)), (jax.random.normal(jax.random.fold_in(key, 1), (7, 1)) > 0).astype(float)


def norm_loss(p, x, y):
    h = x @ p["w1"]
    xhat = (h - h.mean(axis=0, keepdims=True)) / jnp.sqrt(h.var(axis=0, keepdims=True) + 1e-5)
    return 0.5 * jnp.mean((jnp.tanh(p["gamma"] * xhat + p["beta"]) @ p["w2"] - y) ** 2)


def norm_grads(p, x, y):
    n = x.shape[0]
    h = x @ p["w1"]
    mu = h.mean(axis=0, keepdims=True)
    hc = h - mu
    var = (hc**2).mean(axis=0, keepdims=True)
    inv = 1 / jnp.sqrt(var + 1e-5)
    xhat = hc * inv
    a = jnp.tanh(p["gamma"] * xhat + p["beta"])
    dout = (a @ p["w2"] - y) / y.size
    dw2 = a.T @ dout
    da = dout @ p["w2"].T
    dz = da * (1 - a**2)
    dgamma = (dz * xhat).sum(axis=0, keepdims=True)
    dbeta = dz.sum(axis=0, keepdims=True)
    dxhat = dz * p["gamma"]
    dvar = (dxhat * hc).sum(axis=0, keepdims=True) * -0.5 * inv**3
    dmu = -(dxhat * inv).sum(axis=0, keepdims=True)
    dh = dxhat * inv + dvar * 2 * hc / n + dmu / n
    dw1 = x.T @ dh
    return {"w1": dw1, "gamma": dgamma, "beta": dbeta, "w2": dw2}


def attention_loss(p, x, y):
    q, k, v = x @ p["wq"], x @ p["wk"], x @ p["wv"]
    return 0.5 * jnp.sum((jax.nn.softmax(q @ k.T / 2.0, axis=1) @ v @ p["wo"] - y) ** 2)


def attention_grads(p, x, y):
    q = x @ p["wq"]
    k = x @ p["wk"]
    v = x @ p["wv"]
    s = q @ k.T / 2.0
    e = jnp.exp(s)
    att = e / e.sum(axis=1, keepdims=True)
    o = att @ v
    dout = o @ p["wo"] - y
    dwo = o.T @ dout
    do = dout @ p["wo"].T
    dv = att.T @ do
    datt = do @ v.T
    ds = att * (datt - (datt * att).sum(axis=1, keepdims=True))
    dq = ds @ k / 2.0
    dk = ds.T @ q / 2.0
    return {"wq": x.T @ dq, "wk": x.T @ dk, "wv": x.T @ dv, "wo": dwo}


def rnn_loss(p, xs, y):
    h = jnp.zeros((xs.shape[1], p["wh"].shape[0]))
    for t in range(3):
        h = jnp.tanh(xs[t] @ p["wx"] + h @ p["wh"] + p["b"])
    return 0.5 * jnp.sum((h @ p["wy"] - y) ** 2) / xs.shape[1]


def rnn_grads(p, xs, y):
    n = xs.shape[1]
    hs = [jnp.zeros((n, p["wh"].shape[0]))]
    for t in range(3):
        hs.append(jnp.tanh(xs[t] @ p["wx"] + hs[t] @ p["wh"] + p["b"]))
    dout = (hs[-1] @ p["wy"] - y) / n
    dwy = hs[-1].T @ dout
    dh = dout @ p["wy"].T
    dwx = jnp.zeros_like(p["wx"])
    dwh = jnp.zeros_like(p["wh"])
    db = jnp.zeros_like(p["b"])
    for t in reversed(range(3)):
        dz = dh * (1 - hs[t + 1] ** 2)
        dwx = dwx + xs[t].T @ dz
        dwh = dwh + hs[t].T @ dz
        db = db + dz.sum(axis=0, keepdims=True)
        dh = dz @ p["wh"].T
    return {"wx": dwx, "wh": dwh, "b": db, "wy": dwy}


def penalty_loss(p, x, y):
    a = jax.nn.sigmoid(x @ p["w1"] + p["b1"])
    z = a @ p["w2"] + p["b2"]
    penalty = 0.05 * (jnp.sum(p["w1"] ** 2) + jnp.sum(p["w2"] ** 2))
    return jnp.mean(jax.nn.softplus(z) - y * z) + penalty


def penalty_grads(p, x, y):
    n = len(x)
    lam = 0.05
    z1 = x @ p["w1"] + p["b1"]
    a1 = jax.nn.sigmoid(z1)
    z2 = a1 @ p["w2"] + p["b2"]
    prob = jax.nn.sigmoid(z2)
    dz2 = (prob - y) / n
    dw2 = a1.T @ dz2 + 2 * lam * p["w2"]
    db2 = dz2.sum(axis=0, keepdims=True)
    da1 = dz2 @ p["w2"].T
    dz1 = da1 * a1 * (1 - a1)
    dw1 = x.T @ dz1 + 2 * lam * p["w1"]
    db1 = dz1.sum(axis=0, keepdims=True)
    return {"w1": dw1, "b1": db1, "w2": dw2, "b2": db2}


def residual_loss(p, x, y):
    a = jax.nn.relu(x @ p["w1"])
    h = x @ p["w0"] + a @ p["w2"]
    return jnp.mean(jnp.sum((h * jax.nn.sigmoid(h @ p["wg"]) - y) ** 2, axis=1)) / 2


def residual_grads(p, x, y):
    z1 = x @ p["w1"]
    a = z1 * (z1 > 0).astype(z1.dtype)
    h = x @ p["w0"] + a @ p["w2"]
    gate = jax.nn.sigmoid(h @ p["wg"])
    dout = (h * gate - y) / len(y)
    dgate = dout * h
    dzg = dgate * gate * (1 - gate)
    dwg = h.T @ dzg
    dh = dout * gate + dzg @ p["wg"].T
    dw0 = x.T @ dh
    dw2 = a.T @ dh
    da = dh @ p["w2"].T
    dz1 = da * (z1 > 0).astype(z1.dtype)
    dw1 = x.T @ dz1
    return {"w0": dw0, "w1": dw1, "w2": dw2, "wg": dwg}


PROGRAMS = {
    "tanh": Program(
        tanh_loss,
        tanh_grads,
        {"w1": (3, 4), "b1": (1, 4), "w2": (4, 4), "b2": (1, 4), "w3": (4, 2), "b3": (1, 2)},
        _xy((6, 3), (6, 2)),
    ),
    "columns": Program(columns_loss, columns_grads, {"w1": (5, 3), "b1": (5, 1), "w2": (4, 5), "b2": (4, 1)}, _columns),
    "loop": Program(
        loop_loss,
        loop_grads,
        {"w1": (4, 4), "b1": (1, 4), "w2": (4, 4), "b2": (1, 4), "w3": (4, 1), "b3": (1, 1)},
        _binary,
    ),
    "norm": Program(
        norm_loss, norm_grads, {"w1": (3, 4), "gamma": (1, 4), "beta": (1, 4), "w2": (4, 2)}, _xy((6, 3), (6, 2))
    ),
    "attention": Program(
        attention_loss,
        attention_grads,
        {"wq": (3, 4), "wk": (3, 4), "wv": (3, 4), "wo": (4, 2)},
        _xy((5, 3), (5, 2)),
    ),
    "rnn": Program(
        rnn_loss, rnn_grads, {"wx": (3, 4), "wh": (4, 4), "b": (1, 4), "wy": (4, 2)}, _xy((3, 5, 3), (5, 2))
    ),
    "penalty": Program(
        penalty_loss, penalty_grads, {"w1": (3, 4), "b1": (1, 4), "w2": (4, 1), "b2": (1, 1)}, _xy((6, 3), (6, 1))
    ),
    "residual": Program(
        residual_loss, residual_grads, {"w0": (3, 4), "w1": (3, 4), "w2": (4, 4), "wg": (4, 4)}, _xy((6, 3), (6, 4))
    ),
}
"""By name; the batch lies along rows but for `columns`."""
