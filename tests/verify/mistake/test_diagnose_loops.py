"""The diagnosis of statements that run many times: over examples, steps and layers; and of shapes that meet."""

from functools import partial

import jax
import jax.numpy as jnp
import pytest

from jaxmlp import check, check_rule

from ...helpers import normal
from .findings import first, normals, said


@pytest.fixture
def network(getkey):
    keys = jax.random.split(getkey(), 5)
    params = {f"w{i}": normal(keys[i], shape) for i, shape in enumerate(((4, 3), (3, 4), (2, 3)))}
    return params, normal(keys[3], (5, 3)), normal(keys[4], (5, 2))


def layered_loss(params, xs, ys):
    a = xs.T
    for i in range(3):
        a = jax.nn.sigmoid(params[f"w{i}"] @ a)
    return 0.5 * jnp.sum((a - ys.T) ** 2)


def example_by_example(params, xs, ys, slope_of_hidden):
    total = {name: jnp.zeros_like(w) for name, w in params.items()}
    for x, y in zip(xs, ys, strict=True):
        outs = [x]
        for i in range(3):
            outs.append(1 / (1 + jnp.exp(-params[f"w{i}"] @ outs[-1])))
        delta = (outs[3] - y) * outs[3] * (1 - outs[3])
        for i in (2, 1, 0):
            total[f"w{i}"] = total[f"w{i}"] + jnp.outer(delta, outs[i])
            if i:
                delta = slope_of_hidden(params[f"w{i}"].T @ delta, outs[i])
    return total


def no_slope(params, xs, ys):
    total = {name: jnp.zeros_like(w) for name, w in params.items()}
    for x, y in zip(xs, ys, strict=True):
        outs = [x]
        for i in range(3):
            outs.append(1 / (1 + jnp.exp(-params[f"w{i}"] @ outs[-1])))
        deltas = [None, None, (outs[3] - y) * outs[3] * (1 - outs[3])]
        for i in (1, 0):
            deltas[i] = params[f"w{i + 1}"].T @ deltas[i + 1]
        for i in range(3):
            total[f"w{i}"] = total[f"w{i}"] + jnp.outer(deltas[i], outs[i])
    return total


def slope_of_the_slope(params, xs, ys):
    def sigmoid(z):
        return 1 / (1 + jnp.exp(-z))

    def hidden(da, a):
        s = sigmoid(a) * (1 - sigmoid(a))
        return da * s

    return example_by_example(params, xs, ys, hidden)


def test_the_right_one_is_right(network):
    def grads(params, xs, ys):
        return example_by_example(params, xs, ys, lambda da, a: da * a * (1 - a))

    assert check(layered_loss, grads, *network).ok


@pytest.mark.parametrize(
    "grads, cause, line",
    (
        (no_slope, "missing-activation-derivative", 'deltas[i] = params[f"w{i + 1}"].T @ deltas[i + 1]'),
        (slope_of_the_slope, "wrong-activation-derivative", "s = sigmoid(a) * (1 - sigmoid(a))"),
    ),
)
def test_one_example_after_another_where_the_loss_takes_all_at_once(network, grads, cause, line):
    assert first(check(layered_loss, grads, *network)) == (cause, line)


def recurrent_loss(params, xs, y):
    h = jnp.zeros((3,))
    for x in xs:
        h = jnp.tanh(params["wh"] @ h + params["wx"] @ x)
    return 0.5 * jnp.sum((h - y) ** 2)


def lost_sign(params, xs, y):
    hs = [jnp.zeros((3,))]
    for x in xs:
        hs.append(jnp.tanh(params["wh"] @ hs[-1] + params["wx"] @ x))
    dwh, dwx, dh = jnp.zeros((3, 3)), jnp.zeros((3, 2)), hs[-1] - y
    for t in reversed(range(4)):
        dz = dh * (1 - hs[t + 1] ** 2)
        dwh, dwx = dwh + jnp.outer(dz, hs[t]), dwx + jnp.outer(dz, xs[t])
        dh = -params["wh"].T @ dz
    return {"wh": dwh, "wx": dwx}


def test_a_sign_that_comes_in_by_its_powers(getkey):
    keys = jax.random.split(getkey(), 4)
    params = {"wh": normal(keys[0], (3, 3)), "wx": normal(keys[1], (3, 2))}
    problem = params, normal(keys[2], (4, 2)), normal(keys[3], (3,))
    assert first(check(recurrent_loss, lost_sign, *problem)) == ("sign", 'dh = -params["wh"].T @ dz')


