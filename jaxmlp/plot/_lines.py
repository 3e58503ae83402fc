"""Units as lines: where the pre-activation of each changes its sign."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from .._arguments import check_positive
from .._checks import check_params
from .._types import Dense
from . import _points
from ._canvas import axes_of, CURVES, legend
from ._words import Language, words


_MOST = 12


def lines_of_units(
    params: Any,
    x: Any,
    y: Any = None,
    *,
    ax: Axes | None = None,
    labels: Sequence[str] | None = None,
    margin: float = 0.5,
    show_legend: bool = True,
    lang: Language = "en",
) -> Axes:
    """The line `w . x + b = 0` of every unit of the first layer, with an arrow to the side on which it is positive.

    A gate of two bits that one unit computes has its points of class 1 on that side and those of class 0 on the other.

    Args:
      params: a network's parameters, or one `Dense(w, b)`, with two inputs and at most 12 units in the first layer.
      x: the data, `(n, 2)`, such as the four inputs of a gate.
      y: their classes: `(n,)` or `(n, 1)` of 0, 1, ..., or one-hot rows; None draws all points alike.
      ax: where to draw.
      labels: what the legend calls the units; "unit 1", ... by default.
      margin: how far the picture goes beyond the data, as a share of their extent.
      show_legend: whether classes and units are named below the axes; a unit without a line in sight is named there.
      lang: of the words in the picture, `"en"` or `"ko"`, where a font with Korean letters is installed.

    Returns:
      The axes.

    Raises:
      TypeError: `params` is neither parameters nor a `Dense`.
      ValueError: the first layer does not have two inputs or has too many units, `x`, `y` or `labels` does not fit, or
        there is no such language.

    Example:
      >>> import jax.numpy as jnp
      >>> import jaxmlp
      >>> x, y = jaxmlp.gate("xor")
      >>> hidden = jaxmlp.Dense(w=jnp.ones_like(x[:2]), b=jnp.array([-0.5, -1.5], x.dtype))
      >>> ax = jaxmlp.plot.lines_of_units(hidden, x, y, labels=("OR", "AND"))
    """
    say = words(lang)
    params = (params,) if isinstance(params, Dense) else params
    check_params(params)
    check_positive("margin", margin)
    w = np.asarray(params[0].w).astype(np.float64)
    if w.shape[0] != 2 or w.shape[1] > _MOST:
        raise ValueError(
            f"`params[0].w` has shape {w.shape}, but lines in the plane need two inputs and at most {_MOST} units."
        )
    b = np.zeros(w.shape[1]) if params[0].b is None else np.asarray(params[0].b).astype(np.float64)
    if labels is None:
        labels = [say("legend.unit", number=j + 1) for j in range(w.shape[1])]
    names = [str(label) for label in labels]
    if len(names) != w.shape[1]:
        raise ValueError(f"`labels` has {len(names)} name(s), but the first layer has {w.shape[1]} unit(s).")
    data, classes = _points.checked(x, np.zeros(len(np.asarray(x)), int) if y is None else y)
    ax = axes_of(ax, (4.2, 4.5))
    low, high = _points.box_of(data, margin)
    _points.draw(ax, data, classes, int(classes.max()) + 1, say)
    for j, name in enumerate(names):
        _unit(ax, w[:, j], b[j], low, high, name, *CURVES[j % len(CURVES)], say)
    ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), xlabel="$x_1$", ylabel="$x_2$", aspect="equal")
    ax.locator_params(nbins=5)
    if show_legend:
        legend(ax)
    return ax


def _unit(
    ax: Axes,
    w: np.ndarray,
    b: float,
    low: np.ndarray,
    high: np.ndarray,
    name: str,
    color: str,
    style: str,
    say: Callable[..., str],
) -> None:
    """The part of the line that is in sight, and an arrow along `w` from its middle."""
    ends = _in_sight(w, b, low, high)
    if len(ends) < 2:
        why = "no-line" if not w.any() else "out-of-sight"
        ax.plot([], [], style, color=color, label=say(f"legend.{why}", name=name))
        return
    ax.plot(*ends.T, style, color=color, linewidth=2, label=name, zorder=2)
    middle = ends.mean(axis=0)
    tip = middle + 0.09 * np.linalg.norm(high - low) * w / np.linalg.norm(w)
    arrow = {"arrowstyle": "-|>", "color": color, "linewidth": 2, "shrinkA": 0, "shrinkB": 0}
    ax.annotate("", tip, middle, arrowprops=arrow, zorder=3)


def _in_sight(w: np.ndarray, b: float, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Where the line enters and leaves the box `low ... high`: `(2, 2)`, or fewer rows where it does not."""
    corners = np.array([low, (high[0], low[1]), high, (low[0], high[1])])
    ends = []
    for one, other in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        z, next_z = one @ w + b, other @ w + b
        if (z < 0) != (next_z < 0):
            ends.append(one + z / (z - next_z) * (other - one))
    return np.array(ends)
