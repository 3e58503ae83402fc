"""The diagnosis of helper functions: wrong in themselves, or right and called wrongly."""

from functools import partial

import jax
import jax.numpy as jnp
import pytest

from jaxmlp import check

from ...helpers import normal
from .. import gradients
from .findings import first, named, normals


def said(loss, grads, *inputs):
    """The cause and the line of the first finding on a wrong gradient."""
    return first(check(loss, grads, *inputs))


@pytest.fixture
def deep(getkey):
    keys = jax.random.split(getkey(), 5)
    params = {f"w{i}": normal(keys[i], shape) for i, shape in enumerate(((3, 4), (4, 5), (5, 2)))}
    return params, normal(keys[3], (6, 3)), normal(keys[4], (6, 2))


def loss(params, x, y):
    a = jax.nn.relu(x @ params["w0"])
    a = jax.nn.relu(a @ params["w1"])
    return jnp.mean(jnp.sum((jnp.tanh(a @ params["w2"]) - y) ** 2, axis=1))


def act_bwd(kind, da, z):
    if kind == "relu":
        return jnp.where(z > 0, da, 0.0)
    if kind == "tanh":
        t = jnp.tanh(z)
        return da * (1 - t * t)
    return da


def layers_bwd(params, x, y, kind_of_hidden="tanh"):
    zs, a = [], [x]
    for i in range(3):
        zs.append(a[-1] @ params[f"w{i}"])
        a.append(jnp.tanh(zs[-1]) if i == 2 else jnp.maximum(zs[-1], 0))
    grads = {}
    da = 2 * (a[3] - y) / len(y)
    dz = act_bwd("tanh", da, zs[2])
    grads["w2"] = a[2].T @ dz
    for i in (1, 0):
        dz = act_bwd(kind_of_hidden, dz @ params[f"w{i + 1}"].T, zs[i])
        grads[f"w{i}"] = a[i].T @ dz
    return grads


def test_a_helper_that_is_asked_for_another_activation(deep):
    line = 'dz = act_bwd(kind_of_hidden, dz @ params[f"w{i + 1}"].T, zs[i])'
    for grads in (layers_bwd, lambda params, x, y: layers_bwd(params, x, y)):
        assert said(loss, grads, *deep) == ("wrong-activation-derivative", line)
    assert check(loss, lambda params, x, y: layers_bwd(params, x, y, "relu"), *deep).ok


def dense_bwd(a, w, dz):
    dw = a.T @ dz
    db = dz.sum(axis=0)
    return dw, db, dz @ w.T


def called_with_another_input(params, x, y):
    z1 = x @ params["w1"] + params["b1"][None, :]
    a1 = jnp.tanh(z1)
    dz2 = 2 * (a1 @ params["w2"] + params["b2"][None, :] - y) / len(y)
    dw2, db2, da1 = dense_bwd(z1, params["w2"], dz2)
    dw1, db1, _ = dense_bwd(x, params["w1"], da1 * (1 - a1 * a1))
    return {"w1": dw1, "b1": db1, "w2": dw2, "b2": db2}


def test_a_helper_that_is_given_another_operand(getkey):
    cause, line = said(gradients.loss, called_with_another_input, *gradients.problem(getkey()))
    assert cause in ("wrong-operand", "off-by-one-layer")
    assert line == 'dw2, db2, da1 = dense_bwd(z1, params["w2"], dz2)'


class Leaky:
    """An activation that keeps its input, and then asks for the sign of something else."""

    def forward(self, z):
        self.z = z
        return jnp.where(z > 0, z, 0.1 * z)

    def backward(self, da):
        return jnp.where(da > 0, da, 0.1 * da)


