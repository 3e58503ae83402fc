"""Many networks side by side are trained as one by one."""

from functools import partial
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, strategies as st

import jaxmlp
from jaxmlp import fit, population
from jaxmlp._population import _size_of_a_chunk

from .helpers import assert_close, network, normal, problem, ULPS_OF_A_NETWORK, with_standard_promotion


@pytest.mark.parametrize("count", (1, 5, 12), ids=("one", "a chunk and a rest", "three chunks"))
def test_trains_as_vmap_does(getkey, count):
    _, *batch = problem(getkey(), (2, 2, 1))
    train = partial(fit, loss_and_grads=jaxmlp.loss_and_grads, optimizer=optax.sgd(0.5), steps=7)
    params = network((2, 2, 1), count, dtype="float64")
    actual, losses = jax.jit(population(train, in_axes=(0, None), chunk=4))(params, tuple(batch))
    expected, expected_losses = jax.jit(jax.vmap(train, (0, None)))(params, tuple(batch))
    assert_close(actual.params, expected.params, ulps=16 * ULPS_OF_A_NETWORK)
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-12)
    assert losses.shape == (count, 7) and (actual.step == 7).all()


def test_maps_over_seeds_and_rates_with_minibatches_and_adam(getkey):
    _, *batch = problem(getkey(), batch=6)

    def train(key, rate):
        params = jaxmlp.init_params(key, (2, 3, 1), dtype="float64")
        options: dict[str, Any] = dict(loss_and_grads=jaxmlp.loss_and_grads, steps=4, batch_size=2, key=key)
        return fit(params, tuple(batch), optimizer=with_standard_promotion(optax.adam(rate)), **options)

    args = jax.random.split(getkey(), 3), jnp.asarray([0.1, 0.2, 0.3])
    (actual, losses), (expected, expected_losses) = jax.jit(population(train))(*args), jax.jit(jax.vmap(train))(*args)
    assert_close(actual.params, expected.params, ulps=16 * ULPS_OF_A_NETWORK)
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-12)


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="elsewhere all are carried through together")
def test_on_a_cpu_256_are_carried_through_together():
    jaxpr = jax.make_jaxpr(population(jnp.sin))(jnp.ones(768))
    assert [e.params["length"] for e in jaxpr.jaxpr.eqns if e.primitive.name == "scan"] == [3]


def test_axes_other_than_the_first(getkey):
    a, b = normal(getkey(), (3, 5)), normal(getkey(), (5,))
    f = lambda a, b, c: (a.sum() * b, c)
    actual = population(f, in_axes=(1, -1, None))(a, b, jnp.asarray(2.0))
    chex.assert_trees_all_close(actual, jax.vmap(f, (1, 0, None))(a, b, jnp.asarray(2.0)), rtol=1e-14)


def test_is_differentiated_and_mapped_like_any_function(getkey):
    a = normal(getkey(), (6, 3))
    f = lambda a: (jnp.tanh(a) ** 2).sum()
    total = lambda mapped: lambda a: mapped(a).sum()
    grads = jax.jit(jax.grad(total(population(f, chunk=4))))(a)
    np.testing.assert_allclose(grads, jax.jit(jax.grad(total(jax.vmap(f))))(a), rtol=1e-14)
    pairs = np.asarray(a).reshape(2, 3, 3)
    in_pairs = np.ravel(jax.jit(jax.vmap(population(f)))(pairs))
    np.testing.assert_allclose(in_pairs, jax.jit(jax.vmap(f))(a), rtol=1e-14)


@given(st.integers(1, 20_000), st.integers(1, 600))
def test_a_chunk_leaves_nobody_over_where_it_can(count, most):
    size = _size_of_a_chunk(count, most)
    fitting = [other for other in range(16, most + 1, 16) if count % other == 0 and most <= 2 * other]
    assert size == (fitting[-1] if fitting else most)


mapping: Any = population  # which is given what it must refuse

WRONG = {
    "no function": (lambda: mapping(3.0), TypeError, "`function` must be a function, got 3.0"),
    "chunk": (lambda: mapping(jnp.sin, chunk=0), ValueError, "`chunk` is 0, but must be at least 1"),
    "chunk a float": (lambda: mapping(jnp.sin, chunk=2.0), TypeError, "`chunk` must be a Python integer"),
    "too many axes": (
        lambda: mapping(jnp.sin, in_axes=(0, 0))(jnp.ones(3)),
        ValueError,
        "`in_axes` has 2 entries, but the function was called with 1 argument",
    ),
    "an axis that is none": (
        lambda: mapping(jnp.sin, in_axes=("first",))(jnp.ones(3)),
        TypeError,
        "`in_axes` must hold integers or None, got 'first'",
    ),
    "nothing mapped": (lambda: mapping(jnp.sin, in_axes=None)(jnp.ones(3)), ValueError, "maps over no array"),
    "no such axis": (
        lambda: mapping(jnp.sin, in_axes=1)(jnp.ones(3)),
        ValueError,
        r"`in_axes` is 1 for an array of shape \(3,\), which has no such axis",
    ),
    "lengths differ": (
        lambda: mapping(jnp.add)(jnp.ones(3), jnp.ones(4)),
        ValueError,
        r"must count the same networks, at least one, but have \[3, 4\]",
    ),
    "nobody": (lambda: mapping(jnp.sin)(jnp.ones((0, 2))), ValueError, r"at least one, but have \[0\]"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_argument_is_refused_with_a_reason(case):
    call, error, message = WRONG[case]
    with pytest.raises(error, match=message):
        call()
