"""The diagnosis where the candidate's own forward pass is computed by another formula, in more places than one."""

import inspect

import jax
import jax.numpy as jnp
import pytest

from jaxmlp import check

from .findings import first, named, normals, said


def two_layers(activation):
    def loss(params, x, y):
        a = activation(x @ params["w1"] + params["b1"][None])
        return 0.5 * jnp.mean(jnp.sum((activation(a @ params["w2"]) - y) ** 2, axis=1))

    return loss


def backward_of(activation, slope):
    def grads(params, x, y):
        z1 = x @ params["w1"] + params["b1"][None]
        a1 = activation(z1)
        z2 = a1 @ params["w2"]
        a2 = activation(z2)
        d2 = (a2 - y) * slope(a2) / len(x)
        d1 = d2 @ params["w2"].T * slope(a1)
        return {"w1": x.T @ d1, "b1": d1.sum(0), "w2": a1.T @ d2}

    return grads


def half_tanh(z):
    return (1 - jnp.exp(-z)) / (1 + jnp.exp(-z))


def min_for_max(z):
    return jnp.minimum(z, 0.0)


def mask_for_relu(z):
    return jnp.where(z > 0, 1.0, 0.0)


@pytest.mark.parametrize(
    ("right", "slope", "wrong"),
    [
        (jnp.tanh, lambda a: 1 - a**2, half_tanh),
        (jax.nn.relu, lambda a: jnp.where(a > 0, 1.0, 0.0), min_for_max),
        (jax.nn.relu, lambda a: jnp.where(a > 0, 1.0, 0.0), mask_for_relu),
    ],
)
def test_an_activation_of_another_formula_in_both_layers_is_one_mistake(right, slope, wrong, getkey):
    w1, b1, w2, x, y = normals(getkey, (4, 5), (5,), (5, 3), (8, 4), (8, 3))
    params = {"w1": w1, "b1": b1, "w2": w2}
    assert check(two_layers(right), backward_of(right, slope), params, x, y).ok
    report = check(two_layers(right), backward_of(wrong, slope), params, x, y)
    [line] = inspect.getsource(wrong).splitlines()[1:]
    assert named(report) == [("wrong-forward", line.strip())]
    assert set(report.findings[0].leaves) == set(params)


def test_each_line_that_computes_another_activation_is_named(getkey):
    def grads(params, x, y):
        z1 = x @ params["w1"] + params["b1"][None]
        a1 = jnp.exp(z1)
        z2 = a1 @ params["w2"]
        a2 = z2 / (1 + jnp.abs(z2))
        d2 = (a2 - y) * (1 - a2**2) / len(x)
        d1 = d2 @ params["w2"].T * (1 - a1**2)
        return {"w1": x.T @ d1, "b1": d1.sum(0), "w2": a1.T @ d2}

    w1, b1, w2, x, y = normals(getkey, (4, 5), (5,), (5, 3), (8, 4), (8, 3))
    found = said(two_layers(jnp.tanh), grads, {"w1": w1, "b1": b1, "w2": w2}, x, y)
    assert found == [("wrong-forward", "a1 = jnp.exp(z1)"), ("wrong-forward", "a2 = z2 / (1 + jnp.abs(z2))")]


def test_an_activation_of_another_formula_neuron_by_neuron(getkey):
    def leaky(z):
        return jnp.where(z < 0, 0.0, 0.01 * z)

    def layer(weights, values):
        outs = []
        for n in range(weights.shape[0]):
            total = 0.0
            for k in range(weights.shape[1]):
                total = total + weights[n, k] * values[k]
            outs.append(leaky(total))
        return outs

    def loss(params, x, y):
        right = lambda z: jnp.where(z < 0, 0.01 * z, z)
        return 0.5 * jnp.sum((right(params["w2"] @ right(params["w1"] @ x)) - y) ** 2)

    def grads(params, x, y):
        hidden = layer(params["w1"], x)
        out = layer(params["w2"], hidden)
        d2 = [(out[k] - y[k]) * jnp.where(out[k] > 0, 1.0, 0.01) for k in range(2)]
        d1 = []
        for n in range(4):
            error = sum(d2[k] * params["w2"][k, n] for k in range(2))
            d1.append(error * jnp.where(hidden[n] > 0, 1.0, 0.01))
        w2 = jnp.stack([jnp.stack([d2[k] * hidden[n] for n in range(4)]) for k in range(2)])
        return {"w2": w2, "w1": jnp.stack([jnp.stack([d1[n] * x[i] for i in range(3)]) for n in range(4)])}

    w1, w2, x, y = normals(getkey, (4, 3), (2, 4), (3,), (2,))
    report = check(loss, grads, {"w1": w1, "w2": w2}, x, y)
    assert first(report) == ("wrong-forward", "outs.append(leaky(total))")
    assert len(named(report)) == 1


