"""What is known of what only the candidate has, its functions and its layouts: against closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp.verify._line._bench import Bench
from jaxmlp.verify._line._known import known
from jaxmlp.verify._line._own_activations import with_own_activations
from jaxmlp.verify._line._own_jacobians import with_own_jacobians
from jaxmlp.verify._line._own_layouts import with_own_layouts
from jaxmlp.verify._program._sites import sites
from jaxmlp.verify._program._source import Source
from jaxmlp.verify._program._trace import traced

from ...helpers import generator


def learnt(added, loss, grads, *points):
    """What is known of a loss once `added` has looked at the candidate, and what of it is new."""
    with jax.enable_x64(True):
        program, of_loss = traced(grads, *points[0]), traced(loss, *points[0])
        truth = [{"w": np.asarray(jax.grad(loss)(*point))} for point in points]
        bench = Bench(program, points, ["w"], truth)
        before = known(of_loss, of_loss.inputs[:1], points)
        after = added(bench.run, sites(bench.program, Source(grads), ["w"]), of_loss, before)
        return after, after.quantities[len(before.quantities) :]


def logistic(w, x, y):
    z = x @ w
    return jnp.sum(jnp.logaddexp(0.0, z) - y * z)


def probabilities(w, x, y):
    z = x @ w
    p = 1 / (1 + jnp.exp(-z))
    doubled = 2 * z + 1
    return x.T @ (p - y + 0 * doubled)


def softmax(z):
    e = jnp.exp(z - jnp.max(z, axis=-1, keepdims=True))
    return e / jnp.sum(e, axis=-1, keepdims=True)


def crossed(w, x, y):
    return -jnp.sum(y * jax.nn.log_softmax(x @ w))


def through_softmax(w, x, y):
    z = x @ w
    p = softmax(z)
    dp = -3 * y / p
    wrong = -y * p
    dz = p - y
    return x.T @ (dz + 0 * dp + 0 * wrong) if x.ndim > 1 else jnp.outer(x, dz + 0 * dp + 0 * wrong)


@pytest.fixture
def random(getkey):
    return generator(getkey())


def test_the_slope_of_an_own_activation_and_the_cotangent_at_it(random):
    x, y = random.normal(size=(5, 3)), random.integers(0, 2, size=(5, 2)) * 1.0
    points = [(random.normal(size=(3, 2)), x, y) for _ in range(2)]
    after, new = learnt(with_own_activations, logistic, probabilities, *points)
    p = 1 / (1 + np.exp(-x @ points[0][0]))
    [(pair, slope)] = [(pair, s) for pair, s in after.slopes.items() if pair[0] not in after.values]
    assert pair[0] > max(traced(logistic, *points[0]).shapes)
    np.testing.assert_allclose(slope.values[0], p * (1 - p), rtol=1e-12)
    np.testing.assert_allclose(after.cotangents[pair[0]].values[0], (p - y) / (p * (1 - p)), rtol=1e-12)
    assert {quantity.kind for quantity in new} == {"slope", "cotangent"}


def test_the_jacobian_of_an_own_softmax_and_the_cotangent_that_leads_to_that_of_the_logits(random):
    x, y = random.normal(size=5), np.array([0.0, 1.0, 0.0])
    points = [(random.normal(size=(5, 3)), x, y) for _ in range(2)]
    _, new = learnt(with_own_jacobians, crossed, through_softmax, *points)
    p = np.asarray(softmax(x @ points[0][0]))
    [slope] = [quantity for quantity in new if quantity.kind == "slope"]
    np.testing.assert_allclose(slope.values[0], np.diag(p) - np.outer(p, p), atol=1e-12)
    [cotangent] = [quantity for quantity in new if quantity.kind == "cotangent"]
    np.testing.assert_allclose(cotangent.values[0], -y / p, rtol=1e-12)


def test_of_a_batch_there_is_no_jacobian(random):
    x, y = random.normal(size=(4, 5)), np.eye(3)[[0, 2, 1, 1]]
    points = [(random.normal(size=(5, 3)), x, y) for _ in range(2)]
    _, new = learnt(with_own_jacobians, crossed, through_softmax, *points)
    [cotangent] = new
    assert cotangent.kind == "cotangent"
    np.testing.assert_allclose(cotangent.values[1], -y / np.asarray(softmax(x @ points[1][0])), rtol=1e-12)


def of_images(w, x):
    y = jnp.tanh(x * w)
    return jnp.sum(y**2)


def in_rows_of_pixels(w, x):
    y = jnp.tanh(x * w)
    rows = y.transpose(1, 2, 0).reshape(-1, 2)
    d = 2 * rows
    slope = 1 - rows**2
    back = (d * slope).reshape(3, 4, 2).transpose(2, 0, 1)
    return jnp.sum(back * x) * jnp.ones(())


def test_what_is_known_is_known_in_the_layout_of_the_candidate(random):
    points = [(random.normal(size=()), random.normal(size=(2, 3, 4))) for _ in range(2)]
    after, new = learnt(with_own_layouts, of_images, in_rows_of_pixels, *points)
    rows = np.tanh(points[1][0] * points[1][1]).transpose(1, 2, 0).reshape(-1, 2)
    [value] = [q for q in new if q.kind == "value" and np.allclose(q.values[1], rows, rtol=1e-12)]
    assert value.variable is not None and after.values[value.variable] is value
    np.testing.assert_allclose(after.cotangents[value.variable].values[1], 2 * rows, rtol=1e-12)
    slopes = [slope for (out, _), slope in after.slopes.items() if out == value.variable]
    assert any(np.allclose(slope.values[1], 1 - rows**2, rtol=1e-12) for slope in slopes)
    assert after.in_the_loss(value.variable) in traced(of_images, *points[0]).shapes
    assert len({quantity.values[0].shape for quantity in new}) == 1  # a layout is looked at once
