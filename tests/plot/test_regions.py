from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.contour import ContourSet

import jaxmlp
from jaxmlp import plot

from .helpers import labels, members, overlapping, texts


X, Y = jaxmlp.gate("xor")


def falls_at_half(points):
    """A probability that is 1/2 on the vertical line through 1/2."""
    return jnp.clip(points[:, :1], 0, 1)


def contours(ax) -> list[Any]:
    return [found for found in ax.get_children() if isinstance(found, ContourSet)]


def test_the_ground_is_the_probability_and_the_line_is_where_it_is_a_half():
    asked = []

    def predict(points):
        asked.append(points)
        return falls_at_half(points)

    ax = plot.decision_regions(predict, X, Y, resolution=21)
    (points,) = asked
    assert points.shape == (441, 2) and points.dtype == X.dtype
    assert points.min(axis=0).tolist() == [-0.25, -0.25] and points.max(axis=0).tolist() == [1.25, 1.25]
    ground, half = contours(ax)
    assert ground.filled and np.allclose(ground.levels, np.linspace(0, 1, 11))
    assert half.levels.tolist() == [0.5]
    np.testing.assert_allclose(np.concatenate([path.vertices for path in half.get_paths()])[:, 0], 0.5)
    assert (ax.get_xlim(), ax.get_ylim(), ax.get_aspect()) == ((-0.25, 1.25), (-0.25, 1.25), 1)


def test_the_classes_have_markers_of_their_own():
    ax = plot.decision_regions(falls_at_half, X, Y, resolution=5)
    assert labels(ax) == ["p = 1/2", "class 0", "class 1"]
    (zeros, circle), (ones, square) = members(ax, "class 0"), members(ax, "class 1")
    assert zeros == [[0, 0], [1, 1]] and ones == [[0, 1], [1, 0]]
    assert len(circle.vertices) > len(square.vertices)


@pytest.mark.parametrize("form", (lambda p: p, lambda p: p[:, 0], np.asarray, lambda p: p.astype(jnp.bfloat16)))
def test_one_probability_may_come_in_any_form(form):
    ax = plot.decision_regions(lambda points: form(falls_at_half(points)), X, Y[:, 0].astype(int), resolution=5)
    assert len(contours(ax)) == 2


@pytest.mark.parametrize("one_hot", (False, True))
def test_of_several_classes_the_largest_has_the_ground(one_hot):
    x = np.array([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [2.0, 1.0]])
    y = np.array([0, 1, 2, 2])
    logits = lambda points: -((points[:, :1] - np.arange(3)) ** 2)  # the nearest of 0, 1 and 2
    ax = plot.decision_regions(logits, x, np.eye(3)[y] if one_hot else y, resolution=41)
    ground, *borders = contours(ax)
    assert ground.filled and len(ground.levels) == 4 and len(borders) == 3
    first = np.concatenate([path.vertices for path in borders[0].get_paths()])
    np.testing.assert_allclose(first[:, 0], 0.5, atol=0.1)  # a step of the grid
    assert labels(ax) == ["class 0", "class 1", "class 2"]


def test_where_it_never_changes_its_mind_there_is_no_line():
    always = plot.decision_regions(lambda points: np.full(len(points), 0.9), X, Y, resolution=5)
    assert len(contours(always)) == 1


@pytest.mark.parametrize("size", ((4.2, 4.4), (3.4, 3.4)))
def test_nothing_overlaps(size):
    assert not overlapping(texts(plot.decision_regions(falls_at_half, X, Y, resolution=5), size))


@pytest.mark.parametrize(
    ("change", "error", "match"),
    (
        ({"predict": 1}, TypeError, "`predict` must be a function"),
        ({"predict": lambda points: points[0]}, ValueError, r"`predict` returned shape \(2,\) for points of shape"),
        ({"x": np.zeros((4, 1))}, ValueError, r"`x` has shape \(4, 1\), but must be \(n, 2\)"),
        ({"y": np.zeros((3, 1))}, ValueError, r"`y` has shape \(3, 1\), but `x` has 4 row"),
        ({"y": np.full((4, 1), 0.5)}, ValueError, "`y` must hold the classes 0, 1"),
        ({"y": np.full((4, 1), 20.0)}, ValueError, "`y` holds class 20, but there are markers for 10"),
        ({"margin": 0}, ValueError, "`margin` is 0"),
        ({"resolution": 1}, ValueError, "`resolution` is 1"),
    ),
)
def test_wrong_arguments_are_named(change, error, match):
    arguments = {"predict": falls_at_half, "x": X, "y": Y} | change
    with pytest.raises(error, match=match):
        plot.decision_regions(**arguments)