def test_a_column_that_meets_a_row(getkey):
    def loss(params, x, y):
        return jnp.mean(((x @ params["w"])[:, 0] - y) ** 2)

    def grads(params, x, y):
        with jax.numpy_rank_promotion("allow"):
            err = x @ params["w"] - y
        return {"w": 2 * x.T @ err / len(y)}

    keys = jax.random.split(getkey(), 3)
    problem = {"w": normal(keys[0], (3, 1))}, normal(keys[1], (6, 3))
    report = check(loss, grads, *problem, normal(keys[2], (6,)))
    assert first(report) == ("shape", 'err = x @ params["w"] - y')
    assert "(6, 6)" in report.findings[0].message


def test_a_mask_drawn_from_a_key_and_then_forgotten(getkey):
    def mask_of(key, a):
        return jax.random.bernoulli(key, 0.5, a.shape).astype(a.dtype)

    def loss(params, x, key):
        a = jnp.tanh(x @ params["w"])
        return jnp.sum((a * mask_of(key, a)) ** 2)

    def grads(params, x, key):
        a = jnp.tanh(x @ params["w"])
        dropped = a * mask_of(key, a)
        dz = 2 * dropped
        return {"w": x.T @ dz}

    problem = {"w": normal(getkey(), (3, 2))}, normal(getkey(), (6, 3)), jax.random.key(0)
    assert first(check(loss, grads, *problem)) == ("missing-activation-derivative", "dz = 2 * dropped")


def test_a_line_that_calls_many_functions_is_not_blamed(getkey):
    def back_through_product(w, x):
        return lambda d: (x.T @ d, d @ w.T)

    def back_through_tanh(a):
        return lambda d: (None, -d * (1 - a**2))

    def grads(params, x, y):
        a = jnp.tanh(x @ params["w1"])
        tape = [back_through_product(params["w1"], x), back_through_tanh(a), back_through_product(params["w2"], a)]
        found, d = [], a @ params["w2"] - y
        for back in reversed(tape):
            dw, d = back(d)
            found.append(dw)
        return {"w1": found[2], "w2": found[0]}

    def loss(params, x, y):
        return 0.5 * jnp.sum((jnp.tanh(x @ params["w1"]) @ params["w2"] - y) ** 2)

    params = {"w1": normal(getkey(), (3, 4)), "w2": normal(getkey(), (4, 2))}
    report = check(loss, grads, params, normal(getkey(), (5, 3)), normal(getkey(), (5, 2)))
    assert first(report) == ("sign", "return lambda d: (None, -d * (1 - a**2))")


def test_a_rule_is_read_line_by_line(getkey):
    layer = jax.custom_vjp(lambda x, w: jnp.tanh(x @ w))

    def bwd(residuals, da):
        x, w, a = residuals
        dz = da * (1 - a)
        return dz @ w.T, x.T @ dz

    def fwd(x, w):
        a = jnp.tanh(x @ w)
        return a, (x, w, a)

    layer.defvjp(fwd, bwd)
    report = check_rule(layer, normal(getkey(), (5, 3)), normal(getkey(), (3, 2)))
    assert first(report) == ("wrong-activation-derivative", "dz = da * (1 - a)")


@pytest.mark.parametrize("masked", [True, False])
def test_the_same_part_of_an_argument_in_each_step(masked, getkey):
    def loss(params, x, y, gates):
        h = jnp.zeros_like(y[0])
        for step in range(len(x)):
            h = h + gates[step] * (jnp.tanh(x[step] @ params["w"] + h) - h)
        return 0.5 * jnp.sum((h - y[0]) ** 2)

    def grads(params, x, y, gates, moves_on=False):
        states, outs = [jnp.zeros_like(y[0])], []
        for step in range(len(x)):
            outs.append(jnp.tanh(x[step] @ params["w"] + states[-1]))
            states.append(states[-1] + gates[step] * (outs[-1] - states[-1]))
        dh, dw = states[-1] - y[0], 0.0
        for step in reversed(range(len(x))):
            gate = gates[step if moves_on else 0]
            dz = gate * dh * (1 - outs[step] ** 2)
            dw = dw + x[step].T @ dz
            dh = (1 - gate) * dh + dz
        return {"w": dw}

    w, x, y, gates = normals(getkey, (3, 2), (4, 5, 3), (1, 5, 2), (4, 5, 2))
    gates = (gates > 0).astype(x.dtype) if masked else jax.nn.sigmoid(gates)
    assert check(loss, partial(grads, moves_on=True), {"w": w}, x, y, gates).ok
    cause = "wrong-mask" if masked else "wrong-operand"
    assert said(loss, grads, {"w": w}, x, y, gates) == [(cause, "gate = gates[step if moves_on else 0]")]


