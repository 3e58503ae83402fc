"""The diagnosis where several statements are wrong together: parameters moved too early, a number wrong in all uses."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp import check

from ...helpers import normal
from .findings import named, normals, said


@pytest.fixture
def pairs(getkey):
    """Vectors of users and items, and which of them belong together."""
    keys = jax.random.split(getkey(), 3)
    params = {"users": normal(keys[0], (3, 4)), "items": normal(keys[1], (5, 4))}
    rows = np.array([[0, 1], [0, 3], [1, 0], [2, 4], [2, 1]], np.int32)
    return params, rows, normal(keys[2], (5,)), jnp.asarray(0.2)


def loss(params, rows, ratings, lam):
    u, i = params["users"][rows[:, 0]], params["items"][rows[:, 1]]
    return jnp.sum((jnp.sum(u * i, axis=1) - ratings) ** 2) + lam * jnp.sum(u**2 + i**2)


def moved(params, rows, ratings, lam):
    users, items = params["users"], params["items"]
    total = {name: jnp.zeros_like(value) for name, value in params.items()}
    for (u, i), rating in zip(rows, ratings, strict=True):
        error = users[u] @ items[i] - rating
        du = 2 * error * items[i] + 2 * lam * users[u]
        di = 2 * error * users[u] + 2 * lam * items[i]
        total["users"] = total["users"].at[u].add(du)
        total["items"] = total["items"].at[i].add(di)
        users = users.at[u].add(-0.1 * du)
        items = items.at[i].add(-0.1 * di)
    return total


def summed(params, rows, ratings, lam, penalty_of_users=1.0, penalty_of_items=1.0):
    users, items = jnp.zeros_like(params["users"]), jnp.zeros_like(params["items"])
    for (u, i), rating in zip(rows, ratings, strict=True):
        p, q = params["users"][u], params["items"][i]
        error = p @ q - rating
        users = users.at[u].add(2 * error * q + penalty_of_users * lam * p)
        items = items.at[i].add(2 * error * p + penalty_of_items * lam * q)
    return {"users": users, "items": items}


def test_parameters_that_are_moved_while_the_gradient_is_summed_up(pairs):
    assert said(loss, moved, *pairs) == [
        ("stale-weights", "users = users.at[u].add(-0.1 * du)"),
        ("stale-weights", "items = items.at[i].add(-0.1 * di)"),
    ]


@pytest.mark.parametrize("factor", (1.0, -2.0))
def test_a_penalty_of_another_strength_wherever_it_stands(pairs, factor):
    assert said(loss, partial(summed, penalty_of_users=factor, penalty_of_items=factor), *pairs) == [
        ("wrong-regularization", "users = users.at[u].add(2 * error * q + penalty_of_users * lam * p)"),
        ("wrong-regularization", "items = items.at[i].add(2 * error * p + penalty_of_items * lam * q)"),
    ]


def test_a_penalty_that_is_wrong_in_one_place_is_not_called_wrong_in_another(pairs):
    assert check(loss, partial(summed, penalty_of_users=2.0, penalty_of_items=2.0), *pairs).ok
    [(cause, line)] = said(loss, partial(summed, penalty_of_users=2.0, penalty_of_items=-2.0), *pairs)
    assert cause in ("wrong-regularization", "sign")
    assert line == "items = items.at[i].add(2 * error * p + penalty_of_items * lam * q)"


def a_step(params, rows, ratings, lam, sign=1):
    """The gradient as what a step of descent does, divided by its length."""
    grads = summed(params, rows, ratings, lam, 2.0, 2.0)
    users = params["users"] - 0.1 * grads["users"]
    items = params["items"] - sign * 0.1 * grads["items"]
    return {"users": (params["users"] - users) / 0.1, "items": (params["items"] - items) / 0.1}


def test_a_step_that_is_asked_for_is_not_called_too_early(pairs):
    assert check(loss, a_step, *pairs).ok
    [(cause, _)] = said(loss, partial(a_step, sign=-1), *pairs)
    assert cause == "sign"


def penalty_times_error(params, rows, ratings, lam):
    users, items = jnp.zeros_like(params["users"]), jnp.zeros_like(params["items"])
    for (u, i), rating in zip(rows, ratings, strict=True):
        p, q = params["users"][u], params["items"][i]
        error = p @ q - rating
        users = users.at[u].add(2 * error * q + 2 * lam * p)
        row = 2 * error * (p + lam * q)
        items = items.at[i].add(row)
    return {"users": users, "items": items}


def test_a_penalty_inside_the_bracket_of_the_error(pairs):
    assert said(loss, penalty_times_error, *pairs) == [("wrong-regularization", "row = 2 * error * (p + lam * q)")]


def test_a_penalty_and_the_data_both_wrong_in_one_sum(getkey):
    keys = jax.random.split(getkey(), 3)
    inputs = (
        {"w": normal(keys[0], (4,))},
        normal(keys[1], (6, 4)),
        normal(keys[2], (6,)),
    )

    def lasso(params, x, y):
        return 0.5 * jnp.mean((x @ params["w"] - y) ** 2) + 0.3 * jnp.sum(jnp.abs(params["w"]))

    def grads(params, x, y):
        error = x @ params["w"] - y
        dw = x.T @ error + 0.3 * params["w"]
        return {"w": dw}

    assert said(lasso, grads, *inputs) == [
        ("wrong-regularization", 'dw = x.T @ error + 0.3 * params["w"]'),
        ("scale-batch", 'dw = x.T @ error + 0.3 * params["w"]'),
    ]


def test_a_penalty_has_the_wrong_sign_where_it_is_made_or_where_it_is_added(getkey):
    def ridge(w, x, y):
        return (0.5 * jnp.sum((x @ w - y) ** 2) + 0.15 * jnp.sum(w**2)) / len(x)

    def made_wrong(w, x, y):
        penalty = -0.3 * w
        return ((x @ w - y) @ x + penalty) / len(x)

    def added_wrong(w, x, y):
        penalty = 0.3 * w
        return -((y - x @ w) @ x + penalty) / len(x)

    inputs = normals(getkey, (4,), (6, 4), (6,))
    assert said(ridge, made_wrong, *inputs) == [("wrong-regularization", "penalty = -0.3 * w")]
    line = "return -((y - x @ w) @ x + penalty) / len(x)"
    assert said(ridge, added_wrong, *inputs) == [("wrong-regularization", line)]


def test_deltas_that_are_rounded(getkey):
    def loss(params, x, y):
        return 0.5 * jnp.sum((jnp.tanh(jnp.tanh(x @ params["w1"]) @ params["w2"]) - y) ** 2)

    def grads(params, x, y, digits=3):
        h = jnp.tanh(x @ params["w1"])
        out = jnp.tanh(h @ params["w2"])
        dz2 = jnp.round((out - y) * (1 - out**2), digits)
        dz1 = jnp.round(dz2 @ params["w2"].T * (1 - h**2), digits)
        return {"w1": x.T @ dz1, "w2": h.T @ dz2}

    w1, w2, x, y = normals(getkey, (3, 4), (4, 2), (5, 3), (5, 2))
    params = {"w1": w1, "w2": w2}
    assert said(loss, grads, params, x, y) == [
        ("precision", "dz2 = jnp.round((out - y) * (1 - out**2), digits)"),
        ("precision", 'dz1 = jnp.round(dz2 @ params["w2"].T * (1 - h**2), digits)'),
    ]


def test_a_number_that_passes_through_an_integer(getkey):
    def loss(params, x, y):
        return 0.5 * jnp.sum((x @ params["w"] - y) ** 2)

    def grads(params, x, y):
        index = jnp.floor(x[:, 0]).astype(int)
        error = x @ params["w"] - jnp.where(index > 99, 0, y)
        cents = (100 * error).astype(int)
        return {"w": x.T @ (cents / 100)}

    w, x, y = normals(getkey, (3,), (5, 3), (5,))
    assert said(loss, grads, {"w": w}, x, y) == [("precision", "cents = (100 * error).astype(int)")]


def test_a_penalty_s_factor_is_judged_term_by_term_if_it_is_not_the_same_in_all(getkey):
    def loss(params, x, y, lam):
        a = jnp.tanh(x @ params["w1"] + params["b1"][None])
        penalty = jnp.sum(params["w1"] ** 2) + jnp.sum(params["w2"] ** 2)
        return 0.5 * jnp.sum((a @ params["w2"] + params["b2"][None] - y) ** 2) + lam * penalty

    def grads(params, x, y, lam):
        a = jnp.tanh(x @ params["w1"] + params["b1"][None])
        d2 = a @ params["w2"] + params["b2"][None] - y
        d1 = d2 @ params["w2"].T * (1 - a**2)
        dw2 = a.T @ d2 + lam * params["w2"]
        db2 = d2.sum(0) + lam * params["b2"]
        dw1 = x.T @ d1 + lam * params["w1"]
        db1 = d1.sum(0) + lam * params["b1"]
        return {"w1": dw1, "b1": db1, "w2": dw2, "b2": db2}

    w1, b1, w2, b2, x, y = normals(getkey, (4, 5), (5,), (5, 3), (3,), (8, 4), (8, 3))
    report = check(loss, grads, {"w1": w1, "b1": b1, "w2": w2, "b2": b2}, x, y, jnp.asarray(0.3))
    assert {finding.cause for finding in report.findings} == {"wrong-regularization"}
    assert [finding.leaves for finding in report.findings] == [("w2",), ("b2",), ("w1",), ("b1",)]


def columns_with_a_penalty(params, x, y):
    out = params["w2"] @ jnp.tanh(params["w1"] @ x + params["b1"]) + params["b2"]
    penalty = jnp.sum(params["w1"] ** 2) + jnp.sum(params["w2"] ** 2)
    return (0.5 * jnp.sum((out - y) ** 2) + 0.15 * penalty) / x.shape[1]


@pytest.fixture
def inputs_in_columns(getkey):
    w1, b1, w2, b2, x, y = normals(getkey, (4, 5), (4, 1), (3, 4), (3, 1), (5, 9), (3, 9))
    return {"w1": w1, "b1": b1, "w2": w2, "b2": b2}, x, y


def divided_by_the_inputs(penalty):
    def grads(params, x, y):
        m = x.shape[0]
        a = jnp.tanh(params["w1"] @ x + params["b1"])
        d2 = params["w2"] @ a + params["b2"] - y
        d1 = params["w2"].T @ d2 * (1 - a**2)
        dw2 = (d2 @ a.T + penalty * params["w2"]) / m
        db2 = d2.sum(1, keepdims=True) / m
        dw1 = (d1 @ x.T + penalty * params["w1"]) / m
        db1 = d1.sum(1, keepdims=True) / m
        return {"w1": dw1, "b1": db1, "w2": dw2, "b2": db2}

    return grads


def test_the_size_of_the_wrong_axis_is_wrong_where_it_gets_its_name(inputs_in_columns):
    report = check(columns_with_a_penalty, divided_by_the_inputs(0.3), *inputs_in_columns)
    assert named(report) == [("scale-batch", "m = x.shape[0]")]
    [finding] = report.findings
    assert "divided by 5" in finding.message and "9 examples" in finding.message


def test_it_is_told_though_another_mistake_makes_some_of_the_leaves_wrong(inputs_in_columns):
    assert said(columns_with_a_penalty, divided_by_the_inputs(0.6), *inputs_in_columns) == [
        ("scale-batch", "m = x.shape[0]"),
        ("wrong-regularization", 'dw2 = (d2 @ a.T + penalty * params["w2"]) / m'),
        ("wrong-regularization", 'dw1 = (d1 @ x.T + penalty * params["w1"]) / m'),
    ]


def test_a_size_that_is_right_for_something_else_is_wrong_where_it_is_used(getkey):
    def loss(params, x, y):
        out = x @ params["w"] + params["b"][None]
        return 0.5 * jnp.mean(jnp.sum((out - y) ** 2, axis=1)) + jnp.mean(params["c"] ** 2)

    def grads(params, x, y):
        m = y.shape[1]
        d = x @ params["w"] + params["b"][None] - y
        dw = x.T @ d / m
        db = d.sum(0) / m
        return {"w": dw, "b": db, "c": 2 * params["c"] / m}

    w, b, c, x, y = normals(getkey, (4, 3), (3,), (3,), (8, 4), (8, 3))
    found = said(loss, grads, {"w": w, "b": b, "c": c}, x, y)
    assert [line for _, line in found] == ["dw = x.T @ d / m", "db = d.sum(0) / m"]


def normalised_by(params, x, y, axis=0):
    """Half the squared error of a linear layer with batch norm along an axis."""
    z = x @ params["w"] if axis == 0 else params["w"] @ x
    centred = z - jnp.mean(z, axis, keepdims=True)
    normed = centred / jnp.sqrt(jnp.mean(centred**2, axis, keepdims=True) + 1e-5)
    return 0.5 * jnp.sum((params["gamma"] * normed + params["beta"] - y) ** 2)


def with_normed_twice(params, x, y):
    gamma, m = params["gamma"], x.shape[0]
    z = x @ params["w"]
    mean = jnp.mean(z, axis=0, keepdims=True)
    var = jnp.mean((z - mean) ** 2, axis=0, keepdims=True)
    normed = (z - mean) / jnp.sqrt(var + 1e-5)
    d = gamma * normed + params["beta"] - y
    dnormed = d * gamma
    dvar = jnp.sum(dnormed * (normed - mean), axis=0, keepdims=True) * -0.5 * (var + 1e-5) ** -1.5
    dmean = -jnp.sum(dnormed, axis=0, keepdims=True) / jnp.sqrt(var + 1e-5)
    dz = dnormed / jnp.sqrt(var + 1e-5) + dvar * 2 * (normed - mean) / m + dmean / m
    return {
        "w": x.T @ dz,
        "gamma": jnp.sum(d * normed, axis=0, keepdims=True),
        "beta": jnp.sum(d, axis=0, keepdims=True),
    }


def test_a_value_that_several_lines_read_in_the_place_of_another_is_named_in_each(getkey):
    w, gamma, beta, x, y = normals(getkey, (4, 3), (1, 3), (1, 3), (7, 4), (7, 3))
    params = {"w": w, "gamma": gamma, "beta": beta}
    report = check(normalised_by, with_normed_twice, params, x, y)
    assert named(report) == [
        (
            "wrong-operand",
            "dvar = jnp.sum(dnormed * (normed - mean), axis=0, keepdims=True) * -0.5 * (var + 1e-5) ** -1.5",
        ),
        ("wrong-operand", "dz = dnormed / jnp.sqrt(var + 1e-5) + dvar * 2 * (normed - mean) / m + dmean / m"),
    ]
    assert all("`normed` where `z` belongs" in finding.message for finding in report.findings)


def over_the_features(params, x, y):
    z = params["w"] @ x
    centred = z - jnp.mean(z, axis=1, keepdims=True)
    std = jnp.sqrt(jnp.mean(centred**2, axis=1, keepdims=True) + 1e-5)
    normed = centred / std
    d = params["gamma"] * normed + params["beta"] - y
    dcentred = d * params["gamma"] / std
    dmean = -jnp.sum(dcentred, axis=0, keepdims=True)
    dstd = jnp.sum(-dcentred * normed, axis=0, keepdims=True)
    dz = dcentred + (dmean + dstd * normed) / z.shape[0]
    return {
        "w": dz @ x.T,
        "gamma": jnp.sum(d * normed, axis=1, keepdims=True),
        "beta": jnp.sum(d, axis=1, keepdims=True),
    }


def test_sums_over_the_features_and_their_count_where_those_over_the_examples_belong(getkey):
    w, gamma, beta, x, y = normals(getkey, (4, 3), (4, 1), (4, 1), (3, 7), (4, 7))
    params = {"w": w, "gamma": gamma, "beta": beta}
    report = check(partial(normalised_by, axis=1), over_the_features, params, x, y)
    assert named(report) == [
        ("wrong-reduction-axis", "dmean = -jnp.sum(dcentred, axis=0, keepdims=True)"),
        ("wrong-reduction-axis", "dstd = jnp.sum(-dcentred * normed, axis=0, keepdims=True)"),
        ("scale-batch", "dz = dcentred + (dmean + dstd * normed) / z.shape[0]"),
    ]
    assert "divided by 4, and the batch has 7 examples" in report.findings[-1].message


def test_what_nothing_else_reads_is_wrong_itself_though_another_value_belongs_wherever_it_is_read(getkey):
    def loss(params, x, y):
        p = jax.nn.sigmoid(x @ params["w"] + params["b"])
        return -jnp.sum(y * jnp.log(p) + (1 - y) * jnp.log(1 - p))

    def grads(params, x, y):
        p = jax.nn.sigmoid(x @ params["w"] + params["b"])
        error = p - y
        delta = error * p * (1 - p)
        dw = x.T @ delta
        db = jnp.sum(delta, axis=0, keepdims=True)
        return {"w": dw, "b": db}

    w, b, x, y = normals(getkey, (3, 2), (1, 2), (5, 3), (5, 2))
    report = check(loss, grads, {"w": w, "b": b}, x, jax.nn.sigmoid(y))
    assert named(report) == [("extra-activation-derivative", "delta = error * p * (1 - p)")]


def test_weights_that_are_moved_number_by_number_beside_a_bias_of_one_example(getkey):
    def loss(params, x, y, rate):
        a = jnp.tanh(x @ params["w1"])
        return -jnp.sum(y * jax.nn.log_softmax(a @ params["w2"] + params["b2"]))

    def grads(params, x, y, rate):
        a, w2 = jnp.tanh(x @ params["w1"]), params["w2"]
        d2 = jax.nn.softmax(a @ w2 + params["b2"]) - y
        dw2 = jnp.outer(a, d2)
        for i in range(w2.shape[0]):
            w2 = w2.at[i].add(-rate * dw2[i])
        d1 = w2 @ d2 * (1 - a**2)
        return {"w1": jnp.outer(x, d1), "w2": dw2, "b2": d2}

    w1, w2, b2, x = normals(getkey, (3, 4), (4, 2), (2,), (3,))
    y = jnp.array([0, 1], x.dtype)
    found = said(loss, grads, {"w1": w1, "w2": w2, "b2": b2}, x, y, jnp.asarray(0.2))
    assert found == [("stale-weights", "w2 = w2.at[i].add(-rate * dw2[i])")]
