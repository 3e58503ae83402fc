"""Each loss is the function it says, and its gradient is right in both arguments, up to the edges."""

import itertools
import math
from functools import partial

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxmlp
from jaxmlp import Loss

from .helpers import (
    as_custom_vjp,
    as_jax,
    assert_close,
    astype,
    central_difference,
    DIFFERENCE_TOLERANCE,
    DTYPES,
    EPS,
    generator,
    inner,
    LOSSES,
    normal,
    TINY,
    ULPS_OF_AN_OPERATION,
)


SHAPE = (4, 3)

# Each in words of another library, or of NumPy's: (out, y) -> loss.
ELSEWHERE = {
    # log(1 - p): of log1p(-p) in float64, XLA of JAX 0.10 loses two digits around p = 0.4 on a CPU.
    "bce": lambda p, y: optax.sigmoid_binary_cross_entropy(jnp.log(p) - jnp.log(1 - p), y).mean(),
    "bce_with_logits": lambda z, y: optax.sigmoid_binary_cross_entropy(z, y).mean(),
    "half_squared_error": lambda out, y: optax.l2_loss(out, y).sum(axis=1).mean(),
    "mean_squared_error": lambda out, y: optax.squared_error(out, y).mean(),
    "softmax_cross_entropy": lambda logits, y: optax.softmax_cross_entropy(logits, y).mean(),
}


def example(key, loss, dtype="float64", shape=SHAPE):
    """An output and soft targets that `loss` takes, away from the edges."""
    random = generator(key)
    out = random.uniform(0.1, 0.9, shape) if loss is jaxmlp.bce else random.normal(size=shape)
    return as_jax(out, dtype), as_jax(random.uniform(0.1, 0.9, shape), dtype)


def pull_back(loss, out, y, dloss=1.0):
    return loss.bwd(loss.fwd(out, y)[1], jnp.asarray(dloss, out.dtype))


@partial(jax.jit, static_argnums=0)
def at(loss, out, y):
    """The loss, and its gradient by both arguments: compiled as one program, and not operation by operation."""
    return loss(out, y), pull_back(loss, out, y)


def each(f):
    """`f(loss, *args)` for all losses as one program, the arguments given by the loss's name."""
    return jax.jit(lambda args: {loss.name: f(loss, *args[loss.name]) for loss in LOSSES})


_by_hand = each(lambda loss, out, y: (loss(out, y), pull_back(loss, out, y)))
_truth = each(lambda loss, *args: jax.value_and_grad(ELSEWHERE[loss.name], argnums=(0, 1))(*args))


@pytest.mark.parametrize("dtype", DTYPES)
def test_value_and_gradients_equal_the_float64_truth(getkey, dtype):
    args = {loss.name: example(getkey(), loss, dtype) for loss in LOSSES}
    actual = _by_hand(args)
    assert all(leaf.dtype == dtype for leaf in jax.tree.leaves(actual))
    assert_close(actual, _truth(astype(args, "float64")), ulps=ULPS_OF_AN_OPERATION)


def test_gradients_equal_central_differences(getkey):
    args = {loss.name: example(getkey(), loss) for loss in LOSSES}
    directions = {loss.name: tuple(normal(getkey(), SHAPE) for _ in range(2)) for loss in LOSSES}

    def compare(loss, inputs, direction):
        return inner(pull_back(loss, *inputs), direction), central_difference(loss, inputs, direction)

    both = each(compare)({name: (args[name], directions[name]) for name in args})
    for name, (actual, expected) in both.items():
        np.testing.assert_allclose(actual, expected, atol=10 * DIFFERENCE_TOLERANCE, rtol=0, err_msg=name)


def test_the_pairs_work_unchanged_in_custom_vjp(getkey):
    args = {loss.name: example(getkey(), loss) for loss in LOSSES}
    wrapped = each(lambda loss, *args: jax.value_and_grad(as_custom_vjp(loss.fwd, loss.bwd), argnums=(0, 1))(*args))
    assert_close(wrapped(args), _by_hand(args), ulps=1)


def test_integer_labels_work_unchanged_in_custom_vjp(getkey):
    logits = normal(getkey(), SHAPE)
    labels = as_jax([0, 2, 1, 2], int)
    loss = jaxmlp.softmax_cross_entropy
    dlogits = jax.jit(jax.grad(as_custom_vjp(loss.fwd, loss.bwd)))(logits, labels)
    _, (expected, of_labels) = at(loss, logits, labels)
    np.testing.assert_allclose(dlogits, expected, rtol=1e-15)
    assert of_labels is None


