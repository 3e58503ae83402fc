"""Each activation is the function it says, and its derivative keeps its digits."""

import math
from functools import partial

import chex
import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxmlp
from jaxmlp import Activation

from .helpers import (
    ACTIVATIONS,
    as_custom_vjp,
    as_jax,
    assert_close,
    astype,
    DIFFERENCE_TOLERANCE,
    DTYPES,
    ELEMENTWISE,
    EPS,
    make_gap_from_zero,
    normal,
    STEP,
    TINY,
    ULPS_OF_AN_OPERATION,
)


SHAPE = (3, 4)

_normal_cdf = np.vectorize(lambda z: math.erfc(-z / math.sqrt(2)) / 2)

# Textbook formulas in NumPy: autodiff of our own forward cannot see that the forward is wrong.
IN_NUMPY = {
    "identity": lambda z: z,
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "tanh": lambda z: (np.exp(z) - np.exp(-z)) / (np.exp(z) + np.exp(-z)),
    "relu": lambda z: np.maximum(z, 0),
    "leaky_relu": lambda z: np.where(z >= 0, z, 0.01 * z),
    "elu": lambda z: np.where(z > 0, z, np.exp(z) - 1),
    "softplus": lambda z: np.log(1 + np.exp(z)),
    "silu": lambda z: z / (1 + np.exp(-z)),
    "gelu": lambda z: z * _normal_cdf(z),
    "gelu_tanh": lambda z: z * (1 + np.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3))) / 2,
    "softmax": lambda z: np.exp(z) / np.exp(z).sum(axis=-1, keepdims=True),
}

IN_JAX = {
    "identity": lambda z: z,
    "sigmoid": jax.nn.sigmoid,
    "tanh": jnp.tanh,
    "relu": jax.nn.relu,
    "leaky_relu": jax.nn.leaky_relu,
    "elu": jax.nn.elu,
    "softplus": jax.nn.softplus,
    "silu": jax.nn.silu,
    "gelu": lambda z: jax.nn.gelu(z, approximate=False),
    "gelu_tanh": lambda z: jax.nn.gelu(z, approximate=True),
    "softmax": jax.nn.softmax,
}


# One program, where each operation by itself would be one for every shape and dtype.
@partial(jax.jit, static_argnums=0)
def pull_back(activation, z, da):
    """`da` carried through the pair."""
    (dz,) = activation.bwd(activation.fwd(z)[1], da)
    return dz


@partial(jax.jit, static_argnums=0)
def pull_back_by_autodiff(f, z, da):
    (dz,) = jax.vjp(f, z)[1](da)
    return dz


def each(f, activations=ACTIVATIONS):
    """`f(activation, ...)` for all activations as one program: compiling is most of what these tests cost."""
    return jax.jit(lambda *args: {activation.name: f(activation, *args) for activation in activations})


# Compiled once for each dtype, and called by most of the tests with arguments of one shape.
_by_hand = each(lambda activation, z, da: (activation(z), pull_back(activation, z, da)))
_truth = each(
    lambda activation, z, da: (IN_JAX[activation.name](z), pull_back_by_autodiff(IN_JAX[activation.name], z, da))
)
_push_forward = each(lambda activation, z, z_dot: jax.jvp(activation, (z,), (z_dot,))[1])


def scale_of(truth, da):
    """For each value and derivative the size of the terms of a difference that cancels: da - Σ da a, da - da tanh²."""
    largest = float(np.abs(np.asarray(da, float)).max())
    return {name: (1.0, largest) for name in truth}


def is_right(activation, f, z, da):
    """Whether the pair's backward is the transposed derivative of `f`, in the dtype of `z`."""
    truth = pull_back_by_autodiff(f, *astype((z, da), "float64"))
    try:
        assert_close(pull_back(activation, z, da), truth, ulps=ULPS_OF_AN_OPERATION)
    except AssertionError:
        return False
    return True


def test_value_is_the_textbook_formula(getkey):
    z, da = 2 * normal(getkey(), (2, *SHAPE))
    for name, (a, _) in _by_hand(z, da).items():
        # The textbook formulas cancel by a few of the sixteen digits: e^z - 1, e^z - e^-z.
        np.testing.assert_allclose(a, IN_NUMPY[name](np.asarray(z)), rtol=1e-13, atol=1e-15, err_msg=name)


