"""The network's gradient by hand equals autodiff, in every shape, dtype and pairing."""

from functools import partial
from typing import Any

import chex
import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from absl.testing import parameterized
from jax.flatten_util import ravel_pytree

import jaxmlp
from jaxmlp import Activation, Dense

from .helpers import (
    ACTIVATIONS,
    as_custom_vjp,
    as_jax,
    assert_close,
    astype,
    central_difference,
    DIFFERENCE_TOLERANCE,
    DTYPES,
    inner,
    normal,
    problem,
    random_like,
    ULPS_OF_A_NETWORK,
)


# Depth 1, 2 and 4, width 1, batch 1.
NETWORKS = {
    "one layer": dict(sizes=(3, 2)),
    "one layer, no bias, batch 1": dict(sizes=(3, 2), bias=False, batch=1),
    "two layers, width 1": dict(sizes=(1, 1, 1)),
    "two layers, no bias": dict(sizes=(2, 3, 2), bias=False),
    "four layers": dict(sizes=(2, 4, 3, 4, 1)),
}

# Every loss, behind outputs that it is used with.
PAIRINGS = (
    (jaxmlp.sigmoid, jaxmlp.bce),
    (jaxmlp.softmax, jaxmlp.bce),
    (jaxmlp.identity, jaxmlp.bce_with_logits),
    (jaxmlp.identity, jaxmlp.half_squared_error),
    (jaxmlp.tanh, jaxmlp.half_squared_error),
    (jaxmlp.sigmoid, jaxmlp.mean_squared_error),
    (jaxmlp.softmax, jaxmlp.mean_squared_error),
    (jaxmlp.identity, jaxmlp.softmax_cross_entropy),
)


def by_autodiff(params, x, y, **options):
    return jax.value_and_grad(partial(jaxmlp.loss_value, **options))(params, x, y)


# All networks as one program: compiling is most of what these tests cost, and the truth is compiled once.
@jax.jit
def _by_hand(inputs):
    return {name: jaxmlp.loss_and_grads(*args, hidden=jaxmlp.tanh) for name, args in inputs.items()}


@jax.jit
def _truth(inputs):
    return {name: by_autodiff(*args, hidden=jaxmlp.tanh) for name, args in inputs.items()}


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_shape_equals_autodiff_in_float64(getkey, dtype):
    key = getkey()
    inputs = {name: problem(key, **shape, dtype=dtype) for name, shape in NETWORKS.items()}
    actual = _by_hand(inputs)
    assert_close(actual, _truth(astype(inputs, "float64")), ulps=ULPS_OF_A_NETWORK)
    for name, (params, *_) in inputs.items():
        chex.assert_trees_all_equal_shapes_and_dtypes(actual[name][1], params)


def test_every_hidden_activation_equals_autodiff(getkey):
    args = problem(getkey(), (2, 3, 1))

    @jax.jit
    def both(*args):
        return tuple(
            {hidden.name: f(*args, hidden=hidden) for hidden in ACTIVATIONS}
            for f in (jaxmlp.loss_and_grads, by_autodiff)
        )

    assert_close(*both(*args), ulps=ULPS_OF_A_NETWORK)


def test_every_output_and_loss_equals_autodiff(getkey):
    key = getkey()
    inputs = {f"{output}, {loss}": problem(key, (2, 3, 3), loss=loss) for output, loss in PAIRINGS}

    @jax.jit
    def both(inputs):
        return tuple(
            {
                f"{output}, {loss}": f(*inputs[f"{output}, {loss}"], output=output, loss=loss)
                for output, loss in PAIRINGS
            }
            for f in (jaxmlp.loss_and_grads, by_autodiff)
        )

    assert_close(*both(inputs), ulps=ULPS_OF_A_NETWORK)


_variants: Any = chex.variants  # which is untyped


class TestEagerAndJitted(chex.TestCase):
    """The one place where a Python loop over layers and its trace could part."""

    @_variants(with_jit=True, without_jit=True)
    @parameterized.parameters("sigmoid", "relu")
    def test_equals_autodiff(self, name):
        args = problem(jax.random.key(0), (2, 3, 1), dtype="float32")
        options: dict[str, Any] = dict(hidden=getattr(jaxmlp, name))
        actual = self.variant(partial(jaxmlp.loss_and_grads, **options))(*args)
        assert_close(actual, jax.jit(partial(by_autodiff, **options))(*args), ulps=ULPS_OF_A_NETWORK)


