"""The diagnosis of what is transposed and must not be, or is not and must be."""

import jax
import jax.numpy as jnp

from .findings import normals, said


def test_heads_that_are_transposed_a_second_time(getkey):
    def attention(q, k, v):
        q, k, v = (each.transpose(1, 0, 2) for each in (q, k, v))
        weights = jax.nn.softmax(jnp.einsum("hqd,hkd->hqk", q, k), axis=-1)
        return (q, k, v, weights), (weights @ v).transpose(1, 0, 2)

    def loss(params, y):
        return 0.5 * jnp.sum((attention(params["q"], params["k"], params["v"])[1] - y) ** 2)

    def grads(params, y):
        (q, k, v, weights), out = attention(params["q"], params["k"], params["v"])
        d = (out - y).transpose(1, 0, 2)
        value = v.transpose(1, 0, 2)
        d_weights = jnp.einsum("hqd,hkd->hqk", d, value)
        d_scores = weights * (d_weights - jnp.sum(d_weights * weights, axis=-1, keepdims=True))
        dq, dk, dv = d_scores @ k, jnp.einsum("hqk,hqd->hkd", d_scores, q), jnp.einsum("hqk,hqd->hkd", weights, d)
        return {"q": dq.transpose(1, 0, 2), "k": dk.transpose(1, 0, 2), "v": dv.transpose(1, 0, 2)}

    q, k, v, y = normals(getkey, (3, 3, 2), (3, 3, 2), (3, 3, 2), (3, 3, 2))  # as many heads as tokens
    found = said(loss, grads, {"q": q, "k": k, "v": v}, y)
    assert found == [("transposed", "value = v.transpose(1, 0, 2)")]


def test_a_state_that_goes_back_through_its_matrix_and_not_the_transpose_beside_another_mistake(getkey):
    def states(params, xs):
        hs = [jnp.zeros(4, xs.dtype)]
        for x in xs:
            hs.append(jnp.tanh(params["w"] @ x + params["u"] @ hs[-1]))
        return hs

    def loss(params, xs, y):
        return 0.5 * jnp.sum((states(params, xs)[-1] - y) ** 2)

    def grads(params, xs, y):
        hs = states(params, xs)
        dw = jnp.zeros_like(params["w"])
        du = jnp.zeros_like(params["u"])
        dh = hs[-1] - y
        for t in reversed(range(len(xs))):
            dz = dh * (1 - hs[t + 1] ** 2)
            dw = jnp.outer(dz, xs[t])
            du = jnp.outer(dz, hs[t])
            dh = params["u"] @ dz
        return {"w": dw, "u": du}

    w, u, xs, y = normals(getkey, (4, 3), (4, 4), (3, 3), (4,))
    assert ("transposed", 'dh = params["u"] @ dz') in said(loss, grads, {"w": w, "u": u}, xs, y)