@pytest.mark.parametrize("dtype", DTYPES)
def test_value_and_derivative_equal_the_float64_truth(getkey, dtype):
    z, da = normal(getkey(), (2, *SHAPE)).astype(dtype)
    actual, truth = _by_hand(z, da), _truth(*astype((z, da), "float64"))
    assert all(leaf.dtype == dtype for leaf in jax.tree.leaves(actual))
    assert_close(actual, truth, ulps=ULPS_OF_AN_OPERATION, scale=scale_of(truth, da))


def test_batch_1_and_width_1(getkey):
    z, da = normal(getkey(), (2, 1, 1))
    actual, truth = _by_hand(z, da), _truth(z, da)
    assert_close(actual, truth, ulps=ULPS_OF_AN_OPERATION, scale=scale_of(truth, da))


def test_derivative_equals_central_differences(getkey):
    z, z_dot, da = normal(getkey(), (3, *SHAPE))
    z = make_gap_from_zero(z)
    at, ahead, behind = (_by_hand(z + h * z_dot, da) for h in (0, STEP, -STEP))
    for name, (_, dz) in at.items():
        slope = np.vdot(ahead[name][0] - behind[name][0], da) / (2 * STEP)
        np.testing.assert_allclose(np.vdot(dz, z_dot), slope, atol=DIFFERENCE_TOLERANCE, rtol=0, err_msg=name)


def test_the_pairs_work_unchanged_in_custom_vjp(getkey):
    z, da = normal(getkey(), (2, *SHAPE))

    def wrapped(activation, z, da):
        f = as_custom_vjp(activation.fwd, activation.bwd)
        return f(z), pull_back_by_autodiff(f, z, da)

    assert_close(each(wrapped)(z, da), _by_hand(z, da), ulps=1)


_seeds = st.integers(0, 2**32 - 1)


@hypothesis.given(seed=_seeds, s=st.floats(-100, 100), t=st.floats(-100, 100))
def test_backward_is_linear_in_its_cotangent(seed, s, t):
    z, u, v = np.random.default_rng(seed).normal(size=(3, *SHAPE))
    of_u, of_v = _by_hand(z, u), _by_hand(z, v)
    for name, (_, dz) in _by_hand(z, s * u + t * v).items():
        # Rounding is relative to the terms, which may cancel in the sum; no slope exceeds 1.2, no normal number 8.
        atol = 64 * EPS["float64"] * (abs(s) + abs(t)) + TINY["float64"]
        np.testing.assert_allclose(dz, s * of_u[name][1] + t * of_v[name][1], atol=atol, rtol=0, err_msg=name)


@hypothesis.given(seed=_seeds)
def test_backward_is_the_adjoint_of_the_tangent_map(seed):
    z, z_dot, da = np.random.default_rng(seed).normal(size=(3, *SHAPE))
    pulled = _by_hand(z, da)
    for name, a_dot in _push_forward(z, z_dot).items():
        left, right = np.vdot(a_dot, da), np.vdot(z_dot, pulled[name][1])
        np.testing.assert_allclose(left, right, atol=256 * EPS["float64"], rtol=0, err_msg=name)


# Elementwise relative error: the size of a leaf's largest element says nothing about its small ones.
def test_derivatives_keep_their_digits_in_both_tails():
    magnitudes = np.asarray([2.0, 10.0, 17.0, 30.0, 50.0, 80.0], np.float32)
    z = np.concatenate([-magnitudes, magnitudes]).reshape(SHAPE)
    actual, truth = (_by_hand(z.astype(dtype), np.ones(SHAPE, dtype)) for dtype in (np.float32, np.float64))
    for name in ("sigmoid", "tanh", "softplus", "silu", "elu"):
        found, expected = np.asarray(actual[name][1], np.float64), truth[name][1]
        np.testing.assert_allclose(found, expected, rtol=8 * EPS["float32"], atol=TINY["float32"], err_msg=name)


def test_the_textbook_derivative_of_a_saturated_sigmoid_has_no_digit():
    z = jnp.full((1, 1), 18.0, jnp.float32)
    a = jaxmlp.sigmoid(z)
    assert a * (1 - a) == 0
    np.testing.assert_allclose(pull_back(jaxmlp.sigmoid, z, jnp.ones_like(z)), math.exp(-18.0), rtol=1e-6)


@pytest.mark.parametrize("zero", (0.0, -0.0))
def test_slope_at_a_kink_is_the_stated_one(zero):
    z, one = np.full(SHAPE, zero), np.ones(SHAPE)
    actual, of_jax = _by_hand(z, one), _truth(z, one)
    for name, slope in {"relu": 0, "leaky_relu": 1, "elu": 1}.items():
        np.testing.assert_array_equal(actual[name][1], np.full(SHAPE, slope), err_msg=name)
        np.testing.assert_array_equal(actual[name][1], of_jax[name][1], err_msg=name)


