"""The diagnosis where a network is written neuron by neuron, in lists."""

from functools import partial

import jax
import jax.numpy as jnp
import pytest

from jaxmlp import check

from .findings import first, normals, said


def loss(params, x, y):
    h = jnp.tanh(params["hidden"] @ x)
    return 0.5 * jnp.sum((jnp.tanh(params["output"] @ h) - y) ** 2)


def stacked(rows):
    return jnp.stack(rows)


def through_neurons(slope):
    """A backward pass, neuron by neuron, that takes `slope` of each neuron's output."""

    def grads(params, x, y):
        values, outputs = [x[k] for k in range(len(x))], []
        for name in ("hidden", "output"):
            outputs.append(values)
            values = [jnp.tanh(sum(v * w for v, w in zip(values, row, strict=True))) for row in params[name]]
        outputs.append(values)
        found = {}
        errors = [out - y[k] for k, out in enumerate(values)]
        for name, layer in (("output", 2), ("hidden", 1)):
            deltas = []
            for neuron, error in zip(outputs[layer], errors, strict=True):
                sigma = slope(neuron)
                deltas.append(sigma * error)
            weights = params[name]
            back = range(len(outputs[layer - 1]))
            errors = [sum(d * weights[j, k] for j, d in enumerate(deltas)) for k in back]
            rows = [jnp.stack([d * v for v in outputs[layer - 1]]) for d in deltas]
            found[name] = stacked(rows)
        return found

    return grads


def test_the_slope_of_another_activation_in_every_neuron_of_layers_of_several_sizes(getkey):
    hidden, output, x, y = normals(getkey, (3, 4), (2, 3), (4,), (2,))
    params = {"hidden": hidden, "output": output}
    assert check(loss, through_neurons(lambda out: 1 - out * out), params, x, y).ok
    found = said(loss, through_neurons(lambda out: out * (1 - out)), params, x, y)
    assert found == [("wrong-activation-derivative", "sigma = slope(neuron)")]


def sigmoid(v, derivative):
    out = 1 / (1 + jnp.exp(-v))
    if derivative:
        return out * (1 - out)
    return out


def test_a_slope_that_wants_the_weighted_sum_and_is_given_the_activation(getkey):
    def loss(params, x, y):
        h = jax.nn.sigmoid(x @ params["w1"])
        return 0.5 * jnp.sum((jax.nn.sigmoid(h @ params["w2"]) - y) ** 2)

    def grads(params, x, y, wants_sums=True):
        z1 = x @ params["w1"]
        h = sigmoid(z1, False)
        z2 = h @ params["w2"]
        out = sigmoid(z2, False)
        dz2 = (out - y) * sigmoid(z2 if wants_sums else out, True)
        dz1 = dz2 @ params["w2"].T * sigmoid(z1 if wants_sums else h, True)
        return {"w1": x.T @ dz1, "w2": h.T @ dz2}

    w1, w2, x, y = normals(getkey, (3, 4), (4, 1), (5, 3), (5, 1))
    params = {"w1": w1, "w2": w2}
    assert check(loss, grads, params, x, y).ok
    assert said(loss, partial(grads, wants_sums=False), params, x, y) == [
        ("wrong-activation-derivative", "dz2 = (out - y) * sigmoid(z2 if wants_sums else out, True)"),
        ("wrong-activation-derivative", 'dz1 = dz2 @ params["w2"].T * sigmoid(z1 if wants_sums else h, True)'),
    ]


def test_slopes_of_an_error_beside_another_mistake(getkey):
    def loss(params, x, y):
        h = jax.nn.sigmoid(x @ params["w1"])
        return 0.5 * jnp.sum((jax.nn.sigmoid(h @ params["w2"]) - y) ** 2)

    def grads(params, x, y, right=False):
        h = sigmoid(x @ params["w1"], False)
        out = sigmoid(h @ params["w2"], False)
        dz2 = (out - y) * out * (1 - out)
        dh = dz2 @ params["w2"].T
        at = h if right else dh
        dz1 = dh * at * (1 - at)
        dw1 = (x if right else x * h[:, :3]).T @ dz1
        return {"w1": dw1, "w2": h.T @ dz2}

    w1, w2, x, y = normals(getkey, (3, 4), (4, 1), (5, 3), (5, 1))
    params = {"w1": w1, "w2": w2}
    assert check(loss, partial(grads, right=True), params, x, y).ok
    assert said(loss, grads, params, x, y) == [("wrong-activation-derivative", "dz1 = dh * at * (1 - at)")]


