"""The diagnosis where the wrong factor stands already: a count, a slope that is none, a mask that is misused."""

from functools import partial

import jax
import jax.numpy as jnp

from jaxmlp import check

from .findings import first, named, normals, said


def hinge(params, x, y):
    return jnp.mean(jnp.maximum(0.0, 1 - y * (x @ params["w"])))


def test_a_mean_over_those_alone_that_a_mask_leaves_is_named_where_it_divides(getkey):
    def grads(params, x, y):
        mask = (y * (x @ params["w"]) < 1).astype(x.dtype)
        picked = (mask * y)[:, None] * x
        return {"w": -jnp.sum(picked, axis=0) / jnp.sum(mask)}

    w, x, y = normals(getkey, (3,), (12, 3), (12,))
    found = said(hinge, grads, {"w": w}, x, jnp.sign(y))
    assert found == [("scale-batch", 'return {"w": -jnp.sum(picked, axis=0) / jnp.sum(mask)}')]


def test_it_is_where_as_many_are_left_at_every_point(getkey):
    def grads(params, x, y):
        mask = (y * (x @ params["w"]) < 1).astype(x.dtype)
        total = -x.T @ (mask * y)
        return {"w": total / jnp.sum(mask)}

    # Four are far on the right side, whatever a step does to the weights, and six are not.
    w, x = jnp.array([1.0, 0.5]), jnp.concatenate([jnp.full((4, 2), 9.0), normals(getkey, (6, 2))[0] * 0.05])
    found = said(hinge, grads, {"w": w}, x, jnp.ones(10))
    assert found == [("scale-batch", 'return {"w": total / jnp.sum(mask)}')]


def relu_network(params, x, y):
    h = jax.nn.relu(x @ params["w1"])
    return jnp.mean(jnp.sum((h @ params["w2"] - y) ** 2, axis=1))


def with_a_slope(of):
    """The gradient of the relu network, of the cotangent of the hidden layer and its pre-activations and mask."""

    def grads(params, x, y):
        z = x @ params["w1"]
        h = jnp.maximum(z, 0)
        d = 2 * (h @ params["w2"] - y) / x.shape[0]
        return {"w1": x.T @ of(d @ params["w2"].T, z, (z > 0).astype(z.dtype)), "w2": h.T @ d}

    return grads


def relu_inputs(getkey):
    w1, w2, x, y = normals(getkey, (3, 6), (6, 2), (8, 3), (8, 2))
    return {"w1": w1, "w2": w2}, x, y


def test_the_sign_of_a_value_is_no_slope_of_a_relu(getkey):
    def of(dh, z, mask):
        slope = jnp.sign(z)
        return slope * dh

    found = said(relu_network, with_a_slope(of), *relu_inputs(getkey))
    assert found == [("wrong-activation-derivative", "slope = jnp.sign(z)")]


class _Linear:
    def __init__(self, w):
        self.w = w

    def forward(self, x):
        self.x = x
        return x @ self.w

    def backward(self, d):
        self.dw = self.x.T @ d
        return d @ self.w.T


class _Relu:
    def forward(self, z):
        return jnp.maximum(z, 0)

    def backward(self, d):
        return jnp.maximum(d, 0)


def test_a_relu_of_the_gradient_itself_is_a_wrong_mask(getkey):
    def loss(params, x, y):
        h = jax.nn.relu(jax.nn.relu(x @ params["w1"]) @ params["w2"])
        return jnp.mean((h @ params["w3"] - y) ** 2)

    def grads(params, x, y):
        linear = [_Linear(params[name]) for name in ("w1", "w2", "w3")]
        layers = [linear[0], _Relu(), linear[1], _Relu(), linear[2]]
        for layer in layers:
            x = layer.forward(x)
        d = 2 * (x - y) / y.size
        for layer in reversed(layers):
            d = layer.backward(d)
        return {"w1": linear[0].dw, "w2": linear[1].dw, "w3": linear[2].dw}

    w1, w2, w3, x, y = normals(getkey, (2, 5), (5, 4), (4, 1), (8, 2), (8, 1))
    for w, target in ((w3, y), (jnp.abs(w3), -100 + y)):  # of errors of either sign, and of one that cuts nothing off
        found = said(loss, grads, {"w1": w1, "w2": w2, "w3": w}, x, target)
        assert set(found) == {("wrong-mask", "return jnp.maximum(d, 0)")}


