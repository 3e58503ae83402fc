"""What the further questions to a rule add to the report on it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax.numpy as jnp

from .._judge import judged
from .._program._tree import named_leaves
from .._report._gradient_report import Finding, GradientReport, LeafCheck
from .._verdict._evidence import Subject
from ._values import settled


def paths_of(params: Any) -> tuple[str, ...]:
    """The names of all leaves."""
    return tuple(named_leaves(params))


def with_mistakes(report: GradientReport, *mistakes: Finding) -> GradientReport:
    """The report with mistakes that say more of their leaves than that they are wrong."""
    if not mistakes:
        return report
    told = {path for mistake in mistakes for path in mistake.leaves}
    kept = [finding for finding in report.findings if not told >= set(finding.leaves)]
    leaves = tuple(replace(leaf, verdict="wrong") if leaf.path in told else leaf for leaf in report.leaves)
    return replace(report, verdict="wrong", leaves=leaves, findings=(*mistakes, *kept), reasons=())


def with_notes(report: GradientReport, *notes: Finding) -> GradientReport:
    """The report with findings that change nothing of its verdict."""
    return replace(report, findings=report.findings + notes)


def wrong_of(subject: Subject, at: Any, params: Any, label: str) -> tuple[tuple[LeafCheck, ...], tuple[str, ...]]:
    """The leaves that are wrong of a further question, labelled as its, and their paths among `params`."""
    report = settled(subject, at, judged(subject, at, is_further=True))
    leaves = {leaf.path.removeprefix("inputs."): leaf for leaf in report.leaves if leaf.verdict == "wrong"}
    shapes = {path: jnp.shape(leaf) for path, leaf in named_leaves(params).items()}
    labelled = [
        replace(leaf, path=f"{path} ({label})", shape=shapes.get(path, leaf.shape)) for path, leaf in leaves.items()
    ]
    return tuple(labelled), tuple(leaves)


def with_leaves(
    report: GradientReport, leaves: tuple[LeafCheck, ...], finding: Callable[[tuple[str, ...]], Finding]
) -> GradientReport:
    """The report with the wrong leaves of a further question, if there are any."""
    if not leaves:
        return report
    mistake = finding(tuple(leaf.path for leaf in leaves))
    notes = {"precision"} if report.ok else set()
    findings = (*(f for f in report.findings if f.cause not in notes), mistake)
    return replace(report, verdict="wrong", leaves=report.leaves + leaves, findings=findings, reasons=())
