"""The diagnosis of what stands beside something right: one term of a sum, one call of a helper, one index."""

import jax
import jax.numpy as jnp
import pytest

from jaxmlp import check

from ...helpers import normal
from .findings import first, normals, said


@pytest.fixture
def linear(getkey):
    keys = jax.random.split(getkey(), 3)
    return {"w": normal(keys[0], (3, 4))}, normal(keys[1], (5, 3)), keys[2]


def deviation(z, eps):
    centred = z - z.mean(axis=-1, keepdims=True)
    scale = 1 / jnp.sqrt((centred**2).mean(axis=-1, keepdims=True) + eps)
    return centred, scale


def normed(params, x, y):
    centred, scale = deviation(x @ params["w"], 1e-3)
    return jnp.sum((centred * scale - y) ** 2)


def test_axes_that_are_wrong_in_two_sums(linear):
    params, x, key = linear
    x = x[1:]  # as many examples as features

    def grads(params, x, y):
        centred, scale = deviation(x @ params["w"], 1e-3)
        n = centred * scale
        dn = 2 * (n - y)
        inner = dn - jnp.mean(dn, 0, keepdims=True) - n * jnp.mean(dn * n, 0, keepdims=True)
        return {"w": x.T @ (inner * scale)}

    cause, line = first(check(normed, grads, params, x, normal(key, (4, 4))))
    assert cause == "wrong-reduction-axis" and line.startswith("inner =")


def test_an_epsilon_in_one_of_two_calls(linear):
    params, x, key = linear

    def grads(params, x, y):
        centred, scale = deviation(x @ params["w"], 1e-3)
        dn = 2 * (centred * scale - y)
        centred, scale = deviation(x @ params["w"], 1e-5)
        n = centred * scale
        dz = scale * (dn - dn.mean(-1, keepdims=True) - n * (dn * n).mean(-1, keepdims=True))
        return {"w": x.T @ dz}

    found = first(check(normed, grads, params, x, normal(key, (5, 4))))
    assert found == ("epsilon", 'centred, scale = deviation(x @ params["w"], 1e-5)')


def test_a_mask_in_a_term(linear):
    params, x, key = linear

    def loss(params, x, y):
        e = x @ params["w"] - y
        return jnp.mean(jnp.where(jnp.abs(e) <= 1, 0.5 * e**2, jnp.abs(e) - 0.5))

    def grads(params, x, y):
        e = x @ params["w"] - y
        near = jnp.where(jnp.abs(e) <= 1, e, 0)
        far = jnp.where(e > 1, jnp.sign(e), 0)
        de = near + far
        return {"w": x.T @ (de / e.size)}

    found = first(check(loss, grads, params, x, 2 * normal(key, (5, 4))))
    assert found == ("wrong-mask", "far = jnp.where(e > 1, jnp.sign(e), 0)")


def test_a_term_that_lacks_what_came_in(linear):
    params, x, key = linear

    def loss(params, x, y, weight):
        return -jnp.sum(weight[:, None] * y * jax.nn.log_softmax(x @ params["w"]))

    def grads(params, x, y, weight):
        z = x @ params["w"]
        dlog = -weight[:, None] * y
        dz = dlog + jnp.exp(jax.nn.log_softmax(z))
        return {"w": x.T @ dz}

    y = jax.nn.one_hot(jnp.array([0, 3, 1, 2, 2]), 4, dtype=x.dtype)
    found = first(check(loss, grads, params, x, y, jnp.exp(normal(key, (5,)))))
    assert found == ("missing-upstream", "dz = dlog + jnp.exp(jax.nn.log_softmax(z))")


def test_a_method_that_keeps_what_it_computes(linear):
    params, x, key = linear

    class Layer:
        def forward(self, x, w):
            self.x, self.z = x, x @ w
            self.a = jnp.tanh(self.z)
            return self.a

        def backward(self, da):
            back = 1 - jnp.tanh(self.a) ** 2
            self.dz = da * back

    def grads(params, x, y):
        layer = Layer()
        da = layer.forward(x, params["w"]) - y
        layer.backward(da)
        return {"w": layer.x.T @ layer.dz}

    def loss(params, x, y):
        return 0.5 * jnp.sum((jnp.tanh(x @ params["w"]) - y) ** 2)

    cause, line = first(check(loss, grads, params, x, normal(key, (5, 4))))
    assert cause == "wrong-activation-derivative" and line == "back = 1 - jnp.tanh(self.a) ** 2"


