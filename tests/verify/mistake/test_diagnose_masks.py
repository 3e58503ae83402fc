"""The diagnosis of masks and of what stands beside them: conditions, factors, the Jacobian of a softmax."""

from functools import partial

import jax
import jax.numpy as jnp

from jaxmlp import check

from ...helpers import normal
from .findings import first, normals, said


def test_a_threshold_on_the_signed_difference_is_another_condition(getkey):
    def loss(params, x, y):
        error = x @ params["w"] - y
        size = jnp.abs(error)
        return jnp.mean(jnp.where(size < 0.7, 0.5 * error**2, 0.7 * (size - 0.35)))

    def grads(params, x, y):
        error = x @ params["w"] - y
        d = jnp.where(error < 0.7, error, 0.7 * jnp.sign(error))
        return {"w": x.T @ (d / error.size)}

    w, x, y = (normal(getkey(), shape) for shape in ((4, 2), (8, 4), (8, 2)))
    line = "d = jnp.where(error < 0.7, error, 0.7 * jnp.sign(error))"
    assert first(check(loss, grads, {"w": w}, x, 2 * y)) == ("wrong-mask", line)


def test_a_missing_factor_is_not_looked_for_in_a_mask(getkey):
    def loss(params, x, y):
        return jnp.sum(jnp.maximum(0, 1 - y * (x @ params["w"]))) / len(x)

    def grads(params, x, y):
        open_ = (y * (x @ params["w"]) < 1).astype(x.dtype)
        signed = -y * open_
        return {"w": x.T @ signed}

    w, x, y = (normal(getkey(), shape) for shape in ((4, 1), (9, 4), (9, 1)))
    assert first(check(loss, grads, {"w": w}, x, jnp.sign(y))) == ("scale-batch", "signed = -y * open_")


def test_the_diagonal_of_softmax_is_known_behind_a_mask(getkey):
    def attention(params, x):
        scores = jnp.where(jnp.tril(jnp.ones((5, 5), bool)), x @ params["q"] @ x.T, -1e9)
        return jax.nn.softmax(scores, axis=-1)

    def loss(params, x, y):
        return 0.5 * jnp.sum((attention(params, x) @ x - y) ** 2)

    def grads(params, x, y):
        p = attention(params, x)
        dp = (p @ x - y) @ x.T
        ds = p * (1 - p) * dp
        return {"q": x.T @ ds @ x}

    q, x, y = (normal(getkey(), shape) for shape in ((3, 3), (5, 3), (5, 3)))
    assert first(check(loss, grads, {"q": 0.3 * q}, x, y)) == (
        "softmax-jacobian-diagonal-only",
        "ds = p * (1 - p) * dp",
    )


def test_the_scale_of_dropout_that_is_not_that_of_the_forward_pass(getkey):
    def loss(params, x, y, mask, rate):
        p = jax.nn.softmax(x @ params["q"] @ x.T, axis=1) * mask / (1 - rate)
        return 0.5 * jnp.sum((p @ x - y) ** 2)

    def grads(params, x, y, mask, rate):
        p = jax.nn.softmax(x @ params["q"] @ x.T, axis=1)
        dropped = (p * mask * (1 / (1 - rate)) @ x - y) @ x.T
        dp = dropped * mask * rate
        ds = p * (dp - jnp.sum(dp * p, axis=1, keepdims=True))
        return {"q": x.T @ ds @ x}

    q, x, y = normals(getkey, (3, 3), (5, 3), (5, 3))
    mask = (jnp.arange(25).reshape(5, 5) % 3 > 0).astype(x.dtype)
    assert first(check(loss, grads, {"q": 0.3 * q}, x, y, mask, jnp.asarray(0.3))) == (
        "scale-constant",
        "dp = dropped * mask * rate",
    )


