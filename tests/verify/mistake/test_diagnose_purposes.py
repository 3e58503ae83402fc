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


def test_a_bias_that_is_added_before_the_sum_is_of_the_forward_pass_and_no_penalty(getkey):
    def loss(params, x, y):
        return 0.5 * jnp.sum((x @ params["w"] + params["b"] - y) ** 2)

    def grads(params, x, y):
        dw, db = jnp.zeros_like(params["w"]), 0.0
        for i in range(len(x)):
            products = x[i] * params["w"] + params["b"]
            error = jnp.sum(products) - y[i]
            dw, db = dw + error * x[i], db + error
        return {"w": dw, "b": db}

    w, x, y = normals(getkey, (3,), (5, 3), (5,))
    found = said(loss, grads, {"w": w, "b": jnp.asarray(0.4)}, x, y)
    assert found == [("wrong-forward", 'products = x[i] * params["w"] + params["b"]')]


def test_the_gradient_of_half_the_squares_is_that_of_another_loss_than_their_root(getkey):
    def loss(params, x, y):
        return jnp.sqrt(jnp.mean((x @ params["w"] - y) ** 2))

    def grads(params, x, y):
        errors = []
        for i in range(len(x)):
            errors.append(x[i] @ params["w"] - y[i])
        return {"w": x.T @ jnp.stack(errors)}

    w, x, y = normals(getkey, (3,), (6, 3), (6,))
    assert said(loss, grads, {"w": w}, x, y)[0][0] == "loss-mismatch"


def test_a_sigmoid_of_the_labels_is_another_value_and_lacks_no_slope(getkey):
    """A pairwise ranking, of which the labels decide only which of two comes first."""
    labels = (2, 0, 1, 3)
    pairs = [(i, j) for i in range(4) for j in range(4) if labels[i] > labels[j]]

    def loss(params, x, weights):
        s = x @ params["w"]
        return sum(weights[i, j] * jnp.log1p(jnp.exp(s[j] - s[i])) for i, j in pairs)

    def grads(params, x, weights):
        page, lambdas = jnp.asarray(labels, x.dtype), jnp.zeros(4)
        for i, j in pairs:
            rho = 1 / (1 + jnp.exp(page[i] - page[j]))
            lambdas = lambdas.at[i].add(-rho * weights[i, j])
            lambdas = lambdas.at[j].add(rho * weights[i, j])
        return {"w": x.T @ lambdas}

    w, x, weights = normals(getkey, (3,), (4, 3), (4, 4))
    found = said(loss, grads, {"w": w}, x, weights)
    assert found == [("wrong-operand", "rho = 1 / (1 + jnp.exp(page[i] - page[j]))")]


def _relu_prime(z):
    return jnp.where(z > 0, z, 1.0)


def test_a_slope_with_a_value_in_a_branch_is_a_wrong_slope_and_no_wrong_mask(getkey):
    def loss(params, x, y):
        return 0.5 * jnp.sum((jax.nn.relu(jax.nn.relu(x * params["w"]) * params["v"]) - y) ** 2)

    def grads(params, x, y):
        z1 = x * params["w"]
        h = jax.nn.relu(z1)
        z2 = h * params["v"]
        error = (jax.nn.relu(z2) - y) * _relu_prime(z2)
        back = error * params["v"] * _relu_prime(z1)
        return {"v": jnp.sum(error * h), "w": jnp.sum(back * x)}

    x, y = normals(getkey, (9,), (9,))
    report = check(loss, grads, {"w": jnp.asarray(0.8), "v": jnp.asarray(1.4)}, x, jnp.abs(y))
    assert named(report) == [("wrong-activation-derivative", "return jnp.where(z > 0, z, 1.0)")]


def _sigmoid_prime(z):
    s = 1 / (1 + jnp.exp(-z))
    return s * (1 - s)


def test_targets_of_zeros_and_ones_are_no_mask_that_hides_a_wrong_slope(getkey):
    """A softmax that is sent back with the slope of a sigmoid at its inputs."""

    def loss(params, x, y):
        return -jnp.sum(y * jax.nn.log_softmax(x @ params["w"], axis=1)) / len(x)

    def grads(params, x, y):
        z = x @ params["w"]
        p = jax.nn.softmax(z, axis=1)
        back = -y / p / len(x)
        slope = _sigmoid_prime(z)
        dz = slope * back
        return {"w": x.T @ dz}

    w, x = normals(getkey, (4, 3), (7, 4))
    found = said(loss, grads, {"w": w}, x, jnp.eye(3)[jnp.arange(7) % 3])
    assert found == [("wrong-activation-derivative", "slope = _sigmoid_prime(z)")]


def test_what_cancels_up_to_rounding_is_zero(getkey):
    """Each column of a softmax's Jacobian sums to zero, and so does its product with one number."""

    def loss(params, x, y):
        return -jnp.sum(y * jax.nn.log_softmax(x @ params["w"]))

    def grads(params, x, y):
        p = jax.nn.softmax(x @ params["w"])
        back, jacobian = -y / p, jnp.diag(p) - jnp.outer(p, p)
        dz = jnp.zeros(3)
        for i in range(3):
            total = 0.0
            for o in range(3):
                total = total + back[i] * jacobian[o, i]
            dz = dz.at[i].set(total)
        return {"w": jnp.outer(x, dz)}

    w, x, y = normals(getkey, (4, 3), (4,), (3,))
    report = check(loss, grads, {"w": w}, x, jax.nn.softmax(y))
    assert report.findings[0].cause == "zero-gradient"
    assert "zero but for rounding" in report.findings[0].message


