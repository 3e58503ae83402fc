"""The diagnosis of a right function that is called for the wrong layer."""

import jax
import jax.numpy as jnp
import pytest

from jaxmlp import check

from .findings import named, normals, said


def relu_backward(da, z):
    return da * (z > 0)


def sigmoid_backward(da, z):
    s = jax.nn.sigmoid(z)
    return da * s * (1 - s)


def layer_backward(da, cache, activation):
    a, w, z = cache
    dz = sigmoid_backward(da, z) if activation == "sigmoid" else relu_backward(da, z)
    return dz @ w.T, a.T @ dz


def test_a_right_function_for_the_wrong_layer_is_told_where_the_calls_part(getkey):
    u, v, w, x, y = normals(getkey, (3, 5), (5, 4), (4, 2), (6, 3), (6, 2))

    def loss(params, x, y):
        a = jax.nn.relu(jax.nn.relu(x @ params["u"]) @ params["v"])
        return 0.5 * jnp.sum((jax.nn.sigmoid(a @ params["w"]) - y) ** 2)

    def grads(params, x, y):
        a, caches = x, []
        for name in "uvw":
            z = a @ params[name]
            caches.append((a, params[name], z))
            a = jax.nn.sigmoid(z) if name == "w" else jax.nn.relu(z)
        found = {}
        da, found["w"] = layer_backward(a - y, caches[2], "sigmoid")
        for n in (1, 0):
            da, found["uv"[n]] = layer_backward(da, caches[n], "sigmoid")
        return found

    cause, line = named(check(loss, grads, {"u": u, "v": v, "w": w}, x, y))[0]
    assert cause == "wrong-activation-derivative"
    assert line == 'da, found["uv"[n]] = layer_backward(da, caches[n], "sigmoid")'


def _outer(a, b):
    out = jnp.zeros((len(a), len(b)), a.dtype)
    for i in range(len(a)):
        for j in range(len(b)):
            out = out.at[i, j].set(a[i] * b[j])
    return out


def test_a_function_that_is_given_its_arguments_the_other_way_round_is_called_wrongly(getkey):
    def loss(params, x, y):
        return 0.5 * jnp.sum((params["w"] @ x - y) ** 2)

    def grads(params, x, y):
        delta = params["w"] @ x - y
        dw = _outer(x, delta)
        return {"w": dw}

    w, x, y = normals(getkey, (3, 3), (3,), (3,))
    assert said(loss, grads, {"w": w}, x, y) == [("transposed", "dw = _outer(x, delta)")]


def _of_tanh(a):
    return 1 - a * a


def _of_sigmoid(a):
    return a * (1 - a)


def test_a_slope_that_is_right_in_other_runs_of_the_line_that_calls_it_is_called_wrongly(getkey):
    def loss(params, x, t):
        a = jnp.tanh(x @ params["w0"])
        a = jax.nn.sigmoid(a @ params["w1"])
        return 0.5 * jnp.sum((jax.nn.sigmoid(a @ params["w2"]) - t) ** 2)

    def grads(params, x, t):
        slopes, a = [_of_tanh, _of_sigmoid, _of_sigmoid], [x]
        a.append(jnp.tanh(a[0] @ params["w0"]))
        a.append(jax.nn.sigmoid(a[1] @ params["w1"]))
        a.append(jax.nn.sigmoid(a[2] @ params["w2"]))
        delta, found = (a[3] - t) * slopes[2](a[3]), {}
        for level in (2, 1, 0):
            found[f"w{level}"] = a[level].T @ delta
            if level:
                slope = slopes[level]
                delta = (delta @ params[f"w{level}"].T) * slope(a[level])
        return found

    w0, w1, w2, x, t = normals(getkey, (5, 4), (4, 3), (3, 2), (7, 5), (7, 2))
    found = said(loss, grads, {"w0": w0, "w1": w1, "w2": w2}, x, t)
    assert found == [("wrong-activation-derivative", 'delta = (delta @ params[f"w{level}"].T) * slope(a[level])')]


