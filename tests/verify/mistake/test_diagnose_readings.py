"""The diagnosis where several readings of a correction are at hand: a sign, a batch, an upstream gradient, an order."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxmlp import check

from .findings import named, normals


def test_a_sign_that_is_lost_for_some_examples(getkey):
    def loss(params, x, y):
        score = jnp.tanh(x @ params["w"])
        return jnp.mean(jnp.where(y > 0, 1 - score, score) * jnp.abs(y))

    def grads(params, x, y):
        score = jnp.tanh(x @ params["w"])
        factor = jnp.where(y == 0, 0.0, 1.0) * jnp.abs(y) / len(y)
        return {"w": x.T @ (factor * (1 - score**2))}

    w, x, y = normals(getkey, (3,), (6, 3), (6,))
    assert named(check(loss, grads, {"w": w}, x, y)) == [
        ("sign", "factor = jnp.where(y == 0, 0.0, 1.0) * jnp.abs(y) / len(y)")
    ]


def test_a_minibatch_is_a_batch_too(getkey):
    def loss(params, x, y):
        errors = (x @ params["w"] - y) ** 2
        return sum(jnp.mean(errors[i : i + 5]) for i in range(0, len(x), 5))

    def grads(params, x, y):
        total = jnp.zeros_like(params["w"])
        for i in range(0, len(x), 5):
            xs, ys = x[i : i + 5], y[i : i + 5]
            step = 2 * xs.T @ (xs @ params["w"] - ys)
            total = total + step
        return {"w": total}

    w, x, y = normals(getkey, (3, 1), (15, 3), (15, 1))
    assert named(check(loss, grads, {"w": w}, x, y)) == [("scale-batch", 'step = 2 * xs.T @ (xs @ params["w"] - ys)')]


def test_an_upstream_gradient_that_is_overwritten_at_one_place(getkey):
    def loss(params, x):
        z = x @ params["w"]
        z = z.at[0, 1].set(jnp.sin(2 * z[0, 1]))
        return jnp.sum(jnp.tanh(z) ** 2)

    def grads(params, x):
        z = x @ params["w"]
        out = jnp.tanh(z.at[0, 1].set(jnp.sin(2 * z[0, 1])))
        dz = 2 * out * (1 - out**2)
        arrived = dz[0, 1]
        slope = 2 * jnp.cos(2 * z[0, 1])
        dz = dz.at[0, 1].set(jnp.where(arrived == 0, arrived, slope))
        return {"w": x.T @ dz}

    w, x = normals(getkey, (3, 2), (4, 3))
    line = "dz = dz.at[0, 1].set(jnp.where(arrived == 0, arrived, slope))"
    assert named(check(loss, grads, {"w": w}, x)) == [("missing-upstream", line)]


def correlated(a, b):
    return jnp.stack([jnp.sum(a[i : i + len(b)] * b) for i in range(len(a) - len(b) + 1)])


def test_a_kernel_gradient_in_reverse_order(getkey):
    def loss(params, x, y):
        return jnp.sum((correlated(x, params["k"][::-1]) - y) ** 2) / 2

    def grads(params, x, y):
        error = correlated(x, params["k"][::-1]) - y
        dk = correlated(x, error)
        return {"k": dk}

    k, x, y = normals(getkey, (3,), (7,), (5,))
    report = check(loss, grads, {"k": k}, x, y)
    assert named(report) == [("transposed", "dk = correlated(x, error)")]
    assert "in reverse order along axis 0" in report.findings[0].message


def test_a_threshold_that_forgets_the_other_side(getkey):
    def loss(params, x, y):
        r = x @ params["w"] - y
        return jnp.sum(jnp.where(jnp.abs(r) <= 0.5, r**2 / 2, 0.5 * jnp.abs(r) - 0.125))

    def grads(params, x, y):
        r = x @ params["w"] - y
        slope = jnp.where(r <= 0.5, r, 0.5 * r)
        return {"w": x.T @ slope}

    w, x, y = normals(getkey, (3,), (12, 3), (12,))
    assert named(check(loss, grads, {"w": w}, x, y)) == [("wrong-mask", "slope = jnp.where(r <= 0.5, r, 0.5 * r)")]


def test_a_product_that_goes_on_from_one_feature_to_the_next(getkey):
    def loss(params, x, y):
        return jnp.sum(jnp.logaddexp(0.0, x @ params["w"]) - y * (x @ params["w"]))

    def grads(params, x, y):
        total = jnp.zeros_like(params["w"])
        for n in range(len(x)):
            delta = jax.nn.sigmoid(x[n] @ params["w"]) - y[n]
            for i in range(x.shape[1]):
                delta = delta * x[n, i]
                total = total.at[i].add(delta)
        return {"w": total}

    w, x = normals(getkey, (3,), (4, 3))
    report = check(loss, grads, {"w": w}, x, jnp.asarray([0.0, 1.0, 1.0, 0.0], x.dtype))
    assert named(report) == [("wrong-operand", "delta = delta * x[n, i]")]
    assert "the value before the loop" in report.findings[0].message


def test_the_output_where_its_sigmoid_belongs_in_the_derivative_of_a_loss(getkey):
    def loss(params, x, y):
        z = jnp.tanh(x @ params["w"]) @ params["v"]
        return jnp.sum(jnp.logaddexp(0.0, z) - y * z)

    def grads(params, x, y):
        h = jnp.tanh(x @ params["w"])
        out = h @ params["v"]
        p = jax.nn.sigmoid(out)
        dz = ((1 - y) / (1 - out) - y / out) * p * (1 - p)
        return {"w": x.T @ ((dz @ params["v"].T) * (1 - h**2)), "v": h.T @ dz}

    w, v, x = normals(getkey, (3, 4), (4, 1), (6, 3))
    y = jnp.asarray([[0.0], [1.0], [1.0], [0.0], [1.0], [0.0]], x.dtype)
    assert named(check(loss, grads, {"w": w, "v": v}, x, y)) == [
        ("wrong-operand", "dz = ((1 - y) / (1 - out) - y / out) * p * (1 - p)")
    ]


def test_the_slope_of_a_sigmoid_after_an_error_that_has_it(getkey):
    def loss(params, x, y, weight):
        z = x @ params["w"]
        return jnp.sum(weight * (jnp.logaddexp(0.0, z) - y * z)) / 3

    def grads(params, x, y, weight):
        p = jax.nn.sigmoid(x @ params["w"])
        error = weight * (p - y) / 3
        dz = error * p * (1 - p)
        return {"w": x.T @ dz}

    w, x = normals(getkey, (3, 2), (4, 3))
    y, weight = jnp.asarray(np.eye(2)[[0, 1, 1, 0]], x.dtype), jnp.asarray([[1.0], [0.0], [1.0], [1.0]], x.dtype)
    report = check(loss, grads, {"w": w}, x, y, weight)
    assert named(report) == [("extra-activation-derivative", "dz = error * p * (1 - p)")]


def test_the_other_sign_of_a_cotangent_beside_another_mistake(getkey):
    def loss(params, x):
        z = x @ params["w"]
        z = (z - jnp.mean(z, axis=0, keepdims=True)) / jnp.sqrt(jnp.var(z, axis=0, keepdims=True) + 1e-3)
        return jnp.sum(jnp.sin(z))

    def grads(params, x):
        z = x @ params["w"]
        n = len(z)
        centred = z - jnp.mean(z, axis=0, keepdims=True)
        inverse = 1 / jnp.sqrt(jnp.mean(centred**2, axis=0, keepdims=True) + 1e-3)
        dout = jnp.cos(centred * inverse)
        dvar = jnp.sum(dout * centred, axis=0, keepdims=True) * inverse**3 / 2
        dz = dout * inverse + 2 * centred * dvar / n
        dz = dz - jnp.sum(dout * inverse, axis=0, keepdims=True)
        return {"w": x.T @ dz}

    w, x = normals(getkey, (3, 2), (5, 3))
    cause, line = named(check(loss, grads, {"w": w}, x))[0]
    assert (cause, line) == ("sign", "dvar = jnp.sum(dout * centred, axis=0, keepdims=True) * inverse**3 / 2")


def test_a_number_that_is_lacking_is_a_factor_and_no_upstream_gradient(getkey):
    def loss(params, x, y):
        scale = 1 / jnp.sqrt(3.0).astype(x.dtype)
        return jnp.sum((jnp.tanh(x @ params["w"] * scale) - y) ** 2)

    def grads(params, x, y):
        scale = 1 / jnp.sqrt(3.0).astype(x.dtype)
        a = jnp.tanh(x @ params["w"] * scale)
        dz = 2 * (a - y) * (1 - a**2)
        dw = jnp.einsum("ni,nj->ij", x, dz)
        return {"w": dw}

    w, x, y = normals(getkey, (3, 2), (5, 3), (5, 2))
    [(cause, _)] = named(check(loss, grads, {"w": w}, x, y))
    assert cause in ("missing-factor", "scale-constant")


def test_a_slope_at_the_output_of_its_square_is_another_slope(getkey):
    def loss(params, x, y):
        return jnp.sum((jax.nn.relu(x @ params["w"]) ** 2 @ params["v"] - y) ** 2)

    def grads(params, x, y):
        act = jax.nn.relu(x @ params["w"]) ** 2
        dout = 2 * (act @ params["v"] - y)
        dact = dout @ params["v"].T
        dpre = 2 * act * dact
        return {"w": x.T @ dpre, "v": act.T @ dout}

    w, v, x, y = normals(getkey, (3, 4), (4, 2), (5, 3), (5, 2))
    [(cause, line)] = named(check(loss, grads, {"w": w, "v": v}, x, y))
    assert cause in ("wrong-activation-derivative", "wrong-operand") and line == "dpre = 2 * act * dact"
