"""Which mistake: a wrong leaf of the gradient, compared with the true one."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import jax
import numpy as np

from .._program._tree import is_array
from .._report import _words
from .._report._gradient_report import Finding
from .._verdict._accuracy import norm, relative
from .._verdict._evidence import VALUE


SAME = 1e-6
"""The relative error below which a hypothesis explains a leaf: ten times the error that a right formula may have."""

NEARLY_ONE = 1e-4
"""A factor this near 1 is not one that somebody wrote."""


@dataclass(frozen=True)
class WrongLeaf:
    """A leaf that is wrong, as it is (None if there is none) and as it ought to be.

    Of a large leaf `actual` and `expected` are some rows and columns, and `shapes` those of both leaves.
    """

    path: str
    actual: np.ndarray | None
    expected: np.ndarray
    shapes: tuple[tuple[int, ...], tuple[int, ...]] | None = None


_Mistake: TypeAlias = tuple[Callable[..., Finding], tuple[Any, ...]]
"""A hypothesis: the function that puts it into words, and what it takes besides the leaves."""


def explained(leaves: Iterable[WrongLeaf], extra: tuple[str, ...], args: tuple[Any, ...]) -> tuple[Finding, ...]:
    """One finding a mistake, over all leaves that show it; `extra` are leaves that `params` does not have."""
    batches = batch_sizes(args)
    shown: dict[_Mistake, list[str]] = {}
    for leaf in leaves:
        for mistake in _mistakes(leaf, batches):
            shown.setdefault(mistake, []).append(leaf.path)
    findings = [words(tuple(paths), *details) for (words, details), paths in shown.items()]
    return tuple(findings) + ((_words.extra(extra),) if extra else ())


def batch_sizes(args: tuple[Any, ...]) -> frozenset[int]:
    """What may be the number of examples: the size that all arrays of `args` share on their first axis, or on their
    last, and then that which several share on their first as well; or else that of the first axis of the first. What is
    one number long there, such as a bias, may stand beside several that share theirs.
    """
    shapes = [leaf.shape for leaf in jax.tree.leaves(args) if is_array(leaf) and leaf.shape]
    first = Counter(shape[0] for shape in shapes if len(shape) > 1)
    shared = {size for size, count in first.items() if count > 1 and size > 2}
    for axis in (0, -1):
        sizes = Counter(shape[axis] for shape in shapes)
        long = {size: count for size, count in sizes.items() if size > 1}
        if len(sizes) == len(long) == 1 or (len(long) == 1 and 1 not in long.values()):
            return frozenset({*long, *(shared if axis else ())})
        if [*sizes] == [1] and len(shapes) == 1:
            return frozenset()
    return frozenset(shape[0] for shape in shapes[:1]) - {1}


def _mistakes(leaf: WrongLeaf, batches: frozenset[int]) -> list[_Mistake]:
    actual, expected = leaf.actual, leaf.expected
    if leaf.path == VALUE:
        return [(_words.wrong_value, ())]
    if actual is None:
        return [(_words.missing, ())]
    if actual.dtype.kind != "f":
        return [(_words.not_floating, (actual.dtype,))]
    shapes = leaf.shapes or (actual.shape, expected.shape)
    if len(shapes[0]) == 2 and shapes[0] == shapes[1][::-1] and _is_same(actual.T, expected):
        return [(_words.transposed, shapes)]
    if shapes[0] != shapes[1]:
        return [(_words.wrong_shape, shapes)]
    if not np.isfinite(actual).all():
        return [(_words.nonfinite, ())]
    if not actual.any():
        return [(_words.zero_gradient, ())]
    factor = _factor(actual, expected)
    if factor is None or abs(factor - 1) <= NEARLY_ONE or (actual.size == 1 and not _is_simple(factor)):
        return [(_words.unknown, ())]
    return _scalings(factor, batches)


def _is_simple(factor: float) -> bool:
    """Whether a factor says something where any would do: one number is always some multiple of another."""
    size = max(abs(factor), 1 / abs(factor))
    return abs(size - round(size)) <= SAME * size


def _scalings(factor: float, batches: frozenset[int]) -> list[_Mistake]:
    """A factor is a lost sign, the batch size, another constant, or a sign and one of these."""
    signs: list[_Mistake] = [(_words.sign, ())] if factor < 0 else []
    size = abs(factor)
    if abs(size - 1) <= SAME:
        return signs
    for batch in batches:
        for exact in (float(batch), 1 / batch):
            if abs(size - exact) <= SAME * exact:
                return [*signs, (_words.scale_batch, (exact, batch))]
    return [*signs, (_words.scale_constant, (float(f"{size:.6g}"),))]


def _factor(actual: np.ndarray, expected: np.ndarray) -> float | None:
    """The number `c` with `actual = c expected`, if there is one."""
    size = norm(expected)
    if size == 0:
        return None
    factor = float(np.sum((actual / size) * (expected / size)))
    return factor if norm(actual - factor * expected) <= SAME * norm(actual) else None


def _is_same(actual: np.ndarray, expected: np.ndarray) -> bool:
    return relative(norm(actual - expected), norm(expected)) <= SAME
