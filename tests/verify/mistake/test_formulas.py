"""The line of a formula that one statement calls: where it is right for another activation, that of the call."""

import jax
import jax.numpy as jnp

from .findings import normals, said


def _of_tanh(z):
    return 1 - jnp.tanh(z) ** 2


def _loss(params, x, y):
    return (jax.nn.sigmoid(x @ params["w"]) * y).sum()


def _with_the_slope_of_tanh(params, x, y):
    z = x @ params["w"]
    dz = y * _of_tanh(z)
    return {"w": x.T @ dz}


def test_the_slope_of_another_activation_is_wrong_where_it_is_called(getkey):
    w, x, y = normals(getkey, (3, 4), (5, 3), (5, 4))
    assert said(_loss, _with_the_slope_of_tanh, {"w": w}, x, y) == [
        ("wrong-activation-derivative", "dz = y * _of_tanh(z)")
    ]
