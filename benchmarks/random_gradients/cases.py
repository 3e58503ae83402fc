"""A seed drawn into a network, a point, a loss, and a right gradient that shares no code with it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jaxmlp
from jaxmlp import Dense
from jaxmlp.verify._program._interpret import interpreted

from . import points
from .forms import ACTIVATIONS, Forms, LOSSES
from .passes import ARRANGEMENTS, Pieces, run


DTYPES = {"float32": 0.5, "float64": 0.3, "bfloat16": 0.1, "float16": 0.1}
FAR = {"scaled parameters", "each leaf scaled", "scaled inputs", "columns of other units", "saturated"}
"""Where an exponential may overflow."""

REAL = ("half squared", "squared", "huber", "log cosh", "absolute")
OF_THE_PACKAGE = {
    "half squared": (jaxmlp.half_squared_error, "batch"),
    "squared": (jaxmlp.mean_squared_error, "all"),
    "logits": (jaxmlp.bce_with_logits, "all"),
    "softmax logits": (jaxmlp.softmax_cross_entropy, "batch"),
    "probabilities": (jaxmlp.bce, "all"),
}
PACKAGE = tuple(name for name in ACTIVATIONS if hasattr(jaxmlp, name))
OTHER_WAYS = ("package", "forward mode", "black box", "in float32")


@dataclass(frozen=True)
class Case:
    """A loss, its gradient by hand, and where to look at it.

    Attributes:
      about: what was drawn, in words.
      way: how the gradient is arranged.
      pieces: of what it is made; None where it is not made of pieces.
      gradient: from pieces to a gradient function.
      dead: whether the mean of the loss leaves something out; used by nothing but `mistakes.py`.
    """

    seed: int
    about: dict[str, Any]
    dtype: str
    loss: Callable[..., Any]
    grads: Callable[..., Any]
    params: Any
    args: tuple[Any, ...]
    has_value: bool = False
    pieces: Pieces | None = None
    gradient: Callable[[Pieces], Callable[..., Any]] | None = None


def case(seed: int) -> Case:
    """The right gradient of a seed."""
    random = np.random.default_rng(seed)
    pick = lambda names: names[random.integers(len(names))]
    dtype = str(random.choice(list(DTYPES), p=list(DTYPES.values())))
    regimes = sorted({pick(tuple(points.REGIMES)) for _ in range(random.integers(1, 4))})
    special = str(random.choice(["", "a kink", "trained"], p=[0.6, 0.2, 0.2]))
    way = pick((*ARRANGEMENTS, *OTHER_WAYS)) if random.random() < 0.8 else pick(tuple(ARRANGEMENTS))
    if way == "in float32" and dtype != "float64":
        way = "matrices"
    is_far = bool(FAR & set(regimes))
    hidden, output, loss, counted = _functions(random, pick, way, is_far)
    factor = 1.0 if way == "package" or random.random() < 0.7 else points.scale(random, dtype)

    many = 33 if random.random() < 0.1 else 7
    batch = int(random.integers(1, 65 if random.random() < 0.05 else 7))
    if way == "one by one" and batch > 8:
        batch = 8
    names = [*(hidden if way == "package" else pick(hidden) for _ in range(random.integers(0, 4))), output]
    if way == "package":
        names = [pick(hidden)] * (len(names) - 1) + [output]
    widths = [int(random.integers(1, many)) for _ in range(len(names) + 1)]
    shapes = [
        (n_in, n_out * ACTIVATIONS[name].columns)
        for n_in, n_out, name in zip(widths[:-1], widths[1:], names, strict=True)
    ]
    layers, x = points.drawn(random, shapes, batch, bias=bool(random.random() < 0.85))
    for regime in regimes:
        layers, x = points.REGIMES[regime](random, layers, x, dtype)

    rough = 0.02 if is_far else 0.15
    ours, theirs = (tuple(_value(random, ACTIVATIONS[name], rough) for name in names) for _ in range(2))
    y = _targets(random, loss, (batch, widths[-1]))
    layers = [(_rounded(w, dtype), None if b is None else _rounded(b, dtype)) for w, b in layers]
    if special:
        x = np.asarray(_rounded(x, dtype), np.float64)
        layers, y = _special(random, special, names, theirs, loss, layers, x, y, dtype)
    x, y = _rounded(x, dtype), _rounded(y, dtype)

    penalty = 10 ** random.uniform(-4, 0) if way != "package" and random.random() < 0.2 else 0.0
    count = {"batch": lambda n: factor / n, "all": lambda n: factor / (n * widths[-1]), "sum": lambda n: factor}[counted]
    pieces = Pieces(
        values=ours,
        backs=tuple(_back(random, ACTIVATIONS[name], rough) for name in names),
        dout=_back(random, LOSSES[loss], rough),
        share=count,
        penalty=(lambda w: penalty * w) if penalty else None,
    )
    is_dict = way != "package" and bool(random.random() < 0.5)
    params = packed(layers, is_dict)
    loss_function = partial(_loss, theirs, _value(random, LOSSES[loss], rough), count, penalty)
    gradient = partial(by_hand, way=way, is_dict=is_dict)
    grads = gradient(pieces)
    if way == "package":
        activation = getattr(jaxmlp, names[0]) if len(names) > 1 else jaxmlp.identity
        options = {"hidden": activation, "output": getattr(jaxmlp, output), "loss": OF_THE_PACKAGE[loss][0]}
        grads = partial(jaxmlp.loss_and_grads, **options)
    elif way == "forward mode":
        other = partial(_loss, ours, _value(random, LOSSES[loss], rough), count, penalty)
        grads = jax.jacfwd(lambda params, x, y: other(params, x, y))
    if random.random() < 0.2:
        params, x, y = jax.tree.map(np.asarray, (params, x, y))
    about = {
        "dtype": dtype,
        "regimes": [*regimes, *([special] if special else [])],
        "way": way,
        "activations": names,
        "loss": loss,
        "counted": counted,
        "factor": factor,
        "penalty": penalty,
        "widths": widths,
        "batch": batch,
    }
    in_pieces = way not in ("package", "forward mode")
    return Case(
        seed,
        about,
        dtype,
        loss_function,
        grads,
        params,
        (x, y),
        has_value=way == "package",
        pieces=pieces if in_pieces else None,
        gradient=gradient if in_pieces else None,
    )


def _functions(random: np.random.Generator, pick: Any, way: str, is_far: bool) -> tuple[Any, str, str, str]:
    """What hidden layers may have, the activation of the output, the loss, and what it averages over."""
    every = tuple(ACTIVATIONS)
    overflowing = () if is_far else ("probabilities",)
    if way == "package":
        loss = pick(tuple(name for name in OF_THE_PACKAGE if name not in FAR and (not is_far or name != "probabilities")))
        of_loss = {"logits": ("identity",), "softmax logits": ("identity",), "probabilities": ("sigmoid",)}
        return PACKAGE, pick(of_loss.get(loss, PACKAGE)), loss, OF_THE_PACKAGE[loss][1]
    loss = pick((*REAL, "logits", "softmax logits", "hinge", *overflowing, *(() if is_far else ("Poisson",))))
    outputs: tuple[str, ...] = ("identity",)
    if loss in REAL and random.random() < 0.5:
        outputs = every
    elif loss == "probabilities":
        outputs = ("sigmoid", "softmax")
    elif loss in ("hinge", "Poisson"):
        outputs = ("identity", "tanh", "soft_sign")
    return every, pick(outputs), loss, pick(("batch", "batch", "all", "sum"))


def _value(random: np.random.Generator, forms: Forms, rough: float) -> Callable[..., Any]:
    choice = forms.rough_values if forms.rough_values and random.random() < rough else forms.values
    return choice[random.integers(len(choice))]


def _back(random: np.random.Generator, forms: Forms, rough: float) -> Callable[..., Any]:
    choice = forms.rough_backs if forms.rough_backs and random.random() < 3 * rough else forms.backs
    return choice[random.integers(len(choice))]


def _targets(random: np.random.Generator, loss: str, shape: tuple[int, int]) -> np.ndarray:
    if loss in ("logits", "probabilities"):
        return random.random(shape) if random.random() < 0.2 else random.integers(2, size=shape).astype(float)
    if loss == "softmax logits":
        return random.random(shape) if random.random() < 0.2 else np.eye(shape[1])[random.integers(shape[1], size=shape[0])]
    if loss == "hinge":
        return random.choice([-1.0, 1.0], shape)
    return random.poisson(2.0, shape).astype(float) if loss == "Poisson" else random.normal(size=shape)


def _special(
    random: np.random.Generator, special: str, names: Any, values: Any, loss: str, layers: Any, x: Any, y: Any, dtype: str
) -> tuple[Any, Any]:
    """A point where a pre-activation is at a kink or next to it, or where the loss is nearly 0."""
    with jax.enable_x64(True):
        wide = [tuple(None if leaf is None else jnp.asarray(np.asarray(leaf, np.float64)) for leaf in l) for l in layers]
        pieces = Pieces(values, (), len, float)
        inputs, zs = jax.tree.map(np.asarray, interpreted(partial(run, pieces), wide, jnp.asarray(x)))
    if special == "trained":
        out = inputs[-1]
        if loss in ("logits", "probabilities"):
            return layers, (out > (0 if loss == "logits" else 0.5)).astype(float)
        if loss == "softmax logits":
            return layers, np.eye(out.shape[1])[out.argmax(axis=1)]
        return (layers, out + 10 ** random.uniform(-9, -1) * y * abs(out)) if loss in REAL else (layers, y)
    bent = [i for i, name in enumerate(names) if ACTIVATIONS[name].kinks and layers[i][1] is not None]
    if not bent:
        return layers, y
    i = bent[random.integers(len(bent))]
    kinks, (w, b), z = ACTIVATIONS[names[i]].kinks, layers[i], zs[i]
    k, j = random.integers(z.shape[0]), random.integers(z.shape[1])
    off = random.choice([0.0, 1e-12, 1e-9, 1e-6, 1e-3]) * random.choice([-1, 1])
    moved = np.array(b, np.float64)
    moved[j] += kinks[random.integers(len(kinks))] + off - z[k, j]
    return [*layers[:i], (w, _rounded(moved, dtype)), *layers[i + 1 :]], y


def _rounded(array: Any, dtype: str) -> Any:
    with jax.enable_x64(dtype == "float64"):
        return jnp.asarray(np.asarray(array, np.float64).astype(jnp.dtype(dtype)))


def packed(layers: Any, is_dict: bool) -> Any:
    """The parameters of layers as a tree."""
    if not is_dict:
        return tuple(Dense(w, b) for w, b in layers)
    named = {f"w{i}": w for i, (w, _) in enumerate(layers, 1)}
    return named | {f"b{i}": b for i, (_, b) in enumerate(layers, 1) if b is not None}


def unpacked(params: Any) -> Any:
    """The layers of such a tree."""
    if isinstance(params, tuple):
        return [tuple(layer) for layer in params]
    return [(params[f"w{i}"], params.get(f"b{i}")) for i in range(1, 1 + sum(name[0] == "w" for name in params))]


def _loss(values: Any, of_examples: Any, share: Any, penalty: float, params: Any, x: Any, y: Any) -> Any:
    layers = unpacked(jax.tree.map(jnp.asarray, params))
    inputs, _ = run(Pieces(values, (), len, float), layers, jnp.asarray(x))
    total = of_examples(inputs[-1], jnp.asarray(y)).sum() * share(len(x))
    return total + penalty / 2 * sum((w**2).sum() for w, _ in layers) if penalty else total


def by_hand(pieces: Pieces, *, way: str, is_dict: bool) -> Callable[..., Any]:
    """The gradient function of some pieces."""
    arrange = ARRANGEMENTS.get(way, ARRANGEMENTS["matrices"])

    def grads(params: Any, x: Any, y: Any) -> Any:
        params, x, y = jax.tree.map(jnp.asarray, (params, x, y))
        layers = unpacked(params)
        leaves = arrange(pieces, layers, x, y)
        if pieces.penalty is not None:
            leaves = [(dw + pieces.penalty(w), db) for (dw, db), (w, _) in zip(leaves, layers, strict=True)]
        return packed([(dw, None if b is None else db) for (dw, db), (_, b) in zip(leaves, layers, strict=True)], is_dict)

    if way == "black box":
        return as_black_box(grads)
    if way == "in float32":
        return in_float32(grads)
    return grads


def as_black_box(grads: Callable[..., Any]) -> Callable[..., Any]:
    """The same, by NumPy arrays, so that JAX cannot trace it."""
    compiled = jax.jit(grads)
    return lambda *args: jax.tree.map(np.asarray, compiled(*jax.tree.map(np.asarray, args)))


def in_float32(grads: Callable[..., Any]) -> Callable[..., Any]:
    """The same, computed in float32."""

    def narrow(params: Any, *args: Any) -> Any:
        result = grads(*jax.tree.map(lambda leaf: jnp.asarray(leaf).astype(jnp.float32), (params, *args)))
        return jax.tree.map(lambda leaf, like: leaf.astype(like.dtype), result, params)

    return narrow


__all__ = ["Case", "case", "replace"]
