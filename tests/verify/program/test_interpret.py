"""A small function in float64 is run in NumPy, anything else compiled."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp.verify._program import _call, _interpret
from jaxmlp.verify._program._interpret import compiled_once, interpreted, is_small
from jaxmlp.verify._program._trace import program_of

from ...helpers import normal


def scan_and_gather(x, index):
    total, steps = jax.lax.scan(lambda carry, row: (carry + jnp.sin(row).sum(), carry * 2), jnp.zeros(()), x)
    return {"total": total, "steps": steps, "taken": x[index], "made": jnp.zeros((4,)).at[index].add(x[0, :2])}


def test_it_gives_what_jax_gives(getkey):
    x, index = normal(getkey(), (3, 4)), jnp.asarray([2, 0])
    expected = jax.jit(scan_and_gather)(x, index)
    actual = interpreted(scan_and_gather, x, index)
    assert jax.tree.structure(actual) == jax.tree.structure(expected)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-13), actual, expected)


def test_a_small_function_compiles_nothing(getkey, monkeypatch):
    monkeypatch.setattr(_interpret, "_compiled", pytest.fail)
    x = normal(getkey(), (3, 4))
    np.testing.assert_allclose(interpreted(lambda x: jnp.tanh(x) @ x.T, x), jnp.tanh(x) @ x.T, rtol=1e-13)


def test_random_keys_pass_through(getkey):
    def masked(x, key):
        one, _ = jax.random.split(key)
        return jnp.where(jax.random.bernoulli(one, 0.5, x.shape), x, 0.0)

    x, key = normal(getkey(), (3, 4)), jax.random.key(3)
    np.testing.assert_array_equal(interpreted(masked, x, key), masked(x, key))


@pytest.mark.parametrize("shape, dtype, small", (((3, 4), "float64", True), ((3, 4), "float32", False)))
def test_what_is_small(shape, dtype, small):
    assert is_small(program_of(jnp.tanh, jnp.ones(shape, dtype))) is small


def test_a_large_function_is_compiled(monkeypatch):
    monkeypatch.setattr(_interpret, "_compiled", lambda program, function, *args: "compiled")
    assert interpreted(jnp.tanh, np.ones((1024, 2048))) == "compiled"


def single(x, index):
    scaled = x / 3 + x.mean().astype("float32")
    return jnp.tanh(scaled)[index] @ scaled.T, jax.nn.softmax(scaled), index + index.sum(dtype="int32")


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="elsewhere float32 is left to the compiler")
def test_float32_is_rounded_at_each_operation(getkey, monkeypatch):
    x, index = normal(getkey(), (3, 4), "float32"), jnp.asarray([2, 0], "int32")
    expected = jax.jit(single)(x, index)
    monkeypatch.setattr(_interpret, "_compiled", pytest.fail)
    actual = interpreted(single, x, index)
    for a, b in zip(actual, expected, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=1e-6)
    double = interpreted(lambda x: x / 3, np.float64(x))
    error = np.abs(interpreted(lambda x: x / 3, x) - double)
    assert 0 < error.max() <= np.finfo("float32").eps * np.abs(double).max()


@pytest.mark.parametrize("power", (45, -40), ids=("overflows", "loses digits"))
def test_float32_at_its_ends_is_left_to_the_compiler(monkeypatch, power):
    monkeypatch.setattr(_interpret, "_compiled", lambda program, function, *args: "compiled")
    assert interpreted(lambda x: x * 10.0 ** (power / 2) * 10.0 ** (power / 2), jnp.ones(2, "float32")) == "compiled"


@pytest.mark.parametrize("dtype", ("float16", "bfloat16"))
def test_coarser_numbers_are_compiled(monkeypatch, dtype):
    monkeypatch.setattr(_interpret, "_compiled", lambda program, function, *args: "compiled")
    assert interpreted(jnp.tanh, jnp.ones(2, dtype)) == "compiled"


@pytest.mark.parametrize("run", (interpreted, compiled_once))
def test_the_same_program_is_compiled_once(monkeypatch, run):
    monkeypatch.setattr(_interpret, "_SMALL", 0)
    monkeypatch.setattr(_interpret, "_MEMORY", _interpret.Memory(4))
    made = []
    monkeypatch.setattr(_interpret, "jitted", lambda function: made.append(function) or _call.jitted(function))
    shifted = lambda by: lambda x: x + by
    for by in (1.0, 1.0, 2.0, 1.0):
        np.testing.assert_array_equal(run(shifted(by), np.ones(2)), 1 + by)
    assert len(made) == 2
