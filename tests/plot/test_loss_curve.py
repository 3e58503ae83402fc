from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.colors import to_hex

from jaxmlp import plot
from jaxmlp.plot._canvas import CURVES

from .helpers import labels, line, overlapping, texts


FALLING = np.geomspace(1, 1e-3, 50)


def test_a_curve_on_a_logarithmic_axis():
    ax = plot.loss_curve(jnp.asarray(FALLING), label="sgd")
    np.testing.assert_array_equal(line(ax, "sgd"), np.stack([np.arange(50), FALLING], axis=1))
    assert (ax.get_yscale(), ax.get_xlabel(), ax.get_ylabel(), labels(ax)) == ("log", "step", "loss", ["sgd"])


def test_without_a_label_there_is_no_legend():
    assert plot.loss_curve(jnp.asarray(FALLING, jnp.bfloat16)).get_legend() is None


def test_each_curve_has_a_colour_and_a_line_style_of_its_own():
    ax = plot.loss_curve({"one": FALLING, "two": 2 * FALLING})
    plot.loss_curve(3 * FALLING, ax=ax, label="three")
    assert [(to_hex(one.get_color()), one.get_linestyle()) for one in ax.lines] == [
        (color.lower(), style) for color, style in CURVES[:3]
    ]
    assert labels(ax) == ["one", "two", "three"]


def test_printed_values_are_dots():
    ax = plot.loss_curve(FALLING, marks={0: 1.0, 49: 1e-3})
    (dots,) = [one for one in ax.lines if one.get_marker() == "o"]
    np.testing.assert_array_equal(dots.get_xydata(), [[0, 1], [49, 1e-3]])
    assert dots.get_linestyle() == "None" and dots.get_color() == CURVES[0][0] and labels(ax) == ["printed"]


def test_dots_of_several_curves_are_in_their_colours_or_in_none():
    curves = {"one": FALLING, "two": 2 * FALLING}
    of_each = plot.loss_curve(curves, marks={"two": {0: 2.0}, "one": {0: 1.0}})
    assert [dots.get_color() for dots in of_each.lines if dots.get_marker() == "o"] == [CURVES[0][0], CURVES[1][0]]
    assert labels(of_each) == ["one", "two", "printed"]
    of_none = plot.loss_curve(curves, marks={0: 1.0})
    (dots,) = [dots for dots in of_none.lines if dots.get_marker() == "o"]
    assert dots.get_color() not in [color for color, _ in CURVES]


def test_a_label_may_be_any_key():
    ax = plot.loss_curve({0.1: FALLING, 1.0: 2 * FALLING}, marks={1.0: {0: 2.0}})
    assert labels(ax) == ["0.1", "1.0", "printed"]
    assert [dots.get_color() for dots in ax.lines if dots.get_marker() == "o"] == [CURVES[1][0]]


@pytest.mark.parametrize(
    ("losses", "scale"),
    (([2.0, 1.0], "log"), ([2.0, 0.0], "log"), ([2.0, -1.0], "linear"), ([0.0, 0.0], "linear")),
)
def test_the_axis_is_linear_only_where_it_must_be(losses, scale):
    assert plot.loss_curve(np.array(losses)).get_yscale() == scale


@pytest.mark.parametrize("bad", (np.nan, np.inf))
def test_where_the_loss_ends_there_is_a_cross(bad):
    ax = plot.loss_curve(np.array([1.0, 2.0, 4.0, bad, bad]), label="climbs")
    assert labels(ax) == ["climbs", "not finite at step 3"]
    np.testing.assert_array_equal(line(ax, "not finite at step 3"), [[2, 4]])
    assert np.isfinite(line(ax, "climbs")[:, 1]).tolist() == [True, True, True, False, False]


def test_an_ensemble_is_a_median_a_band_and_thin_lines():
    losses = np.outer(np.arange(1.0, 12.0), FALLING)  # the members are 1 to 11 times one curve
    losses[10, 20:] = np.nan  # the worst is lost on the way, and stays the worst
    ax = plot.loss_curve(losses, label="net")
    assert labels(ax) == ["net: median of 11", "net: 10 % to 90 %"]
    np.testing.assert_allclose(line(ax, "net: median of 11")[:, 1], 6 * FALLING)
    (band,) = ax.collections
    edge: Any = band.get_paths()[0].vertices
    at_start = edge[edge[:, 0] == 0, 1]
    assert {at_start.min(), at_start.max()} == {2, 10}
    assert len(ax.lines) == 12


def test_a_large_ensemble_is_thinned():
    ax = plot.loss_curve(np.ones((100, 5000)))
    assert len(ax.lines) == 31 and len(line(ax, "median of 100")) == 1000
    assert line(ax, "median of 100")[-1, 0] == 4999


@pytest.mark.parametrize("size", ((6, 3.6), (3.4, 2.4)))
def test_nothing_overlaps(size):
    ax = plot.loss_curve({"2-2-1": FALLING, "2-10-10-10-1": FALLING**2}, marks={10: FALLING[10]})
    assert not overlapping(texts(ax, size))


@pytest.mark.parametrize(
    ("arguments", "options", "error", "match"),
    (
        (("none",), {}, TypeError, "`losses` must be an array of losses, got a str"),
        ((np.ones((2, 3, 4)),), {}, ValueError, r"`losses` has shape \(2, 3, 4\)"),
        ((np.ones(0),), {}, ValueError, r"`losses` has shape \(0,\)"),
        (({},), {}, ValueError, "`losses` is an empty mapping"),
        (({"a": np.ones(())},), {}, ValueError, r"`losses\['a'\]` has shape \(\)"),
        (({"a": FALLING},), {"label": "b"}, ValueError, "`label` is 'b', but `losses` is a mapping"),
        ((FALLING,), {"marks": [1.0]}, TypeError, "`marks` must be a mapping of steps to losses, got a list"),
        (({"a": FALLING},), {"marks": {"a": {0: 1.0}, 1: 0.5}}, TypeError, r"`marks\[1\]` must be a mapping"),
        (({"a": FALLING},), {"marks": {"b": {0: 1.0}}}, ValueError, "`marks` names 'b', but the curves are 'a'"),
    ),
)
def test_wrong_arguments_are_named(arguments, options, error, match):
    with pytest.raises(error, match=match):
        plot.loss_curve(*arguments, **options)