def test_a_penalty_that_is_taken_off_the_first_row_for_the_first_column(getkey):
    def loss(params, x, y):
        ones = jnp.ones((len(x), 1))
        error = jnp.concatenate([ones, x], axis=1) @ params["theta"].T - y
        return 0.5 * jnp.sum(error**2) / len(x) + 0.25 * jnp.sum(params["theta"][:, 1:] ** 2)

    def grads(params, x, y):
        theta, d = params["theta"], jnp.concatenate([jnp.ones((len(x), 1)), x], axis=1)
        grad = (d @ theta.T - y).T @ d / len(x) + 0.5 * theta
        grad = grad.at[0].set(grad[0] - 0.5 * theta[0])
        return {"theta": grad}

    theta, x, y = normals(getkey, (4, 6), (7, 5), (7, 4))
    found = said(loss, grads, {"theta": theta}, x, y)
    assert found == [("wrong-regularization", "grad = grad.at[0].set(grad[0] - 0.5 * theta[0])")]


def test_a_penalty_with_a_factor_of_zero_is_lacking(getkey):
    def loss(params, x, y):
        return 0.5 * jnp.sum((jnp.tanh(x @ params["w1"]) @ params["w2"] - y) ** 2) + 0.15 * sum(
            jnp.sum(w**2) for w in params.values()
        )

    def backward(d, a, w, lam=0.0):
        dw = a.T @ d + lam * w
        return dw, d @ w.T

    def grads(params, x, y):
        a = jnp.tanh(x @ params["w1"])
        dw2, da = backward(a @ params["w2"] - y, a, params["w2"])
        dw1, _ = backward(da * (1 - a**2), x, params["w1"], lam=0.3)
        return {"w1": dw1, "w2": dw2}

    w1, w2, x, y = normals(getkey, (4, 5), (5, 3), (8, 4), (8, 3))
    found = said(loss, grads, {"w1": w1, "w2": w2}, x, y)
    assert found == [("missing-regularization", 'dw2, da = backward(a @ params["w2"] - y, a, params["w2"])')]


def test_one_number_made_of_all_parameters_is_no_gradient_of_their_penalty(getkey):
    def loss(params, x, y):
        return _logistic(params, x, y) + 0.5 * jnp.sum(params["w"] ** 2) + 0 * params["b"]

    def grads(params, x, y):
        error = jax.nn.sigmoid(x @ params["w"]) - y
        dw = x.T @ error + jnp.sum(params["w"]) + params["b"]
        return {"w": dw, "b": jnp.zeros_like(params["b"])}

    w, b, x, y = normals(getkey, (4,), (), (9, 4), (9,))
    found = said(loss, grads, {"w": w, "b": b}, x, (y > 0).astype(y.dtype))
    assert found == [("wrong-regularization", 'dw = x.T @ error + jnp.sum(params["w"]) + params["b"]')]


def test_a_penalty_of_the_gradient_itself_is_no_penalty_of_the_parameter(getkey):
    def loss(params, x, y, lam, of_signs):
        penalty = lam / 2 * jnp.sum(params["w"] ** 2) + of_signs * jnp.sum(jnp.abs(params["w"]))
        return 0.5 * jnp.sum((x @ params["w"] - y) ** 2) + penalty

    def grads(params, x, y, lam, of_signs):
        g = x.T @ (x @ params["w"] - y)
        g += lam * g + of_signs * jnp.sign(g)
        return {"w": g}

    w, x, y = normals(getkey, (4, 2), (7, 4), (7, 2))
    found = said(loss, grads, {"w": w}, x, y, jnp.asarray(0.3), jnp.asarray(0.2))
    assert found == [("wrong-regularization", "g += lam * g + of_signs * jnp.sign(g)")]


def logistic(z):
    return 1 / (1 + jnp.exp(-z))


def test_a_slope_at_the_other_side_is_told_where_it_is_taken(getkey):
    def loss(params, u, i, j):
        b, users, items = params["b"], params["users"], params["items"]
        penalty = 0.1 * (b[i] ** 2 + b[j] ** 2) + 0.2 * jnp.sum(users[u] ** 2)
        return -jax.nn.log_sigmoid(b[i] - b[j] + users[u] @ (items[i] - items[j])) + 0.5 * penalty

    def grads(params, u, i, j):
        b, users, items = params["b"], params["users"], params["items"]
        x = b[i] - b[j] + users[u] @ (items[i] - items[j])
        z = logistic(x)
        d = z - 0.1 * b[i]
        db = jnp.zeros_like(b).at[i].add(d)
        d = -z - 0.1 * b[j]
        db = db.at[j].add(d)
        d = (items[i] - items[j]) * z - 0.2 * users[u]
        du = jnp.zeros_like(users).at[u].add(d)
        users = users.at[u].add(0.05 * d)
        d = users[u] * z
        dv = jnp.zeros_like(items).at[i].add(d)
        dv = dv.at[j].add(-users[u] * z)
        return {"b": -db, "users": -du, "items": -dv}

    b, users, items = normals(getkey, (5,), (4, 3), (5, 3))
    found = said(loss, grads, {"b": b, "users": users, "items": items}, *map(jnp.asarray, (2, 1, 4)))
    assert found[0] == ("wrong-activation-derivative", "z = logistic(x)")
