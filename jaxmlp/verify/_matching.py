"""Whether a value is a known quantity, or a simple multiple of one."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from ._accuracy import norm
from ._bench import RIGHT
from ._known import Quantity


class Known:
    """Known quantities, to be found by their values."""

    def __init__(self, quantities: Sequence[Quantity]) -> None:
        self._by_size: dict[tuple[int, ...], list[tuple[Quantity, np.ndarray]]] = {}
        for quantity in quantities:
            values = quantity.values
            self._by_size.setdefault(_core(values[0].shape), []).append((quantity, _flat(values)))
            # In the other convention a matrix is transposed; of a square one that is a mistake, and no convention.
            if values[0].ndim == 2 and values[0].shape != values[0].T.shape:
                turned = tuple(value.T for value in values)
                self._by_size.setdefault(_core(turned[0].shape), []).append((quantity, _flat(turned)))

    def find(self, values: tuple[np.ndarray, ...], scales: Sequence[float] = (1.0,)) -> Quantity | None:
        """The quantity that `values` is, of any shape of its size; a cotangent may be multiplied by one of `scales`."""
        if values[0].dtype.kind != "f":
            return None
        flat = _flat(values)
        for quantity, known in self._by_size.get(_core(values[0].shape), ()):
            for scale in scales if quantity.kind == "cotangent" else (1.0,):
                if norm(scale * known - flat) <= RIGHT * norm(flat):
                    return quantity
        return None

    def scale(self, values: tuple[np.ndarray, ...]) -> float | None:
        """How many times a cotangent `values` is, if it is a multiple of one."""
        if values[0].dtype.kind != "f":
            return None
        flat = _flat(values)
        size = float(np.vdot(flat, flat))
        for quantity, known in self._by_size.get(_core(values[0].shape), ()) if size else ():
            if quantity.kind != "cotangent":
                continue
            scale = float(np.vdot(known, flat) / np.vdot(known, known))
            if norm(scale * known - flat) <= RIGHT * np.sqrt(size):
                return snapped(scale)
        return None


def _core(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n for n in shape if n != 1)


def _flat(values: tuple[np.ndarray, ...]) -> np.ndarray:
    return np.concatenate([np.ravel(value) for value in values]).astype(np.float64)


def snapped(factor: float) -> float:
    """The simple number that a factor is, if it is one to the accuracy at hand."""
    simple = Fraction(factor).limit_denominator(4096)
    return float(simple) if abs(float(simple) - factor) <= 1e-7 * max(abs(factor), 1e-3) else factor


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
        cost = 1.0
    elif abs(float(size) - abs(factor)) <= 1e-7 * abs(factor) and size.numerator * size.denominator <= 1024:
        cost = 1.1 + 0.05 * float(np.log2(size.numerator * size.denominator))
    else:
        cost = 2.6
    return cost if alone else 0.6 * cost