def _back_through(da, cache, kind):
    a, w, z = cache
    dz = jnp.where(z <= 0, 0, da) if kind == "relu" else da
    return w.T @ dz, dz @ a.T


def test_a_loop_that_gives_a_function_the_same_cotangent_every_time_is_wrong_where_it_calls_it(getkey):
    def loss(params, x, t):
        a = jax.nn.relu(params["w2"] @ jax.nn.relu(params["w1"] @ x))
        return 0.5 * jnp.sum((params["w3"] @ a - t) ** 2)

    def grads(params, x, t):
        caches, a = [], x
        for name in ("w1", "w2", "w3"):
            z = params[name] @ a
            caches.append((a, params[name], z))
            a = jnp.maximum(0, z)
        da, dw3 = _back_through(z - t, caches[2], "linear")
        found = {"w3": dw3}
        for level in (1, 0):
            before, dw = _back_through(da, caches[level], "relu")
            found[f"w{level + 1}"] = dw
        return found

    w1, w2, w3, x, t = normals(getkey, (4, 5), (4, 4), (1, 4), (5, 9), (1, 9))
    found = said(loss, grads, {"w1": w1, "w2": w2, "w3": w3}, x, t)
    assert found == [("wrong-operand", 'before, dw = _back_through(da, caches[level], "relu")')]


def _back_one_step(da, cache, w):
    after, before = cache
    dz = (1 - after**2) * da
    return w.T @ dz, dz @ before.T


def test_a_function_that_is_given_nothing_but_zeros_is_called_wrongly(getkey):
    def loss(params, x, y):
        h = x
        total = 0.0
        for t in range(3):
            h = jnp.tanh(params["w"] @ h)
            total += 0.5 * jnp.sum((h - y[t]) ** 2)
        return total

    def grads(params, x, y):
        h, caches = x, []
        for _ in range(3):
            after = jnp.tanh(params["w"] @ h)
            caches.append((after, h))
            h = after
        da, dw = jnp.zeros_like(x), jnp.zeros_like(params["w"])
        for cache in reversed(caches):
            da, dw_t = _back_one_step(da, cache, params["w"])
            dw = dw + dw_t
        return {"w": dw}

    w, x, y = normals(getkey, (4, 4), (4, 5), (3, 4, 5))
    found = said(loss, grads, {"w": w}, x, y)
    assert found == [("zero-gradient", 'da, dw_t = _back_one_step(da, cache, params["w"])')]


def _back_to_the_step_before(d, later, cache, params):
    after, before = cache
    dh = params["v"].T @ d + later
    dz = (1 - after**2) * dh
    dw = dz @ before.T
    return params["w"].T @ dz, dw


def test_zeros_in_the_place_of_what_comes_from_the_later_step_are_handed_over_wrongly(getkey):
    def loss(params, x, y):
        h, total = x, 0.0
        for t in range(3):
            h = jnp.tanh(params["w"] @ h)
            total += 0.5 * jnp.sum((params["v"] @ h - y[t]) ** 2)
        return total

    def grads(params, x, y):
        h, caches = x, []
        for _ in range(3):
            after = jnp.tanh(params["w"] @ h)
            caches.append((after, h))
            h = after
        dv, dw = jnp.zeros_like(params["v"]), jnp.zeros_like(params["w"])
        for t in (2, 1, 0):
            d = params["v"] @ caches[t][0] - y[t]
            dv = dv + d @ caches[t][0].T
            _, dw_t = _back_to_the_step_before(d, jnp.zeros_like(x), caches[t], params)
            dw = dw + dw_t
        return {"v": dv, "w": dw}

    v, w, x, y = normals(getkey, (2, 4), (4, 4), (4, 5), (3, 2, 5))
    line = "_, dw_t = _back_to_the_step_before(d, jnp.zeros_like(x), caches[t], params)"
    assert said(loss, grads, {"v": v, "w": w}, x, y) == [("missing-term", line)]


def _back_through_tanh(d, a):
    dz = d * (1 - a**2)
    dw = a.T @ dz
    return dz, dw


