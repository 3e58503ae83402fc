"""The diagnosis of convolutions: the way back turns the kernel by half a turn."""

import jax
import jax.numpy as jnp

from jaxmlp import check

from .findings import normals, said


def convolved(image, kernels):
    return jax.lax.conv_general_dilated(image[None], kernels, (1, 1), "VALID")[0]


def two_convolutions(params, x, y):
    return 0.5 * jnp.sum((convolved(jnp.tanh(convolved(x, params["k1"])), params["k2"]) - y) ** 2)


def of_a_kernel(image, error):
    return jax.lax.conv_general_dilated(image[:, None], error[:, None], (1, 1), "VALID").swapaxes(0, 1)


def images(getkey):
    k1, k2, x, y = normals(getkey, (2, 1, 2, 2), (3, 2, 3, 3), (1, 6, 6), (3, 3, 3))
    return {"k1": 0.5 * k1, "k2": 0.5 * k2}, x, y


def test_a_kernel_that_is_not_turned_on_the_way_back(getkey):
    def grads(params, x, y):
        h = jnp.tanh(convolved(x, params["k1"]))
        d = convolved(h, params["k2"]) - y
        dh = jax.lax.conv_general_dilated(d[None], params["k2"].swapaxes(0, 1), (1, 1), [(2, 2), (2, 2)])[0]
        dz = dh * (1 - h**2)
        return {"k1": of_a_kernel(x, dz), "k2": of_a_kernel(h, d)}

    line = 'dh = jax.lax.conv_general_dilated(d[None], params["k2"].swapaxes(0, 1), (1, 1), [(2, 2), (2, 2)])[0]'
    assert said(two_convolutions, grads, *images(getkey)) == [("wrong-operand", line)]


def test_the_gradient_of_a_kernel_that_is_turned(getkey):
    def grads(params, x, y):
        h = jnp.tanh(convolved(x, params["k1"]))
        d = convolved(h, params["k2"]) - y
        dk2 = of_a_kernel(h, d)[:, :, ::-1, ::-1]
        turned = params["k2"][:, :, ::-1, ::-1].swapaxes(0, 1)
        dh = jax.lax.conv_general_dilated(d[None], turned, (1, 1), [(2, 2), (2, 2)])[0]
        dz = dh * (1 - h**2)
        return {"k1": of_a_kernel(x, dz), "k2": dk2}

    [finding] = check(two_convolutions, grads, *images(getkey)).findings
    assert finding.cause == "wrong-operand" and "reverses the order of numbers" in finding.message
    assert finding.line and finding.line.text == "dk2 = of_a_kernel(h, d)[:, :, ::-1, ::-1]"


def correlated(image, kernel, edge=0):
    image = jnp.pad(image, edge)
    (h, w), (m, n) = kernel.shape, image.shape
    return jnp.array(
        [[jnp.sum(image[i : i + h, j : j + w] * kernel) for j in range(n - w + 1)] for i in range(m - h + 1)]
    )


def test_a_function_that_slides_a_kernel_is_right_where_others_call_it(getkey):
    def grads(params, x, y):
        h = jnp.tanh(correlated(x, params["k1"]))
        d = correlated(h, params["k2"]) - y
        dh = correlated(d, params["k2"], 1)
        dz = dh * (1 - h**2)
        return {"k1": correlated(x, dz), "k2": correlated(h, d)}

    def loss(params, x, y):
        return 0.5 * jnp.sum((correlated(jnp.tanh(correlated(x, params["k1"])), params["k2"]) - y) ** 2)

    k1, k2, x, y = normals(getkey, (2, 2), (2, 2), (4, 4), (2, 2))
    found = said(loss, grads, {"k1": k1, "k2": k2}, x, y)
    assert found == [("wrong-operand", 'dh = correlated(d, params["k2"], 1)')]


def test_a_kernels_gradient_that_a_function_gives_the_wrong_way_round(getkey):
    def loss(params, x, y):
        of_each = [correlated(x, kernel[::-1, ::-1]) for kernel in params["kernels"]]
        return 0.5 * jnp.sum((jnp.stack(of_each) - y) ** 2)

    def grads(params, x, y):
        of_each = [correlated(x, kernel[::-1, ::-1]) for kernel in params["kernels"]]
        d = jnp.stack(of_each) - y
        of_kernels = [correlated(x, each) for each in d]
        return {"kernels": jnp.stack(of_kernels)}

    kernels, x, y = normals(getkey, (2, 2, 3), (4, 5), (2, 3, 3))
    [(cause, line)] = said(loss, grads, {"kernels": kernels}, x, y)
    assert cause == "transposed" and line == "of_kernels = [correlated(x, each) for each in d]"
