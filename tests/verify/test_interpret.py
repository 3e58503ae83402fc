"""A small function in float64 is run in NumPy, anything else compiled."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp.verify import _interpret
from jaxmlp.verify._interpret import interpreted, is_small
from jaxmlp.verify._trace import program_of


def scan_and_gather(x, index):
    total, steps = jax.lax.scan(lambda carry, row: (carry + jnp.sin(row).sum(), carry * 2), jnp.zeros(()), x)
    return {"total": total, "steps": steps, "taken": x[index], "made": jnp.zeros((4,)).at[index].add(x[0, :2])}


def test_it_gives_what_jax_gives(getkey):
    x, index = jax.random.normal(getkey(), (3, 4)), jnp.asarray([2, 0])
    expected = jax.jit(scan_and_gather)(x, index)
    actual = interpreted(scan_and_gather, x, index)
    assert jax.tree.structure(actual) == jax.tree.structure(expected)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-13), actual, expected)


def test_a_small_function_compiles_nothing(getkey, monkeypatch):
    monkeypatch.setattr(_interpret, "compiled", pytest.fail)
    x = jax.random.normal(getkey(), (3, 4))
    np.testing.assert_allclose(interpreted(lambda x: jnp.tanh(x) @ x.T, x), jnp.tanh(x) @ x.T, rtol=1e-13)


def test_random_keys_pass_through(getkey):
    def masked(x, key):
        one, _ = jax.random.split(key)
        return jnp.where(jax.random.bernoulli(one, 0.5, x.shape), x, 0.0)

    x, key = jax.random.normal(getkey(), (3, 4)), jax.random.key(3)
    np.testing.assert_array_equal(interpreted(masked, x, key), masked(x, key))


@pytest.mark.parametrize("shape, dtype, small", (((3, 4), "float64", True), ((3, 4), "float32", False)))
def test_what_is_small(shape, dtype, small):
    assert is_small(program_of(jnp.tanh, jnp.ones(shape, dtype))) is small


def test_a_large_function_is_compiled(monkeypatch):
    monkeypatch.setattr(_interpret, "compiled", lambda function, *args: "compiled")
    assert interpreted(jnp.tanh, np.ones((1024, 2048))) == "compiled"