def test_a_part_of_the_input_that_each_run_of_a_loop_lacks(getkey):
    def loss(params, x, y):
        return 0.5 * jnp.sum((jax.nn.sigmoid(x @ params["w"]) - y) ** 2)

    def grads(params, x, y):
        out = jax.nn.sigmoid(x @ params["w"])
        delta = (out - y) * out * (1 - out)
        change = jnp.zeros_like(params["w"])
        for i in range(5):
            for j in range(3):
                change = change.at[i, j].add(delta[j])
        return {"w": change}

    w, x, y = normals(getkey, (5, 3), (5,), (3,))
    report = check(loss, grads, {"w": w}, x, y)
    assert first(report) == ("missing-factor", "change = change.at[i, j].add(delta[j])")
    assert "lacks the factor `x[...]`" in report.findings[0].message


def test_a_column_of_the_input_that_each_run_of_a_loop_but_the_first_lacks(getkey):
    def loss(params, x, y):
        z = x @ params["theta"]
        return jnp.mean(jnp.logaddexp(0.0, z) - y * z) + 0.1 * jnp.sum(params["theta"][1:] ** 2)

    def grads(params, x, y):
        theta = params["theta"]
        error = jax.nn.sigmoid(x @ theta) - y
        found = [jnp.mean(error)]
        for i in range(1, 5):
            found.append(jnp.mean(error) + 0.2 * theta[i])
        return {"theta": jnp.stack(found)}

    theta, x, y = normals(getkey, (5,), (8, 5), (8,))
    found = said(loss, grads, {"theta": theta}, x.at[:, 0].set(1), (y > 0).astype(y.dtype))
    assert found[0] == ("missing-factor", "found.append(jnp.mean(error) + 0.2 * theta[i])")


def test_what_a_loop_keeps_without_a_name_and_reads_a_step_too_early(getkey):
    def loss(params, xs, y):
        state, total = jnp.zeros(4, xs.dtype), 0.0
        for x in xs:
            state = jnp.tanh(params["w"] @ x + state)
            total = total + jnp.sum((params["v"] @ state - y) ** 2) / 2
        return total

    def grads(params, xs, y):
        states = [jnp.zeros(4, xs.dtype)]
        for x in xs:
            states.append(jnp.tanh(params["w"] @ x + states[-1]))
        dw, dv, dnext = (jnp.zeros_like(params["w"]), jnp.zeros_like(params["v"]), jnp.zeros(4, xs.dtype))
        for t in reversed(range(len(xs))):
            error = params["v"] @ states[t + 1] - y
            dv = dv + jnp.outer(error, states[t])
            dz = (params["v"].T @ error + dnext) * (1 - states[t + 1] ** 2)
            dw = dw + jnp.outer(dz, xs[t])
            dnext = dz
        return {"w": dw, "v": dv}

    w, v, xs, y = normals(getkey, (4, 3), (2, 4), (3, 3), (2,))
    assert said(loss, grads, {"w": w, "v": v}, xs, y) == [("wrong-operand", "dv = dv + jnp.outer(error, states[t])")]


def test_a_weight_that_a_step_in_a_loop_has_changed(getkey):
    def loss(params, x, y):
        return jnp.sum((params["v"] @ jax.nn.relu(params["w"] @ x) - y) ** 2) / 2

    def grads(params, x, y):
        h = jax.nn.relu(params["w"] @ x)
        error = params["v"] @ h - y
        dv, dw = [], []
        for j in range(4):
            dv.append(error * h[j])
            v = params["v"][j] - 0.1 * dv[j]
            dw.append(jnp.where(h[j] > 0, error * v, 0.0) * x)
        return {"w": jnp.stack(dw), "v": jnp.stack(dv)}

    w, v, x = normals(getkey, (4, 3), (4,), (3,))
    found = said(loss, grads, {"w": w, "v": v}, x, jnp.float64(0.3))
    assert [cause for cause, _ in found] == ["stale-weights"]


