"""The diagnosis of what stands inside a statement: a factor of an operand, one of several readings of a value."""

import jax
import jax.numpy as jnp

from jaxmlp import check

from .findings import normals, said


def network(params, x, y):
    a = jax.nn.sigmoid(x @ params["w1"] + params["b1"])
    return jnp.sum((a @ params["w2"] - y) ** 2) / 2


def of_network(of):
    """The gradient of the network, with the leaves of the first layer from `x`, the error that comes back and `a`."""

    def grads(params, x, y):
        a = jax.nn.sigmoid(x @ params["w1"] + params["b1"])
        d = a @ params["w2"] - y
        dw1, db1 = of(x, d, params["w2"], a)
        return {"w1": dw1, "b1": db1, "w2": a.T @ d}

    return grads


def network_inputs(getkey):
    w1, b1, w2, x, y = normals(getkey, (5, 4), (1, 4), (4, 3), (7, 5), (7, 3))
    return {"w1": w1, "b1": b1, "w2": w2}, x, y


def test_a_slope_that_is_missing_inside_a_product_is_named_and_written_where_it_belongs(getkey):
    def grads(params, x, y):
        a = jax.nn.sigmoid(x @ params["w1"] + params["b1"])
        d = a @ params["w2"] - y
        dz = (d @ params["w2"].T) * a * (1 - a)
        dw1 = x.T @ (d @ params["w2"].T)
        return {"w1": dw1, "b1": jnp.sum(dz, axis=0, keepdims=True), "w2": a.T @ d}

    (finding,) = check(network, grads, *network_inputs(getkey)).findings
    assert (finding.cause, finding.line and finding.line.text) == (
        "missing-activation-derivative",
        'dw1 = x.T @ (d @ params["w2"].T)',
    )
    assert finding.must == "x.T @ (d @ params['w2'].T * a * (1 - a))"


def test_a_slope_that_has_a_name_is_one_and_no_factor_of_two_errors_alone_either(getkey):
    def of(x, d, w2, a):
        slope = a * (1 - a)
        dz = (d @ w2.T) * slope
        dw1 = x.T @ (d @ w2.T)
        return dw1, jnp.sum(dz, axis=0, keepdims=True)

    w1, b1, w2, x, y = normals(getkey, (5, 1), (1, 1), (1, 3), (2, 5), (2, 3))
    (finding,) = check(network, of_network(of), {"w1": w1, "b1": b1, "w2": w2}, x, y).findings
    assert (finding.cause, finding.must) == ("missing-activation-derivative", "x.T @ (d @ w2.T * slope)")


def test_what_each_example_weighs_is_missing_inside_a_product(getkey):
    def loss(params, x, y, weight):
        return jnp.sum(weight * (x @ params["w"] + params["b"] - y) ** 2) / 2

    def grads(params, x, y, weight):
        d = x @ params["w"] + params["b"] - y
        dw = x.T @ d
        return {"w": dw, "b": jnp.sum(d * weight, axis=0, keepdims=True)}

    w, b, x, y, weight = normals(getkey, (4, 3), (1, 3), (6, 4), (6, 3), (6, 1))
    (finding,) = check(loss, grads, {"w": w, "b": b}, x, y, weight).findings
    assert (finding.cause, finding.must) == ("missing-factor", "x.T @ (d * weight)")


def test_a_slope_too_much_inside_a_product_is_named(getkey):
    def of(x, d, w2, a):
        dz = (d @ w2.T) * a * (1 - a)
        dw1 = x.T @ (dz * a * (1 - a))
        return dw1, jnp.sum(dz, axis=0, keepdims=True)

    found = said(network, of_network(of), *network_inputs(getkey))
    assert found == [("extra-activation-derivative", "dw1 = x.T @ (dz * a * (1 - a))")]


def normalized(params, x, t):
    z = x @ params["w"] + params["b"]
    return 0.5 * jnp.sum(
        ((z - jnp.mean(z, axis=0, keepdims=True)) / jnp.sqrt(jnp.var(z, axis=0, keepdims=True) + 1e-5) - t) ** 2
    )


def of_normalized(of):
    """The gradient of the normalized layer: `of` is given the output, its cotangent and the deviation."""

    def grads(params, x, t):
        z = x @ params["w"] + params["b"]
        deviation = jnp.sqrt(jnp.var(z, axis=0, keepdims=True) + 1e-5)
        y = (z - jnp.mean(z, axis=0, keepdims=True)) / deviation
        dz = of(y, y - t, deviation)
        return {"w": x.T @ dz, "b": jnp.sum(dz, axis=0, keepdims=True)}

    return grads


