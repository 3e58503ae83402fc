"""A gradient that is judged where it is: as one that is small enough for the host."""

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec as P

import jaxmlp
from jaxmlp import check
from jaxmlp.verify._verdict import _evidence, _streamed
from jaxmlp.verify._verdict._points import NUDGES

from ...helpers import normal, problem as network
from ..gradients import changed, grads, loss, problem


pytestmark = pytest.mark.long


@pytest.fixture
def streaming(monkeypatch):
    """Every gradient is large; the shapes of what comes to the host, program by program."""
    fetched = []
    look = _streamed.StreamedView.look

    def seen(*args, **kwargs):
        found = look(*args, **kwargs)
        fetched.append({np.shape(leaf) for leaf in jax.tree.leaves(found)})
        return found

    def whole(*args, **kwargs):
        raise AssertionError("a leaf is brought to the host")

    monkeypatch.setattr(_streamed, "LARGE", 0)
    monkeypatch.setattr(_streamed.StreamedView, "look", seen)
    monkeypatch.setattr(_evidence.View, "at", whole)
    return fetched


def both(monkeypatch, *args, **kwargs):
    """The report on a gradient judged on the host, and on the same judged where it is."""
    whole = check(*args, **kwargs)
    with monkeypatch.context() as patch:
        patch.setattr(_streamed, "LARGE", 0)
        return whole, check(*args, **kwargs)


@pytest.fixture(scope="module")
def reports():
    """`reports(name)`: the problem, and the two reports on the gradient of `WRONG`, or the right one for None."""
    args = problem(jax.random.key(0), "float32")

    @cache
    def on(name):
        with pytest.MonkeyPatch.context() as patch:
            return args, *both(patch, loss, WRONG.get(name, grads), *args)

    return on


def assert_alike(report, expected):
    """The same verdicts and findings, and the same errors where they are more than rounding."""
    assert (report.verdict, report.points, report.precision) == (expected.verdict, expected.points, expected.precision)
    assert [(f.cause, f.leaves, f.factor) for f in report.findings] == [
        (f.cause, f.leaves, f.factor and pytest.approx(f.factor)) for f in expected.findings
    ]
    assert report.reasons == expected.reasons
    for leaf, other in zip(report.leaves, expected.leaves, strict=True):
        assert (leaf.path, leaf.verdict, leaf.shape, leaf.dtype) == (
            other.path,
            other.verdict,
            other.shape,
            other.dtype,
        )
        assert leaf.error == pytest.approx(other.error, rel=1e-6, abs=1e-12) or leaf.error > other.error > 1e-7
        assert (leaf.ulps is None) == (other.ulps is None)
        assert (leaf.autodiff_ulps is None) == (other.autodiff_ulps is None)
        if leaf.ulps is not None:
            of_tanh = 5 if jax.default_backend() == "cpu" else 10  # XLA rounds it otherwise than NumPy, by platform
            assert leaf.ulps == pytest.approx(other.ulps, abs=of_tanh)


@pytest.mark.parametrize("dtype", ("bfloat16", "float32", "float64"))
def test_a_right_gradient_is_right_and_takes_two_programs(getkey, streaming, dtype):
    report = check(loss, grads, *problem(getkey(), dtype))
    assert report.ok and report.points == 2 and report.precision == "float64"
    assert len(streaming) == 2
    assert all(shapes <= {(), (4, 4)} for shapes in streaming), "four numbers of each of four leaves"


def test_numbers_in_the_callers_dtype_are_as_on_the_host(reports):
    _, whole, streamed = reports(None)
    assert_alike(streamed, whole)
    assert all(leaf.autodiff_ulps is not None for leaf in streamed.leaves)


