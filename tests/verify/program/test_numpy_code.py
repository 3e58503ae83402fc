from abc import ABC, abstractmethod
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy import exp

from jaxmlp import check
from jaxmlp.verify._program._numpy_code import as_jax


X = np.random.default_rng(1).normal(size=(4, 3))
Y = np.array([[0.0], [1.0], [1.0], [0.0]])


def sigmoid(z):
    return 1 / (1 + exp(-z))


def accumulated(x):
    total = np.zeros((3,))
    for row in x:
        total += row**2
    return total


def written(x):
    out = np.empty(x.shape)
    for i in range(len(x)):
        for j in range(x.shape[1]):
            out[i, j] = x[i, j] * (i + j)
    return out


def masked(x):
    out = x.copy()
    out[x <= 0] = 0
    out[x > 1] *= 0.1
    return out


def scattered(x):
    out = np.zeros_like(x)
    np.add.at(out, np.array([0, 0, 2, 1]), x)
    return out


def converted(x):
    x = np.asarray(x, dtype=np.float64)
    return np.array([x[0], x[1].copy()]).astype(float) + np.float64(1)


def read_as_a_number(x):
    return float(np.mean(x)) + np.sum(x).item()


def of_many_kinds(x):
    norm = np.linalg.norm(x, axis=1, keepdims=True)
    parts = np.concatenate([x / norm, np.einsum("ij,kj->ik", x, x)], axis=1)
    return np.where(parts > 0, parts, np.expand_dims(parts.max(axis=1), 1)).clip(-1, 1)[::-1, 1:].T


def into_what_it_reads(x):
    x *= 2
    np.exp(x, out=x)
    return x


def written_through_rows(x):
    out = np.zeros(x.shape)
    for i in range(len(x)):
        out[i][0] = x[i][1]
        row = out[i]
        row[1:] += x[i, 1:]
    return out


def of_listed_rows(x):
    out = np.zeros_like(x)
    out[[2, 0]] = x[[1, 3]]
    out[[1, 2, 1]] += x[[0, 0, 3]]
    return out


FUNCTIONS = (
    written_through_rows,
    of_listed_rows,
    sigmoid,
    accumulated,
    written,
    masked,
    scattered,
    converted,
    read_as_a_number,
    of_many_kinds,
    into_what_it_reads,
    lambda x: sigmoid(np.dot(x, x.T)),
    lambda x: {"sum": x.sum(axis=0), "mean": [np.mean(x), x.reshape(-1).std()]},
    partial(np.multiply, 3.0),
)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: getattr(function, "__name__", "partial"))
def test_jax_traces_the_same_numbers(function):
    actual = jax.jit(as_jax(function))(X)
    expected = function(X.copy())
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-12), actual, expected)


@pytest.mark.parametrize(
    "convert", (lambda x: np.asarray(x, np.int64), lambda x: np.asarray(x, dtype=np.int64)), ids=("by place", "by name")
)
def test_an_array_is_converted_to_the_dtype_that_is_asked_for(convert):
    found = jax.jit(as_jax(convert))(X)
    assert found.dtype == jnp.int64
    np.testing.assert_array_equal(found, convert(X))


def test_a_function_of_scipy_that_is_a_ufunc_is_followed():
    special = pytest.importorskip("scipy.special")
    np.testing.assert_allclose(jax.jit(as_jax(lambda x: special.expit(x)))(X), sigmoid(X), rtol=1e-12)


def test_methods_and_functions_within_functions_are_followed():
    class Layer:
        scale = 2.0

        def forward(self, x):
            def inner(z):
                return np.tanh(z) * self.scale

            return inner(x)

    np.testing.assert_allclose(jax.jit(as_jax(Layer().forward))(X), 2 * np.tanh(X), rtol=1e-12)


class Layer(ABC):
    count = 0

    @abstractmethod
    def total(self, x) -> np.ndarray: ...

    @property
    def rows(self):
        return np.arange(2)

    @staticmethod
    def zeros(shape):
        return np.zeros(shape)


class Sum(Layer):
    def __init__(self, scale):
        super().__init__()
        self.scale, self.seen = scale, []

    def total(self, x):
        Layer.count += 1
        self.seen.append(x)
        out = self.zeros(x.shape[1])
        for row in self.rows:
            out[row] = self.scale * np.sum(x[:, row])
        return out


