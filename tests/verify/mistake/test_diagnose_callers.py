"""The diagnosis of a right function that is called for the wrong layer."""

import jax
import jax.numpy as jnp

from jaxmlp import check

from .findings import named, normals


def relu_backward(da, z):
    return da * (z > 0)


def sigmoid_backward(da, z):
    s = jax.nn.sigmoid(z)
    return da * s * (1 - s)


def layer_backward(da, cache, activation):
    a, w, z = cache
    dz = sigmoid_backward(da, z) if activation == "sigmoid" else relu_backward(da, z)
    return dz @ w.T, a.T @ dz


def test_a_right_function_for_the_wrong_layer_is_told_where_the_calls_part(getkey):
    u, v, w, x, y = normals(getkey, (3, 5), (5, 4), (4, 2), (6, 3), (6, 2))

    def loss(params, x, y):
        a = jax.nn.relu(jax.nn.relu(x @ params["u"]) @ params["v"])
        return 0.5 * jnp.sum((jax.nn.sigmoid(a @ params["w"]) - y) ** 2)

    def grads(params, x, y):
        a, caches = x, []
        for name in "uvw":
            z = a @ params[name]
            caches.append((a, params[name], z))
            a = jax.nn.sigmoid(z) if name == "w" else jax.nn.relu(z)
        found = {}
        da, found["w"] = layer_backward(a - y, caches[2], "sigmoid")
        for n in (1, 0):
            da, found["uv"[n]] = layer_backward(da, caches[n], "sigmoid")
        return found

    cause, line = named(check(loss, grads, {"u": u, "v": v, "w": w}, x, y))[0]
    assert cause == "wrong-activation-derivative"
    assert line == 'da, found["uv"[n]] = layer_backward(da, caches[n], "sigmoid")'
