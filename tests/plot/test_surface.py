from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.colors import LogNorm
from matplotlib.contour import ContourSet

from jaxmlp import plot
from jaxmlp.plot import _plane, _surface

from .helpers import labels, line, overlapping, texts


PARAMS = {"b": np.array([3.0, 4.0]), "w": np.array([[1.0, 0.0], [2.0, 2.0]])}
ZERO = jax.tree.map(np.zeros_like, PARAMS)
ALONG_B = {**ZERO, "b": np.array([1.0, 0.0])}
ALONG_W = {**ZERO, "w": np.array([[0.0, 0.0], [2.0, 0.0]])}
PLANE = (ALONG_B, ALONG_W)


def loss(params):
    """1 + (b_0 - 3)² + 10 (w_10 - 2)²."""
    return 1 + (params["b"][0] - 3) ** 2 + 10 * (params["w"][1, 0] - 2) ** 2


def at(a, b):
    """A point of the plane."""
    return jax.tree.map(lambda leaf, one, other: leaf + a * one + b * other, PARAMS, *PLANE)


def filled(ax) -> Any:
    (found,) = [one for one in ax.get_children() if isinstance(one, ContourSet) and one.filled]
    return found


def test_the_contours_are_those_of_the_loss_over_the_plane():
    ax = plot.loss_surface(loss, PARAMS, PLANE, span=2, resolution=5)
    assert (ax.get_xlim(), ax.get_ylim()) == ((-2, 2), (-2, 2))
    ground = filled(ax)
    assert isinstance(ground.norm, LogNorm)
    np.testing.assert_allclose(ground.levels, np.geomspace(1, 1 + 4 + 40 * 4, 16))
    assert line(ax, "params").tolist() == [[0, 0]] and labels(ax) == ["params"]


def test_the_values_stand_where_they_belong():
    side = np.array([-1.0, 0.0, 2.0])
    values = _surface._values(loss, PARAMS, PLANE, [side, side])
    np.testing.assert_allclose(values, 1 + side[None, :] ** 2 + 40 * side[:, None] ** 2)


def test_a_loss_that_is_not_positive_has_an_even_scale_and_what_is_not_finite_is_left_out():
    ax = plot.loss_surface(lambda p: loss(p) - 2, PARAMS, PLANE, resolution=5)
    assert not isinstance(filled(ax).norm, LogNorm)
    ax = plot.loss_surface(lambda p: jnp.where(p["b"][0] > 3, jnp.nan, loss(p)), PARAMS, PLANE, resolution=5)
    assert filled(ax).levels[-1] == pytest.approx(42)
    ax = plot.loss_surface(lambda p: 0 * loss(p) + 5, PARAMS, PLANE, resolution=5)
    assert filled(ax).levels[0] == 2.5


def test_random_directions_have_the_norms_of_the_parameters(getkey):
    params = {"b": PARAMS["b"], "zero": jnp.zeros(2), "kernel": jnp.arange(24.0).reshape(2, 3, 4)}
    direction = _plane.direction_like(getkey(), params)
    norm = lambda leaf, axis: np.sqrt(np.sum(np.square(leaf), axis=axis))
    for name, axis in (("b", None), ("zero", None), ("kernel", (0, 1))):
        np.testing.assert_allclose(norm(direction[name], axis), norm(params[name], axis), rtol=1e-12)


def test_random_directions_are_those_of_the_key():
    one, same, other = (
        filled(plot.loss_surface(loss, PARAMS, key=jax.random.key(seed), resolution=5)).levels for seed in (0, 0, 1)
    )
    assert one.tolist() == same.tolist() != other.tolist()
    assert filled(plot.loss_surface(loss, PARAMS, resolution=5)).levels.tolist() == one.tolist()


@pytest.mark.parametrize("as_list", (False, True))
def test_a_path_is_projected_on_the_plane(as_list):
    steps = np.array([[2.0, 1.0], [1.0, 0.5], [0.0, 0.0]])
    path: Any = [at(a, b) for a, b in steps]
    path[0]["b"] = path[0]["b"] + np.array([0.0, 7.0])  # out of the plane
    if not as_list:
        path = jax.tree.map(lambda *leaves: jnp.stack(leaves), *path)
    ax = plot.loss_surface(loss, PARAMS, PLANE, path=path, resolution=5)
    drawn: Any = ax.lines[0].get_xydata()
    np.testing.assert_allclose(drawn, steps, atol=1e-12)
    np.testing.assert_allclose(line(ax, "start"), steps[:1], atol=1e-12)
    np.testing.assert_allclose(line(ax, "end"), steps[-1:], atol=1e-12)
    low, high = zip(ax.get_xlim(), ax.get_ylim(), strict=True)
    assert np.all(np.array(low) < steps.min(axis=0)) and np.all(np.array(high) > steps.max(axis=0))


def test_without_directions_a_path_has_its_own():
    away = [(3.0, 0.0), (2.0, 1.0), (1.0, 0.5), (0.0, 0.0)]
    ax = plot.loss_surface(loss, PARAMS, path=[at(a, b) for a, b in away], resolution=5)
    drawn: Any = ax.lines[0].get_xydata()
    distance = [np.hypot(a, 2 * b) for a, b in away]  # the direction along w is 2 long
    np.testing.assert_allclose(np.hypot(*drawn.T), distance, atol=1e-12)
    shares = [int(text.split(": ")[1].split("%")[0]) for text in (ax.get_xlabel(), ax.get_ylabel())]
    assert shares[0] > shares[1] and sum(shares) == 100


@pytest.mark.parametrize("size", ((5.6, 4.4), (3.4, 2.8)))
def test_nothing_overlaps(size):
    assert not overlapping(texts(plot.loss_surface(loss, PARAMS, PLANE, resolution=5), size))


@pytest.mark.parametrize(
    ("change", "error", "match"),
    (
        ({"loss": 1.0}, TypeError, "`loss` must be a function of the parameters, got a float"),
        ({"loss": lambda p: p["b"]}, ValueError, r"`loss` returned shape \(2,\), but must return a scalar"),
        ({"loss": lambda p: jnp.nan * loss(p)}, ValueError, "`loss` is nowhere finite"),
        ({"directions": ALONG_B}, TypeError, "`directions` must be a pair"),
        ({"directions": (ALONG_B, ALONG_B["b"])}, ValueError, r"`directions\[1\]` is not a tree like `params`"),
        ({"directions": (ALONG_B, {**ZERO, "b": np.ones(3)})}, ValueError, r"`directions\[1\]` has b of shape \(3,\)"),
        ({"directions": (ALONG_B, ALONG_B), "path": [PARAMS]}, ValueError, "`directions` are parallel"),
        ({"path": []}, ValueError, "`path` is empty"),
        ({"path": PARAMS}, ValueError, r"`path` has b of shape \(2,\), but must have a leading axis of steps"),
        ({"path": [PARAMS, PARAMS], "directions": None}, ValueError, "`path` lies on a line"),
        ({"path": {"b": np.ones((3, 2)), "w": np.ones((4, 2, 2))}}, ValueError, "`path` has leaves of different len"),
        ({"directions": None, "key": 0}, TypeError, "`key` must be a random key"),
        ({"span": 0}, ValueError, "`span` is 0"),
        ({"resolution": 1}, ValueError, "`resolution` is 1"),
    ),
)
def test_wrong_arguments_are_named(change, error, match):
    arguments = {"loss": loss, "params": PARAMS, "directions": PLANE, "resolution": 5} | change
    with pytest.raises(error, match=match):
        plot.loss_surface(**arguments)
