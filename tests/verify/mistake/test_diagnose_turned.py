"""The diagnosis of what is transposed and must not be, or is not and must be."""

import jax
import jax.numpy as jnp

from jaxmlp import check

from .findings import named, normals, said


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


def _multiply(a, b, turn_a=False, turn_b=False):
    a = a.T if turn_a else a
    b = b.T if turn_b else b
    return a @ b


def _multiply_backward(a, b, dout):
    da = _multiply(dout, b)
    db = _multiply(a, dout)
    return da, db


def test_a_product_that_is_right_in_the_forward_pass_is_called_the_wrong_way_by_the_backward_pass(getkey):
    def loss(params, x, y):
        return 0.5 * jnp.sum((jnp.tanh(x @ params["w"]) @ params["v"] - y) ** 2)

    def grads(params, x, y):
        h = jnp.tanh(_multiply(x, params["w"]))
        out = _multiply(h, params["v"])
        dh, dv = _multiply_backward(h, params["v"], out - y)
        _, dw = _multiply_backward(x, params["w"], dh * (1 - h**2))
        return {"w": dw, "v": dv}

    w, v, x, y = normals(getkey, (3, 3), (3, 3), (3, 3), (3, 3))
    report = check(loss, grads, {"w": w, "v": v}, x, y)
    assert {*named(report)} == {
        ("transposed", "da = _multiply(dout, b)"),
        ("transposed", "db = _multiply(a, dout)"),
    }
    assert not any("is the transpose" in finding.message for finding in report.findings), "of one factor alone"


def rows_and_pixels(params, image, label):
    return 0.5 * jnp.sum((params["w2"] @ jax.nn.relu(params["w1"] @ image) - label) ** 2)


def test_a_matrix_that_is_given_the_shape_of_its_transpose_and_not_its_order(getkey):
    def grads(params, image, label):
        z = params["w1"] @ image
        a = jnp.maximum(z, 0)
        d = params["w2"] @ a - label
        turned = params["w2"].reshape(4, 5)
        dz = jnp.where(z > 0, turned @ d, 0.0)
        return {"w1": dz @ image.T, "w2": d @ a.T}

    w1, w2, image, label = normals(getkey, (4, 3), (5, 4), (3, 7), (5, 7))
    (finding,) = check(rows_and_pixels, grads, {"w1": w1, "w2": w2}, image, label).findings
    assert (finding.cause, finding.line and finding.line.text) == ("transposed", 'turned = params["w2"].reshape(4, 5)')
    assert finding.must == "params['w2'].T.reshape(4, 5)" and "`reshape`" in finding.message


def test_axes_in_the_wrong_order_before_a_reshape(getkey):
    def loss(params, x, y):
        return 0.5 * jnp.sum((jnp.einsum("nhw,hwco->nco", x, params["kernel"]) - y) ** 2)

    def grads(params, x, y):
        d = jnp.einsum("nhw,hwco->nco", x, params["kernel"]) - y
        columns = jnp.reshape(jnp.einsum("nhw,nco->hcwo", x, d), (2, 3, 4, 5))
        return {"kernel": columns}

    kernel, x, y = normals(getkey, (2, 3, 4, 5), (6, 2, 3), (6, 4, 5))
    (finding,) = check(loss, grads, {"kernel": kernel}, x, y).findings
    assert finding.cause == "transposed" and "(0, 2, 1, 3)" in finding.message
    assert finding.must == "jnp.reshape(jnp.einsum('nhw,nco->hcwo', x, d).transpose((0, 2, 1, 3)), (2, 3, 4, 5))"


def test_a_layer_that_shares_its_square_matrix_turned_is_told_at_its_call(getkey):
    def loss(params, x):
        h = jnp.tanh(x @ params["w"])
        return 0.5 * jnp.sum((h @ params["w"].T - x) ** 2)

    def products(inputs, d):
        return inputs.T @ d, d.sum(axis=0)

    def grads(params, x):
        h = jnp.tanh(x @ params["w"])
        d = h @ params["w"].T - x
        decoder, _ = products(h, d)
        encoder, _ = products(x, (d @ params["w"]) * (1 - h**2))
        return {"w": encoder + decoder}

    w, x = normals(getkey, (4, 4), (7, 4))
    assert said(loss, grads, {"w": w}, x) == [("transposed", "decoder, _ = products(h, d)")]


def test_a_normalised_value_for_a_centred_one_in_rows_of_pixels(getkey):
    w, gamma, x, t = normals(getkey, (2, 3), (2,), (4, 3, 2, 2), (4, 2, 2, 2))

    def loss(params, x, t):
        z = jnp.einsum("nchw,fc->nfhw", x, params["w"])
        centred = z - jnp.mean(z, axis=(0, 2, 3), keepdims=True)
        normal = centred / jnp.sqrt(jnp.mean(centred**2, axis=(0, 2, 3), keepdims=True) + 1e-6)
        return 0.5 * jnp.sum((params["gamma"][None, :, None, None] * normal - t) ** 2)

    def grads(params, x, t):
        z = jnp.einsum("nchw,fc->nfhw", x, params["w"])
        rows = z.transpose(0, 2, 3, 1).reshape(-1, 2)
        mean = jnp.mean(rows, axis=0, keepdims=True)
        var = jnp.var(rows, axis=0, keepdims=True) + 1e-6
        normal = (rows - mean) / jnp.sqrt(var)
        d_out = params["gamma"][None] * normal - t.transpose(0, 2, 3, 1).reshape(-1, 2)
        d_normal = d_out * params["gamma"][None]
        d_var = jnp.sum(d_normal * normal, axis=0, keepdims=True) * -0.5 / var
        d_mean = -jnp.sum(d_normal, axis=0, keepdims=True) / jnp.sqrt(var)
        d_rows = d_normal / jnp.sqrt(var) + d_var * 2 * normal / len(rows) + d_mean / len(rows)
        d_z = d_rows.reshape(4, 2, 2, 2).transpose(0, 3, 1, 2)
        return {"w": jnp.einsum("nfhw,nchw->fc", d_z, x), "gamma": jnp.sum(d_out * normal, axis=0)}

    line = "d_rows = d_normal / jnp.sqrt(var) + d_var * 2 * normal / len(rows) + d_mean / len(rows)"
    assert said(loss, grads, {"w": w, "gamma": gamma}, x, t) == [("wrong-operand", line)]
