"""The comparisons that the suite rests on: what they let pass, and what they must not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from .helpers import as_custom_vjp, assert_close, central_difference, DTYPES, EPS, make_gap_from_zero


@pytest.mark.parametrize("dtype", DTYPES)
def test_assert_close_lets_a_few_ulps_pass_and_no_more(dtype):
    one = jnp.ones((2,), dtype)
    assert_close({"w": one * (1 + 2 * EPS[dtype])}, {"w": one}, ulps=4)
    with pytest.raises(AssertionError, match="off by"):
        assert_close({"w": one * (1 + 16 * EPS[dtype])}, {"w": one}, ulps=4)


@pytest.mark.parametrize(
    "actual",
    (
        {"w": jnp.asarray([1.0, jnp.nan])},
        {"w": jnp.asarray([1.0, jnp.inf])},
        {"w": jnp.asarray([[1.0, 2.0]])},
        {"w": jnp.asarray([1.0, 2.0, 3.0])},
        {"w": jnp.asarray([1.0, -2.0])},
        {"w": jnp.asarray([0.0, 0.0])},
        {"b": jnp.asarray([1.0, 2.0])},
        {"w": jnp.asarray([1.0, 2.0]), "b": jnp.asarray([1.0])},
        {"w": None},
    ),
    ids=("nan", "inf", "extra axis", "longer", "sign", "zeros", "renamed", "extra leaf", "none"),
)
def test_assert_close_catches(actual):
    with pytest.raises(AssertionError):
        assert_close(actual, {"w": jnp.asarray([1.0, 2.0])}, ulps=8)


def test_assert_close_wants_the_dtype_or_the_float64_truth():
    single, double = jnp.ones((2,), jnp.float32), jnp.ones((2,), jnp.float64)
    assert_close(single, double, ulps=1)
    with pytest.raises(AssertionError, match="dtype"):
        assert_close(double, single, ulps=1)


def test_assert_close_takes_equal_nonfinite_elements_only():
    truth = jnp.asarray([jnp.nan, jnp.inf, -jnp.inf, 1.0])
    assert_close(truth, truth, ulps=1)
    with pytest.raises(AssertionError, match="non-finite"):
        assert_close(jnp.asarray([jnp.nan, -jnp.inf, -jnp.inf, 1.0]), truth, ulps=1)


def test_as_custom_vjp_uses_the_backward_it_is_given():
    wrong = as_custom_vjp(lambda z: (z * z, z), lambda z, da: (3 * z * da,))
    assert jax.grad(wrong)(2.0) == 6.0


def test_central_difference_is_the_derivative_of_a_cubic():
    slope = central_difference(lambda z: z**3, (jnp.asarray(2.0),), (jnp.asarray(1.0),))
    np.testing.assert_allclose(slope, 12.0, rtol=1e-9)


def test_make_gap_from_zero_keeps_signs_and_leaves_a_gap():
    z = make_gap_from_zero(jnp.asarray([-1.0, -1e-9, 0.0, 1e-9, 1.0]))
    np.testing.assert_allclose(z, [-1.1, -0.1, 0.1, 0.1, 1.1], rtol=1e-6)


def test_getkey_gives_a_fresh_key_each_time(getkey):
    assert (jax.random.key_data(getkey()) != jax.random.key_data(getkey())).any()