class Doubled(Sum):
    def total(self, x):
        return 2 * super().total(x)


class Same(Doubled):
    pass


NETWORK = {"layers": [Same(3.0), (Sum(0.5), len)], "rates": [0.1]}


def test_methods_of_its_own_classes_are_followed_and_their_objects_are_left_as_they_are():
    rates = NETWORK["rates"]

    def totals(x):
        doubled, (plain, _) = NETWORK["layers"]
        assert isinstance(doubled, Sum) and NETWORK["rates"] is rates
        return doubled.total(x) + plain.total(x) + Sum(1.0).total(x)

    expected = np.append(7.5 * X[:, :2].sum(axis=0), 0)
    np.testing.assert_allclose(jax.jit(as_jax(totals))(X), expected, rtol=1e-12)
    assert Layer.count == 0 and not any(layer.seen for layer in (NETWORK["layers"][0], NETWORK["layers"][1][0]))


class Registered:
    made: list[type] = []

    def __init_subclass__(cls):
        Registered.made.append(cls)

    def total(self, x):
        return np.sum(x)


class OfSlots:
    __slots__ = ("scale",)

    def __init__(self):
        self.scale = 2.0

    def total(self, x):
        return self.scale * np.sum(x)


class Special(Registered):
    def total(self, x):
        return 3 * super().total(x)


@pytest.mark.parametrize("kind, factor", [(Special, 3.0), (OfSlots, 2.0)])
def test_a_class_that_cannot_be_made_again_unseen_stays_as_it_is(kind, factor):
    made = list(Registered.made)
    np.testing.assert_allclose(jax.jit(as_jax(lambda x: kind().total(x)))(X), factor * X.sum(), rtol=1e-12)
    assert Registered.made == made


def test_places_that_hold_a_condition_are_those_at_the_point():
    def maxima(x):
        out = np.zeros(x.shape)
        out[np.where(x == x.max(axis=0))] = 1
        rows, columns = np.nonzero(x > 0)
        out[rows, columns] += x[rows, columns]
        return out * x

    np.testing.assert_allclose(jax.jit(as_jax(maxima, (X,)))(X), maxima(X), rtol=1e-12)
    with pytest.raises(jax.errors.ConcretizationTypeError):
        jax.jit(as_jax(maxima))(X)


def test_an_array_gets_the_axes_that_are_asked_for():
    columns = lambda x: np.array(x[0], ndmin=2).T @ np.array([x[1]], ndmin=2)
    np.testing.assert_allclose(jax.jit(as_jax(columns, (X,)))(X), np.outer(X[0], X[1]), rtol=1e-12)


def test_a_name_that_is_not_assigned_yet_is_left_so():
    def outer(assign):
        def inner(x):
            return np.exp(x) if x.ndim else later

        if assign:
            later = 1.0
        return inner

    np.testing.assert_allclose(jax.jit(as_jax(outer(False)))(X), np.exp(X), rtol=1e-12)


def test_what_the_function_knows_stays_as_it_was():
    before = dict(globals())
    as_jax(accumulated)(X)
    assert globals() == before and accumulated.__globals__["np"] is np


def test_a_branch_on_a_number_is_not_followed_where_no_number_is_known():
    with pytest.raises(jax.errors.ConcretizationTypeError):
        jax.jit(as_jax(lambda x: x if np.sum(x) > 0 else -x))(X)


def _by_branches(x, rates):
    scaled = np.array(x)
    for i, rate in enumerate(rates):
        if rate > 0 and scaled[i].sum() < 3:
            scaled[i] *= rate
        total = np.exp(scaled[i]).sum()
        if total > 2.5 and scaled[i][0] < np.max(scaled):
            scaled[i, 0] = -total
    return scaled


def test_a_branch_is_taken_as_it_falls_at_the_point():
    rates = np.array([0.5, -1.0, 2.0, 0.0])
    expected = _by_branches(X, rates)
    assert not np.allclose(expected, X)
    np.testing.assert_allclose(jax.jit(as_jax(_by_branches, (X, rates)))(X, rates), expected, rtol=1e-12)


