"""Where a random network is looked at: its parameters and its data, in float64 until `Case` rounds them."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxmlp.verify._program._interpret import interpreted

from .forms import ACTIVATIONS
from .gradients import rounded
from .passes import Pieces, run


Layers = list[tuple[np.ndarray, np.ndarray | None]]
"""Weights and biases, first layer first."""

LARGEST = {"float16": 1e2, "bfloat16": 1e6, "float32": 1e6, "float64": 1e6}
"""How large a scale a dtype holds the numbers of a network of."""

SMALLEST = {"float16": 1e-3, "bfloat16": 1e-6, "float32": 1e-6, "float64": 1e-6}


def drawn(random: np.random.Generator, shapes: list[tuple[int, int]], batch: int, bias: bool) -> tuple[Layers, Any]:
    """Parameters and inputs where nothing is special."""
    layers: Layers = [
        (random.normal(size=shape) / np.sqrt(shape[0]), 0.3 * random.normal(size=shape[1]) if bias else None)
        for shape in shapes
    ]
    return layers, random.normal(size=(batch, shapes[0][0]))


def scale(random: np.random.Generator, dtype: str) -> float:
    """A scale from one in a million to a million, as far as the dtype holds it."""
    return float(10 ** random.uniform(np.log10(SMALLEST[dtype]), np.log10(LARGEST[dtype])))


def _scaled(random: np.random.Generator, layers: Layers, x: Any, dtype: str) -> tuple[Layers, Any]:
    by = scale(random, dtype)
    return [(w * by, None if b is None else b * by) for w, b in layers], x


def _each_leaf_scaled(random: np.random.Generator, layers: Layers, x: Any, dtype: str) -> tuple[Layers, Any]:
    factors = [(scale(random, dtype) ** 0.5, scale(random, dtype) ** 0.5) for _ in layers]
    return [(w * f, None if b is None else b * g) for (w, b), (f, g) in zip(layers, factors, strict=True)], x


def _inputs_scaled(random: np.random.Generator, layers: Layers, x: Any, dtype: str) -> tuple[Layers, Any]:
    return layers, x * scale(random, dtype)


def _columns_scaled(random: np.random.Generator, layers: Layers, x: Any, dtype: str) -> tuple[Layers, Any]:
    return layers, x * [scale(random, dtype) ** 0.5 for _ in range(x.shape[1])]


def _saturated(random: np.random.Generator, layers: Layers, x: Any, dtype: str) -> tuple[Layers, Any]:
    by = 10 ** random.uniform(0.5, 1.5)
    return [(w * by, None if b is None else b * by) for w, b in layers], x


def _dead(random: np.random.Generator, layers: Layers, x: Any, dtype: str) -> tuple[Layers, Any]:
    """Some units far below 0 for every example."""
    i = random.integers(len(layers))
    w, b = layers[i]
    dead = random.random(w.shape[1]) < 0.5
    b = np.zeros(w.shape[1]) if b is None else b
    return [*layers[:i], (w, np.where(dead, -30.0, b)), *layers[i + 1 :]], x


def _zero_leaf(random: np.random.Generator, layers: Layers, x: Any, dtype: str) -> tuple[Layers, Any]:
    i = random.integers(len(layers))
    w, b = layers[i]
    return [
        *layers[:i],
        (w, None if b is None else 0 * b) if random.random() < 0.6 else (0 * w, b),
        *layers[i + 1 :],
    ], x


def _zero_biases(random: np.random.Generator, layers: Layers, x: Any, dtype: str) -> tuple[Layers, Any]:
    return [(w, None if b is None else 0 * b) for w, b in layers], x


def _all_alike(random: np.random.Generator, layers: Layers, x: Any, dtype: str) -> tuple[Layers, Any]:
    """Every number of a leaf the same, so that its units are the same too."""
    return [(np.full_like(w, w.flat[0]), None if b is None else np.full_like(b, b[0])) for w, b in layers], x


def _one_hot(random: np.random.Generator, layers: Layers, x: Any, dtype: str) -> tuple[Layers, Any]:
    return layers, np.eye(x.shape[1])[random.integers(x.shape[1], size=len(x))]


def _zero_inputs(random: np.random.Generator, layers: Layers, x: Any, dtype: str) -> tuple[Layers, Any]:
    """Some numbers of the inputs 0, or all of some examples."""
    shape = x.shape if random.random() < 0.5 else (len(x), 1)
    return layers, x * (random.random(shape) < 0.5)


def _duplicates(random: np.random.Generator, layers: Layers, x: Any, dtype: str) -> tuple[Layers, Any]:
    return layers, x[random.integers(max(1, len(x) // 2), size=len(x))]


REGIMES: dict[str, Callable[..., tuple[Layers, Any]]] = {
    "plain": lambda random, layers, x, dtype: (layers, x),
    "scaled parameters": _scaled,
    "each leaf scaled": _each_leaf_scaled,
    "scaled inputs": _inputs_scaled,
    "columns of other units": _columns_scaled,
    "saturated": _saturated,
    "dead units": _dead,
    "a leaf of zeros": _zero_leaf,
    "biases of zeros": _zero_biases,
    "all alike": _all_alike,
    "one-hot inputs": _one_hot,
    "zero inputs": _zero_inputs,
    "duplicates": _duplicates,
}
"""From where nothing is special to where something is; `"a kink"` and `"trained"` need the network, and come after."""


def targets(random: np.random.Generator, loss: str, shape: tuple[int, int]) -> np.ndarray:
    """Targets that suit a loss."""
    if loss in ("logits", "probabilities"):
        return random.random(shape) if random.random() < 0.2 else random.integers(2, size=shape).astype(float)
    if loss == "softmax logits":
        if random.random() < 0.2:
            return random.random(shape)
        return np.eye(shape[1])[random.integers(shape[1], size=shape[0])]
    if loss == "hinge":
        return random.choice([-1.0, 1.0], shape)
    return random.poisson(2.0, shape).astype(float) if loss == "Poisson" else random.normal(size=shape)


def special(
    random: np.random.Generator, what: str, names: Any, values: Any, loss: str, layers: Any, x: Any, y: Any, dtype: str
) -> tuple[Any, Any]:
    """Layers and targets where a pre-activation is at a kink or next to it, or where the loss is nearly 0."""
    with jax.enable_x64(True):
        wide = jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf, np.float64)), layers)
        inputs, zs = interpreted(partial(run, Pieces(values, (), len, float)), wide, jnp.asarray(x))
        out, zs = np.asarray(inputs[-1]), [np.asarray(z) for z in zs]
    return (
        (layers, _trained(random, loss, out, y)) if what == "trained" else (_bent(random, names, layers, zs, dtype), y)
    )


def _trained(random: np.random.Generator, loss: str, out: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Targets that the output is next to."""
    if loss in ("logits", "probabilities"):
        return (out > (0 if loss == "logits" else 0.5)).astype(float)
    if loss == "softmax logits":
        return np.eye(out.shape[1])[out.argmax(axis=1)]
    return y if loss in ("hinge", "Poisson") else out + 10 ** random.uniform(-9, -1) * y * abs(out)


def _bent(random: np.random.Generator, names: Any, layers: Any, zs: Any, dtype: str) -> Any:
    """A bias moved so that one pre-activation comes to lie on a kink of its activation, or a little beside it."""
    bent = [i for i, name in enumerate(names) if ACTIVATIONS[name].kinks and layers[i][1] is not None]
    if not bent:
        return layers
    i = bent[random.integers(len(bent))]
    kinks, (w, b), z = ACTIVATIONS[names[i]].kinks, layers[i], zs[i]
    k, j = random.integers(z.shape[0]), random.integers(z.shape[1])
    off = random.choice([0.0, 1e-12, 1e-9, 1e-6, 1e-3]) * random.choice([-1, 1])
    moved = np.array(b, np.float64)
    moved[j] += kinks[random.integers(len(kinks))] + off - z[k, j]
    return [*layers[:i], (w, rounded(moved, dtype)), *layers[i + 1 :]]
