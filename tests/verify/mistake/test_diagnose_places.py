"""The diagnosis of mistakes that stand elsewhere than where they show: at zeros, at a call, in several statements."""

from functools import partial

import jax
import jax.numpy as jnp
import pytest

from jaxmlp import check

from .findings import normals, said


def named(report):
    """The cause, the line and the leaves of each finding on a wrong gradient."""
    assert report.verdict == "wrong"
    return [(finding.cause, finding.line.text, finding.leaves) for finding in report.findings]


def triplet_loss(params, anchors, near, far):
    a, p, n = (jnp.tanh(x @ params["w"] + params["b"][None, :]) for x in (anchors, near, far))
    return jnp.mean(jnp.sum((a - p) ** 2, axis=1) - jnp.sum((a - n) ** 2, axis=1))


def triplet_grads(params, anchors, near, far):
    a, p, n = (jnp.tanh(x @ params["w"] + params["b"][None, :]) for x in (anchors, near, far))
    da = 2 * (n - p) / len(a)
    dp = jnp.zeros_like(p)
    dn = 2 * (a - n) / len(a)
    dw, db = jnp.zeros_like(params["w"]), jnp.zeros_like(params["b"])
    for x, out, d in zip((anchors, near, far), (a, p, n), (da, dp, dn), strict=True):
        dz = d * (1 - out**2)
        dw = dw + x.T @ dz
        db = db + jnp.sum(dz, axis=0)
    return {"w": dw, "b": db}


def test_zeros_that_are_passed_on_are_blamed_where_they_are_made(getkey):
    w, b, *xs = normals(getkey, (4, 3), (3,), (5, 4), (5, 4), (5, 4))
    [finding] = named(check(triplet_loss, triplet_grads, {"w": w, "b": b}, *xs))
    assert finding == ("missing-term", "dp = jnp.zeros_like(p)", ("w", "b"))


def recurrent_loss(params, xs):
    h, total = jnp.zeros(3), 0.0
    for x in xs:
        h = jnp.tanh(params["w"] @ h + x)
        total = total + jnp.sum((h + params["c"]) ** 2)
    return total


def recurrent_grads(params, xs, slope, biased):
    h, states = jnp.zeros(3), [jnp.zeros(3)]
    for x in xs:
        h = jnp.tanh(params["w"] @ h + x)
        states.append(h)
    dw, dc, dh = jnp.zeros_like(params["w"]), jnp.zeros_like(params["c"]), jnp.zeros(3)
    for t in reversed(range(len(xs))):
        dy = 2 * (states[t + 1] + params["c"])
        dc = dc + dy if biased else dc + dc
        dz = (dh + dy) * slope(states[t + 1])
        dw = dw + jnp.outer(dz, states[t])
        dh = params["w"].T @ dz
    return {"w": dw, "c": dc}


def test_zeros_that_a_sum_starts_with_are_not_blamed(getkey):
    w, c, xs = normals(getkey, (3, 3), (3,), (4, 3))
    grads = lambda params, xs: recurrent_grads(params, xs, lambda h: 1 - h**2, biased=False)
    [finding] = named(check(recurrent_loss, grads, {"w": w, "c": c}, xs))
    assert finding == ("zero-gradient", "dc = dc + dy if biased else dc + dc", ("c",))


def test_what_is_zero_at_the_first_step_is_not_blamed_either(getkey):
    w, c, xs = normals(getkey, (3, 3), (3,), (4, 3))
    grads = lambda params, xs: recurrent_grads(params, xs, lambda h: h * (1 - h), biased=True)
    [finding] = named(check(recurrent_loss, grads, {"w": w, "c": c}, xs))
    assert finding == ("wrong-activation-derivative", "dz = (dh + dy) * slope(states[t + 1])", ("w",))


def pooled_loss(params, x, y):
    return jnp.sum((jnp.sum(jnp.tanh(x @ params["w"] + params["b"]), axis=1) - y) ** 2)


