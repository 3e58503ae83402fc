"""Where in each leaf of a gradient the error sits."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, ListedColormap

from ..verify import GradientReport, LeafCheck
from ..verify._report._heat import BANDS, NONFINITE
from ._canvas import color_bar, INK, ink, panels
from ._words import in_a_font_that_has_it, Language, words


_COLORS = ListedColormap([color for _, color in BANDS]).with_extremes(bad=NONFINITE)
_NORM = BoundaryNorm([0, *range(1, len(BANDS)), len(BANDS)], len(BANDS))
_COLUMNS = 4
_LARGE = 16  # cells: a map with a longer side has neither lines between its cells nor crosses


def gradient_errors(report: GradientReport, *, axes: Any = None, lang: Language = "en") -> np.ndarray:
    """The error of every entry of every wrong leaf, `|actual - expected| / max|expected|`, as a map a leaf.

    What the report shows as HTML: a vector is one row, of more than two axes all but the last are folded into the
    rows, and of a leaf larger than 48 x 48 the largest error of each block is seen. An entry that is NaN or infinitely
    wrong is blue, with a cross. A leaf that is right has an empty frame, and one whose entries cannot be compared, as
    those of another shape, a hatched one.

    Args:
      report: what `check` returned.
      axes: an array of as many axes as the report has leaves, or more, which are drawn on in its order.
      lang: of the words in the picture, `"en"` or `"ko"`, where a font with Korean letters is installed.

    Returns:
      The axes of the leaves, a NumPy array of shape `(leaves,)`.

    Raises:
      TypeError: `report` is not a `GradientReport`.
      ValueError: the report has no leaves, there are too few axes, or there is no such language.

    Example:
      >>> import jax
      >>> import jaxmlp
      >>> params = jaxmlp.init_params(jax.random.key(0), (2, 3, 1))
      >>> def wrong(params, x, y):
      ...     hidden, output = jaxmlp.loss_and_grads(params, x, y)[1]
      ...     return hidden._replace(w=hidden.w.at[:, 1].mul(2)), output
      >>> report = jaxmlp.check(jaxmlp.loss_value, wrong, params, *jaxmlp.gate("xor"))
      >>> axes = jaxmlp.plot.gradient_errors(report)  # a column of the first weights stands out
    """
    if not isinstance(report, GradientReport):
        raise TypeError(f"`report` must be a GradientReport, got a {type(report).__name__}: pass what check returns.")
    say = words(lang)
    count = len(report.leaves)
    if not count:
        raise ValueError("`report` has no leaves: there is nothing to draw.")
    if axes is None:
        columns = min(count, _COLUMNS)
        rows = -(-count // columns)
        axes = panels(rows, columns, size=(1.9 * columns + 1, 2 * rows))
    found = np.ravel(np.array(axes, object))
    if len(found) < count or not all(isinstance(ax, Axes) for ax in found):
        raise ValueError(
            f"`axes` must be an array of {count} matplotlib axes, one a leaf of the report; got {len(found)}."
        )
    for ax in found[count:]:
        ax.set_axis_off()
    found = found[:count]
    for ax, leaf in zip(found, report.leaves, strict=True):
        _map(ax, leaf, say)
        in_a_font_that_has_it(ax)
    bar = color_bar(ScalarMappable(_NORM, _COLORS), list(found), say("axis.entry"), shrink=0.8, aspect=14)
    bar.set_ticks(range(1, len(BANDS)), labels=[f"{bound:.0e}" if bound < 1 else "1" for bound, _ in BANDS[:-1]])
    return found


def _map(ax: Axes, leaf: LeafCheck, say: Callable[..., str]) -> None:
    rows, columns = math.prod(leaf.shape[:-1]), (leaf.shape or (1,))[-1]
    ax.set_box_aspect(min(max(rows / max(columns, 1), 0.25), 1.5))
    ax.spines[:].set(visible=True, color=ink(ax))
    if leaf.difference is None:
        ax.set_title(f"{leaf.path} {leaf.shape}\n{say(f'leaf.{leaf.verdict}')}", fontsize=9)
        ax.set(xticks=[], yticks=[])
        if leaf.verdict == "wrong":
            ax.patch.set(hatch="//", edgecolor=ink(ax))
        return
    ax.set_title(f"{leaf.path} {leaf.shape}\n{say('leaf.error', error=leaf.error)}", fontsize=9)
    height, width = leaf.difference.shape
    lost = ~np.isfinite(leaf.difference)
    bands = np.searchsorted([bound for bound, _ in BANDS], leaf.difference) + 0.5
    large = max(height, width) > _LARGE
    edges = {} if large else {"edgecolors": INK, "linewidth": 0.4}
    ax.pcolormesh(np.ma.masked_array(bands, lost), cmap=_COLORS, norm=_NORM, **edges)
    if not large:
        y, x = np.nonzero(lost)
        ax.plot(x + 0.5, y + 0.5, "x", color="white", linestyle="none")
    ax.set(xlim=(0, width), ylim=(height, 0))
    ax.set_xticks(*_ends(columns, width))
    ax.set_yticks(*(_ends(rows, height) if len(leaf.shape) > 1 else ([], [])))


def _ends(size: int, count: int) -> tuple[list[float], list[str]]:
    """Where, among `count` cells, the first and the last of `size` indices stand, and what they are."""
    return ([0.5], ["0"]) if count == 1 else ([0.5, count - 0.5], ["0", str(size - 1)])