def test_a_mask_that_is_averaged_or_turned_round_is_a_wrong_mask(getkey):
    def averaged(dh, z, mask):
        return dh * jnp.mean(mask, axis=0)[None]

    def turned(dh, z, mask):
        return dh - dh * mask

    for of, line in ((averaged, "return dh * jnp.mean(mask, axis=0)[None]"), (turned, "return dh - dh * mask")):
        assert said(relu_network, with_a_slope(of), *relu_inputs(getkey)) == [("wrong-mask", line)]


def test_the_way_back_from_a_pooling_lacks_the_size_of_the_window_and_not_of_the_batch(getkey):
    def loss(params, x, y):
        pooled = jnp.tanh(x @ params["w"]).reshape(4, 3, 4).mean(axis=2)
        return 0.5 * jnp.sum((pooled - y) ** 2)

    def grads(params, x, y):
        h = jnp.tanh(x @ params["w"])
        d = h.reshape(4, 3, 4).mean(axis=2) - y
        dh = d.repeat(4, axis=1)
        return {"w": x.T @ (dh * (1 - h**2))}

    w, x, y = normals(getkey, (5, 12), (4, 5), (4, 3))
    assert said(loss, grads, {"w": w}, x, y) == [("scale-constant", "dh = d.repeat(4, axis=1)")]


def test_a_product_of_matrices_where_their_numbers_must_be_multiplied(getkey):
    def network(params, x, y):
        h = jax.nn.sigmoid(x @ params["w1"])
        return 0.5 * jnp.sum((h @ params["w2"] - y) ** 2)

    def grads(params, x, y):
        h = jax.nn.sigmoid(x @ params["w1"])
        d = h @ params["w2"] - y
        dz = (d @ params["w2"].T) @ (h * (1 - h))
        return {"w1": x.T @ dz, "w2": h.T @ d}

    w1, w2, x, y = normals(getkey, (3, 4), (4, 2), (4, 3), (4, 2))
    (finding,) = check(network, grads, {"w1": w1, "w2": w2}, x, y).findings
    assert finding.line and finding.line.text == 'dz = (d @ params["w2"].T) @ (h * (1 - h))'
    assert finding.cause == "wrong-activation-derivative" and "multiplied one by one" in finding.message


def hard_sigmoid(z):
    return jnp.clip(z / 6 + 0.5, 0.0, 1.0)


def test_a_number_in_the_place_of_a_slope_that_is_it_or_zero_is_no_slope(getkey):
    def loss(params, x, y):
        return 0.5 * jnp.sum((hard_sigmoid(x @ params["w1"]) @ params["w2"] - y) ** 2)

    def grads(params, x, y):
        h = hard_sigmoid(x @ params["w1"])
        d = h @ params["w2"] - y
        dh = d @ params["w2"].T
        dz = dh / 6
        return {"w1": x.T @ dz, "w2": h.T @ d}

    w1, w2, x, y = normals(getkey, (3, 4), (4, 2), (9, 3), (9, 2))
    found = said(loss, grads, {"w1": 3 * w1, "w2": w2}, x, y)
    assert found == [("wrong-activation-derivative", "dz = dh / 6")]


def ridge(params, x, y, lam):
    return 0.5 * jnp.mean((x @ params["w"] - y) ** 2) + 0.5 * lam * jnp.sum(params["w"] ** 2)


def test_two_terms_of_a_leaf_have_each_a_factor_of_its_own(getkey):
    def grads(params, x, y, lam):
        of_data = x.T @ (x @ params["w"] - y)
        dw = of_data - lam * params["w"]
        return {"w": dw}

    w, x, y = normals(getkey, (3,), (7, 3), (7,))
    assert said(ridge, grads, {"w": w}, x, y, 0.3) == [
        ("scale-batch", 'of_data = x.T @ (x @ params["w"] - y)'),
        ("wrong-regularization", 'dw = of_data - lam * params["w"]'),
    ]