def test_a_function_that_reads_one_argument_rightly_and_wrongly_is_wrong_in_itself(getkey):
    def loss(params, x, y):
        return 0.5 * jnp.sum((jnp.tanh(jnp.tanh(x @ params["v"]) @ params["w"]) - y) ** 2)

    def grads(params, x, y):
        h = jnp.tanh(x @ params["v"])
        a = jnp.tanh(h @ params["w"])
        dz, dw = _back_through_tanh(a - y, a)
        dh = dz @ params["w"].T * (1 - h**2)
        return {"v": x.T @ dh, "w": dw}

    v, w, x, y = normals(getkey, (3, 4), (4, 4), (6, 3), (6, 4))
    assert said(loss, grads, {"v": v, "w": w}, x, y) == [("off-by-one-layer", "dw = a.T @ dz")]


def _without_a(a):
    return 1 - a


@pytest.mark.parametrize(
    "slope, expected",
    [
        (_without_a, ("wrong-activation-derivative", "return 1 - a")),
        (_of_tanh, ("wrong-activation-derivative", "delta = errors * slope(a[k + 1])")),  # right for a tanh
    ],
)
def test_a_formula_that_is_no_slope_is_wrong_itself_and_a_slope_of_another_function_is_called_wrongly(
    getkey, slope, expected
):
    def loss(params, x, y):
        for k in range(3):
            x = 1 / (1 + jnp.exp(-(x @ params[f"w{k}"])))
        return 0.5 * jnp.sum((y - x) ** 2)

    def grads(params, x, y):
        a = [x]
        for k in range(3):
            a.append(1 / (1 + jnp.exp(-(a[k] @ params[f"w{k}"]))))
        errors = a[3] - y
        found = {}
        for k in (2, 1, 0):
            delta = errors * slope(a[k + 1])
            found[f"w{k}"] = a[k].T @ delta
            errors = delta @ params[f"w{k}"].T
        return found

    w0, w1, w2, x, y = normals(getkey, (5, 4), (4, 3), (3, 2), (7, 5), (7, 2))
    assert said(loss, grads, {"w0": w0, "w1": w1, "w2": w2}, x, y)[0] == expected


def softmax_backward(p, dp):
    return p * (dp - jnp.sum(p * dp, axis=1, keepdims=True))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("d_entropy = 0.3 * softmax_backward(p, -1 - jnp.log(p))", "A part of the gradient of `w` has the wrong sign"),
        (
            "d_entropy = softmax_backward(p, -0.3 - 0.3 * jnp.log(p))",
            "`d_entropy` has the wrong sign: a step against this",
        ),
    ],
)
def test_a_function_that_is_right_as_it_stands_for_another_line_is_given_the_wrong_sign(getkey, line, message):
    w, v, x, y = normals(getkey, (3, 4), (4, 2), (6, 3), (6, 2))

    def loss(params, x, y):
        log_p = jax.nn.log_softmax(x @ params["w"], axis=1)
        p = jnp.exp(log_p)
        return 0.5 * jnp.sum((p @ params["v"] - y) ** 2) + 0.3 * jnp.sum(p * log_p)

    def grads(params, x, y):
        p = jax.nn.softmax(x @ params["w"], axis=1)
        d_out = p @ params["v"] - y
        d_error = softmax_backward(p, d_out @ params["v"].T)
        if "0.3 * softmax" in line:
            d_entropy = 0.3 * softmax_backward(p, -1 - jnp.log(p))
        else:
            d_entropy = softmax_backward(p, -0.3 - 0.3 * jnp.log(p))
        return {"w": x.T @ (d_error + d_entropy), "v": p.T @ d_out}

    report = check(loss, grads, {"w": w, "v": v}, x, y)
    assert named(report) == [("sign", line)]
    assert report.findings[0].message.startswith(message)


def linear_backward(da, a, w, z):
    dz = sigmoid_backward(da, z)
    return dz @ w.T, a.T @ dz