def test_equals_central_differences(getkey):
    params, x, y = problem(getkey(), (2, 3, 2), loss=jaxmlp.half_squared_error)
    options: dict[str, Any] = dict(hidden=jaxmlp.tanh, output=jaxmlp.identity, loss=jaxmlp.half_squared_error)
    flat, unravel = ravel_pytree(params)

    @jax.jit
    def both(flat):
        f = lambda flat: jaxmlp.loss_value(unravel(flat), x, y, **options)
        slopes = jax.vmap(lambda direction: central_difference(f, (flat,), (direction,)))(jnp.eye(flat.size))
        return ravel_pytree(jaxmlp.loss_and_grads(unravel(flat), x, y, **options)[1])[0], slopes

    actual, expected = both(flat)
    np.testing.assert_allclose(actual, expected, atol=DIFFERENCE_TOLERANCE, rtol=0)


# Where the gradient is right, |f(p + h v) - f(p) - h <grads, v>| falls as h²: no tolerance, no best step.
def test_the_taylor_remainder_is_of_second_order(getkey):
    params, x, y = problem(getkey(), (2, 3, 1))
    direction = random_like(getkey(), params)
    value, grads = jax.jit(jaxmlp.loss_and_grads)(params, x, y)

    @jax.jit
    def value_at(h):
        return jaxmlp.loss_value(jax.tree.map(lambda leaf, leaf_dot: leaf + h * leaf_dot, params, direction), x, y)

    def orders(slope):
        remainders = [abs(float(value_at(h)) - float(value) - h * slope) for h in (1e-2, 1e-3, 1e-4)]
        return np.log10([remainders[0] / remainders[1], remainders[1] / remainders[2]])

    slope = float(inner(grads, direction))
    np.testing.assert_allclose(orders(slope), 2, atol=0.1)
    assert (orders(1.03 * slope) < 1.7).any()  # a gradient 3 % too large


def test_predict_is_the_network_written_out_in_numpy(getkey):
    params, x, _ = problem(getkey(), (2, 4, 3, 2))
    a = np.asarray(x)
    for i, (w, b) in enumerate(params):
        z = a @ np.asarray(w) + np.asarray(b)
        a = np.tanh(z) if i < 2 else 1 / (1 + np.exp(-z))
    predict = jax.jit(partial(jaxmlp.predict, hidden=jaxmlp.tanh))
    np.testing.assert_allclose(predict(params, x), a, rtol=1e-14)


def test_the_loss_value_is_that_of_loss_and_grads_and_of_the_pieces(getkey):
    params, x, y = problem(getkey(), (2, 3, 1))
    value, _ = jax.jit(jaxmlp.loss_and_grads)(params, x, y)
    np.testing.assert_allclose(value, jax.jit(jaxmlp.loss_value)(params, x, y), rtol=1e-15)
    pieces = jax.jit(lambda params, x, y: jaxmlp.bce(jaxmlp.predict(params, x), y))
    np.testing.assert_allclose(value, pieces(params, x, y), rtol=1e-13)


@pytest.mark.parametrize("sizes", ((2, 2), (2, 3, 2), (2, 3, 4, 2)))
def test_forward_and_backward_are_a_pair_for_custom_vjp(getkey, sizes):
    params, x, _ = problem(getkey(), sizes)
    dout = normal(getkey(), (4, 2))

    @jax.jit
    def both(params, x, dout):
        out, residuals = jaxmlp.forward(params, x)
        pull_back = jax.vjp(as_custom_vjp(jaxmlp.forward, jaxmlp.backward), params, x)[1]
        autodiff = jax.vjp(jaxmlp.predict, params, x)[1]
        return out, jaxmlp.backward(residuals, dout), pull_back(dout), autodiff(dout)

    out, actual, wrapped, expected = both(params, x, dout)
    np.testing.assert_allclose(out, jaxmlp.predict(params, x), rtol=1e-15)
    assert_close(actual, expected, ulps=ULPS_OF_A_NETWORK)
    assert_close(wrapped, actual, ulps=1)


def _numbers(seed):
    return jax.device_get(problem(jax.random.key(seed), (2, 3, 1), batch=5))


_seeds = st.integers(0, 2**32 - 1)
_loss_and_grads = jax.jit(partial(jaxmlp.loss_and_grads, hidden=jaxmlp.tanh))
_backward_of = jax.jit(lambda params, x, dout: jaxmlp.backward(jaxmlp.forward(params, x)[1], dout))
_push_forward = jax.jit(lambda inputs, dots: jax.jvp(jaxmlp.predict, inputs, dots)[1])