def test_two_gates_that_read_the_bias_of_the_third_are_two_mistakes(getkey):
    def loss(params, x, y):
        forget, update, out = (jax.nn.sigmoid(x @ params["w" + k] + params["b" + k][None]) for k in "fuo")
        return 0.5 * jnp.sum((out * jnp.tanh(forget + update * jnp.tanh(x)) - y) ** 2)

    def grads(params, x, y):
        forget = jax.nn.sigmoid(x @ params["wf"] + params["bo"][None])
        update = jax.nn.sigmoid(x @ params["wu"] + params["bo"][None])
        out = jax.nn.sigmoid(x @ params["wo"] + params["bo"][None])
        t, candidate = jnp.tanh(x), jnp.tanh(forget + update * jnp.tanh(x))
        error = out * candidate - y
        inner = error * out * (1 - candidate**2)
        df = inner * forget * (1 - forget)
        du = inner * t * update * (1 - update)
        do = error * candidate * out * (1 - out)
        each = {"f": df, "u": du, "o": do}
        return {"w" + k: x.T @ d for k, d in each.items()} | {"b" + k: d.sum(0) for k, d in each.items()}

    arrays = normals(getkey, *[(4, 4)] * 3, *[(4,)] * 3, (6, 4), (6, 4))
    params = dict(zip(("wf", "wu", "wo", "bf", "bu", "bo"), arrays, strict=False))
    report = check(loss, grads, params, *arrays[6:])
    assert named(report) == [
        ("wrong-operand", 'forget = jax.nn.sigmoid(x @ params["wf"] + params["bo"][None])'),
        ("wrong-operand", 'update = jax.nn.sigmoid(x @ params["wu"] + params["bo"][None])'),
    ]
    assert '`params["bo"]` where `params["bf"]` belongs' in report.findings[0].message


def exponential(z):
    return 1 / jnp.exp(-z)


def test_a_sigmoid_without_its_one_is_wrong_itself_though_an_exponential_is_its_own_slope(getkey):
    def loss(params, x, y):
        z = jnp.tanh(x @ params["w1"]) @ params["w2"]
        return jnp.mean(jnp.logaddexp(0.0, z) - y * z)

    def grads(params, x, y):
        a1 = jnp.tanh(x @ params["w1"])
        a2 = exponential(a1 @ params["w2"])
        d2 = (a2 - y) / len(x)
        d1 = d2 @ params["w2"].T * (1 - a1**2)
        return {"w1": x.T @ d1, "w2": a1.T @ d2}

    w1, w2, x, y = normals(getkey, (4, 5), (5, 1), (8, 4), (8, 1))
    found = said(loss, grads, {"w1": w1, "w2": w2}, x, (y > 0).astype(y.dtype))
    assert found == [("wrong-forward", "return 1 / jnp.exp(-z)")]


def test_a_softmax_of_what_lacks_its_bias_is_wrong_where_it_is_lacking(getkey):
    def loss(params, x, y):
        return -jnp.mean(jnp.sum(y * jax.nn.log_softmax(x @ params["w"] + params["b"][None]), axis=1))

    def grads(params, x, y):
        scores = jnp.exp(x @ params["w"])
        p = scores / jnp.sum(scores, axis=1, keepdims=True)
        d = (p - y) / len(x)
        return {"w": x.T @ d, "b": d.sum(0)}

    w, b, x = normals(getkey, (4, 3), (3,), (8, 4))
    found = said(loss, grads, {"w": w, "b": b}, x, jnp.eye(3)[jnp.arange(8) % 3])
    assert found == [("wrong-forward", 'scores = jnp.exp(x @ params["w"])')]