def test_two_terms_of_a_leaf_that_are_of_the_data_may_have_a_sign_and_a_number(getkey):
    def loss(params, x, y):
        h = x @ params["w"]
        return jnp.sum(jnp.tanh(h)) + 0.5 * jnp.sum((h - y) ** 2)

    def grads(params, x, y):
        h = x @ params["w"]
        first = x.T @ (1 - jnp.tanh(h) ** 2)
        second = 2 * x.T @ (h - y)
        dw = second - first
        return {"w": dw}

    w, x, y = normals(getkey, (3, 2), (7, 3), (7, 2))
    assert sorted(said(loss, grads, {"w": w}, x, y)) == [
        ("scale-constant", "second = 2 * x.T @ (h - y)"),
        ("sign", "first = x.T @ (1 - jnp.tanh(h) ** 2)"),
    ]


def test_a_count_of_examples_that_divides_in_the_place_of_another_is_a_number_and_no_slope(getkey):
    """A mean over those that were drawn, divided by how many are drawn on average."""

    def loss(params, x, y, drawn, fraction):
        z = x @ params["w"] + params["b"]
        return jnp.sum(drawn * (jnp.logaddexp(0.0, z) - y * z)) / jnp.sum(drawn)

    def grads(params, x, y, drawn, fraction):
        expected_size = len(x) * fraction
        dw, db = jnp.zeros_like(params["w"]), 0.0
        for i in range(len(x)):
            error = jax.nn.sigmoid(x[i] @ params["w"] + params["b"]) - y[i]
            dw = dw + drawn[i] * error * x[i]
            db = db + drawn[i] * error
        return {"w": dw / expected_size, "b": db / expected_size}

    w, x = normals(getkey, (4,), (11, 4))
    drawn = jnp.array([0, 1, 1, 0, 1, 1, 0, 1, 1, 1, 0], x.dtype)
    report = check(loss, grads, {"w": w, "b": jnp.asarray(0.3)}, x, drawn[::-1], drawn, jnp.asarray(0.5))
    assert first(report) == ("scale-constant", "expected_size = len(x) * fraction")
    assert "0.785714 times what it must be" in report.findings[0].message


def test_the_output_of_a_sigmoid_is_a_factor_and_not_the_slope_of_a_softplus(getkey):
    def loss(params, x):
        return jnp.sum(jax.nn.sigmoid(x @ params["w"]))

    def sigmoid_backward(z, upstream):
        a = 1 / (1 + jnp.exp(-z))
        return upstream * (1 - a) * a

    def grads(params, x):
        z = x @ params["w"]
        dz = sigmoid_backward(z, 1 / (1 + jnp.exp(-z)))
        return {"w": x.T @ dz}

    w, x = normals(getkey, (3, 2), (6, 3))
    assert said(loss, grads, {"w": w}, x) == [("extra-factor", "dz = sigmoid_backward(z, 1 / (1 + jnp.exp(-z)))")]


def test_a_factor_is_lacking_before_a_clip_that_cuts_nothing_off(getkey):
    def loss(params, x, y):
        a = jax.nn.relu(x @ params["w1"])
        penalty = sum(jnp.sum(w**2) for w in params.values())
        return jnp.mean((a @ params["w2"] - y) ** 2) + 0.1 * penalty

    def grads(params, x, y):
        a = jnp.maximum(x @ params["w1"], 0)
        d = jnp.clip(a @ params["w2"] - y, -1e6, 1e6)
        dw2 = jnp.clip(a.T @ d / len(x) + 0.2 * params["w2"], -1e4, 1e4)
        back = jnp.where(a > 0, jnp.clip(d @ params["w2"].T, -1e6, 1e6), 0)
        dw1 = jnp.clip(x.T @ back / len(x) + 0.2 * params["w1"], -1e4, 1e4)
        return {"w1": dw1, "w2": dw2}

    w1, w2, x, y = normals(getkey, (4, 5), (5, 1), (9, 4), (9, 1))
    found = said(loss, grads, {"w1": w1, "w2": w2}, x, y)
    assert found == [("scale-constant", 'd = jnp.clip(a @ params["w2"] - y, -1e6, 1e6)')]


def one_example(params, x, y):
    a = jnp.tanh(x @ params["w1"])
    return jnp.mean((jnp.tanh(a @ params["w2"] + params["b2"]) - y) ** 2)


def inputs_of_one(getkey):
    w1, w2, b2, x, y = normals(getkey, (4, 5), (5, 3), (3,), (4,), (3,))
    return {"w1": w1, "w2": w2, "b2": b2}, x, y