@hypothesis.given(seed=_seeds)
def test_a_batch_is_the_weighted_mean_of_its_parts(seed):
    params, x, y = _numbers(seed)
    parts = jax.device_get([_loss_and_grads(params, x[rows], y[rows]) for rows in (slice(0, 2), slice(2, 5))])
    expected = jax.tree.map(lambda of_2, of_3: (2 * of_2 + 3 * of_3) / 5, *parts)
    scale = jax.tree.map(lambda of_2, of_3: max(abs(of_2).max(), abs(of_3).max()), *parts)
    assert_close(_loss_and_grads(params, x, y), expected, ulps=ULPS_OF_A_NETWORK, scale=scale)


@hypothesis.given(seed=_seeds, order=st.permutations(range(3)))
def test_permuting_hidden_units_permutes_the_gradient_and_leaves_the_loss(seed, order):
    (first, last), x, y = _numbers(seed)

    def permute(first, last):
        columns = np.asarray(order)
        return Dense(first.w[:, columns], first.b[columns]), Dense(last.w[columns, :], last.b)

    loss, grads = jax.device_get(_loss_and_grads((first, last), x, y))
    expected = loss, permute(*grads)
    assert_close(_loss_and_grads(permute(first, last), x, y), expected, ulps=ULPS_OF_A_NETWORK)


@hypothesis.given(seed=_seeds)
def test_permuting_the_examples_changes_nothing(seed):
    params, x, y = _numbers(seed)
    _, grads = expected = _loss_and_grads(params, x, y)
    scale = jax.tree.map(lambda leaf: 1.0, expected)
    assert_close(_loss_and_grads(params, x[::-1], y[::-1]), expected, ulps=ULPS_OF_A_NETWORK, scale=scale)


@hypothesis.given(seed=_seeds, s=st.floats(-100, 100))
def test_backward_is_linear_in_its_cotangent(seed, s):
    params, x, _ = _numbers(seed)
    u, v = np.random.default_rng(seed).normal(size=(2, 5, 1))
    parts = jax.device_get((_backward_of(params, x, u), _backward_of(params, x, v)))
    expected = jax.tree.map(lambda of_u, of_v: s * of_u + of_v, *parts)
    scale = jax.tree.map(lambda of_u, of_v: abs(s * of_u).max() + abs(of_v).max(), *parts)
    assert_close(_backward_of(params, x, s * u + v), expected, ulps=ULPS_OF_A_NETWORK, scale=scale)


@hypothesis.given(seed=_seeds)
def test_backward_is_the_adjoint_of_the_tangent_map(seed):
    params, x, _ = _numbers(seed)
    random = np.random.default_rng(seed)
    dots = jax.tree.map(lambda leaf: random.normal(size=leaf.shape), (params, x))
    dout = random.normal(size=(5, 1))
    left, right = inner(_push_forward((params, x), dots), dout), inner(dots, _backward_of(params, x, dout))
    np.testing.assert_allclose(left, right, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("y", (0.0, 1.0))
def test_a_saturated_answer_has_a_finite_loss_and_gradient_right_or_wrong(dtype, y):
    params = (Dense(as_jax([[1e4]], dtype), as_jax([0.0], dtype)),)
    value, grads = jax.jit(jaxmlp.loss_and_grads)(params, as_jax([[1.0], [-1.0]], dtype), as_jax([[y], [y]], dtype))
    # One of the two answers is wrong by |z| = 1e4: its dz is -1/2 at x = -1 where y = 1, and 1/2 at x = 1 where y = 0.
    expected = Dense(as_jax([[0.5]], float), as_jax([-0.5 if y else 0.5], float))
    assert_close((value, grads), (np.asarray(5e3), (expected,)), ulps=2)


def test_nonfinite_inputs_are_data_and_pass_through(getkey):
    params, x, y = problem(getkey(), (2, 3, 1))
    loss_and_grads, predict = jax.jit(jaxmlp.loss_and_grads), jax.jit(jaxmlp.predict)

    def spoiled(array, value):
        array = np.array(array)
        array[0, 0] = value
        return array

    value, grads = loss_and_grads(params, spoiled(x, np.nan), y)
    assert np.isnan(value) and all(np.isnan(leaf).any() for leaf in jax.tree.leaves(grads))
    out = predict(params, spoiled(x, np.inf))
    assert np.isfinite(out).all()  # a sigmoid of ±∞ is 0 or 1
    value, _ = loss_and_grads(params, x, spoiled(y, np.nan))
    assert np.isnan(value)


def test_compiles_once_and_takes_its_options_as_static_arguments(getkey):
    traced = chex.assert_max_traces(jaxmlp.loss_and_grads, n=1)
    compiled = jax.jit(traced, static_argnames=("hidden", "output", "loss"))
    for _ in range(3):
        compiled(*problem(getkey()), hidden=jaxmlp.tanh, loss=jaxmlp.bce)
    with pytest.raises(AssertionError):
        compiled(*problem(getkey(), batch=5), hidden=jaxmlp.tanh, loss=jaxmlp.bce)


def test_an_equal_stabilized_loss_does_not_compile_again(getkey):
    compiled = jax.jit(chex.assert_max_traces(jaxmlp.loss_and_grads, n=1), static_argnames="loss")
    for _ in range(2):
        compiled(*problem(getkey()), loss=jaxmlp.bce_stabilized(1e-7))


def test_maps_over_networks(getkey):
    x, y = jaxmlp.gate("xor", dtype="float64")
    networks = [problem(getkey(), (2, 3, 1))[0] for _ in range(3)]
    stack = lambda trees: jax.tree.map(lambda *leaves: np.stack(leaves), *trees)
    actual = jax.jit(jax.vmap(jaxmlp.loss_and_grads, in_axes=(0, None, None)))(stack(networks), x, y)
    one_by_one = jax.jit(jaxmlp.loss_and_grads)
    assert_close(actual, stack([one_by_one(params, x, y) for params in networks]), ulps=ULPS_OF_A_NETWORK)


def test_numpy_arrays_are_taken_and_jax_arrays_come_back(getkey):
    args = problem(getkey(), (2, 2), loss=jaxmlp.half_squared_error)
    options: dict[str, Any] = dict(output=jaxmlp.identity, loss=jaxmlp.half_squared_error)
    actual = jaxmlp.loss_and_grads(*jax.tree.map(np.asarray, args), **options)
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(actual))
    assert_close(actual, jaxmlp.loss_and_grads(*args, **options), ulps=ULPS_OF_A_NETWORK)


