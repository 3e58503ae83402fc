"""A small network as a graph: each value with its gradient, on nodes and edges."""

from itertools import count
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from matplotlib.axes import Axes

from .._activations import Activation, sigmoid
from .._arguments import check_count
from .._checks import check_targets
from .._dense import dense_bwd, dense_fwd
from .._losses import Loss
from .._mlp import forward
from .._types import Params
from ._canvas import DARK, RED
from ._cards import Card, draw, Edges


_UNITS, _LAYERS = 3, 3


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

    A node holds a unit's bias `b`, its `z`, and what its activation makes of it, `h` in a hidden layer and `o` in the
    last; an edge holds the weight `W`. Below each value `v` stands `dv`, the derivative of the loss `L` with respect to
    it. Units are numbered from the first layer on, outputs for themselves, and weights unit by unit.

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

    Example:
      >>> import jax
      >>> import jaxmlp
      >>> params = jaxmlp.init_params(jax.random.key(0), (2, 2, 1))
      >>> x, y = jaxmlp.gate("xor")
      >>> ax = jaxmlp.plot.computational_graph(params, x[1:2], y[1:2], loss=jaxmlp.bce)
    """
    out, _ = forward(params, x, hidden=hidden, output=output)
    check_targets(out, y)
    if not isinstance(loss, Loss):
        raise TypeError(f"`loss` must be a Loss such as jaxmlp.bce, got {loss!r}.")
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
    return draw(ax, _nodes(layers, x, y, value, digits), _edges(layers, digits), vertical)


def _passes(
    params: Params, x: Any, y: Any, hidden: Activation, output: Activation, loss: Loss
) -> tuple[list[_Layer], float]:
    """Forward and backward, with every number kept."""
    activations = [hidden] * (len(params) - 1) + [output]
    a, kept = jnp.asarray(x), []
    for layer, activation in zip(params, activations, strict=True):
        z, dense_residuals = dense_fwd(layer, a)
        a, residuals = activation.fwd(z)
        kept.append((activation, z, a, dense_residuals, residuals))
    value, residuals = loss.fwd(a, y)
    da, _ = loss.bwd(residuals, jnp.ones_like(value))
    layers = []
    for activation, z, a, dense_residuals, residuals in reversed(kept):
        (dz,) = activation.bwd(residuals, da)
        grads, dx = dense_bwd(dense_residuals, dz)
        (w, b), _ = dense_residuals
        numbers, gradients = {"w": w, "z": z[0], "a": a[0]}, {"w": grads.w, "z": dz[0], "a": da[0]}
        if b is not None:
            numbers["b"], gradients["b"] = b, grads.b
        layers.append(_Layer(*({k: np.asarray(v, np.float64) for k, v in d.items()} for d in (numbers, gradients))))
        da = dx
    return layers[::-1], float(value)


def _nodes(layers: list[_Layer], x: Any, y: Any, value: float, digits: int) -> list[list[Card]]:
    """The inputs, the units of each layer, and the loss, as columns of cards."""
    columns = [[[_line("x", k, number, digits)] for k, number in enumerate(np.asarray(x, np.float64)[0], 1)]]
    targets, units = np.asarray(y, np.float64)[0], count(1)
    for layer in layers:
        last, nodes = layer is layers[-1], []
        for j in range(len(layer.numbers["z"])):
            unit = next(units)
            symbols = {"b": ("b", unit), "z": ("z", unit), "a": ("o", j + 1) if last else ("h", unit)}
            card = []
            for name, (letter, index) in symbols.items():
                if name in layer.numbers:
                    card += _pair(letter, index, layer.numbers[name][j], layer.gradients[name][j], digits)
            nodes.append([*card, _line("y", j + 1, targets[j], digits)] if last else card)
        columns.append(nodes)
    return [*columns, [_pair("L", None, value, 1.0, digits)]]


def _edges(layers: list[_Layer], digits: int) -> list[Edges]:
    """The weights between each column and the next; the edges to the loss carry nothing."""
    number, edges = count(1), []
    for numbers, gradients in layers:
        n_in, n_out = numbers["w"].shape
        pairs = [(k, j) for j in range(n_out) for k in range(n_in)]
        edges.append({p: _pair("W", next(number), numbers["w"][p], gradients["w"][p], digits) for p in pairs})
    return [*edges, {(j, 0): [] for j in range(len(layers[-1].numbers["z"]))}]


def _line(letter: str, index: int | None, number: float, digits: int, color: str = DARK) -> tuple[str, str]:
    symbol = letter if index is None else f"{letter}_{{{index}}}"
    return f"${symbol}$ {number + 0.0:.{digits}g}".replace("-", "\N{MINUS SIGN}"), color


def _pair(letter: str, index: int | None, number: float, gradient: float, digits: int) -> Card:
    """A number, and beneath it its gradient."""
    return [_line(letter, index, number, digits), _line(f"d{letter}", index, gradient, digits, RED)]
