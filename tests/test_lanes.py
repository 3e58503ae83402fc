"""Every operation in lanes gives what `jax.vmap` gives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxmlp import population

from .helpers import normal


def counted(x, limit):
    """A loop whose length depends on the values."""
    return lax.while_loop(lambda s: s[1].sum() < limit, lambda s: (s[0] + 1, s[1] + jnp.abs(x)), (0, jnp.abs(x)))


# By name: a function of a matrix (4, 3), a vector (3,) and a number, each its own in every lane.
FUNCTIONS = {
    "elementwise": lambda m, v, s: jnp.where(m > 0, jnp.exp(m), jnp.tanh(m)) * s + v[None, :] ** 2,
    "a number and a matrix": lambda m, v, s: m * s - s / 3,
    "a choice by a number": lambda m, v, s: (lax.select(s > 0, m, -m), jnp.where(s > 0, s, 3), jnp.where(s > 0, 2, m)),
    "a choice by what all share": lambda m, v, s: lax.select(jnp.asarray(True), m, 0 * m) + lax.select(True, s, 0.0),
    "between bounds": lambda m, v, s: (lax.clamp(-0.1, m, 0.1), lax.clamp(s, 0.2, 1 + s), lax.clamp(m, 0 * m, 1.0 + m)),
    "a constant matrix": lambda m, v, s: m + jnp.arange(12.0).reshape(4, 3),
    "sums": lambda m, v, s: (m.sum(axis=0), m.max(axis=1), m.prod(), jnp.argmax(m, axis=1), jnp.cumsum(m, axis=0)),
    "shapes": lambda m, v, s: (m.T, m.reshape(2, 6), m.reshape(-1), m[None], m[:, :1], m[1], v[::2], jnp.flip(m, 0)),
    "joined": lambda m, v, s: jnp.concatenate([m, v[None, :], jnp.ones((1, 3))]),
    "a small product": lambda m, v, s: (m @ m.T, m.T @ m, m @ jnp.ones((3, 2)), m[:, None, :] @ m.T[None]),
    "a large product": lambda m, v, s: jnp.tile(m, (10, 10)) @ jnp.tile(m.T, (10, 10)),
    "indexed": lambda m, v, s: (m[jnp.argmax(v)], m.at[1].add(v), lax.dynamic_slice(m, (1, 0), (2, 2))),
    "sorted": lambda m, v, s: (jnp.sort(m, axis=0), jnp.argsort(v)),
    "a rule of differentiation": lambda m, v, s: jax.nn.relu(m) + jax.nn.softplus(v)[None, :],
    "random numbers": lambda m, v, s: m + jax.random.normal(jax.random.key(3), m.shape, m.dtype),
    "a branch": lambda m, v, s: lax.cond(s > 0, lambda: m.sum(), lambda: v.sum()),
    "a loop of unknown length": lambda m, v, s: counted(v, 9.0),
    "a loop": lambda m, v, s: lax.scan(lambda c, row: (c * s + row, c.sum()), v, m),
    "a loop over what all share": lambda m, v, s: lax.scan(lambda c, row: (c + row, c @ v), 0 * v, jnp.ones((5, 3))),
    "a loop that counts": lambda m, v, s: lax.scan(lambda c, _: ((c[0] + 1, c[1] * s), c[0]), (0, s), length=4),
    "what differs only later": lambda m, v, s: lax.scan(lambda c, _: ((c[1], s), c[0]), (0.0, 1.0), length=3),
    "what differs only at first": lambda m, v, s: lax.scan(lambda c, _: (1.0, c), s, length=3),
    "backwards": lambda m, v, s: lax.scan(lambda c, row: (c + row, c), v, m, reverse=True),
    "loops in a loop": lambda m, v, s: lax.scan(
        lambda c, row: (lax.scan(lambda d, _: (d * s + row, None), c, length=2)[0], c.sum()), v, m
    ),
    "a call": lambda m, v, s: jax.jit(lambda m: jax.jit(jnp.sin)(m) + v)(m[0]),
    "integers": lambda m, v, s: (m > 0).astype(jnp.int32) % 2 + jnp.arange(3)[None, :].astype(jnp.int32),
    "the same in every lane": lambda m, v, s: (jnp.ones(2), 3, m),
    "its own argument": lambda m, v, s: (m, s),
    "its own gradient": lambda m, v, s: jax.grad(lambda m: (jnp.tanh(m @ v) * s).sum())(m),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_equals_vmap(getkey, name):
    args = [normal(getkey(), shape) for shape in ((5, 4, 3), (5, 3), (5,))]
    function = FUNCTIONS[name]
    actual, expected = jax.jit(lambda *args: (population(function)(*args), jax.vmap(function)(*args)))(*args)
    assert jax.tree.structure(actual) == jax.tree.structure(expected)
    for one, other in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        assert (one.shape, one.dtype) == (other.shape, other.dtype)
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)  # sums of some ten numbers near 1