def test_a_row_that_was_moved_before_it_is_used(getkey):
    keys = jax.random.split(getkey(), 2)
    params = {"p": normal(keys[0], (4, 3)), "q": normal(keys[1], (5, 3))}

    def loss(params, u, i):
        return 0.5 * (params["p"][u] @ params["q"][i] - 2) ** 2

    def grads(params, u, i):
        p, q = params["p"], params["q"]
        e = p[u] @ q[i] - 2
        dp = e * q[i]
        p = p.at[u].add(-0.1 * dp)
        dq = e * p[u]
        return {"p": jnp.zeros_like(p).at[u].set(dp), "q": jnp.zeros_like(q).at[i].set(dq)}

    assert first(check(loss, grads, params, 1, 2))[0] == "stale-weights"


def test_a_path_that_is_missing_in_every_step(getkey):
    keys = jax.random.split(getkey(), 3)
    params = {"u": 0.5 * normal(keys[0], (3, 3)), "v": 0.5 * normal(keys[1], (3, 3))}

    def loss(params, xs):
        s, total = jnp.zeros(3), 0.0
        for x in xs:
            s = x + jnp.tanh(params["u"] @ s) * jnp.cos(params["v"] @ s)
            total = total + 0.5 * jnp.sum(s**2)
        return total

    def grads(params, xs):
        u, v = params["u"], params["v"]
        s, steps = jnp.zeros(3), []
        for x in xs:
            a, b = jnp.tanh(u @ s), v @ s
            steps.append((s, a, b))
            s = x + a * jnp.cos(b)
            steps[-1] += (s,)
        carry, du, dv = jnp.zeros(3), 0.0 * u, 0.0 * v
        for s, a, b, new in reversed(steps):
            ds = new + carry
            da = ds * jnp.cos(b) * (1 - a**2)
            db = -ds * a * jnp.sin(b)
            du = du + jnp.outer(da, s)
            dv = dv + jnp.outer(db, s)
            carry = u.T @ da
        return {"u": du, "v": dv}

    found = first(check(loss, grads, params, normal(keys[2], (4, 3))))
    assert found == ("missing-term", "carry = u.T @ da")


def test_a_slope_too_many_in_one_run_of_a_loop(getkey):
    keys = jax.random.split(getkey(), 5)
    params = {f"w{n}": normal(keys[n], (3, 3)) for n in range(3)}

    def loss(params, x, y):
        for n in range(3):
            x = jnp.tanh(x @ params[f"w{n}"])
        return jnp.sum((x - y) ** 2) / 2

    def grads(params, x, y):
        outs = [x]
        for n in range(3):
            outs.append(jnp.tanh(outs[-1] @ params[f"w{n}"]))
        e = (outs[3] - y) * (1 - outs[3] ** 2)
        found = {}
        for n in (2, 1, 0):
            d = e * (1 - outs[n + 1] ** 2)
            found[f"w{n}"] = outs[n].T @ d
            e = d @ params[f"w{n}"].T
        return found

    cause, line = first(check(loss, grads, params, *(normal(key, (4, 3)) for key in keys[3:])))
    assert cause == "extra-activation-derivative" and line.startswith(("e =", "d ="))


