"""Each loss is the function it says, and its gradient is right in both arguments, up to the edges."""

import itertools
import math

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
    return jnp.asarray(out, dtype), jnp.asarray(random.uniform(0.1, 0.9, shape), dtype)


def pull_back(loss, out, y, dloss=1.0):
    return loss.bwd(loss.fwd(out, y)[1], jnp.asarray(dloss, out.dtype))


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
    labels = jnp.asarray([0, 2, 1, 2])
    loss = jaxmlp.softmax_cross_entropy
    dlogits = jax.grad(as_custom_vjp(loss.fwd, loss.bwd))(logits, labels)
    np.testing.assert_allclose(dlogits, pull_back(loss, logits, labels)[0], rtol=1e-15)
    assert pull_back(loss, logits, labels)[1] is None


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

    @jax.jit
    def parts(out, y):
        return jax.vmap(lambda out, y: (loss(out, y), pull_back(loss, out, y)))(out[:, None, :], y[:, None, :])

    values, gradients = parts(out, y)
    expected = values.mean(), jax.tree.map(lambda leaf: leaf[:, 0, :] / SHAPE[0], gradients)
    assert_close((loss(out, y), pull_back(loss, out, y)), expected, ulps=ULPS_OF_AN_OPERATION)


def is_right(loss, out, y):
    truth = jax.jit(jax.value_and_grad(ELSEWHERE["half_squared_error"], argnums=(0, 1)))(out, y)
    try:
        assert_close((loss(out, y), pull_back(loss, out, y)), truth, ulps=ULPS_OF_AN_OPERATION)
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
    p, y = jnp.asarray([[1.0], [0.0], [0.0], [1.0]]), jnp.asarray([[1.0], [0.0], [1.0], [0.0]])
    value, (dp, dy) = jaxmlp.bce(p, y), pull_back(jaxmlp.bce, p, y)
    assert value == jnp.inf and dy is not None
    np.testing.assert_array_equal(dp[:, 0], [-0.25, 0.25, -jnp.inf, jnp.inf])
    np.testing.assert_array_equal(dy[:, 0], [-jnp.inf, jnp.inf, jnp.inf, -jnp.inf])
    assert jaxmlp.bce(p[:2], y[:2]) == 0  # 0 log 0 = 0


def test_bce_of_soft_targets_at_the_edges_is_infinite():
    p, y = jnp.asarray([[0.0], [1.0]]), jnp.asarray([[0.25], [0.25]])
    value, (dp, dy) = jaxmlp.bce(p, y), pull_back(jaxmlp.bce, p, y)
    assert value == jnp.inf and dy is not None
    np.testing.assert_array_equal(dp[:, 0], [-jnp.inf, jnp.inf])
    np.testing.assert_array_equal(dy[:, 0], [jnp.inf, -jnp.inf])


@pytest.mark.parametrize("p", (0.5, 0.5 + 2**-20, 0.5 - 2**-20, 0.25, 0.75))
def test_the_slope_of_bce_by_its_targets_keeps_its_digits_at_one_half(p):
    _, dy = pull_back(jaxmlp.bce, jnp.full((1, 1), p, jnp.float32), jnp.ones((1, 1), jnp.float32))
    assert dy is not None
    np.testing.assert_allclose(dy, [[-2 * math.atanh(2 * p - 1)]], rtol=4 * EPS["float32"])


@pytest.mark.parametrize("dtype", DTYPES)
def test_bce_with_logits_of_huge_logits_is_finite_right_or_wrong(dtype):
    z, y = (jnp.asarray(column, dtype) for column in ([[1e4], [-1e4], [1e4], [-1e4]], [[1], [0], [0], [1]]))
    loss = jaxmlp.bce_with_logits
    value, (dz, dy) = jax.jit(lambda z, y: (loss(z, y), pull_back(loss, z, y)))(z, y)
    assert_close((value, dz), (np.asarray(5e3), np.asarray([[0], [0], [0.25], [-0.25]])), ulps=2)
    assert_close(dy, np.asarray([[-2.5e3], [2.5e3], [-2.5e3], [2.5e3]]), ulps=2)


def test_bce_with_logits_keeps_its_digits_at_a_right_answer():
    z, y = np.asarray([[20.0], [-20.0], [50.0], [-50.0]], np.float32), np.asarray([[1], [0], [1], [0]], np.float32)
    dz, _ = pull_back(jaxmlp.bce_with_logits, jnp.asarray(z), jnp.asarray(y))
    truth = (1 - 2 * y[:, 0]) / (1 + np.exp(np.abs(z[:, 0], dtype=np.float64))) / 4
    np.testing.assert_allclose(np.asarray(dz[:, 0], np.float64), truth, rtol=4 * EPS["float32"])


