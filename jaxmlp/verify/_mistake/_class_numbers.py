"""Which mistake: the number of a class where its one-hot row belongs."""

import numpy as np

from .._line import _relate
from .._report import _words_of_parts
from .._report._gradient_report import Finding
from ._explanation import Explanation


def class_numbers(e: Explanation) -> Finding | None:
    """That the statement subtracts numbers of classes from as many rows, `p - y[:, None]`, where it must give, up to a
    factor, `p - onehot(y)`.
    """
    bench, expected = e.case.bench, e.corrected()
    for equation in map(bench.program.equations.__getitem__, e.run):
        if equation.name != "sub" or expected is None:
            continue
        value, label = map(bench.run.at, equation.inputs)
        if value[0].ndim != 2 or label[0].ndim != 2:
            continue
        rows = [_of_one(p, y) for p, y in zip(value, label, strict=True)]
        taken = [p - row for p, row in zip(value, rows, strict=True) if row is not None]
        alike = len(taken) == len(value) and taken[0].shape == expected[0].shape
        if alike and _relate.multiple(tuple(taken), expected) is not None:
            axis = 1 if label[0].shape[1] == 1 or not np.ptp(label[0], axis=1).any() else 0
            return _words_of_parts.class_numbers(e.paths, count=value[0].shape[axis], place=e.place())
    return None


def _of_one(p: np.ndarray, y: np.ndarray) -> np.ndarray | None:
    """The one-hot rows, or columns, of numbers that are the same for all numbers of a row, or of a column."""
    numbers = np.broadcast_to(y, p.shape)
    for axis in (1, 0):
        first = np.take(numbers, [0], axis)
        places = np.arange(p.shape[axis]).reshape((1, -1) if axis == 1 else (-1, 1))
        if (numbers == first).all() and np.isin(first, places).all():
            return (first == places).astype(p.dtype)
    return None
