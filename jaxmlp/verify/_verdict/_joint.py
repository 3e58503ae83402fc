"""The loss, its gradient and the gradient under check as one program."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
from jax.extend.core import jaxpr_as_fun

from .._program._call import joined, Kept
from .._program._tree import is_floating, named_leaves
from ._evidence import Subject
from ._reference import value_and_grad
from ._seen import VALUE


@dataclass(frozen=True)
class Joint:
    """What a subject computes of arrays of one kind.

    Attributes:
      run: the loss, the leaves of its gradient and those of the gradient under check, flat, of the arrays.
      expected: shapes and dtypes of the leaves of the gradient, in the order of `params`; the value before them where
        the subject returns it.
      actual: those of the gradient under check.
    """

    run: Callable[..., Sequence[Any]]
    expected: dict[str, jax.ShapeDtypeStruct]
    actual: dict[str, jax.ShapeDtypeStruct]

    @property
    def dtypes(self) -> dict[str, Any]:
        """The dtypes of the leaves under check."""
        return {path: leaf.dtype for path, leaf in self.actual.items()}

    def is_comparable(self, path: str) -> bool:
        """Whether there are two floating leaves of one shape to subtract."""
        actual, expected = self.actual.get(path), self.expected.get(path)
        return actual is not None and expected is not None and is_floating(actual) and actual.shape == expected.shape

    def is_alike(self, path: str) -> bool:
        """Whether a leaf `is_comparable`, or with its transpose."""
        actual, expected = self.actual.get(path), self.expected[path]
        is_transpose = actual is not None and actual.ndim == 2 and actual.shape == expected.shape[::-1]
        return self.is_comparable(path) or (is_transpose and is_floating(actual))

    def named(self, outputs: Sequence[Any]) -> tuple[Any, dict[str, Any], dict[str, Any]]:
        """The loss, the true leaves and those under check, in what `run` gives."""
        value, *leaves = outputs
        expected = dict(zip(self.expected, leaves, strict=False))
        actual = dict(zip(self.actual, leaves[len(expected) :], strict=True))
        return value, expected, actual


def joint(subject: Subject, arrays: Sequence[Any], kept: Kept) -> Joint:
    """The program of `subject` for arrays of the shapes and dtypes of `arrays`; raises what tracing raises."""
    paths: list[list[str]] = []

    def both(*arrays: Any) -> Any:
        params, args = joined(arrays, kept)
        value, grads = value_and_grad(subject.loss)(params, *args)
        expected = ({VALUE: value} if subject.has_value else {}) | named_leaves(grads)
        actual = subject.leaves(subject.grads(params, *args))
        paths[:] = [list(expected), list(actual)]
        return value, list(expected.values()), list(actual.values())

    program, (_, expected, actual) = jax.make_jaxpr(both, return_shape=True)(*arrays)
    shapes = [dict(zip(names, leaves, strict=True)) for names, leaves in zip(paths, (expected, actual), strict=True)]
    return Joint(jaxpr_as_fun(program), *shapes)