def test_a_method_that_does_not_read_what_its_object_holds(getkey):
    def leaky_loss(params, x, y):
        a1 = jax.nn.leaky_relu(x @ params["w1"] + params["b1"][None, :], 0.1)
        return 0.5 * jnp.sum((a1 @ params["w2"] + params["b2"][None, :] - y) ** 2)

    def grads(params, x, y):
        hidden = Leaky()
        a1 = hidden.forward(x @ params["w1"] + params["b1"][None, :])
        dout = a1 @ params["w2"] + params["b2"][None, :] - y
        dz1 = hidden.backward(dout @ params["w2"].T)
        return {"w1": x.T @ dz1, "b1": dz1.sum(axis=0), "w2": a1.T @ dout, "b2": dout.sum(axis=0)}

    _, line = said(leaky_loss, grads, *gradients.problem(getkey()))
    assert line in ("return jnp.where(da > 0, da, 0.1 * da)", 'dz1 = hidden.backward(dout @ params["w2"].T)')


def slope_of_softsign(z):
    square = jnp.abs(z) ** 2
    slope = 1 / (1 + square)
    return slope


def slope_at_softsign(a):
    return (1 - jnp.abs(a)) ** 2


def softsign_loss(params, x, y):
    a = jax.nn.soft_sign(x @ params["w0"])
    a = jax.nn.soft_sign(a @ params["w1"])
    return 0.5 * jnp.sum((a @ params["w2"] - y) ** 2)


def with_slope(params, x, y, slope, at_z):
    z0 = x @ params["w0"]
    a0 = z0 / (1 + jnp.abs(z0))
    z1 = a0 @ params["w1"]
    a1 = z1 / (1 + jnp.abs(z1))
    dout = a1 @ params["w2"] - y
    slope1 = slope(z1 if at_z else a1)
    slope0 = slope(z0 if at_z else a0)
    dz1 = (dout @ params["w2"].T) * slope1
    dz0 = (dz1 @ params["w1"].T) * slope0
    return {"w0": x.T @ dz0, "w1": a0.T @ dz1, "w2": a1.T @ dout}


def test_a_formula_that_is_wrong_wherever_it_is_called(deep):
    found = said(softsign_loss, lambda params, x, y: with_slope(params, x, y, slope_of_softsign, True), *deep)
    assert found == ("wrong-activation-derivative", "slope = 1 / (1 + square)")


def test_a_formula_that_is_right_at_another_argument(deep):
    assert check(softsign_loss, partial(with_slope, slope=slope_at_softsign, at_z=False), *deep).ok
    report = check(softsign_loss, partial(with_slope, slope=slope_at_softsign, at_z=True), *deep)
    lines = {finding.line and finding.line.text for finding in report.findings}
    assert {finding.cause for finding in report.findings} == {"wrong-activation-derivative"}
    assert lines == {"slope1 = slope(z1 if at_z else a1)", "slope0 = slope(z0 if at_z else a0)"}


class Squared:
    """A loss that keeps what its backward half needs."""

    def forward(self, out, y):
        self.rest = out - y
        return jnp.sum(self.rest**2)

    def backward(self):
        return self.rest / 3


def test_a_method_that_reads_what_its_object_holds(getkey):
    def grads(params, x, y):
        a1 = jnp.tanh(x @ params["w1"] + params["b1"][None, :])
        squared = Squared()
        squared.forward(a1 @ params["w2"] + params["b2"][None, :], y)
        dz2 = squared.backward()
        dz1 = dz2 @ params["w2"].T * (1 - a1 * a1)
        return {"w1": x.T @ dz1, "b1": dz1.sum(axis=0), "w2": a1.T @ dz2, "b2": dz2.sum(axis=0)}

    cause, line = said(gradients.loss, grads, *gradients.problem(getkey()))
    assert (cause, line) == ("scale-constant", "return self.rest / 3")


def _mixed(params, x, y):
    a = jax.nn.relu(jnp.tanh(x @ params["w0"]) @ params["w1"])
    return 0.5 * jnp.sum((jax.nn.sigmoid(a @ params["w2"]) - y) ** 2)


class _Activation:
    def __init__(self, function, derivative):
        self.function, self.derivative = function, derivative


