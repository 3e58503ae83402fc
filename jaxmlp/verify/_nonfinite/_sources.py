"""From which elements of its operands an element of a result was computed, where few are to be told."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import jax
import numpy as np

from .._program._trace import Equation


Element: TypeAlias = tuple[int, ...]
"""Where in an array a number stands."""


def again(equation: Equation, inputs: Sequence[Any]) -> list[np.ndarray]:
    """The results of an equation on other numbers."""
    arrays = (array if isinstance(array, jax.Array) else jax.device_put(array) for array in inputs)
    return [np.asarray(result) for result in equation.bind(*arrays)]


def moved(equation: Equation, values: list[Any], dtype: Any, out: int, element: Element) -> list[tuple[int, Element]]:
    """The operand, and the element of it, that an equation which only moves numbers of `dtype` put at `element`.

    It is asked to move the numbers of the places instead.
    """
    inputs, starts, start = list(values), {}, 1  # 0 is what fills a gap
    for operand, value in enumerate(values):
        if value.dtype == dtype:
            starts[operand] = start
            inputs[operand] = np.arange(start, start + value.size).reshape(value.shape)
            start += value.size
    number = int(again(equation, inputs)[out][element])
    for operand, first in starts.items():
        if first <= number < first + values[operand].size:
            found = np.unravel_index(number - first, values[operand].shape)
            return [(operand, tuple(int(i) for i in found))]
    return []


def factors(product: Equation, values: list[Any], element: Element) -> list[tuple[int, Element]]:
    """The two factors of the first term by which an element of a matrix product is NaN or inf, if there is one."""
    contracted, batched = product.params["dimension_numbers"]
    free = len(batched[0])
    indices: list[list[Any]] = []
    vectors = []
    for value, summed, shared in zip(values, contracted, batched, strict=True):
        index: list[Any] = [slice(None)] * value.ndim
        for position, axis in enumerate(shared):
            index[axis] = element[position]
        for axis in range(value.ndim):
            if axis not in (*shared, *summed):
                index[axis], free = element[free], free + 1
        indices.append(index)
        # The summed axes in the order in which they are paired.
        vectors.append(np.transpose(value[tuple(index)], [sorted(summed).index(axis) for axis in summed]))
    with np.errstate(all="ignore"):
        terms = vectors[0] * vectors[1]
    bad = np.isnan(terms) if np.isnan(terms).any() else np.isinf(terms)
    if not bad.any():
        return []
    found = np.argwhere(bad)[0].tolist()
    for index, summed in zip(indices, contracted, strict=True):
        for axis, position in zip(summed, found, strict=True):
            index[axis] = position
    return [(operand, tuple(index)) for operand, index in enumerate(indices)]