@pytest.mark.parametrize("activation", (jax.nn.sigmoid, jax.nn.relu), ids=("alone", "before another mistake"))
def test_a_slope_that_one_line_takes_through_a_function_and_the_next_line_again_is_once_too_often(getkey, activation):
    def loss(params, x, y):
        return jnp.mean((jax.nn.sigmoid(activation(x @ params["v"]) @ params["w"]) - y) ** 2)

    def grads(params, x, y):
        z1 = x @ params["v"]
        a1 = activation(z1)
        z2 = a1 @ params["w"]
        da2 = 2 * (jax.nn.sigmoid(z2) - y) / y.size
        dz2 = sigmoid_backward(da2, z2)
        da1, dw = linear_backward(dz2, a1, params["w"], z2)
        _, dv = linear_backward(da1, x, params["v"], z1)
        return {"v": dv, "w": dw}

    v, w, x, y = normals(getkey, (3, 4), (4, 2), (6, 3), (6, 2))
    first = named(check(loss, grads, {"v": v, "w": w}, x, y))[0]
    assert first == ("extra-activation-derivative", "dz2 = sigmoid_backward(da2, z2)")


def _cell_backward(da, a, before, x, u):
    dz = da * (1 - a**2)
    return u.T @ dz, jnp.outer(dz, before), jnp.outer(dz, x)


@pytest.mark.parametrize("adds", [True, False])
def test_the_error_of_the_later_step_is_missing_where_the_step_is_gone_back_through(adds, getkey):
    """And not where each step's own error is collected: that of the later steps is not known there."""

    def loss(params, xs, ys):
        a, total = jnp.zeros(4), 0.0
        for x, y in zip(xs, ys, strict=True):
            a = jnp.tanh(params["u"] @ a + params["w"] @ x)
            total = total + 0.5 * jnp.sum((a - y) ** 2)
        return total

    def grads(params, xs, ys):
        states, errors = [jnp.zeros(4)], []
        for t in range(3):
            states.append(jnp.tanh(params["u"] @ states[-1] + params["w"] @ xs[t]))
            errors.append(states[-1] - ys[t])
        du, dw, back = 0.0, 0.0, jnp.zeros(4)
        for t in (2, 1, 0):
            error = errors[t] + back if adds else errors[t]
            back, du_t, dw_t = _cell_backward(error, states[t + 1], states[t], xs[t], params["u"])
            du, dw = du + du_t, dw + dw_t
        return {"u": du, "w": dw}

    u, w, xs, ys = normals(getkey, (4, 4), (4, 3), (3, 3), (3, 4))
    report = check(loss, grads, {"u": 0.5 * u, "w": w}, xs, ys)
    line = 'back, du_t, dw_t = _cell_backward(error, states[t + 1], states[t], xs[t], params["u"])'
    assert report.ok if adds else named(report) == [("missing-term", line)]


def _dense_backward(weights, below, delta_above):
    delta = below * (1 - below) * (weights.T @ delta_above)
    weights_grad = jnp.outer(delta, below)
    bias_grad = delta
    return delta, weights_grad, bias_grad


def test_the_error_of_the_layer_below_in_a_layer_s_own_gradients(getkey):
    """What a function makes for the layer below is right; its other lines must read what came in."""

    def loss(params, x, y):
        a1 = jax.nn.sigmoid(params["w1"] @ x + params["b1"])
        return 0.5 * jnp.sum((jax.nn.sigmoid(params["w2"] @ a1 + params["b2"]) - y) ** 2)

    def grads(params, x, y):
        a1 = jax.nn.sigmoid(params["w1"] @ x + params["b1"])
        a2 = jax.nn.sigmoid(params["w2"] @ a1 + params["b2"])
        delta = a2 * (1 - a2) * (a2 - y)
        delta, dw2, db2 = _dense_backward(params["w2"], a1, delta)
        delta, dw1, db1 = _dense_backward(params["w1"], x, delta)
        return {"w1": dw1, "b1": db1, "w2": dw2, "b2": db2}

    w1, w2, b1, b2, x, y = normals(getkey, (4, 4), (4, 4), (4,), (4,), (4,), (4,))
    found = said(loss, grads, {"w1": w1, "b1": b1, "w2": w2, "b2": b2}, x, y)
    assert {cause for cause, _ in found} == {"wrong-operand"}
    assert found[0] == ("wrong-operand", "weights_grad = jnp.outer(delta, below)")


