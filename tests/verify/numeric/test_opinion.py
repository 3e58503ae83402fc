"""What differences say of a gradient: right, wrong, or undecided with the reason."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp.verify._numeric._opinion import bound_of_projections, MISSED, second_opinion

from .. import gradients as net


def opinion_of(grads, getkey, **options):
    params, x, y = net.problem(getkey())
    return second_opinion(net.loss, grads, params, x, y, **options)


@pytest.mark.parametrize("directions", (None, 6))
def test_a_right_gradient_is_right(getkey, directions):
    opinion = opinion_of(net.grads, getkey, directions=directions)
    assert opinion.verdict == "right"
    assert all(leaf.reason is None and leaf.error < 1e-9 < 1e-4 for leaf in opinion.leaves.values())
    assert all(leaf.resolution < 1e-7 for leaf in opinion.leaves.values())


def test_a_tree_in_float32_is_right_too(getkey):
    params, x, y = net.problem(getkey())
    assert second_opinion(net.loss, net.grads(params, x, y), params, x, y).verdict == "right"


@pytest.mark.parametrize("directions", (None, 6))
@pytest.mark.parametrize(
    "mistake",
    (
        lambda w: -w,
        lambda w: 5 * w,
        lambda w: 0 * w,
        lambda w: w * 1.001,
        lambda w: w * (1 + 1e-5),
        lambda w: w.at[2, 1].add(1e-3),
        lambda w: w.at[1, 2].set(np.nan),
    ),
)
def test_a_wrong_leaf_is_wrong_and_no_other(getkey, mistake, directions):
    opinion = opinion_of(net.changed(w1=mistake), getkey, directions=directions)
    assert opinion.verdict == "wrong"
    assert {path: leaf.verdict for path, leaf in opinion.leaves.items() if path != "w1"} == dict.fromkeys(
        ("b1", "b2", "w2"), "right"
    )
    assert opinion.leaves["w1"].verdict == "wrong" and opinion.leaves["w1"].reason == "differs"


def test_the_coordinate_is_named(getkey):
    assert opinion_of(net.changed(w1=lambda w: w.at[2, 1].add(1e-3)), getkey).leaves["w1"].where == (2, 1)


@pytest.mark.parametrize("grads", (net.without("b1"), net.changed(b1=lambda b: b[None])))
def test_a_leaf_of_another_shape_is_wrong(getkey, grads):
    opinion = opinion_of(grads, getkey)
    assert opinion.verdict == "wrong" and opinion.leaves["b1"].reason == "shape"


@pytest.mark.parametrize("size", (1e-30, 1e-9, 1e9))
def test_no_size_certifies_or_condemns(getkey, size):
    params, x, y = net.problem(getkey(), "float64")

    def loss(params, x, y):
        return size * net.loss(params, x, y)

    right = jax.jit(jax.grad(loss))(params, x, y)
    assert second_opinion(loss, right, params, x, y).verdict == "right"
    assert second_opinion(loss, {**right, "w2": -right["w2"]}, params, x, y).leaves["w2"].verdict == "wrong"


def one(loss, grad, p):
    opinion = second_opinion(loss, grad, p)
    (leaf,) = opinion.leaves.values()
    assert opinion.verdict == leaf.verdict
    return leaf.verdict, leaf.reason, leaf.where


P = np.array([[1.0, -2.0], [0.5, 0.25]])


def test_undecided_says_why():
    at_zero = P * [[1, 1], [0, 1]]
    slope = (at_zero > 0).astype(float)
    assert one(lambda p: jnp.sum(jax.nn.relu(p)), slope, at_zero) == ("undecided", "kink", (1, 0))
    rng = np.random.default_rng(0)
    assert one(lambda p: float(p.sum() + rng.uniform()), np.ones((2, 2)), P) == ("undecided", "random", None)
    ripples = lambda p: jnp.sum(p) + 1e-6 * jnp.sum(jnp.sin(1e4 * p))
    assert one(ripples, np.ones((2, 2)), P)[:2] == ("undecided", "rough")
    assert one(lambda p: 0 * jnp.sum(p), np.zeros((2, 2)), P)[:2] == ("undecided", "constant")
    assert one(lambda p: 0 * jnp.sum(p), np.ones((2, 2)), P)[:2] == ("undecided", "constant")
    assert one(lambda p: jnp.sum(jnp.log(p)), 1 / P, P) == ("undecided", "nonfinite", (0, 0))
    assert one(lambda p: 1e14 + jnp.sum(p), np.ones((2, 2)), P)[:2] == ("undecided", "drowned")
    assert one(lambda p: jnp.sum(p**2), (2 * P * (1 + 3e-4)).astype(np.float32), P)[:2] == ("undecided", "close")


def test_a_mistake_elsewhere_outweighs_a_kink():
    at_zero = P * [[1, 1], [0, 1]]
    wrong = (at_zero > 0) * [[1.0, 1.0], [1.0, 2.0]]
    assert one(lambda p: jnp.sum(jax.nn.relu(p)), wrong, at_zero) == ("wrong", "differs", (1, 1))


def test_dead_units_beside_live_ones_are_right():
    loss = lambda p: jnp.sum(jax.nn.relu(p - 0.3) ** 2) + jnp.sum(0 * p)
    assert one(loss, 2 * np.maximum(P - 0.3, 0), P)[0] == "right"


def test_a_kernel_in_float32_is_judged_as_far_as_it_shows(getkey):
    params, x, y = net.problem(getkey())

    def kernel(params, x, y):
        assert x.dtype == jnp.float32
        return net.loss(params, x, y)

    assert second_opinion(kernel, net.grads, params, x, y).verdict != "wrong"
    opinion = second_opinion(kernel, net.changed(w1=lambda w: w * 1.1), params, x, y)
    assert opinion.leaves["w1"].verdict == "wrong" and opinion.numeric.precision == "float32"


def test_directions_miss_no_more_than_they_say():
    rng = np.random.default_rng(0)
    for count in (4, 8, 16):
        projections = rng.standard_normal((200_000, count))
        seen = np.sqrt((projections**2).mean(axis=1))
        assert np.mean(bound_of_projections(count) * seen < 1) <= 10 * MISSED
    assert bound_of_projections(0) == np.inf
    assert bound_of_projections(4) > bound_of_projections(16) > 1