_scaled = jax.jit(lambda args, dloss: {loss.name: pull_back(loss, *args[loss.name], dloss=dloss) for loss in LOSSES})


@hypothesis.given(seed=st.integers(0, 2**32 - 1), dloss=st.floats(-1e6, 1e6))
def test_backward_is_linear_in_its_cotangent(seed, dloss):
    random = np.random.default_rng(seed)
    args = {loss.name: tuple(random.uniform(0.1, 0.9, size=(2, *SHAPE))) for loss in LOSSES}
    whole = jax.tree.map(lambda leaf: dloss * leaf, _scaled(args, 1.0))
    assert_close(_scaled(args, dloss), whole, ulps=4)


@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_a_batch_is_the_mean_of_its_examples(getkey, loss):
    out, y = example(getkey(), loss)

    values, gradients = jax.device_get(jax.jit(jax.vmap(partial(at, loss)))(out[:, None, :], y[:, None, :]))
    expected = values.mean(), jax.tree.map(lambda leaf: leaf[:, 0, :] / SHAPE[0], gradients)
    assert_close(at(loss, out, y), expected, ulps=ULPS_OF_AN_OPERATION)


_half_squares = jax.jit(jax.value_and_grad(ELSEWHERE["half_squared_error"], argnums=(0, 1)))


def is_right(loss, out, y):
    try:
        assert_close(at(loss, out, y), _half_squares(out, y), ulps=ULPS_OF_AN_OPERATION)
    except AssertionError:
        return False
    return True


@pytest.mark.parametrize(
    ("fwd", "bwd"),
    (
        (None, lambda error, dloss: (-dloss * error / 4, dloss * error / 4)),
        (None, lambda error, dloss: (dloss * error, -dloss * error)),
        (None, lambda error, dloss: (dloss * error / error.size, -dloss * error / error.size)),
        (None, lambda error, dloss: (dloss * 2 * error / 4, -dloss * 2 * error / 4)),
        (None, lambda error, dloss: (-dloss * error / 4, -dloss * error / 4)),
        (None, lambda error, dloss: (dloss * error / 4, None)),
        (lambda out, y: ((out - y).sum() ** 2 / 8, out - y), None),
    ),
    ids=("sign", "sum for mean", "mean over outputs too", "factor 2", "sign of dy", "no dy", "another forward"),
)
def test_a_wrong_pair_is_caught(getkey, fwd, bwd):
    right = jaxmlp.half_squared_error
    out, y = example(getkey(), right)
    assert is_right(right, out, y)
    assert not is_right(Loss("wrong", fwd or right.fwd, bwd or right.bwd), out, y)


def test_bce_at_the_edges_is_what_the_limit_is():
    p, y = np.asarray([[1.0], [0.0], [0.0], [1.0]]), np.asarray([[1.0], [0.0], [1.0], [0.0]])
    value, (dp, dy) = at(jaxmlp.bce, p, y)
    assert value == jnp.inf and dy is not None
    np.testing.assert_array_equal(dp[:, 0], [-0.25, 0.25, -jnp.inf, jnp.inf])
    np.testing.assert_array_equal(dy[:, 0], [-jnp.inf, jnp.inf, jnp.inf, -jnp.inf])
    assert at(jaxmlp.bce, p[:2], y[:2])[0] == 0  # 0 log 0 = 0


def test_bce_of_soft_targets_at_the_edges_is_infinite():
    value, (dp, dy) = at(jaxmlp.bce, np.asarray([[0.0], [1.0]]), np.asarray([[0.25], [0.25]]))
    assert value == jnp.inf and dy is not None
    np.testing.assert_array_equal(dp[:, 0], [-jnp.inf, jnp.inf])
    np.testing.assert_array_equal(dy[:, 0], [jnp.inf, -jnp.inf])


@pytest.mark.parametrize("p", (0.5, 0.5 + 2**-20, 0.5 - 2**-20, 0.25, 0.75))
def test_the_slope_of_bce_by_its_targets_keeps_its_digits_at_one_half(p):
    _, (_, dy) = at(jaxmlp.bce, np.full((1, 1), p, np.float32), np.ones((1, 1), np.float32))
    assert dy is not None
    np.testing.assert_allclose(dy, [[-2 * math.atanh(2 * p - 1)]], rtol=4 * EPS["float32"])