def test_a_number_in_two_statements_is_named_in_both_with_the_leaves_of_each(getkey):
    def grads(params, x, y):
        h = jnp.tanh(x @ params["w"] + params["b"])
        dz = 2 * (jnp.sum(h, axis=1) - y)[:, None] * (1 - h**2)
        steps = x.shape[1]
        dw = jnp.einsum("npk,npc->kc", x, dz) / steps
        db = jnp.sum(dz, axis=(0, 1), keepdims=True) / steps
        return {"w": dw, "b": db}

    w, b, x, y = normals(getkey, (4, 3), (1, 1, 3), (5, 7, 4), (5, 3))
    report = check(pooled_loss, grads, {"w": w, "b": b}, x, y)
    assert named(report) == [
        ("scale-constant", 'dw = jnp.einsum("npk,npc->kc", x, dz) / steps', ("w",)),
        ("scale-constant", "db = jnp.sum(dz, axis=(0, 1), keepdims=True) / steps", ("b",)),
    ]
    assert [finding.factor for finding in report.findings] == pytest.approx([1 / 7, 1 / 7])
    assert "`dw`" in report.findings[0].message and "`db`" in report.findings[1].message
    assert not any(getattr(finding.line, "within", None) for finding in report.findings)


def sigmoid_backward(da, a):
    return da * a * (1 - a)


def test_a_function_that_must_give_what_it_is_given_is_blamed_at_its_call(getkey):
    def loss(params, x, y):
        z = x @ params["w"] + params["b"][None, :]
        return jnp.mean(jnp.logaddexp(0.0, z) - y * z)

    def grads(params, x, y):
        a = jax.nn.sigmoid(x @ params["w"] + params["b"][None, :])
        da = (a - y) / len(y)
        dz = sigmoid_backward(da, a)
        return {"w": x.T @ dz, "b": jnp.sum(dz, axis=0)}

    w, b, x, y = normals(getkey, (4, 1), (1,), (6, 4), (6, 1))
    [finding] = named(check(loss, grads, {"w": w, "b": b}, x, (y > 0).astype(x.dtype)))
    assert finding == ("extra-activation-derivative", "dz = sigmoid_backward(da, a)", ("w", "b"))


def gated_loss(params, xs):
    h = jnp.ones(3)
    for x in xs:
        r = jax.nn.sigmoid(params["ur"] @ h + x)
        h = jnp.tanh(params["uh"] @ (r * h) + x)
    return 0.5 * jnp.sum(h**2)


def test_runs_that_lead_to_one_leaf_are_told_from_the_others(getkey):
    def grads(params, xs):
        h, tape = jnp.ones(3), []
        for x in xs:
            r = jax.nn.sigmoid(params["ur"] @ h + x)
            tape.append((h, r, jnp.tanh(params["uh"] @ (r * h) + x)))
            h = tape[-1][-1]
        found, dh = {name: jnp.zeros_like(u) for name, u in params.items()}, h
        for before, r, after in reversed(tape):
            dz = dh * (1 - after**2)
            drh = params["uh"].T @ dz
            dr = drh * before * r * (1 - r)
            for name, d in (("ur", dr), ("uh", dz)):
                found[name] = found[name] + jnp.outer(d, before)
            dh = drh * r + params["ur"].T @ dr
        return found

    ur, uh, xs = normals(getkey, (3, 3), (3, 3), (4, 3))
    report = check(gated_loss, grads, {"ur": ur, "uh": uh}, xs)
    assert named(report) == [("missing-factor", "found[name] = found[name] + jnp.outer(d, before)", ("uh",))]
    assert "`r`" in report.findings[0].message


def test_the_same_mistake_at_every_neuron_of_a_network_of_plain_numbers(getkey):
    def deriv(x):
        return jax.nn.sigmoid(x) * (1 - jax.nn.sigmoid(x))

    def loss(params, x, y):
        h = jax.nn.sigmoid(params["w1"] * x)
        return (y - jax.nn.sigmoid(params["w2"] * h)) ** 2

    def grads(params, x, y):
        h = jax.nn.sigmoid(params["w1"] * x)
        out = jax.nn.sigmoid(params["w2"] * h)
        slope_out = deriv(out)
        slope_h = deriv(h)
        d = -2 * (y - out) * slope_out
        return {"w1": d * params["w2"] * slope_h * x, "w2": d * h}

    params = {"w1": jnp.asarray(0.7), "w2": jnp.asarray(-1.3)}
    assert named(check(loss, grads, params, jnp.asarray(0.9), jnp.asarray(1.0))) == [
        ("wrong-activation-derivative", "slope_out = deriv(out)", ("w2",)),
        ("wrong-activation-derivative", "slope_h = deriv(h)", ("w1",)),
    ]


