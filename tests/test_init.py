"""Random parameters have the distribution that their name says, and depend on the key alone."""

import math
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxmlp
from jaxmlp import Dense

from .helpers import DTYPES


N_IN, N_OUT = 64, 96
# Of n = 6144 draws: a sample variance has the relative standard error √(2/n) = 0.018 (normal) or less (uniform), a
# mean √(1/n) = 0.013 standard deviations. Five of either are never met by chance.
FIVE_SIGMA_OF_VARIANCE, FIVE_SIGMA_OF_MEAN = 0.09, 0.064


@pytest.mark.parametrize(
    ("init", "variance", "bound"),
    (
        ("torch", 1 / (3 * N_IN), 1 / math.sqrt(N_IN)),
        ("glorot", 2 / (N_IN + N_OUT), math.sqrt(6 / (N_IN + N_OUT))),
        ("he", 2 / N_IN, math.inf),
        ("normal", 1, math.inf),
    ),
)
def test_weights_have_the_stated_spread(getkey, init, variance, bound):
    (layer,) = jaxmlp.init_params(getkey(), (N_IN, N_OUT), init=init)
    w = np.asarray(layer.w, np.float64)
    np.testing.assert_allclose(w.var(), variance, rtol=FIVE_SIGMA_OF_VARIANCE)
    assert abs(w.mean()) < FIVE_SIGMA_OF_MEAN * math.sqrt(variance)
    assert abs(w).max() <= bound
    assert math.isinf(bound) or abs(w).max() > 0.99 * bound
    b = np.asarray(layer.b)
    assert b.any() == (init in ("torch", "normal")) and abs(b).max() <= bound


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("init", ("torch", "glorot", "he", "normal"))
def test_every_leaf_has_the_dtype_and_shape_asked_for(getkey, init, dtype):
    params = jax.eval_shape(lambda key: jaxmlp.init_params(key, (2, 3, 1), init=init, dtype=dtype), getkey())
    zeros = lambda *shape: jnp.zeros(shape, dtype)
    expected = (Dense(zeros(2, 3), zeros(3)), Dense(zeros(3, 1), zeros(1)))
    chex.assert_trees_all_equal_shapes_and_dtypes(params, expected)


def test_float64_is_float32_where_jax_has_no_float64(getkey):
    with jax.enable_x64(False):
        (layer,) = jaxmlp.init_params(getkey(), (2, 1), dtype="float64")
    assert layer.w.dtype == jnp.float32


def test_no_bias_is_none_and_changes_no_weight(getkey):
    key = getkey()
    with_bias, without = (jaxmlp.init_params(key, (2, 3, 1), bias=bias) for bias in (True, False))
    assert [layer.b for layer in without] == [None, None]
    chex.assert_trees_all_equal([layer.w for layer in with_bias], [layer.w for layer in without])


def test_the_same_key_gives_the_same_and_another_key_another(getkey):
    key, other = getkey(), getkey()
    chex.assert_trees_all_equal(jaxmlp.init_params(key, (2, 3)), jaxmlp.init_params(key, (2, 3)))
    assert not np.array_equal(jaxmlp.init_params(key, (2, 3))[0].w, jaxmlp.init_params(other, (2, 3))[0].w)


def test_a_deeper_network_starts_with_the_same_first_layers(getkey):
    key = getkey()
    shallow, deep = jaxmlp.init_params(key, (2, 3, 4)), jaxmlp.init_params(key, (2, 3, 4, 4))
    chex.assert_trees_all_equal(shallow, deep[:2])
    assert not np.array_equal(deep[2].w, jaxmlp.init_params(key, (4, 4))[0].w)  # layers do not share their draws


def test_layers_of_one_shape_are_one_program(getkey, caplog):
    key = getkey()
    with jax.log_compiles():
        jaxmlp.init_params(key, (11, 13, 13, 13, 13))
    assert sum(record.message.startswith("Compiling") for record in caplog.records) == 2


def test_legacy_keys_are_taken(getkey):
    data = jax.random.key_data(key := getkey())
    chex.assert_trees_all_equal(jaxmlp.init_params(data, (2, 3)), jaxmlp.init_params(key, (2, 3)))


def test_a_function_can_draw_the_layers(getkey):
    def ones(key, n_in, n_out, dtype):
        del key
        return Dense(jnp.ones((n_in, n_out), dtype), jnp.ones((n_out,), dtype))

    params = jaxmlp.init_params(getkey(), (2, 3, 1), init=ones, dtype="float64")
    assert all((leaf == 1).all() and leaf.dtype == jnp.float64 for leaf in jax.tree.leaves(params))


def test_maps_over_keys_under_jit(getkey):
    keys = jax.random.split(getkey(), 3)
    params = jax.jit(jax.vmap(lambda key: jaxmlp.init_params(key, (2, 3))))(keys)
    for i in range(3):
        one = jax.tree.map(lambda leaf, i=i: leaf[i], params)
        chex.assert_trees_all_close(one, jaxmlp.init_params(keys[i], (2, 3)), rtol=1e-6)


def test_sizes_may_be_any_iterable_of_integers(getkey):
    key = getkey()
    ways: tuple[Any, ...] = ([2, 3], np.asarray([2, 3]), (width for width in (2, 3)))
    for sizes in ways:
        chex.assert_trees_all_equal(jaxmlp.init_params(key, sizes), jaxmlp.init_params(key, (2, 3)))


def test_an_init_must_return_a_layer():
    wrong = lambda key, n_in, n_out, dtype: jaxmlp.Dense(jnp.zeros((n_out, n_in)), None)
    with pytest.raises(TypeError, match=r"`init` must return a Dense\(w, b\) with w of shape \(2, 3\) for layer 0"):
        jaxmlp.init_params(jax.random.key(0), (2, 3), init=wrong)
