"""A seed drawn into a network, a point, a loss, and a right gradient that shares no code with it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import numpy as np

import jaxmlp

from . import points
from .forms import ACTIVATIONS, Forms, LOSSES
from .gradients import by_hand, loss_of, packed, rounded
from .passes import ARRANGEMENTS, Pieces


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
"""The losses of the package, and what they average over."""

PACKAGE = tuple(name for name in ACTIVATIONS if hasattr(jaxmlp, name))

OTHER_WAYS = ("package", "forward mode", "black box", "in float32")
"""Besides the arrangements: `jaxmlp.loss_and_grads`, `jax.jacfwd` of another form, by NumPy, and by float32."""


@dataclass(frozen=True)
class Case:
    """A loss, its gradient by hand, and where to look at it.

    Attributes:
      about: what was drawn, in words.
      pieces: what the gradient is made of; None where it is not made of pieces.
      gradient: from pieces to a gradient function.
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

    @property
    def is_black_box(self) -> bool:
        return self.about["way"] == "black box"


def case(seed: int) -> Case:
    """The right gradient of a seed."""
    random = np.random.default_rng(seed)
    dtype = str(random.choice(list(DTYPES), p=list(DTYPES.values())))
    regimes = sorted({_pick(random, tuple(points.REGIMES)) for _ in range(random.integers(1, 4))})
    special = str(random.choice(["", "a kink", "trained"], p=[0.6, 0.2, 0.2]))
    way = _pick(random, (*ARRANGEMENTS, *OTHER_WAYS) if random.random() < 0.8 else tuple(ARRANGEMENTS))
    if way == "in float32" and dtype != "float64":
        way = "matrices"
    is_far, of_package = bool(FAR & set(regimes)), way == "package"
    hidden, output, loss, counted = (_of_package if of_package else _of_all)(random, is_far)
    factor = 1.0 if of_package or random.random() < 0.7 else points.scale(random, dtype)

    most = 33 if random.random() < 0.1 else 7
    batch = int(random.integers(1, 65 if random.random() < 0.05 else 7))
    if way == "one by one":
        batch = min(batch, 8)
    depth = int(random.integers(0, 4))
    if dtype in ("bfloat16", "float16"):
        depth = min(depth, 1)  # what is compiled only to run once
    names = [_pick(random, hidden)] * depth if of_package else [_pick(random, hidden) for _ in range(depth)]
    names.append(output)
    widths = [int(random.integers(1, most)) for _ in range(len(names) + 1)]
    columns = [ACTIVATIONS[name].columns for name in names]
    shapes = [(n_in, n_out * of) for n_in, n_out, of in zip(widths[:-1], widths[1:], columns, strict=True)]
    layers, x = points.drawn(random, shapes, batch, bias=bool(random.random() < 0.85))
    for regime in regimes:
        layers, x = points.REGIMES[regime](random, layers, x, dtype)

    rough = 0.02 if is_far else 0.15
    ours, theirs = (tuple(_value(random, ACTIVATIONS[name], rough) for name in names) for _ in range(2))
    y = points.targets(random, loss, (batch, widths[-1]))
    layers = [(rounded(w, dtype), None if b is None else rounded(b, dtype)) for w, b in layers]
    if special:
        x = np.asarray(rounded(x, dtype), np.float64)
        layers, y = points.special(random, special, names, theirs, loss, layers, x, y, dtype)
    x, y = rounded(x, dtype), rounded(y, dtype)

    penalty = 10 ** random.uniform(-4, 0) if not of_package and random.random() < 0.2 else 0.0
    share = partial(_share, counted, factor, widths[-1])
    backs = tuple(_back(random, ACTIVATIONS[name], rough) for name in names)
    dout = _back(random, LOSSES[loss], rough)
    pieces = Pieces(ours, backs, dout, share, penalty=(lambda w: penalty * w) if penalty else None)
    is_dict = not of_package and bool(random.random() < 0.5)
    their_loss = partial(loss_of, theirs, _value(random, LOSSES[loss], rough), share, penalty)
    gradient = partial(by_hand, way=way, is_dict=is_dict)
    grads = gradient(pieces)
    if of_package:
        activation = getattr(jaxmlp, names[0]) if depth else jaxmlp.identity
        options = {"hidden": activation, "output": getattr(jaxmlp, output), "loss": OF_THE_PACKAGE[loss][0]}
        grads = partial(jaxmlp.loss_and_grads, **options)
    elif way == "forward mode":
        grads = jax.jacfwd(partial(loss_of, ours, _value(random, LOSSES[loss], rough), share, penalty))
    params = packed(layers, is_dict)
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
    right = Case(seed, about, dtype, their_loss, grads, params, (x, y), has_value=of_package)
    if of_package or way == "forward mode":
        return right
    return Case(seed, about, dtype, their_loss, grads, params, (x, y), pieces=pieces, gradient=gradient)


def _pick(random: np.random.Generator, choice: Any) -> Any:
    return choice[random.integers(len(choice))]


def _of_package(random: np.random.Generator, is_far: bool) -> tuple[Any, str, str, str]:
    """What hidden layers may have, the activation of the output, the loss, and what it averages over."""
    loss = _pick(random, tuple(name for name in OF_THE_PACKAGE if not is_far or name != "probabilities"))
    outputs = {"logits": ("identity",), "softmax logits": ("identity",), "probabilities": ("sigmoid",)}
    return PACKAGE, _pick(random, outputs.get(loss, PACKAGE)), loss, OF_THE_PACKAGE[loss][1]


def _of_all(random: np.random.Generator, is_far: bool) -> tuple[Any, str, str, str]:
    """The same, of all that there is."""
    overflowing = () if is_far else ("probabilities", "Poisson")
    loss = _pick(random, (*REAL, "logits", "softmax logits", "hinge", *overflowing))
    outputs: tuple[str, ...] = ("identity",)
    if loss in REAL and random.random() < 0.5:
        outputs = tuple(ACTIVATIONS)
    elif loss == "probabilities":
        outputs = ("sigmoid", "softmax")
    elif loss in ("hinge", "Poisson"):
        outputs = ("identity", "tanh", "soft_sign")
    return tuple(ACTIVATIONS), _pick(random, outputs), loss, _pick(random, ("batch", "batch", "all", "sum"))


def _value(random: np.random.Generator, forms: Forms, rough: float) -> Callable[..., Any]:
    return _pick(random, forms.rough_values if forms.rough_values and random.random() < rough else forms.values)


def _back(random: np.random.Generator, forms: Forms, rough: float) -> Callable[..., Any]:
    return _pick(random, forms.rough_backs if forms.rough_backs and random.random() < 3 * rough else forms.backs)


def _share(counted: str, factor: float, outputs: int, batch: int) -> float:
    return {"batch": factor / batch, "all": factor / (batch * outputs), "sum": factor}[counted]