def test_an_argument_that_is_not_read_is_no_error_that_is_missing_where_one_is_read(getkey):
    def loss(params, x, y):
        h = jax.nn.sigmoid(x @ params["w1"])
        return jnp.mean((jax.nn.sigmoid(h @ params["w2"]) - y) ** 2)

    def slope(z):
        return jnp.exp(-z) / (1 + jnp.exp(-z)) ** 2

    def backward(error, inputs, z, a, w):
        through = slope(a) * error
        return through @ w.T, inputs.T @ error

    def grads(params, x, y):
        z1 = x @ params["w1"]
        h = jax.nn.sigmoid(z1)
        z2 = h @ params["w2"]
        out = jax.nn.sigmoid(z2)
        error = 2 * (out - y) / y.size
        error, dw2 = backward(error, h, z2, out, params["w2"])
        _, dw1 = backward(error, x, z1, h, params["w1"])
        return {"w1": dw1, "w2": dw2}

    w1, w2, x, y = normals(getkey, (5, 4), (4, 3), (1, 5), (1, 3))
    found = said(loss, grads, {"w1": w1, "w2": w2}, x, y)
    assert ("wrong-activation-derivative", "through = slope(a) * error") in found
    assert "missing-upstream" not in {cause for cause, _ in found}


def test_a_value_that_is_returned_for_its_slope_is_no_term_that_is_missing_before(getkey):
    def sigmoid(z, derivative=False):
        return sigmoid(z) if derivative else 1 / (1 + jnp.exp(-z))

    def loss(params, x, y):
        return jnp.sum((jax.nn.sigmoid(jax.nn.sigmoid(x @ params["w1"]) @ params["w2"]) - y) ** 2)

    def grads(params, x, y):
        z, a = [], [x]
        for w in (params["w1"], params["w2"]):
            z.append(a[-1] @ w)
            a.append(sigmoid(z[-1]))
        error = a[-1] - y
        d2 = 2 * error * sigmoid(z[1], True)
        d1 = (d2 @ params["w2"].T) * sigmoid(z[0], True)
        return {"w1": a[0].T @ d1, "w2": a[1].T @ d2}

    w1, w2, x, y = normals(getkey, (5, 4), (4, 3), (6, 5), (6, 3))
    found = said(loss, grads, {"w1": w1, "w2": w2}, x, y)
    assert {cause for cause, _ in found} == {"wrong-activation-derivative"}


def relu_network(params, x, y):
    h = jnp.maximum(x @ params["w1"], 0)
    return 0.5 * jnp.sum((h @ params["w2"] - y) ** 2)


def layer_behind(inputs, d, w):
    dw = inputs.T @ d
    dx = d @ w.T
    return dx, dw


def through_a_relu(d, z, x):
    mask = z > 0
    dz = d
    return x.T @ dz, mask


def renamed_where_it_is_called(params, x, y):
    h = jnp.maximum(x @ params["w1"], 0)
    dh, dw2 = layer_behind(h, h @ params["w2"] - y, params["w2"])
    dz = dh
    _, dw1 = layer_behind(x, dz, params["w1"])
    return {"w1": dw1, "w2": dw2}


def renamed_where_it_is_passed_to(params, x, y):
    z = x @ params["w1"]
    h = jnp.maximum(z, 0)
    dh, dw2 = layer_behind(h, h @ params["w2"] - y, params["w2"])
    dw1, _ = through_a_relu(dh, z, x)
    return {"w1": dw1, "w2": dw2}


def backward_of(kind, d, inputs, z, w):
    if kind == "linear":
        dz = d / d.shape[0] * d.shape[0]
    else:
        dz = d
    dx = dz @ w.T
    return dx, inputs.T @ dz


