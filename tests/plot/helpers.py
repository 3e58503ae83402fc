"""What a picture holds, and whether it can be read."""

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.text import Text
from matplotlib.transforms import Bbox


def labels(ax: Axes) -> list[str]:
    """What the legend says."""
    legend = ax.get_legend()
    return [] if legend is None else [text.get_text() for text in legend.get_texts()]


def line(ax: Axes, label: str) -> np.ndarray:
    """The points of the line with this label, `(n, 2)`."""
    (found,) = [one for one in ax.lines if one.get_label() == label]
    return np.asarray(found.get_xydata())


def members(ax: Axes, label: str) -> tuple[list[list[float]], Any]:
    """The points of the class with this label, and its marker."""
    found: Any
    (found,) = [one for one in ax.collections if one.get_label() == label]
    return found.get_offsets().tolist(), found.get_paths()[0]


def rendered(ax: Axes, size: tuple[float, float] | None = None) -> Any:
    """The renderer of the axes' figure, after it has been drawn at `size` inches."""
    figure: Any = ax.get_figure(root=True)
    if size is not None:
        figure.set_size_inches(size)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return canvas.get_renderer()


def texts(ax: Axes, size: tuple[float, float] | None = None) -> dict[str, Bbox]:
    """Every text that is seen, with its box in pixels."""
    renderer = rendered(ax, size)
    figure: Any = ax.get_figure(root=True)
    outside = {label for axes in figure.axes for axis in (axes.xaxis, axes.yaxis) for label in _out_of_view(axis)}
    seen = [text for text in set(figure.findobj(Text)) - outside if text.get_text() and text.get_visible()]
    return {f"{text.get_text()} #{i}": text.get_window_extent(renderer) for i, text in enumerate(seen)}


def _out_of_view(axis: Axis) -> Iterator[Text]:
    """The labels of ticks beyond the limits, which are there but not drawn."""
    low, high = sorted(axis.get_view_interval())
    for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
        if not low <= tick.get_loc() <= high:
            yield from (tick.label1, tick.label2)


def overlapping(boxes: dict[str, Bbox]) -> list[tuple[str, str]]:
    """The pairs of boxes that share more than a pixel."""
    smaller = {name: Bbox.from_extents(box.x0 + 1, box.y0 + 1, box.x1 - 1, box.y1 - 1) for name, box in boxes.items()}
    return [(a, b) for a, b in combinations(smaller, 2) if smaller[a].overlaps(smaller[b])]


def contrast(one: Any, other: Any) -> float:
    """The contrast of two colours as WCAG 2 defines it, from 1 to 21."""
    weights = np.array([0.2126, 0.7152, 0.0722])
    linear = lambda c: np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    low, high = sorted(float(weights @ linear(np.array(to_rgb(color)))) for color in (one, other))
    return (high + 0.05) / (low + 0.05)
