"""A gradient measured from values alone: number by number, along directions, compiled and as a black box."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp.verify._numeric._gradient import COORDINATES, DIRECTIONS, numeric_gradient

from ...helpers import normal
from .. import gradients as net


def in_numpy(params, x, y):
    """`gradients.loss` in NumPy, which JAX cannot trace."""
    w1, b1, w2, b2, x, y = (np.asarray(array) for array in (*(params[k] for k in ("w1", "b1", "w2", "b2")), x, y))
    out = np.tanh(x @ w1 + b1) @ w2 + b2
    return ((out - y) ** 2).sum(axis=1).mean()


def only_float32(params, x, y):
    """`gradients.loss` that refuses float64, like a kernel."""
    if {leaf.dtype for leaf in jax.tree.leaves((params, x, y))} != {jnp.dtype("float32")}:
        raise TypeError("float32 only")
    return net.loss(params, x, y)


def rounded(params, x, y):
    """`gradients.loss` that computes in float32 whatever it is given."""
    params, x, y = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), (params, x, y))
    return net.loss(params, x, y)


def unmapped(params, x, y):
    """`gradients.loss` through a call that JAX can trace but not map over."""
    return jax.pure_callback(lambda *args: np.asarray(in_numpy(*args)), jax.ShapeDtypeStruct((), x.dtype), params, x, y)


def truth(params, x, y):
    wide = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), (params, x, y))
    return jax.tree.map(np.asarray, jax.jit(jax.grad(net.loss))(*wide))


@pytest.mark.parametrize(
    "loss, precision, width",
    (
        (net.loss, "float64", 1e-9),
        (in_numpy, "float64", 1e-9),
        (unmapped, "float64", 1e-9),
        (only_float32, "float32", 1e-2),
        (rounded, "float32", 1e-2),
    ),
)
def test_every_number_of_a_small_tree_is_within_its_bar(getkey, loss, precision, width):
    params, x, y = net.problem(getkey())
    seen = numeric_gradient(loss, params, x, y)
    assert list(seen.leaves) == sorted(params) and seen.precision == precision and not seen.is_random
    assert seen.value == pytest.approx(float(net.loss(params, x, y)), rel=1e-5)
    for path, expected in truth(params, x, y).items():
        leaf = seen.leaves[path]
        assert leaf.directions is None and leaf.shape == expected.shape
        assert set(leaf.slopes.states) == {"ok"}
        assert np.all(abs(leaf.slopes.values - expected.ravel()) <= leaf.slopes.bars)
        assert leaf.slopes.bars.max() < width * np.linalg.norm(expected)


def test_a_large_tree_is_measured_along_directions_and_small_leaves_number_by_number(getkey):
    params = {"b": normal(getkey(), (3,)), "w": normal(getkey(), (COORDINATES, 3)) / 20}
    x = normal(getkey(), (4, COORDINATES))

    def loss(params, x):
        return jnp.sum(jnp.tanh(x @ params["w"] + params["b"][None, :]) ** 2)

    seen, expected = numeric_gradient(loss, params, x), jax.jit(jax.grad(loss))(params, x)
    assert seen.leaves["b"].directions is None and seen.leaves["w"].slopes.values.shape == (DIRECTIONS,)
    for path, leaf in seen.leaves.items():
        assert np.all(abs(leaf.slopes.values - leaf.along(np.asarray(expected[path]))) <= leaf.slopes.bars)
    again = numeric_gradient(loss, params, x).leaves["w"]
    np.testing.assert_array_equal(seen.leaves["w"].directions, again.directions)
    np.testing.assert_array_equal(seen.leaves["w"].slopes.values, again.slopes.values)


def test_it_sees_what_autodiff_takes_on_trust():
    @jax.custom_vjp
    def cube(x):
        return x**3

    cube.defvjp(lambda x: (x**3, x), lambda x, dout: (dout,))  # a wrong rule: its slope is 3 x**2
    seen = numeric_gradient(lambda x: cube(x) + jax.lax.stop_gradient(x), jnp.asarray(2.0))
    np.testing.assert_allclose(seen.leaves["params"].slopes.values, 13.0, rtol=1e-9)


def test_a_kink_is_named_and_not_guessed():
    seen = numeric_gradient(lambda p: jnp.sum(jax.nn.relu(p) + p), jnp.asarray([1.0, 0.0, -1e-5]))
    slopes = seen.leaves["params"].slopes
    assert list(slopes.states) == ["ok", "kink", "ok"]
    np.testing.assert_allclose(slopes.values[[0, 2]], [2.0, 1.0], rtol=1e-6)
    assert slopes.jumps[1] == pytest.approx(1.0, rel=1e-3)


def test_a_random_loss_is_noticed(getkey):
    rng = np.random.default_rng(0)
    assert numeric_gradient(lambda p: jnp.sum(p) + rng.standard_normal(), jnp.ones(2)).is_random
    assert numeric_gradient(lambda p: float(np.sum(p) + rng.standard_normal()), np.ones(2)).is_random


def test_a_black_box_may_write_into_its_arguments():
    def loss(params):
        params *= params
        return params.sum()

    params = np.array([1.0, 2.0, -3.0])
    np.testing.assert_allclose(numeric_gradient(loss, params).leaves["params"].slopes.values, 2 * params, rtol=1e-9)
    np.testing.assert_array_equal(params, [1.0, 2.0, -3.0])


def test_leaves_that_are_no_floats_stay(getkey):
    params = {"n": 3, "w": jnp.asarray([1.0, 2.0]), "empty": jnp.zeros((0, 2))}
    seen = numeric_gradient(lambda p: jnp.sum(p["w"] ** p["n"]), params)
    assert list(seen.leaves) == ["empty", "w"] and seen.leaves["empty"].slopes.values.size == 0
    np.testing.assert_allclose(seen.leaves["w"].slopes.values, [3.0, 12.0], rtol=1e-9)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="scalar of shape"):
        numeric_gradient(lambda p: p, jnp.ones(3))
    with pytest.raises(TypeError, match="floating scalar, got dtype int"):
        numeric_gradient(lambda p: jnp.sum(p).astype(int), jnp.ones(3))
    with pytest.raises(ValueError, match="`directions` must be at least 1"):
        numeric_gradient(jnp.sum, jnp.ones(3), directions=0)
    with pytest.raises(ZeroDivisionError):
        numeric_gradient(lambda p: 1 / 0, jnp.ones(3))
