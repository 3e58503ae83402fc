"""The diagnosis where no known value alone puts a leaf right, or where it is right and used in another's place."""

import jax
import jax.numpy as jnp
import pytest

from jaxmlp import check

from .findings import named, normals, said


pytestmark = pytest.mark.long


def cross_entropy(params, xs, ys):
    return -sum(jnp.sum(y * jax.nn.log_softmax(params["v"] @ jnp.tanh(params["w"] @ x))) for x, y in zip(xs, ys))  # noqa: B905


def one_example(params, x, y):
    a = jnp.tanh(params["w"] @ x)
    dz = jax.nn.softmax(params["v"] @ a) - y
    dv = jnp.dot(dz, dz)
    da = params["v"].T @ dz
    return {"w": jnp.outer(da * (1 - a**2), x), "v": dv}


def summed(params, xs, ys):
    total = {name: jnp.zeros_like(leaf) for name, leaf in params.items()}
    for x, y in zip(xs, ys, strict=True):
        for name, value in one_example(params, x, y).items():
            total[name] = total[name] + value
    return total


def test_a_number_that_is_spread_over_a_matrix_is_found_where_it_is_made(getkey):
    w, v, xs = normals(getkey, (4, 3), (2, 4), (5, 3))
    ys = jax.nn.one_hot(jnp.asarray([0, 1, 1, 0, 1]), 2, dtype=xs.dtype)
    assert named(check(cross_entropy, summed, {"w": w, "v": v}, xs, ys)) == [("shape", "dv = jnp.dot(dz, dz)")]


def gate(params, h, x):
    z = jax.nn.sigmoid(x @ params["u"])
    n = jnp.tanh(h @ params["w"] + x)
    return (1 - z) * h + z * n, z, n


def gated(params, xs):
    h = jnp.zeros_like(xs[0])
    for x in xs:
        h, _, _ = gate(params, h, x)
    return jnp.sum(h**2)


def gated_grads(params, xs):
    h, tape = jnp.zeros_like(xs[0]), []
    for x in xs:
        before = h
        h, z, n = gate(params, h, x)
        tape.append((x, before, z, n))
    du, dw = jnp.zeros_like(params["u"]), jnp.zeros_like(params["w"])
    dh = 2 * h
    for x, before, z, n in reversed(tape):
        dn = dh * z * (1 - n * n)
        dz = dh * (n - before) * z * (1 - z)
        dw = dw + before.T @ dn
        du = du + x.T @ dz
        direct = dh * z
        dh = direct + dn @ params["w"].T
    return {"u": du, "w": dw}


def test_the_one_term_of_a_sum_that_is_wrong_is_found_where_it_is_made(getkey):
    u, w, xs = normals(getkey, (3, 3), (3, 3), (4, 5, 3))
    assert named(check(gated, gated_grads, {"u": u, "w": w}, xs)) == [("wrong-operand", "direct = dh * z")]


def squares(params, x, y):
    return jnp.mean(jnp.sum((jnp.tanh(x @ params["w"] + params["b"][None, :]) @ params["v"] - y) ** 2, axis=1))


def hidden(params, x, y):
    a = jnp.tanh(x @ params["w"] + params["b"][None, :])
    return a, 2 * (a @ params["v"] - y) / len(x)


def test_a_value_that_is_used_in_the_place_of_another_is_found_where_it_is_used(getkey):
    w, b, v, x, y = normals(getkey, (3, 4), (4,), (4, 2), (5, 3), (5, 2))

    def grads(params, x, y):
        a, dout = hidden(params, x, y)
        da = dout @ params["v"].T
        dz = da * (1 - a**2)
        del dz
        dw = x.T @ da
        db = da.sum(axis=0)
        return {"w": dw, "b": db, "v": a.T @ dout}

    found = named(check(squares, grads, {"w": w, "b": b, "v": v}, x, y))
    assert found == [(cause, line) for cause, line in found if cause == "missing-activation-derivative"]
    assert [line for _, line in found] == ["dw = x.T @ da", "db = da.sum(axis=0)"]


class Linear:
    def __init__(self, w):
        self.w = w

    def backward(self, dout):
        return dout @ self.w.T


class Kept(Linear):
    def backward(self, dout):
        dx = dout @ self.w.T
        self.seen = dout
        return dx


class Masked:
    def __init__(self, layer, mask):
        self.layer, self.mask = layer, mask

    def backward(self, dout):
        return self.layer.backward(dout)


