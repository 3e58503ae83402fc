"""Does a rule give the same under `jit` and `vmap`, and with neither?"""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from .._program._tree import in_float64
from .._report._gradient_report import GradientReport, LeafCheck
from .._verdict._accuracy import norm
from .._verdict._evidence import Subject, View
from . import _words as words
from ._answers import paths_of, with_leaves, with_mistakes, with_notes, wrong_of
from ._questions import Transformation, transformed
from ._refused import leaks
from ._target import Target


_NAMES: dict[Transformation, str] = {
    "eager": "eager execution",
    "jit": "`jit`",
    "vmap": "`vmap`",
    "jit and vmap": "`jit` and `vmap`",
}


class _Outcome(NamedTuple):
    """The leaves that are wrong under a transformation, or what it raises."""

    by: Transformation
    what: tuple[LeafCheck, ...] | Exception


def with_transformations(aim: Target, subject: Subject, params: Any, report: GradientReport) -> GradientReport:
    """The report, with what a right rule does otherwise under a transformation."""
    own = View(subject, params, wide=False).answer()

    def outcome(by: Transformation) -> tuple[LeafCheck, ...] | Exception:
        other = transformed(subject, aim.call, by)
        try:
            if _agree(own, View(other, params, wide=False).answer()):
                return ()
            return wrong_of(other, params, params, by)[0]
        except Exception as refusal:
            return refusal

    outcomes = [_Outcome("eager", outcome("eager")), _Outcome("jit and vmap", outcome("jit and vmap"))]
    if outcomes[1].what != ():
        apart = [_Outcome("jit", outcome("jit")), _Outcome("vmap", outcome("vmap"))]
        outcomes[1:] = [one for one in apart if one.what != ()] or outcomes[1:]
    for by, what in outcomes:
        if not isinstance(what, Exception):
            report = with_leaves(report, what, lambda labelled, by=by: words.differs_under(labelled, _NAMES[by]))
        elif leaks(subject, params):
            return with_mistakes(report, words.leaks(paths_of(params)))
        else:
            report = with_notes(report, words.not_under(_NAMES[by], what))
    return report


def _agree(one: dict[str, np.ndarray], two: dict[str, np.ndarray]) -> bool:
    """Whether two answers in the caller's own dtype have some digits in common: what differs is then judged."""
    half = float(np.sqrt(jnp.finfo(jnp.float32).eps))
    one, two = ({path: in_float64(leaf) for path, leaf in leaves.items()} for leaves in (one, two))
    with np.errstate(invalid="ignore"):  # inf - inf is NaN, which is no agreement
        return one.keys() == two.keys() and all(
            one[path].shape == two[path].shape and norm(one[path] - two[path]) <= half * norm(one[path]) for path in one
        )
