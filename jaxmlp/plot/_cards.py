"""Cards of text in columns, joined by edges that carry cards of their own, laid out so that none meets another."""

import re
from collections.abc import Iterable
from typing import TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from ._canvas import axes_of, CARD, INK


Card: TypeAlias = list[tuple[str, str]]
"""Lines of text, each with its colour."""

Edges: TypeAlias = dict[tuple[int, int], Card]
"""What stands on the edge from node `k` of a column to node `j` of the next."""

_TEXT = 9  # points; so is every length below
_LINE, _LETTER, _PAD = 12.5, 5.7, 5
_BARE = 36  # the length of edges that carry nothing


def _size(cards: Iterable[Card]) -> np.ndarray:
    """Width and height that hold each of the cards; what mathtext takes for itself has no width."""
    sizes = [(max(len(re.sub("[${}_]", "", text)) for text, _ in card), len(card)) for card in cards if card]
    letters, lines = np.array(sizes or [(0, 0)]).max(axis=0)
    return np.array([letters * _LETTER + 2 * _PAD, lines * _LINE + 2 * _PAD])


def draw(ax: Axes | None, columns: list[list[Card]], edges: list[Edges], vertical: bool) -> Axes:
    """The columns of nodes from left to right, or as rows from top to bottom; new axes have just the room for them."""
    along, across = (1, 0) if vertical else (0, 1)
    sizes = [_size(nodes) for nodes in columns]
    labels = [_size(between.values()) for between in edges]
    # Side by side, the numbers of parallel edges are as far apart as the nodes; else 0.28 of that, see `_where`.
    apart = max(
        12 + max(size[across] for size in sizes), max(label[across] for label in labels) / (1 if vertical else 0.28)
    )
    centers, at = [], 0.0
    for size, label, between in zip(sizes, [*labels, np.zeros(2)], [*edges, {}], strict=True):
        centers.append(at + size[along] / 2)
        kinds = len({j - k for k, j in between})
        numbered = any(between.values())
        gap = (label[along] * (kinds + 1) if vertical else 2.2 * label[along]) if numbered else _BARE
        at += size[along] + (gap if between else 0)
    width = (max(map(len, columns)) - 1) * apart + max(size[across] for size in sizes)

    def place(column: int, row: int) -> np.ndarray:
        aside = (row - (len(columns[column]) - 1) / 2) * apart
        return np.array([width / 2 + aside, -centers[column]] if vertical else [centers[column], -width / 2 - aside])

    extent = np.array([width, at] if vertical else [at, width]) + 2 * _PAD
    ax = axes_of(ax, tuple(extent / 72))
    toward = np.array([0, -1]) if vertical else np.array([1, 0])
    for column, between in enumerate(edges):
        where = _where(len(columns[column]), len(columns[column + 1]), vertical)
        for (k, j), card in between.items():
            one = place(column, k) + toward * sizes[column][along] / 2
            other = place(column + 1, j) - toward * sizes[column + 1][along] / 2
            arrow = {"arrowstyle": "-|>", "color": INK, "linewidth": 1, "shrinkA": 0, "shrinkB": 0}
            ax.annotate("", other, one, arrowprops=arrow, zorder=1)
            if card:
                _card(ax, one + where[j - k] * (other - one), card, labels[column] - _PAD, "none")
    for column, nodes in enumerate(columns):
        for row, card in enumerate(nodes):
            _card(ax, place(column, row), card, sizes[column], INK)
    ax.set(xlim=(-_PAD, extent[0] - _PAD), ylim=(_PAD - extent[1], _PAD), aspect="equal")
    ax.set_axis_off()
    return ax


def _where(n_in: int, n_out: int, vertical: bool) -> dict[int, float]:
    """Where along the edges from `k` to `j` their numbers stand, for each `j - k`, so that no two meet.

    From top to bottom, parallel edges, which have one `j - k`, have a row to themselves. From left to right it takes
    less room to go by how far an edge climbs: edges that are 2.2 cards long have room for two, at 0.28 and at 0.75, and
    what stands at one of them, or in the middle, is 0.28 of the way between two nodes apart.
    """
    kinds = range(1 - n_in, n_out)
    if vertical:
        return {kind: (row + 1) / (len(kinds) + 1) for row, kind in enumerate(kinds)}
    climbs = {kind: abs(kind + (n_in - n_out) / 2) for kind in kinds}
    return {kind: 0.5 if climb == 0 else 0.28 if climb <= 1 else 0.75 for kind, climb in climbs.items()}


def _card(ax: Axes, center: np.ndarray, card: Card, size: np.ndarray, edge: str) -> None:
    x, y = center - size / 2
    rounded = "round,pad=0,rounding_size=4"
    ax.add_patch(FancyBboxPatch((x, y), size[0], size[1], rounded, facecolor=CARD, edgecolor=edge, zorder=2))
    for row, (text, color) in enumerate(card):
        y = center[1] + ((len(card) - 1) / 2 - row) * _LINE
        ax.text(center[0], y, text, color=color, fontsize=_TEXT, ha="center", va="center_baseline", zorder=3)