def test_a_slope_is_lacking_where_the_error_becomes_a_gradient(getkey):
    def grads(params, x, y):
        a = jnp.tanh(x @ params["w1"])
        error = jnp.tanh(a @ params["w2"] + params["b2"]) - y
        d = (2 / 3) * error
        back = (params["w2"] @ d) * (1 - a**2)
        return {"w1": jnp.outer(x, back), "w2": jnp.outer(a, d), "b2": d}

    found = said(one_example, grads, *inputs_of_one(getkey))
    assert found == [("missing-activation-derivative", "d = (2 / 3) * error")]


def test_a_factor_is_lacking_beside_the_number_that_is_there(getkey):
    def grads(params, x, y):
        a = jnp.tanh(x @ params["w1"])
        out = jnp.tanh(a @ params["w2"] + params["b2"])
        error = y - out
        d = -2 * error * (1 - out**2)
        back = (params["w2"] @ d) * (1 - a**2)
        return {"w1": jnp.outer(x, back), "w2": jnp.outer(a, d), "b2": d}

    [(cause, line)] = said(one_example, grads, *inputs_of_one(getkey))
    assert (cause.partition("-")[0], line) == ("scale", "d = -2 * error * (1 - out**2)")


def test_what_is_left_out_beside_a_mask_is_not_lacking_before_it(getkey):
    def loss(params, x, y, mask, drop):
        a = jax.nn.relu(x @ params["w1"]) * mask / (1 - drop)
        return -jnp.mean(jnp.sum(y * jax.nn.log_softmax(a @ params["w2"]), axis=1))

    def grads(params, x, y, mask, drop):
        z = x @ params["w1"]
        a = jnp.maximum(z, 0) * mask / (1 - drop)
        d = jax.nn.softmax(a @ params["w2"]) - y
        back = d @ params["w2"].T
        dz = jnp.where(z > 0, back, 0) * mask
        return {"w1": x.T @ dz / len(x), "w2": a.T @ d / len(x)}

    w1, w2, x = normals(getkey, (4, 6), (6, 3), (9, 4))
    mask = jnp.asarray([[1.0, 0, 1, 1, 0, 1]])
    found = said(loss, grads, {"w1": w1, "w2": w2}, x, jnp.eye(3)[jnp.arange(9) % 3], mask, jnp.asarray(0.4))
    assert found == [("scale-constant", "dz = jnp.where(z > 0, back, 0) * mask")]


def test_a_factor_is_told_as_one_beside_a_leaf_of_the_wrong_shape(getkey):
    def loss(params, x, y):
        a = jnp.tanh(x @ params["w1"] + params["b1"][None])
        return jnp.mean((a @ params["w2"] - y) ** 2)

    def grads(params, x, y):
        a = jnp.tanh(x @ params["w1"] + params["b1"][None])
        d = a @ params["w2"] - y
        back = jnp.where(a <= 1, d @ params["w2"].T, 0) * (1 - a**2)
        return {"w1": x.T @ back / len(x), "b1": jnp.mean(back), "w2": a.T @ d / len(x)}

    w1, b1, w2, x, y = normals(getkey, (4, 5), (5,), (5, 1), (9, 4), (9, 1))
    found = said(loss, grads, {"w1": w1, "b1": b1, "w2": w2}, x, y)
    assert found[0] == ("scale-constant", 'd = a @ params["w2"] - y')


def test_a_factor_too_much_in_both_layers_is_too_much_in_each(getkey):
    def loss(params, x, y):
        a = jnp.tanh(x @ params["w1"] + params["b1"][None])
        return 0.5 * jnp.sum((jnp.tanh(a @ params["w2"] + params["b2"][None]) - y) ** 2)

    def grads(params, x, y):
        a1 = jnp.tanh(x @ params["w1"] + params["b1"][None])
        a2 = jnp.tanh(a1 @ params["w2"] + params["b2"][None])
        d2 = (a2 - y) * 0.8 * (1 - a2**2)
        d1 = (d2 @ params["w2"].T) * 0.8 * (1 - a1**2)
        return {"w1": x.T @ d1, "b1": d1.sum(0), "w2": a1.T @ d2, "b2": d2.sum(0)}

    w1, b1, w2, b2, x, y = normals(getkey, (4, 5), (5,), (5, 3), (3,), (9, 4), (9, 3))
    found = said(loss, grads, {"w1": w1, "b1": b1, "w2": w2, "b2": b2}, x, y)
    lines = ["d2 = (a2 - y) * 0.8 * (1 - a2**2)", 'd1 = (d2 @ params["w2"].T) * 0.8 * (1 - a1**2)']
    assert found == [("scale-constant", line) for line in lines]


