"""The diagnosis where what a statement reads is wrong where it is made, or is right and gets another name."""

import jax
import jax.numpy as jnp

from .findings import normals, said


def network(params, x, y):
    h = jnp.tanh(x @ params["w1"])
    return 0.5 * jnp.sum((jax.nn.sigmoid(h @ params["w2"]) - y) ** 2)


def inputs(getkey):
    w1, w2, x, y = normals(getkey, (3, 4), (4, 2), (5, 3), (5, 2))
    return {"w1": w1, "w2": w2}, x, y


def test_what_several_statements_read_is_wrong_where_it_is_made(getkey):
    def loss(params, x, y):
        return 0.5 * jnp.sum((jnp.tanh(x @ params["u"]) * (x @ params["v"]) - y) ** 2)

    def grads(params, x, y):
        u, v = jnp.tanh(x @ params["u"]), x @ params["v"]
        out = u * v
        x = x.at[:, :].set(out)
        d = out - y
        du = d * v * (1 - u**2)
        dv = d * u
        du = x.T @ du
        dv = x.T @ dv
        return {"u": du, "v": dv}

    u, v, x, y = normals(getkey, (3, 3), (3, 3), (5, 3), (5, 3))
    assert said(loss, grads, {"u": u, "v": v}, x, y) == [("wrong-operand", "x = x.at[:, :].set(out)")]


def test_a_slope_is_missing_where_the_error_only_gets_another_sign(getkey):
    def grads(params, x, y):
        h = jnp.tanh(x @ params["w1"])
        error = y - jax.nn.sigmoid(h @ params["w2"])
        delta = -error
        dz = delta @ params["w2"].T * (1 - h**2)
        return {"w1": x.T @ dz, "w2": h.T @ delta}

    assert said(network, grads, *inputs(getkey)) == [("missing-activation-derivative", "delta = -error")]


class _Output:
    def __init__(self, w):
        self.w = w

    def forward(self, h):
        self.h = h
        return jax.nn.sigmoid(h @ self.w)

    def backward(self, error):
        dz = error
        self.dw = self.h.T @ dz
        return dz @ self.w.T


def test_a_slope_is_missing_where_another_function_only_renames_its_argument(getkey):
    def grads(params, x, y):
        h = jnp.tanh(x @ params["w1"])
        output = _Output(params["w2"])
        difference = output.forward(h) - y
        dh = output.backward(difference)
        return {"w1": x.T @ (dh * (1 - h**2)), "w2": output.dw}

    assert said(network, grads, *inputs(getkey)) == [("missing-activation-derivative", "dz = error")]


def test_an_error_that_is_read_by_two_names_lacks_the_slope_where_it_is_made(getkey):
    def grads(params, x, y):
        h = jnp.tanh(x @ params["w1"])
        error = jax.nn.sigmoid(h @ params["w2"]) - y
        dz = error
        dh = error @ params["w2"].T
        return {"w1": x.T @ (dh * (1 - h**2)), "w2": h.T @ dz}

    found = said(network, grads, *inputs(getkey))
    assert found == [("missing-activation-derivative", 'error = jax.nn.sigmoid(h @ params["w2"]) - y')]


def test_pieces_of_a_gradient_in_each_others_place(getkey):
    def loss(w, x, y):
        a, b = jnp.tanh(w[0] * x[:, 0] + w[1] * x[:, 1]), jnp.tanh(w[2] * x[:, 0] + w[3] * x[:, 1])
        return 0.5 * jnp.sum((a - 2 * b - y) ** 2)

    def grads(w, x, y):
        change = [0.0] * 4
        for i in range(5):
            a = jnp.tanh(w[0] * x[i, 0] + w[1] * x[i, 1])
            b = jnp.tanh(w[2] * x[i, 0] + w[3] * x[i, 1])
            error = y[i] - (a - 2 * b)
            da, db = error * (1 - a**2), -2 * error * (1 - b**2)
            change[0] += da * x[i, 0]
            change[1] += db * x[i, 0]
            change[2] += da * x[i, 1]
            change[3] += db * x[i, 1]
        return -jnp.stack(change)

    w, x, y = normals(getkey, (4,), (5, 2), (5,))
    assert said(loss, grads, w, x, y) == [
        ("wrong-operand", "change[1] += db * x[i, 0]"),
        ("wrong-operand", "change[2] += da * x[i, 1]"),
    ]


