"""The diagnosis of a candidate that goes its own way to what the loss knows: by probabilities, where it has logits."""

import jax
import jax.numpy as jnp

from jaxmlp import check

from .findings import first, normals, said


def logistic(params, x, y):
    z = x @ params["w"] + params["b"]
    return jnp.mean(jnp.logaddexp(0.0, z) - y * z)


def logistic_inputs(getkey):
    w, b, x, y = normals(getkey, (5, 1), (1, 1), (7, 5), (7, 1))
    return {"w": w, "b": b}, x, (y > 0).astype(y.dtype)


def test_half_of_a_slope_is_wrong_where_it_is_and_not_in_the_error_that_it_meets(getkey):
    def grads(params, x, y):
        z = x @ params["w"] + params["b"]
        p = 1 / (1 + jnp.exp(-z))
        dp = -y / p + (1 - y) / (1 - p)
        dp_dz = 1 - p
        dz = dp * dp_dz
        return {"w": x.T @ dz / len(x), "b": jnp.mean(dz, axis=0, keepdims=True)}

    report = check(logistic, grads, *logistic_inputs(getkey))
    assert first(report) == ("wrong-activation-derivative", "dp_dz = 1 - p")
    assert "p * (1 - p)" in report.findings[0].message


def test_an_error_at_the_probabilities_is_right_and_lacks_the_slope_of_the_sigmoid(getkey):
    def grads(params, x, y):
        z = x @ params["w"] + params["b"]
        p = 1 / (1 + jnp.exp(-z))
        error = (p - y) / (p * (1 - p)) / len(x)
        return {"w": x.T @ error, "b": jnp.sum(error, axis=0, keepdims=True)}

    found = said(logistic, grads, *logistic_inputs(getkey))
    assert found == [("missing-activation-derivative", "error = (p - y) / (p * (1 - p)) / len(x)")]


def softmax_loss(params, x, y):
    return -jnp.sum(y * jax.nn.log_softmax(x @ params["w"] + params["b"]))


def softmax(z):
    e = jnp.exp(z - jnp.max(z))
    return e / jnp.sum(e)


def softmax_inputs(getkey):
    w, b, x = normals(getkey, (5, 3), (3,), (5,))
    return {"w": w, "b": b}, x, jnp.array([0.0, 1.0, 0.0], x.dtype)


def test_a_softmax_jacobian_at_the_logits_is_wrong_and_not_the_error_at_the_probabilities(getkey):
    def grads(params, x, y):
        z = x @ params["w"] + params["b"]
        p = softmax(z)
        dp = -y / p
        dp_dz = jnp.diag(z) - jnp.outer(z, z)
        dz = dp @ dp_dz
        return {"w": jnp.outer(x, dz), "b": dz}

    found = said(softmax_loss, grads, *softmax_inputs(getkey))
    assert found == [("wrong-activation-derivative", "dp_dz = jnp.diag(z) - jnp.outer(z, z)")]


def test_a_softmax_jacobian_that_is_none_is_no_slope(getkey):
    def grads(params, x, y):
        z = x @ params["w"] + params["b"]
        p = softmax(z)
        dp = -y / p
        dp_dz = jnp.outer(p, 1 + p)
        dz = dp @ dp_dz
        return {"w": jnp.outer(x, dz), "b": dz}

    found = said(softmax_loss, grads, *softmax_inputs(getkey))
    assert found == [("wrong-activation-derivative", "dp_dz = jnp.outer(p, 1 + p)")]


def test_the_error_at_the_probabilities_is_wrong_where_it_does_not_lead_to_that_at_the_logits(getkey):
    def grads(params, x, y):
        z = x @ params["w"] + params["b"]
        p = softmax(z)
        dp = -y / p**2
        dz = dp @ (jnp.diag(p) - jnp.outer(p, p))
        return {"w": jnp.outer(x, dz), "b": dz}

    assert said(softmax_loss, grads, *softmax_inputs(getkey))[0][1] == "dp = -y / p**2"


def squares(params, x, y):
    return jnp.sum((y - 1 / (1 + jnp.exp(-x @ params["w"]))) ** 2)


def test_what_the_loss_computes_inside_an_activation_is_put_nowhere_before_a_factor_is_taken_out(getkey):
    def grads(params, x, y):
        out = 1 / (1 + jnp.exp(-x @ params["w"]))
        error = 2 * (y - out) * out
        delta = error * out * (1.0 - out)
        return {"w": x.T @ delta}

    w, x, y = normals(getkey, (5, 3), (7, 5), (7, 3))
    causes = {"sign", "extra-factor"}
    cause, line = said(squares, grads, {"w": w}, x, y)[0]
    assert cause in causes and line == "error = 2 * (y - out) * out"


def _matrix_of(p):
    rows = []
    for i in range(3):
        row = []
        for j in range(3):
            if i == j:
                row.append(p[i] * (1 - p[i]))
            else:
                row.append(-p[i] * p[j])
        rows.append(jnp.stack(row))
    return jnp.stack(rows)


def test_a_function_that_is_given_the_logits_in_the_place_of_probabilities_is_called_wrongly(getkey):
    def grads(params, x, y):
        z = x @ params["w"] + params["b"]
        p = softmax(z)
        dp = -y / p
        dp_dz = _matrix_of(z)
        dz = dp @ dp_dz
        return {"w": jnp.outer(x, dz), "b": dz}

    found = said(softmax_loss, grads, *softmax_inputs(getkey))
    assert found == [("wrong-activation-derivative", "dp_dz = _matrix_of(z)")]


