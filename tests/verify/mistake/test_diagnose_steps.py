"""The diagnosis of a recurrent network, of which each step is a run of the same statements."""

from itertools import pairwise

import jax
import jax.numpy as jnp

from jaxmlp import check

from .findings import named, normals, said


def _rnn(params, xs, y):
    h = jnp.zeros(params["u"].shape[0])
    for x in xs:
        h = jnp.tanh(params["w"] @ x + params["u"] @ h)
    return 0.5 * jnp.sum((h - y) ** 2)


def test_the_state_before_the_first_step_is_not_that_of_the_last(getkey):
    def grads(params, xs, y):
        hs, h = [], jnp.zeros(params["u"].shape[0])
        for x in xs:
            h = jnp.tanh(params["w"] @ x + params["u"] @ h)
            hs.append(h)
        dh = h - y
        dw, du = jnp.zeros_like(params["w"]), jnp.zeros_like(params["u"])
        for t in reversed(range(len(hs))):
            dz = dh * (1 - hs[t] ** 2)
            dw = dw + jnp.outer(dz, xs[t])
            du = du + jnp.outer(dz, hs[t - 1])
            dh = params["u"].T @ dz
        return {"w": dw, "u": du}

    w, u, xs, y = normals(getkey, (4, 3), (4, 4), (3, 3), (4,))
    report = check(_rnn, grads, {"w": w, "u": u}, xs, y)
    assert named(report) == [("wrong-operand", "du = du + jnp.outer(dz, hs[t - 1])")]
    assert "reads in the first step what the last step made" in report.findings[0].message


class Cell:
    def __init__(self, params):
        self.w, self.u, self.r = params["w"], params["u"], params["r"]

    def forward(self, x, h):
        r = jnp.tanh(self.r @ h)
        new = jnp.tanh(self.w @ x + self.u @ (r * h))
        return new, (x, h, r, new)

    def backward(self, dh, cache):
        x, h, r, new = cache
        dz = dh * (1 - new**2)
        drh = self.u.T @ dz
        dr_raw = drh * h * (1 - r**2)
        dh_direct = drh * r
        dh_other = 0.1 * dh
        dh_prev = dh_direct + dh_other
        return dh_prev, {"w": jnp.outer(dz, x), "u": jnp.outer(dz, r * h), "r": jnp.outer(dr_raw, h)}


def test_a_path_that_is_lacking_in_each_step_is_told_where_the_others_are_added(getkey):
    def loss(params, xs, y):
        h = jnp.ones(4) / 3
        for x in xs:
            r = jnp.tanh(params["r"] @ h)
            h = jnp.tanh(params["w"] @ x + params["u"] @ (r * h)) + 0.1 * h
        return 0.5 * jnp.sum((h - y) ** 2)

    def grads(params, xs, y):
        cell, caches, h = Cell(params), [], jnp.ones(4) / 3
        for x in xs:
            new, cache = cell.forward(x, h)
            h = new + 0.1 * h
            caches.append(cache)
        dh = h - y
        total = {k: jnp.zeros_like(v) for k, v in params.items()}
        for cache in reversed(caches):
            dh, each = cell.backward(dh, cache)
            total = {k: total[k] + each[k] for k in total}
        return total

    w, u, r, xs, y = normals(getkey, (4, 3), (4, 4), (4, 4), (3, 3), (4,))
    found = said(loss, grads, {"w": w, "u": u, "r": r}, xs, y)
    assert found == [("missing-term", "dh_prev = dh_direct + dh_other")]


def test_a_row_that_is_put_twice_is_changed_once(getkey):
    """A bag of words, in which one word stands twice."""
    words = jnp.array([3, 1, 3, 0])

    def loss(params, y):
        return 0.5 * jnp.sum((params["rows"][words].sum(0) - y) ** 2)

    def grads(params, y):
        error = params["rows"][words].sum(0) - y
        rows = params["rows"]
        rows = rows.at[words].set(rows[words] + 0.1 * error[None])
        return {"rows": (rows - params["rows"]) / 0.1}

    rows, y = normals(getkey, (5, 3), (3,))
    found = said(loss, grads, {"rows": rows}, y)
    assert found == [("missing-term", "rows = rows.at[words].set(rows[words] + 0.1 * error[None])")]