@pytest.mark.parametrize("layer", (Linear, Kept))
def test_what_a_layer_returns_rightly_is_wrong_where_its_caller_returns_it(getkey, layer):
    w, v, x, y = normals(getkey, (3, 4), (4, 2), (5, 3), (5, 2))
    mask = (jax.random.uniform(getkey(), (5, 4)) > 0.4).astype(x.dtype)

    def loss(params, x, y):
        return 0.5 * jnp.sum(((mask * jnp.tanh(x @ params["w"])) @ params["v"] - y) ** 2)

    def grads(params, x, y):
        a = jnp.tanh(x @ params["w"])
        dout = (mask * a) @ params["v"] - y
        da = Masked(layer(params["v"]), mask).backward(dout)
        return {"w": x.T @ (da * (1 - a**2)), "v": (mask * a).T @ dout}

    [(cause, line)] = named(check(loss, grads, {"w": w, "v": v}, x, y))
    assert line == "return self.layer.backward(dout)" and cause in ("missing-factor", "wrong-mask")


def test_the_gradient_of_another_loss_is_told(getkey):
    w, x, y = normals(getkey, (3, 2), (6, 3), (6, 2))
    y = jnp.sign(y)

    def loss(params, x, y):
        return jnp.sum(jnp.maximum(0, 1 - y * (x @ params["w"])))

    def grads(params, x, y):
        out = x @ params["w"]
        dout = 2 * (out - y)
        return {"w": x.T @ dout}

    report = check(loss, grads, {"w": w}, x, y)
    assert named(report) == [("loss-mismatch", "dout = 2 * (out - y)")]
    assert "sum((out - y)**2)" in report.findings[0].message


def test_a_term_that_enters_before_the_slope_is_missing(getkey):
    w, v, x, y = normals(getkey, (3, 4), (4, 2), (5, 3), (5, 2))

    def loss(params, x, y):
        a = jax.nn.sigmoid(x @ params["w"])
        return jnp.sum((a @ params["v"] - y) ** 2) + jnp.sum(jnp.log(a.mean(axis=0)))

    def grads(params, x, y):
        a = jax.nn.sigmoid(x @ params["w"])
        dout = 2 * (a @ params["v"] - y)
        dz = dout @ params["v"].T * a * (1 - a)
        return {"w": x.T @ dz, "v": a.T @ dout}

    assert named(check(loss, grads, {"w": w, "v": v}, x, y)) == [
        ("missing-term", 'dz = dout @ params["v"].T * a * (1 - a)')
    ]


def test_a_mean_that_is_subtracted_twice_is_not_half_as_large(getkey):
    w, x, y = normals(getkey, (3, 4), (5, 3), (5, 4))

    def loss(params, x, y):
        z = x @ params["w"]
        return jnp.sum((z - z.mean(axis=1, keepdims=True)) ** 3 * y)

    def grads(params, x, y):
        z = x @ params["w"]
        dc = 3 * (z - z.mean(axis=1, keepdims=True)) ** 2 * y
        mean = dc.mean(axis=1, keepdims=True)
        dz = dc - mean
        dz = dz - mean
        return {"w": x.T @ dz}

    [(cause, line)] = named(check(loss, grads, {"w": w}, x, y))
    assert cause == "double-counted-term" and line in ("dz = dc - mean", "dz = dz - mean")


def test_a_sum_of_many_terms_is_looked_through_at_once(getkey):
    w, v = normals(getkey, (4, 3), (5, 3))
    pairs = [(i, j) for i in range(4) for j in range(5)] * 2

    def loss(params):
        total = 0.0
        for i, j in pairs:
            total = total + jnp.tanh(params["w"][i] @ params["v"][j])
        return total

    def grads(params):
        w, v = params["w"], params["v"]
        dw, dv = jnp.zeros_like(w), jnp.zeros_like(v)
        for i, j in pairs[:-1]:
            slope = 1 - jnp.tanh(w[i] @ v[j]) ** 2
            dw = dw.at[i].add(slope * v[j])
            dv = dv.at[j].add(slope * w[i])
        return {"w": dw, "v": dv}

    report = check(loss, grads, {"w": w, "v": v})
    assert report.verdict == "wrong" and report.findings


def squared_sum(params, x, y):
    return 0.5 * jnp.sum((x @ params["w"] + params["b"][None, :] - y) ** 2)


