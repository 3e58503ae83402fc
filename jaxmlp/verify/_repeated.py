"""Is it a function of its arguments at all? What a second call with the same ones shows."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from ._mistake._names import line_of
from ._program._again import Again, again, parting
from ._program._call import called, input_names, is_traceable
from ._program._leaves import hosted
from ._program._numpy_code import as_jax
from ._program._source import Source
from ._program._tree import in_float64, named_leaves, on_host
from ._report._conduct import changes_arguments, fails_again, loss_varies, nondeterministic, varies
from ._report._finding import Place
from ._report._gradient_report import Finding
from ._verdict._accuracy import FORMULA, norm, relative
from ._verdict._evidence import Subject, VALUE


CALLS = 3
"""How often what is wrong is called again."""

REPEATS = 64
"""How many epsilons of the whole gradient two calls may be apart: threads add in any order."""


@dataclass(frozen=True)
class Repeated:
    """What is to be said after a second call.

    Attributes:
      reasons: why there is no one gradient to judge; empty if there is.
      findings: where two calls part, and what a caller of the function should know.
    """

    reasons: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()


def gradient_repeated(
    subject: Subject, params: Any, first: dict[str, np.ndarray] | None, *, traceable: bool, in_place: bool = True
) -> Repeated:
    """The gradient called a second time, in the dtypes of the caller, after it gave `first`, if that is known; and, if
    `in_place` says so, what it changes of its arguments.
    """
    args = (params, *subject.args)
    if first is None and not traceable:
        first = _leaves(subject, called(subject.grads, *args))
    try:
        names = _names(subject.grads, len(args))
        second = again(subject.grads, names, args, traceable=traceable, in_place=in_place)
    except Exception as error:
        return Repeated((fails_again(subject.name, error),))
    source = Source(subject.source or subject.grads)
    notes = ()
    if second.written:
        place = Place(line_of(second.writer, source))
        notes = (changes_arguments(subject.name, second.written, place),)
    changes = _changes(*_both(subject, second, first))
    if not changes:
        return Repeated((), notes)
    place = _place_of_parting(subject, second, args, source)
    findings = (nondeterministic(place),) if place.line else ()
    return Repeated((varies(subject.name, tuple(changes), max(changes.values())),), findings + notes)


def repeated_often(
    subject: Subject, params: Any, first: dict[str, np.ndarray] | None, value: float, *, traceable: bool
) -> Repeated:
    """The gradient and the loss called again and again, before the gradient is called wrong: of few random numbers
    two draws may be the same. They gave `first` and `value` before.
    """
    for _ in range(CALLS):
        repeated = gradient_repeated(subject, params, first, traceable=traceable, in_place=False)
        if repeated.reasons:
            return repeated
        if why := _loss_repeated(subject, params, value):
            return Repeated(why)
    return Repeated()


def _loss_repeated(subject: Subject, params: Any, first: float) -> tuple[str, ...]:
    """Why the values of the loss have no derivative, if it gives another one at each call; `first` is one of them."""
    args = (params, *subject.args)
    try:
        second = again(subject.loss, _names(subject.loss, len(args)), args, traceable=is_traceable(subject.loss, *args))
    except Exception as error:
        return (fails_again("loss", error),)
    one, two = _both_values(second, first)
    return (loss_varies(float(one), float(two)),) if _changes({VALUE: one}, {VALUE: two}) else ()


def _both_values(second: Again, first: float) -> tuple[np.ndarray, np.ndarray]:
    *before, after = map(on_host, second.results or (np.asarray(first),))
    return (before[0] if before else np.asarray(first, after.dtype)), after


def _both(
    subject: Subject, second: Again, first: dict[str, np.ndarray] | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The leaves that both calls gave."""
    if second.is_same:
        return {}, {}
    *before, after = [_leaves(subject, result) for result in second.results]
    return before[0] if before else first or {}, after


def _leaves(subject: Subject, result: Any) -> dict[str, np.ndarray]:
    leaves = {VALUE: result[0]} | named_leaves(result[1]) if subject.has_value else named_leaves(result)
    return {path: hosted(f"`{path}` from `{subject.name}`", leaf) for path, leaf in leaves.items()}


def _changes(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> dict[str, float]:
    """By how much of its size each leaf differs that does, beyond what the order of sums may do; inf where one call
    gives no such leaf.
    """
    dtypes = [leaf.dtype for leaf in second.values() if jnp.issubdtype(leaf.dtype, jnp.floating)]
    eps = max((float(jnp.finfo(dtype).eps) for dtype in dtypes), default=0.0)
    whole = norm(np.array([_size(in_float64(leaf)) for leaf in second.values() if leaf.dtype in dtypes]))
    changes = {}
    for path in (*first, *(path for path in second if path not in first)):
        one, two = first.get(path), second.get(path)
        if one is None or two is None or one.shape != two.shape:
            changes[path] = float("inf")
        elif two.dtype in dtypes and jnp.issubdtype(one.dtype, jnp.floating):
            one, two = in_float64(one), in_float64(two)
            is_same = (one == two) | (np.isnan(one) & np.isnan(two))
            with np.errstate(invalid="ignore"):
                change = norm(np.where(is_same, 0.0, two - one))
            if not change <= max(FORMULA * _size(one), REPEATS * eps * whole):
                changes[path] = relative(change, _size(one))
        elif not np.array_equal(one, two):
            changes[path] = float("inf")
    return changes


def _size(leaf: np.ndarray) -> float:
    """The norm of what is finite of a leaf."""
    return norm(np.where(np.isfinite(leaf), leaf, 0.0))


def _names(function: Callable[..., Any], count: int) -> tuple[str, ...]:
    """The names of the arguments; none for `params`, whose leaves have names of their own."""
    return ("", *input_names(function, count)[1:])


def _place_of_parting(subject: Subject, second: Again, args: tuple[Any, ...], source: Source) -> Place:
    """The line of the gradient from which on two calls differ, with the line of what it calls."""
    stacks = second.stacks
    if not stacks:
        try:
            stacks = parting(as_jax(subject.grads), *args)
        except Exception:  # torch, a compiled kernel, a branch on a number
            return Place()
    frames = [frame for stack in reversed(stacks) for frame in stack if frame]
    own = source.frame(stacks)
    inner = next(iter(frames), None)
    return Place(line_of(own or inner, source, inner if own and inner and not source.is_own(inner) else None))