def test_deltas_that_are_sent_back_without_the_slope_of_the_output_and_then_collected(getkey):
    def loss(params, x, y):
        h = jax.nn.sigmoid(params["w1"] @ x)
        return 0.5 * jnp.sum((jax.nn.sigmoid(params["w2"] @ h) - y) ** 2)

    def grads(params, x, y, right=False):
        h = sigmoid(params["w1"] @ x, False)
        out = sigmoid(params["w2"] @ h, False)
        error = out - y
        delta = error * out * (1 - out)
        sent = delta if right else error
        first = params["w2"][0, 0] * sent[0]
        second = params["w2"][0, 1] * sent[0]
        both = jnp.stack([first, second])
        return {"w1": jnp.outer(both * h * (1 - h), x), "w2": jnp.outer(delta, h)}

    w1, w2, x, y = normals(getkey, (2, 3), (1, 2), (3,), (1,))
    params = {"w1": w1, "w2": w2}
    assert check(loss, partial(grads, right=True), params, x, y).ok
    assert said(loss, grads, params, x, y) == [
        ("missing-activation-derivative", 'first = params["w2"][0, 0] * sent[0]'),
        ("missing-activation-derivative", 'second = params["w2"][0, 1] * sent[0]'),
    ]


def test_the_value_of_the_next_neuron_is_sent_back_where_its_error_belongs(getkey):
    def loss(params, x, y):
        h = jax.nn.sigmoid(x @ params["w1"])
        return 0.5 * jnp.sum((jax.nn.sigmoid(h @ params["w2"]) - y) ** 2)

    def grads(params, x, y, right=False):
        dw1, dw2 = jnp.zeros_like(params["w1"]), jnp.zeros_like(params["w2"])
        for n in range(len(x)):
            h = sigmoid(x[n] @ params["w1"], False)
            value = sigmoid(h @ params["w2"], False)
            error = (value - y[n]) * value * (1 - value)
            for k in range(len(h)):
                sent = 0.0
                sent += (error if right else value) * params["w2"][k]
                dz = h[k] * (1 - h[k]) * sent
                dw1 = dw1.at[:, k].add(x[n] * dz)
            dw2 = dw2 + h * error
        return {"w1": dw1, "w2": dw2}

    w1, w2, x, y = normals(getkey, (3, 2), (2,), (4, 3), (4,))
    params = {"w1": w1, "w2": w2}
    assert check(loss, partial(grads, right=True), params, x, y).ok
    line = 'sent += (error if right else value) * params["w2"][k]'
    assert said(loss, grads, params, x, y) == [("wrong-operand", line)]


@pytest.mark.parametrize("where", [("z2",), ("z1", "z2")])
def test_a_slope_where_it_ought_to_be_multiplied_by_what_comes_in(where, getkey):
    def loss(params, x, y):
        h = jax.nn.sigmoid(x @ params["w1"])
        return 0.5 * jnp.sum((jax.nn.sigmoid(h @ params["w2"]) - y) ** 2)

    def grads(params, x, y, forgets=()):
        z1 = x @ params["w1"]
        z2 = jax.nn.sigmoid(z1) @ params["w2"]
        error = jax.nn.sigmoid(z2) - y
        dz2 = sigmoid(z2, True) * (1 if "z2" in forgets else error)
        sent = dz2 @ params["w2"].T
        dz1 = sigmoid(z1, True) * (1 if "z1" in forgets else sent)
        return {"w1": x.T @ dz1, "w2": jax.nn.sigmoid(z1).T @ dz2}

    w1, w2, x, y = normals(getkey, (3, 4), (4, 2), (5, 3), (5, 2))
    params = {"w1": w1, "w2": w2}
    assert check(loss, grads, params, x, y).ok
    found = said(loss, partial(grads, forgets=where), params, x, y)
    assert [(cause, line and line[:3]) for cause, line in found] == [
        ("missing-upstream", f"d{z}") for z in reversed(where)
    ]