def test_a_factor_that_is_missing_before_a_mean_is_named_and_written_there(getkey):
    def of(y, dy, deviation):
        m1 = jnp.mean(dy, axis=0, keepdims=True)
        m2 = jnp.mean(dy, axis=0, keepdims=True)
        return (dy - m1 - m2 * y) / deviation

    w, b, x, t = normals(getkey, (4, 3), (1, 3), (6, 4), (6, 3))
    found = said(normalized, of_normalized(of), {"w": w, "b": b}, x, t)
    assert found == [("missing-factor", "m2 = jnp.mean(dy, axis=0, keepdims=True)")]


def test_it_is_where_a_leaf_is_zero_and_a_divisor_stands_beside(getkey):
    def of(y, dy, deviation):
        m1 = jnp.mean(dy, axis=0, keepdims=True)
        m2 = jnp.mean(dy * y, axis=0, keepdims=True)
        return (dy - m1 - m2 * y * y) / deviation

    w, b, x, t = normals(getkey, (4, 3), (1, 3), (6, 4), (6, 3))
    found = said(normalized, of_normalized(of), {"w": w, "b": b}, x, t)
    assert found == [("extra-factor", "return (dy - m1 - m2 * y * y) / deviation")]


def test_a_value_that_is_read_twice_is_wrong_in_one_place_alone(getkey):
    def loss(params, x, y):
        return jnp.sum((jax.nn.relu(x @ params["w1"]) @ params["w2"] - y) ** 2)

    def grads(params, x, y):
        z = x @ params["w1"]
        h = jax.nn.relu(z)
        d = 2 * (h @ params["w2"] - y)
        dh = d @ params["w2"].T
        dz = jnp.where(z > 0, z, 0)
        return {"w1": x.T @ dz, "w2": h.T @ d + 0 * jnp.sum(dh)}

    w1, w2, x, y = normals(getkey, (3, 6), (6, 2), (8, 3), (8, 2))
    assert said(loss, grads, {"w1": w1, "w2": w2}, x, y) == [("wrong-operand", "dz = jnp.where(z > 0, z, 0)")]


def classes(params, x, t):
    return -jnp.mean(jnp.sum(t * jax.nn.log_softmax(jnp.tanh(x @ params["w1"]) @ params["w2"] + params["b2"]), axis=1))


def of_classes(logs):
    """The gradient of the classes, with the logarithms of the probabilities from the hidden layer and the params."""

    def grads(params, x, t):
        h = jnp.tanh(x @ params["w1"])
        d = (jnp.exp(logs(h, params)) - t) / len(x)
        dz = d @ params["w2"].T * (1 - h**2)
        return {"w1": x.T @ dz, "w2": h.T @ d, "b2": jnp.sum(d, axis=0, keepdims=True)}

    return grads


def classes_inputs(getkey):
    w1, w2, b2, x, t = normals(getkey, (5, 4), (4, 3), (1, 3), (8, 5), (8, 3))
    return {"w1": w1, "w2": w2, "b2": b2}, x, jax.nn.one_hot(jnp.argmax(t, axis=1), 3, dtype=t.dtype)


def test_a_bias_that_is_left_out_is_named_where_it_belongs_and_not_where_its_lack_shows(getkey):
    def logs(h, params):
        scores = h @ params["w2"]
        shifted = scores - jnp.max(scores, axis=1, keepdims=True)
        return shifted - jnp.log(jnp.sum(jnp.exp(shifted), axis=1, keepdims=True))

    found = said(classes, of_classes(logs), *classes_inputs(getkey))
    assert found == [("wrong-forward", 'scores = h @ params["w2"]')]


def test_a_sign_before_an_exponential_is_named_where_it_is_made(getkey):
    def logs(h, params):
        scores = h @ params["w2"] + params["b2"]
        shifted = scores - jnp.max(scores, axis=1, keepdims=True)
        logs = jnp.log(jnp.sum(jnp.exp(shifted), axis=1, keepdims=True)) - shifted
        return logs

    found = said(classes, of_classes(logs), *classes_inputs(getkey))
    assert found == [("wrong-forward", "logs = jnp.log(jnp.sum(jnp.exp(shifted), axis=1, keepdims=True)) - shifted")]


