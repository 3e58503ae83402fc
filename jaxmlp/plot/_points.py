"""Points of the plane with their classes."""

from collections.abc import Callable
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke

from ._canvas import MAP, MARKERS


def checked(x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    """The points `(n, 2)`, and the class of each as an integer."""
    points = np.asarray(x)
    if points.ndim != 2 or points.shape[1] != 2 or not len(points):
        raise ValueError(f"`x` has shape {points.shape}, but must be (n, 2): one row a point of the plane.")
    targets = np.asarray(y)
    if targets.shape[:1] != points.shape[:1] or targets.ndim > 2:
        raise ValueError(f"`y` has shape {targets.shape}, but `x` has {len(points)} row(s): give one row a point.")
    targets = targets.astype(np.float64)
    if targets.ndim == 2 and targets.shape[1] > 1:
        labels = targets.argmax(axis=1)
    else:
        labels = targets.reshape(-1)
    if not np.array_equal(labels, np.round(labels)) or labels.min() < 0:
        raise ValueError("`y` must hold the classes 0, 1, ..., or one-hot rows: got other numbers.")
    if labels.max() >= len(MARKERS):
        raise ValueError(f"`y` holds class {int(labels.max())}, but there are markers for {len(MARKERS)} classes only.")
    return points, labels.astype(int)


def colors_of(classes: int) -> np.ndarray:
    """A colour a class, each lighter than the one before; `(classes, 4)`."""
    return matplotlib.colormaps[MAP](np.linspace(0.05, 0.95, max(classes, 2)))


def draw(ax: Axes, points: np.ndarray, labels: np.ndarray, classes: int, say: Callable[..., str]) -> None:
    """The points, a marker and a colour a class, each in a light and a dark rim: they show on any ground."""
    size, rim = (9, 1.4) if len(points) <= 50 else (5.5, 0.7)
    colors = colors_of(classes)
    for k in np.unique(labels):
        x1, x2 = points[labels == k].T.astype(np.float64)
        look = {"marker": MARKERS[k], "color": colors[k], "edgecolors": "white", "linewidths": rim, "zorder": 4}
        marked = ax.scatter(x1, x2, size**2, label=say("legend.class", number=k), clip_on=False, **look)
        marked.set_snap(False)  # moved to whole pixels, a thin rim would show on two sides only
        marked.set_path_effects([withStroke(linewidth=2.2 * rim, foreground="#444444")])


def box_of(points: np.ndarray, margin: float) -> tuple[np.ndarray, np.ndarray]:
    """The corners of the points' box, made larger by `margin` of its size on every side."""
    low, high = points.min(axis=0).astype(np.float64), points.max(axis=0).astype(np.float64)
    room = margin * np.where(high > low, high - low, 1)
    return low - room, high + room
