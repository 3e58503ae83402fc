"""A value computed once is that value."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxmlp
from jaxmlp._once import once

from .helpers import DTYPES, normal


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("transform", (jax.jit, lambda f: f), ids=("jit", "eager"))
def test_every_number_stays(getkey, dtype, transform):
    numbers = [0.0, -0.0, 1.0, -1e-3, jnp.inf, -jnp.inf, jnp.nan, jnp.finfo(dtype).max, jnp.finfo(dtype).tiny]
    x = jnp.concatenate([jnp.asarray(numbers, dtype), normal(getkey(), (20,)).astype(dtype)])
    actual = transform(once)(x)
    assert actual.dtype == x.dtype
    np.testing.assert_array_equal(actual.astype("float64"), x.astype("float64"))
    np.testing.assert_array_equal(jnp.signbit(actual), jnp.signbit(x))


def test_what_is_read_a_few_times_is_left_as_it_is():
    x = jnp.asarray([1.0, 2.0])
    assert once(x, readings=4) is x and once(x, readings=5) is not x


def test_its_derivative_is_1():
    x = jnp.asarray([-2.0, 0.0, 3.0])
    np.testing.assert_array_equal(jax.grad(lambda x: (once(x) ** 2).sum())(x), 2 * x)


def test_a_relu_network_keeps_its_activations_alone():
    """26 and 16 MiB where the layers have 4096 units: the same share here. On a GPU `jax.grad` needs no more."""
    params = jaxmlp.init_params(jax.random.key(0), (64, 256, 256, 10))
    x, y = jnp.ones((512, 64), jnp.float32), jnp.zeros(512, jnp.int32)
    options = dict(hidden=jaxmlp.relu, output=jaxmlp.identity, loss=jaxmlp.softmax_cross_entropy)
    analysis: Any = lambda f: jax.jit(f).lower(params, x, y).compile().memory_analysis()
    size = lambda f: analysis(f).temp_size_in_bytes
    by_hand = size(lambda *args: jaxmlp.loss_and_grads(*args, **options))
    share = 0.75 if jax.default_backend() == "cpu" else 1.001
    assert by_hand < share * size(jax.value_and_grad(lambda *args: jaxmlp.loss_value(*args, **options)))