WRONG = {
    "in every leaf another": changed(
        w1=lambda g: g.at[2, 1].multiply(1.001), b1=jnp.zeros_like, w2=lambda g: 1.001 * g, b2=jnp.negative
    ),
    "transposed": changed(w1=jnp.transpose),
    "a batch axis kept": changed(b2=lambda g: jnp.stack([g, g])),
    "a leaf forgotten": lambda *args: {path: g for path, g in grads(*args).items() if path != "b1"},
    "a leaf too many": lambda *args: grads(*args) | {"w3": jnp.ones(2)},
    "integers": changed(b1=lambda g: jnp.round(g).astype(int)),
    "not a number": changed(w2=lambda g: g / 0 * 0),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_gradient_is_wrong_for_the_same_reason(reports, name):
    _, whole, streamed = reports(name)
    assert whole.verdict == "wrong"
    assert [leaf.verdict for leaf in streamed.leaves] == [leaf.verdict for leaf in whole.leaves]
    # No line of a large gradient is looked for, and without its line a batch axis that is kept is a shape.
    causes = [("shape" if f.cause == "missing-reduction" else f.cause, f.leaves) for f in whole.findings]
    # Nor are findings in the order of their lines.
    assert sorted((f.cause, f.leaves) for f in streamed.findings) == sorted(causes)
    for leaf, other in zip(streamed.leaves, whole.leaves, strict=True):
        assert (leaf.difference is None) == (other.difference is None)
        if leaf.difference is not None and other.difference is not None:
            np.testing.assert_allclose(leaf.difference, other.difference, rtol=1e-6, atol=1e-12)


def logistic_loss(w, x, y):
    p = 1 / (1 + jnp.exp(-(x @ w)))
    return -jnp.mean(y * jnp.log(p) + (1 - y) * jnp.log1p(-p))


def textbook_grad(w, x, y):
    p = 1 / (1 + jnp.exp(-(x @ w)))
    return x.T @ (p - y) / len(y)


def bent(w, x):
    return jnp.sin(x * w).sum()


def bent_grad(w, x):
    return jnp.cos(x * w) * x


BENT = np.linspace(0.1, 0.9, 3, dtype="float32"), np.linspace(-1, 1, 3, dtype="float32")

ODD = {
    "poor numbers": (
        logistic_loss,
        textbook_grad,
        *(np.asarray(values, np.float32) for values in ([15], [[1], [-1]], [1, 0])),
    ),
    "rounding": (  # autodiff has p (1 - p) = 0 there
        lambda w, x: (jax.nn.sigmoid(x * w) ** 2).sum(),
        lambda w, x: 2 * jax.nn.sigmoid(x * w) ** 2 * jax.nn.sigmoid(-x * w) * x,
        np.asarray([60.0, 70.0]),
        np.ones(2),
    ),
    "a kink": (
        lambda w, x: jnp.maximum(x * w, 0).sum(),
        lambda w, x: jnp.where(x * w > 0, x, 0),
        np.asarray([0.0, 1.0, -1.0]),
        np.asarray([1.0, 2.0, 3.0]),
    ),
    "a symmetric matrix": (
        lambda w: jnp.sum(w @ w),
        lambda w: w.sum(axis=0)[None, :] + w.sum(axis=1)[:, None],
        np.asarray([[2.0, 0.5], [0.5, 1.0]]),
    ),
    "flat": (lambda w: jnp.sum(jnp.sign(w)), jnp.zeros_like, np.ones(3)),
    "no truth": (lambda w: jnp.log(w).sum(), lambda w: 1 / w, np.asarray([-1.0, 2.0])),
    "a wild function": (
        lambda w: jnp.sin(5e4 * w).sum(),
        lambda w: 0.9995 * 5e4 * jnp.cos(5e4 * w),
        np.asarray([3.0, 4.0]),
    ),
}


@pytest.fixture(scope="module")
def odd():
    """`odd(name)`: the two reports on one of `ODD`, and the points that are there to show how an error scatters."""
    look = _streamed.StreamedView.look

    @cache
    def on(name):
        points = []

        def seen(view, steps, shake, asked):
            if shake is not None or (steps and steps[-1] in NUDGES):
                points.append((steps, shake))
            return look(view, steps, shake, asked)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_streamed.StreamedView, "look", seen)
            return *both(patch, *ODD[name]), points

    return on