def test_another_value_of_the_loss_as_a_factor_in_every_run(getkey):
    keys = jax.random.split(getkey(), 3)
    params = {"wf": normal(keys[0], (3, 4)), "wi": normal(keys[1], (3, 4))}

    def gated(params, x, c):
        return jax.nn.sigmoid(x @ params["wf"]), jnp.tanh(x @ params["wi"])

    def loss(params, x, y):
        c = jnp.ones((2, 4))
        for t in range(3):
            f, i = gated(params, x[t], c)
            c = f * c + i
        return jnp.sum((c - y) ** 2) / 2

    def step_back(dc, x, c, f, i):
        new = f * c + i
        df = dc * new
        return dc * f, {"wf": x.T @ (df * f * (1 - f)), "wi": x.T @ (dc * (1 - i**2))}

    def grads(params, x, y):
        c, kept = jnp.ones((2, 4)), []
        for t in range(3):
            f, i = gated(params, x[t], c)
            kept.append((x[t], c, f, i))
            c = f * c + i
        dc, total = c - y, jax.tree.map(jnp.zeros_like, params)
        for t in (2, 1, 0):
            dc, found = step_back(dc, *kept[t])
            total = jax.tree.map(jnp.add, total, found)
        return total

    cause, line = first(check(loss, grads, params, normal(keys[2], (3, 2, 3)), jnp.zeros((2, 4))))
    assert cause == "wrong-operand" and line == "df = dc * new"


def test_a_term_too_many_beside_a_penalty_on_what_has_none(getkey):
    def loss(params, x, y):
        penalty = 0.3 * jnp.sum(params["theta"][1:] ** 2)
        return (jnp.sum((x @ params["theta"] - y) ** 2) + penalty) / (2 * len(x))

    def grads(params, x, y):
        delta = (x @ params["theta"] - y) / len(x)
        step = x.T @ delta + 0.3 * params["theta"] / len(x)
        step = step.at[0].add(x[:, 0] @ delta)
        return {"theta": step}

    theta, x, y = (normal(getkey(), shape) for shape in ((4,), (7, 4), (7,)))
    report = check(loss, grads, {"theta": theta}, x, y)
    assert [finding.cause for finding in report.findings] == ["double-counted-term", "wrong-regularization"]
    assert first(report)[1] == "step = step.at[0].add(x[:, 0] @ delta)"


def test_a_penalty_that_loses_the_sign_of_the_weights(getkey):
    def loss(params, x, y):
        return jnp.mean((x @ params["w"] - y) ** 2) + 0.05 * jnp.sum(jnp.abs(params["w"]))

    def grads(params, x, y):
        dw = x.T @ (2 * (x @ params["w"] - y) / y.size)
        ones = jnp.where(params["w"] == 0, 0.0, 1.0).astype(x.dtype)
        return {"w": dw + 0.05 * ones}

    w, x, y = (normal(getkey(), shape) for shape in ((4, 1), (7, 4), (7, 1)))
    assert first(check(loss, grads, {"w": w}, x, y))[0] == "wrong-regularization"


def test_axes_that_are_wrong_in_the_sums_of_two_lines(linear):
    params, x, key = linear

    def grads(params, x, y):
        centred, scale = deviation(x @ params["w"], 1e-3)
        n = centred * scale
        dn = 2 * (n - y)
        mean = jnp.sum(dn) / 4
        along = jnp.sum(dn * n) / 4
        return {"w": x.T @ (scale * (dn - mean - n * along))}

    assert said(normed, grads, params, x, normal(key, (5, 4))) == [
        ("wrong-reduction-axis", "mean = jnp.sum(dn) / 4"),
        ("wrong-reduction-axis", "along = jnp.sum(dn * n) / 4"),
    ]


def test_a_gradient_that_overwrites_what_another_use_has_sent_back(linear):
    def loss(params, x, y):
        h = jnp.tanh(x @ params["w"])
        return jnp.sum((h - y) ** 2) / 2 + jnp.sum((h.T @ x) ** 2) / 2

    def grads(params, x, y):
        h = jnp.tanh(x @ params["w"])
        d = h - y
        product = h.T @ x
        back = product @ x.T
        d = back.T
        dz = d * (1 - h**2)
        return {"w": x.T @ dz}

    params, x, key = linear
    report = check(loss, grads, params, x, normal(key, (5, 4)))
    assert first(report) == ("missing-term", "d = back.T")
    assert "takes the place of what the same name held before" in report.findings[0].message