def test_steps_that_nothing_wrong_comes_of_are_not_named(getkey):
    def loss(params, x, y):
        return jnp.sum((jnp.tanh(x @ params["w1"]) @ params["w2"] + params["b2"] - y) ** 2)

    def grads(params, x, y):
        net = dict(params)
        h = jnp.tanh(x @ net["w1"])
        d2 = 2 * (h @ net["w2"] + net["b2"] - y)
        found = {"w2": h.T @ d2, "b2": jnp.sum(d2, axis=0, keepdims=True)}
        net["b2"] = net["b2"] - 0.1 * found["b2"]
        net["w2"] = net["w2"] - 0.1 * found["w2"]
        found["w1"] = x.T @ ((d2 @ net["w2"].T) * (1 - h**2))
        return found

    w1, w2, b2, x, y = normals(getkey, (3, 4), (4, 2), (1, 2), (5, 3), (5, 2))
    found = named(check(loss, grads, {"w1": w1, "w2": w2, "b2": b2}, x, y))
    assert found == [("stale-weights", 'net["w2"] = net["w2"] - 0.1 * found["w2"]', ("w1",))]


def test_gradients_that_are_collected_before_the_penalty_is_added(getkey):
    def size(params):
        return jnp.sqrt(sum(jnp.sum(p**2) for p in params.values()))

    def loss(params, x, y):
        return jnp.sum((jnp.tanh(x @ params["w1"]) @ params["w2"] - y) ** 2) + 0.1 * size(params)

    def grads(params, x, y, too_early=True):
        h = jnp.tanh(x @ params["w1"])
        error = 2 * (h @ params["w2"] - y)
        dz = error @ params["w2"].T * (1 - h**2)
        found = [("w1", x.T @ dz), ("w2", h.T @ error)]
        collected = dict(found)
        added = []
        for name, grad in found:
            added.append((name, grad + 0.1 * params[name] / size(params)))
        return collected if too_early else dict(added)

    w1, w2, x, y = normals(getkey, (3, 4), (4, 2), (5, 3), (5, 2))
    params = {"w1": w1, "w2": w2}
    assert check(loss, partial(grads, too_early=False), params, x, y).ok
    assert said(loss, grads, params, x, y) == [
        ("missing-regularization", "return collected if too_early else dict(added)"),
    ]


def test_a_product_of_one_number_where_a_matrix_belongs_stands_in_the_method_that_makes_it(getkey):
    class Network:
        def __init__(self, params, x):
            self.params, self.x = params, x
            self.h = jnp.tanh(params["w1"] @ x)

        def backward(self, error, right):
            steps = {}
            steps["w2"] = jnp.outer(error, self.h) if right else jnp.dot(error, self.params["w2"] @ self.h)
            dz = self.params["w2"].T @ error * (1 - self.h**2)
            steps["w1"] = jnp.outer(dz, self.x)
            return steps

    def loss(params, x, y):
        return 0.5 * jnp.sum((params["w2"] @ jnp.tanh(params["w1"] @ x) - y) ** 2)

    def grads(params, x, y, right=False):
        network = Network(params, x)
        return network.backward(params["w2"] @ network.h - y, right)

    w1, w2, x, y = normals(getkey, (4, 3), (2, 4), (3,), (2,))
    params = {"w1": w1, "w2": w2}
    assert check(loss, partial(grads, right=True), params, x, y).ok
    [(cause, line)] = said(loss, grads, params, x, y)
    assert cause == "shape" and line and line.startswith('steps["w2"]')


def test_numbers_that_are_put_with_the_wrong_sign(getkey):
    def loss(params, which):
        return -jax.nn.softmax(params["z"])[which]

    def grads(params, which):
        p = jax.nn.softmax(params["z"])
        error = jnp.zeros_like(p).at[which].set(-1)
        jacobian = jnp.zeros((len(p), len(p)))
        for i in range(len(p)):
            for j in range(len(p)):
                if i != j:
                    jacobian = jacobian.at[j, i].set(-p[i] * p[j])
                else:
                    jacobian = jacobian.at[j, i].set(-p[i] + p[i] ** 2)
        dz = jnp.zeros_like(p)
        for j in range(len(p)):
            dz = dz.at[j].set(jnp.dot(jacobian[j], error))
        return {"z": dz}

    [z] = normals(getkey, (5,))
    line = "jacobian = jacobian.at[j, i].set(-p[i] + p[i] ** 2)"
    assert said(loss, grads, {"z": z}, jnp.asarray(2)) == [("sign", line)]