@pytest.mark.parametrize("name", ODD)
def test_what_rounding_and_kinks_do_is_told_as_on_the_host(odd, name):
    whole, streamed, _ = odd(name)
    assert streamed.verdict == whole.verdict and streamed.reasons == whole.reasons
    assert [(f.cause, f.leaves) for f in streamed.findings] == [(f.cause, f.leaves) for f in whole.findings]


@pytest.mark.parametrize("scale", (1e-200, 1e200))
def test_numbers_whose_squares_are_none_are_judged_as_others_are(scale):
    loss, w = lambda w: scale * (w**2).sum(), np.asarray([1.0, -2.0, 0.5])
    for factor in (2 + 1e-12, 2.001):
        view = _streamed.StreamedView(
            _evidence.Subject("grads", loss, lambda w, factor=factor: factor * scale * w), w, wide=True
        )
        comparison = view.at().compared("params")
        assert comparison.verdict == ("right" if factor < 2.001 else "wrong")
        assert comparison.error == pytest.approx(factor / 2 - 1, rel=1e-3)


def test_points_that_show_how_an_error_scatters_are_looked_at_once(odd):
    _, streamed, points = odd("rounding")
    assert not streamed.ok
    assert {len(steps) for steps, shake in points if shake is None} >= {1, 2}, "here and near by"
    assert any(shake is not None for _, shake in points) and len(points) == len(set(points))


def test_all_points_that_moves_lead_to_are_of_one_program(getkey):
    params, *args = problem(getkey())
    view = _streamed.StreamedView(_evidence.Subject("grads", loss, grads, tuple(args)), params, wide=True)
    compiled: Any = view._compiled
    assert len({view.at(step).value for step in NUDGES}) == len(NUDGES) and compiled._cache_size() == 1


def test_a_mistake_hidden_by_a_symmetric_point_is_seen_near_it(streaming):
    at_zero = {"a": np.zeros(3), "b": np.zeros(2)}
    squares = lambda params: (jnp.tanh(params["a"]) ** 2).sum() + (params["b"] ** 2).sum()
    no_slope = lambda params: {"a": 2 * jnp.tanh(params["a"]), "b": 2 * params["b"]}
    assert [leaf.path for leaf in check(squares, no_slope, at_zero).leaves if not leaf.ok] == ["a"]