def test_a_value_of_the_forward_pass_that_lacks_a_term_is_the_term_of_the_loss_that_it_is(getkey):
    def loss(params, x, before):
        gate, new = jax.nn.sigmoid(x @ params["g"]), jnp.tanh(x @ params["n"])
        state = gate * before + (1 - gate) * new
        return jnp.sum(jnp.tanh(state))

    def grads(params, x, before):
        gate, new = jax.nn.sigmoid(x @ params["g"]), jnp.tanh(x @ params["n"])
        state = (1 - gate) * new
        out = jnp.tanh(state)
        d_state = 1 - out**2
        d_gate = d_state * (before - new) * gate * (1 - gate)
        d_new = d_state * (1 - gate) * (1 - new**2)
        return {"g": x.T @ d_gate, "n": x.T @ d_new}

    g, n, x, before = normals(getkey, (3, 4), (3, 4), (5, 3), (5, 4))
    assert said(loss, grads, {"g": g, "n": n}, x, before) == [("wrong-forward", "state = (1 - gate) * new")]


def test_a_sum_over_the_wrong_axis_is_wrong_though_what_follows_has_another_shape(getkey):
    def loss(params, x, y):
        return 0.5 * jnp.sum((y - jax.nn.sigmoid(x @ params["w"] + params["b"]) @ params["v"]) ** 2)

    def grads(params, x, y):
        h = jax.nn.sigmoid(x @ params["w"] + params["b"])
        d = h @ params["v"] - y
        parts = params["v"] * d[None, :] * (h * (1 - h))[:, None]
        dh = jnp.sum(parts, axis=0)
        return {"w": jnp.outer(x, dh), "b": dh, "v": jnp.outer(h, d)}

    w, b, v, x, y = normals(getkey, (5, 4), (4,), (4, 3), (5,), (3,))
    assert said(loss, grads, {"w": w, "b": b, "v": v}, x, y) == [
        ("wrong-reduction-axis", "dh = jnp.sum(parts, axis=0)")
    ]


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_penalty_of_the_wrong_sign_beside_a_slope_that_is_missing_are_two_mistakes(sign, getkey):
    def loss(params, x, y, strength):
        error = jax.nn.sigmoid(x @ params["w"]) - y
        return (jnp.sum(error**2) + strength * jnp.sum(params["w"] ** 2)) / (2 * len(x))

    def grads(params, x, y, strength):
        w, m = params["w"], len(x)
        error = jax.nn.sigmoid(x @ w) - y
        step = x.T @ error / m
        step = step + sign * strength / m * w
        return {"w": step}

    w, x, y = normals(getkey, (4,), (9, 4), (9,))
    slope = ("missing-activation-derivative", "step = x.T @ error / m")
    penalty = ("wrong-regularization", "step = step + sign * strength / m * w")
    found = said(loss, grads, {"w": w}, x, y, jnp.asarray(0.7))
    assert found == ([slope] if sign > 0 else [penalty, slope])


def test_a_parameter_in_the_place_of_what_it_multiplies_is_no_penalty(getkey):
    def loss(params, xs, y):
        return sum(0.5 * jnp.sum(((params["scale"] * jnp.tanh(x)) @ params["w"] - y) ** 2) for x in xs)

    def grads(params, xs, y):
        total = {name: jnp.zeros_like(value) for name, value in params.items()}
        for x in xs:
            h = jnp.tanh(x)
            out = params["scale"] * h
            d = out @ params["w"] - y
            dout = d @ params["w"].T
            total["w"] += out.T @ d
            total["scale"] += dout * params["scale"]
        return total

    scale, w, xs, y = normals(getkey, (1, 4), (4, 2), (3, 1, 4), (1, 2))
    found = said(loss, grads, {"scale": scale, "w": w}, xs, y)
    assert found == [("wrong-operand", 'total["scale"] += dout * params["scale"]')]