def slope_of_tanh(a):
    return 1 - a**2


def test_the_slope_of_what_a_dropout_has_scaled_is_no_factor(getkey):
    def loss(params, x, y, mask):
        a = jnp.tanh(x @ params["w1"]) * mask / 0.8
        return 0.5 * jnp.sum((a @ params["w2"] - y) ** 2)

    def grads(params, x, y, mask):
        a = jnp.tanh(x @ params["w1"])
        a = a * mask / 0.8
        d = a @ params["w2"] - y
        slope = slope_of_tanh(a)
        back = d @ params["w2"].T * slope * mask / 0.8
        return {"w1": x.T @ back, "w2": a.T @ d}

    w1, w2, x, y = normals(getkey, (4, 5), (5, 3), (9, 4), (9, 3))
    mask = jnp.asarray([[1.0, 0, 1, 1, 0]])
    found = said(loss, grads, {"w1": w1, "w2": w2}, x, y, mask)
    assert found == [("wrong-activation-derivative", "slope = slope_of_tanh(a)")]


def steep(z):
    return jax.nn.sigmoid(1.25 * z)


def test_the_steepness_that_a_slope_lacks_is_lacking_where_the_slope_stands(getkey):
    def loss(params, x, y):
        return 0.5 * jnp.sum((steep(steep(x @ params["w1"]) @ params["w2"]) - y) ** 2)

    def grads(params, x, y):
        a = steep(x @ params["w1"])
        p = steep(a @ params["w2"])
        error = y - p
        delta2 = error * p * (1 - p)
        back = delta2 @ params["w2"].T
        delta1 = back * a * (1 - a)
        return {"w1": -x.T @ delta1, "w2": -a.T @ delta2}

    w1, w2, x, y = normals(getkey, (3, 4), (4, 2), (5, 3), (5, 2))
    assert said(loss, grads, {"w1": w1, "w2": w2}, x, y) == [
        ("scale-constant", "delta2 = error * p * (1 - p)"),
        ("scale-constant", "delta1 = back * a * (1 - a)"),
    ]


def test_a_factor_that_no_slope_has_is_lacking_where_it_is_not_multiplied_by(getkey):
    def loss(params, x, y):
        return 0.5 * 1.25 * jnp.sum((jax.nn.sigmoid(x @ params["w"]) - y) ** 2)

    def grads(params, x, y):
        p = jax.nn.sigmoid(x @ params["w"])
        error = p - y
        delta = error * p * (1 - p)
        return {"w": x.T @ delta}

    w, x, y = normals(getkey, (3, 2), (5, 3), (5, 2))
    assert said(loss, grads, {"w": w}, x, y)[0][1] == "error = p - y"


def test_a_product_of_rows_where_their_numbers_must_be_multiplied(getkey):
    def units(params, x):
        return jnp.exp(-((x[:, None] - params["centre"][None]) ** 2))

    def loss(params, x, y):
        return 0.5 * jnp.sum((units(params, x) @ params["w"] - y) ** 2)

    def grads(params, x, y):
        centre, w = params["centre"], params["w"]
        h = units(params, x)
        error = h @ w - y
        total = jnp.zeros_like(centre)
        for i in range(len(x)):
            total += error[i] * jnp.dot(w, h[i]) * 2 * (x[i] - centre)
        return {"centre": total, "w": h.T @ error}

    centre, w, x, y = normals(getkey, (4,), (4,), (6,), (6,))
    report = check(loss, grads, {"centre": centre, "w": w}, x, y)
    assert named(report) == [("wrong-operand", "total += error[i] * jnp.dot(w, h[i]) * 2 * (x[i] - centre)")]
    assert "multiplied one by one" in report.findings[0].message


