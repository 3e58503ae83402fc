"""Slopes from values alone: central differences over a ladder of steps, each slope with its error bar.

For steps h_0 > h_1 > ... in a fixed ratio, a function along a line through a point is split into its two halves,

    odd(h) = (f(h) - f(-h)) / 2 = f' h + O(h^3)        even(h) = (f(h) + f(-h)) / 2 - f(0) = O(h^2)

The odd half gives the slope, extrapolated twice to h = 0 (Richardson 1911; Ridders 1982). What is left of each half
where two neighbouring extrapolations are compared is small for a smooth function and is rounding, a kink (whose even
half falls like h, not h^2) or a jump for any other: the bar is a multiple of it. The step taken is the one with the
smallest bar.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import TypeAlias

import numpy as np


Along: TypeAlias = Callable[[np.ndarray], np.ndarray]
"""Functions of one variable, one a line: from distances (lines, n) or (1, n) to values (lines, n)."""

RATIO = 2.25
"""The ratio of neighbouring steps. With 2, a rounded function is too often right at all small steps by coincidence."""

FINEST = 1e-6
"""The smallest step of a ladder, of its scale."""

SAFETY = 6.0
"""How many times what is left over a bar is wide.

The largest leftover of at least four steps is taken, so 6 covers the rounding of the extrapolated slope, whose
coefficients sum to less than 2, with room for its few unlucky draws.
"""

_SMALLER = 3
"""How many smaller steps there must be to say what is left over."""

_MORE = 10
"""How many smaller steps are added where the smallest ones still were too coarse: a kink or a pole is very near."""

_BISECTIONS = 24
"""How often the end of a flat is halved: a kink's change then falls by 2^24, a jump stays."""


@dataclass(frozen=True)
class Slopes:
    """The slopes along several lines; arrays of shape (lines,).

    Attributes:
      values: the slopes.
      bars: how far each may be from the truth; inf where nothing is known.
      steps: the step that each was measured with.
      states: "ok"; "constant" where every step gives exactly the same value, as for an unused parameter, or one whose
        effect is lost in rounding; "kink" where the slopes to both sides differ at the point, or nearer to it than any
        step shows; "rough" where large and small steps each see a smooth function, but not the same one, as in stairs
        or ripples; "nonfinite" where the function is NaN or inf at the point or too near to it.
      jumps: by how much the slopes to both sides differ where there is a kink, else 0.
    """

    values: np.ndarray
    bars: np.ndarray
    steps: np.ndarray
    states: np.ndarray
    jumps: np.ndarray


def ladder(scale: float) -> np.ndarray:
    """Steps from half of `scale`, or of 1 where that is larger, down to a millionth of `scale`.

    1 is the scale of what an activation adds its bias to, so that a tiny bias gets steps that show.
    """
    scale = scale if 0 < scale < np.inf else 1.0
    top = max(scale, 1.0)
    return top * RATIO ** -np.arange(1.0, np.ceil(np.log(top / (FINEST * min(scale, 1.0))) / np.log(RATIO)))


def joined(parts: Sequence[Slopes]) -> Slopes:
    """The slopes of several sets of lines, one after another."""
    names = [field.name for field in fields(Slopes)]
    return Slopes(*(np.concatenate([np.zeros(0), *(getattr(part, name) for part in parts)]) for name in names))


def slopes(along: Along, steps: np.ndarray, eps: float) -> Slopes:
    """The slopes at 0 of functions of one variable, one a line.

    Args:
      along: from distances of shape (lines, n) to the values there, of the same shape; or of shape (1, n), the
        same distances on every line.
      steps: shape (steps,), each the one before divided by `RATIO`.
      eps: the rounding of one number in the precision that the values are computed in, at least.
    """
    with np.errstate(all="ignore"):
        center = along(np.zeros((1, 1)))
        values = _Values(steps, center, along(steps[None, :]), along(-steps[None, :]))
        found, too_coarse = _measured(along, values, eps)
        if (too_coarse & np.isfinite(center[:, 0])).any():
            more = steps[-1] * RATIO ** -np.arange(1.0, _MORE + 1)
            values = values.followed_by(more, along(more[None, :]), along(-more[None, :]))
            found, _ = _measured(along, values, eps)
    return found


@dataclass(frozen=True)
class _Values:
    """Functions at 0, of shape (lines, 1), and at plus and minus the steps, of shape (lines, steps)."""

    steps: np.ndarray
    center: np.ndarray
    plus: np.ndarray
    minus: np.ndarray

    def followed_by(self, steps: np.ndarray, plus: np.ndarray, minus: np.ndarray) -> "_Values":
        """The same with smaller steps at the end."""
        old, new = (self.steps[None, :], self.plus, self.minus), (steps[None, :], plus, minus)
        steps, plus, minus = (np.concatenate(pair, axis=1) for pair in zip(old, new, strict=True))
        return _Values(steps[0], self.center, plus, minus)