def test_a_bias_that_is_left_out_of_the_output_is_no_penalty_that_is_missing(getkey):
    def loss(params, x, y):
        return jnp.sum((jnp.tanh(x @ params["w1"]) @ params["w2"] + params["b"] - y) ** 2) / 2

    def grads(params, x, y):
        h = jnp.tanh(x @ params["w1"])
        out = h @ params["w2"]
        d = out - y
        dh = d @ params["w2"].T * (1 - h**2)
        return {"w1": x.T @ dh, "w2": h.T @ d, "b": jnp.sum(d, axis=0, keepdims=True)}

    w1, w2, b, x, y = normals(getkey, (3, 5), (5, 2), (1, 2), (8, 3), (8, 2))
    found = said(loss, grads, {"w1": w1, "w2": w2, "b": b}, x, y)
    assert found == [("wrong-forward", 'out = h @ params["w2"]')]


def test_a_slope_that_lacks_what_comes_in_is_named_and_not_what_is_made_of_it(getkey):
    def grads(params, x, y):
        a = jax.nn.sigmoid(x @ params["w1"] + params["b1"])
        d = a @ params["w2"] - y
        dh = d @ params["w2"].T
        dz = a * (1 - a)
        return {"w1": x.T @ dz + 0 * jnp.sum(dh), "b1": jnp.sum(dz, axis=0, keepdims=True), "w2": a.T @ d}

    assert said(network, grads, *network_inputs(getkey)) == [("missing-upstream", "dz = a * (1 - a)")]


def _of_tanh(a):
    return a * a - 1.0


def test_a_slope_of_the_wrong_sign_is_named_where_two_of_them_make_a_right_one(getkey):
    def loss(params, x, y):
        return 0.5 * jnp.sum((y - jnp.tanh(jnp.tanh(x @ params["w1"]) @ params["w2"])) ** 2)

    def grads(params, x, y):
        a = jnp.tanh(x @ params["w1"])
        out = jnp.tanh(a @ params["w2"])
        d = _of_tanh(out) * (out - y)
        dz = _of_tanh(a) * (d @ params["w2"].T)
        return {"w1": x.T @ dz, "w2": a.T @ d}

    w1, w2, x, y = normals(getkey, (3, 5), (5, 2), (8, 3), (8, 2))
    found = said(loss, grads, {"w1": w1, "w2": w2}, x, y)
    assert [line for _, line in found] == ["return a * a - 1.0"]


def test_errors_that_are_sent_back_without_their_slopes_are_named_in_a_loop(getkey):
    def loss(params, x, y):
        for k in range(3):
            x = jax.nn.sigmoid(x @ params[f"w{k}"])
        return 0.5 * jnp.sum((y - x) ** 2)

    def grads(params, x, y):
        a = [x]
        for k in range(3):
            a.append(jax.nn.sigmoid(a[k] @ params[f"w{k}"]))
        errors = y - a[3]
        found = {}
        for k in (2, 1, 0):
            deltas = errors * a[k + 1] * (1 - a[k + 1])
            found[f"w{k}"] = -jnp.outer(a[k], deltas)
            errors = params[f"w{k}"] @ errors
        return found

    w0, w1, w2, x, y = normals(getkey, (5, 4), (4, 3), (3, 2), (5,), (2,))
    (finding,) = check(loss, grads, {"w0": w0, "w1": w1, "w2": w2}, x, y).findings
    assert (finding.cause, finding.line and finding.line.text) == (
        "missing-activation-derivative",
        'errors = params[f"w{k}"] @ errors',
    )
    assert finding.must == "params[f'w{k}'] @ deltas"


def test_the_diagonal_of_a_softmax_is_told_where_the_loss_takes_its_logarithm_at_once(getkey):
    def grads(params, x, t):
        h = jnp.tanh(x @ params["w1"])
        p = jax.nn.softmax(h @ params["w2"] + params["b2"], axis=1)
        dp = -(t / p) / len(x)
        d = dp * (p - jnp.square(p))
        dz = d @ params["w2"].T * (1 - h**2)
        return {"w1": x.T @ dz, "w2": h.T @ d, "b2": jnp.sum(d, axis=0, keepdims=True)}

    found = said(classes, grads, *classes_inputs(getkey))
    assert found == [("softmax-jacobian-diagonal-only", "d = dp * (p - jnp.square(p))")]


def test_the_sum_of_a_parameter_is_no_gradient_of_a_penalty(getkey):
    def loss(params, x, y):
        return jnp.mean((x @ params["w"] - y) ** 2) + 0.05 * jnp.sum(params["w"] ** 2)

    def grads(params, x, y):
        d = 2 * (x @ params["w"] - y) / y.size
        dw = x.T @ d + 0.1 * jnp.sum(params["w"])
        return {"w": dw}

    w, x, y = normals(getkey, (4, 2), (9, 4), (9, 2))
    found = said(loss, grads, {"w": w}, x, y)
    assert found == [("wrong-regularization", 'dw = x.T @ d + 0.1 * jnp.sum(params["w"])')]