def test_a_factor_is_no_other_number_of_a_reciprocal(getkey):
    def sigmoid_slope(z):
        s = 1 / (1 + jnp.exp(-z))
        return s * (1 - s)

    def loss(params, x, y):
        return jnp.mean((jax.nn.sigmoid(x @ params["w"] + params["b"]) - y) ** 2)

    def grads(params, x, y):
        z = x @ params["w"] + params["b"]
        p = 1 / (1 + jnp.exp(-z))
        error = p - y
        delta = error * (1 / (1 + jnp.exp(-z))) * (1 - p)
        return {"w": x.T @ delta / len(x), "b": jnp.mean(delta, axis=0, keepdims=True)}

    w, b, x, y = normals(getkey, (3, 1), (1, 1), (8, 3), (8, 1))
    found = said(loss, grads, {"w": w, "b": b}, x, y)
    assert found in ([("scale-constant", "error = p - y")], [("scale-constant", found[0][1])])


def of_all_numbers(reduce):
    def loss(params, x, y):
        return reduce((x @ params["w"] + params["b"] - y) ** 2)

    return loss


def summed_over_all(params, x, y, divide=1):
    d = 2 * (x @ params["w"] + params["b"] - y) / divide
    return {"w": x.T @ d, "b": jnp.sum(d, axis=0, keepdims=True)}


def test_a_sum_over_all_numbers_of_the_output_where_the_mean_belongs_and_the_other_way_round(getkey):
    w, b, x, y = normals(getkey, (3, 2), (1, 2), (7, 3), (7, 2))
    params = {"w": w, "b": b}
    report = check(of_all_numbers(jnp.mean), summed_over_all, params, x, y)
    assert first(report)[0] == "scale-batch"
    assert "14 times too large, and the output is 2 numbers for each of 7 examples" in report.findings[0].message
    report = check(of_all_numbers(jnp.sum), partial(summed_over_all, divide=14), params, x, y)
    assert first(report)[0] == "scale-batch" and "14 times too small" in report.findings[0].message


def test_the_length_of_the_inputs_is_no_count_of_the_examples_that_lie_in_columns(getkey):
    def loss(params, x, y):
        return 0.5 * jnp.sum((params["w2"] @ jnp.tanh(params["w1"] @ x) - y) ** 2) / x.shape[1]

    def grads(params, x, y):
        a = jnp.tanh(params["w1"] @ x)
        d2 = (params["w2"] @ a - y) / x.shape[1]
        d1 = params["w2"].T @ d2 * (1 - a**2)
        dw2 = 1 / len(x) * ((d2 * x.shape[1]) @ a.T)
        return {"w1": d1 @ x.T, "w2": dw2}

    w1, w2, x, y = normals(getkey, (4, 5), (3, 4), (5, 8), (3, 8))
    report = check(loss, grads, {"w1": w1, "w2": w2}, x, y)
    assert named(report) == [("scale-batch", "dw2 = 1 / len(x) * ((d2 * x.shape[1]) @ a.T)")]
    assert "divided by 5, and the batch has 8 examples" in report.findings[0].message


def test_a_count_divides_where_nothing_does(getkey):
    def loss(params, which, y):
        return 0.5 * jnp.sum((params["rows"][which] - y) ** 2)

    def grads(params, which, y):
        d = params["rows"][which] - y
        chosen = (which[:, None] == jnp.arange(3)[None]).astype(d.dtype)
        often = jnp.sum(chosen, axis=0, keepdims=True)
        often = jnp.where(often == 0, 1.0, often)
        shares = chosen / often
        return {"rows": shares.T @ d}

    rows, y = normals(getkey, (3, 4), (6, 4))
    found = said(loss, grads, {"rows": rows}, jnp.asarray([0, 2, 1, 1, 0, 1]), y)
    assert found == [("extra-factor", "shares = chosen / often")]