def test_the_gradient_of_another_term_is_added(getkey):
    def loss(params, x, which, weight):
        logs = jax.nn.log_softmax(x @ params["w"])
        entropy = jnp.sum(jnp.exp(logs) * logs, axis=1)
        return jnp.mean(-weight * logs[jnp.arange(len(x)), which] + 0.5 * entropy)

    def grads(params, x, which, weight):
        total = jnp.zeros_like(params["w"])
        for n in range(len(x)):
            p = jax.nn.softmax(x[n] @ params["w"])
            d = (p - jax.nn.one_hot(which[n], 3)) * weight[n]
            d = d + 0.5 * (p - 1 / 3)
            total = total + jnp.outer(x[n], d)
        return {"w": total / len(x)}

    w, x, weight = normals(getkey, (4, 3), (5, 4), (5,))
    found = said(loss, grads, {"w": w}, x, jnp.asarray([0, 2, 1, 1, 0]), weight)
    assert found == [("loss-mismatch", "d = d + 0.5 * (p - 1 / 3)")]


def test_a_penalty_of_the_parameters_in_the_place_of_one_of_their_products(getkey):
    def loss(params, kernel, y):
        s = kernel @ params["a"]
        return 0.5 * params["a"] @ s + jnp.sum(jax.nn.relu(1 - y * s))

    def grads(params, kernel, y):
        a, total = params["a"], jnp.zeros_like(params["a"])
        margins = 1 - y * (kernel @ a)
        for n in range(len(y)):
            total = total + jnp.where(margins[n] > 0, a - y[n] * kernel[n], a)
        return {"a": total / len(y)}

    a, points = normals(getkey, (7,), (7, 2))
    kernel = jnp.exp(-jnp.sum((points[:, None] - points[None]) ** 2, axis=2))
    found = said(loss, grads, {"a": a}, kernel, jnp.asarray([1.0, -1, 1, 1, -1, -1, 1]))
    line = "total = total + jnp.where(margins[n] > 0, a - y[n] * kernel[n], a)"
    assert found == [("wrong-regularization", line), ("scale-batch", line)]


def test_a_term_that_lacks_the_error_where_the_error_is_zero(getkey):
    def loss(params, x, y):
        return 0.5 * jnp.sum((jnp.max(jax.nn.elu(x * params["w"]), axis=0) - y) ** 2)

    def grads(params, x, y):
        z = x * params["w"]
        a = jax.nn.elu(z)
        top = jnp.max(a, axis=0, keepdims=True)
        d = jnp.where(a == top, top - y[None], 0)
        dz = d * jnp.where(z > 0, 1, 0) + jnp.where(z <= 0, jnp.exp(z), 0)
        return {"w": jnp.sum(x * dz, axis=0, keepdims=True)}

    [x] = normals(getkey, (5, 3))
    x = x.at[0].set(2)
    w, y = jnp.asarray([[0.7, 0.9, 1.1]]), jnp.asarray([0.1, 0.3, 0.2])
    line = "dz = d * jnp.where(z > 0, 1, 0) + jnp.where(z <= 0, jnp.exp(z), 0)"
    assert said(loss, grads, {"w": w}, x, y) == [("missing-upstream", line)]


def test_an_error_of_which_one_number_is_sent_back(getkey):
    def loss(params, x, y):
        return 0.5 * (jnp.sum(x @ params["u"] @ params["v"] @ params["w"]) - y) ** 2

    def grads(params, x, y):
        h = x @ params["u"]
        k = h @ params["v"]
        d = k @ params["w"] - y
        dk = jnp.sum(d * params["w"])
        dh = jnp.sum(dk * params["v"])
        return {
            "u": jnp.outer(x, dh * jnp.ones(4)),
            "v": jnp.outer(jnp.sum(h) * jnp.ones(4), dk * jnp.ones(4)),
            "w": k * d,
        }

    u, v, w, x = normals(getkey, (3, 4), (4, 4), (4,), (3,))
    found = said(loss, grads, {"u": u, "v": v, "w": w}, x, jnp.asarray(0.6))
    assert found[0] == ("wrong-reduction-axis", 'dk = jnp.sum(d * params["w"])')