def test_float64_of_numpy_is_float32_where_jax_has_no_float64(getkey):
    args = jax.tree.map(np.asarray, problem(getkey()))
    with jax.enable_x64(False):
        value, grads = jaxmlp.loss_and_grads(*args)
    assert {leaf.dtype.name for leaf in jax.tree.leaves((value, grads))} == {"float32"}
    assert_close((value, grads), jax.jit(jaxmlp.loss_and_grads)(*args), ulps=ULPS_OF_A_NETWORK)


def test_softmax_integer_labels_equal_one_hot_rows(getkey):
    params, x, y = problem(getkey(), (2, 3, 3), loss=jaxmlp.softmax_cross_entropy)
    options: dict[str, Any] = dict(output=jaxmlp.identity, loss=jaxmlp.softmax_cross_entropy)
    loss_and_grads = jax.jit(partial(jaxmlp.loss_and_grads, **options))
    of_labels = loss_and_grads(params, x, np.argmax(y, axis=1))
    assert_close(of_labels, loss_and_grads(params, x, y), ulps=1)


WRONG_TANH = {
    "sign": lambda z, da: (-jaxmlp.tanh.bwd(z, da)[0],),
    "no slope": lambda z, da: (da,),
    "slope twice": lambda z, da: jaxmlp.tanh.bwd(z, jaxmlp.tanh.bwd(z, da)[0]),
    "nan": lambda z, da: (da * jnp.nan,),
    "a part in 1e10": lambda z, da: (jaxmlp.tanh.bwd(z, da)[0] * (1 + 1e-10),),
}


_by_autodiff_of_tanh = jax.jit(partial(by_autodiff, hidden=jaxmlp.tanh))


@pytest.mark.parametrize("mistake", WRONG_TANH)
def test_a_mistake_in_one_activation_is_caught(getkey, mistake):
    args = problem(getkey())
    wrong = Activation("wrong", jaxmlp.tanh.fwd, WRONG_TANH[mistake])
    truth = _by_autodiff_of_tanh(*args)
    with pytest.raises(AssertionError):
        assert_close(jax.jit(partial(jaxmlp.loss_and_grads, hidden=wrong))(*args), truth, ulps=ULPS_OF_A_NETWORK)


@pytest.mark.parametrize(
    "change",
    (
        lambda grads: grads[::-1],
        lambda grads: tuple(layer._replace(w=4 * layer.w) for layer in grads),
        lambda grads: (grads[0], grads[1]._replace(b=None)),
        lambda grads: (grads[0]._replace(w=grads[0].w.T), grads[1]),
        lambda grads: (grads[0]._replace(b=jnp.zeros_like(grads[0].b)), grads[1]),
        lambda grads: list(grads),
    ),
    ids=("layers swapped", "batch times", "no bias", "transposed", "zero bias", "a list"),
)
def test_a_wrong_gradient_tree_is_caught(getkey, change):
    _, truth = jax.jit(by_autodiff)(*problem(getkey()))
    assert_close(truth, truth, ulps=1)
    with pytest.raises(AssertionError):
        assert_close(change(truth), truth, ulps=ULPS_OF_A_NETWORK)
