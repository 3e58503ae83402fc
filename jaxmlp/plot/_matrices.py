"""A matrix product as boxes to scale: which axis meets which."""

from typing import Any, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from ._canvas import axes_of, CARD, CURVES, DARK, INK, ink


Matrix: TypeAlias = tuple[str, tuple[int, ...]]
"""A name and a shape, such as `("w1", (2, 3))`."""

_CELL, _LEAST = 26, 34  # points: the side of an entry, and the shortest side of a box
_SIDE = 130  # points: what the longest side is brought down to
_LEAST_CELL = 8  # points: with smaller entries there are no lines between them


def matrix_product(
    left: Matrix,
    right: Matrix,
    result: str,
    *,
    add: Matrix | None = None,
    ax: Axes | None = None,
) -> Axes:
    """`result = left @ right + add`, each as a box of its rows and columns, its shape beneath.

    A side has one colour and line style wherever it is: the inner one, columns of `left` and rows of `right`, is what
    the product sums over; the other two are left for the result. So `dw = x.T @ dz` shows that it sums over the batch.

    Args:
      left: name and shape, such as `("x", (4, 2))`; a transpose by its own shape, `("x.T", (2, 4))`.
      right: name and shape, with as many rows as `left` has columns.
      result: the name of the product.
      add: name and shape of what is added to every row, such as `("b1", (3,))`.
      ax: where to draw.

    Returns:
      The axes.

    Raises:
      TypeError: an operand is not a pair of a name and a shape.
      ValueError: a shape has not two axes, or the shapes do not fit each other.

    Example:
      >>> import jaxmlp
      >>> ax = jaxmlp.plot.matrix_product(("x.T", (2, 4)), ("dz1", (4, 3)), "dw1")
    """
    left_name, (rows, inner) = _checked("left", left)
    right_name, (right_rows, columns) = _checked("right", right)
    if inner != right_rows:
        raise ValueError(
            f"`left` is {left_name} of shape {(rows, inner)} and `right` is {right_name} of shape "
            f"{(right_rows, columns)}: the product needs as many columns on the left, {inner}, as rows on the "
            f"right, {right_rows}."
        )
    outer, summed, across = CURVES[0], CURVES[1], CURVES[2]
    boxes = [
        (result, (rows, columns), outer, across),
        ("=", None, None, None),
        (left_name, (rows, inner), outer, summed),
        ("@", None, None, None),
        (right_name, (inner, columns), summed, across),
    ]
    if add is not None:
        name, shape = _checked("add", add, axes=(1, 2))
        if shape not in ((columns,), (1, columns), (rows, columns)):
            raise ValueError(f"`add` is {name} of shape {shape}, but the product has shape {(rows, columns)}.")
        boxes += [("+", None, None, None), (name, shape, outer if shape == (rows, columns) else None, across)]
    return _draw(ax, boxes, max(rows, inner, columns))


def _checked(argument: str, matrix: Any, axes: tuple[int, ...] = (2,)) -> Matrix:
    match matrix:
        case (str(name), (*shape,)) if all(isinstance(side, int | np.integer) for side in shape):
            shape = tuple(int(side) for side in shape)
        case _:
            raise TypeError(f'`{argument}` must be a name and a shape, such as ("w1", (2, 3)), got {matrix!r}.')
    if len(shape) not in axes or min(shape) < 1:
        raise ValueError(
            f"`{argument}` is {name} of shape {shape}, but must have two axes with at least one entry each."
        )
    return name, shape


def _draw(ax: Axes | None, boxes: list, longest: int) -> Axes:
    cell = min(_CELL, _SIDE / longest)
    side = lambda count: max(count * cell, _LEAST)
    extents = [
        (side(shape[-1]), side(shape[0]) if len(shape) == 2 else _LEAST) if shape else (30, 0) for _, shape, *_ in boxes
    ]
    lengths = [
        max(width, 6.5 * len(str(shape)) if shape else 0)
        for (width, _), (_, shape, *_) in zip(extents, boxes, strict=True)
    ]
    width, height = sum(lengths) + 10, max(height for _, height in extents) + 34
    ax = axes_of(ax, (width / 72, height / 72))
    at = 5.0
    for (name, shape, row_style, column_style), (w, h), room in zip(boxes, extents, lengths, strict=True):
        center = at + room / 2
        if shape is None:
            ax.text(center, 0, name, color=ink(ax), fontsize=13, ha="center", va="center")
        else:
            _box(ax, center, w, h, name, shape, row_style, column_style)
        at += room
    ax.set(xlim=(0, width), ylim=(8 - height + (height - 34) / 2, 8 + (height - 34) / 2), aspect="equal")
    ax.set_axis_off()
    return ax


def _box(
    ax: Axes, center: float, width: float, height: float, name: str, shape: tuple, row_style, column_style
) -> None:
    left, right, top, bottom = center - width / 2, center + width / 2, height / 2, -height / 2
    ax.add_patch(Rectangle((left, bottom), width, height, facecolor=CARD, edgecolor=INK, linewidth=0.8))
    rows, columns = (1, *shape)[-2:]
    if min(width / columns, height / rows) >= _LEAST_CELL:
        ax.vlines(np.linspace(left, right, columns + 1)[1:-1], bottom, top, color=INK, linewidth=0.5)
        ax.hlines(np.linspace(bottom, top, rows + 1)[1:-1], left, right, color=INK, linewidth=0.5)
    for style, x, y in ((row_style, [left, left], [bottom, top]), (column_style, [left, right], [top, top])):
        if style is not None:
            ax.plot(x, y, style[1], color=style[0], linewidth=3, solid_capstyle="butt", dash_capstyle="butt")
    chip = {"facecolor": CARD, "edgecolor": "none", "pad": 1.5}
    ax.text(center, 0, name, color=DARK, fontsize=11, ha="center", va="center", bbox=chip, parse_math=False)
    ax.text(center, bottom - 6, str(shape), color=ink(ax), fontsize=9, ha="center", va="top")