@pytest.mark.parametrize("dtype", DTYPES)
def test_bce_with_logits_of_huge_logits_is_finite_right_or_wrong(dtype):
    z, y = (as_jax(column, dtype) for column in ([[1e4], [-1e4], [1e4], [-1e4]], [[1], [0], [0], [1]]))
    value, (dz, dy) = at(jaxmlp.bce_with_logits, z, y)
    assert_close((value, dz), (np.asarray(5e3), np.asarray([[0], [0], [0.25], [-0.25]])), ulps=2)
    assert_close(dy, np.asarray([[-2.5e3], [2.5e3], [-2.5e3], [2.5e3]]), ulps=2)


def test_bce_with_logits_keeps_its_digits_at_a_right_answer():
    z, y = np.asarray([[20.0], [-20.0], [50.0], [-50.0]], np.float32), np.asarray([[1], [0], [1], [0]], np.float32)
    _, (dz, _) = at(jaxmlp.bce_with_logits, z, y)
    truth = (1 - 2 * y[:, 0]) / (1 + np.exp(np.abs(z[:, 0], dtype=np.float64))) / 4
    np.testing.assert_allclose(np.asarray(dz, np.float64)[:, 0], truth, rtol=4 * EPS["float32"])


def test_bce_with_logits_is_bce_of_a_sigmoid(getkey):
    z, y = example(getkey(), jaxmlp.bce_with_logits)
    p = 1 / (1 + np.exp(-np.asarray(z)))
    np.testing.assert_allclose(at(jaxmlp.bce_with_logits, z, y)[0], at(jaxmlp.bce, p, y)[0], rtol=1e-14)


@pytest.mark.parametrize("rows", (1, 2, 5, 7, 31, 32, 33))
def test_bce_with_logits_of_any_number_of_rows_is_the_mean_of_all(getkey, rows):
    z, y = np.asarray(normal(getkey(), (rows, 2))), np.resize([1.0, 0.0, 0.0], (rows, 2))
    expected = np.mean(np.logaddexp(0, z) - y * z)  # up to 64 numbers share logarithms, more do not
    np.testing.assert_allclose(jax.jit(jaxmlp.bce_with_logits)(z, y), expected, rtol=1e-14)


@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_a_mean_over_more_than_float16_can_count_keeps_its_gradient(loss):
    rows = 70_000
    out, y = np.full((rows, 1), 0.5, np.float16), np.ones((rows, 1), np.float16)
    if loss is jaxmlp.softmax_cross_entropy:
        out, y = np.tile(out, (1, 2)), np.tile(np.asarray([[1, 0]], np.float16), (rows, 1))
    value, (dout, _) = at(loss, out, y)
    value_of_a_few, (of_a_few, _) = at(loss, out[:4], y[:4])
    # Numbers of 1e-5 are below the smallest normal float16: they have the spacing 2^-24.
    a_few = np.asarray(dout)[:4]
    np.testing.assert_allclose(a_few, np.asarray(of_a_few, np.float64) * 4 / rows, atol=2.0**-24, rtol=0)
    assert (a_few[:, 0] != 0).all()
    assert_close(value, value_of_a_few, ulps=4)


def test_half_squared_error_overflows_no_earlier_than_its_value():
    out, y = np.full((1, 1), 300, np.float16), np.zeros((1, 1), np.float16)
    assert at(jaxmlp.half_squared_error, out, y)[0] == 45_000


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_mean_overflows_no_earlier_than_itself(dtype):
    largest = float(jnp.finfo(dtype).max)
    root = 2.0 ** math.ceil(math.log2(largest) / 2)  # the square of 1.5 times this overflows, a quarter of it does not
    out, y, z = (as_jax(rows, dtype) for rows in ([[1.5 * root], [0], [0], [0]], [[0]] * 4, [[largest]] * 4))
    assert_close(at(jaxmlp.mean_squared_error, out, y)[0], np.asarray(2.25 / 4 * root * root), ulps=1)
    assert_close(at(jaxmlp.half_squared_error, out, y)[0], np.asarray(2.25 / 8 * root * root), ulps=1)
    assert_close(at(jaxmlp.bce_with_logits, z, y)[0], np.asarray(largest), ulps=1)


@pytest.mark.parametrize("loss", LOSSES, ids=str)
@pytest.mark.parametrize("value", (np.nan, np.inf))
def test_nonfinite_outputs_and_targets_are_data(getkey, loss, value):
    out, y = map(np.asarray, example(getkey(), loss))
    spoiled = lambda array: np.where(np.arange(array.size).reshape(array.shape) == 4, value, array)
    assert not np.isfinite(at(loss, spoiled(out), y)[0])
    if value is np.nan:
        assert np.isnan(at(loss, out, spoiled(y))[0])


