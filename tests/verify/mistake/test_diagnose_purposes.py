"""The diagnosis by what a line is for: a value, a mask or a gradient with a penalty is told as what it is."""

import jax
import jax.numpy as jnp

from jaxmlp import check

from .findings import named, normals, said


def _logistic(params, x, y):
    z = x @ params["w"]
    return jnp.sum(jax.nn.softplus(z) - y * z)


def test_the_data_s_own_term_with_the_wrong_sign_is_not_the_penalty(getkey):
    def loss(params, x, y):
        return 0.5 * jnp.sum((x @ params["w"] - y) ** 2) + 0.15 * jnp.sum(params["w"] ** 2)

    def grads(params, x, y):
        error = x @ params["w"] - y
        dw = x.T @ -error + 0.3 * params["w"]
        return {"w": dw}

    w, x, y = normals(getkey, (3,), (5, 3), (5,))
    found = said(loss, grads, {"w": w}, x, y)
    assert found == [("sign", 'dw = x.T @ -error + 0.3 * params["w"]')]


def test_a_sign_in_the_argument_of_a_softmax_is_no_matter_of_a_penalty(getkey):
    def softmax(z):
        e = jnp.exp(z)
        return e / jnp.sum(e, axis=1, keepdims=True)

    def loss(params, x, y):
        h = jnp.tanh(x @ params["u"])
        return -jnp.mean(jnp.sum(y * jax.nn.log_softmax(h @ params["w"] + params["b"][None], axis=1), axis=1))

    def grads(params, x, y):
        h = jnp.tanh(x @ params["u"])
        p = softmax(-(h @ params["w"]) + params["b"][None])
        dz = (p - y) / len(x)
        dh = dz @ params["w"].T
        return {"u": x.T @ (dh * (1 - h**2)), "w": h.T @ dz, "b": dz.sum(0)}

    u, w, b, x, y = normals(getkey, (3, 5), (5, 4), (4,), (6, 3), (6, 4))
    [(cause, line)] = said(loss, grads, {"u": u, "w": w, "b": b}, x, jax.nn.softmax(y))
    assert cause in ("sign", "wrong-forward") and line == 'p = softmax(-(h @ params["w"]) + params["b"][None])'


def test_an_output_that_divides_is_a_value_and_no_slope(getkey):
    def grads(params, x, y):
        a = 1 / (1 + jnp.exp(-y))
        da = (1 - y) / (1 - a) - y / a
        dz = da * a * (1 - a)
        return {"w": x.T @ dz}

    w, x, y = normals(getkey, (3,), (6, 3), (6,))
    report = check(_logistic, grads, {"w": w}, x, jnp.where(y > 0, 1.0, 0.0))
    assert named(report) == [("wrong-forward", "a = 1 / (1 + jnp.exp(-y))")]


def test_a_mask_that_lets_nothing_through_is_a_mask(getkey):
    def loss(params, x, y):
        return 0.5 * jnp.sum((jax.nn.relu(x @ params["w"]) @ params["v"] - y) ** 2)

    def grads(params, x, y):
        z = x @ params["w"]
        h = jax.nn.relu(z)
        out = h @ params["v"]
        dh = (out - y) @ params["v"].T
        dz = jnp.where(h < 0, dh, 0)
        return {"w": x.T @ dz, "v": h.T @ (out - y)}

    w, v, x, y = normals(getkey, (3, 4), (4, 2), (5, 3), (5, 2))
    assert said(loss, grads, {"w": w, "v": v}, x, y) == [("wrong-mask", "dz = jnp.where(h < 0, dh, 0)")]


def autoencoder(params, x):
    h = jnp.tanh(x @ params["w"] + params["b"][None])
    return 0.5 * jnp.sum((h @ params["w"].T - x) ** 2)


def test_a_parameter_where_its_gradient_belongs_is_no_penalty_of_a_loss_that_has_none(getkey):
    def grads(params, x):
        h = jnp.tanh(x @ params["w"] + params["b"][None])
        d = h @ params["w"].T - x
        dz = d @ params["w"] * (1 - h**2)
        step = 0.1 * params["b"]
        return {"w": x.T @ dz + d.T @ h, "b": step}

    w, b, x = normals(getkey, (5, 3), (3,), (7, 5))
    (finding,) = check(autoencoder, grads, {"w": w, "b": b}, x).findings
    assert (finding.cause, finding.line and finding.line.text) == ("wrong-operand", 'step = 0.1 * params["b"]')
    assert '`params["b"]`' in finding.message and "regularization" not in finding.message


def test_a_value_of_the_candidate_s_own_way_through_an_activation_in_the_place_of_another(getkey):
    def loss(params, x, y):
        return 0.5 * jnp.sum((jnp.tanh(x @ params["w"]) - y) ** 2)

    def grads(params, x, y):
        doubled = 2 * (x @ params["w"])
        e = jnp.exp(doubled)
        below = (e + 1) ** -1
        out = (e - 1) * below
        d = out - y
        d_e = below * d - below**2 * (e - 1) * d
        d_doubled = doubled * d_e
        return {"w": x.T @ (2 * d_doubled)}

    w, x, y = normals(getkey, (5, 3), (6, 5), (6, 3))
    (finding,) = check(loss, grads, {"w": w}, x, y).findings
    assert (finding.cause, finding.line and finding.line.text) == ("wrong-operand", "d_doubled = doubled * d_e")
    assert "`doubled` where `e` belongs" in finding.message


def _slope_of_sigmoid(z):
    s = 1 / jnp.exp(-z)
    ds = s * (1 - s)
    return ds


def test_a_sigmoid_that_only_a_slope_is_made_of_is_no_forward_value(getkey):
    def loss(params, x, y):
        return 0.5 * jnp.sum((1 / (1 + jnp.exp(-(x @ params["w1"]))) @ params["w2"] - y) ** 2)

    def grads(params, x, y):
        z = x @ params["w1"]
        a = 1 / (1 + jnp.exp(-z))
        error = a @ params["w2"] - y
        dz = error @ params["w2"].T * _slope_of_sigmoid(z)
        return {"w1": x.T @ dz, "w2": a.T @ error}

    w1, w2, x, y = normals(getkey, (3, 4), (4, 2), (6, 3), (6, 2))
    found = said(loss, grads, {"w1": w1, "w2": w2}, x, y)
    assert found == [("wrong-activation-derivative", "s = 1 / jnp.exp(-z)")]


def test_a_number_beside_a_weight_that_is_added_up_in_a_loop_is_the_penalty_s(getkey):
    def loss(params, x, y, strength):
        error = x @ params["w"] - y
        return 0.5 * jnp.mean(error**2) + 0.5 * strength / len(x) * jnp.sum(params["w"] ** 2)

    def grads(params, x, y, strength):
        (m, n), w = x.shape, params["w"]
        dw = x.T @ (x @ w - y) / m
        for j in range(n):
            dw = dw.at[j].add((strength / m) * n * w[j])
        return {"w": dw}

    w, x, y = normals(getkey, (4,), (7, 4), (7,))
    report = check(loss, grads, {"w": w}, x, y, jnp.asarray(0.7))
    assert named(report) == [("wrong-regularization", "dw = dw.at[j].add((strength / m) * n * w[j])")]
    assert "the factor `n`" in report.findings[0].message