def test_a_leaf_that_only_has_another_name_is_wrong_where_it_gets_that(getkey):
    w, b, v, x, y = normals(getkey, (3, 4), (4,), (4, 4), (5, 3), (5, 4))

    def loss(params, x, y):
        z = x @ params["w"] + params["b"][None, :]
        return 0.5 * jnp.sum((z @ params["v"] + params["c"][None, :] - y) ** 2)

    def grads(params, x, y):
        z = x @ params["w"] + params["b"][None, :]
        dout = z @ params["v"] + params["c"][None, :] - y
        dz = dout @ params["v"].T
        first = dz.sum(axis=0)
        last = dout.sum(axis=0)
        db = first
        dc = first
        del last
        return {"w": x.T @ dz, "b": db, "v": z.T @ dout, "c": dc}

    assert named(check(loss, grads, {"w": w, "b": b, "v": v, "c": b}, x, y)) == [("wrong-operand", "dc = first")]


def test_a_return_in_a_loop_is_where_the_loop_ends_too_early(getkey):
    w, b, x, y = normals(getkey, (3, 4), (4,), (5, 3), (5, 4))

    def by_column(dz, x):
        dw = jnp.zeros((x.shape[1], dz.shape[1]))
        for column in range(dz.shape[1]):
            dw = dw.at[:, column].set(x.T @ dz[:, column])
            return dw

    def grads(params, x, y):
        dz = x @ params["w"] + params["b"][None, :] - y
        return {"w": by_column(dz, x), "b": dz.sum(axis=0)}

    [(_, line)] = named(check(squared_sum, grads, {"w": w, "b": b}, x, y))
    assert line == "return dw"


def test_a_return_in_a_loop_is_wrong_where_another_function_reads_what_it_gives(getkey):
    w, x, y = normals(getkey, (3,), (6,), (2, 2))

    def loss(params, x, y):
        z = jnp.stack([jnp.stack([x[i + j : i + j + 3] @ params["w"] for j in (0, 1)]) for i in (0, 2)])
        return 0.5 * jnp.sum((z - y) ** 2)

    def spread(error):
        flat = jnp.zeros(4)
        for i in range(2):
            for j in range(2):
                flat = flat.at[2 * i + j].set(error[i, j])
            return flat

    def kernel(flat, x):
        dw = jnp.zeros(3)
        for k in range(4):
            dw = dw + flat[k] * x[k : k + 3]
        return dw

    def grads(params, x, y):
        z = jnp.stack([x[k : k + 3] @ params["w"] for k in range(4)])
        return {"w": kernel(spread(z.reshape(2, 2) - y), x)}

    found = named(check(loss, grads, {"w": w}, jnp.append(x, 0.3), y))
    assert found == [("missing-term", "return flat")]


def test_a_product_where_a_sum_belongs_has_a_factor_too_many(getkey):
    w, b, x, y = normals(getkey, (3, 4), (4,), (5, 3), (5, 4))

    def grads(params, x, y):
        dz = x @ params["w"] + params["b"][None, :] - y
        db = dz.T @ x[:, 0]
        return {"w": x.T @ dz, "b": db}

    [(cause, line)] = named(check(squared_sum, grads, {"w": w, "b": b}, x, y))
    assert line == "db = dz.T @ x[:, 0]" and cause in ("extra-factor", "wrong-operand")


def test_an_operand_is_wrong_where_it_gets_the_name_by_which_it_is_read(getkey):
    w, b, v, x, y = normals(getkey, (3, 4), (4,), (4, 2), (5, 3), (5, 2))

    def grads(params, x, y):
        a, dout = hidden(params, x, y)
        da = dout @ params["v"].T
        dz = da * (1 - a**2)
        db = da
        return {"w": x.T @ dz, "b": db.sum(axis=0), "v": a.T @ dout}

    assert named(check(squares, grads, {"w": w, "b": b, "v": v}, x, y)) == [("wrong-operand", "db = da")]


def scaled(x, factors):
    return x * factors


def test_a_weight_that_is_scaled_where_a_product_belongs_is_told_at_the_call(getkey):
    w, b, x, y = normals(getkey, (3, 4), (4,), (1, 3), (1, 4))

    def grads(params, x, y):
        dz = x @ params["w"] + params["b"][None, :] - y
        dw = scaled(params["w"], dz)
        return {"w": dw, "b": dz.sum(axis=0)}

    [(cause, line)] = named(check(squared_sum, grads, {"w": w, "b": b}, x, y))
    assert cause == "wrong-operand" and line == 'dw = scaled(params["w"], dz)'