def test_a_leaf_that_is_put_into_a_dict_as_it_stands_is_wrong_where_it_is_put(getkey):
    def grads(params, x, y):
        a = jax.nn.sigmoid(x @ params["w1"] + params["b1"])
        d = a @ params["w2"] - y
        dz = (d @ params["w2"].T) * a * (1 - a)
        found = {}
        found["w2"] = a.T @ d
        found["w1"] = x @ dz[:5]
        found["b1"] = dz
        return found

    # With the sum taken where the error is made, the other leaf could not be computed any more.
    assert set(said(network, grads, *network_inputs(getkey))) == {
        ("shape", 'found["w1"] = x @ dz[:5]'),
        ("missing-reduction", 'found["b1"] = dz'),
    }


def chain(params, x, y):
    a = jax.nn.sigmoid(x * params["u"])
    return (jax.nn.sigmoid(a * params["v"]) - y) ** 2


def test_a_value_that_stands_twice_in_a_product_is_wrong_once_and_that_is_what_must_be_written(getkey):
    def grads(params, x, y):
        a = jax.nn.sigmoid(x * params["u"])
        out = jax.nn.sigmoid(a * params["v"])
        delta = 2 * (out - y) * out * (1 - out)
        du = delta * a * a * (1 - a)
        return {"u": du * x, "v": delta * a}

    u, v, x, y = normals(getkey, (), (), (), ())
    (finding,) = check(chain, grads, {"u": u, "v": v}, x, y).findings
    assert (finding.cause, finding.must) == ("wrong-operand", "delta * params['v'] * a * (1 - a)")


def test_a_product_of_numbers_that_lacks_what_comes_in_lacks_it_and_has_no_one_in_its_place(getkey):
    def slope(z):
        return 1 / (1 + jnp.exp(-z)) * (1 - 1 / (1 + jnp.exp(-z)))

    def grads(params, x, y):
        z = x * params["u"]
        a = 1 / (1 + jnp.exp(-z))
        out = 1 / (1 + jnp.exp(-a * params["v"]))
        dout = 2 * (out - y)
        dv = a * slope(a * params["v"]) * dout
        du = x * slope(z) * slope(a * params["v"]) * params["v"]
        return {"u": du, "v": dv}

    u, v, x, y = normals(getkey, (), (), (), ())
    (finding,) = check(chain, grads, {"u": u, "v": v}, x, y).findings
    assert finding.cause == "missing-upstream" and finding.must and finding.must.endswith("* dout")


def test_what_is_added_once_more_than_it_belongs_there_is_counted_twice(getkey):
    def grads(params, x, y):
        a = jax.nn.sigmoid(x @ params["w1"] + params["b1"])
        d = a @ params["w2"] - y
        sent = d @ params["w2"].T
        again = d @ (params["w2"] - 0.1 * a.T @ d).T
        dz = (sent + again) * a * (1 - a)
        return {"w1": x.T @ dz, "b1": jnp.sum(dz, axis=0, keepdims=True), "w2": a.T @ d}

    (finding,) = check(network, grads, *network_inputs(getkey)).findings
    assert finding.cause == "double-counted-term" and finding.line
    assert finding.line.text.startswith(("again", "dz"))


def test_the_slope_of_an_activation_that_the_loss_does_not_have_is_one_too_much(getkey):
    def slope(z):
        return jax.nn.sigmoid(z) * (1 - jax.nn.sigmoid(z))

    def grads(params, x, t):
        h = jnp.tanh(x @ params["w1"])
        z = h @ params["w2"] + params["b2"]
        d = (jax.nn.softmax(z, axis=1) - t) / len(x) * slope(z)
        dz = d @ params["w2"].T * (1 - h**2)
        return {"w1": x.T @ dz, "w2": h.T @ d, "b2": jnp.sum(d, axis=0, keepdims=True)}

    found = said(classes, grads, *classes_inputs(getkey))
    assert [cause for cause, _ in found] == ["extra-activation-derivative"]
    assert found[0][1] and found[0][1].startswith("d = ")


def test_a_one_in_the_place_of_an_array_is_a_wrong_operand(getkey):
    def loss(params, x, y):
        return (jax.nn.sigmoid(jnp.dot(x, params["w"]) + params["b"]) - y) ** 2

    def grads(params, x, y):
        out = jax.nn.sigmoid(jnp.dot(x, params["w"]) + params["b"])
        delta = 2 * (out - y) * out * (1 - out)
        by_bias = 1
        dw = delta * by_bias
        return {"w": dw, "b": delta}

    w, b, x, y = normals(getkey, (3,), (), (3,), ())
    assert said(loss, grads, {"w": w, "b": b}, x, y)[0][1] == "dw = delta * by_bias"