def test_scores_that_take_the_probabilities_after_dropout(getkey):
    def loss(params, x, y, mask):
        return 0.5 * jnp.sum(((jax.nn.softmax(x @ params["q"] @ x.T, axis=1) * mask) @ x - y) ** 2)

    def grads(params, x, y, mask, right=False):
        p = jax.nn.softmax(x @ params["q"] @ x.T, axis=1)
        dropped = p * mask
        out = dropped @ x
        dout = out - y
        inner = jnp.sum(dout * out, axis=1, keepdims=True)
        dp = dout @ x.T
        ds = p * (dp * mask - inner) if right else dropped * (dp - inner)
        return {"q": x.T @ ds @ x}

    q, x, y = normals(getkey, (3, 3), (5, 3), (5, 3))
    mask = (jnp.arange(25).reshape(5, 5) % 3 > 0).astype(x.dtype) / 0.7
    params = {"q": 0.3 * q}
    assert check(loss, partial(grads, right=True), params, x, y, mask).ok
    assert first(check(loss, grads, params, x, y, mask)) == (
        "wrong-mask",
        "ds = p * (dp * mask - inner) if right else dropped * (dp - inner)",
    )


def _hard_sigmoid(params, x, y):
    h = jnp.clip((x @ params["w1"]) / 6 + 0.5, 0, 1)
    return 0.5 * jnp.sum((h @ params["w2"] - y) ** 2)


def _grads_of_a_hard_sigmoid(params, x, y, back):
    z = x @ params["w1"]
    h = jnp.clip(z / 6 + 0.5, 0, 1)
    d = h @ params["w2"] - y
    dh = d @ params["w2"].T
    dz = back(dh, z)
    return {"w1": x.T @ dz, "w2": h.T @ d}


def test_a_condition_that_lets_too_much_through_is_the_wrong_mask(getkey):
    def back(d, z):
        return jnp.where(z < 3, d / 6, 0.0)

    w1, w2, x, y = normals(getkey, (4, 5), (5, 2), (9, 4), (9, 2))
    found = first(check(_hard_sigmoid, partial(_grads_of_a_hard_sigmoid, back=back), {"w1": w1 * 3, "w2": w2}, x, y))
    assert found == ("wrong-mask", "return jnp.where(z < 3, d / 6, 0.0)")


def test_a_mask_that_was_drawn_is_not_missing_in_the_condition_of_the_activation(getkey):
    def loss(params, x, y, keep):
        h = jnp.maximum(x @ params["w1"], 0) * keep / 0.7
        return 0.5 * jnp.sum((h @ params["w2"] - y) ** 2)

    def grads(params, x, y, keep):
        z = x @ params["w1"]
        h = jnp.maximum(z, 0) * keep / 0.7
        d = h @ params["w2"] - y
        dh = d @ params["w2"].T / 0.7
        dz = jnp.where(z > 0, dh, 0.0)
        return {"w1": x.T @ dz, "w2": h.T @ d}

    w1, w2, x, y = normals(getkey, (4, 5), (5, 2), (9, 4), (9, 2))
    keep = (jnp.arange(45).reshape(9, 5) % 3 > 0).astype(x.dtype)
    cause, line = first(check(loss, grads, {"w1": w1, "w2": w2}, x, y, keep))
    assert (cause, line) == ("missing-factor", 'dh = d @ params["w2"].T / 0.7')


def test_a_mask_of_the_data_is_not_the_condition_that_a_slope_lacks(getkey):
    def loss(params, x, y, keep):
        h = jnp.maximum(x @ params["w1"], 0) * keep
        return 0.5 * jnp.sum((h @ params["w2"] - y) ** 2)

    def grads(params, x, y, keep):
        h = jnp.maximum(x @ params["w1"], 0) * keep
        d = h @ params["w2"] - y
        dh = d @ params["w2"].T
        dz = jnp.where(keep > 0, dh, 0.0)
        return {"w1": x.T @ dz, "w2": h.T @ d}

    w1, w2, x, y = normals(getkey, (4, 5), (5, 2), (9, 4), (9, 2))
    keep = (jnp.arange(45).reshape(9, 5) % 3 > 0).astype(x.dtype)
    assert first(check(loss, grads, {"w1": w1, "w2": w2}, x, y, keep))[0] == "missing-activation-derivative"


def test_a_condition_on_what_has_no_sign_any_more_is_another_condition(getkey):
    def leaky(z):
        return jnp.where(z > 0, z, -0.3 * z)

    def loss(params, x, y):
        return 0.5 * jnp.sum((leaky(x @ params["w1"]) @ params["w2"] - y) ** 2)

    def grads(params, x, y):
        h = leaky(x @ params["w1"])
        d = h @ params["w2"] - y
        dz = (d @ params["w2"].T) * jnp.where(h > 0, 1.0, -0.3)
        return {"w1": x.T @ dz, "w2": h.T @ d}

    w1, w2, x, y = normals(getkey, (4, 5), (5, 2), (9, 4), (9, 2))
    found = first(check(loss, grads, {"w1": w1, "w2": w2}, x, y))
    assert found == ("wrong-mask", 'dz = (d @ params["w2"].T) * jnp.where(h > 0, 1.0, -0.3)')


