"""Taylor's remainder: what a gradient leaves of the loss falls like the square of the step, if it is right."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._program._tree import named_leaves, on_host
from .._report._gradient_report import Verdict
from .._verdict._accuracy import norm
from ._differences import ladder, RATIO, SAFETY, slopes
from ._gradient import scale
from ._lines import in_float64, Lines
from ._opinion import REAL, RESOLUTION


NOISE = 8
"""How many times the noise of the loss a remainder must be to be more than noise."""


@dataclass(frozen=True)
class Remainder:
    """Taylor's remainder along one random direction `d` of all parameters together.

    Attributes:
      verdict: "right" where it is of order 2 down to 1e-4 of the gradient, "wrong" where it is of order 1 at the
        smallest steps, else "undecided".
      steps: `h`, from large to small; those of `remainders`, `|f(p + h d) - f(p) - h <g, d>|`.
      orders: how the remainder falls from each step to the next; NaN where it is no more than noise.
      resolution: the error of the gradient, relative to its size along `d`, that could still be there.
    """

    verdict: Verdict
    steps: np.ndarray
    remainders: np.ndarray
    orders: np.ndarray
    resolution: float


def taylor_remainder(loss: Callable[..., Any], grads: Any, params: Any, *args: Any, draw: int = 0) -> Remainder:
    """The remainder of `loss(params, *args)` after the step that `grads`, a tree like `params`, foretells.

    Along a Gaussian direction in which every leaf moves by about its own size; `draw` chooses another one. It sees
    one number of the whole gradient: an error in a small leaf is better seen by `second_opinion`.

    Raises:
      TypeError: `loss` does not return a floating number.
      ValueError: `loss` does not return a scalar, or the leaves of `grads` have other shapes than those of `params`.
    """
    given = {path: on_host(leaf) for path, leaf in named_leaves(grads).items()}
    return in_float64(lambda params, args: _remainder(Lines(loss, params, args), given, draw), params, args)


def _remainder(lines: Lines, given: dict[str, np.ndarray], draw: int) -> Remainder:
    shapes = {path: leaf.shape for path, leaf in lines.leaves.items()}
    if shapes != {path: leaf.shape for path, leaf in given.items()}:
        actual = {path: leaf.shape for path, leaf in given.items()}
        raise ValueError(f"`grads` must have the leaves of `params`, {shapes}, got {actual}.")
    random = {path: np.random.default_rng(zlib.crc32(f"{path}/{draw}".encode())) for path in shapes}
    sizes = {path: scale(leaf) or 1.0 for path, leaf in lines.leaves.items()}
    direction = np.concatenate([sizes[path] * random[path].standard_normal(leaf.size) for path, leaf in given.items()])
    gradient = np.concatenate([leaf.astype(np.float64).ravel() for leaf in given.values()])
    size = norm(np.concatenate([sizes[path] * leaf.astype(np.float64).ravel() for path, leaf in given.items()]))

    h = ladder(1.0)
    along = lines.along(direction[None, :])
    seen = slopes(along, h, lines.eps)
    after, before = along(h[None, :])[0], along(np.zeros((1, 1)))[0]
    with np.errstate(all="ignore"):
        remainders = np.abs(after - before - h * (gradient @ direction))
        noise = seen.bars * seen.steps / SAFETY + lines.eps * np.abs(after)
        orders = np.log(remainders[:-1] / remainders[1:]) / np.log(RATIO)
        loud = np.isfinite(remainders) & (remainders > NOISE * noise)
        orders[~(loud[:-1] & loud[1:])] = np.nan
        relative = np.where(loud, remainders, NOISE * noise) / (h * size)
    resolution = float(np.nanmin(relative, initial=np.inf))
    verdict: Verdict = "undecided"
    if seen.states[0] == "ok" and not lines.is_random and np.isfinite(size):
        last = np.flatnonzero(np.isfinite(orders))[-3:]
        if not loud.any() or (len(last) and np.all(orders[last] > 1.8)):
            verdict = "right" if resolution <= RESOLUTION else "undecided"
        elif len(last) == 3 and np.all(np.abs(orders[last] - 1) < 0.1) and h[last[0]] < 0.1:
            verdict = "wrong" if relative[last[-1] + 1] > REAL else "undecided"
    return Remainder(verdict, h, remainders, orders, resolution)