class Scaled:
    """A layer whose input is multiplied by a number of each of two outputs, which are added up."""

    def __init__(self, w):
        self.w = w

    def forward(self, x):
        return jnp.stack([(x @ self.w[k]) for k in range(2)], axis=1)

    def backward(self, x, dout):
        return sum((jnp.ones_like(x) * self.w[k][None, :] for k in range(2)), jnp.zeros_like(x))

    def backward_weighted(self, x, dout):
        return sum((dout[:, k : k + 1] * self.w[k][None, :] for k in range(2)), jnp.zeros_like(x))


@pytest.mark.parametrize("right", (False, True))
def test_a_method_that_never_reads_what_comes_in_lacks_it(right, getkey):
    def loss(params, x, y):
        layer = Scaled(params["w2"])
        return jnp.mean((layer.forward(x @ params["w1"]) - y) ** 2)

    def grads(params, x, y):
        layer, h = Scaled(params["w2"]), x @ params["w1"]
        dout = 2 * (layer.forward(h) - y) / y.size
        dh = (layer.backward_weighted if right else layer.backward)(h, dout)
        return {"w1": x.T @ dh, "w2": dout.T @ h}

    w1, w2, x, y = normals(getkey, (3, 4), (2, 4), (5, 3), (5, 2))
    report = check(loss, grads, {"w1": w1, "w2": w2}, x, y)
    assert report.ok == right
    assert [finding.cause for finding in report.findings] == ([] if right else ["missing-upstream"])
    assert all(f.line and f.line.text.startswith("return sum((jnp.ones_like(x)") for f in report.findings)


@pytest.mark.parametrize("sent", ("delta", "error"))
def test_what_is_made_with_its_slope_and_then_not_used_lacks_the_slope(sent, getkey):
    def loss(params, x, y):
        h = jax.nn.sigmoid(params["w1"] @ x)
        return 0.5 * jnp.sum((jax.nn.sigmoid(params["w2"] @ h) - y) ** 2)

    def grads(params, x, y):
        x = x[:, None]
        h = jax.nn.sigmoid(params["w1"] @ x)
        a = jax.nn.sigmoid(params["w2"] @ h)
        error = a - y[:, None]
        delta = error * a * (1 - a)
        below = params["w2"].T @ (delta if sent == "delta" else error)
        return {"w1": (below * h * (1 - h)) @ x.T, "w2": delta @ h.T}

    w1, w2, x, y = normals(getkey, (4, 3), (2, 4), (3,), (2,))
    line = 'below = params["w2"].T @ (delta if sent == "delta" else error)'
    if sent == "delta":
        assert check(loss, grads, {"w1": w1, "w2": w2}, x, y).ok
    else:
        assert said(loss, grads, {"w1": w1, "w2": w2}, x, y) == [("missing-activation-derivative", line)]


def test_a_sum_in_a_loop_is_wrong_and_not_the_slope_function_that_takes_it(getkey):
    w, u, x, h, y = normals(getkey, (3, 2), (3, 3), (2,), (3,), (3,))

    def cell(params, x, h, y):
        return 0.5 * jnp.sum((jnp.tanh(params["w"] @ x + params["u"] @ (jax.nn.sigmoid(x[0]) * h)) - y) ** 2)

    def grads(params, x, h, y):
        gate, units = jax.nn.sigmoid(x[0]), []
        for k in range(3):
            total = params["w"][k] @ x
            for j in range(3):
                total = total + params["u"][k, j] * h[j]
            units.append(jnp.tanh(total))
        new = jnp.stack(units)
        dz = (new - y) * (1 - new**2)
        return {"w": jnp.outer(dz, x), "u": jnp.outer(dz, gate * h)}

    found = said(cell, grads, {"w": w, "u": u}, x, h, y)
    assert found == [("wrong-forward", 'total = total + params["u"][k, j] * h[j]')]