def test_what_is_left_in_the_other_places_where_only_zeros_belong(getkey):
    def loss(params, x, target):
        return 0.5 * (params["w2"] @ jnp.tanh(params["w1"] @ x) - target)[1] ** 2

    def grads(params, x, target):
        a = jnp.tanh(params["w1"] @ x)
        q = params["w2"] @ a
        error = q[1] - target[1]
        dq = q.copy()
        dq = dq.at[1].set(error)
        return {"w1": jnp.outer(params["w2"].T @ dq * (1 - a**2), x), "w2": jnp.outer(dq, a)}

    w1, w2, x, target = normals(getkey, (5, 4), (3, 5), (4,), (3,))
    assert said(loss, grads, {"w1": w1, "w2": w2}, x, target) == [("wrong-mask", "dq = q.copy()")]


def dropped(params, x, y, mask):
    h = jax.nn.relu(x @ params["w1"]) * mask / 0.8
    return 0.5 * jnp.sum((h @ params["w2"] - y) ** 2)


def test_the_mask_of_a_dropout_beside_a_slope_that_is_there_is_a_factor(getkey):
    def grads(params, x, y, mask):
        z = x @ params["w1"]
        h = jnp.maximum(z, 0) * mask / 0.8
        d = h @ params["w2"] - y
        dh = d @ params["w2"].T
        dz = jnp.where(z > 0, dh, 0)
        return {"w1": x.T @ dz, "w2": h.T @ d}

    w1, w2, x, y = normals(getkey, (4, 5), (5, 2), (7, 4), (7, 2))
    mask = jax.random.bernoulli(getkey(), 0.8, (7, 5)).astype(x.dtype)
    report = check(dropped, grads, {"w1": w1, "w2": w2}, x, y, mask)
    assert first(report)[0] == "missing-factor"
    assert "the factor `mask * 1.25`" in report.findings[0].message


def test_the_slope_of_a_relu_is_another_slope_than_that_of_a_leaky_one(getkey):
    def leaky(z):
        return jnp.where(z > 0, z, 0.3 * z)

    def loss(params, x, y):
        return 0.5 * jnp.sum((leaky(x @ params["w1"]) @ params["w2"] - y) ** 2)

    def slope(z):
        return (z > 0).astype(z.dtype)

    def grads(params, x, y):
        z = x @ params["w1"]
        h = leaky(z)
        d = h @ params["w2"] - y
        dz = (d @ params["w2"].T) * slope(z)
        return {"w1": x.T @ dz, "w2": h.T @ d}

    w1, w2, x, y = normals(getkey, (4, 5), (5, 2), (9, 4), (9, 2))
    found = first(check(loss, grads, {"w1": w1, "w2": w2}, x, y))
    assert found == ("wrong-activation-derivative", 'dz = (d @ params["w2"].T) * slope(z)')


class Dropout:
    def __init__(self, mask):
        self.mask = mask

    def forward(self, x):
        return x * self.mask / 0.8

    def backward(self, d):
        return d * self.mask


def test_the_number_of_a_dropout_is_told_where_the_mask_is(getkey):
    def loss(params, x, y, mask):
        return jnp.sum((jnp.tanh(x @ params["w1"]) * mask / 0.8 @ params["w2"] - y) ** 2)

    def grads(params, x, y, mask):
        dropout, a = Dropout(mask), jnp.tanh(x @ params["w1"])
        h = dropout.forward(a)
        d = 2 * (h @ params["w2"] - y)
        dh = d @ params["w2"].T
        dz = dropout.backward(dh) * (1 - a**2)
        return {"w1": x.T @ dz, "w2": h.T @ d}

    w1, w2, x, y = normals(getkey, (4, 5), (5, 2), (7, 4), (7, 2))
    mask = jax.random.bernoulli(getkey(), 0.8, (7, 5)).astype(x.dtype)
    report = check(loss, grads, {"w1": w1, "w2": w2}, x, y, mask)
    assert first(report) == ("scale-constant", "return d * self.mask")
    assert report.findings[0].factor == 0.8