def _collected(params, x, y):
    error = x @ params["w"] + params["b"] - y
    db = jnp.sum(error)
    dw = x.T @ error / 5
    return jnp.append(dw, db)


def test_a_piece_that_is_taken_out_again_is_wrong_where_it_is_made(getkey):
    def loss(params, x, y):
        return 0.5 * jnp.mean((x @ params["w"] + params["b"] - y) ** 2)

    def grads(params, x, y):
        theta = _collected(params, x, y)
        return {"w": theta[:-1], "b": theta[-1]}

    w, b, x, y = normals(getkey, (3,), (), (5, 3), (5,))
    assert said(loss, grads, {"w": w, "b": b}, x, y) == [("scale-batch", "db = jnp.sum(error)")]


def _of_a_product(a, b, d):
    return b * d, a * d


def _of_a_cube(x, d):
    dx = d * x**2
    return dx


def test_of_two_results_the_right_one_is_not_blamed_for_what_is_done_with_it(getkey):
    def loss(params, x, y):
        return 0.5 * jnp.sum((params["gain"] * (x @ params["w"]) ** 3 - y) ** 2)

    def grads(params, x, y):
        s = x @ params["w"]
        error = params["gain"] * s**3 - y
        dgain, dp = _of_a_product(params["gain"], s**3, error)
        ds = _of_a_cube(s, dp)
        return {"gain": jnp.sum(dgain), "w": x.T @ ds}

    gain, w, x, y = normals(getkey, (), (3,), (5, 3), (5,))
    assert said(loss, grads, {"gain": gain, "w": w}, x, y) == [("scale-constant", "dx = d * x**2")]


def test_an_infinity_that_a_condition_drops_is_not_where_a_nan_is_born(getkey):
    def loss(w, x, y):
        z = x @ w
        return 0.5 * jnp.sum((jnp.where(z > 0, z, jnp.expm1(jnp.minimum(z, 0))) - y) ** 2)

    def grads(w, x, y):
        z = x @ w
        a = jnp.where(z > 0, z, jnp.exp(z) - 1)
        below = jnp.asarray(z <= 0, float) * jnp.exp(z)
        return x.T @ ((a - y) * (jnp.asarray(z > 0, float) + below))

    x, y = normals(getkey, (5, 2), (5,))
    w = jnp.asarray([800.0, 1.0])
    assert said(loss, grads, w, x, y) == [("nonfinite", "below = jnp.asarray(z <= 0, float) * jnp.exp(z)")]


def test_a_matrix_product_that_is_missing(getkey):
    def loss(a, x):
        return jnp.sum((x @ a.T) ** 2)

    def grads(a, x):
        scatter = x.T @ x
        return 2 * scatter

    a, x = normals(getkey, (3, 3), (5, 3))
    assert said(loss, grads, a, x) == [("missing-factor", "scatter = x.T @ x")]


def softmax(z):
    return jnp.exp(z) / sum(jnp.exp(z), start=jnp.zeros(z.shape[1]))[None, :]


def test_a_softmax_over_the_examples_is_wrong_and_not_the_error_that_reads_it(getkey):
    def loss(w, x, y):
        return -jnp.mean(jnp.sum(y * jax.nn.log_softmax(x @ w, axis=1), axis=1))

    def grads(w, x, y):
        p = softmax(x @ w)
        dz = (p - y) / len(x)
        return x.T @ dz

    w, x, _ = normals(getkey, (3, 4), (5, 3), ())
    y = jnp.eye(4)[jnp.array([0, 1, 3, 2, 1])]
    line = "return jnp.exp(z) / sum(jnp.exp(z), start=jnp.zeros(z.shape[1]))[None, :]"
    assert said(loss, grads, w, x, y) == [("wrong-forward", line)]


