"""The mistakes of a wrong gradient, by whatever shows most of them: its program, its leaves beside a mutant's, or those
alone.
"""

from collections.abc import Sequence
from dataclasses import replace

import jax
import numpy as np

from ._in_jax import gradient_in_jax
from ._mistake._black_box import recognized
from ._mistake._diagnose import diagnosed
from ._mistake._leaf import batch_sizes, explained, WrongLeaf
from ._mistake._patient import Patient
from ._program._tree import is_array
from ._report._gradient_report import Finding
from ._verdict._evidence import AnyView, Evidence, Seen, Subject, VALUE
from ._verdict._points import Step


def found(
    subject: Subject,
    view: AnyView,
    here: Seen,
    beside: dict[Step, Seen],
    wrong: list[WrongLeaf],
    extra: tuple[str, ...],
) -> tuple[Finding, ...]:
    """One finding a mistake, from what is seen at the caller's point and where steps lead to.

    `extra` are leaves that `params` does not have.
    """
    alone = explained(wrong, extra, subject.data)
    floating = [
        leaf for leaf in wrong if leaf.path != VALUE and leaf.actual is not None and leaf.actual.dtype.kind == "f"
    ]
    seen = [at for at in (here, *beside.values()) if isinstance(at, Evidence)]
    if not floating or not view.is_wide or not seen:
        return alone
    # A number of Python's is one in an array near by, and so here too: both points are those of one program.
    in_arrays = lambda params: jax.tree.map(lambda leaf: leaf if is_array(leaf) else np.asarray(leaf), params)
    points = [in_arrays(view.params_at()), *(view.params_at(step) for step in beside)]
    truth = [{path: leaf for path, leaf in at.expected.items() if path != VALUE} for at in seen]
    batches, source = batch_sizes(subject.data), subject.source or subject.grads
    patient = Patient(
        subject.loss, subject.gradient, source, points, view.args, truth, batches, of_inputs=subject.of_inputs
    )
    try:
        with jax.enable_x64(True):
            if view.is_traceable:
                findings = diagnosed(patient, [leaf.path for leaf in floating])
            elif (program := gradient_in_jax(subject, points, view.args, seen)) is not None:
                findings = diagnosed(replace(patient, grads=program), [leaf.path for leaf in floating])
            else:
                findings = _of_a_black_box(patient, seen, alone)
    except Exception:
        # What cannot be taken apart, such as a program with effects, still has its verdict and what its leaves show.
        return alone
    known = {path for finding in findings for path in finding.leaves}
    rest = [leaf for leaf in wrong if leaf.path not in known]
    return explained(rest, (), subject.data) + tuple(findings) + explained([], extra, subject.data)


def _of_a_black_box(patient: Patient, seen: Sequence[Evidence], alone: Sequence[Finding]) -> list[Finding]:
    """What leaves show together, where one of them does not show it alone."""
    by_path = {path: finding.cause for finding in alone for path in finding.leaves}
    paths = [path for path in by_path if path in patient.truth[0] and all(at.is_comparable(path) for at in seen)]
    strange = {path for path in paths if by_path[path] == "unknown"}
    several = [path for path in paths if path in strange or by_path[path] in _FACTORS]
    findings = recognized(patient, [at.actual for at in seen], several) if strange else []
    return [finding for finding in findings if not strange.isdisjoint(finding.leaves)]


_FACTORS = ("sign", "scale-batch", "scale-constant")
