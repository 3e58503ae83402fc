import jax.numpy as jnp
import numpy as np
import pytest

import jaxmlp
from jaxmlp import plot

from ..helpers import as_jax
from .helpers import labels, line, overlapping, texts


X, Y = jaxmlp.gate("or", dtype="float64")
OR = jaxmlp.Dense(as_jax([[1.0], [1.0]], float), as_jax([-0.5], float))


def arrow(ax) -> tuple[np.ndarray, np.ndarray]:
    """From where to where the only arrow points."""
    (found,) = ax.texts
    return np.array(found.xyann), np.array(found.xy)


def test_the_line_is_where_the_unit_is_zero_and_the_arrow_points_where_it_fires():
    ax = plot.lines_of_units(OR, X, Y)
    ends = line(ax, "unit 1")
    np.testing.assert_allclose(ends.sum(axis=1), 0.5)
    assert sorted(ends[:, 0].tolist()) == [-0.5, 1.0], "from edge to edge"
    tail, tip = arrow(ax)
    np.testing.assert_allclose(tail.sum(), 0.5)
    assert tip.sum() > 0.5
    assert labels(ax) == ["class 0", "class 1", "unit 1"]


@pytest.mark.parametrize("w", ((2.0, 0.0), (0.0, -3.0), (-1.0, 0.5)))
def test_lines_of_every_slope(w):
    ax = plot.lines_of_units(jaxmlp.Dense(jnp.array(w)[:, None], jnp.array([0.5])), X, Y)
    np.testing.assert_allclose(line(ax, "unit 1") @ np.array(w) + 0.5, 0, atol=1e-12)
    tail, tip = arrow(ax)
    assert (tip - tail) @ np.array(w) > 0


def test_a_network_shows_its_first_layer():
    params = (
        jaxmlp.Dense(jnp.array([[1.0, -1.0, 0.0, 1.0], [1.0, -1.0, 0.0, 1.0]]), jnp.array([-0.5, 1.5, 1.0, 9.0])),
    )
    params += (jaxmlp.Dense(jnp.ones((4, 1)), jnp.zeros(1)),)
    ax = plot.lines_of_units(params, X, labels=["OR", "NAND", "none", "far"])
    assert labels(ax) == ["class 0", "OR", "NAND", "none (w = 0, no line)", "far (line out of sight)"]
    np.testing.assert_allclose(line(ax, "NAND").sum(axis=1), 1.5)
    styles = [one.get_linestyle() for one in ax.lines]
    assert len(set(styles)) == 4


def test_a_unit_without_a_bias_goes_through_the_origin():
    ax = plot.lines_of_units(jaxmlp.Dense(jnp.array([[1.0], [-1.0]]), None), X, Y)
    np.testing.assert_allclose(line(ax, "unit 1")[:, 0], line(ax, "unit 1")[:, 1])


def test_without_a_legend_nothing_is_named():
    assert plot.lines_of_units(OR, X, Y, show_legend=False).get_legend() is None


@pytest.mark.parametrize("size", ((4.2, 4.5), (3.4, 3.6)))
def test_nothing_overlaps(size):
    assert not overlapping(texts(plot.lines_of_units(OR, X, Y), size))


@pytest.mark.parametrize(
    ("arguments", "options", "error", "match"),
    (
        (([OR], X, Y), {}, TypeError, "`params` must be a tuple of Dense"),
        (
            (jaxmlp.Dense(as_jax(np.ones((3, 1)), float), None), X, Y),
            {},
            ValueError,
            r"`params\[0\].w` has shape \(3, 1\), but lines",
        ),
        ((jaxmlp.Dense(as_jax(np.ones((2, 13)), float), None), X, Y), {}, ValueError, "at most 12 units"),
        ((OR, np.zeros(2), Y), {}, ValueError, r"`x` has shape \(2,\)"),
        ((OR, X, Y), {"labels": ["a", "b"]}, ValueError, r"`labels` has 2 name\(s\), but the first layer has 1"),
        ((OR, X, Y), {"margin": -1}, ValueError, "`margin` is -1"),
    ),
)
def test_wrong_arguments_are_named(arguments, options, error, match):
    with pytest.raises(error, match=match):
        plot.lines_of_units(*arguments, **options)