TANH = _Activation(jnp.tanh, lambda a: 1.0 - a * a)
WRONG_TANH = _Activation(jnp.tanh, lambda a: a * (1.0 - 1.0 * a))
RELU = _Activation(lambda z: jnp.maximum(z, 0.0), lambda a: jnp.where(a > 0, 1.0, 0.0))
SIGMOID = _Activation(lambda z: 1.0 / (1.0 + jnp.exp(-z)), lambda a: a * (1.0 - a))


def _grads_of_mixed(params, x, y, table, shift):
    a = [x]
    for i, activation in enumerate(table):
        a.append(activation.function(a[i] @ params[f"w{i}"]))
    grads, d = {}, (a[-1] - y) * table[-1].derivative(a[-1])
    for i in (2, 1, 0):
        grads[f"w{i}"] = a[i].T @ d
        if i > 0:
            d = d @ params[f"w{i}"].T
            d = d * table[i - 1 + shift].derivative(a[i])
    return grads


@pytest.mark.parametrize(
    ("first_of_table", "shift", "line"),
    [
        (TANH, 1, "d = d * table[i - 1 + shift].derivative(a[i])"),
        (WRONG_TANH, 0, "WRONG_TANH = _Activation(jnp.tanh, lambda a: a * (1.0 - 1.0 * a))"),
    ],
)
def test_the_slope_of_the_layer_beside_is_called_for_wrongly_and_one_in_the_wrong_table_is_not(
    first_of_table, shift, line, getkey
):
    keys = jax.random.split(getkey(), 5)
    shapes = (3, 4), (4, 4), (4, 2), (6, 3), (6, 2)
    *weights, x, y = (normal(key, shape) for key, shape in zip(keys, shapes, strict=True))
    params = {f"w{i}": w for i, w in enumerate(weights)}
    grads = partial(_grads_of_mixed, table=[first_of_table, RELU, SIGMOID], shift=shift)
    assert said(_mixed, grads, params, x, y) == ("wrong-activation-derivative", line)


def divided(array, by):
    return array / by


def times(a, b):
    return a * b


def two_sigmoids(params, x, y):
    a = jax.nn.sigmoid(x @ params["w1"])
    return jnp.sum((jax.nn.sigmoid(a @ params["w2"]) - y) ** 2) / len(x)


def by_named_operations(params, x, y):
    m = len(x)
    a = jax.nn.sigmoid(x @ params["w1"])
    p = jax.nn.sigmoid(a @ params["w2"])
    dz2 = times(p - y, times(p, 1 - p))
    dw2 = divided(a.T @ dz2, m)
    dz1 = times(dz2 @ params["w2"].T, times(a, 1 - a))
    dw1 = divided(x.T @ dz1, m)
    return {"w1": dw1, "w2": dw2}


@pytest.mark.parametrize("examples", (4, 6))
def test_nothing_is_wrong_in_a_function_that_only_names_an_operation(getkey, examples):
    # Among four examples, the factor that is lacking would make another usual number of the count that divides.
    w1, w2, x, y = normals(getkey, (3, 5), (5, 2), (examples, 3), (examples, 2))
    report = check(two_sigmoids, by_named_operations, {"w1": w1, "w2": w2}, x, y)
    assert named(report) == [("scale-constant", "dz2 = times(p - y, times(p, 1 - p))")]
    assert set(report.findings[0].leaves) == {"w1", "w2"}


def slope_and_more(a, mask, d):
    return d * a * (1 - a) * mask


def test_a_function_that_multiplies_a_cotangent_by_too_much_is_wrong_itself(getkey):
    def loss(params, x, y):
        return 0.5 * jnp.sum((jax.nn.sigmoid(x @ params["w"]) - y) ** 2)

    def grads(params, x, y):
        a = jax.nn.sigmoid(x @ params["w"])
        dz = slope_and_more(a, y, a - y)
        return {"w": x.T @ dz}

    w, x, y = normals(getkey, (3, 2), (5, 3), (5, 2))
    assert said(loss, grads, {"w": w}, x, y) == ("extra-factor", "return d * a * (1 - a) * mask")