def strided(params, x, y, *, first=lambda i: 2 * i, put=lambda i: 2 * i):
    """A kernel `k` that slides over `tanh(x @ w)` by two, gone back through step by step."""
    h = jnp.tanh(x @ params["w"])
    outs = jnp.stack([h[2 * i : 2 * i + 3] @ params["k"] for i in range(4)])
    dk, dh = jnp.zeros_like(params["k"]), jnp.zeros_like(h)
    for i in range(4):
        error = outs[i] - y[i]
        part = h[first(i) : first(i) + 3]
        dk = dk + part * error
        dh = dh.at[put(i) : put(i) + 3].add(params["k"] * error)
    return {"k": dk, "w": jnp.outer(x, dh * (1 - h**2))}


def strided_loss(params, x, y):
    h = jnp.tanh(x @ params["w"])
    return 0.5 * sum((h[2 * i : 2 * i + 3] @ params["k"] - y[i]) ** 2 for i in range(4))


READ, PUT = "part = h[first(i) : first(i) + 3]", 'dh = dh.at[put(i) : put(i) + 3].add(params["k"] * error)'


@pytest.mark.parametrize(
    ("moved", "line", "must"),
    [
        ({"first": lambda i: i}, READ, "takes the wrong part of `h`: the part that begins at (1,) must begin at (2,)"),
        ({"put": lambda i: i}, PUT, "in the wrong places: the part that begins at (1,) must begin at (2,)"),
        ({"put": lambda i: 2 * i + 1}, PUT, "in the wrong places: the part that begins at (1,) must begin at (0,)"),
    ],
    ids=["reads without the stride", "adds without the stride", "adds one too far"],
)
def test_a_part_of_an_array_at_the_wrong_place(moved, line, must, getkey):
    w, x, k, y = normals(getkey, (5, 10), (5,), (3,), (4,))
    assert check(strided_loss, strided, {"w": w, "k": k}, x, y).ok
    report = check(strided_loss, partial(strided, **moved), {"w": w, "k": k}, x, y)
    assert first(report) == ("wrong-operand", line)
    assert must in report.findings[0].message


def test_the_weights_without_the_wrong_one_of_their_columns(getkey):
    def loss(params, x, y):
        h = jnp.concatenate([jnp.ones((len(x), 1)), jax.nn.sigmoid(x @ params["t1"])], axis=1)
        return jnp.mean((h @ params["t2"] - y) ** 2)

    def grads(params, x, y):
        a = jax.nn.sigmoid(x @ params["t1"])
        h = jnp.concatenate([jnp.ones((len(x), 1)), a], axis=1)
        error = 2 * (h @ params["t2"] - y) / y.size
        without_bias = params["t2"][:-1]
        return {"t2": h.T @ error, "t1": x.T @ (error @ without_bias.T * a * (1 - a))}

    t1, t2, x, y = normals(getkey, (5, 4), (5, 3), (7, 5), (7, 3))
    report = check(loss, grads, {"t1": t1, "t2": t2}, x, y)
    assert first(report) == ("wrong-operand", 'without_bias = params["t2"][:-1]')
    assert "must begin at (1, 0)" in report.findings[0].message


def test_an_error_that_is_carried_without_the_recurrent_matrix_is_told_where_it_gets_its_other_name(getkey):
    def loss(params, xs, h, ys):
        total = 0.0
        for x, y in zip(xs, ys, strict=True):
            h = jnp.tanh(params["u"] @ x + params["w"] @ h)
            total += 0.5 * jnp.sum((params["v"] @ h - y) ** 2)
        return total

    def grads(params, xs, h, ys):
        u, w, v = params["u"], params["w"], params["v"]
        hs = [h]
        for x in xs:
            hs.append(jnp.tanh(u @ x + w @ hs[-1]))
        du, dw, dv = jnp.zeros_like(u), jnp.zeros_like(w), jnp.zeros_like(v)
        dhnext = jnp.zeros_like(h)
        for t in reversed(range(len(xs))):
            do = v @ hs[t + 1] - ys[t]
            dh = v.T @ do + dhnext
            draw = (1 - hs[t + 1] ** 2) * dh
            du, dw, dv = du + jnp.outer(draw, xs[t]), dw + jnp.outer(draw, hs[t]), dv + jnp.outer(do, hs[t + 1])
            dhnext = draw
        return {"u": du, "w": dw, "v": dv}

    u, w, v, xs, h, ys = normals(getkey, (4, 3), (4, 4), (2, 4), (5, 3), (4,), (5, 2))
    [found] = check(loss, grads, {"u": u, "w": w, "v": v}, xs, h, ys).findings
    assert found.cause == "missing-factor" and "`dhnext`" in found.message and 'params["w"].T' in found.message
    assert found.line is not None and found.line.text == "dhnext = draw"
