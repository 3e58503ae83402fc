"""A softmax that is none yet, whose derivative is missing, or of which only the diagonal was taken."""

from collections.abc import Iterator

import numpy as np

from .._line import _relate
from .._line._relate import Values
from .._report import _words
from .._report._gradient_report import Finding
from ._every_run import every_run
from ._explanation import Explanation
from ._names import joined
from ._relations import without_ones


def has_only_the_diagonal(e: Explanation, expected: Values) -> bool:
    """Whether the statement gives the diagonal of the Jacobian, where `expected` needs all of it."""
    return any(_relate.is_softmax_diagonal(a, x, [p]) for a, x, p in _beside_outputs(e, expected))


def lacks_the_softmax(e: Explanation, expected: Values) -> Finding | None:
    """The cotangent of the outputs of a softmax where that of its inputs belongs."""
    for actual, wanted, p in _beside_outputs(e, expected):
        for axis in range(p[0].ndim):
            sums = [(a * q).sum(axis, keepdims=True) for a, q in zip(actual, p, strict=True)]
            made = tuple(q * (a - s) for a, q, s in zip(actual, p, sums, strict=True))
            if all(np.allclose(q.sum(axis), 1) for q in p) and _relate.multiple(made, wanted) is not None:
                return _words.missing_softmax(e.paths, place=e.place())
    return None


def normalized(e: Explanation) -> Finding:
    text = e.renames if e.alias else e.text
    must = joined(text, f"({{}}) / jnp.sum({text}, axis={e.facts['axis']}, keepdims=True)")
    return _words.not_normalized(e.paths, place=e.place(must))


def _beside_outputs(e: Explanation, expected: Values) -> Iterator[tuple[Values, Values, Values]]:
    """What the statement gives and must give, beside what may be the outputs of a softmax: values of the loss and,
    where that takes the logarithm at once, what the statement reads. Of single numbers all runs together are looked at.
    """
    bench = e.case.bench
    read = {atom for index in e.run for atom in bench.program.equations[index].inputs}
    values = [q.values for q in e.quantities() if q.kind in ("value", "part")]
    for p in [*values, *map(bench.run.at, read)]:
        is_alike = e.actual[0].shape == expected[0].shape and without_ones(p) == without_ones(e.actual)
        if is_alike and e.actual[0].size > 1:
            yield e.actual, expected, tuple(q.reshape(a.shape) for q, a in zip(p, e.actual, strict=True))
    every = every_run(e) if len(e.mistake.instances) > 1 and e.out is not None else None
    if every is not None:
        for p in (p for p in values if 1 < p[0].size == every[0][0].size):
            given, wanted = (tuple(value.reshape(p[0].shape) for value in each) for each in every)
            yield given, wanted, p
