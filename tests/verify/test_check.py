"""The verdict, on right gradients and on wrong ones."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxmlp
from jaxmlp import check
from jaxmlp.verify import assert_gradients, GradientError
from jaxmlp.verify._mistake import _diagnose

from ..helpers import normal
from .gradients import changed, grads, loss, problem, without


def wrong_paths(report):
    return {leaf.path for leaf in report.leaves if leaf.verdict == "wrong"}


@pytest.mark.parametrize("dtype", ("float16", "bfloat16", "float32", "float64"))
def test_a_right_gradient_is_right_in_every_dtype(getkey, dtype):
    report = check(loss, grads, *problem(getkey(), dtype))
    assert report.verdict == "right" and report.ok
    assert [(leaf.path, leaf.ok) for leaf in report.leaves] == [(path, True) for path in ("b1", "b2", "w1", "w2")]
    assert {leaf.dtype for leaf in report.leaves} == {dtype}
    assert all(leaf.error < 1e-13 for leaf in report.leaves), "the formula is judged in float64"
    assert all(leaf.ulps is not None and leaf.ulps < 100 for leaf in report.leaves)


MISTAKES = {
    "a sign": (changed(w1=jnp.negative), {"w1"}, "sign", -1),
    "sum for mean": (changed(b1=lambda g: 5 * g, b2=lambda g: 5 * g), {"b1", "b2"}, "scale-batch", 5),
    "mean twice": (changed(w2=lambda g: g / 5), {"w2"}, "scale-batch", 1 / 5),
    "the 2 of the square lost": (
        functools.partial(grads, dout=lambda out, y: (out - y) / len(y)),
        {"w1", "b1", "w2", "b2"},
        "scale-constant",
        0.5,
    ),
    "transposed": (changed(w1=jnp.transpose), {"w1"}, "transposed", None),
    "a batch axis kept": (changed(b2=lambda g: jnp.stack([g, g])), {"b2"}, "missing-reduction", None),
    "one number for all biases": (changed(b1=jnp.sum), {"b1"}, "wrong-reduction-axis", None),
    "a leaf forgotten": (without("b1"), {"b1"}, "shape", None),
    "a leaf never computed": (changed(b1=jnp.zeros_like), {"b1"}, "zero-gradient", None),
    "integers": (changed(b1=lambda g: jnp.round(g).astype(int)), {"b1"}, "shape", None),
    "not a number": (changed(w2=lambda g: g / 0 * 0), {"w2"}, "nonfinite", None),
    "no slope": (
        functools.partial(grads, slope=lambda z, a: jnp.ones_like(a)),
        {"w1", "b1"},
        "missing-activation-derivative",
        None,
    ),
    "slope at the activation": (
        functools.partial(grads, slope=lambda z, a: 1 - jnp.tanh(a) ** 2),
        {"w1", "b1"},
        "wrong-activation-derivative",
        None,
    ),
    "one element off by a thousandth": (
        changed(w1=lambda g: g.at[2, 1].multiply(1.001)),
        {"w1"},
        "unknown",
        None,
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_wrong_gradient_is_caught_with_its_leaves_and_cause(getkey, mistake):
    wrong_grads, paths, cause, factor = MISTAKES[mistake]
    report = check(loss, wrong_grads, *problem(getkey()))
    assert report.verdict == "wrong" and not report.ok
    assert wrong_paths(report) == paths
    (finding,) = report.findings
    assert finding.cause == cause and set(finding.leaves) == paths
    assert finding.factor == (None if factor is None else pytest.approx(factor, rel=1e-6))


def test_two_mistakes_in_one_leaf_are_two_findings(getkey):
    report = check(loss, changed(w1=lambda g: -5 * g), *problem(getkey()))
    assert [finding.cause for finding in report.findings] == ["sign", "scale-batch"]


def test_a_leaf_too_many_is_wrong(getkey):
    report = check(loss, lambda *args: grads(*args) | {"w3": jnp.ones(2)}, *problem(getkey()))
    assert report.verdict == "wrong"
    assert [(f.cause, f.leaves) for f in report.findings] == [("shape", ("w3",))]


def scaled_loss(params, x, y, scale):
    return scale * loss(params, x, y)


def scaled_grads(params, x, y, scale):
    return jax.tree.map(lambda g: scale * g, grads(params, x, y))


def scaled_grads_with_a_sign(params, x, y, scale):
    right = scaled_grads(params, x, y, scale)
    return right | {"b2": -right["b2"]}


@pytest.mark.parametrize("scale", (1e-30, 1e-9, 1.0, 1e9, 1e30))
def test_no_absolute_tolerance_certifies(getkey, scale):
    args = *problem(getkey()), jnp.asarray(scale, "float32")
    assert check(scaled_loss, scaled_grads, *args).ok
    assert wrong_paths(check(scaled_loss, scaled_grads_with_a_sign, *args)) == {"b2"}


def test_a_mistake_hidden_by_a_symmetric_point_is_seen_near_it(getkey):
    params, x, y = problem(getkey())
    params = {path: jnp.zeros_like(leaf) for path, leaf in params.items()}  # a1 = 0: every slope of tanh is 1
    report = check(loss, functools.partial(grads, slope=lambda z, a: jnp.ones_like(a)), params, x, y)
    assert wrong_paths(report) == {"w1", "b1"}
    assert check(loss, grads, params, x, y).ok


def logistic_loss(w, x, y):
    p = 1 / (1 + jnp.exp(-(x @ w)))
    return -jnp.mean(y * jnp.log(p) + (1 - y) * jnp.log1p(-p))


def textbook_grad(w, x, y):
    p = 1 / (1 + jnp.exp(-(x @ w)))
    return x.T @ (p - y) / len(y)


def test_a_right_formula_whose_numbers_drown_is_right_with_a_warning(getkey):
    x = jnp.asarray([[1.0], [-1.0]], jnp.float32)
    w, y = jnp.asarray([15.0], jnp.float32), jnp.asarray([1.0, 0.0], jnp.float32)  # p - y = 3e-7: five ulps of p
    report = check(logistic_loss, textbook_grad, w, x, y)
    assert report.verdict == "right"
    assert [finding.cause for finding in report.findings] == ["precision"]
    assert "float32" in report.findings[0].message
    assert check(logistic_loss, textbook_grad, w / 15, x, y).findings == ()


def test_a_formula_that_is_not_finite_in_the_callers_dtype_is_wrong(getkey):
    def quotient_grad(w, x, y):
        p = 1 / (1 + jnp.exp(-(x @ w)))
        return x.T @ ((p - y) / (p * (1 - p)) * (p * (1 - p))) / len(y)

    stable_loss = lambda w, x, y: jnp.mean(jax.nn.softplus(x @ w) - y * (x @ w))
    x, y = jnp.asarray([[1.0], [0.5]], jnp.float32), jnp.asarray([1.0, 0.0], jnp.float32)
    report = check(stable_loss, quotient_grad, jnp.asarray([20.0], jnp.float32), x, y)  # p = 1 in float32 only
    assert report.verdict == "wrong"
    assert [finding.cause for finding in report.findings] == ["nonfinite"]
    assert "float32" in report.findings[0].message


def batch_norm_loss(params, x, y):
    z = x @ params["w"] + params["b"]
    return (((z - z.mean(axis=0, keepdims=True)) / z.std(axis=0, keepdims=True) - y) ** 2).sum()


def test_a_leaf_that_is_zero_up_to_rounding_on_both_sides_is_right(getkey):
    params = {"w": normal(getkey(), (3, 2)), "b": normal(getkey(), (1, 2))}
    x, y = normal(getkey(), (6, 3)), normal(getkey(), (6, 2))

    def hand(params, x, y):
        z = x @ params["w"] + params["b"]
        std = z.std(axis=0, keepdims=True)
        a = (z - z.mean(axis=0, keepdims=True)) / std
        da = 2 * (a - y)
        dz = (da - da.mean(axis=0, keepdims=True) - a * (da * a).mean(axis=0, keepdims=True)) / std
        return {"w": x.T @ dz, "b": dz.sum(axis=0, keepdims=True)}

    report = check(batch_norm_loss, hand, params, x, y)
    assert report.verdict == "right"
    wrong = lambda *args: hand(*args) | {"b": jnp.full((1, 2), 1e-6)}
    assert wrong_paths(check(batch_norm_loss, wrong, params, x, y)) == {"b"}


def test_a_candidate_that_computes_in_float32_is_right_to_float32(getkey):
    def in_float32(params, x, y):
        narrow = lambda leaf: leaf.astype(jnp.float32)
        right = grads(jax.tree.map(narrow, params), narrow(x), narrow(y))
        return jax.tree.map(lambda g, leaf: g.astype(leaf.dtype), right, params)

    params, x, y = problem(getkey())
    assert check(loss, in_float32, params, x, y).ok
    wrong = lambda *args: in_float32(*args) | {"b1": -in_float32(*args)["b1"]}
    assert wrong_paths(check(loss, wrong, params, x, y)) == {"b1"}


def test_a_leaf_in_a_coarser_dtype_than_its_parameter_is_wrong(getkey):
    report = check(loss, changed(w2=lambda g: g.astype(jnp.float16)), *problem(getkey()))
    assert report.verdict == "wrong"
    assert report.findings[0].cause in ("shape", "unknown") and report.findings[0].leaves == ("w2",)


# Where an activation saturates even in float64.


def test_a_right_gradient_that_knows_more_than_autodiff_is_not_called_wrong():
    saturated_loss = lambda w, x: (jax.nn.sigmoid(x * w) ** 2).sum()
    hand = lambda w, x: 2 * jax.nn.sigmoid(x * w) ** 2 * jax.nn.sigmoid(-x * w) * x  # autodiff: p (1 - p) = 0
    w, x = jnp.asarray([60.0, 70.0]), jnp.ones(2)
    report = check(saturated_loss, hand, w, x)
    assert report.verdict == "undecided" and "Rounding" in report.reasons[0]
    assert check(saturated_loss, hand, w / 10, x).ok


def test_a_black_box_that_knows_more_than_autodiff_is_not_called_wrong_either():
    sigmoid = lambda z: 1 / (1 + np.exp(-z))
    hand = lambda w, x: 2 * sigmoid(x * w) ** 2 * sigmoid(-x * w) * x
    saturated_loss = lambda w, x: (jax.nn.sigmoid(x * w) ** 2).sum()
    w, x = np.asarray([60.0, 70.0]), np.ones(2)
    assert check(saturated_loss, hand, w, x).verdict == "undecided"
    assert check(saturated_loss, lambda w, x: -hand(w, x), w, x).verdict == "wrong"


def test_inputs_so_large_that_a_small_network_saturates_too_are_no_mistake():
    saturated_loss = lambda w, x: jnp.tanh(x * w).sum()
    hand = lambda w, x: 4 * jax.nn.sigmoid(2 * x * w) * jax.nn.sigmoid(-2 * x * w) * x  # autodiff: 1 - tanh^2 = 0
    w, x = jnp.asarray([1.0, -2.0]), jnp.asarray([200.0, 150.0])
    assert check(saturated_loss, hand, w, x).verdict == "undecided"
    assert check(saturated_loss, lambda w, x: -hand(w, x), w, x).verdict == "wrong"


def test_a_mistake_that_rounding_hides_is_seen_where_it_does_not():
    saturated_loss = lambda w, x: (jax.nn.sigmoid(x * w) ** 2).sum()
    hand = lambda w, x: 2 * jax.nn.sigmoid(x * w) ** 2 * jax.nn.sigmoid(-x * w) * x  # autodiff: 1 - p has 4 digits left
    w, x = jnp.asarray([27.0, 28.0]), jnp.ones(2)
    for right in (hand, lambda w, x: np.asarray(hand(w, x))):
        report = check(saturated_loss, right, w, x)
        assert report.ok and report.leaves[0].error > 2e-5
        wrong = lambda w, x, right=right: 1.00002 * right(w, x)
        assert check(saturated_loss, wrong, w, x).verdict == "wrong"


def test_an_autodiff_that_underflows_accuses_nobody():
    loss = lambda w, x: jnp.sum((jnp.exp(x * w) - jnp.exp(-x * w)) / (jnp.exp(x * w) + jnp.exp(-x * w)))
    hand = lambda w, x: 4 * jax.nn.sigmoid(2 * x * w) * jax.nn.sigmoid(-2 * x * w) * x
    w, x = jnp.asarray([2.0, 2.2]), jnp.asarray([200.0, 210.0])  # jax.grad: 200, for 1 / (e^z + e^-z)^2 is 0
    report = check(loss, hand, w, x)
    assert report.verdict == "undecided" and "Rounding" in report.reasons[0]
    assert check(loss, lambda w, x: 1.001 * hand(w, x), w, x).verdict == "wrong"


def test_a_mistake_that_only_shows_where_it_saturates_is_still_a_mistake():
    clipped_loss = lambda w, x: jnp.log(jnp.clip(jax.nn.sigmoid(x * w), 0.01, 0.99)).sum()
    without_the_clip = lambda w, x: jax.nn.sigmoid(-x * w) * x
    w, x = jnp.asarray([6.0, 7.0]), jnp.ones(2)
    assert check(clipped_loss, without_the_clip, w, x).verdict == "wrong"
    assert check(clipped_loss, without_the_clip, w / 10, x).ok


def test_a_mistake_in_a_wild_function_is_not_taken_for_rounding():
    wild_loss = lambda w: jnp.sin(5e4 * w).sum()  # a move of w by 1e-5 of its size is half a turn
    hand = lambda w: 5e4 * jnp.cos(5e4 * w)
    w = jnp.asarray([3.0, 4.0])
    assert check(wild_loss, hand, w).ok
    report = check(wild_loss, lambda w: 0.9995 * hand(w), w)
    assert report.verdict == "wrong" and report.findings[0].factor == pytest.approx(0.9995)
    black_box = lambda w: 5e4 * np.cos(5e4 * np.asarray(w))
    assert check(wild_loss, black_box, w).ok
    assert check(wild_loss, lambda w: 0.9995 * black_box(w), w).verdict == "wrong"


def test_a_black_box_in_float32_has_the_digits_of_float32():
    loss = lambda w: (jax.nn.sigmoid(w) ** 2).sum()
    sigmoid = lambda z: 1 / (1 + np.exp(-z))
    hand = lambda w: (2 * sigmoid(w) ** 2 * (1 - sigmoid(w))).astype(np.float64)
    in_float32 = lambda w: hand(np.asarray(w, np.float32))
    w = np.asarray([6.0, -7.0])  # 1 - sigmoid(6) has lost 9 of 24 bits
    report = check(loss, in_float32, w)
    assert report.ok and report.leaves[0].error > 1e-6
    assert check(loss, lambda w: 1.01 * in_float32(w), w).verdict == "wrong"


# Where nothing can be decided.


def test_a_kink_is_undecided_and_says_so():
    relu_loss = lambda w, x: jnp.maximum(x * w, 0).sum()  # slope 1/2 at 0
    hand = lambda w, x: jnp.where(x * w > 0, x, 0)  # slope 0 at 0
    w, x = jnp.asarray([0.0, 1.0, -1.0]), jnp.asarray([1.0, 2.0, 3.0])
    report = check(relu_loss, hand, w, x)
    assert report.verdict == "undecided" and not report.ok
    assert "kink" in report.reasons[0]
    assert check(relu_loss, hand, w + 0.5, x).ok


def test_a_gradient_that_is_zero_everywhere_is_undecided():
    flat = lambda w: jnp.sum(jnp.sign(w))
    report = check(flat, lambda w: jnp.zeros_like(w), jnp.ones(3))
    assert report.verdict == "undecided" and "zero at every point" in report.reasons[0]
    assert check(flat, jnp.ones_like, jnp.ones(3)).verdict == "wrong"


def test_a_loss_that_is_not_finite_is_undecided_though_the_gradient_is_too():
    report = check(lambda w: jnp.log(w).sum(), lambda w: 1 / w, jnp.asarray([-1.0, 2.0]))
    assert report.verdict == "undecided" and "nan" in report.reasons[0]
    assert "nan" in report.to_json() and "NaN" not in report.to_json()


def test_a_mistake_is_one_though_nothing_is_finite_here():
    infinite_loss = lambda w, x: -jnp.log(jax.nn.sigmoid(x * w)).sum()
    hand = lambda w, x: -jax.nn.sigmoid(-x * w) * x
    w, x = jnp.asarray([-900.0, -1000.0]), jnp.ones(2)
    assert check(infinite_loss, hand, w, x).verdict == "undecided"
    report = check(infinite_loss, lambda w, x: 2 * hand(w, x), w, x)
    assert report.verdict == "wrong" and report.findings[0].factor == pytest.approx(2)


def test_a_nan_is_never_equal_to_a_nan():
    nan = lambda w: w * jnp.nan
    assert not check(lambda w: nan(w).sum(), nan, jnp.ones(2)).ok


@pytest.mark.parametrize("dtype", ("float16", "bfloat16", "float32"))
def test_what_refuses_float64_is_judged_as_far_as_it_goes(getkey, dtype):
    def kernel(params, x, y):
        if params["w1"].dtype != dtype:
            raise TypeError(f"this kernel takes {dtype}")
        return grads(params, x, y)

    params, x, y = problem(getkey(), dtype)
    report = check(loss, kernel, params, x, y)
    assert report.verdict == "undecided" and report.precision == dtype
    assert {leaf.verdict for leaf in report.leaves} == {"undecided"}
    assert f"this kernel takes {dtype}" in " ".join(report.reasons)
    wrong = lambda *args: kernel(*args) | {"w1": -kernel(*args)["w1"]}
    assert check(loss, wrong, params, x, y).verdict == "wrong"


# Candidates of every kind.


def numpy_grads(params, x, y):
    params, x, y = jax.tree.map(np.asarray, (params, x, y))
    z1 = x @ params["w1"] + params["b1"]
    a1 = np.tanh(z1)
    dz2 = 2 * (a1 @ params["w2"] + params["b2"] - y) / len(y)
    dz1 = dz2 @ params["w2"].T
    dz1 *= 1 - a1 * a1
    return {"w1": x.T @ dz1, "b1": dz1.sum(axis=0), "w2": a1.T @ dz2, "b2": dz2.sum(axis=0)}


@pytest.mark.parametrize("kind", (np.asarray, jnp.asarray))
def test_numpy_code_is_a_black_box(getkey, kind):
    params, x, y = jax.tree.map(kind, problem(getkey()))
    assert check(loss, numpy_grads, params, x, y).ok
    wrong = lambda *args: numpy_grads(*args) | {"b2": 2 * numpy_grads(*args)["b2"]}
    report = check(loss, wrong, params, x, y)
    assert wrong_paths(report) == {"b2"} and report.findings[0].cause == "scale-constant"


def test_a_scalar_of_numpy_stays_one_in_numpy_code(getkey):
    """An array of no axes is another index: `a[i]` would be a copy, and what is written into it lost."""

    def loss(params, i, rate):
        return jnp.sum(params["w"][i] ** 2) / 2 * params["s"] + 0 * rate

    def grads(params, i, rate):
        w, s = np.array(params["w"]), params["s"]
        before = w.copy()
        for k in range(w.shape[1]):
            w[i][k] = w[i][k] - rate * w[i][k] * s
        ds = np.sum(before[i] ** 2) / 2
        s -= rate  # of an array that would be the parameter itself
        return {"w": (before - w) / rate, "s": np.asarray(ds + (params["s"] - s - rate))}

    params = {"w": np.asarray(normal(getkey(), (4, 3))), "s": np.float64(1.3)}
    report = check(loss, grads, params, np.int32(2), np.float64(0.05))
    assert report.verdict == "right"


def test_a_candidate_that_writes_into_its_arguments_changes_nothing_of_the_callers(getkey):
    def careless(params, x, y):
        right = numpy_grads(params, x, y)
        x += 1
        params["w1"] *= 0
        return right

    params, x, y = jax.tree.map(np.array, problem(getkey()))
    before = jax.tree.map(np.copy, (params, x, y))
    assert check(loss, careless, params, x, y).ok
    chex.assert_trees_all_equal((params, x, y), before)


def test_arguments_that_are_not_arrays_are_passed_as_they_are(getkey):
    def power_loss(w, power, name):
        assert isinstance(power, int) and name == "sum"
        return sum((w**power)[i] for i in range(power))

    hand = lambda w, power, name: jnp.where(jnp.arange(len(w)) < power, power * w ** (power - 1), 0)
    w = normal(getkey(), (4,))
    assert check(power_loss, hand, w, 3, "sum").ok
    assert not check(power_loss, hand, w, 3, "sum").findings
    assert not check(power_loss, lambda w, power, name: hand(w, power + 1, name), w, 3, "sum").ok


def test_a_loss_that_reads_its_arguments_in_python_is_still_differentiated(getkey):
    def picky_loss(w, y):
        return (w**2).sum() if y[0] > 0 else w.sum()

    w = normal(getkey(), (3,))
    assert check(picky_loss, lambda w, y: 2 * w, w, jnp.ones(2)).ok
    assert check(picky_loss, lambda w, y: jnp.ones_like(w), w, -jnp.ones(2)).ok


def test_integer_arrays_and_random_keys_are_arguments_too(getkey):
    def noisy_loss(w, labels, key):
        return (w[labels] * jax.random.normal(key, labels.shape, w.dtype)).sum()

    def hand(w, labels, key):
        return jnp.zeros_like(w).at[labels].add(jax.random.normal(key, labels.shape, w.dtype))

    assert check(noisy_loss, hand, jnp.ones(4), jnp.asarray([0, 2, 2]), getkey()).ok


def test_params_may_be_one_array_a_number_or_a_network(getkey):
    assert check(lambda w: (w**2).sum(), lambda w: 2 * w, jnp.ones(3)).leaves[0].path == "params"
    assert check(lambda w: w**2, lambda w: 2 * w, 3.0).ok
    params = jaxmlp.init_params(getkey(), (2, 3, 1), bias=False)
    x, y = jaxmlp.gate("xor")
    report = check(jaxmlp.loss_value, jaxmlp.loss_and_grads, params, x, y, has_value=True)
    assert report.ok and [leaf.path for leaf in report.leaves] == ["(value)", "0.w", "1.w"]


def test_a_wrong_value_is_found_beside_a_right_gradient(getkey):
    with_value = lambda params, x, y: (2 * loss(params, x, y), grads(params, x, y))
    report = check(loss, with_value, *problem(getkey()), has_value=True)
    assert wrong_paths(report) == {"(value)"} and report.findings[0].cause == "wrong-forward"


def test_a_function_is_traced_once_a_check_in_each_precision(getkey):
    traced_loss = chex.assert_max_traces(loss, n=4)  # two checks, each in float32 and in float64
    first = check(traced_loss, grads, *problem(getkey()))
    assert first.ok and check(traced_loss, grads, *problem(getkey())).ok


def test_the_check_is_deterministic(getkey):
    key = getkey()
    assert check(loss, grads, *problem(key)) == check(loss, grads, *problem(key))


@pytest.mark.parametrize("promotion", ("standard", "strict"))
def test_the_check_leaves_the_configuration_alone(getkey, promotion):
    args = problem(getkey(), "float32")
    with jax.numpy_dtype_promotion(promotion), jax.enable_x64(False):
        check(loss, grads, *args)
        assert jnp.ones(1).dtype == jnp.float32
    assert jnp.ones(1).dtype == jnp.float64


# assert_gradients.


def test_assert_gradients_returns_the_report_or_raises_with_it(getkey):
    args = problem(getkey())
    assert assert_gradients(loss, grads, *args).ok
    with pytest.raises(AssertionError, match="wrong sign") as caught:
        assert_gradients(loss, changed(w1=jnp.negative), *args)
    assert isinstance(caught.value, GradientError) and caught.value.report.verdict == "wrong"


# Bad input.


def ones(w):
    return jnp.ones_like(w)


BAD = {
    "loss not callable": ((1.0, ones, jnp.ones(2)), TypeError, "`loss` must be a function"),
    "grads already called": ((jnp.sum, jnp.ones(2), jnp.ones(2)), TypeError, "`grads` must be a function"),
    "no leaves": ((lambda p: 0.0, lambda p: {}, {}), ValueError, "without leaves"),
    "an empty leaf": ((jnp.sum, ones, jnp.ones((0, 2))), ValueError, "it is empty"),
    "integer params": ((jnp.sum, ones, jnp.arange(3)), TypeError, "dtype int"),
    "complex params": ((jnp.sum, ones, jnp.ones(2, complex)), TypeError, "dtype complex"),
    "a string in params": ((lambda p: 0.0, lambda p: p, {"w": "x"}), TypeError, "`w` is a str"),
    "a vector loss": ((lambda w: w, ones, jnp.ones(2)), ValueError, r"scalar of shape \(\), got shape \(2,\)"),
    "an integer loss": ((lambda w: jnp.sum(w > 0), ones, jnp.ones(2)), TypeError, "floating scalar"),
    "a loss that branches": (
        (lambda w: w.sum() if np.asarray(w).sum() > 0 else 0.0, ones, jnp.ones(2)),
        TypeError,
        "cannot be differentiated by JAX",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case):
    args, error, message = BAD[case]
    with pytest.raises(error, match=message):
        check(*args)


def test_a_missing_value_is_named():
    with pytest.raises(TypeError, match="must return a pair"):
        check(lambda w: w.sum(), ones, jnp.ones(2), has_value=True)


def test_the_candidates_own_error_reaches_the_caller():
    def broken(w):
        raise KeyError("w3")

    with pytest.raises(KeyError, match="w3"):
        check(lambda w: w.sum(), broken, jnp.ones(2))


def squares(params):
    return (params["w"] ** 2).sum()


def test_what_a_function_captures_or_calls_may_change_between_two_checks():
    factor, params = np.asarray(2.0), {"w": jnp.arange(1.0, 4.0)}
    slope = lambda w: w
    by_factor, by_slope = lambda params: {"w": params["w"] * factor}, lambda params: {"w": 2 * slope(params["w"])}
    assert check(squares, by_factor, params).ok and check(squares, by_slope, params).ok
    factor[...] = 3.0
    slope = lambda w: 3 * w
    assert not check(squares, by_factor, params).ok and not check(squares, by_slope, params).ok
    factor[...] = 2.0
    slope = lambda w: w
    assert check(squares, by_factor, params).ok and check(squares, by_slope, params).ok


def test_a_diagnosis_is_made_once_for_the_same_programs_and_numbers(monkeypatch):
    def wrong(params):
        return {"w": factor * params["w"]}

    factor, params = 3.0, {"w": jnp.arange(1.0, 4.0)}
    first = check(squares, wrong, params)
    with monkeypatch.context() as patched:
        patched.setattr(_diagnose, "_diagnosed", pytest.fail)
        assert check(squares, wrong, params).findings == first.findings
    factor = -2.0
    assert [f.cause for f in check(squares, wrong, params).findings] == ["sign"] != [f.cause for f in first.findings]
    made = []
    diagnosed = _diagnose._diagnosed
    monkeypatch.setattr(_diagnose, "_diagnosed", lambda *args: made.append(1) or diagnosed(*args))
    check(squares, wrong, {"w": 2 * params["w"]})
    assert made == [1]


def test_a_gradient_without_a_return_is_told():
    def forgotten(w):
        del w

    with pytest.raises(TypeError, match="`forgotten` returns None instead of a tree"):
        check(lambda w: w.sum(), forgotten, jnp.ones(2))