def test_a_row_is_read_again_after_its_step(getkey):
    """Two factors of a matrix, each stepped in its turn."""

    def loss(params, ratings):
        predicted = params["a"][jnp.array([0, 1, 2])] * params["b"][jnp.array([1, 3, 0])]
        return jnp.sum((ratings - predicted.sum(1)) ** 2)

    def grads(params, ratings):
        a, b, rate = params["a"], params["b"], 0.05
        for k, (i, j) in enumerate(((0, 1), (1, 3), (2, 0))):
            x, y = a[i], b[j]
            step = 2 * rate * (ratings[k] - x @ y)
            a = a.at[i].add(step * y)
            x = a[i]
            b = b.at[j].add(step * x)
        return {"a": (params["a"] - a) / rate, "b": (params["b"] - b) / rate}

    a, b, ratings = normals(getkey, (3, 2), (4, 2), (3,))
    assert said(loss, grads, {"a": a, "b": b}, ratings) == [("stale-weights", "x = a[i]")]


def test_a_divisor_that_counts_another_axis_is_no_slope(getkey):
    """A batch norm over examples and places, divided by the number of channels in its gradient."""
    places, alike = (0, 2), {"axis": (0, 2), "keepdims": True}

    def loss(params, x, y):
        z = jnp.einsum("cf,nfp->ncp", params["w"], x)
        n = (z - z.mean(places, keepdims=True)) / jnp.sqrt(z.var(places, keepdims=True) + 1e-5)
        return 0.5 * jnp.sum((jax.nn.relu(params["g"] * n) - y) ** 2)

    def grads(params, x, y):
        z = jnp.einsum("cf,nfp->ncp", params["w"], x)
        channels = z.shape[1]
        centred = z - z.mean(places, keepdims=True)
        scale = 1 / jnp.sqrt(z.var(places, keepdims=True) + 1e-5)
        out = params["g"] * centred * scale
        dout = jnp.where(out > 0, jax.nn.relu(out) - y, 0)
        dn = dout * params["g"]
        dvar = jnp.sum(dn * centred, **alike) * -0.5 * scale**3
        dmean = jnp.sum(dn * -scale, **alike) + dvar * jnp.mean(-2.0 * centred, **alike)
        dz = (dn * scale) + (dvar * 2 * centred / channels) + (dmean / channels)
        return {"w": jnp.einsum("ncp,nfp->cf", dz, x), "g": jnp.sum(dout * centred * scale, **alike)}

    w, x, y, g = normals(getkey, (3, 2), (5, 2, 4), (5, 3, 4), (1, 3, 1))
    cause, line = said(loss, grads, {"w": w, "g": 1 + 0.3 * g}, x, y)[0]
    assert cause.startswith("scale-") and line is not None and line.startswith("dz =")


class Recurrent:
    def __init__(self, u, w):
        self.u, self.w = u, w

    def forward(self, xs):
        self.xs, self.hs = xs, [jnp.zeros(self.w.shape[0])]
        for x in xs:
            self.hs.append(jnp.tanh(self.u @ x + self.w @ self.hs[-1]))
        return jnp.stack(self.hs[1:])

    def backward(self, errors):
        du, dw, below = jnp.zeros_like(self.u), jnp.zeros_like(self.w), jnp.zeros_like(self.xs)
        for t in reversed(range(len(errors))):
            dz = errors[t] * (1 - self.hs[t + 1] ** 2)
            below = below.at[t].set(self.u.T @ dz)
            for s in reversed(range(t + 1)):
                du = du + jnp.outer(dz, self.xs[s])
                dw = dw + jnp.outer(dz, self.hs[s])
                dz = (self.w.T @ dz) * (1 - self.hs[s] ** 2)
        return below, du, dw


def test_what_a_layer_sends_back_lacks_what_comes_from_later_steps(getkey):
    def loss(params, xs, y):
        for n in "12":
            xs = Recurrent(params[f"u{n}"], params[f"w{n}"]).forward(xs)
        return 0.5 * jnp.sum((xs - y) ** 2)

    def grads(params, xs, y):
        layers = [Recurrent(params[f"u{n}"], params[f"w{n}"]) for n in "12"]
        for layer in layers:
            xs = layer.forward(xs)
        errors, u2, w2 = layers[1].backward(xs - y)
        _, u1, w1 = layers[0].backward(errors)
        return {"u1": u1, "w1": w1, "u2": u2, "w2": w2}

    u1, w1, u2, w2, xs, y = normals(getkey, (4, 3), (4, 4), (2, 4), (2, 2), (3, 3), (3, 2))
    found = said(loss, grads, {"u1": u1, "w1": w1, "u2": u2, "w2": w2}, xs, y)
    assert found == [("missing-term", "below = below.at[t].set(self.u.T @ dz)")]


