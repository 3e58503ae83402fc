"""The diagnosis of mistakes told at the line that makes a piece or has a factor, not at one that passes it on."""

import jax
import jax.numpy as jnp

from .findings import normals, said


def bumps(params, x, y, width):
    return 0.5 * jnp.sum((kernel(params["centres"], x, width) @ params["w"] - y) ** 2)


def kernel(centres, x, width):
    return jnp.exp(-jnp.sum((width * (x[:, None] - centres[None])) ** 2, axis=2))


def test_a_factor_that_is_a_given_number_is_told_where_that_stands(getkey):
    def grads(params, x, y, width):
        k = kernel(params["centres"], x, width)
        error = k @ params["w"] - y
        dk = error[:, None] * params["w"][None] * k
        away = x[:, None] - params["centres"][None]
        dc = dk[:, :, None] * 2 * width * away
        return {"centres": dc.sum(axis=0), "w": k.T @ error}

    centres, w, x, y = normals(getkey, (3, 2), (3,), (5, 2), (5,))
    found = said(bumps, grads, {"centres": centres, "w": w}, x, y, jnp.asarray(0.6, x.dtype))
    assert found == [("scale-constant", "dc = dk[:, :, None] * 2 * width * away")]


def thinned(params, x, y, first, second):
    a = jnp.tanh(x @ params["u"]) * first * 2
    b = jnp.tanh(a @ params["v"]) * second * 2
    return 0.5 * jnp.sum((b @ params["w"] - y) ** 2)


def test_the_number_of_a_dropout_is_lacking_at_its_mask_in_every_layer(getkey):
    def grads(params, x, y, first, second):
        h1, h2 = jnp.tanh(x @ params["u"]), None
        a = h1 * first * 2
        h2 = jnp.tanh(a @ params["v"])
        b = h2 * second * 2
        d = b @ params["w"] - y
        made = {"w": b.T @ d}
        weights = {"v": params["w"], "u": params["v"]}
        for name, before, h, mask in (("v", a, h2, second), ("u", x, h1, first)):
            d = d @ weights[name].T * (1 - h**2)
            d = d * mask
            made[name] = before.T @ d
        return made

    u, v, w, x, y = normals(getkey, (3, 4), (4, 3), (3, 2), (5, 3), (5, 2))
    first = (jnp.arange(20).reshape(5, 4) % 3 > 0).astype(x.dtype)
    second = (jnp.arange(15).reshape(5, 3) % 4 > 0).astype(x.dtype)
    found = said(thinned, grads, {"u": u, "v": v, "w": w}, x, y, first, second)
    assert found == [("scale-constant", "d = d * mask")]


def hinge(params, x, y):
    return jnp.mean(jnp.maximum(0, 1 - y * (x @ params["w"])))


def test_a_factor_too_much_in_each_example(getkey):
    def grads(params, x, y):
        dw = jnp.zeros_like(params["w"])
        for i in range(len(x)):
            score = x[i] @ params["w"]
            slope = jnp.where(score * y[i] < 1, -score * y[i], 0)
            dw = dw + slope * x[i] / len(x)
        return {"w": dw}

    w, x = normals(getkey, (3,), (6, 3))
    y = jnp.where(x @ jnp.arange(1.0, 4.0, dtype=x.dtype) > 0, 1, -1).astype(x.dtype)
    assert said(hinge, grads, {"w": w}, x, y) == [
        ("extra-factor", "slope = jnp.where(score * y[i] < 1, -score * y[i], 0)")
    ]


class Dense:
    def __init__(self, w, activation, slope):
        self.w, self.activation, self.slope = w, activation, slope

    def forward(self, x):
        self.x, self.z = x, x @ self.w
        return self.activation(self.z)

    def backward(self, d):
        self.dz = self.slope(self.z) * d
        self.dw = jnp.outer(self.x, self.dz)
        return self.w @ self.dz


def linear(z):
    return z


def slope_of_linear(z):
    return jnp.ones_like(z)


def leaky(z):
    return jnp.maximum(0.3 * z, z)


def slope_of_leaky(z):
    return jnp.where(0.3 * z > 0, 1.0, 0.0).astype(z.dtype)