def test_bce_with_logits_is_bce_of_a_sigmoid(getkey):
    z, y = example(getkey(), jaxmlp.bce_with_logits)
    np.testing.assert_allclose(jaxmlp.bce_with_logits(z, y), jaxmlp.bce(jax.nn.sigmoid(z), y), rtol=1e-14)


@pytest.mark.parametrize("rows", (1, 2, 5, 7, 31, 32, 33))
def test_bce_with_logits_of_any_number_of_rows_is_the_mean_of_all(getkey, rows):
    z, y = np.asarray(normal(getkey(), (rows, 2))), np.resize([1.0, 0.0, 0.0], (rows, 2))
    expected = np.mean(np.logaddexp(0, z) - y * z)  # up to 64 numbers share logarithms, more do not
    np.testing.assert_allclose(jaxmlp.bce_with_logits(*map(jax.device_put, (z, y))), expected, rtol=1e-14)


@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_a_mean_over_more_than_float16_can_count_keeps_its_gradient(loss):
    rows = 70_000
    out, y = jnp.full((rows, 1), 0.5, jnp.float16), jnp.ones((rows, 1), jnp.float16)
    if loss is jaxmlp.softmax_cross_entropy:
        out, y = jnp.tile(out, (1, 2)), jnp.tile(jnp.asarray([[1, 0]], jnp.float16), (rows, 1))
    value, (dout, _) = jax.jit(lambda out, y: (loss(out, y), pull_back(loss, out, y)))(out, y)
    a_few = slice(0, 4)
    of_a_few = pull_back(loss, out[a_few], y[a_few])[0]
    # Numbers of 1e-5 are below the smallest normal float16: they have the spacing 2^-24.
    np.testing.assert_allclose(dout[a_few], np.asarray(of_a_few, np.float64) * 4 / rows, atol=2.0**-24, rtol=0)
    assert (dout[a_few, 0] != 0).all()
    assert_close(value, loss(out[a_few], y[a_few]), ulps=4)


def test_half_squared_error_overflows_no_earlier_than_its_value():
    out, y = jnp.full((1, 1), 300, jnp.float16), jnp.zeros((1, 1), jnp.float16)
    assert jaxmlp.half_squared_error(out, y) == 45_000


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_mean_overflows_no_earlier_than_itself(dtype):
    largest = float(jnp.finfo(dtype).max)
    root = 2.0 ** math.ceil(math.log2(largest) / 2)  # the square of 1.5 times this overflows, a quarter of it does not
    out, y = jnp.asarray([[1.5 * root], [0], [0], [0]], dtype), jnp.zeros((4, 1), dtype)
    assert_close(jaxmlp.mean_squared_error(out, y), np.asarray(2.25 / 4 * root * root), ulps=1)
    assert_close(jaxmlp.half_squared_error(out, y), np.asarray(2.25 / 8 * root * root), ulps=1)
    z = jnp.full((4, 1), largest, dtype)
    assert_close(jaxmlp.bce_with_logits(z, y), np.asarray(largest), ulps=1)


@pytest.mark.parametrize("loss", LOSSES, ids=str)
@pytest.mark.parametrize("value", (jnp.nan, jnp.inf))
def test_nonfinite_outputs_and_targets_are_data(getkey, loss, value):
    out, y = example(getkey(), loss)
    assert not jnp.isfinite(loss(out.at[1, 1].set(value), y))
    if value is jnp.nan:
        assert jnp.isnan(loss(out, y.at[1, 1].set(value)))


@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_is_hashable_and_names_itself(loss):
    assert hash(loss) == hash(Loss(loss.name, loss.fwd, loss.bwd))
    assert repr(loss) == loss.name
    assert getattr(jaxmlp, loss.name) is loss
    assert [f.__name__ for f in (loss.fwd, loss.bwd)] == [f"{loss}_fwd", f"{loss}_bwd"]


# bce_stabilized


@pytest.mark.parametrize("eps", (1e-7, 1e-3))
def test_bce_stabilized_scales_the_true_gradient_by_r_over_r_plus_eps(eps):
    p, y = jnp.asarray([[0.5], [0.01], [1e-7], [1 - 1e-6]]), jnp.asarray([[1.0], [0.0], [1.0], [0.0]])
    r = p * (1 - p)
    loss = jaxmlp.bce_stabilized(eps)
    (dp, dy), (dp_true, dy_true) = pull_back(loss, p, y), pull_back(jaxmlp.bce, p, y)
    np.testing.assert_allclose(dp, dp_true * r / (r + eps), rtol=1e-9)  # 1 - (1 - 1e-6) has ten digits
    np.testing.assert_array_equal(dy, dy_true)
    assert loss(p, y) == jaxmlp.bce(p, y)


