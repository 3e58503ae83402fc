"""The line of a formula that one statement calls: where it is right for another activation, that of the call."""

import jax
import jax.numpy as jnp
import pytest

from jaxmlp import check

from .findings import normals, said


def _of_tanh(z):
    return 1 - jnp.tanh(z) ** 2


def _of_relu(z):
    return jnp.where(z > 0, 1.0, 0.0)


@pytest.mark.parametrize("slope", (_of_tanh, _of_relu))
def test_the_slope_of_another_activation_is_wrong_where_it_is_called(slope, getkey):
    def loss(params, x, y):
        return (jax.nn.sigmoid(x @ params["w"]) * y).sum()

    def grads(params, x, y):
        z = x @ params["w"]
        dz = y * slope(z)
        return {"w": x.T @ dz}

    w, x, y = normals(getkey, (3, 4), (5, 3), (5, 4))
    assert said(loss, grads, {"w": w}, x, y) == [("wrong-activation-derivative", "dz = y * slope(z)")]


def _of_tanh_at_its_result(a):
    return 1 - a**2


def _of_sigmoid_at_its_result(a):
    return a * (1 - a)


@pytest.mark.parametrize(
    ("activation", "slope"),
    (
        (lambda z: z + jnp.tanh(z), lambda z, a: _of_tanh(z)),
        (lambda z: 2**0.5 * jnp.tanh(2**0.5 * z), lambda z, a: _of_tanh_at_its_result(a)),
        (lambda z: 2 * jax.nn.sigmoid(z), lambda z, a: _of_sigmoid_at_its_result(a)),
    ),
)
def test_a_usual_slope_is_called_wrongly_even_where_one_number_in_it_would_make_it_right(activation, slope, getkey):
    def loss(params, x, y):
        return 0.5 * jnp.sum((activation(x @ params["w"]) - y) ** 2)

    def grads(params, x, y):
        z = x @ params["w"]
        a = activation(z)
        dz = (a - y) * slope(z, a)
        return {"w": x.T @ dz}

    w, x, y = normals(getkey, (3, 4), (5, 3), (5, 4))
    (finding,) = check(loss, grads, {"w": w}, x, y).findings
    assert finding.line and finding.line.text == "dz = (a - y) * slope(z, a)"
    assert finding.message == "`dz` is multiplied by something else than the slope of the activation."
