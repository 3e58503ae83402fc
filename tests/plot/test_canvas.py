import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.colors import to_hex

from jaxmlp import plot
from jaxmlp.plot import _canvas

from .helpers import contrast, overlapping, texts


# matplotlib is barred from the process: whatever imports it fails.
WITHOUT_MATPLOTLIB = """
import sys
sys.modules["matplotlib"] = None
import jaxmlp
try:
    jaxmlp.plot
except ImportError as error:
    print(error)
try:
    from jaxmlp import plot
except ImportError as error:
    print(error)
"""


def test_without_matplotlib_all_but_the_pictures_is_there():
    done = subprocess.run([sys.executable, "-c", WITHOUT_MATPLOTLIB], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["jaxmlp.plot needs matplotlib: pip install 'jaxmlp[plot]'."] * 2


def test_ink_and_curves_stand_out_from_white_and_from_black():
    for page in ("white", "#111111"):
        assert contrast(_canvas.INK, page) >= 4.3
        assert all(contrast(color, page) >= 3 for color, _ in _canvas.CURVES)
    assert all(contrast(color, _canvas.CARD) >= 4.5 for color in (_canvas.DARK, _canvas.RED))
    assert contrast("white", "black") == pytest.approx(21)


def test_curves_differ_without_colour():
    assert len({style for _, style in _canvas.CURVES}) == len(_canvas.CURVES)
    assert len(set(_canvas.MARKERS)) == len(_canvas.MARKERS)


def test_the_map_grows_lighter_throughout():
    colors = matplotlib.colormaps[_canvas.MAP](np.linspace(0, 1, 64))
    lightness = [contrast(color, "black") for color in colors]
    assert np.all(np.diff(lightness) > 0)


def test_panels_are_transparent_and_in_ink():
    axes = plot.panels(2, 3)
    assert axes.shape == (2, 3)
    figure = axes[0, 0].figure
    assert figure.get_facecolor()[3] == axes[1, 2].get_facecolor()[3] == 0
    assert tuple(figure.get_size_inches()) == (9, 5.2)
    axes[0, 0].set(title="a title", xlabel="x")
    assert {axes[0, 0].title.get_color(), axes[0, 0].xaxis.label.get_color()} == {_canvas.INK}
    assert not overlapping(texts(axes[0, 0]))


def test_given_axes_keep_their_look():
    _, ax = pyplot.subplots()
    before = ax.get_facecolor(), ax.xaxis.label.get_color(), pyplot.get_fignums()
    plot.loss_curve(np.array([1.0, 0.5]), ax=ax, label="one")
    assert (ax.get_facecolor(), ax.xaxis.label.get_color(), pyplot.get_fignums()) == before
    legend = ax.get_legend()
    assert legend is not None and to_hex(legend.get_texts()[0].get_color()) == to_hex(ax.xaxis.label.get_color())


def test_wrong_panels_and_axes_are_refused():
    with pytest.raises(ValueError, match="`rows` is 0"):
        plot.panels(0)
    with pytest.raises(TypeError, match="`columns` must be a Python integer"):
        plot.panels(1, 2.0)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="`ax` must be matplotlib axes, got a ndarray"):
        plot.loss_curve(np.ones(3), ax=plot.panels(1, 2))  # pyright: ignore[reportArgumentType]