def test_a_loop_over_the_weights_that_takes_the_value_of_the_wrong_unit_is_named(getkey):
    def loss(params, x, y):
        return 0.5 * jnp.sum((jnp.tanh(x @ params["w"]) @ params["v"] - y) ** 2)

    def grads(params, x, y):
        h = jnp.tanh(x @ params["w"])
        error = h @ params["v"] - y
        dh = params["v"] @ error * (1 - h**2)
        dv = jnp.zeros_like(params["v"])
        for j in range(dv.shape[0]):
            for k in range(dv.shape[1]):
                dv = dv.at[j, k].set(error[k] * h[k])
        return {"w": jnp.outer(x, dh), "v": dv}

    w, v, x, y = normals(getkey, (5, 4), (4, 3), (5,), (3,))
    found = said(loss, grads, {"w": w, "v": v}, x, y)
    assert found == [("wrong-operand", "dv = dv.at[j, k].set(error[k] * h[k])")]


def test_a_sign_in_every_element_of_a_list(getkey):
    def loss(params, x, t):
        h = jax.nn.sigmoid(params["w1"] @ x)
        return 0.5 * jnp.sum((t - jax.nn.sigmoid(params["w2"] @ h)) ** 2)

    def grads(params, x, t):
        h = jax.nn.sigmoid(params["w1"] @ x)
        out = jax.nn.sigmoid(params["w2"] @ h)
        errors = [t[j] + out[j] for j in range(2)]
        d2 = jnp.stack([errors[j] * out[j] * (1 - out[j]) for j in range(2)])
        d1 = params["w2"].T @ d2 * h * (1 - h)
        return {"w1": -jnp.outer(d1, x), "w2": -jnp.outer(d2, h)}

    w1, w2, x, t = normals(getkey, (4, 3), (2, 4), (3,), (2,))
    assert said(loss, grads, {"w1": w1, "w2": w2}, x, t) == [("sign", "errors = [t[j] + out[j] for j in range(2)]")]


def test_each_output_neuron_lacks_the_slope_of_a_tanh_of_another_scale(getkey):
    def loss(params, x, y):
        h = jnp.tanh(x @ params["w1"])
        return 0.5 * jnp.sum((y - 1.7 * jnp.tanh((h @ params["w2"]) * 2 / 3)) ** 2)

    def grads(params, x, y):
        w1, w2 = params["w1"], params["w2"]
        h = [jnp.tanh(sum(x[i] * w1[i, j] for i in range(5))) for j in range(4)]
        out = [1.7 * jnp.tanh(sum(h[j] * w2[j, k] for j in range(4)) * 2 / 3) for k in range(3)]
        delta = [out[k] - y[k] for k in range(3)]
        dw2 = jnp.stack([jnp.stack([h[j] * delta[k] for k in range(3)]) for j in range(4)])
        back = [sum(w2[j, k] * delta[k] for k in range(3)) * jnp.sqrt(1 - h[j] ** 2) for j in range(4)]
        return {"w1": jnp.outer(x, jnp.stack(back)), "w2": dw2}

    w1, w2, x, y = normals(getkey, (5, 4), (4, 3), (5,), (3,))
    found = first(check(loss, grads, {"w1": w1, "w2": w2}, x, y))
    assert found == ("missing-activation-derivative", "delta = [out[k] - y[k] for k in range(3)]")


def test_a_slope_where_the_input_of_a_linear_neuron_belongs(getkey):
    def loss(params, x, y):
        return 0.5 * (y - params["w"] @ x) ** 2

    def grads(params, x, y):
        out = params["w"][0] * x[0] + params["w"][1] * x[1]
        change = []
        for _ in range(2):
            error = (1 - out) * out * (y - out)
            change.append(error)
        return {"w": -jnp.stack(change)}

    w, x = normals(getkey, (2,), (2,))
    found = said(loss, grads, {"w": w}, x, jnp.asarray(0.7))
    assert found == [("extra-activation-derivative", "error = (1 - out) * out * (y - out)")]
