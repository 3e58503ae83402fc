"""What a network answers all over the plane."""

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.patheffects import withStroke

from .._arguments import check_count, check_positive
from . import _points
from ._canvas import axes_of, legend, MAP
from ._words import Language, words


def decision_regions(
    predict: Callable[[Any], Any],
    x: Any,
    y: Any,
    *,
    ax: Axes | None = None,
    margin: float = 0.25,
    resolution: int = 201,
    show_legend: bool = True,
    lang: Language = "en",
) -> Axes:
    """The answers of `predict` over the plane, and the data on top.

    Of two classes the ground shows the probability of class 1 in tenths, from dark to light, and a line where it is
    1/2; of more, the most probable class, with a line where it changes. A point that stands out from its ground is
    answered wrong.

    Args:
      predict: `predict(points) -> probabilities`, of `points` `(m, 2)` in the dtype of `x`; `(m,)` or `(m, 1)` for
        class 1 of two, `(m, classes)` otherwise, of which only the order counts, so that logits do.
      x: the data, `(n, 2)`.
      y: their classes: `(n,)` or `(n, 1)` of 0, 1, ..., or one-hot rows `(n, classes)`.
      ax: where to draw.
      margin: how far the picture goes beyond the data, as a share of their extent.
      resolution: how many points a side `predict` is asked at.
      show_legend: whether the classes are named below the axes.
      lang: of the words in the picture, `"en"` or `"ko"`, where a font with Korean letters is installed.

    Returns:
      The axes.

    Raises:
      TypeError: `predict` cannot be called, or `resolution` or `margin` is not a number.
      ValueError: `x`, `y` or what `predict` returns does not have its shape, or there is no such language.

    Example:
      >>> import jax.numpy as jnp
      >>> import jaxmlp
      >>> x, y = jaxmlp.gate("xor")
      >>> hidden = jaxmlp.Dense(w=10 * jnp.ones_like(x[:2]), b=jnp.array([-5, -15], x.dtype))  # OR and AND
      >>> output = jaxmlp.Dense(w=jnp.array([[10], [-20]], x.dtype), b=jnp.array([-5], x.dtype))
      >>> ax = jaxmlp.plot.decision_regions(lambda points: jaxmlp.predict((hidden, output), points), x, y)
    """
    if not callable(predict):
        raise TypeError(f"`predict` must be a function of points (m, 2), got a {type(predict).__name__}.")
    say = words(lang)
    check_positive("margin", margin)
    check_count("resolution", resolution, least=2)
    data, labels = _points.checked(x, y)
    low, high = _points.box_of(data, margin)
    sides = [np.linspace(low[axis], high[axis], resolution) for axis in (0, 1)]
    grid = np.stack(np.meshgrid(*sides), axis=-1)
    answer = _answer(predict, grid.reshape(-1, 2).astype(data.dtype if data.dtype.kind == "f" else np.float32))
    ax = axes_of(ax, (4.2, 4.4))
    classes = max(2, answer.shape[1], int(labels.max()) + 1)
    if answer.shape[1] == 1:
        ground = answer.reshape(resolution, resolution)
        ax.contourf(*sides, ground, levels=np.linspace(0, 1, 11), cmap=MAP, vmin=0, vmax=1, extend="both")
        _line(ax, sides, ground, 0.5)
        ax.plot([], [], color="white", label=say("legend.half"), path_effects=_edge())
    else:
        ground = answer.argmax(axis=1).reshape(resolution, resolution)
        colors = [to_hex(color) for color in _points.colors_of(classes)]
        ax.contourf(*sides, ground, levels=np.arange(classes + 1) - 0.5, colors=colors)
        for k in range(answer.shape[1]):
            _line(ax, sides, (ground == k).astype(float), 0.5)
    _points.draw(ax, data, labels, classes, say)
    ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), xlabel="$x_1$", ylabel="$x_2$", aspect="equal")
    ax.locator_params(nbins=5)
    if show_legend:
        legend(ax)
    return ax


def _answer(predict: Callable[[Any], Any], points: np.ndarray) -> np.ndarray:
    """What `predict` says of the points, `(m, 1)` or `(m, classes)`."""
    answer = np.asarray(predict(points)).astype(np.float64)
    if answer.ndim not in (1, 2) or len(answer) != len(points) or not answer.size:
        raise ValueError(
            f"`predict` returned shape {answer.shape} for points of shape {points.shape}: it must return (m,), "
            "(m, 1) or (m, classes), one row a point."
        )
    return answer.reshape(len(points), -1)


def _line(ax: Axes, sides: list[np.ndarray], ground: np.ndarray, level: float) -> None:
    if ground.min() < level < ground.max():  # elsewhere there is no line, and matplotlib warns
        ax.contour(*sides, ground, levels=[level], colors="white", linewidths=1.6).set(path_effects=_edge())


def _edge() -> list[Any]:
    return [withStroke(linewidth=3.4, foreground="#222222")]
