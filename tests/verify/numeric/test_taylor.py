"""Taylor's remainder: of order 2 for a right gradient, of order 1 for a wrong one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp.verify._numeric._taylor import RESOLUTION, taylor_remainder

from .. import gradients as net


@pytest.fixture
def case(getkey):
    params, x, y = net.problem(getkey(), "float64")
    return params, x, y, net.grads(params, x, y)


@pytest.mark.parametrize("draw", range(3))
def test_a_right_gradient_has_order_two(case, draw):
    params, x, y, grads = case
    found = taylor_remainder(net.loss, grads, params, x, y, draw=draw)
    assert found.verdict == "right" and found.resolution < 1e-4
    np.testing.assert_allclose(found.orders[np.isfinite(found.orders)][-3:], 2, atol=0.1)
    assert len(found.orders) == len(found.steps) - 1 == len(found.remainders) - 1


@pytest.mark.parametrize("factor", (-1, 0, 2, 1.01))
def test_a_wrong_gradient_has_order_one(case, factor):
    params, x, y, grads = case
    found = taylor_remainder(net.loss, {**grads, "w1": factor * grads["w1"]}, params, x, y)
    assert found.verdict == "wrong"
    np.testing.assert_allclose(found.orders[np.isfinite(found.orders)][-3:], 1, atol=0.1)


def test_an_error_of_a_thousandth_is_seen_along_most_directions(case):
    params, x, y, grads = case
    wrong = {**grads, "w1": 1.001 * grads["w1"]}
    found = [taylor_remainder(net.loss, wrong, params, x, y, draw=draw).verdict for draw in range(5)]
    assert found.count("wrong") >= 3 and "right" not in found


def test_an_error_between_is_undecided(case):
    params, x, y, grads = case
    wrong = {**grads, "w1": (1 + RESOLUTION) * grads["w1"]}
    found = [taylor_remainder(net.loss, wrong, params, x, y, draw=draw).verdict for draw in range(5)]
    assert "undecided" in found and "right" not in found


def test_a_linear_loss_leaves_nothing_but_noise():
    p = jnp.asarray([1.0, -2.0])
    found = taylor_remainder(lambda p: jnp.sum(3 * p), jnp.full(2, 3.0), p)
    assert found.verdict == "right" and np.isnan(found.orders).all()
    assert taylor_remainder(lambda p: jnp.sum(3 * p), jnp.full(2, 3.1), p).verdict == "wrong"


@pytest.mark.parametrize(
    "loss", (lambda p: jnp.sum(jax.nn.relu(p)), lambda p: 1e15 + jnp.sum(p), lambda p: jnp.sum(jnp.log(p)))
)
def test_where_nothing_can_be_seen_it_is_undecided(loss):
    p = jnp.asarray([0.0, 0.0, -1.0])
    for grads in (jnp.ones(3), jnp.zeros(3), jnp.asarray([1.0, 0.0, 1.0])):
        assert taylor_remainder(loss, grads, p).verdict == "undecided"


def test_in_float32_a_wrong_gradient_is_still_seen(getkey):
    params, x, y = net.problem(getkey())

    def kernel(params, x, y):
        assert x.dtype == jnp.float32
        return net.loss(params, x, y)

    grads = net.grads(params, x, y)
    assert taylor_remainder(kernel, grads, params, x, y).verdict != "wrong"
    assert taylor_remainder(kernel, jax.tree.map(jnp.negative, grads), params, x, y).verdict == "wrong"


def test_other_shapes_are_refused(case):
    params, x, y, grads = case
    with pytest.raises(ValueError, match="must have the leaves of `params`"):
        taylor_remainder(net.loss, {**grads, "b1": grads["w1"]}, params, x, y)