def test_what_lacks_later_steps_is_wrong_where_it_is_made_and_not_where_it_is_kept(getkey):
    def loss(params, xs, y):
        c = h = jnp.zeros(4)
        for x in xs:
            c = 0.9 * c + params["w"] @ x + params["u"] @ h
            h = jnp.tanh(c)
        return 0.5 * jnp.sum((h - y) ** 2)

    def grads(params, xs, y):
        c = h = jnp.zeros(4)
        hs = [h]
        for x in xs:
            c = 0.9 * c + params["w"] @ x + params["u"] @ h
            h = jnp.tanh(c)
            hs.append(h)
        kept, dh = [h] * len(xs), h - y
        for t in reversed(range(len(xs))):
            dc = dh * (1 - hs[t + 1] ** 2)
            kept[t] = dc
            dh = params["u"].T @ kept[t]
        dw = sum((jnp.outer(d, x) for d, x in zip(kept, xs, strict=True)), jnp.zeros((4, 3)))
        du = sum((jnp.outer(d, h) for d, h in zip(kept, hs, strict=False)), jnp.zeros((4, 4)))
        return {"w": dw, "u": du}

    w, u, xs, y = normals(getkey, (4, 3), (4, 4), (3, 3), (4,))
    assert said(loss, grads, {"w": w, "u": u}, xs, y) == [("missing-term", "dc = dh * (1 - hs[t + 1] ** 2)")]


def _back_through(cells, errors, u):
    du, back = jnp.zeros_like(u), jnp.zeros_like(errors[0])
    for t in (2, 1, 0):
        before, after = cells[t]
        d = errors[t] + back
        dz = d * (1 - after**2)
        du = du + jnp.outer(dz, before)
        back = u.T @ dz
    dstart = d
    return du, dstart


def test_the_first_state_gets_the_error_of_the_first_step(getkey):
    def run(params):
        states = [params["start"]]
        for _ in range(3):
            states.append(jnp.tanh(params["u"] @ states[-1]))
        return states

    def loss(params, ys):
        return sum(0.5 * jnp.sum((a - y) ** 2) for a, y in zip(run(params)[1:], ys, strict=True))

    def grads(params, ys):
        states = run(params)
        errors = [a - y for a, y in zip(states[1:], ys, strict=True)]
        du, dstart = _back_through(list(pairwise(states)), errors, params["u"])
        return {"u": du, "start": dstart}

    u, start, ys = normals(getkey, (4, 4), (4,), (3, 4))
    assert said(loss, grads, {"u": 0.5 * u, "start": start}, ys) == [("wrong-operand", "dstart = d")]


def test_every_gate_lacks_its_slope_before_they_are_put_side_by_side(getkey):
    def loss(params, xs, y):
        h = jnp.zeros((y.shape[0], 2))
        for x in xs:
            g, i = jnp.split(x @ params["w"] + h @ params["u"], 2, axis=1)
            h = jnp.tanh(g) * jax.nn.sigmoid(i)
        return 0.5 * jnp.sum((h - y) ** 2)

    def grads(params, xs, y):
        h, cache = jnp.zeros((y.shape[0], 2)), []
        for x in xs:
            a = x @ params["w"] + h @ params["u"]
            g, i = jnp.tanh(a[:, :2]), jax.nn.sigmoid(a[:, 2:])
            cache.append((x, h, g, i))
            h = g * i
        dw, du, dh = jnp.zeros_like(params["w"]), jnp.zeros_like(params["u"]), h - y
        for x, before, g, i in reversed(cache):
            dg = dh * i
            di = dh * g
            da = jnp.hstack((dg, di))
            dw = dw + x.T @ da
            du = du + before.T @ da
            dh = da @ params["u"].T
        return {"w": dw, "u": du}

    w, u, xs, y = normals(getkey, (3, 4), (2, 4), (3, 5, 3), (5, 2))
    assert said(loss, grads, {"w": w, "u": u}, xs, y) == [
        ("missing-activation-derivative", "dg = dh * i"),
        ("missing-activation-derivative", "di = dh * g"),
    ]
