"""Where in a leaf the error sits: the relative error of each entry, as a map small enough to be looked at."""

from itertools import pairwise

import numpy as np


BANDS = (
    (1e-7, "#ffffd4"),
    (1e-5, "#fee391"),
    (1e-3, "#fec44f"),
    (1e-1, "#fe9929"),
    (1.0, "#d95f0e"),
    (np.inf, "#993404"),
)
"""The colour up to each error: ColorBrewer's YlOrBr, which darkens steadily for every kind of colour vision."""

NONFINITE = "#2b6cb0"
"""The colour of NaN and inf; where there is room, with a cross."""

SIDE = 48
"""The most rows and columns of a map; a larger leaf is seen by the largest error of each block."""


def difference(actual: np.ndarray | None, expected: np.ndarray) -> np.ndarray | None:
    """`|actual - expected| / max|expected|`, float64, at most 48 x 48; None where there is nothing to subtract.

    A vector is one row; of more than two axes, all but the last are folded into the rows. Where `expected` is zero
    throughout, whatever is not zero is infinitely wrong.
    """
    if actual is None or actual.shape != expected.shape or actual.dtype.kind != "f" or not expected.size:
        return None
    actual, expected = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    with np.errstate(all="ignore"):
        error = np.abs(actual - expected)
        error = np.where(error == 0, 0.0, error / np.max(np.abs(expected)))
    error = error.reshape(-1, error.shape[-1] if error.ndim else 1)
    for axis in (0, 1):
        size = error.shape[axis]
        starts = np.unique(np.arange(SIDE) * size // SIDE)
        error = np.maximum.reduceat(error, starts, axis=axis)
    return error


def picture(difference: np.ndarray, shape: tuple[int, ...], title: str) -> str:
    """The map of a leaf of `shape` as SVG; `title`, which must be safe in HTML, says in words what it shows."""
    rows, columns = difference.shape
    width, height = (min(28, max(6, 288 // count)) for count in (columns, rows))
    bands = np.searchsorted([bound for bound, _ in BANDS], difference)
    bands[~np.isfinite(difference)] = len(BANDS)
    colors = [*(color for _, color in BANDS), NONFINITE]
    paths = [""] * len(colors)
    crosses = ""
    gap = 1 if min(width, height) > 10 else 0
    for row, line in enumerate(bands):
        edges = range(columns + 1) if gap else [0, *(np.flatnonzero(np.diff(line)) + 1), columns]
        for start, end in pairwise(edges):
            x, y, w, h = start * width, row * height, (end - start) * width - gap, height - gap
            paths[line[start]] += f"M{x} {y}h{w}v{h}h-{w}z"
            crosses += f"M{x} {y}l{w} {h}m-{w} 0l{w}-{h}" if gap and line[start] == len(BANDS) else ""
    cells = "".join(f'<path fill="{color}" d="{d}"/>' for color, d in zip(colors, paths, strict=True) if d)
    cells += f'<path stroke="#fff" d="{crosses}"/>' if crosses else ""
    width, height = columns * width, rows * height
    return (
        f'<svg role="img" aria-label="{title}" width="{width + 42}" height="{height + 18}" '
        f'viewBox="-40 -16 {width + 42} {height + 18}"><title>{title}</title><rect x="-1" y="-1" width="{width + 1}" '
        f'height="{height + 1}" fill="none" stroke="currentColor" stroke-opacity=".4"/>'
        f"{cells}{_numbers(shape, width, height)}</svg>"
    )


def _numbers(shape: tuple[int, ...], width: int, height: int) -> str:
    """The first and the last index of the columns and of the rows."""
    text = '<text font-size="11" fill="currentColor"'
    numbers = ""
    if shape:
        numbers += f'{text} x="0" y="-5">0</text>'
    if shape and shape[-1] > 1 and width > 28:
        numbers += f'{text} x="{width}" y="-5" text-anchor="end">{shape[-1] - 1}</text>'
    if len(shape) == 2:
        numbers += f'{text} x="-5" y="10" text-anchor="end">0</text>'
    if len(shape) == 2 and height > 28:
        numbers += f'{text} x="-5" y="{height - 2}" text-anchor="end">{shape[0] - 1}</text>'
    return numbers