def renamed_in_one_branch(params, x, y):
    z = x @ params["w1"]
    h = jnp.maximum(z, 0)
    out = h @ params["w2"]
    dh, dw2 = backward_of("linear", out - y, h, out, params["w2"])
    _, dw1 = backward_of("relu", dh, x, z, params["w1"])
    return {"w1": dw1, "w2": dw2}


@pytest.mark.parametrize(
    ("grads", "line"),
    (
        (renamed_where_it_is_called, "dz = dh"),
        (renamed_where_it_is_passed_to, "dz = d"),
        (renamed_in_one_branch, "dz = d"),
    ),
)
def test_what_a_function_returns_and_another_line_renames_lacks_its_slope_there(getkey, grads, line):
    w1, w2, x, y = normals(getkey, (5, 4), (4, 3), (6, 5), (6, 3))
    found = said(relu_network, grads, {"w1": w1, "w2": w2}, x, y)
    assert found == [("missing-activation-derivative", line)]


def wide(rows):
    return jnp.concatenate([jnp.ones((len(rows), 1), rows.dtype), rows], axis=1)


def weighted(rows, weights):
    return weights @ wide(rows).T


def gradient_of_weights(rows, d):
    ones = jnp.ones((len(rows), 1), rows.dtype)
    with_ones = jnp.concatenate([ones, rows], axis=1)
    return d @ with_ones


def test_a_helper_that_is_given_what_an_activation_takes_lacks_no_slope(getkey):
    def loss(params, x, y):
        h = jax.nn.relu(weighted(x, params["w1"])).T
        h = jax.nn.relu(weighted(h, params["w2"])).T
        return 0.5 * jnp.sum((weighted(h, params["w3"]) - y) ** 2)

    def grads(params, x, y):
        z1 = weighted(x, params["w1"])
        z2 = weighted(jnp.maximum(z1, 0).T, params["w2"])
        d3 = weighted(jnp.maximum(z2, 0).T, params["w3"]) - y
        dw3 = gradient_of_weights(z2.T, d3)
        d2 = jnp.where(z2 > 0, 1.0, 0.0) * (params["w3"].T[1:] @ d3)
        dw2 = gradient_of_weights(z1.T, d2)
        d1 = jnp.where(z1 > 0, 1.0, 0.0) * (params["w2"].T[1:] @ d2)
        return {"w1": gradient_of_weights(x, d1), "w2": dw2, "w3": dw3}

    w1, w2, w3, x, y = normals(getkey, (4, 4), (5, 5), (1, 6), (7, 3), (1, 7))
    report = check(loss, grads, {"w1": w1, "w2": w2, "w3": w3}, x, y)
    # The helper makes a value of the forward pass of what it is given, and it is that which is another.
    causes, lines = zip(*named(report), strict=True)
    assert lines == ("dw3 = gradient_of_weights(z2.T, d3)", "dw2 = gradient_of_weights(z1.T, d2)")
    assert set(causes) <= {"wrong-operand", "wrong-forward"}


class Sigmoid:
    """An activation that computes its output anew on the way back, of the wrong thing."""

    def forward(self, z):
        self.a = jax.nn.sigmoid(z)
        return self.a

    def backward(self, d):
        self.forward(d)
        return d * self.a * (1 - self.a)


def test_an_activation_of_the_error_is_no_value_of_the_forward_pass(getkey):
    def loss(params, x, y):
        return 0.5 * jnp.sum((jax.nn.sigmoid(jax.nn.sigmoid(x @ params["w1"]) @ params["w2"]) - y) ** 2)

    def grads(params, x, y):
        first, second = Sigmoid(), Sigmoid()
        a = first.forward(x @ params["w1"])
        d2 = second.backward(second.forward(a @ params["w2"]) - y)
        d1 = first.backward(d2 @ params["w2"].T)
        return {"w1": x.T @ d1, "w2": a.T @ d2}

    w1, w2, x, y = normals(getkey, (3, 4), (4, 2), (6, 3), (6, 2))
    report = check(loss, grads, {"w1": w1, "w2": w2}, x, y)
    assert {finding.cause for finding in report.findings} == {"wrong-activation-derivative"}


