"""The loss over a plane through the parameters."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.patheffects import withStroke

from .._arguments import check_count, check_key, check_positive
from ._canvas import axes_of, color_bar, legend, MAP
from ._plane import direction_like, flat, principal, projected, stacked
from ._words import Language, words


def loss_surface(
    loss: Callable[[Any], Any],
    params: Any,
    directions: tuple[Any, Any] | None = None,
    *,
    ax: Axes | None = None,
    key: Any = None,
    span: float | None = None,
    path: Any = None,
    resolution: int = 51,
    lang: Language = "en",
) -> Axes:
    """Contours of `loss(params + a * directions[0] + b * directions[1])` over `a` and `b`, on a logarithmic scale.

    Without `directions` they are the two in which `path` goes furthest from `params`, its principal directions, or
    without a path two random ones: normal numbers, of which each column of a matrix, which feeds one unit, is given the
    norm of the same column of `params`, and a vector the norm of the vector, so that units of every scale are seen
    alike. A random plane shows how rough the loss is; that a training goes through it, no random plane shows.

    Args:
      loss: `loss(params) -> scalar`, a function that JAX can trace, such as `lambda p: jaxmlp.loss_value(p, x, y)`.
      params: where the plane is centred, a pytree of floating arrays.
      directions: two trees like `params`, taken as they are.
      ax: where to draw.
      key: the random key of the random directions; `jax.random.key(0)` by default.
      span: how far `a` and `b` go to either side; 1 by default, and as far as the path.
      path: the states of a training: a list of trees like `params`, or one such tree whose leaves have a leading axis.
        It is projected on the plane, and drawn from a circle to a star.
      resolution: how many losses a side are computed.
      lang: of the words in the picture, `"en"` or `"ko"`, where a font with Korean letters is installed.

    Returns:
      The axes.

    Raises:
      TypeError: `loss` cannot be called, or an argument has the wrong kind.
      ValueError: a tree is not like `params`, the loss is not a scalar or nowhere finite, directions are parallel, or
        there is no such language.

    References:
      Li, Xu, Taylor, Studer & Goldstein, "Visualizing the loss landscape of neural nets", NeurIPS 2018.
      https://arxiv.org/abs/1712.09913

    Example:
      >>> import jax
      >>> import jaxmlp
      >>> params = jaxmlp.init_params(jax.random.key(0), (2, 3, 1))
      >>> x, y = jaxmlp.gate("xor")
      >>> ax = jaxmlp.plot.loss_surface(lambda params: jaxmlp.loss_value(params, x, y), params, span=10, resolution=31)
    """
    if not callable(loss):
        raise TypeError(f"`loss` must be a function of the parameters, got a {type(loss).__name__}.")
    say = words(lang)
    check_count("resolution", resolution, least=2)
    if span is not None:
        check_positive("span", span)
    states = None if path is None else stacked(path, params)
    named = tuple(say("axis.direction", number=number) for number in (1, 2))
    if directions is not None:
        plane = _given(directions, params)
    elif states is not None:
        plane, shares = principal(states, params)
        named = tuple(say("axis.share", number=number, share=share) for number, share in enumerate(shares, 1))
    else:
        key = jax.random.key(0) if key is None else key
        check_key("key", key)
        plane = tuple(direction_like(one, params) for one in jax.random.split(key))
    line = None if states is None else projected(states, plane, params)
    sides = _sides(span, line, resolution)
    values = _values(loss, params, plane, sides)
    ax = axes_of(ax, (5.6, 4.4))
    _contours(ax, sides, values, say("axis.loss"))
    rim = [withStroke(linewidth=3.6, foreground="#222222")]
    point: dict[str, Any] = {"color": "white", "path_effects": rim, "linestyle": "none"}
    if line is None:
        ax.plot([0], [0], "P", markersize=9, label=say("legend.params"), **point)
    else:
        ax.plot(*line.T, color="white", linewidth=1.6, path_effects=rim)
        ax.plot(*line[:1].T, "o", markersize=7, label=say("legend.start"), **point)
        ax.plot(*line[-1:].T, "*", markersize=11, label=say("legend.end"), **point)
    ax.set(xlabel=named[0], ylabel=named[1])
    legend(ax)
    return ax


def _given(directions: Any, params: Any) -> tuple[Any, Any]:
    if not isinstance(directions, tuple | list) or len(directions) != 2:
        raise TypeError("`directions` must be a pair of trees like `params`: write (one, other).")
    for i, one in enumerate(directions):
        flat(f"directions[{i}]", one, params)
    return directions[0], directions[1]


def _sides(span: float | None, line: np.ndarray | None, resolution: int) -> list[np.ndarray]:
    """The values of `a` and of `b`: to `span`, or to a fifth beyond the path."""
    if span is not None or line is None:
        return [np.linspace(-(span or 1), span or 1, resolution)] * 2
    low, high = line.min(axis=0), line.max(axis=0)
    room = 0.2 * np.maximum(high - low, 0.25 * (high - low).max() or 1)
    return [np.linspace(low[axis] - room[axis], high[axis] + room[axis], resolution) for axis in (0, 1)]


def _values(loss: Callable[[Any], Any], params: Any, plane: tuple[Any, Any], sides: list[np.ndarray]) -> np.ndarray:
    """The loss at every point, `(b, a)`, computed in one compiled program."""

    def at(point):
        moved = lambda leaf, one, other: leaf + point[0].astype(leaf.dtype) * one + point[1].astype(leaf.dtype) * other
        value = loss(jax.tree.map(moved, params, *plane))
        if jnp.shape(value) != ():
            raise ValueError(f"`loss` returned shape {jnp.shape(value)}, but must return a scalar.")
        return value

    params, plane = jax.tree.map(jnp.asarray, (params, plane))
    plane = jax.tree.map(lambda leaf, one: one.astype(leaf.dtype), (params, params), plane)
    points = np.stack(np.meshgrid(*sides), axis=-1)
    rows = jax.jit(lambda points: jax.lax.map(jax.vmap(at), points))(jnp.asarray(points))
    values = np.asarray(rows, np.float64)
    if not np.isfinite(values).any():
        raise ValueError("`loss` is nowhere finite on the plane: make `span` smaller.")
    return values


def _contours(ax: Axes, sides: list[np.ndarray], values: np.ndarray, label: str) -> None:
    """Fifteen steps of equal ratio, or of equal size where the loss is not positive."""
    shown = np.ma.masked_invalid(values)
    low, high = float(shown.min()), float(shown.max())
    logarithmic = low > 0
    if high <= low:  # a flat loss: one step around it
        low, high = (low / 2, low * 2) if logarithmic else (low - 1, low + 1)
    levels = (np.geomspace if logarithmic else np.linspace)(low, high, 16)
    norm = (LogNorm if logarithmic else Normalize)(low, high)
    filled = ax.contourf(*sides, shown, levels=levels, norm=norm, cmap=MAP)
    ax.contour(*sides, shown, levels=levels[1:-1], colors="white", linewidths=0.4, alpha=0.6)
    bar = color_bar(filled, ax, label, aspect=25, pad=0.02)
    bar.set_ticks(levels[::3], labels=[f"{level:.2g}" for level in levels[::3]])
    bar.minorticks_off()
