"""The diagnosis where the gradient is told by a step: `(old - new) / rate`, in place, row by row, or layer by layer."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np

from jaxmlp import check

from .findings import named, normals, said


def _ranked(params, rate, lam):
    user, near, far = params["user"][1], params["item"][2], params["item"][0]
    penalty = jnp.sum(user**2) + jnp.sum(near**2) + jnp.sum(far**2)
    return jnp.logaddexp(0.0, -user @ (near - far)) + 0.5 * lam * penalty


def test_a_view_of_a_row_that_is_read_twice_after_its_step(getkey):
    def grads(params, rate, lam):
        users, items = np.array(params["user"]), np.array(params["item"])
        user, near, far = users[1], items[2], items[0]
        error = 1 / (1 + np.exp(user.dot(near) - user.dot(far)))
        users[1] += rate * (error * (near - far) - lam * user)
        items[2] += rate * (error * user - lam * near)
        items[0] += rate * (-error * user - lam * far)
        return {"user": (np.array(params["user"]) - users) / rate, "item": (np.array(params["item"]) - items) / rate}

    user, item = map(np.asarray, normals(getkey, (3, 4), (4, 4)))
    found = said(_ranked, grads, {"user": user, "item": item}, np.float32(0.25), np.float32(0.05))
    assert found == [("stale-weights", "items[2] += rate * (error * user - lam * near)")]


def test_a_penalty_that_the_steps_add_and_rows_that_are_stepped_before_they_are_read(getkey):
    def grads(params, rate, lam):
        users, items = params["user"], params["item"]
        error = 1 / (1 + jnp.exp(users[1] @ (items[2] - items[0])))
        items = items.at[2].add((users[1] * error + items[2] * lam) * rate)
        items = items.at[0].add((-users[1] * error + items[0] * lam) * rate)
        users = users.at[1].add(((items[2] - items[0]) * error + users[1] * lam) * rate)
        return {"user": -(users - params["user"]) / rate, "item": -(items - params["item"]) / rate}

    user, item = normals(getkey, (3, 4), (4, 4))
    line = "items = items.at[0].add((-users[1] * error + items[0] * lam) * rate)"
    found = said(_ranked, grads, {"user": user, "item": item}, jnp.asarray(0.25), jnp.asarray(0.05))
    assert found == [("stale-weights", line), ("wrong-regularization", line)]


def test_a_bias_that_is_stepped_by_the_errors_of_a_whole_batch(getkey):
    def loss(params, x, y, rate):
        return 0.5 * jnp.sum((jnp.tanh(x @ params["w"] + params["b"]) - y) ** 2)

    def grads(params, x, y, rate):
        w, b = params["w"], params["b"]
        a = jnp.tanh(x @ w + b)
        d = (a - y) * (1 - a**2)
        w = w - rate * x.T @ d
        b = b - rate * d
        dw, db = (params["w"] - w) / rate, (params["b"] - b) / rate
        return {"w": dw, "b": db}

    w, b, x, y = normals(getkey, (3, 2), (1, 2), (5, 3), (5, 2))
    found = said(loss, grads, {"w": w, "b": b}, x, y, jnp.asarray(0.1))
    assert found == [("missing-reduction", "b = b - rate * d")]


def test_updated_weights_make_a_leaf_wrong_that_has_another_mistake_too(getkey):
    def loss(params, x, y):
        h = jnp.tanh(jnp.tanh(x @ params["u"]) @ params["v"])
        return 0.5 * jnp.sum((h @ params["w"] - y) ** 2)

    def grads(params, x, y):
        g = jnp.tanh(x @ params["u"])
        h = jnp.tanh(g @ params["v"])
        d = h @ params["w"] - y
        dw = h.T @ d
        w = params["w"] - 0.1 * dw
        dh = d @ w.T * (1 - h**2)
        dg = jnp.cumsum(dh, axis=1) @ params["v"].T * (1 - g**2)
        return {"u": x.T @ dg, "v": g.T @ dh, "w": dw}

    u, v, w, x, y = normals(getkey, (3, 4), (4, 5), (5, 2), (6, 3), (6, 2))
    report = check(loss, grads, {"u": u, "v": v, "w": w}, x, y)
    (stale, line), *rest = named(report)
    assert stale == "stale-weights" and line in ('w = params["w"] - 0.1 * dw', "dh = d @ w.T * (1 - h**2)")
    assert {*report.findings[0].leaves} >= {"v"}
    assert [text for _, text in rest] == ['dg = jnp.cumsum(dh, axis=1) @ params["v"].T * (1 - g**2)']


def test_the_same_draw_of_noise_in_several_statements(getkey):
    def loss(params, x, first, second):
        z = x @ params["mean"] + jnp.exp(x @ params["spread"]) * second
        return jnp.sum(jnp.tanh(z)) + jnp.sum(z**2)

    def grads(params, x, first, second):
        deviation = jnp.exp(x @ params["spread"])
        noise = first
        z = x @ params["mean"] + deviation * second
        d_left, d_right = 1 - jnp.tanh(z) ** 2, 2 * z
        s_left = d_left * deviation * noise
        s_right = d_right * deviation * noise
        return {"mean": x.T @ (d_left + d_right), "spread": x.T @ s_left + x.T @ s_right}

    mean, spread, x, first, second = normals(getkey, (3, 2), (3, 2), (5, 3), (5, 2), (5, 2))
    found = said(loss, grads, {"mean": mean, "spread": spread}, x, first, second)
    assert found == [
        ("wrong-operand", "s_left = d_left * deviation * noise"),
        ("wrong-operand", "s_right = d_right * deviation * noise"),
    ]


def test_an_exponential_of_an_exponential_is_another_forward_pass(getkey):
    def loss(params, x, y):
        return -jnp.mean(jnp.sum(y * jax.nn.log_softmax(x @ params["w"]), axis=1))

    def grads(params, x, y):
        z = x @ params["w"]
        p = jnp.exp(z - jnp.max(z, axis=1, keepdims=True))
        p = jnp.exp(p)
        p = p / jnp.sum(p, axis=1, keepdims=True)
        return {"w": x.T @ (p - y) / len(x)}

    w, x = normals(getkey, (3, 4), (6, 3))
    assert said(loss, grads, {"w": w}, x, jnp.eye(4)[jnp.array([0, 3, 2, 1, 1, 0])]) == [
        ("wrong-forward", "p = jnp.exp(p)")
    ]


def test_numbers_of_another_name_for_the_same_array_are_stale(getkey):
    def loss(params, r, rate):
        return 0.5 * jnp.sum((r - params["p"] @ params["q"]) ** 2)

    def grads(params, r, rate):
        p, q = np.array(params["p"]), np.array(params["q"])
        old_p, old_q = p.copy(), q.copy()
        new_p, new_q = p, q.copy()
        error = r - p @ q
        for i in range(p.shape[0]):
            for k in range(p.shape[1]):
                new_p[i][k] = p[i][k] + rate * np.sum(error[i] * old_q[k])
        for k in range(q.shape[0]):
            for j in range(q.shape[1]):
                new_q[k][j] = q[k][j] + rate * np.sum(error[:, j] * p[:, k])
        return {"p": (old_p - new_p) / rate, "q": (old_q - new_q) / rate}

    p, q, r = map(np.asarray, normals(getkey, (3, 2), (2, 4), (3, 4)))
    (cause, line), *_ = said(loss, grads, {"p": p, "q": q}, r, np.float32(0.25))
    assert cause == "stale-weights"
    assert line and line.startswith(("new_q[k][j]", "new_p[i][k]"))


def test_gradients_that_are_told_by_the_steps_stay_where_a_step_is_undone_for_the_layers_below(getkey):
    """Two layers go back through weights after their step, and the last has a mistake besides."""

    def loss(params, x, y, rate):
        a1 = jnp.tanh(x @ params["w1"])
        a2 = jnp.tanh(a1 @ params["w2"])
        return 0.5 * jnp.sum((a2 @ params["w3"] - y) ** 2)

    def grads(params, x, y, rate):
        w1, w2, w3 = params["w1"], params["w2"], params["w3"]
        a1 = jnp.tanh(x @ w1)
        a2 = jnp.tanh(a1 @ w2)
        d3 = a2 @ w3 - y
        w3 = w3 - rate * a2.T @ d3
        d2 = (d3 @ w3.T) * (1 - a2**2)
        w2 = w2 - rate * a1.T @ d2
        d1 = (d2 @ w2.T) * a1
        w1 = w1 - rate * x.T @ d1
        after = {"w1": w1, "w2": w2, "w3": w3}
        return {name: (params[name] - new) / rate for name, new in after.items()}

    w1, w2, w3, x, y = normals(getkey, (4, 3), (3, 5), (5, 2), (6, 4), (6, 2))
    assert said(loss, grads, {"w1": w1, "w2": w2, "w3": w3}, x, y, jnp.asarray(0.1)) == [
        ("stale-weights", "d2 = (d3 @ w3.T) * (1 - a2**2)"),
        ("stale-weights", "d1 = (d2 @ w2.T) * a1"),
        ("wrong-activation-derivative", "d1 = (d2 @ w2.T) * a1"),
    ]


def _of_one_example(params, x, y):
    h = jax.nn.sigmoid(params["w1"] @ x)
    return 0.5 * jnp.sum((params["w2"] @ h - y) ** 2)


def _dot(v, w):
    return sum((a * b for a, b in zip(v, w, strict=True)), 0.0)


def test_neurons_that_read_the_weights_of_the_layer_above_after_their_step(getkey):
    def grads(params, x, y):
        hidden, output = ([list(row) for row in params[name]] for name in ("w1", "w2"))
        h = [jax.nn.sigmoid(_dot(row, x)) for row in hidden]
        errors = [_dot(row, h) - t for row, t in zip(output, y, strict=True)]
        for row, error in zip(output, errors, strict=True):
            for j, v in enumerate(h):
                row[j] = row[j] - error * v
        sent = [v * (1 - v) * _dot(errors, [row[j] for row in output]) for j, v in enumerate(h)]
        for row, error in zip(hidden, sent, strict=True):
            for j, v in enumerate(x):
                row[j] = row[j] - error * v
        new = {"w1": jnp.stack([jnp.stack(row) for row in hidden]), "w2": jnp.stack([jnp.stack(row) for row in output])}
        return {name: params[name] - new[name] for name in params}

    w1, w2, x, y = normals(getkey, (4, 3), (2, 4), (3,), (2,))
    found = said(_of_one_example, grads, {"w1": w1, "w2": w2}, x, y)
    line = "sent = [v * (1 - v) * _dot(errors, [row[j] for row in output]) for j, v in enumerate(h)]"
    assert found == [("stale-weights", line)]


def test_a_layer_that_is_gone_through_again_after_its_step(getkey):
    """The same function is right where it is called before; the line that calls it too late is told."""

    def layer(weights, values):
        z = weights @ values
        return jax.nn.sigmoid(z)

    def grads(params, x, y):
        w1, w2 = params["w1"], params["w2"]
        h = layer(w1, x)
        d2 = w2 @ h - y
        d1 = (w2.T @ d2) * h * (1 - h)
        w1 = w1 - 0.1 * jnp.outer(d1, x)
        h = layer(w1, x)
        w2 = w2 - 0.1 * jnp.outer(d2, h)
        return {"w1": (params["w1"] - w1) / 0.1, "w2": (params["w2"] - w2) / 0.1}

    w1, w2, x, y = normals(getkey, (4, 3), (2, 4), (3,), (2,))
    report = check(_of_one_example, grads, {"w1": w1, "w2": w2}, x, y)
    (finding,) = report.findings
    assert (finding.cause, finding.leaves) == ("stale-weights", ("w2",))
    assert finding.line and finding.line.number == _line_of(grads, "h = layer(w1, x)", 2)


def _line_of(function, text, time):
    """The number of the line that reads so for the second time, or whichever."""
    lines, first = inspect.getsourcelines(function)
    return first + [number for number, line in enumerate(lines) if line.strip() == text][time - 1]


def test_the_sum_of_a_layer_is_no_step_of_its_bias(getkey):
    """Each neuron keeps its weighted sum, which is read where its output belongs."""

    def loss(params, x, y):
        a = x
        for n in range(2):
            a = jax.nn.sigmoid(params[f"w{n}"] @ a + params[f"b{n}"])
        return 0.5 * jnp.sum((a - y) ** 2)

    def grads(params, x, y):
        sums, outputs = [], [list(x)]
        for n in range(2):
            of_one = zip(params[f"w{n}"], params[f"b{n}"], strict=True)
            sums.append([_dot(row, outputs[n]) + b for row, b in of_one])
            outputs.append([jax.nn.sigmoid(z) for z in sums[n]])
        d = jnp.stack([(a - t) * a * (1 - a) for a, t in zip(outputs[2], y, strict=True)])
        h = jnp.stack(outputs[1])
        back = (params["w1"].T @ d) * h * (1 - h)
        rows = [jnp.stack([error * v for v in sums[0]]) for error in d]
        return {"w1": jnp.stack(rows), "b1": d, "w0": jnp.outer(back, x), "b0": back}

    w0, b0, w1, b1, x, y = normals(getkey, (4, 3), (4,), (2, 4), (2,), (3,), (2,))
    found = said(loss, grads, {"w0": w0, "b0": b0, "w1": w1, "b1": b1}, x, y)
    assert "stale-weights" not in {cause for cause, _ in found}


def test_a_sign_that_is_twice_too_large_is_so_by_a_factor(getkey):
    """It is the same at every point, and a multiple of whatever number is; the second step reads the first besides."""

    def loss(params, value, rate, lam):
        p, q = params["p"], params["q"]
        return jnp.abs(value - p @ q) + 0.5 * lam * (jnp.sum(p**2) + jnp.sum(q**2))

    def grads(params, value, rate, lam):
        p, q = params["p"], params["q"]
        e = value - p @ q
        e = jnp.sign(e)
        p = p + rate * (2 * e * q - lam * p)
        q = q + rate * (2 * e * p - lam * q)
        return {"p": (params["p"] - p) / rate, "q": (params["q"] - q) / rate}

    p, q = normals(getkey, (4,), (4,))
    found = said(loss, grads, {"p": p, "q": q}, *map(jnp.asarray, (3.0, 0.1, 0.2)))
    assert [cause for cause, _ in found] == ["stale-weights", "scale-constant"]