def test_an_activation_of_another_formula_is_one_mistake_where_the_loss_takes_logits(getkey):
    def loss(params, x, y):
        z = (jax.nn.sigmoid(x @ params["w1"]) @ params["w2"])[:, 0]
        return jnp.mean(jnp.logaddexp(0.0, z) - y * z)

    def grads(params, x, y):
        a1 = exponential(x @ params["w1"])
        a2 = exponential(a1 @ params["w2"])
        d2 = (a2 - y[:, None]) / len(x)
        d1 = d2 @ params["w2"].T * a1 * (1 - a1)
        return {"w1": x.T @ d1, "w2": a1.T @ d2}

    w1, w2, x, y = normals(getkey, (4, 5), (5, 1), (8, 4), (8,))
    # Logits of both signs: where all are negative, `logaddexp` computes `exp(z)` on its way.
    found = said(loss, grads, {"w1": w1, "w2": w2 - w2.mean()}, x, (y > 0).astype(y.dtype))
    assert found == [("wrong-forward", "return 1 / jnp.exp(-z)")]


def rectified(z):
    return jnp.maximum(z, 0)


def test_an_activation_that_is_right_by_itself_is_called_where_another_belongs(getkey):
    def loss(params, x, y):
        a = jax.nn.sigmoid(x @ params["w1"])
        return 0.5 * jnp.sum((jax.nn.sigmoid(a @ params["w2"]) @ params["w3"] - y) ** 2)

    def grads(params, x, y):
        a1 = rectified(x @ params["w1"])
        a2 = rectified(a1 @ params["w2"])
        d3 = a2 @ params["w3"] - y
        d2 = d3 @ params["w3"].T * a2 * (1 - a2)
        d1 = d2 @ params["w2"].T * a1 * (1 - a1)
        return {"w1": x.T @ d1, "w2": a1.T @ d2, "w3": a2.T @ d3}

    w1, w2, w3, x, y = normals(getkey, (3, 4), (4, 5), (5, 2), (6, 3), (6, 2))
    assert said(loss, grads, {"w1": w1, "w2": w2, "w3": w3}, x, y) == [
        ("wrong-forward", 'a1 = rectified(x @ params["w1"])'),
        ("wrong-forward", 'a2 = rectified(a1 @ params["w2"])'),
    ]


def odds(z, is_closed):
    return jnp.exp(z) / (1 + jnp.exp(z)) if is_closed else jnp.exp(z) / jnp.exp(1 + z)


@pytest.mark.parametrize("is_closed", [False, True])
def test_a_quotient_that_is_one_number_whatever_the_parameters_are(getkey, is_closed):
    def loss(params, x, y):
        z = x @ params["w"] + params["b"]
        return jnp.mean(jnp.logaddexp(0.0, z) - y * z)

    def grads(params, x, y):
        p = odds(x @ params["w"] + params["b"], is_closed)
        d = (p - y) / (1 if is_closed else len(x))
        return {"w": x.T @ d, "b": jnp.sum(d)}

    w, b, x = normals(getkey, (3,), (), (6, 3))
    report = check(loss, grads, {"w": w, "b": b}, x, jnp.array([0.0, 1, 1, 0, 1, 0]))
    cause, line = first(report)
    if is_closed:
        assert (cause, line) != ("wrong-forward", inspect.getsource(odds).splitlines()[1].strip())
    else:
        assert cause == "wrong-forward" and report.findings[0].leaves == ("b", "w")
        assert line == "return jnp.exp(z) / (1 + jnp.exp(z)) if is_closed else jnp.exp(z) / jnp.exp(1 + z)"
        assert "0.3679" in report.text()


def test_a_quotient_of_two_constants_is_no_mistake_of_its_own(getkey):
    logistic = lambda z: 1 / (1 + jnp.exp(-z))
    slope = lambda z: jnp.exp(z) / (1 + jnp.exp(z)) ** 2

    def loss(params, x):
        f = x @ params["w"]
        return jnp.sum(logistic(f)) + jnp.sum(logistic(f[:, None] - f[None]) ** 2)

    def grads(params, x):
        f = x @ params["w"]
        dw = jnp.zeros_like(f)
        for j in range(len(f)):
            dw = dw.at[j].add(2 * slope(f[j]))
            for k in range(len(f)):
                d = 2 * logistic(f[j] - f[k]) * slope(f[j] - f[k])
                dw = dw.at[j].add(d).at[k].add(-d)
        return {"w": x.T @ dw}

    w, x = normals(getkey, (3,), (4, 3))
    (cause, line), *_ = said(loss, grads, {"w": w}, x)
    assert (cause, line) == ("scale-constant", "dw = dw.at[j].add(2 * slope(f[j]))")