@pytest.mark.parametrize("one_by_one", (False, True))
def test_an_error_that_goes_back_through_updated_parameters_and_lacks_a_slope_is_wrong_twice(getkey, one_by_one):
    def loss(params, x, y):
        h = jnp.tanh(x @ params["w"])
        return 0.5 * jnp.sum((jnp.tanh(h @ params["v"]) - y) ** 2)

    def grads(params, x, y):
        v = params["v"]
        h = jnp.tanh(x @ params["w"])
        out = jnp.tanh(h @ v)
        error = out - y
        dv = h.T @ (error * (1 - out**2))
        v = v - 0.1 * dv
        dh = error @ v.T
        if one_by_one:
            dh = jnp.stack([sum(v[i, j] * error[:, j] for j in range(2)) for i in range(4)], axis=1)
        return {"w": x.T @ (dh * (1 - h**2)), "v": dv}

    w, v, x, y = normals(getkey, (3, 4), (4, 2), (5, 3), (5, 2))
    report = check(loss, grads, {"w": w, "v": v}, x, y)
    (stale, _), (slope, _) = named(report)
    assert (stale, slope) == ("stale-weights", "missing-activation-derivative")
    assert "uses `v`, which is already updated" in report.findings[0].message


class Pass:
    """A network that keeps what its last pass made."""

    def __init__(self, u, w):
        self.u, self.w = u, w

    def forward(self, x):
        self.z = x @ self.u
        self.h = jnp.where(self.z > 0, self.z, 0.1 * self.z)
        return jax.nn.sigmoid(self.h @ self.w)


def test_a_pass_that_is_overwritten_by_the_next_one(getkey):
    def loss(params, real, fake):
        p = lambda x: jax.nn.sigmoid(jax.nn.leaky_relu(x @ params["u"], 0.1) @ params["w"])
        return -jnp.mean(jnp.log(p(real)) + jnp.log(1 - p(fake)))

    def grads(params, real, fake):
        network = Pass(params["u"], params["w"])
        of_real = network.forward(real)
        of_fake = network.forward(fake)
        d_real = of_real - 1
        dw_real = network.h.T @ d_real
        dz_real = d_real @ network.w.T * jnp.where(network.z > 0, 1, 0.1)
        d_fake = of_fake
        dw_fake = network.h.T @ d_fake
        dz_fake = d_fake @ network.w.T * jnp.where(network.z > 0, 1, 0.1)
        dw = dw_real + dw_fake
        du = real.T @ dz_real + fake.T @ dz_fake
        return {"u": du / len(real), "w": dw}

    u, w, real, fake = normals(getkey, (6, 4), (4, 1), (5, 6), (5, 6))
    assert said(loss, grads, {"u": u, "w": w}, real, fake) == [
        ("scale-batch", "dw = dw_real + dw_fake"),
        ("wrong-operand", "dw_real = network.h.T @ d_real"),
        ("wrong-activation-derivative", "dz_real = d_real @ network.w.T * jnp.where(network.z > 0, 1, 0.1)"),
    ]


def _normalized(z):
    return jnp.exp(z) / jnp.exp(z).sum(), z


def test_what_departs_in_the_forward_pass_is_another_formula_there(getkey):
    """A softmax over all examples at once, of which the backward pass takes but the diagonal."""

    def loss(params, x, y):
        return -jnp.sum(y * jax.nn.log_softmax(jnp.tanh(x @ params["w1"]) @ params["w2"])) / len(x)

    def grads(params, x, y):
        a1 = jnp.tanh(x @ params["w1"])
        a2, z2 = _normalized(a1 @ params["w2"])
        d2 = -y / jnp.clip(a2, 1e-8, None) * jax.nn.sigmoid(z2) / len(x)
        d1 = (d2 @ params["w2"].T) * (1 - a1**2)
        return {"w1": x.T @ d1, "w2": a1.T @ d2}

    w1, w2, x = normals(getkey, (4, 5), (5, 3), (7, 4))
    found = said(loss, grads, {"w1": w1, "w2": w2}, x, jnp.eye(3)[jnp.arange(7) % 3])
    assert found[0] == ("wrong-forward", "return jnp.exp(z) / jnp.exp(z).sum(), z")