def test_one_wrong_number_among_a_million_is_found():
    """Off by a thousandth of a typical one: 1e-6 of the norm, and in a leaf ten times as large below what it shows."""
    rows, columns = 1000, 1100
    x = normal(jax.random.key(0), (1, columns), "float32")
    quadratic = lambda w, x: ((w @ x.T) ** 2).sum() / 2
    right = lambda w, x: (w @ x.T) @ x
    typical = lambda g: jnp.sqrt((g**2).mean())
    wrong = lambda w, x: right(w, x).at[123, 1067].add(1e-3 * typical(right(w, x)))
    w = normal(jax.random.key(1), (rows, columns), "float32")
    report = check(quadratic, wrong, w, x)
    assert report.verdict == "wrong" and report.findings[0].cause == "unknown"
    (leaf,) = report.leaves
    assert leaf.error > 1e-5, "beside the largest number it is no less than in a small leaf"
    assert leaf.difference is not None and leaf.difference.shape == (48, 48)
    assert np.count_nonzero(leaf.difference > 1e-7) == 1
    assert leaf.difference[123 // 21, 1067 // 23] == leaf.difference.max()


def test_a_network_whose_value_is_checked_too(getkey, streaming):
    report = check(jaxmlp.loss_value, jaxmlp.loss_and_grads, *network(getkey(), (2, 3, 1)), has_value=True)
    assert report.ok and report.leaves[0].path == "(value)"
    doubled = lambda w, x: (2 * bent(w, x), bent_grad(w, x))
    report = check(bent, doubled, *BENT, has_value=True)
    assert [leaf.path for leaf in report.leaves if not leaf.ok] == ["(value)"]


@pytest.mark.parametrize("params", (3.0, [1.0, np.ones(2)]), ids=("a number", "a number among arrays"))
def test_what_cannot_be_moved_in_a_program_is_judged_on_the_host(monkeypatch, params):
    monkeypatch.setattr(_streamed, "LARGE", 0)
    square = lambda params: sum(jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(params))
    assert check(square, lambda params: jax.tree.map(lambda leaf: 2 * leaf, params), params).ok


def test_a_black_box_is_judged_on_the_host(getkey, monkeypatch):
    monkeypatch.setattr(_streamed, "LARGE", 0)
    boxed = lambda *args: jax.tree.map(np.asarray, grads(*jax.tree.map(np.asarray, args)))
    assert check(loss, boxed, *problem(getkey())).ok


def test_what_refuses_float64_is_judged_as_far_as_it_goes(monkeypatch):
    def kernel(w, x):
        if w.dtype != "float32":
            raise TypeError("this kernel takes float32")
        return bent_grad(w, x)

    whole, streamed = both(monkeypatch, bent, kernel, *BENT)
    assert streamed.verdict == "undecided" and "this kernel takes float32" in " ".join(streamed.reasons)
    assert (streamed.precision, streamed.reasons) == (whole.precision, whole.reasons)
    assert {leaf.autodiff_ulps for leaf in (*streamed.leaves, *whole.leaves)} == {0.0}, "autodiff is the truth there"


def test_a_nan_in_the_callers_dtype_alone_is_found(getkey, monkeypatch):
    def quotient_grad(w, x, y):
        p = 1 / (1 + jnp.exp(-(x @ w)))
        return x.T @ ((p - y) / (p * (1 - p)) * (p * (1 - p))) / len(y)

    stable_loss = lambda w, x, y: jnp.mean(jax.nn.softplus(x @ w) - y * (x @ w))
    w, x, y = (np.asarray(values, np.float32) for values in ([20.0], [[1.0], [0.5]], [1.0, 0.0]))
    whole, streamed = both(monkeypatch, stable_loss, quotient_grad, w, x, y)  # p = 1 in float32 only
    assert streamed.verdict == whole.verdict == "wrong"
    assert [f.cause for f in streamed.findings] == ["nonfinite"]


@pytest.mark.parametrize("promotion", ("standard", "strict"))
def test_the_callers_dtype_is_that_of_the_callers_configuration(getkey, monkeypatch, promotion):
    with jax.enable_x64(False), jax.numpy_dtype_promotion(promotion):
        with_default = lambda *args: jax.tree.map(lambda g: g * jnp.ones(g.shape), grads(*args))
        whole, streamed = both(monkeypatch, loss, with_default, *problem(getkey(), "float32"))
    assert_alike(streamed, whole)


def test_power_can_still_be_asked_for(reports):
    _, whole, streamed = reports(None)
    assert streamed.power() == whole.power()


MESH = Mesh(np.asarray(jax.devices("cpu")[:8]).reshape(4, 2), ("rows", "columns"))
LAYOUTS = {"w1": P(None, "rows"), "b1": P("rows"), "w2": P("rows", "columns"), "b2": P("columns")}


def spread(problem, mesh=MESH):
    params, *batch = problem
    params = {path: jax.device_put(leaf, NamedSharding(mesh, LAYOUTS[path])) for path, leaf in params.items()}
    return params, *jax.device_put(batch, NamedSharding(mesh, P()))


@pytest.mark.parametrize("mistake", (None, "in every leaf another", "transposed"))
def test_parameters_spread_over_eight_devices_give_the_same_report(reports, streaming, mistake):
    args, _, expected = reports(mistake)
    assert_alike(check(loss, WRONG.get(mistake, grads), *spread(args)), expected)
