"""A small network as a graph: each value with its gradient, on nodes and edges."""

import re
from collections.abc import Iterable
from itertools import count
from typing import Any, NamedTuple, TypeAlias

import jax.numpy as jnp
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from .._activations import Activation, sigmoid
from .._checks import check_count, check_inputs, check_params
from .._dense import dense_bwd, dense_fwd
from .._losses import Loss
from .._types import Params
from ._canvas import axes_of, CARD, DARK, INK, RED


_UNITS, _LAYERS = 3, 3
_TEXT = 9  # points; so is every length below
_LINE, _LETTER, _PAD = 12.5, 5.7, 5

Text: TypeAlias = tuple[str, str]
"""A line and its colour."""

Card: TypeAlias = list[Text]

Edges: TypeAlias = dict[tuple[int, int], Card]
"""What stands on the edge from node `k` of a column to node `j` of the next."""


class _Layer(NamedTuple):
    """A layer's numbers, and their gradients under the same names in `d`."""

    numbers: dict[str, np.ndarray]
    gradients: dict[str, np.ndarray]


def computational_graph(
    params: Params,
    x: Any,
    y: Any,
    *,
    hidden: Activation = sigmoid,
    output: Activation = sigmoid,
    loss: Loss,
    ax: Axes | None = None,
    digits: int = 4,
    vertical: bool = False,
) -> Axes:
    """The network as a graph for one example: every value with the slope of the loss by it, derived by hand.

    A node holds a unit's `z` and what its activation makes of it, `h` in a hidden layer and `o` in the last; an edge
    holds the weight. Below each value `v` stands `dv`, the derivative of the loss with respect to it. All are numbered
    from the first layer on, and the weights unit by unit.

    Args:
      params: one `Dense(w, b)` a layer, at most 3 layers of at most 3 units.
      x: one example, `(1, n_in)`, of at most 3 inputs.
      y: its target, `(1, n_out)`.
      hidden: the activation of every layer but the last.
      output: the activation of the last layer.
      loss: the loss.
      ax: where to draw; the text keeps its size, so the axes need the room that the figure has otherwise.
      digits: how many significant digits to show.
      vertical: whether the graph goes from top to bottom, for a narrow page.

    Returns:
      The axes.

    Raises:
      TypeError: as from `loss_and_grads`, or `digits` is not an integer.
      ValueError: the network is too big, `x` is not one example, or as from `loss_and_grads`.
    """
    check_params(params)
    check_inputs(params, x)
    check_count("digits", digits, least=1)
    widths = (x.shape[1], *(layer.w.shape[1] for layer in params))
    if max(widths) > _UNITS or len(params) > _LAYERS:
        raise ValueError(
            f"`params` is a network of {'-'.join(map(str, widths))}, too big to be read as a graph: at most {_LAYERS} "
            f"layers, and at most {_UNITS} units in each and as many inputs."
        )
    if x.shape[0] != 1:
        raise ValueError(f"`x` has shape {x.shape}, but a graph shows one example: pass x[:1] and y[:1].")
    layers, value = _passes(params, x, y, hidden, output, loss)
    columns = _nodes(layers, x, y, value, digits)
    return _draw(ax, columns, _edges(layers, digits), vertical)


def _passes(params, x, y, hidden, output, loss) -> tuple[list[_Layer], float]:
    """Forward and backward, with every number kept."""
    activations = [hidden] * (len(params) - 1) + [output]
    a, kept = jnp.asarray(x), []
    for layer, activation in zip(params, activations, strict=True):
        z, dense_residuals = dense_fwd(layer, a)
        a, residuals = activation.fwd(z)
        kept.append((z, a, dense_residuals, residuals))
    value, residuals = loss.fwd(a, y)
    da, _ = loss.bwd(residuals, jnp.ones_like(value))
    layers = []
    for layer, activation, (z, a, dense_residuals, residuals) in list(zip(params, activations, kept, strict=True))[
        ::-1
    ]:
        (dz,) = activation.bwd(residuals, da)
        grads, dx = dense_bwd(dense_residuals, dz)
        numbers, gradients = {"w": layer.w, "z": z[0], "a": a[0]}, {"w": grads.w, "z": dz[0], "a": da[0]}
        if layer.b is not None:
            numbers["b"], gradients["b"] = layer.b, grads.b
        layers.append(_Layer(*({k: np.asarray(v, np.float64) for k, v in d.items()} for d in (numbers, gradients))))
        da = dx
    return layers[::-1], float(value)


def _nodes(layers: list[_Layer], x: Any, y: Any, value: float, digits: int) -> list[list[Card]]:
    """For each column of nodes, for each node, its lines of text with their colours."""
    columns = [[[_plain(f"x_{{{k + 1}}}", v, digits)] for k, v in enumerate(np.asarray(x, np.float64)[0])]]
    unit, bias = count(1), count(1)
    for layer, (numbers, gradients) in enumerate(layers, 1):
        last, nodes = layer == len(layers), []
        names = {"b": bias, "z": unit}
        for j in range(len(numbers["z"])):
            lines = []
            for name in ("b", "z"):
                if name in numbers:
                    lines += _pair(f"{name}_{{{next(names[name])}}}", numbers[name][j], gradients[name][j], digits)
            number = j + 1 if last else sum(len(other.numbers["z"]) for other in layers[: layer - 1]) + j + 1
            lines += _pair(f"{'o' if last else 'h'}_{{{number}}}", numbers["a"][j], gradients["a"][j], digits)
            if last:
                target = np.asarray(y, np.float64).reshape(1, -1)
                lines.append(_plain(f"y_{{{j + 1}}}", target[0, j], digits))
            nodes.append(lines)
        columns.append(nodes)
    return [*columns, [_pair("L", value, 1.0, digits)]]


def _edges(layers: list[_Layer], digits: int) -> list[Edges]:
    """Between each column and the next, for each pair of nodes, the lines of text; to the loss there are none."""
    number, edges = count(1), []
    for numbers, gradients in layers:
        n_in, n_out = numbers["w"].shape
        pairs = [(k, j) for j in range(n_out) for k in range(n_in)]
        edges.append({p: _pair(f"W_{{{next(number)}}}", numbers["w"][p], gradients["w"][p], digits) for p in pairs})
    return [*edges, {(j, 0): [] for j in range(len(layers[-1].numbers["z"]))}]


def _plain(name: str, value: float, digits: int) -> Text:
    return f"${name}$ {value:.{digits}g}".replace("-", "\N{MINUS SIGN}"), DARK


def _pair(name: str, value: float, gradient: float, digits: int) -> Card:
    return [_plain(name, value, digits), (_plain(f"d{name}", gradient, digits)[0], RED)]


def _size(cards: Iterable[Card]) -> np.ndarray:
    """Width and height that hold each of the cards; what mathtext takes for itself has no width."""
    sizes = [(max(len(re.sub("[${}_]", "", text)) for text, _ in card), len(card)) for card in cards if card]
    letters, lines = np.array(sizes or [(0, 0)]).max(axis=0)
    return np.array([letters * _LETTER + 2 * _PAD, lines * _LINE + 2 * _PAD])


def _draw(ax: Axes | None, columns: list[list[Card]], edges: list[Edges], vertical: bool) -> Axes:
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
        gap = (label[along] * (kinds + 1) if vertical else 2.2 * label[along]) if numbered else 36
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
    less room to go by how far an edge climbs.
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