class DropoutOfOutputs:
    def __init__(self, kept):
        self.kept = kept

    def forward(self, x):
        self.outputs = x * self.kept
        return self.outputs

    def backward(self, error):
        return self.outputs * error


def test_a_dropout_that_multiplies_by_its_outputs(getkey):
    def loss(params, x, y, kept):
        h = jax.nn.sigmoid(x @ params["u"]) * kept
        return jnp.sum((h @ params["w"] - y) ** 2) / 2

    def grads(params, x, y, kept):
        dropout = DropoutOfOutputs(kept)
        h = jax.nn.sigmoid(x @ params["u"])
        out = dropout.forward(h)
        d = out @ params["w"] - y
        error = dropout.backward(d @ params["w"].T)
        return {"u": x.T @ (error * h * (1 - h)), "w": out.T @ d}

    u, w, x, y = normals(getkey, (4, 5), (5, 3), (6, 4), (6, 3))
    kept = (jnp.arange(30).reshape(6, 5) % 3 > 0).astype(x.dtype)
    [finding] = check(loss, grads, {"u": u, "w": w}, x, y, kept).findings
    assert finding.cause == "wrong-operand" and "`self.outputs` where `kept` belongs" in finding.message
    assert finding.line and finding.line.text == "return self.outputs * error"


def test_a_slope_of_one_or_zero_that_is_taken_of_the_output(getkey):
    def loss(params, x, y):
        return jnp.sum((params["v"] @ jax.nn.relu(params["w"] @ x) - y) ** 2) / 2

    def grads(params, x, y):
        z = params["w"] @ x
        h = jax.nn.relu(z)
        out = params["v"] @ h
        error = out - y
        d = (error * params["v"]).T * jnp.where(out > 0, 1.0, 0.0)
        return {"w": d @ x.T, "v": error * h.T}

    w = jnp.asarray([[0.7, -0.4], [-0.9, 0.3], [0.5, 0.8]])
    v, x, y = jnp.asarray([[0.6, -0.7, 0.9]]), jnp.asarray([[1.3], [0.6]]), jnp.asarray([[2.1]])
    line = 'd = (error * params["v"]).T * jnp.where(out > 0, 1.0, 0.0)'
    assert said(loss, grads, {"w": w, "v": v}, x, y) == [("wrong-activation-derivative", line)]


def test_a_branch_in_which_nothing_belongs(getkey):
    def loss(params, x, y):
        w = params["w"]
        return jnp.mean(jax.nn.relu(1 - y * (x @ w))) + 0.005 * jnp.sum(w**2)

    def grads(params, x, y):
        w = params["w"]
        margins = 1 - y * (x @ w)
        total = jnp.zeros_like(w)
        for n in range(len(y)):
            of_one = jnp.where(jnp.maximum(0, margins[n]) == 0, w, -y[n] * x[n])
            total += of_one
        return {"w": total / len(y) + 0.01 * w}

    [x] = normals(getkey, (8, 3))
    w = jnp.asarray([0.9, -1.1, 0.6])
    y = jnp.where(x @ w > 0.1, 1.0, -1.0)
    line = "of_one = jnp.where(jnp.maximum(0, margins[n]) == 0, w, -y[n] * x[n])"
    assert said(loss, grads, {"w": w}, x, y) == [("wrong-regularization", line)]


def test_what_is_put_in_the_place_of_an_error_lacks_it(getkey):
    def loss(params, x, labels):
        z = x @ params["w"]
        bent = jnp.tanh(z[jnp.arange(len(x)), labels])
        return -jnp.mean(jax.nn.log_softmax(z.at[jnp.arange(len(x)), labels].set(bent))[jnp.arange(len(x)), labels])

    def errors(params, x, labels):
        z = x @ params["w"]
        bent = jnp.tanh(z[jnp.arange(len(x)), labels])
        p = jax.nn.softmax(z.at[jnp.arange(len(x)), labels].set(bent))
        return z, p.at[jnp.arange(len(x)), labels].add(-1.0) / len(x)

    def grads(params, x, labels):
        z, d = errors(params, x, labels)
        for n in range(len(x)):
            d = d.at[n, labels[n]].set(1 - jnp.tanh(z[n, labels[n]]) ** 2)
        return {"w": x.T @ d}

    def grads_with_a_condition(params, x, labels):
        z, d = errors(params, x, labels)
        for n in range(len(x)):
            slope = 1 - jnp.tanh(z[n, labels[n]]) ** 2
            d = d.at[n, labels[n]].set(jnp.where(labels[n] < 5, slope, d[n, labels[n]]))
        return {"w": x.T @ d}

    w, x = normals(getkey, (4, 3), (6, 4))
    labels = jnp.asarray([0, 2, 1, 1, 0, 2])
    for hand in (grads, grads_with_a_condition):
        [(cause, line)] = said(loss, hand, {"w": w}, x, labels)
        assert cause == "missing-upstream" and line and line.startswith("d = d.at[n, labels[n]].set(")


