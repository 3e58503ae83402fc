"""Mistakes in the backward half of a `custom_vjp` that a gradient is taken through by `jax.grad`."""

import jax
import jax.numpy as jnp
import pytest

from jaxmlp.verify import check

from ...helpers import normal
from .findings import said


def without_the_upstream(a, da):
    dz = 1 - a * a
    return (dz,)


def climbing(a, da):
    dz = -da * (1 - a * a)
    return (dz,)


def twice(a, da):
    dz = 2 * da * (1 - a * a)
    return (dz,)


def right(a, da):
    dz = da - da * a * a
    return (dz,)


def squashing(bwd):
    squash = jax.custom_vjp(jnp.tanh)
    squash.defvjp(lambda z: (jnp.tanh(z), jnp.tanh(z)), bwd)
    return squash


def model(squash, params, x):
    z = x @ params["w1"]
    a = squash(z)
    out = a @ params["w2"]
    return jnp.mean(out**2)


def inputs(getkey):
    return {"w1": normal(getkey(), (3, 4)), "w2": normal(getkey(), (4, 2))}, normal(getkey(), (5, 3))


@pytest.mark.parametrize(
    ("bwd", "finding"),
    (
        (without_the_upstream, ("missing-upstream", "dz = 1 - a * a")),
        (climbing, ("sign", "dz = -da * (1 - a * a)")),
        (twice, ("scale-constant", "dz = 2 * da * (1 - a * a)")),
    ),
)
def test_the_line_is_that_of_the_rule(getkey, bwd, finding):
    squash = squashing(bwd)
    grads = jax.grad(lambda params, x: model(squash, params, x))
    loss = lambda params, x: model(jnp.tanh, params, x)
    assert said(loss, grads, *inputs(getkey)) == [finding]
    within = jax.jit(lambda params, x: grads(params, x))
    assert said(loss, within, *inputs(getkey)) == [finding]


def test_a_rule_that_is_right_is_right(getkey):
    squash = squashing(right)
    grads = jax.grad(lambda params, x: model(squash, params, x))
    assert check(lambda params, x: model(jnp.tanh, params, x), grads, *inputs(getkey)).ok
