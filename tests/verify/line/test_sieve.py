"""The sieve lets through whatever the screen would, and so changes no diagnosis."""

import jax.numpy as jnp
import pytest

from jaxmlp import check
from jaxmlp.verify._line._sieve import Sieve

from ...helpers import normal


def loss(params, x, y):
    a = jnp.tanh(x @ params["w"] + params["b"][None, :])
    return jnp.mean((a @ params["v"] - y) ** 2)


def grads_with(lines):
    def grads(params, x, y):
        a = jnp.tanh(x @ params["w"] + params["b"][None, :])
        dout = 2 * (a @ params["v"] - y) / y.size
        da = dout @ params["v"].T
        dz = lines["dz"](da, a, x, params)
        dw = lines["dw"](dz, a, x, params)
        return {"w": dw, "b": dz.sum(axis=0), "v": a.T @ dout}

    return grads


RIGHT = {"dz": lambda da, a, x, p: da * (1 - a**2), "dw": lambda dz, a, x, p: x.T @ dz}
WRONG = {
    "no slope": {"dz": lambda da, a, x, p: da},
    "the slope twice": {"dz": lambda da, a, x, p: da * (1 - a**2) ** 2},
    "another slope": {"dz": lambda da, a, x, p: da * a * (1 - a)},
    "half of it": {"dz": lambda da, a, x, p: 0.5 * da * (1 - a**2)},
    "a decay": {"dw": lambda dz, a, x, p: x.T @ dz + 0.1 * p["w"]},
    "a for x": {"dw": lambda dz, a, x, p: a[:, :3].T @ dz},
    "its sign": {"dw": lambda dz, a, x, p: -x.T @ dz},
}


@pytest.mark.parametrize("name", WRONG)
def test_a_diagnosis_is_the_same_without_it(getkey, monkeypatch, name):
    shapes = {"w": (3, 4), "b": (4,), "v": (4, 2)}
    params = {key: normal(getkey(), shape) for key, shape in shapes.items()}
    x, y = normal(getkey(), (5, 3)), normal(getkey(), (5, 2))
    sieved = check(loss, grads_with(RIGHT | WRONG[name]), params, x, y)
    seen = []
    monkeypatch.setattr(Sieve, "results", lambda self, position, others: seen.append(position) or {})
    monkeypatch.setattr(Sieve, "operands", lambda self, uses, others: seen.append(uses))
    plain = check(loss, grads_with(RIGHT | WRONG[name]), {**params, "b": params["b"] + 1e-9}, x, y)
    assert seen, "a diagnosis that is kept asks nothing"
    assert [(f.cause, f.line, f.leaves) for f in sieved.findings] == [
        (f.cause, f.line, f.leaves) for f in plain.findings
    ]
