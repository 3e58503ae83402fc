"""The diagnosis of a gradient in which each leaf is wrong for several mistakes: the first step that departs is told."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxmlp.verify._mistake._first_steps import FirstSteps
from jaxmlp.verify._report import _words

from .findings import normals, said


def _chain(params, x, y):
    a = jnp.tanh(x @ params["w"])
    return 0.5 * jnp.sum((jnp.tanh(a @ params["v"]) - y) ** 2)


def test_the_first_of_two_mistakes_in_one_chain_is_told_with_its_cause(getkey):
    def grads(params, x, y):
        a = jnp.tanh(x @ params["w"])
        out = jnp.tanh(a @ params["v"])
        d = (out - y) * (1 - out**2)
        da = d @ params["v"].T * a
        dz = da * a
        return {"w": x.T @ dz, "v": a.T @ d}

    w, v, x, y = normals(getkey, (4, 3), (3, 2), (5, 4), (5, 2))
    assert said(_chain, grads, {"w": w, "v": v}, x, y)[0] == ("extra-factor", 'da = d @ params["v"].T * a')


def squash(z):
    return jnp.exp(z) / (1 + jnp.exp(z))


def _deep(params, x, y):
    for name in ("u", "w", "v"):
        x = jnp.tanh(params[name] @ x)
    return 0.5 * jnp.sum((x - y) ** 2)


def sent_back(a, d):
    sums = []
    for i in range(len(a)):
        total = 0
        for j in range(len(d)):
            total = total + a[i][0] * d[j][0]
        sums.append([total])
    back = jnp.array(sums)
    slope = 1 - a**2
    made = slope * back
    return made


def test_a_sum_of_single_numbers_is_told_where_it_is_added_up(getkey):
    def grads(params, x, y):
        a = jnp.tanh(params["u"] @ x)
        b = jnp.tanh(params["w"] @ a)
        out = jnp.tanh(params["v"] @ b)
        d = (out - y) * (1 - out**2)
        e = sent_back(b, d)
        return {"u": sent_back(a, e) @ x.T, "w": e @ a.T, "v": d @ b.T}

    u, w, v, x, y = normals(getkey, (3, 4), (3, 3), (3, 3), (4, 1), (3, 1))
    found = said(_deep, grads, {"u": u, "w": w, "v": v}, x, y)
    assert found == [("wrong-operand", "total = total + a[i][0] * d[j][0]")]


def test_zeros_are_told_where_they_are_made(getkey):
    def slope(z):
        return squash(z) * 1.0 - squash(z)

    def grads(params, x, y):
        a = jnp.tanh(x @ params["w"])
        out = jnp.tanh(a @ params["v"])
        d = (out - y) * (1 - out**2)
        dz = (d @ params["v"].T) * slope(x @ params["w"])
        rows = [row[None] for row in dz]
        dw = jnp.zeros_like(params["w"])
        for row, dz_ in zip(x, rows, strict=True):
            dw = dw + row[:, None] @ dz_
        return {"w": dw, "v": a.T @ d}

    w, v, x, y = normals(getkey, (4, 3), (3, 2), (5, 4), (5, 2))
    assert said(_chain, grads, {"w": w, "v": v}, x, y) == [
        ("zero-gradient", 'dz = (d @ params["v"].T) * slope(x @ params["w"])')
    ]


def _factors(params, r):
    return 0.5 * (r - params["user"][1] @ params["item"][2]) ** 2


def test_a_view_of_a_row_that_is_updated_is_stale(getkey):
    def grads(params, r):
        user, item = np.array(params["user"]), np.array(params["item"])
        error = r - user[1].dot(item[2])
        mine, its = user[1], item[2]
        user[1] += 0.1 * error * its
        item[2] += 0.1 * error * mine
        return {"user": (np.array(params["user"]) - user) / 0.1, "item": (np.array(params["item"]) - item) / 0.1}

    user, item = map(np.asarray, normals(getkey, (3, 2), (4, 2)))
    found = said(_factors, grads, {"user": user, "item": item}, np.float32(1.5))
    assert found == [("stale-weights", "item[2] += 0.1 * error * mine")]


def _attention(params, x, y):
    p = jax.nn.softmax(x @ params["w"], axis=-1)
    return 0.5 * jnp.sum((jnp.sum(p * x @ params["v"], axis=0) - y) ** 2)


def test_the_diagonal_of_a_softmax_beside_another_mistake(getkey):
    def grads(params, x, y):
        p = jax.nn.softmax(x @ params["w"], axis=-1)
        d = jnp.sum(p * x @ params["v"], axis=0) - y
        dp = (jnp.ones((len(x), 1)) * d[None] @ params["v"].T) * x
        ds = dp[None] * p[None] * (1 - p[None])
        return {"w": jnp.sin(x.T) @ ds[0], "v": (p * x).T @ (jnp.ones((len(x), 1)) * d[None])}

    w, v, x, y = normals(getkey, (4, 4), (4, 2), (5, 4), (2,))
    found = said(_attention, grads, {"w": w, "v": v}, x, y)
    assert ("softmax-jacobian-diagonal-only", "ds = dp[None] * p[None] * (1 - p[None])") in found


def test_what_still_is_unknown_comes_last():
    steps = FirstSteps(lambda case, mistake: [])
    unknown, sign = _words.unknown(("w",)), _words.sign(("v",))
    assert steps.instead_of([unknown, sign]) == [sign, unknown]


def test_a_stack_of_what_is_right_does_not_depart(getkey):
    def grads(params, x, y):
        rows = [jnp.tanh(row @ params["w"]) for row in x]
        a = jnp.stack(rows)
        hidden = jnp.concatenate([row[None] for row in rows])
        out = jnp.tanh(a @ params["v"])
        d = (out - y) * (1 - out**2)
        da = d @ params["v"].T * hidden
        dz = da * hidden
        return {"w": x.T @ dz, "v": a.T @ d}

    def loss(params, x, y):
        total = 0.0
        for row, t in zip(x, y, strict=True):
            total = total + 0.5 * jnp.sum((jnp.tanh(jnp.tanh(row @ params["w"]) @ params["v"]) - t) ** 2)
        return total

    w, v, x, y = normals(getkey, (4, 3), (3, 2), (5, 4), (5, 2))
    assert said(loss, grads, {"w": w, "v": v}, x, y)[0][1] == 'da = d @ params["v"].T * hidden'