def test_nothing_is_written_with_a_name_that_is_not_there_yet(getkey):
    def grads(params, x, y):
        a = jax.nn.sigmoid(x @ params["w1"] + params["b1"])
        d = a @ params["w2"] - y
        dz = a * (1 - a)
        dh = d @ params["w2"].T
        return {"w1": x.T @ dz + 0 * jnp.sum(dh), "b1": jnp.sum(dz, axis=0, keepdims=True), "w2": a.T @ d}

    (finding,) = check(network, grads, *network_inputs(getkey)).findings
    assert finding.cause == "missing-upstream" and finding.must is None


def leaky_slope(z):
    return jnp.where(z > 0, 1.0, 0.1)


def leaky(params, x, y):
    h = jax.nn.leaky_relu(x @ params["w1"], 0.1)
    return 0.5 * jnp.sum((jax.nn.leaky_relu(h @ params["w2"], 0.1) - y) ** 2)


def test_what_an_activation_takes_in_the_place_of_what_it_gives_is_another_value_and_lacks_no_slope(getkey):
    def grads(params, x, y):
        z1 = x @ params["w1"]
        h = jax.nn.leaky_relu(z1, 0.1)
        z2 = h @ params["w2"]
        d = (jax.nn.leaky_relu(z2, 0.1) - y) * leaky_slope(z2)
        dw2 = z1.reshape((1, 6)).T.dot(d.reshape((1, 2)))
        dz1 = d @ params["w2"].T * leaky_slope(z1)
        return {"w1": x.reshape((1, 3)).T @ dz1.reshape((1, 6)), "w2": dw2}

    w1, w2, x, y = normals(getkey, (3, 6), (6, 2), (3,), (2,))
    report = check(leaky, grads, {"w1": w1, "w2": w2}, x, y)
    assert [finding.cause for finding in report.findings] == ["wrong-operand"]
    assert "uses `z1` where `h` belongs" in report.findings[0].message


def test_the_mask_of_a_relu_in_the_place_of_its_output_is_another_value_and_lacks_no_factor(getkey):
    def loss(params, x, y):
        return 0.5 * jnp.sum((params["w2"] @ jax.nn.relu(params["w1"] @ x) - y) ** 2)

    def grads(params, x, y):
        hidden = jnp.maximum(params["w1"] @ x, 0)
        error = params["w2"] @ hidden - y
        hidden = jnp.where(hidden > 0, 1.0, hidden)
        dw2 = jnp.outer(error, hidden)
        return {"w1": jnp.outer(params["w2"].T @ error * hidden, x), "w2": dw2}

    w1, w2, x, y = normals(getkey, (5, 3), (2, 5), (3,), (2,))
    assert said(loss, grads, {"w1": w1, "w2": w2}, x, y) == [("wrong-operand", "dw2 = jnp.outer(error, hidden)")]


def scaled_norm(params, x, y):
    z = x @ params["w"]
    centred = z - jnp.mean(z, axis=1, keepdims=True)
    normed = centred / jnp.sqrt(jnp.mean(centred**2, axis=1, keepdims=True) + 1e-5)
    return 0.5 * jnp.sum((params["gamma"] * normed - y) ** 2)


def test_a_factor_that_differs_along_a_sum_belongs_inside_of_it(getkey):
    def grads(params, x, y):
        gamma = params["gamma"]
        z = x @ params["w"]
        centred = z - jnp.mean(z, axis=1, keepdims=True)
        r = 1 / jnp.sqrt(jnp.mean(centred**2, axis=1, keepdims=True) + 1e-5)
        normed = centred * r
        d = gamma * normed - y
        dz = gamma * r * (d - jnp.mean(d, axis=1, keepdims=True) - normed * jnp.mean(d * normed, 1, keepdims=True))
        return {"w": x.T @ dz, "gamma": jnp.sum(d * normed, axis=0, keepdims=True)}

    w, gamma, x, y = normals(getkey, (4, 5), (1, 5), (6, 4), (6, 5))
    report = check(scaled_norm, grads, {"w": w, "gamma": gamma}, x, y)
    [finding] = report.findings
    assert finding.cause == "missing-factor" and "is not the same along what is summed there" in finding.message
    assert finding.fix == 'Multiply `d` by `params["gamma"]` before it is summed.'