class Scale:
    def __init__(self, gain):
        self.gain = gain

    def backward(self, error):
        gain = self.gain
        corrected = error * gain  # noqa: F841  nothing reads it: that is the mistake
        return error


def test_a_method_that_gives_back_what_it_was_given(getkey):
    def loss(params, x, y):
        return jnp.sum((params["g"][None] * (jnp.tanh(x @ params["u"]) @ params["w"]) - y) ** 2) / 2

    def grads(params, x, y):
        h = jnp.tanh(x @ params["u"])
        z = h @ params["w"]
        error = params["g"][None] * z - y
        dg = jnp.sum(error * z, axis=0)
        error = Scale(params["g"][None]).backward(error)
        dw = h.T @ error
        dz = error @ params["w"].T * (1 - h**2)
        return {"u": x.T @ dz, "w": dw, "g": dg}

    u, w, g, x, y = normals(getkey, (4, 5), (5, 3), (3,), (6, 4), (6, 3))
    assert said(loss, grads, {"u": u, "w": w, "g": g}, x, y) == [("wrong-operand", "return error")]


class Dense:
    """A layer with an activation or without, whose bias gets the error before the slope."""

    def __init__(self, w, b, *, bends=False):
        self.w, self.b, self.bends = w, b, bends

    def forward(self, x):
        self.x = x
        self.z = x @ self.w + self.b
        return jnp.tanh(self.z) if self.bends else self.z

    def backward(self, error):
        d = error
        if self.bends:
            d = error * (1 - jnp.tanh(self.z) ** 2)
        self.dw = self.x.T @ d
        self.db = jnp.sum(error, axis=0, keepdims=True)
        return d @ self.w.T


def test_a_function_that_takes_slopes_itself_is_not_right_where_it_needs_none(getkey):
    def loss(params, x, y):
        h = jnp.tanh(x @ params["u"] + params["b"])
        return 0.5 * jnp.sum((h @ params["w"] + params["c"] - y) ** 2)

    def grads(params, x, y):
        first = Dense(params["u"], params["b"], bends=True)
        last = Dense(params["w"], params["c"])
        out = last.forward(first.forward(x))
        first.backward(last.backward(out - y))
        return {"u": first.dw, "b": first.db, "w": last.dw, "c": last.db}

    u, b, w, c, x, y = normals(getkey, (4, 5), (1, 5), (5, 3), (1, 3), (6, 4), (6, 3))
    line = "self.db = jnp.sum(error, axis=0, keepdims=True)"
    assert said(loss, grads, {"u": u, "b": b, "w": w, "c": c}, x, y) == [("missing-activation-derivative", line)]


class Gates:
    """Two gates, whose errors are kept until their gradients are asked for."""

    def __init__(self, params):
        self.params = params

    def forward(self, x):
        self.x = x
        self.a = jax.nn.sigmoid(self.params["u"] @ x + self.params["b"])
        self.c = jnp.tanh(self.params["w"] @ x + self.params["d"])
        return self.a * self.c

    def backward(self, error):
        self.error_a = error * self.c * self.a * (1 - self.a)
        self.error_c = error * self.a * (1 - self.c**2)
        return self.gradients()

    def gradients(self):
        du = jnp.outer(self.error_a, self.x)
        db = self.error_a
        dw = jnp.outer(self.error_c, self.x)
        dd = self.error_a
        return {"u": du, "b": db, "w": dw, "d": dd}


def test_a_gradient_that_a_method_takes_from_another_gate(getkey):
    def loss(params, x, y):
        a, c = jax.nn.sigmoid(params["u"] @ x + params["b"]), jnp.tanh(params["w"] @ x + params["d"])
        return 0.5 * jnp.sum((a * c - y) ** 2)

    def grads(params, x, y):
        gates = Gates(params)
        return gates.backward(gates.forward(x) - y)

    u, b, w, d, x, y = normals(getkey, (4, 3), (4,), (4, 3), (4,), (3,), (4,))
    found = said(loss, grads, {"u": u, "b": b, "w": w, "d": d}, x, y)
    assert found == [("wrong-operand", "dd = self.error_a")]
