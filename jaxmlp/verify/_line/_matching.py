"""Whether a value is a known quantity, or a simple multiple of one."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from ._bench import RIGHT
from ._quantities import Quantity
from ._relate import is_masked_constant


_SHIFT = 1e-9
"""How far a difference of two values may vary, to its own size, and be one number."""


class Known:
    """Known quantities, to be found by their values."""

    def __init__(self, quantities: Iterable[Quantity]) -> None:
        self._quantities = list(quantities)
        self._points: dict[int, Known] = {}
        found: dict[tuple[int, ...], list[tuple[Quantity, np.ndarray]]] = {}
        for quantity in self._quantities:
            values = quantity.values
            found.setdefault(core(values[0].shape), []).append((quantity, _flat(values)))
            # In the other convention a matrix is transposed; of a square one that is a mistake, and no convention.
            if values[0].ndim == 2 and values[0].shape != values[0].T.shape:
                turned = tuple(value.T for value in values)
                found.setdefault(core(turned[0].shape), []).append((quantity, _flat(turned)))
        self._by_size = {
            core: _Shelf(
                [quantity for quantity, _ in pairs],
                np.stack([flat for _, flat in pairs]),
                np.array([quantity.kind == "cotangent" for quantity, _ in pairs]),
            )
            for core, pairs in found.items()
        }

    def at(self, point: int) -> "Known":
        """The same, by their values at one point alone."""
        if point not in self._points:
            those = [replace(quantity, values=(quantity.values[point],)) for quantity in self._quantities]
            self._points[point] = Known(those)
        return self._points[point]

    def find(self, values: tuple[np.ndarray, ...], scales: Sequence[float] = (1.0,)) -> Quantity | None:
        """The quantity that `values` is, of any shape of its size; a cotangent may be multiplied by one of `scales`."""
        shelf = self._by_size.get(core(values[0].shape))
        if values[0].dtype.kind != "f" or shelf is None:
            return None
        flat = _flat(values)
        size = float(np.linalg.norm(flat))
        first = None
        for scale in scales:
            near = np.linalg.norm(scale * shelf.flat - flat, axis=1) <= RIGHT * size
            near &= shelf.is_cotangent | (scale == 1)
            if near.any() and (first is None or np.argmax(near) < first):
                first = int(np.argmax(near))
        return None if first is None else shelf.quantities[first]

    def shifts(self, values: tuple[np.ndarray, ...]) -> list[float]:
        """The numbers that have to be added to `values` to give a value of the loss, of more than one number."""
        shelf = self._by_size.get(core(values[0].shape))
        flat = _flat(values) if values[0].dtype.kind == "f" else np.zeros(0)
        if shelf is None or len(flat) <= len(values) or not np.isfinite(flat).all():
            return []
        changes = shelf.flat - flat
        near = np.ptp(changes, axis=1) <= _SHIFT * np.abs(changes).max(axis=1)
        near &= [quantity.kind == "value" for quantity in shelf.quantities]
        return [float(change) for change in changes[near].mean(axis=1) if change]

    def scale(self, values: tuple[np.ndarray, ...], usual: Iterable[float] = ()) -> float | None:
        """How many times a cotangent `values` is, if it is a multiple of one: once, if it is one of them, or one of the
        `usual` scales, where it is a multiple of several.
        """
        found = [*map(snapped, self._multiples(values, of_cotangents=True))]
        return next((scale for scale in (1.0, *usual) if scale in found), found[0]) if found else None

    def signs(self, values: tuple[np.ndarray, ...]) -> set[float]:
        """The signs of the cotangents that `values` are multiples of."""
        return {math.copysign(1.0, scale) for scale in self._multiples(values, of_cotangents=True)}

    def kept(self) -> set[float]:
        """The numbers by which slopes of several numbers multiply what they let through, as those of a dropout do."""
        slopes = [quantity.values[0] for quantity in self._quantities if quantity.kind == "slope"]
        masks = [slope for slope in slopes if not slope.all() and is_masked_constant((slope,))]
        return {snapped(float(mask[mask != 0][0])) for mask in masks} - {1.0}

    def is_simple_multiple(self, values: tuple[np.ndarray, ...]) -> bool:
        """Whether `values` are several numbers that a value or a slope is, up to a factor of few digits."""
        return values[0].size > 1 and any(map(is_simple, self._multiples(values, of_cotangents=False)))

    def _multiples(self, values: tuple[np.ndarray, ...], *, of_cotangents: bool) -> list[float]:
        """How many times cotangents, or other quantities, `values` are."""
        shelf = self._by_size.get(core(values[0].shape))
        flat = _flat(values) if values[0].dtype.kind == "f" else np.zeros(0)
        size = float(np.linalg.norm(flat))
        if shelf is None or not size or not np.isfinite(size):
            return []
        with np.errstate(all="ignore"):
            scales = shelf.flat @ flat / (shelf.flat * shelf.flat).sum(axis=1)
            near = np.linalg.norm(scales[:, None] * shelf.flat - flat, axis=1) <= RIGHT * size
        return scales[near & (shelf.is_cotangent == of_cotangents)].tolist()


@dataclass(frozen=True, eq=False)
class _Shelf:
    """The quantities of one size, their numbers in rows."""

    quantities: list[Quantity]
    flat: np.ndarray
    is_cotangent: np.ndarray


def core(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n for n in shape if n != 1)


def _flat(values: tuple[np.ndarray, ...]) -> np.ndarray:
    return np.concatenate([np.ravel(value) for value in values]).astype(np.float64)


def snapped(factor: float) -> float:
    """The simple number that a factor is, if it is one to the accuracy at hand: the first of its convergents that is
    near enough, of a denominator up to 4096.
    """
    size = rest = abs(factor)
    before, last = (0, 1), (1, 0)
    while math.isfinite(rest):
        whole = math.floor(rest)
        before, last = last, (whole * last[0] + before[0], whole * last[1] + before[1])
        if last[1] > 4096:
            break
        if abs(last[0] / last[1] - size) <= 1e-7 * max(size, 1e-3):
            return math.copysign(last[0] / last[1], factor)
        rest = 1 / (rest - whole) if rest > whole else math.inf
    return factor


def is_simple(factor: float) -> bool:
    """Whether a factor is a number of few digits, such as somebody writes."""
    size = Fraction(abs(factor)).limit_denominator(4096)
    return abs(float(size) - abs(factor)) <= 1e-7 * abs(factor) and size.numerator * size.denominator <= 1024


def scale_cost(factor: float, batches: frozenset[int], *, alone: bool) -> float:
    """How much it takes to describe a factor: a sign and the batch size are what people get wrong most."""
    if factor == 1:
        return 0.0
    size = Fraction(abs(factor)).limit_denominator(4096)
    if factor == 0:
        return 1.0
    if factor == -1:
        cost = 1.0
    elif any(size in (batch, Fraction(1, batch)) for batch in batches):
        cost = 1.0 if factor > 0 else 1.3
    elif is_simple(factor):
        cost = 1.1 + 0.05 * float(np.log2(size.numerator * size.denominator))
    else:
        cost = 2.6
    return cost if alone else 0.6 * cost
