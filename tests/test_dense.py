"""A dense layer and its transposed derivative."""

from typing import Any

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp import Dense
from jaxmlp._dense import dense_bwd, dense_fwd

from .helpers import (
    as_custom_vjp,
    as_jax,
    assert_close,
    central_difference,
    DIFFERENCE_TOLERANCE,
    DTYPES,
    EPS,
    inner,
    random_like,
    ULPS_OF_AN_OPERATION,
)


def example(key, batch=4, n_in=3, n_out=2, *, bias=True, dtype="float64"):
    shaped = lambda *shape: jax.ShapeDtypeStruct(shape, dtype)
    layer: Any = (shaped(n_in, n_out), shaped(n_out) if bias else None)
    return random_like(key, (Dense(*layer), shaped(batch, n_in), shaped(batch, n_out)))


def pull_back(layer, x, dz):
    return dense_bwd(dense_fwd(layer, x)[1], dz)


_pull_back = jax.jit(pull_back)
_by_autodiff = jax.jit(lambda layer, x, dz: jax.vjp(lambda layer, x: dense_fwd(layer, x)[0], layer, x)[1](dz))
_push_forward = jax.jit(lambda inputs, dots: jax.jvp(lambda *inputs: dense_fwd(*inputs)[0], inputs, dots)[1])


@pytest.mark.parametrize("bias", (True, False), ids=("bias", "no bias"))
@pytest.mark.parametrize("dtype", DTYPES)
def test_forward_and_backward_equal_einsum(getkey, dtype, bias):
    layer, x, dz = example(getkey(), bias=bias, dtype=dtype)
    actual = jax.jit(lambda *args: (dense_fwd(*args[:2])[0], pull_back(*args)))(layer, x, dz)
    w, x, dz = (np.asarray(leaf, np.float64) for leaf in (layer.w, x, dz))
    z = np.einsum("ik,kj->ij", x, w) + (0 if layer.b is None else np.asarray(layer.b, np.float64))
    dw, db, dx = np.einsum("ik,ij->kj", x, dz), np.einsum("ij->j", dz), np.einsum("ij,kj->ik", dz, w)
    dlayer = Dense(as_jax(dw, float), None if layer.b is None else as_jax(db, float))
    assert_close(actual, (z, (dlayer, dx)), ulps=ULPS_OF_AN_OPERATION)


@pytest.mark.parametrize(("batch", "n_in", "n_out"), ((4, 3, 2), (1, 3, 2), (4, 1, 1), (1, 1, 1)))
def test_backward_equals_autodiff(getkey, batch, n_in, n_out):
    layer, x, dz = example(getkey(), batch, n_in, n_out)

    assert_close(_pull_back(layer, x, dz), _by_autodiff(layer, x, dz), ulps=ULPS_OF_AN_OPERATION)


def test_backward_equals_central_differences(getkey):
    layer, x, dz = example(getkey())
    direction = random_like(getkey(), (layer, x))

    @jax.jit
    def both(layer, x, dz):
        slope = central_difference(lambda *inputs: inner(dense_fwd(*inputs)[0], dz), (layer, x), direction)
        return inner(pull_back(layer, x, dz), direction), slope

    actual, slope = both(layer, x, dz)
    np.testing.assert_allclose(actual, slope, atol=10 * DIFFERENCE_TOLERANCE)


def test_the_pair_works_unchanged_in_custom_vjp(getkey):
    layer, x, dz = example(getkey())
    wrapped = as_custom_vjp(dense_fwd, dense_bwd)
    of_wrapped = jax.jit(lambda layer, x, dz: jax.vjp(wrapped, layer, x)[1](dz))
    assert_close(of_wrapped(layer, x, dz), _pull_back(layer, x, dz), ulps=1)


def _numbers(seed, *shapes):
    random = np.random.default_rng(seed)
    return (as_jax(random.normal(size=shape), float) for shape in shapes)


_seeds = st.integers(0, 2**32 - 1)


@hypothesis.given(seed=_seeds, s=st.floats(-100, 100), t=st.floats(-100, 100))
def test_backward_is_linear_in_its_cotangent(seed, s, t):
    w, b, x, u, v = _numbers(seed, (3, 2), (2,), (4, 3), (4, 2), (4, 2))
    actual = _pull_back(Dense(w, b), x, s * u + t * v)
    parts = _pull_back(Dense(w, b), x, u), _pull_back(Dense(w, b), x, v)
    expected = jax.tree.map(lambda of_u, of_v: s * of_u + t * of_v, *parts)
    scale = jax.tree.map(lambda leaf: 10 * (abs(s) + abs(t)), expected)  # what the terms have before they cancel
    assert_close(actual, expected, ulps=ULPS_OF_AN_OPERATION, scale=scale)


@hypothesis.given(seed=_seeds)
def test_backward_is_the_adjoint_of_the_tangent_map(seed):
    w, b, x, dz, w_dot, b_dot, x_dot = _numbers(seed, (3, 2), (2,), (4, 3), (4, 2), (3, 2), (2,), (4, 3))
    inputs, dots = (Dense(w, b), x), (Dense(w_dot, b_dot), x_dot)
    left, right = inner(_push_forward(inputs, dots), dz), inner(dots, _pull_back(*inputs, dz))
    np.testing.assert_allclose(left, right, atol=1024 * EPS["float64"], rtol=0)


@pytest.mark.parametrize(
    "bwd",
    (
        lambda layer, x, dz: (Dense(x.T @ dz, dz.sum(axis=0)), dz @ layer.w),
        lambda layer, x, dz: (Dense((x.T @ dz).T, dz.sum(axis=0)), dz @ layer.w.T),
        lambda layer, x, dz: (Dense(x.T @ dz, dz.sum(axis=1)), dz @ layer.w.T),
        lambda layer, x, dz: (Dense(x.T @ dz, dz), dz @ layer.w.T),
        lambda layer, x, dz: (Dense(x.T @ dz, dz.mean(axis=0)), dz @ layer.w.T),
        lambda layer, x, dz: (Dense(x.T @ dz / 3, dz.sum(axis=0)), dz @ layer.w.T),
        lambda layer, x, dz: (Dense(x.T @ dz, None), dz @ layer.w.T),
        lambda layer, x, dz: (Dense(x.T @ dz, jnp.zeros_like(layer.b)), dz @ layer.w.T),
    ),
    ids=("w for wᵀ", "dw transposed", "wrong axis", "no sum", "mean for sum", "1/batch twice", "no db", "db = 0"),
)
def test_a_wrong_backward_is_caught(getkey, bwd):
    # Square shapes, in which a missing transpose has the right shape.
    layer, x, dz = example(getkey(), 3, 3, 3)
    truth = _by_autodiff(layer, x, dz)
    assert_close(_pull_back(layer, x, dz), truth, ulps=ULPS_OF_AN_OPERATION)
    with pytest.raises(AssertionError):
        assert_close(jax.jit(bwd)(layer, x, dz), truth, ulps=ULPS_OF_AN_OPERATION)


def test_nonfinite_numbers_pass_through():
    w, b, x = (as_jax(rows, float) for rows in ([[1], [1]], [0], [[np.nan, 1], [np.inf, 1], [1, 1]]))
    z, _ = jax.jit(dense_fwd)(Dense(w, b), x)
    np.testing.assert_array_equal(np.ravel(z), [np.nan, np.inf, 2.0])