def test_the_sign_of_zero_changes_nothing():
    plus, minus = (_by_hand(np.full(SHAPE, zero), np.ones(SHAPE)) for zero in (0.0, -0.0))
    chex.assert_trees_all_equal(plus, minus)


# (value, slope) as z goes to ∞ and to -∞; None for the value is slope times z.
LIMITS = {
    "identity": ((None, 1), (None, 1)),
    "sigmoid": ((1, 0), (0, 0)),
    "tanh": ((1, 0), (-1, 0)),
    "relu": ((None, 1), (0, 0)),
    "leaky_relu": ((None, 1), (None, 0.01)),
    "elu": ((None, 1), (-1, 0)),
    "softplus": ((None, 1), (0, 0)),
    "silu": ((None, 1), (0, 0)),
    "gelu": ((None, 1), (0, 0)),
    "gelu_tanh": ((None, 1), (0, 0)),
}


def huge(dtype):
    largest = float(jnp.finfo(dtype).max)
    magnitudes = np.asarray([1e3, 2e3, 1e4, largest / 16, largest / 4, largest])
    return jnp.asarray(np.stack([magnitudes, -magnitudes]).reshape(SHAPE), dtype)


def limits(name, z):
    """The value and the slope that a huge `z` ought to have."""
    (above, slope_above), (below, slope_below) = LIMITS[name]
    slope = np.where(z > 0, float(slope_above), slope_below)
    value = np.where(z > 0, z if above is None else float(above), slope * z if below is None else float(below))
    return value, slope


@pytest.mark.parametrize("dtype", DTYPES)
def test_huge_arguments_give_the_limits_and_no_nan(dtype):
    z = huge(dtype)
    actual = _by_hand(z, jnp.ones_like(z))
    for name in LIMITS:
        assert_close(actual[name], limits(name, np.asarray(z, np.float64)), ulps=2)


# float16 is where squares and cubes of ordinary numbers overflow.
def test_autodiff_of_the_forward_has_no_nan_at_huge_arguments():
    z = huge("float16")
    slopes = each(lambda activation, z: pull_back_by_autodiff(activation, z, jnp.ones_like(z)), ELEMENTWISE)(z)
    assert_close(slopes, {name: limits(name, np.asarray(z, np.float64))[1] for name in slopes}, ulps=2)


@pytest.mark.parametrize("dtype", DTYPES)
def test_huge_logits_give_a_sure_softmax_and_no_nan(dtype):
    largest = float(jnp.finfo(dtype).max)
    z = jnp.asarray([[largest, 0, 0, -largest], [1e4, 1e4, 0, -1e4], [0, 0, 0, 0]], dtype)
    da = jnp.asarray([[1, 2, 3, 4]] * 3, dtype)
    a = np.asarray([[1, 0, 0, 0], [0.5, 0.5, 0, 0], [0.25, 0.25, 0.25, 0.25]])
    dz = np.asarray([[0, 0, 0, 0], [-0.25, 0.25, 0, 0], [-0.375, -0.125, 0.125, 0.375]])
    assert_close(_by_hand(z, da)["softmax"], (a, dz), ulps=2)


@pytest.mark.parametrize("dtype", ("float16", "float32"))
def test_a_large_cotangent_of_tanh_stays_finite(dtype):
    da = jnp.full((1, 2), jnp.finfo(dtype).max / 2, dtype)
    dz = pull_back(jaxmlp.tanh, jnp.asarray([[100.0, 0.0]], dtype), da)
    np.testing.assert_array_equal(dz, np.asarray([[0, da[0, 1]]]))


def test_nan_passes_through():
    z = np.ones(SHAPE)
    z[1, 2] = np.nan
    for name, (a, _) in _by_hand(z, np.ones(SHAPE)).items():
        expected = np.isnan(z) | (name == "softmax") * np.isnan(z).any(axis=1, keepdims=True)  # softmax mixes units
        np.testing.assert_array_equal(np.isnan(a), expected, err_msg=name)


@pytest.mark.parametrize("dtype", DTYPES)
def test_infinite_arguments_give_the_limits(dtype):
    z = as_jax(np.resize([np.inf, -np.inf], SHAPE), dtype)
    actual = _by_hand(z, as_jax(np.ones(SHAPE), dtype))
    for name in LIMITS:
        assert_close(actual[name], limits(name, np.asarray(z, np.float64)), ulps=1)