def test_half_of_the_error_beside_the_penalty_of_another_norm(getkey):
    def loss(params, rating, beta):
        p, q = params["p"], params["q"]
        return (rating - p @ q) ** 2 + beta * (jnp.sqrt(jnp.sum(p**2)) + jnp.sqrt(jnp.sum(q**2)))

    def grads(params, rating, beta):
        p, q = params["p"], params["q"]
        dp, dq, error = jnp.zeros_like(p), jnp.zeros_like(q), rating - p @ q
        for k in range(len(p)):
            dp = dp.at[k].set(beta * p[k] - error * q[k])
            dq = dq.at[k].set(beta * q[k] / jnp.sqrt(jnp.sum(q**2)) - 2 * error * p[k])
        return {"p": dp, "q": dq}

    p, q = normals(getkey, (4,), (4,))
    line = "dp = dp.at[k].set(beta * p[k] - error * q[k])"
    found = said(loss, grads, {"p": p, "q": q}, jnp.asarray(4.0), jnp.asarray(0.1))
    assert found == [("wrong-regularization", line), ("scale-constant", line)]


def of_channels(params, x, y):
    z = jnp.einsum("fc,nchw->nfhw", params["w"], x)
    centred = z - jnp.mean(z, (0, 2, 3), keepdims=True)
    normal = centred / jnp.sqrt(jnp.mean(centred**2, (0, 2, 3), keepdims=True) + 1e-5)
    return 0.5 * jnp.sum((normal - y) ** 2)


@pytest.mark.parametrize("count, cause", [(4, "scale-constant"), (4 * 6 * 4, "scale-batch")])
def test_a_count_that_is_wrong_in_two_terms_of_a_sum(getkey, count, cause):
    def grads(params, x, y):
        axes = (0, 2, 3)
        z = jnp.einsum("fc,nchw->nfhw", params["w"], x)
        centred = z - jnp.mean(z, axes, keepdims=True)
        scale = 1 / jnp.sqrt(jnp.mean(centred**2, axes, keepdims=True) + 1e-5)
        d = centred * scale - y
        dvar = jnp.sum(d * centred, axes, keepdims=True) * -0.5 * scale**3
        dmean = -scale * jnp.sum(d, axes, keepdims=True)
        dz = d * scale + dvar * centred * (2.0 / count) + dmean * (1.0 / count)
        return {"w": jnp.einsum("nfhw,nchw->fc", dz, x)}

    w, x, y = normals(getkey, (3, 5), (4, 5, 2, 3), (4, 3, 2, 3))
    report = check(of_channels, grads, {"w": w}, x, y)
    assert first(report) == (cause, "dz = d * scale + dvar * centred * (2.0 / count) + dmean * (1.0 / count)")
    assert report.findings[0].factor == 24 / count


def test_a_cotangent_of_one_of_many_terms_lacks_the_others(getkey):
    """The log-variance of a variational autoencoder, which the reconstruction has a gradient by as well."""

    def loss(params, x, noise):
        mean, log_variance = x @ params["m"], x @ params["v"]
        z = mean + jnp.exp(0.5 * log_variance) * noise
        rebuilt = jnp.sum((jax.nn.sigmoid(z @ params["d"]) - x) ** 2, axis=1)
        return jnp.mean(rebuilt - 0.05 * jnp.sum(1 + log_variance - mean**2 - jnp.exp(log_variance), axis=1))

    def grads(params, x, noise):
        mean, log_variance = x @ params["m"], x @ params["v"]
        z = mean + jnp.exp(0.5 * log_variance) * noise
        out = jax.nn.sigmoid(z @ params["d"])
        d_out = 2 * (out - x) * out * (1 - out) / len(x)
        d_mean = d_out @ params["d"].T + 0.1 * mean / len(x)
        d_log_variance = 0.05 * (jnp.exp(log_variance) - 1) / len(x)
        return {"m": x.T @ d_mean, "v": x.T @ d_log_variance, "d": z.T @ d_out}

    m, v, d, x, noise = normals(getkey, (5, 2), (5, 2), (2, 5), (7, 5), (7, 2))
    found = said(loss, grads, {"m": 0.5 * m, "v": 0.3 * v, "d": d}, x, noise)
    assert found == [("missing-term", "d_log_variance = 0.05 * (jnp.exp(log_variance) - 1) / len(x)")]