def test_a_number_of_a_parameter_is_read_after_its_step(getkey):
    def loss(params, rating):
        p, q = params["p"], params["q"]
        return (rating - p[1] @ q[:, 2]) ** 2 + 0.01 * (jnp.sum(p[1] ** 2) + jnp.sum(q[:, 2] ** 2))

    def grads(params, rating):
        p, q = params["p"], params["q"]
        dp, dq = jnp.zeros_like(p), jnp.zeros_like(q)
        error = rating - p[1] @ q[:, 2]
        for k in range(p.shape[1]):
            step = 2 * error * q[k, 2] - 0.02 * p[1, k]
            dp = dp.at[1, k].set(-step)
            p = p.at[1, k].add(0.05 * step)
            step = 2 * error * p[1, k] - 0.02 * q[k, 2]
            dq = dq.at[k, 2].set(-step)
        return {"p": dp, "q": dq}

    p, q = (jnp.abs(each) + 0.2 for each in normals(getkey, (3, 4), (4, 5)))
    line = "p = p.at[1, k].add(0.05 * step)"
    assert said(loss, grads, {"p": p, "q": q}, jnp.asarray(4.0)) == [("stale-weights", line)]


def test_a_row_of_a_parameter_is_read_after_its_step(getkey):
    def loss(params, i, j):
        p, q = params["p"][i], params["q"][j]
        return 0.5 * (3 - p @ q) ** 2 + 0.05 * (p @ p + q @ q)

    def grads(params, i, j):
        p, q = params["p"], params["q"]
        error = 3 - p[i] @ q[j]
        p = p.at[i, :].add(0.1 * (error * q[j, :] - 0.1 * p[i, :]))
        q = q.at[j, :].add(0.1 * (error * p[i, :] - 0.1 * q[j, :]))
        return {"p": (params["p"] - p) / 0.1, "q": (params["q"] - q) / 0.1}

    p, q = normals(getkey, (3, 4), (5, 4))
    line = "q = q.at[j, :].add(0.1 * (error * p[i, :] - 0.1 * q[j, :]))"
    assert said(loss, grads, {"p": p, "q": q}, jnp.asarray(1), jnp.asarray(2)) == [("stale-weights", line)]


def test_a_number_that_is_stepped_twice(getkey):
    def loss(params, x, y):
        w = params["w"]
        return 0.5 * jnp.mean((x @ w - y) ** 2) + 0.05 * jnp.sum(w[1:] ** 2)

    def grads(params, x, y):
        w, rate = params["w"], 0.2
        d = (x @ w - y) / len(y)
        w = w * (1 - rate * 0.1) - rate * x.T @ d
        w = w.at[0].set(w[0] - rate * x[:, 0] @ d)
        return {"w": (params["w"] - w) / rate}

    w, x, y = normals(getkey, (4,), (6, 4), (6,))
    line = "w = w.at[0].set(w[0] - rate * x[:, 0] @ d)"
    assert said(loss, grads, {"w": w}, x, y) == [("double-counted-term", line)]


def test_what_a_function_of_the_gradients_takes_from_the_wrong_list(getkey):
    def gradients_of(t, inputs, first, second):
        dw = jnp.outer(first[t], inputs[t])
        db = first[t]
        du = jnp.outer(second[t], inputs[t])
        dc = first[t]
        return dw, db, du, dc

    def loss(params, x):
        return jnp.sum(jnp.tanh(params["w"] @ x + params["b"]) * jax.nn.sigmoid(params["u"] @ x + params["c"]))

    def grads(params, x):
        a, s = jnp.tanh(params["w"] @ x + params["b"]), jax.nn.sigmoid(params["u"] @ x + params["c"])
        da = s * (1 - a**2)
        ds = a * s * (1 - s)
        dw, db, du, dc = gradients_of(1, [x, x], [a, da], [s, ds])
        return dict(w=dw, b=db, u=du, c=dc)

    w, b, u, c, x = normals(getkey, (3, 4), (3,), (3, 4), (3,), (4,))
    found = said(loss, grads, {"w": w, "b": b, "u": u, "c": c}, x)
    assert found == [("wrong-operand", "dc = first[t]")]