@pytest.mark.parametrize("dtype", DTYPES)
def test_an_infinite_logit_rules_a_unit_of_softmax_in_or_out(dtype):
    z = as_jax([[np.inf, 0, 0, -np.inf], [0, 0, -np.inf, -np.inf], [-np.inf] * 4], dtype)
    da = as_jax([[1, 2, 3, 4]] * 3, dtype)
    a, dz = jax.device_get(_by_hand(z, da)["softmax"])
    assert_close(a[:2], np.asarray([[1, 0, 0, 0], [0.5, 0.5, 0, 0]]), ulps=0)
    assert_close(dz[:2], np.asarray([[0, 0, 0, 0], [-0.25, 0.25, 0, 0]]), ulps=0)
    assert np.isnan(a[2].astype(float)).all()  # all ruled out: no distribution


def test_a_saturated_softmax_keeps_the_digits_of_its_slope():
    z, da = jnp.asarray([[40, 0, -5]], jnp.float32), jnp.asarray([[1, 2, 4]], jnp.float32)
    tail = np.exp([-40.0, -45.0])
    expected = [-tail[0] - 3 * tail[1], tail[0], 3 * tail[1]]
    np.testing.assert_allclose(pull_back(jaxmlp.softmax, z, da)[0], expected, rtol=8 * EPS["float32"])


@pytest.mark.parametrize("activation", ELEMENTWISE, ids=str)
def test_a_second_derivative_at_0_by_autodiff_is_right(activation):
    """Two branches of a smooth formula meet at 0 with their derivatives; elu has those of its lower one there."""
    curvature = jax.jit(jax.grad(jax.grad(lambda z: activation(z[None, None])[0, 0])))(0.0)
    normal_density = 1 / math.sqrt(2 * math.pi)
    known = {"elu": 1, "softplus": 0.25, "silu": 0.5, "gelu": 2 * normal_density, "gelu_tanh": 2 * normal_density}
    np.testing.assert_allclose(curvature, known.get(activation.name, 0), rtol=1e-14)


def test_softmax_has_a_full_jacobian(getkey):
    z = normal(getkey(), (1, 4))
    a = np.asarray(jaxmlp.softmax(z))[0]
    columns = jax.vmap(lambda da: pull_back(jaxmlp.softmax, z, da[None, :])[0])(jnp.eye(4))
    np.testing.assert_allclose(columns, np.diag(a) - np.outer(a, a), rtol=1e-14, atol=1e-16)


@pytest.mark.parametrize("shape", ((4,), (2, 3, 4)))
def test_the_units_are_along_the_last_axis_whatever_stands_before(getkey, shape):
    z, da = normal(getkey(), (2, *shape))
    actual, truth = (f(z, da) for f in (_by_hand, _truth))
    assert_close(actual, truth, ulps=ULPS_OF_AN_OPERATION, scale=scale_of(truth, da))


def _tanh_slope(z):
    return 1 - jnp.tanh(z) ** 2


@pytest.mark.parametrize(
    ("right", "bwd"),
    (
        (jaxmlp.softmax, lambda a, da: (da * a * (1 - a),)),
        (jaxmlp.tanh, lambda z, da: (-da * _tanh_slope(z),)),
        (jaxmlp.tanh, lambda z, da: (da * (1 - z * z),)),
        (jaxmlp.tanh, lambda z, da: (_tanh_slope(z),)),
        (jaxmlp.tanh, lambda z, da: (da,)),
        (jaxmlp.tanh, lambda z, da: (da * np.nan,)),
        (jaxmlp.tanh, lambda z, da: ((da * _tanh_slope(z))[:1],)),
        (jaxmlp.tanh, lambda z, da: (da * _tanh_slope(z) * (1 + 1e-12),)),
    ),
    ids=("diagonal only", "sign", "z for a", "no cotangent", "no slope", "nan", "shape", "a part in 1e12"),
)
def test_a_wrong_derivative_is_caught(getkey, right, bwd):
    z, da = normal(getkey(), (2, *SHAPE))
    f = IN_JAX[right.name]
    assert is_right(right, f, z, da)
    wrong = Activation("wrong", right.fwd, lambda residuals, da: (jnp.asarray(bwd(residuals, da)[0]),))
    assert not is_right(wrong, f, z, da)


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
def test_is_hashable_and_names_itself(activation):
    assert hash(activation) == hash(Activation(activation.name, activation.fwd, activation.bwd))
    assert repr(activation) == activation.name
    assert getattr(jaxmlp, activation.name) is activation
    assert [f.__name__ for f in (activation.fwd, activation.bwd)] == [f"{activation}_fwd", f"{activation}_bwd"]
