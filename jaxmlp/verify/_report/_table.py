"""What text and HTML show alike: what is known of a finding, and the leaves as rows of cells."""

import math
from collections import Counter
from typing import TYPE_CHECKING

from ._sentence import listed, said, Sentence


if TYPE_CHECKING:
    from ._gradient_report import Finding, GradientReport, LeafCheck


ROWS = 12
"""The most rows shown of a long report, unless more leaves are wrong: these are always shown."""


CODE = ("computes", "must")
"""The details that are code."""


def details(finding: "Finding", lang: str) -> dict[str, str]:
    """What there is to say of a finding beside its message, by the names of its labels; nothing is said twice."""
    fix, must, evidence = finding.fix, finding.must, finding.evidence or ""
    named = all(f"`{path}`" in finding.message + evidence for path in finding.leaves)
    facts = {
        "computes": finding.computes,
        "must": must,
        "leaves": None if named else said(listed(finding.leaves), lang),
        "fix": None if must and fix and f"`{must}`" in fix else fix,
        "evidence": evidence,
    }
    return {name: fact for name, fact in facts.items() if fact}


def head(lang: str) -> tuple[str, ...]:
    """The names of the columns."""
    leaf, shape, error, allowed, verdict = (
        said(Sentence(f"label.{name}"), lang) for name in ("leaf", "shape", "error", "allowed", "verdict")
    )
    return leaf, shape, "dtype", error, allowed, "ulps", "jax.grad", verdict


def row(leaf: "LeafCheck", lang: str) -> tuple[str, ...]:
    """A leaf as cells under `head`."""
    verdict = said(Sentence(f"verdict.{leaf.verdict}"), lang)
    numbers = f"{leaf.error:.1e}", f"{leaf.allowed:.1e}", _count(leaf.ulps), _count(leaf.autodiff_ulps)
    return leaf.path, str(leaf.shape), leaf.dtype, *numbers, verdict


def folded(report: "GradientReport") -> tuple[list["LeafCheck"], list["LeafCheck"]]:
    """The leaves to show, in their order: every wrong one, and the others with the largest errors; and the rest."""
    ranks = sorted(report.leaves, key=_rank)
    wrong = sum(leaf.verdict == "wrong" for leaf in report.leaves)
    shown = {id(leaf) for leaf in ranks[: max(ROWS, wrong)]}
    rest = [leaf for leaf in report.leaves if id(leaf) not in shown]
    return [leaf for leaf in report.leaves if id(leaf) in shown], rest


def rest_in_words(rest: list["LeafCheck"], lang: str) -> str:
    """How many leaves are not shown, and their verdicts."""
    counts = Counter(leaf.verdict for leaf in rest)
    verdicts = ", ".join(f"{count} {said(Sentence(f'verdict.{verdict}'), lang)}" for verdict, count in counts.items())
    return said(Sentence("label.folded", leaves=len(rest), verdicts=verdicts), lang)


def _rank(leaf: "LeafCheck") -> tuple[int, float]:
    return ("wrong", "undecided", "right").index(leaf.verdict), -math.inf if math.isnan(leaf.error) else -leaf.error


def _count(ulps: float | None) -> str:
    if ulps is None:
        return "-"
    return f"{ulps:.1f}" if ulps < 1e4 else f"{ulps:.0e}"