@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_is_hashable_and_names_itself(loss):
    assert hash(loss) == hash(Loss(loss.name, loss.fwd, loss.bwd))
    assert repr(loss) == loss.name
    assert getattr(jaxmlp, loss.name) is loss
    assert [f.__name__ for f in (loss.fwd, loss.bwd)] == [f"{loss}_fwd", f"{loss}_bwd"]


# bce_stabilized


@pytest.mark.parametrize("eps", (1e-7, 1e-3))
def test_bce_stabilized_scales_the_true_gradient_by_r_over_r_plus_eps(eps):
    p, y = np.asarray([[0.5], [0.01], [1e-7], [1 - 1e-6]]), np.asarray([[1.0], [0.0], [1.0], [0.0]])
    r = p * (1 - p)
    value, (dp, dy) = at(jaxmlp.bce_stabilized(eps), p, y)
    true_value, (dp_true, dy_true) = at(jaxmlp.bce, p, y)
    np.testing.assert_allclose(dp, dp_true * r / (r + eps), rtol=1e-9)  # 1 - (1 - 1e-6) has ten digits
    np.testing.assert_array_equal(dy, dy_true)
    assert value == true_value


def test_bce_stabilized_gives_a_saturated_wrong_answer_no_gradient():
    p, y = np.asarray([[0.0], [1.0]]), np.asarray([[1.0], [0.0]])
    _, (dp, _) = at(jaxmlp.bce_stabilized(1e-7), p, y)
    # dp = -1/eps and 1/eps are finite, and the sigmoid's slope p (1 - p) = 0 makes them 0.
    np.testing.assert_allclose(np.asarray(dp)[:, 0], [-0.5e7, 0.5e7])
    np.testing.assert_array_equal(jaxmlp.sigmoid.bwd((p, 1 - p), dp)[0], np.zeros((2, 1)))


def test_bce_stabilized_of_equal_eps_is_one_object():
    assert jaxmlp.bce_stabilized(1e-7) is jaxmlp.bce_stabilized(np.float64(1e-7))
    assert jaxmlp.bce_stabilized(1) is jaxmlp.bce_stabilized(1.0)
    assert jaxmlp.bce_stabilized(1e-7) is not jaxmlp.bce_stabilized(1e-6)
    assert repr(jaxmlp.bce_stabilized(1e-7)) == "bce_stabilized(1e-07)"


# softmax_cross_entropy


def test_one_hot_rows_and_integer_labels_give_the_same(getkey):
    logits, labels = normal(getkey(), SHAPE), as_jax([0, 2, 1, 2], int)
    value, (dlogits, _) = at(jaxmlp.softmax_cross_entropy, logits, labels)
    of_one_hot, (dlogits_of_one_hot, _) = at(jaxmlp.softmax_cross_entropy, logits, np.eye(3)[np.asarray(labels)])
    assert value == of_one_hot
    np.testing.assert_array_equal(dlogits, dlogits_of_one_hot)
    expected = jax.jit(optax.softmax_cross_entropy_with_integer_labels)(logits, labels)
    np.testing.assert_allclose(value, np.mean(expected), rtol=1e-14)


