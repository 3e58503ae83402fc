"""A value computed once is that value."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxmlp
from jaxmlp._once import once

from .helpers import as_jax, DTYPES, network, normal


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("transform", (jax.jit, lambda f: f), ids=("jit", "eager"))
def test_every_number_stays(getkey, dtype, transform):
    limits = jnp.finfo(dtype)
    numbers = [0.0, -0.0, 1.0, -1e-3, np.inf, -np.inf, np.nan, float(limits.max), float(limits.tiny)]
    x = as_jax([*numbers, *np.asarray(normal(getkey(), (20,)))], dtype)
    actual = transform(once)(x)
    assert actual.dtype == x.dtype
    found, expected = np.asarray(actual, "float64"), np.asarray(x, "float64")
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(np.signbit(found), np.signbit(expected))


def test_what_is_read_a_few_times_is_left_as_it_is():
    x = jnp.asarray([1.0, 2.0])
    assert once(x, readings=4) is x and once(x, readings=5) is not x


def test_its_derivative_is_1():
    x = np.asarray([-2.0, 0.0, 3.0])
    np.testing.assert_array_equal(jax.jit(jax.grad(lambda x: (once(x) ** 2).sum()))(x), 2 * x)


def test_a_relu_network_keeps_its_activations_alone():
    """26 and 16 MiB where the layers have 4096 units: the same share here. On a GPU `jax.grad` needs no more."""
    params, x, y = network((64, 256, 256, 10)), np.ones((512, 64), np.float32), np.zeros(512, np.int32)
    options = dict(hidden=jaxmlp.relu, output=jaxmlp.identity, loss=jaxmlp.softmax_cross_entropy)
    analysis: Any = lambda f: jax.jit(f).lower(params, x, y).compile().memory_analysis()
    size = lambda f: analysis(f).temp_size_in_bytes
    by_hand = size(lambda *args: jaxmlp.loss_and_grads(*args, **options))
    share = 0.75 if jax.default_backend() == "cpu" else 1.001
    assert by_hand < share * size(jax.value_and_grad(lambda *args: jaxmlp.loss_value(*args, **options)))