def _squares(m, b, x, y):
    total = 0.0
    for i in range(len(x)):
        total = total + (m * x[i] + b - y[i]) ** 2
    return total / (2 * len(x))


def test_the_loss_itself_is_no_derivative_and_a_function_of_the_loss_is_called_wrongly(getkey):
    def loss(params, x, y):
        return _squares(params["m"], params["b"], x, y)

    def grads(params, x, y):
        error = _squares(params["m"], params["b"], x, y)
        return {"m": jnp.mean(x * (params["m"] * x + params["b"] - y)), "b": error}

    m, b, x, y = normals(getkey, (), (), (5,), (5,))
    report = check(loss, grads, {"m": m, "b": b}, x, y)
    assert first(report) == ("wrong-operand", 'error = _squares(params["m"], params["b"], x, y)')
    assert "is the loss itself" in report.findings[0].message


def test_a_number_that_stands_twice_on_the_way_to_wrong_leaves_alone_is_wrong_there(getkey):
    def loss(params, x, y):
        h, k = jnp.tanh(params["u"] * x), jnp.tanh(params["v"] * x)
        return (params["a"] * h + params["b"] * k - y) ** 2 / 2

    def grads(params, x, y):
        h, k = jnp.tanh(params["u"] * x), jnp.tanh(params["v"] * x)
        error = (params["a"] * h + params["b"] * k - y) * 5.0
        of_h = error * params["a"] * (1 - h**2) * 5.0
        of_k = error * params["b"] * (1 - k**2) * 5.0
        return {"a": error * h / 5, "b": error * k / 5, "u": of_h * x / 5, "v": of_k * x / 5}

    u, v, a, b, x, y = normals(getkey, (), (), (), (), (), ())
    found = said(loss, grads, {"u": u, "v": v, "a": a, "b": b}, x, y)
    assert found == [
        ("scale-constant", 'of_h = error * params["a"] * (1 - h**2) * 5.0'),
        ("scale-constant", 'of_k = error * params["b"] * (1 - k**2) * 5.0'),
    ]


def test_what_a_loop_adds_of_its_own_sum_is_counted_more_than_once(getkey):
    def loss(params, xs, rate):
        return sum(jnp.sum(jnp.tanh(x @ params["w"])) for x in xs)

    def grads(params, xs, rate):
        dw = jnp.zeros_like(params["w"])
        for x in xs:
            d = 1 - jnp.tanh(x @ params["w"]) ** 2
            dw = dw + (jnp.outer(x, d) + rate * dw)
        return {"w": dw}

    w, xs = normals(getkey, (4, 3), (5, 4))
    found = said(loss, grads, {"w": w}, xs, jnp.asarray(0.3, xs.dtype))
    assert found == [("double-counted-term", "dw = dw + (jnp.outer(x, d) + rate * dw)")]


def test_the_slope_of_a_tanh_behind_a_linear_output_is_an_extra_slope(getkey):
    def loss(params, x, y):
        return 0.5 * jnp.sum((jnp.tanh(x @ params["w1"]) @ params["w2"] - y) ** 2)

    def slope_of_tanh(z):
        return 1 - jnp.tanh(z) ** 2

    def grads(params, x, y):
        a = jnp.tanh(x @ params["w1"])
        out = a @ params["w2"]
        d = (out - y) * slope_of_tanh(out)
        return {"w1": x.T @ ((out - y) @ params["w2"].T * (1 - a**2)), "w2": a.T @ d}

    w1, w2, x, y = normals(getkey, (4, 5), (5, 3), (8, 4), (8, 3))
    found = said(loss, grads, {"w1": w1, "w2": w2}, x, y)
    assert found == [("extra-activation-derivative", "d = (out - y) * slope_of_tanh(out)")]


def test_the_error_itself_is_no_slope_of_an_activation(getkey):
    def loss(params, x, y):
        z = params["w"] @ x + params["b"]
        return jnp.mean(jnp.logaddexp(0.0, z) - y * z)

    def grads(params, x, y):
        d = 1 / (1 + jnp.exp(-(params["w"] @ x + params["b"]))) - y
        db = jnp.dot(d, d.T) / 9
        return {"w": jnp.dot(d, x.T) / 9, "b": db}

    w, b, x, y = normals(getkey, (1, 4), (1, 1), (4, 9), (1, 9))
    report = check(loss, grads, {"w": w, "b": b}, x, (y > 0).astype(y.dtype))
    [finding] = report.findings
    assert finding.cause in ("extra-factor", "wrong-operand") and "slope" not in finding.message


def test_the_error_that_a_label_is_put_into_wrongly_is_no_slope(getkey):
    def sigmoid(z):
        return 1 / (1 + jnp.exp(-z))

    def grads(params, x, y):
        z = x @ params["w"] + params["b"]
        d = sigmoid(z - y) / len(x)
        return {"w": x.T @ d, "b": d.sum().reshape(1, 1)}

    report = check(logistic, grads, *logistic_inputs(getkey))
    assert first(report) == ("wrong-operand", "d = sigmoid(z - y) / len(x)")
    assert all("slope" not in finding.message for finding in report.findings)