def test_bce_stabilized_gives_a_saturated_wrong_answer_no_gradient():
    p, y = jnp.asarray([[0.0], [1.0]]), jnp.asarray([[1.0], [0.0]])
    dp, _ = pull_back(jaxmlp.bce_stabilized(1e-7), p, y)
    # dp = -1/eps and 1/eps are finite, and the sigmoid's slope p (1 - p) = 0 makes them 0.
    np.testing.assert_allclose(dp[:, 0], [-0.5e7, 0.5e7])
    np.testing.assert_array_equal(jaxmlp.sigmoid.bwd((p, 1 - p), dp)[0], jnp.zeros((2, 1)))


def test_bce_stabilized_of_equal_eps_is_one_object():
    assert jaxmlp.bce_stabilized(1e-7) is jaxmlp.bce_stabilized(np.float64(1e-7))
    assert jaxmlp.bce_stabilized(1) is jaxmlp.bce_stabilized(1.0)
    assert jaxmlp.bce_stabilized(1e-7) is not jaxmlp.bce_stabilized(1e-6)
    assert repr(jaxmlp.bce_stabilized(1e-7)) == "bce_stabilized(1e-07)"


# softmax_cross_entropy


def test_one_hot_rows_and_integer_labels_give_the_same(getkey):
    logits, labels = normal(getkey(), SHAPE), jnp.asarray([0, 2, 1, 2])
    loss = jaxmlp.softmax_cross_entropy
    one_hot = jax.nn.one_hot(labels, 3)
    assert loss(logits, labels) == loss(logits, one_hot)
    np.testing.assert_array_equal(pull_back(loss, logits, labels)[0], pull_back(loss, logits, one_hot)[0])
    expected = optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()
    np.testing.assert_allclose(loss(logits, labels), expected, rtol=1e-14)


