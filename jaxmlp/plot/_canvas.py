"""What all pictures share: axes that can be read on white, on black and in grey."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.transforms import ScaledTranslation

from .._arguments import check_count
from ._words import in_a_font_that_has_it, with_hangul


INK = "#797979"
"""As far from white as from the #111 of a dark page, 4.3 : 1 in contrast; no grey does better on both."""

CARD = "#f4f4f4"
"""What carries text that stands over something else; on it, `DARK` is the value and `RED` the gradient."""
DARK, RED = "#1a1a1a", "#a83c00"

CURVES = (("#0072B2", "-"), ("#D55E00", "--"), ("#009E73", "-."), ("#CC79A7", ":"))
"""Colours and line styles: those of Okabe and Ito's that have 3 : 1 in contrast on white and on #111."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p", "<", ">")
"""One a class."""

MAP = "cividis"
"""From dark to light in even steps, and nearly alike to every kind of colour vision."""


def panels(rows: int = 1, columns: int = 1, *, size: tuple[float, float] | None = None) -> np.ndarray:
    """A new figure with axes in `rows` and `columns`, to hand to the other functions.

    Args:
      rows: how many axes one above the other.
      columns: how many side by side.
      size: width and height of the figure in inches; by default what leaves each panel 3 by 2.6 inches.

    Returns:
      The axes, a NumPy array of shape `(rows, columns)`.

    Raises:
      TypeError: `rows` or `columns` is not an integer.
      ValueError: one of them is below 1.

    Example:
      >>> import jax
      >>> import jaxmlp
      >>> import optax
      >>> x, y = jaxmlp.gate("or")
      >>> start = jaxmlp.init_params(jax.random.key(0), (2, 1))
      >>> options = dict(loss_and_grads=jaxmlp.loss_and_grads, optimizer=optax.sgd(1.0), steps=200)
      >>> state, losses = jaxmlp.fit(start, (x, y), **options)
      >>> left, right = jaxmlp.plot.panels(1, 2, size=(7, 3.4))[0]
      >>> left = jaxmlp.plot.loss_curve(losses, ax=left)
      >>> right = jaxmlp.plot.decision_regions(lambda x: jaxmlp.predict(state.params, x), x, y, ax=right)
      >>> right.figure.savefig("training.svg")
    """
    check_count("rows", rows, least=1)
    check_count("columns", columns, least=1)
    from matplotlib import pyplot  # here, for it chooses how to show figures, which one on given axes does not need

    figure = pyplot.figure(figsize=size or (3 * columns, 2.6 * rows), layout="constrained", facecolor="none")
    axes = figure.subplots(rows, columns, squeeze=False)
    for ax in axes.flat:
        _in_ink(ax)
        for text in (ax.title, ax.xaxis.label, ax.yaxis.label):  # which may be given words of any language
            with_hangul(text)
    return axes


def axes_of(ax: Any, size: tuple[float, float]) -> Axes:
    """`ax`, or new axes of `size` inches."""
    if ax is None:
        return panels(size=size)[0, 0]
    if not isinstance(ax, Axes):
        raise TypeError(f"`ax` must be matplotlib axes, got a {type(ax).__name__}: pass what plt.subplots() returns.")
    return ax


def ink(ax: Axes) -> Any:
    """The colour of the axes' own text: `INK`, or what the owner of given axes chose."""
    return ax.xaxis.label.get_color()


def legend(ax: Axes, **place: Any) -> None:
    """A legend without a frame; below the axes and their label unless `place` says where."""
    if not place:
        longest = max(map(len, ax.get_legend_handles_labels()[1]))
        figure = ax.get_figure(root=True)
        assert figure is not None  # only axes that were removed have none
        below = ax.transAxes + ScaledTranslation(0, -36 / 72, figure.dpi_scale_trans)
        place = {"loc": "upper center", "bbox_to_anchor": (0.5, 0), "bbox_transform": below}
        place |= {"ncols": 3 if longest <= 12 else 2 if longest <= 24 else 1, "columnspacing": 1.2}
    ax.legend(frameon=False, labelcolor=ink(ax), fontsize=9, handlelength=2.6, **place)
    in_a_font_that_has_it(ax)


def color_bar(mappable: Any, axes: Any, label: str, **options: Any) -> Any:
    """The scale of the colours of `mappable`, beside `axes`."""
    first = np.ravel(axes)[0]
    bar = first.figure.colorbar(mappable, ax=axes, **options)
    bar.ax.tick_params(colors=ink(first), labelsize=9, which="both")
    bar.outline.set_edgecolor(ink(first))
    bar.set_label(label, color=ink(first))
    in_a_font_that_has_it(bar.ax)
    return bar


def _in_ink(ax: Axes) -> None:
    ax.set_facecolor("none")
    ax.tick_params(colors=INK, labelsize=9, which="both")
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["bottom", "left"]].set_color(INK)
    for text in (ax.title, ax.xaxis.label, ax.yaxis.label):
        text.set(color=INK, fontsize=10)