def test_a_mistake_behind_a_branch_of_numpy_code_has_a_line():
    def squared(params, ratings):
        errors = ratings - params["p"] @ params["q"].T
        return jnp.sum(jnp.where(ratings > 0, errors**2, 0))

    def grads(params, ratings):
        p, q = params["p"], params["q"]
        dp, dq = np.zeros_like(p), np.zeros_like(q)
        for i in range(len(ratings)):
            for j in range(len(ratings[i])):
                if ratings[i][j] > 0:
                    error = ratings[i][j] - np.dot(p[i], q[j])
                    for k in range(p.shape[1]):
                        dp[i][k] += -2 * error * q[j][k]
                        dq[j][k] += -error * p[i][k]
        return {"p": dp, "q": dq}

    ratings = np.array([[5.0, 0, 3], [0, 4, 1], [2, 3, 0]])
    [finding] = check(squared, grads, {"p": X[:3], "q": X[1:]}, ratings).findings
    assert (finding.cause, finding.leaves) == ("scale-constant", ("q",))
    assert finding.line and finding.line.text == "dq[j][k] += -error * p[i][k]"


PARAMS = {"w1": X[:2].T[:2].copy(), "b1": X[2, :2].copy(), "w2": X[:2, :1].copy(), "b2": X[3, :1].copy()}


def loss(params, x, y):
    a1 = np.tanh(np.dot(x, params["w1"]) + params["b1"])
    p = sigmoid(np.dot(a1, params["w2"]) + params["b2"])
    return float(-np.mean(y * np.log(p) + (1 - y) * np.log(1 - p)))


def right(params, x, y):
    a1 = np.tanh(np.dot(x, params["w1"]) + params["b1"])
    dz2 = (sigmoid(np.dot(a1, params["w2"]) + params["b2"]) - y) / len(x)
    grads = {name: np.zeros_like(leaf) for name, leaf in params.items()}
    grads["w2"] += np.dot(a1.T, dz2)
    grads["b2"] += dz2.sum(axis=0)
    dz1 = np.dot(dz2, params["w2"].T) * (1 - a1**2)
    for i in range(len(x)):
        grads["w1"] += np.outer(x[i], dz1[i])
        grads["b1"] += dz1[i]
    return grads


def without_a_slope(params, x, y):
    a1 = np.tanh(np.dot(x, params["w1"]) + params["b1"])
    dz2 = (sigmoid(np.dot(a1, params["w2"]) + params["b2"]) - y) / len(x)
    dz1 = np.dot(dz2, params["w2"].T)
    return {"w1": x.T @ dz1, "b1": dz1.sum(axis=0), "w2": a1.T @ dz2, "b2": dz2.sum(axis=0)}


def through_a_view(params, x, y):
    grads = without_a_slope(params, x, y)
    flat = grads["w2"].reshape(-1)
    flat *= 3.0
    return grads


def test_a_loss_and_a_gradient_in_numpy_are_judged():
    assert check(loss, right, PARAMS, X[:, :2], Y).verdict == "right"


def test_the_wrong_line_of_numpy_code_is_named():
    [finding] = check(loss, without_a_slope, PARAMS, X[:, :2], Y).findings
    assert finding.cause == "missing-activation-derivative" and set(finding.leaves) == {"w1", "b1"}
    assert finding.line and finding.line.text == 'dz1 = np.dot(dz2, params["w2"].T)' and finding.line.within is None
    assert finding.must == "np.dot(dz2, params['w2'].T) * (1 - a1 ** 2)"


def test_numpy_code_that_jax_cannot_follow_is_a_black_box():
    report = check(loss, through_a_view, PARAMS, X[:, :2], Y)
    assert report.verdict == "wrong" and {leaf.path for leaf in report.leaves if not leaf.ok} == {"w1", "b1", "w2"}
    assert all(
        not finding.line or finding.line.text.startswith(("a1", "p =", "return float")) for finding in report.findings
    )


def test_a_loss_that_jax_follows_to_other_values_is_not_believed():
    def through_a_view(params, x, y):
        flat = x.reshape(-1)
        flat *= 0.5
        return float(np.sum(x @ params["w1"]))

    with pytest.raises(TypeError, match="`loss` cannot be differentiated by JAX"):
        check(through_a_view, right, PARAMS, X[:, :2], Y)


def test_numpy_code_beside_functions_of_jax():
    mixed = lambda x: np.asarray(jax.nn.sigmoid(x)) + jnp.tanh(x)
    np.testing.assert_allclose(jax.jit(as_jax(mixed))(X), sigmoid(X) + np.tanh(X), rtol=1e-12)
