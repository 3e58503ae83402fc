"""What a check found, leaf by leaf, as text, as HTML and as JSON."""

import html
import json
import math
import textwrap
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from ._accuracy import Verdict


@dataclass(frozen=True)
class Line:
    """A line of the source: its file, its number from 1, and its text without the indentation."""

    file: str
    number: int
    text: str


@dataclass(frozen=True)
class LeafCheck:
    """One leaf of the gradient beside the truth.

    Attributes:
      path: the leaf's name in `params`, such as `"w1"` or `"0.w"`.
      verdict: `"right"`, `"wrong"` or `"undecided"`.
      error: `norm(actual - expected) / norm(expected)` in float64, at the point that decided; inf where
        there is nothing to compare (another shape, not finite).
      allowed: the largest such error that rounding can account for here.
      shape: the shape of the parameter.
      dtype: the dtype of the parameter, as JAX computes with it.
      ulps: the same error in that dtype, in units of its epsilon, at the caller's point; None if unknown.
      autodiff_ulps: what `jax.grad` attains there, against the same float64 truth.
    """

    path: str
    verdict: Verdict
    error: float
    allowed: float
    shape: tuple[int, ...]
    dtype: str
    ulps: float | None = None
    autodiff_ulps: float | None = None

    @property
    def ok(self) -> bool:
        """Whether the leaf is right."""
        return self.verdict == "right"


@dataclass(frozen=True)
class Finding:
    """One mistake.

    Attributes:
      cause: what kind of mistake, a short name such as `"sign"` or `"scale-batch"`.
      leaves: the paths of the leaves that it makes wrong.
      message: one plain sentence.
      fix: what to do, or None.
      factor: by how much the gradient is too large, where that is all that is wrong with it.
      line: the line that carries the mistake, or None where it is not known.
    """

    cause: str
    leaves: tuple[str, ...]
    message: str
    fix: str | None = None
    factor: float | None = None
    line: Line | None = None


@dataclass(frozen=True)
class GradientReport:
    """How a gradient compares with the truth.

    Attributes:
      subject: the name of what was checked.
      verdict: `"right"`, `"wrong"` or `"undecided"`.
      leaves: one `LeafCheck` a leaf of `params`, in its order.
      findings: the mistakes, the root cause first; for a right gradient at most `"precision"`.
      reasons: why nothing could be decided, and what to change; empty unless undecided.
      precision: the dtype that the formula was judged in, float64 wherever the functions allow it.
      points: how many points the gradient was compared at.
    """

    subject: str
    verdict: Verdict
    leaves: tuple[LeafCheck, ...]
    findings: tuple[Finding, ...] = ()
    reasons: tuple[str, ...] = ()
    precision: str = "float64"
    points: int = 1

    @property
    def ok(self) -> bool:
        """Whether the gradient is right."""
        return self.verdict == "right"

    @property
    def summary(self) -> str:
        """One sentence: the verdict, and over how much."""
        subject, among = self.subject, f"{len(self.leaves)} {'leaf' if len(self.leaves) == 1 else 'leaves'}"
        if self.ok:
            return f"{subject} is right: {among}, at {self.points} points in {self.precision}"
        if self.verdict == "undecided":
            return f"{subject} is undecided: {sum(not leaf.ok for leaf in self.leaves) or 'all'} of {among}"
        return f"{subject} is wrong: {sum(leaf.verdict == 'wrong' for leaf in self.leaves)} of {among}"

    def __str__(self) -> str:
        lines = [self.summary, "", *_aligned([_HEAD, *self._rows()])]
        for number, finding in enumerate(self.findings, 1):
            lines += ["", *_wrapped(f"{number}. ", f"{finding.cause}: {finding.message}")]
            lines += [f"   {finding.line.file}:{finding.line.number}  {finding.line.text}"] if finding.line else []
            lines += _wrapped("   ", finding.fix) if finding.fix else []
        for reason in self.reasons:
            lines += ["", *_wrapped("", reason)]
        return "\n".join(lines)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What IPython shows in a terminal."""
        del cycle
        printer.text(str(self))

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        head = "".join(f"<th style='text-align:left'>{html.escape(cell)}</th>" for cell in _HEAD)
        body = "".join("<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in row) + "</tr>" for row in self._rows())
        found = "".join(
            f"<li><b>{html.escape(f.cause)}</b>: {html.escape(f.message)} {html.escape(f.fix or '')}</li>"
            for f in self.findings
        )
        reasons = "".join(f"<p>{html.escape(reason)}</p>" for reason in self.reasons)
        caption = f"<caption style='text-align:left'>{html.escape(self.summary)}</caption>"
        return f"<table>{caption}<tr>{head}</tr>{body}</table><ol>{found}</ol>{reasons}"

    def to_json(self) -> str:
        """The report as strict JSON text; numbers that are not finite are the strings "nan", "inf" and "-inf"."""
        fields = {name: _plain(value) for name, value in asdict(self).items()}
        return json.dumps({"schema": 1, "ok": self.ok, "summary": self.summary} | fields, indent=1)

    def _rows(self) -> Iterator[tuple[str, ...]]:
        for leaf in self.leaves:
            yield (
                leaf.path,
                str(leaf.shape),
                leaf.dtype,
                f"{leaf.error:.1e}",
                f"{leaf.allowed:.1e}",
                _count(leaf.ulps),
                _count(leaf.autodiff_ulps),
                leaf.verdict,
            )


class GradientError(AssertionError):
    """A gradient that is not right; `report` says why."""

    def __init__(self, report: GradientReport) -> None:
        super().__init__(str(report))
        self.report = report


_HEAD = ("leaf", "shape", "dtype", "error", "allowed", "ulps", "jax.grad", "verdict")


def _count(ulps: float | None) -> str:
    if ulps is None:
        return "-"
    return f"{ulps:.1f}" if ulps < 1e4 else f"{ulps:.0e}"


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  " + "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]


def _wrapped(start: str, text: str) -> list[str]:
    return textwrap.wrap(text, 100, initial_indent=start, subsequent_indent=" " * len(start), break_long_words=False)


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
