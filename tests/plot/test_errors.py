from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.collections import QuadMesh
from matplotlib.colors import to_hex

from jaxmlp import check, GradientReport, LeafCheck, plot
from jaxmlp.verify._report._heat import BANDS, NONFINITE

from .helpers import overlapping, rendered, texts


ERRORS = np.array([[0.0, 1e-6, 0.5], [np.nan, 2.0, 1e-2]])
W = LeafCheck("w", "wrong", 0.5, 1e-7, (2, 3), "float32", difference=ERRORS)
B = LeafCheck("b", "right", 1e-9, 1e-7, (3,), "float32")
LOST = LeafCheck("v", "wrong", np.inf, 1e-7, (4, 3), "float32")
REPORT = GradientReport("hand_grads", "wrong", (W, B, LOST))


def mesh(ax) -> QuadMesh:
    (found,) = [one for one in ax.collections if isinstance(one, QuadMesh)]
    return found


def test_every_entry_has_the_colour_of_its_band():
    axes = plot.gradient_errors(REPORT)
    assert axes.shape == (3,)
    rendered(axes[0])
    faces: Any = mesh(axes[0]).get_facecolor()
    colors = [to_hex(color) for color in faces]
    band = lambda error: next(color for bound, color in BANDS if error <= bound)
    assert colors == [NONFINITE if np.isnan(error) else band(error) for error in ERRORS.ravel()]
    (cross,) = axes[0].lines
    assert cross.get_xydata().tolist() == [[0.5, 1.5]]
    assert axes[0].get_title() == "w (2, 3)\nerror 5.0e-01"
    assert axes[0].get_ylim() == (2, 0), "the first row is on top, as it is printed"


def test_the_ticks_are_the_first_and_the_last_index():
    folded = LeafCheck("w", "wrong", 0.5, 1e-7, (500, 300), "float32", difference=np.ones((48, 48)))
    (ax,) = plot.gradient_errors(GradientReport("g", "wrong", (folded,)))
    assert [text.get_text() for text in ax.get_xticklabels()] == ["0", "299"]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["0", "499"]
    vector = LeafCheck("b", "wrong", 0.5, 1e-7, (1,), "float32", difference=np.ones((1, 1)))
    (ax,) = plot.gradient_errors(GradientReport("g", "wrong", (vector,)))
    assert [text.get_text() for text in ax.get_xticklabels()] == ["0"] and not len(ax.get_yticks())


def test_a_leaf_without_a_map_says_why():
    _, right, lost = plot.gradient_errors(REPORT)
    assert right.get_title() == "b (3,)\nright" and not right.collections and not right.patch.get_hatch()
    assert lost.get_title() == "v (4, 3)\nwrong" and not lost.collections and lost.patch.get_hatch() == "//"


def test_the_scale_names_the_bands():
    axes = plot.gradient_errors(REPORT)
    figure: Any = axes[0].figure
    (scale,) = set(figure.axes) - set(axes)
    rendered(scale)
    assert [text.get_text() for text in scale.get_yticklabels()] == ["1e-07", "1e-05", "1e-03", "1e-01", "1"]


def test_given_axes_are_drawn_on_and_those_left_over_are_taken_away():
    figure, grid = pyplot.subplots(2, 2)
    axes = plot.gradient_errors(REPORT, axes=grid)
    assert list(axes) == list(grid.flat)[:3] and not grid[1, 1].axison
    assert axes[0].figure is figure


def test_a_report_of_check_is_drawn():
    loss = lambda params, x: jnp.sum((x @ params["w"] + params["b"][None]) ** 2)

    def grads(params, x):
        dz = 2 * (x @ params["w"] + params["b"][None])
        return {"w": x.T @ dz, "b": dz.sum(axis=0).at[1].multiply(2)}

    params = {"w": jnp.arange(6.0).reshape(2, 3), "b": jnp.ones(3)}
    b, w = plot.gradient_errors(check(loss, grads, params, jnp.array([[1.0, 2.0], [0.5, -1.0]])))
    assert w.get_title() == "w (2, 3)\nright"
    values: Any = mesh(b).get_array()
    assert np.flatnonzero(values.ravel() > 1).tolist() == [1]


def test_nothing_overlaps():
    assert not overlapping(texts(plot.gradient_errors(REPORT)[0]))


@pytest.mark.parametrize(
    ("report", "axes", "error", "match"),
    (
        ("wrong", None, TypeError, "`report` must be a GradientReport, got a str"),
        (GradientReport("g", "undecided", ()), None, ValueError, "`report` has no leaves"),
        (REPORT, ["no axes"] * 3, ValueError, "`axes` must be an array of 3 matplotlib axes"),
        (REPORT, [], ValueError, "one a leaf of the report; got 0"),
    ),
)
def test_wrong_arguments_are_named(report, axes, error, match):
    with pytest.raises(error, match=match):
        plot.gradient_errors(report, axes=axes)
