"""Gradients with transformations, loops, branches, kernels and callbacks inside: right ones are right, and a sign
planted in each is found, with its line, or the line that calls what holds it.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import io_callback, pallas as pl
from jax.sharding import Mesh, PartitionSpec as P

from jaxmlp import check


def loss(params, x, y):
    return jnp.mean((jnp.tanh(x @ params["w"] + params["b"][None]) - y) ** 2)


def forward(params, x):
    return jnp.tanh(x @ params["w"] + params["b"][None])


def dz_of(a, y, examples=8):
    return (a - y) / examples * (1 - a * a)


def of_one(params, x, y):
    """`a` and `dz` of a single example."""
    a = jnp.tanh(x @ params["w"] + params["b"])
    return a, dz_of(a, y)


def with_jit(sign):
    @jax.jit
    def backward(x, dz):
        dw = sign * (x.T @ dz)
        return {"w": dw, "b": dz.sum(axis=0)}

    return lambda params, x, y: backward(x, dz_of(jax.jit(forward)(params, x), y)), "dw = sign"


def with_vmap(sign):
    def one(params, x, y):
        dw = sign * jnp.outer(x, of_one(params, x, y)[1])
        return {"w": dw, "b": of_one(params, x, y)[1]}

    def grads(params, x, y):
        return jax.tree.map(lambda leaf: leaf.sum(axis=0), jax.vmap(one, (None, 0, 0))(params, x, y))

    return grads, "dw = sign"


def with_scan(sign):
    def grads(params, x, y):
        def step(total, example):
            dz = of_one(params, *example)[1]
            dw = sign * jnp.outer(example[0], dz)
            return {"w": total["w"] + dw, "b": total["b"] + dz}, None

        return jax.lax.scan(step, jax.tree.map(jnp.zeros_like, params), (x, y))[0]

    return grads, "sign *"


def with_map(sign):
    def grads(params, x, y):
        def one(example):
            dz = of_one(params, *example)[1]
            return sign * jnp.outer(example[0], dz), dz

        dw, db = jax.lax.map(one, (x, y))
        return {"w": dw.sum(axis=0), "b": db.sum(axis=0)}

    return grads, "sign *"


def with_while_loop(sign):
    def grads(params, x, y):
        def body(state):
            i, total = state
            dz = of_one(params, x[i], y[i])[1]
            return i + 1, {"w": total["w"] + sign * jnp.outer(x[i], dz), "b": total["b"] + dz}

        start = (0, jax.tree.map(jnp.zeros_like, params))
        return jax.lax.while_loop(lambda state: state[0] < len(x), body, start)[1]

    return grads, "jax.lax.while_loop("


def with_cond(sign):
    def grads(params, x, y):
        dz = dz_of(forward(params, x), y)
        dw = jax.lax.cond(x.sum() > 1e6, lambda: 0 * params["w"], lambda: sign * (x.T @ dz))
        return {"w": dw, "b": dz.sum(axis=0)}

    return grads, "dw = jax.lax.cond"


def with_switch(sign):
    def grads(params, x, y):
        a = forward(params, x)
        slope = jax.lax.switch(1, [lambda a: a, lambda a: 1 - a * a, lambda a: a * (1 - a)], a)
        dz = (a - y) / len(y) * slope
        dw = sign * (x.T @ dz)
        return {"w": dw, "b": dz.sum(axis=0)}

    return grads, "dw = sign"


def with_custom_vjp(sign):
    activation = jax.custom_vjp(jnp.tanh)
    activation.defvjp(lambda z: (jnp.tanh(z), jnp.tanh(z)), lambda a, da: (da * (1 - a * a),))

    def grads(params, x, y):
        a, pullback = jax.vjp(activation, x @ params["w"] + params["b"][None])
        (dz,) = pullback((a - y) / len(y))
        dw = sign * (x.T @ dz)
        return {"w": dw, "b": dz.sum(axis=0)}

    return grads, "dw = sign"


def with_checkpoint(sign):
    def grads(params, x, y):
        a = jax.checkpoint(forward)(params, x)
        dw = sign * (x.T @ dz_of(a, y))
        return {"w": dw, "b": dz_of(a, y).sum(axis=0)}

    return grads, "dw = sign"


def with_shard_map(sign):
    mesh = Mesh(np.array(jax.devices("cpu")[:4]), ("batch",))

    def local(params, x, y):
        dz = dz_of(forward(params, x), y)
        return jax.lax.psum({"w": x.T @ dz, "b": dz.sum(axis=0)}, "batch")

    def grads(params, x, y):
        specs = (P(), P("batch"), P("batch"))
        found = jax.shard_map(local, mesh=mesh, in_specs=specs, out_specs=P())(params, x, y)
        dw = sign * found["w"]
        return {"w": dw, "b": found["b"]}

    return grads, "dw = sign"


def with_a_mistake_in_shard_map(sign):
    mesh = Mesh(np.array(jax.devices("cpu")[:4]), ("batch",))

    def local(params, x, y):
        dz = dz_of(forward(params, x), y)
        return jax.lax.psum({"w": sign * (x.T @ dz), "b": dz.sum(axis=0)}, "batch")

    def grads(params, x, y):
        specs = (P(), P("batch"), P("batch"))
        return jax.shard_map(local, mesh=mesh, in_specs=specs, out_specs=P())(params, x, y)

    return grads, "jax.shard_map("


def with_pallas_call(sign):
    def kernel(a, da, dz):
        dz[...] = da[...] * (1 - a[...] ** 2)

    def grads(params, x, y):
        a = forward(params, x)
        shape = jax.ShapeDtypeStruct(a.shape, a.dtype)
        dz = pl.pallas_call(kernel, out_shape=shape, interpret=True)(a, (a - y) / len(y))
        dw = sign * (x.T @ dz)
        return {"w": dw, "b": dz.sum(axis=0)}

    return grads, "dw = sign"


def with_a_mistake_in_pallas_call(sign):
    def kernel(a, da, dz):
        dz[...] = sign * da[...] * (1 - a[...] ** 2)

    def grads(params, x, y):
        a = forward(params, x)
        shape = jax.ShapeDtypeStruct(a.shape, a.dtype)
        dz = pl.pallas_call(kernel, out_shape=shape, interpret=True)(a, (a - y) / len(y))
        return {"w": x.T @ dz, "b": dz.sum(axis=0)}

    return grads, "dz = pl.pallas_call"


def with_callback(call):
    def make(sign):
        def grads(params, x, y):
            a = forward(params, x)
            slope = call(lambda a: np.asarray(1 - a * a), jax.ShapeDtypeStruct(a.shape, a.dtype), a)
            dz = (a - y) / len(y) * slope
            dw = sign * (x.T @ dz)
            return {"w": dw, "b": dz.sum(axis=0)}

        return grads, "dw = sign"

    return make


with_pure_callback, with_io_callback = with_callback(jax.pure_callback), with_callback(io_callback)

INSIDE = {name: make for name, make in globals().items() if name.startswith("with_") and name != "with_callback"}


@pytest.fixture
def data(getkey):
    random = np.random.default_rng(np.asarray(jax.random.key_data(getkey())))
    numbers = lambda *shape: jnp.asarray(random.normal(size=shape), "float64")
    return {"w": numbers(3, 2), "b": numbers(2)}, numbers(8, 3), numbers(8, 2)


@pytest.mark.parametrize("make", INSIDE.values(), ids=INSIDE)
def test_a_right_gradient_is_right_whatever_it_calls(data, make):
    report = check(loss, make(1.0)[0], *data)
    assert report.ok and not report.findings


@pytest.mark.parametrize("make", INSIDE.values(), ids=INSIDE)
def test_a_sign_is_found_whatever_stands_around_it(data, make):
    grads, line = make(-1.0)
    (finding,) = check(loss, grads, *data).findings
    assert finding.cause == "sign" and "w" in finding.leaves
    assert finding.line
    shown = finding.line.text + (finding.line.within.text if finding.line.within else "")
    assert line in shown, shown