@pytest.mark.parametrize("dtype", ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64"))
def test_labels_of_any_integer_dtype_count_300_classes(dtype):
    # 300 does not fit in 8 bits: 5 and 5 + 256 would be one label.
    value, (dlogits, _) = at(jaxmlp.softmax_cross_entropy, np.zeros((2, 300)), np.asarray([5, 127], dtype))
    np.testing.assert_allclose(value, math.log(300), rtol=1e-14)
    dlogits = np.asarray(dlogits)
    assert (dlogits < 0).sum() == 2 and dlogits[0, 5] < 0 and dlogits[1, 127] < 0


def test_rows_of_any_mass_equal_autodiff_of_the_textbook_formula(getkey):
    logits, negative = np.asarray(normal(getkey(), (2, *SHAPE)))
    soft = np.exp(normal(getkey(), SHAPE))
    soft /= soft.sum(axis=1, keepdims=True)
    targets = {"one-hot": np.eye(4, 3), "soft": soft, "mass 2": 2 * soft, "mass 0": 0 * soft, "negative": negative}
    textbook = lambda z, t: -(t * jnp.log(jnp.exp(z) / jnp.exp(z).sum(axis=1, keepdims=True))).sum(axis=1).mean()

    @jax.jit
    def both(logits, t):
        return pull_back(jaxmlp.softmax_cross_entropy, logits, t), jax.grad(textbook, argnums=(0, 1))(logits, t)

    for rows in targets.values():
        assert_close(*both(logits, rows), ulps=ULPS_OF_AN_OPERATION, scale=(1.0, 1.0))


def test_ties_in_the_logits_equal_autodiff():
    logits, targets = np.zeros(SHAPE), np.eye(4, 3)
    loss = jaxmlp.softmax_cross_entropy
    expected = (1 / 3 - targets) / 4
    expected[3] = 0  # the last row has no mass
    np.testing.assert_allclose(at(loss, logits, targets)[1][0], expected, rtol=1e-15, atol=1e-17)
    np.testing.assert_allclose(jax.jit(jax.grad(loss))(logits, targets), expected, rtol=1e-15, atol=1e-17)


def test_one_class_has_no_loss_and_no_gradient():
    value, (dlogits, _) = at(jaxmlp.softmax_cross_entropy, np.asarray([[3.0], [-2.0]]), np.zeros(2, np.int32))
    assert value == 0
    np.testing.assert_array_equal(dlogits, np.zeros((2, 1)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_huge_logits_are_finite_right_or_wrong(dtype):
    logits = as_jax([[1e4, 0, -1e4], [1e4, 0, -1e4]], dtype)
    value, (dlogits, _) = at(jaxmlp.softmax_cross_entropy, logits, np.asarray([0, 2]))
    assert_close(value, np.asarray(1e4), ulps=2)  # (0 + 2e4) / 2
    assert_close(dlogits, np.asarray([[0, 0, 0], [0.5, 0, -0.5]]), ulps=2)


def test_a_class_ruled_out_by_an_infinite_logit_costs_nothing_unless_it_is_the_label():
    of_label = lambda label: at(jaxmlp.softmax_cross_entropy, np.asarray([[0, 0, -np.inf]]), np.asarray([label]))
    value, (dlogits, _) = of_label(0)
    np.testing.assert_allclose(value, math.log(2), rtol=1e-15)
    np.testing.assert_allclose(dlogits, [[-0.5, 0.5, 0]], rtol=1e-15)
    value, (dlogits, _) = of_label(2)
    assert value == np.inf
    np.testing.assert_allclose(dlogits, [[0.5, 0.5, -1]], rtol=1e-15)


def test_an_infinite_logit_is_sure_of_its_class():
    for label, expected, slope in ((0, 0, [0, 0, 0]), (1, np.inf, [1, -1, 0])):
        logits = np.asarray([[np.inf, 0, -np.inf]])
        value, (dlogits, _) = at(jaxmlp.softmax_cross_entropy, logits, np.asarray([label]))
        assert value == expected
        np.testing.assert_array_equal(dlogits, [slope])


def test_where_infinities_would_have_to_be_compared_there_is_no_number():
    for infinite in (np.inf, -np.inf):
        value, (dlogits, _) = at(jaxmlp.softmax_cross_entropy, np.full((1, 3), infinite), np.asarray([0]))
        assert np.isnan(value) and np.isnan(dlogits).any()


def test_keeps_the_digits_of_a_right_answer():
    gaps = np.asarray([20.0, 50.0, 80.0], np.float32)
    logits = np.stack([gaps, np.zeros_like(gaps)], axis=1)
    value, (dlogits, _) = at(jaxmlp.softmax_cross_entropy, logits, np.zeros(3, np.int32))
    tail = np.exp(-gaps.astype(np.float64)) / (1 + np.exp(-gaps.astype(np.float64)))
    expected = np.stack([-tail, tail], axis=1) / 3
    found = np.asarray(dlogits, np.float64)
    np.testing.assert_allclose(found, expected, rtol=4 * EPS["float32"], atol=TINY["float32"])
    np.testing.assert_allclose(value, np.log1p(np.exp(-gaps.astype(np.float64))).mean(), rtol=1e-6)


@pytest.mark.parametrize("labels", ((0, 3), (-1, 0), (0, 300), (2**32, 1)))  # 2^32 is 0 in 32 bits
def test_a_label_out_of_range_gives_no_number_once_compiled(labels):
    value, (dlogits, _) = at(jaxmlp.softmax_cross_entropy, np.zeros((2, 3)), np.asarray(labels))
    assert np.isnan(value)
    wrong = [not 0 <= label < 3 for label in labels]
    np.testing.assert_array_equal(np.isnan(dlogits).all(axis=1), wrong)


def test_every_loss_is_zero_or_least_at_its_targets(getkey):
    for loss, step in itertools.product(LOSSES[:-1], (-1e-3, 1e-3)):
        y = np.asarray(example(getkey(), loss)[1])
        best = np.log(y) - np.log1p(-y) if loss is jaxmlp.bce_with_logits else y
        assert at(loss, best, y)[0] < at(loss, best + step, y)[0], loss