def _measured(along: Along, at: _Values, eps: float) -> tuple[Slopes, np.ndarray]:
    """The slopes from these values, and which of them smaller steps may improve."""
    h, center, plus, minus = at.steps, at.center, at.plus, at.minus
    flat = (plus == center) & (minus == center)
    constant = flat.all(axis=1)
    stair = flat.any(axis=1) & ~constant
    if stair.any():
        stair &= _ends_in_a_jump(along, at, eps)
    floor = eps * np.maximum(abs(center), np.maximum(abs(plus), abs(minus)))
    even = ((plus - center) + (minus - center)) / 2
    estimates = _extrapolated(_extrapolated((plus - minus) / 2 / h, 2), 4)
    left = np.fmax(abs(_change(estimates)) * h, abs(_change(_extrapolated(even / h**2, 2))) * h**2)
    left = np.where(np.isfinite(estimates) & np.isfinite(left), left + floor, np.inf)
    noise = np.maximum.accumulate(left[:, ::-1], axis=1)[:, ::-1]  # of a step and all smaller ones
    bars = np.where(flat & stair[:, None], np.inf, SAFETY * noise / h)
    bars[:, -_SMALLER:] = np.inf
    best, rough = _chosen(estimates, bars)

    def at_best(array: np.ndarray) -> np.ndarray:
        return np.take_along_axis(array, best[:, None], axis=1)[:, 0]

    value, bar = at_best(estimates), at_best(bars)
    known = np.isfinite(bar)
    jumps = _jumps(even, h, 16 * floor)
    kink = known & (jumps > bar / (4 * SAFETY)) & (bar > jumps / 4)
    states = np.select([~known, constant, kink, rough], ["nonfinite", "constant", "kink", "rough"], "ok")
    found = Slopes(np.where(known, value, np.nan), bar, h[best], states, np.where(kink, jumps, 0.0))
    return found, ~known | kink | (best >= len(h) - _SMALLER - 2)


def _change(levels: np.ndarray) -> np.ndarray:
    """Each level less the one before; NaN for the first."""
    return np.diff(levels, axis=1, prepend=np.nan)


def _extrapolated(levels: np.ndarray, power: int) -> np.ndarray:
    """Levels without their term in that power of the step."""
    return levels + _change(levels) / (RATIO**power - 1)


def _chosen(estimates: np.ndarray, bars: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The step with the smallest bar that no smaller step contradicts; and whether three larger ones in a row do."""
    apart = abs(estimates[:, :, None] - estimates[:, None, :]) > bars[:, :, None] + bars[:, None, :]
    smaller = np.triu(np.ones(apart.shape[1:], bool), 1)
    best = np.argmin(np.where((apart & smaller).any(axis=2), np.inf, bars), axis=1)
    against = np.take_along_axis(apart & ~smaller, best[:, None, None], axis=1)[:, 0]
    agree = ~np.diagonal(apart, 1, 1, 2)
    row = against[:, :-2] & against[:, 1:-1] & against[:, 2:] & agree[:, :-1] & agree[:, 1:]
    return best, np.any(row, axis=1, keepdims=True)[:, 0]


def _jumps(even: np.ndarray, h: np.ndarray, floor: np.ndarray) -> np.ndarray:
    """The jump of the slope where the even half falls like the step, at the smallest four steps that show it."""
    ratios = even[:, :-1] / even[:, 1:]
    linear = (ratios > 0.85 * RATIO) & (ratios < 1.2 * RATIO) & (abs(even[:, 1:]) > floor[:, 1:])
    runs = linear[:, :-2] & linear[:, 1:-1] & linear[:, 2:]
    last = runs.shape[1] - 1 - np.argmax(runs[:, ::-1], axis=1)
    jumps = 2 * abs(even[np.arange(len(even)), last + 3]) / h[last + 3]
    return np.where(runs.any(axis=1), jumps, 0.0)


def _ends_in_a_jump(along: Along, at: _Values, eps: float) -> np.ndarray:
    """Whether the flat around 0 ends in a jump, as a rounded function does, and not in a kink, as a dead unit does."""
    center = at.center[:, 0]
    moves = (at.plus != at.center) | (at.minus != at.center)
    first = moves.shape[1] - 1 - np.argmax(moves[:, ::-1], axis=1)  # the smallest step that leaves the flat
    plus, minus = (np.take_along_axis(values, first[:, None], axis=1)[:, 0] for values in (at.plus, at.minus))
    outside = np.where(plus != center, 1.0, -1.0) * at.steps[first]
    inside = outside / RATIO
    change = before = abs(np.where(outside > 0, plus, minus) - center)
    for _ in range(_BISECTIONS):
        middle = (inside + outside) / 2
        here = abs(along(middle[:, None])[:, 0] - center)
        inside, outside = np.where(here == 0, middle, inside), np.where(here == 0, outside, middle)
        change = np.where(here == 0, change, here)
    return ~(change <= np.maximum(2.0 ** (-_BISECTIONS / 2) * before, 2 * eps * abs(center)))
