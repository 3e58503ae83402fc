"""The gradient by hand equals autodiff on every platform that JAX offers; the header of the run names them."""

import chex
import jax
import pytest

import jaxmlp

from .helpers import assert_close, platforms, problem, ULPS_OF_A_NETWORK


@pytest.mark.parametrize("platform", platforms())
def test_equals_autodiff_on_each_platform(getkey, platform, record_property):
    device = jax.devices(platform)[0]
    record_property("device", device.device_kind)
    args = jax.device_put(problem(getkey(), (2, 4, 3, 1), dtype="float32"), device)
    with jax.default_matmul_precision("highest"):
        actual = jax.jit(jaxmlp.loss_and_grads)(*args)
        expected = jax.jit(jax.value_and_grad(jaxmlp.loss_value))(*args)
    assert all(leaf.devices() == {device} for leaf in jax.tree.leaves(actual))
    chex.assert_tree_all_finite(actual)
    of_an_example = lambda x, y: jax.value_and_grad(jaxmlp.loss_value)(args[0], x[None], y[None])
    terms = jax.device_get(jax.jit(jax.vmap(of_an_example))(*args[1:]))
    scale = jax.tree.map(lambda term: float(abs(term).mean(0).max()), terms)
    assert_close(actual, expected, ulps=ULPS_OF_A_NETWORK, scale=scale)


def test_the_platform_in_use_is_among_those_tested():
    assert jax.devices()[0].platform in {jax.devices(platform)[0].platform for platform in platforms()}