def test_one_margin_for_all_examples_is_a_wrong_mask(getkey):
    def loss(params, x, y):
        return jnp.sum(jax.nn.relu(1 - y * (x @ params["w"])))

    def grads(params, x, y):
        step = -y @ x
        return {"w": jnp.where(y @ x @ params["w"] >= 99, 0, step)}

    [x] = normals(getkey, (8, 3))
    w = jnp.asarray([0.9, -1.1, 0.6])
    y = jnp.where(x @ w > 0.2, 1.0, -1.0)
    assert said(loss, grads, {"w": w}, x, y) == [("wrong-mask", "step = -y @ x")]


def test_one_formula_for_the_slope_of_a_relu_in_several_leaky_layers(getkey):
    def leaky(z):
        return jnp.maximum(0.3 * z, z)

    def slope(z):
        return jnp.where(0.3 * z > 0, 1.0, 0.0)

    def loss(params, x, y):
        h = leaky(leaky(x @ params["w1"]) @ params["w2"])
        return 0.5 * jnp.sum((h @ params["w3"] - y) ** 2)

    def grads(params, x, y):
        inputs, zs, found = [x], [], {}
        for name in ("w1", "w2"):
            zs.append(inputs[-1] @ params[name])
            inputs.append(leaky(zs[-1]))
        error = inputs[-1] @ params["w3"] - y
        found["w3"] = jnp.outer(inputs[-1], error)
        for n in (1, 0):
            error = params[f"w{n + 2}"] @ error
            error = slope(zs[n]) * error
            found[f"w{n + 1}"] = jnp.outer(inputs[n], error)
        return found

    w1, w2, w3, x, y = normals(getkey, (3, 6), (6, 5), (5, 2), (3,), (2,))
    [(cause, line)] = said(loss, grads, {"w1": w1, "w2": w2, "w3": w3}, x, y)
    assert cause == "wrong-activation-derivative"
    assert line in ("error = slope(zs[n]) * error", "return jnp.where(0.3 * z > 0, 1.0, 0.0)")


def _open(z):
    return (z > 0).astype(z.dtype)


def test_masks_that_each_layer_lacks_are_told_where_its_slope_is_taken(getkey):
    """The slope of the relu is right; what a dropout multiplies by is no part of it."""

    def loss(params, x, y, m1, m2):
        a1 = jax.nn.relu(x @ params["w1"]) * m1 / 0.5
        a2 = jax.nn.relu(a1 @ params["w2"]) * m2 / 0.75
        return 0.5 * jnp.sum((a2 @ params["w3"] - y) ** 2)

    def grads(params, x, y, m1, m2):
        z1 = x @ params["w1"]
        a1 = jax.nn.relu(z1) * m1 / 0.5
        z2 = a1 @ params["w2"]
        a2 = jax.nn.relu(z2) * m2 / 0.75
        d3 = a2 @ params["w3"] - y
        d2 = (d3 @ params["w3"].T) * _open(z2)
        d1 = (d2 @ params["w2"].T) * _open(z1)
        return {"w1": x.T @ d1, "w2": a1.T @ d2, "w3": a2.T @ d3}

    w1, w2, w3, x, y, m1, m2 = normals(getkey, (4, 6), (6, 5), (5, 2), (7, 4), (7, 2), (7, 6), (7, 5))
    masks = (m1 > -0.5).astype(x.dtype), (m2 > -0.5).astype(x.dtype)
    assert said(loss, grads, {"w1": w1, "w2": w2, "w3": w3}, x, y, *masks) == [
        ("missing-factor", 'd2 = (d3 @ params["w3"].T) * _open(z2)'),
        ("missing-factor", 'd1 = (d2 @ params["w2"].T) * _open(z1)'),
    ]