def test_what_several_use_lacks_the_error_where_it_is_made(getkey):
    def loss(params, x, y):
        return 0.5 * jnp.mean((jax.nn.sigmoid(x @ params["w"] + params["b"][None]) - y) ** 2)

    def grads(params, x, y):
        a = jax.nn.sigmoid(x @ params["w"] + params["b"][None])
        d = a * (1 - a)
        dw = x.T.dot(d)
        db = d.sum()
        return {"w": dw, "b": db}

    w, b, x, y = normals(getkey, (4, 3), (3,), (6, 4), (6, 3))
    assert said(loss, grads, {"w": w, "b": b}, x, y) == [
        ("missing-upstream", "d = a * (1 - a)"),
        ("shape", "db = d.sum()"),
    ]


def test_two_sums_lack_their_mean_where_the_error_behind_them_does_not(getkey):
    def normalized(z):
        centered = z - z.mean(0, keepdims=True)
        var = jnp.mean(centered**2, axis=0, keepdims=True)
        return centered, var, jnp.sqrt(var + 1e-3)

    def loss(params, x, y):
        centered, _, std = normalized(x @ params["w"])
        out = params["gamma"][None] * centered / std + params["beta"][None]
        return jnp.sum((jax.nn.relu(out) @ params["v"] - y) ** 2) / (2 * len(x))

    def grads(params, x, y):
        centered, var, std = normalized(x @ params["w"])
        out = params["gamma"][None] * centered / std + params["beta"][None]
        h = jax.nn.relu(out)
        error = h @ params["v"] - y
        dv = h.T @ error / len(x)
        d = jnp.where(out > 0, error @ params["v"].T, 0)
        dbeta = jnp.sum(d, axis=0)
        dgamma = jnp.sum(d * centered / std, axis=0)
        dn = d * params["gamma"][None]
        dvar = -jnp.sum(dn * centered, axis=0, keepdims=True) / var * 0.5 / std
        dc = dn / std + dvar * 2 * centered / len(x)
        dz = dc - dc.mean(0, keepdims=True)
        return {"w": x.T @ dz / len(x), "gamma": dgamma, "beta": dbeta, "v": dv}

    w, beta, gamma, v, x, y = normals(getkey, (5, 4), (4,), (4,), (4, 3), (8, 5), (8, 3))
    params = {"w": w, "gamma": 1 + 0.1 * gamma, "beta": beta, "v": v}
    assert said(loss, grads, params, 0.1 * x, y) == [
        ("scale-batch", "dbeta = jnp.sum(d, axis=0)"),
        ("scale-batch", "dgamma = jnp.sum(d * centered / std, axis=0)"),
        ("epsilon", "dvar = -jnp.sum(dn * centered, axis=0, keepdims=True) / var * 0.5 / std"),
    ]


def test_a_value_that_is_named_for_one_line_alone(getkey):
    def loss(params, x, y):
        h = jnp.tanh(x @ params["u"])
        return 0.5 * jnp.sum((h @ params["w"] - y) ** 2)

    def grads(params, x, y):
        z = x @ params["u"]
        h = jnp.tanh(z)
        d = h @ params["w"] - y
        dz_dw = z.T
        dw = dz_dw @ d
        dh = d @ params["w"].T
        return {"u": x.T @ (dh * (1 - h**2)), "w": dw}

    u, w, x, y = normals(getkey, (4, 5), (5, 3), (6, 4), (6, 3))
    assert said(loss, grads, {"u": u, "w": w}, x, y) == [("wrong-operand", "dz_dw = z.T")]


def test_a_slope_is_missing_where_a_difference_becomes_an_error(getkey):
    def loss(params, x, y):
        return jnp.mean((jnp.tanh(x @ params["w"]) - y) ** 2)

    def grads(params, x, y):
        a = jnp.tanh(x @ params["w"])
        error = a - y
        d = error * (2 / y.size)
        return {"w": x.T @ d}

    w, x, y = normals(getkey, (4, 3), (6, 4), (6, 3))
    line = "d = error * (2 / y.size)"
    assert said(loss, grads, {"w": w}, x, y) == [("missing-activation-derivative", line)]