def test_a_plain_sum_is_no_product_with_the_weights(getkey):
    def loss(params, x, y):
        for name in ("u", "w", "v"):
            x = jax.nn.relu(x @ params[name])
        return 0.5 * jnp.sum((x - y) ** 2)

    def grads(params, x, y):
        h = jax.nn.relu(x @ params["u"])
        k = jax.nn.relu(h @ params["w"])
        a = jax.nn.relu(k @ params["v"])
        d = (a - y) * jnp.where(a > 0, 1, 0)
        dk = d * params["v"][:, 0] * jnp.where(k > 0, 1, 0)
        dh = jnp.sum(dk) * jnp.where(h > 0, 1, 0)
        return {"u": jnp.outer(x, dh), "w": jnp.outer(h, dk), "v": jnp.outer(k, d)}

    u, w, v, x = normals(getkey, (5, 4), (4, 3), (3, 1), (5,))
    [finding] = check(loss, grads, {"u": u, "w": jnp.abs(w), "v": jnp.abs(v)}, x, jnp.asarray([9.0])).findings
    assert finding.cause == "missing-factor" and '`params["w"]`' in finding.message
    assert finding.line and finding.line.text == "dh = jnp.sum(dk) * jnp.where(h > 0, 1, 0)"


def test_the_slope_of_a_relu_where_the_output_has_none(getkey):
    def loss(params, x, y):
        return 0.5 * jnp.sum((jax.nn.relu(x @ params["u"]) @ params["w"] - y) ** 2)

    def grads(params, x, y):
        z = x @ params["u"]
        out = jax.nn.relu(z) @ params["w"]
        d = (out - y) * jnp.where(out > 0, 1.0, 0.0)
        return {"u": x.T @ (d @ params["w"].T * jnp.where(z > 0, 1.0, 0.0)), "w": jax.nn.relu(z).T @ d}

    u, w, x, y = normals(getkey, (4, 5), (5, 3), (6, 4), (6, 3))
    line = "d = (out - y) * jnp.where(out > 0, 1.0, 0.0)"
    assert said(loss, grads, {"u": u, "w": w}, x, y) == [("extra-activation-derivative", line)]


def _of_a_mean(labels, p):
    grad = p
    grad = grad.at[jnp.arange(len(labels)), labels].add(-1)
    return grad / len(labels)


def test_what_is_divided_twice_is_told_where_it_is_divided(getkey):
    def loss(params, x, labels):
        p = jax.nn.log_softmax(x @ params["w"] + params["b"])
        return -jnp.mean(p[jnp.arange(len(labels)), labels])

    def grads(params, x, labels):
        dz = _of_a_mean(labels, jax.nn.softmax(x @ params["w"] + params["b"]))
        return {"w": x.T @ dz / len(x), "b": jnp.sum(dz, axis=0, keepdims=True) / len(x)}

    w, b, x = normals(getkey, (4, 3), (1, 3), (7, 4))
    found = said(loss, grads, {"w": w, "b": b}, x, jnp.arange(7) % 3)
    assert found == [("scale-batch", "return grad / len(labels)")]


def test_a_factor_that_must_divide(getkey):
    """The error of a batch norm goes back times the deviation."""

    def loss(params, x, y):
        z = x @ params["w"]
        return 0.5 * jnp.sum(((z - z.mean(0, keepdims=True)) / jnp.sqrt(z.var(0, keepdims=True) + 0.01) - y) ** 2)

    def grads(params, x, y):
        z = x @ params["w"]
        std = jnp.sqrt(z.var(0, keepdims=True) + 0.01)
        n = (z - z.mean(0, keepdims=True)) / std
        d = n - y
        dz = std * (d - d.mean(0, keepdims=True) - n * (d * n).mean(0, keepdims=True))
        return {"w": x.T @ dz}

    w, x, y = normals(getkey, (4, 3), (7, 4), (7, 3))
    (finding,) = check(loss, grads, {"w": w}, x, y).findings
    assert finding.cause == "extra-factor"
    assert finding.message == "`dz` is multiplied by `std` where it must be divided by it."
    assert finding.must and finding.must.endswith("/ std")


def test_a_divisor_that_must_multiply(getkey):
    def loss(params, x, y):
        return 0.5 * jnp.sum((params["g"] * (x @ params["w"]) - y) ** 2)

    def grads(params, x, y):
        n = x @ params["w"]
        d = params["g"] * n - y
        dn = d / params["g"]
        return {"w": x.T @ dn, "g": jnp.sum(d * n, axis=0, keepdims=True)}

    w, g, x, y = normals(getkey, (4, 3), (1, 3), (7, 4), (7, 3))
    (finding,) = check(loss, grads, {"w": w, "g": g}, x, y).findings
    assert (finding.cause, finding.must) == ("missing-factor", "d * params['g']")