def test_a_slope_of_its_own_is_not_told_at_the_call_of_a_class_that_others_use(getkey):
    def loss(params, x, y):
        return 0.5 * jnp.sum((leaky(x @ params["w"]) @ params["v"] - y) ** 2)

    def grads(params, x, y):
        layers = [Dense(params["w"], leaky, slope_of_leaky), Dense(params["v"], linear, slope_of_linear)]
        out = x
        for layer in layers:
            out = layer.forward(out)
        d = layers[1].backward(out - y)
        layers[0].backward(d)
        return {"w": layers[0].dw, "v": layers[1].dw}

    w, v, x, y = normals(getkey, (3, 6), (6, 2), (3,), (2,))
    assert said(loss, grads, {"w": w, "v": v}, x, y) == [
        ("wrong-activation-derivative", "self.dz = self.slope(self.z) * d")
    ]


class Stepwise:
    def __init__(self, w, u):
        self.w, self.u = w, u

    def forward(self, xs):
        self.xs, self.hs = xs, [jnp.zeros(self.u.shape[0])]
        for x in xs:
            self.hs.append(jnp.tanh(self.w @ x + self.u @ self.hs[-1]))

    def send_back(self, dh):
        self.deltas = [jnp.zeros_like(h) for h in self.hs]
        for t in range(len(self.xs), 0, -1):
            self.deltas[t] = dh * self.hs[t]
            dh = self.u.T @ self.deltas[t]

    def collected(self):
        dw, du = jnp.zeros_like(self.w), jnp.zeros_like(self.u)
        for t, x in enumerate(self.xs, 1):
            dw = dw + jnp.outer(self.deltas[t], x)
            du = du + jnp.outer(self.deltas[t], self.hs[t - 1])
        return {"w": dw, "u": du}

    def backward(self, dh):
        self.send_back(dh)
        return self.collected()


def test_a_method_that_has_others_do_the_work_is_looked_into(getkey):
    def loss(params, xs, y):
        h = jnp.zeros(params["u"].shape[0])
        for x in xs:
            h = jnp.tanh(params["w"] @ x + params["u"] @ h)
        return 0.5 * jnp.sum((h - y) ** 2)

    def grads(params, xs, y):
        cell = Stepwise(params["w"], params["u"])
        cell.forward(xs)
        return cell.backward(cell.hs[-1] - y)

    w, u, xs, y = normals(getkey, (4, 3), (4, 4), (3, 3), (4,))
    assert said(loss, grads, {"w": w, "u": u}, xs, y) == [
        ("wrong-activation-derivative", "self.deltas[t] = dh * self.hs[t]")
    ]


def two_neurons(params, x, y):
    h = jax.nn.sigmoid(x @ params["w"])
    return 0.5 * jnp.sum((jax.nn.sigmoid(h @ params["v"]) - y) ** 2)


def test_pieces_of_one_of_the_leaves_of_a_line_are_told_where_they_are_made(getkey):
    def grads(params, x, y):
        w, v = params["w"], params["v"]
        h0 = jax.nn.sigmoid(x[0] * w[0, 0] + x[1] * w[1, 0])
        h1 = jax.nn.sigmoid(x[0] * w[0, 1] + x[1] * w[1, 1])
        out = jax.nn.sigmoid(h0 * v[0] + h1 * v[1])
        error = out - y
        e0 = error * out * (1 - out) * v[0] * h0 * (1 - h0)
        e1 = error * out * (1 - out) * v[1] * h1 * (1 - h1)
        v0 = error * h0
        v1 = error * h1
        return {"w": jnp.array([[e0 * x[0], e1 * x[0]], [e0 * x[1], e1 * x[1]]]), "v": jnp.array([v0, v1])}

    w, v, x = normals(getkey, (2, 2), (2,), (2,))
    assert said(two_neurons, grads, {"w": w, "v": v}, x, jnp.asarray(0.3, x.dtype)) == [
        ("missing-activation-derivative", "v0 = error * h0"),
        ("missing-activation-derivative", "v1 = error * h1"),
    ]