@pytest.mark.parametrize("dtype", ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64"))
def test_labels_of_any_integer_dtype_count_300_classes(dtype):
    # 300 does not fit in 8 bits: 5 and 5 + 256 would be one label.
    labels = jnp.asarray([5, 127], dtype)
    loss = jaxmlp.softmax_cross_entropy
    logits = jnp.zeros((2, 300))
    np.testing.assert_allclose(loss(logits, labels), math.log(300), rtol=1e-14)
    dlogits, _ = pull_back(loss, logits, labels)
    assert (dlogits < 0).sum() == 2 and dlogits[0, 5] < 0 and dlogits[1, 127] < 0


def test_rows_of_any_mass_equal_autodiff_of_the_textbook_formula(getkey):
    logits, negative = normal(getkey(), (2, *SHAPE))
    soft = jax.nn.softmax(normal(getkey(), SHAPE), axis=1)
    targets = {"one-hot": jnp.eye(4, 3), "soft": soft, "mass 2": 2 * soft, "mass 0": 0 * soft, "negative": negative}
    textbook = lambda z, t: -(t * jnp.log(jnp.exp(z) / jnp.exp(z).sum(axis=1, keepdims=True))).sum(axis=1).mean()

    @jax.jit
    def both(logits, t):
        return pull_back(jaxmlp.softmax_cross_entropy, logits, t), jax.grad(textbook, argnums=(0, 1))(logits, t)

    for rows in targets.values():
        assert_close(*both(logits, rows), ulps=ULPS_OF_AN_OPERATION, scale=(1.0, 1.0))


def test_ties_in_the_logits_equal_autodiff():
    logits, targets = jnp.zeros(SHAPE), jnp.eye(4, 3)
    loss = jaxmlp.softmax_cross_entropy
    expected = (1 / 3 - targets) / 4
    expected = expected.at[3].set(0)  # the last row has no mass
    np.testing.assert_allclose(pull_back(loss, logits, targets)[0], expected, rtol=1e-15, atol=1e-17)
    np.testing.assert_allclose(jax.grad(loss)(logits, targets), expected, rtol=1e-15, atol=1e-17)


def test_one_class_has_no_loss_and_no_gradient():
    loss, logits, labels = jaxmlp.softmax_cross_entropy, jnp.asarray([[3.0], [-2.0]]), jnp.zeros(2, jnp.int32)
    assert loss(logits, labels) == 0
    np.testing.assert_array_equal(pull_back(loss, logits, labels)[0], jnp.zeros((2, 1)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_huge_logits_are_finite_right_or_wrong(dtype):
    logits = jnp.asarray([[1e4, 0, -1e4], [1e4, 0, -1e4]], dtype)
    loss = jaxmlp.softmax_cross_entropy
    value, (dlogits, _) = jax.jit(lambda z, y: (loss(z, y), pull_back(loss, z, y)))(logits, jnp.asarray([0, 2]))
    assert_close(value, np.asarray(1e4), ulps=2)  # (0 + 2e4) / 2
    assert_close(dlogits, np.asarray([[0, 0, 0], [0.5, 0, -0.5]]), ulps=2)


def test_a_class_ruled_out_by_an_infinite_logit_costs_nothing_unless_it_is_the_label():
    logits, loss = jnp.asarray([[0.0, 0.0, -jnp.inf]]), jaxmlp.softmax_cross_entropy
    np.testing.assert_allclose(loss(logits, jnp.asarray([0])), math.log(2), rtol=1e-15)
    np.testing.assert_allclose(pull_back(loss, logits, jnp.asarray([0]))[0], [[-0.5, 0.5, 0]], rtol=1e-15)
    assert loss(logits, jnp.asarray([2])) == jnp.inf
    np.testing.assert_allclose(pull_back(loss, logits, jnp.asarray([2]))[0], [[0.5, 0.5, -1]], rtol=1e-15)


def test_an_infinite_logit_is_sure_of_its_class():
    logits, loss = jnp.asarray([[jnp.inf, 0.0, -jnp.inf]]), jaxmlp.softmax_cross_entropy
    assert loss(logits, jnp.asarray([0])) == 0 and loss(logits, jnp.asarray([1])) == jnp.inf
    np.testing.assert_array_equal(pull_back(loss, logits, jnp.asarray([0]))[0], [[0, 0, 0]])
    np.testing.assert_array_equal(pull_back(loss, logits, jnp.asarray([1]))[0], [[1, -1, 0]])


def test_where_infinities_would_have_to_be_compared_there_is_no_number():
    loss = jaxmlp.softmax_cross_entropy
    for infinite in (jnp.inf, -jnp.inf):
        logits = jnp.full((1, 3), infinite)
        assert jnp.isnan(loss(logits, jnp.asarray([0])))
        assert jnp.isnan(pull_back(loss, logits, jnp.asarray([0]))[0]).any()


def test_keeps_the_digits_of_a_right_answer():
    gaps = np.asarray([20.0, 50.0, 80.0], np.float32)
    logits = jnp.stack([jnp.asarray(gaps), jnp.zeros(3, jnp.float32)], axis=1)
    loss, labels = jaxmlp.softmax_cross_entropy, jnp.zeros(3, jnp.int32)
    tail = np.exp(-gaps.astype(np.float64)) / (1 + np.exp(-gaps.astype(np.float64)))
    dlogits = np.asarray(pull_back(loss, logits, labels)[0], np.float64)
    expected = np.stack([-tail, tail], axis=1) / 3
    np.testing.assert_allclose(dlogits, expected, rtol=4 * EPS["float32"], atol=TINY["float32"])
    np.testing.assert_allclose(loss(logits, labels), np.log1p(np.exp(-gaps.astype(np.float64))).mean(), rtol=1e-6)


@pytest.mark.parametrize("labels", ((0, 3), (-1, 0), (0, 300), (2**32, 1)))  # 2^32 is 0 in 32 bits
def test_a_label_out_of_range_gives_no_number_once_compiled(labels):
    loss, logits = jaxmlp.softmax_cross_entropy, jnp.zeros((2, 3))
    value, (dlogits, _) = jax.jit(lambda z, y: (loss(z, y), pull_back(loss, z, y)))(logits, jnp.asarray(labels))
    assert jnp.isnan(value)
    wrong = [not 0 <= label < 3 for label in labels]
    np.testing.assert_array_equal(jnp.isnan(dlogits).all(axis=1), wrong)


def test_every_loss_is_zero_or_least_at_its_targets(getkey):
    for loss, step in itertools.product(LOSSES[:-1], (-1e-3, 1e-3)):
        _, y = example(getkey(), loss)
        best = jnp.log(y) - jnp.log1p(-y) if loss is jaxmlp.bce_with_logits else y
        assert loss(best, y) < loss(best + step, y), loss
