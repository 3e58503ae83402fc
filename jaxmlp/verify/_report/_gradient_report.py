"""What a check found, leaf by leaf, as text, as HTML and as JSON."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from ._page import fragment, page, saved
from ._planted import Power
from ._sentence import said, Sentence
from ._text import as_text


Verdict: TypeAlias = Literal["right", "wrong", "undecided"]

SCHEMA = 2
"""The version of the JSON: it changes when a key changes its meaning or goes, not when one is added."""


@dataclass(frozen=True)
class Line:
    """A line of the source: its file, its number from 1, and its text without the indentation.

    Attributes:
      within: where this line calls a function in which the mistake stands, the line in that function.
      source: the numbered lines around it and itself, as they are indented in the file; may be empty.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxmlp import check
      >>> def hand_grads(w):
      ...     dw = -2 * w
      ...     return dw
      >>> line = check(lambda w: jnp.sum(w**2), hand_grads, jnp.array([1.0, 2.0])).findings[0].line
      >>> print(line.number, line.text)
      2 dw = -2 * w
    """

    file: str
    number: int
    text: str
    within: "Line | None" = None
    source: tuple[tuple[int, str], ...] = field(default=(), compare=False, repr=False)


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
      difference: `|actual - expected| / max|expected|` of a wrong leaf, float64 of at most 48 x 48: more than two axes
        are folded into two, and a larger leaf is seen by the largest error of each block; None where there is nothing
        to subtract.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxmlp import check
      >>> params = {"w": jnp.array([1.0, 2.0]), "b": jnp.array(3.0)}
      >>> loss = lambda params: jnp.sum(params["w"] ** 2) + params["b"] ** 2
      >>> grads = lambda params: {"w": 2 * params["w"], "b": params["b"]}
      >>> for leaf in check(loss, grads, params).leaves:
      ...     print(leaf.path, leaf.shape, leaf.verdict, f"{leaf.error:.1f}")
      b () wrong 0.5
      w (2,) right 0.0
    """

    path: str
    verdict: Verdict
    error: float
    allowed: float
    shape: tuple[int, ...]
    dtype: str
    ulps: float | None = None
    autodiff_ulps: float | None = None
    difference: np.ndarray | None = field(default=None, compare=False, repr=False)

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
      computes: what that line computes, as code, or None where it is not known.
      must: what it must compute, as code.
      evidence: a sentence on what shows that it is this line.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxmlp import check
      >>> report = check(lambda w: jnp.sum(w**2), lambda w: -2 * w, jnp.array([1.0, 2.0]))
      >>> (finding,) = report.findings
      >>> print(finding.cause, finding.leaves, finding.factor)
      sign ('params',) -1.0
    """

    cause: str
    leaves: tuple[str, ...]
    message: str
    fix: str | None = None
    factor: float | None = None
    line: Line | None = None
    computes: str | None = None
    must: str | None = None
    evidence: str | None = None

    def said(self, lang: str) -> "Finding":
        """The same finding with its sentences in the language `lang`: `"en"` or `"ko"`."""
        fix, evidence = (text and said(text, lang) for text in (self.fix, self.evidence))
        return replace(self, message=said(self.message, lang), fix=fix, evidence=evidence)


@dataclass(frozen=True)
class GradientReport:
    """How a gradient compares with the truth.

    Attributes:
      subject: the name of what was checked.
      verdict: `"right"`, `"wrong"` or `"undecided"`.
      leaves: one `LeafCheck` a leaf of `params`, in its order.
      findings: the mistakes, in the order of the lines where they are known, so that a root comes before what follows
        from it; of a right gradient only notes, such as `"precision"`.
      reasons: why nothing could be decided, and what to change; empty unless undecided.
      precision: the dtype that the formula was judged in, float64 wherever the functions allow it.
      points: how many points the gradient was compared at.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxmlp import check
      >>> report = check(lambda w: jnp.mean(w**2), lambda w: 2 * w, jnp.array([1.0, 2.0, 3.0]))
      >>> print(report.ok, [finding.cause for finding in report.findings])
      False ['scale-constant']
      >>> print(report.text("ko").splitlines()[0])
      <lambda>: 틀렸습니다. 매개변수 1개 가운데 1개가 틀렸습니다
      >>> page = report.to_html("report.html")
    """

    subject: str
    verdict: Verdict
    leaves: tuple[LeafCheck, ...]
    findings: tuple[Finding, ...] = ()
    reasons: tuple[str, ...] = ()
    precision: str = "float64"
    points: int = 1
    _power: Callable[[], Power] | None = field(default=None, compare=False, repr=False)

    @property
    def ok(self) -> bool:
        """Whether the gradient is right."""
        return self.verdict == "right"

    @property
    def summary(self) -> str:
        """One sentence: the verdict, and over how much."""
        paths = {leaf.path for leaf in self.leaves}
        extra = {path for finding in self.findings for path in finding.leaves} - paths
        count = sum(leaf.verdict == self.verdict for leaf in self.leaves) + len(extra)
        facts = {"points": self.points, "precision": self.precision, "leaves": len(paths | extra), "count": count}
        return Sentence(f"summary.{self.verdict}", subject=self.subject, **facts)

    def power(self) -> Power:
        """How many of the mistakes that people make this check would have caught, at this very point.

        They are planted, one at a time, in the right gradient's own program: a sign, a factor, another operand, a
        transpose, a term left out, another axis, another mask or slope, leaves swapped or zero. One that changes
        nothing at a point of random numbers does not count. Computed anew at every call, with NumPy in float64.

        Raises:
          ValueError: the gradient is not right, or the report was copied or unpickled and has lost the functions.
        """
        if not self.ok:
            raise ValueError(
                f"`{self.subject}` is {self.verdict}, and only a right gradient can be tried with planted "
                "mistakes: mend the gradient first, or check where it can be decided."
            )
        if self._power is None:
            raise ValueError("A report that was copied or unpickled has lost the functions it is about: check again.")
        return self._power()

    def __getstate__(self) -> dict[str, Any]:
        """Without the functions, so that any report can be pickled."""
        return self.__dict__ | {"_power": None}

    def text(self, lang: str = "en", color: bool = False, width: int = 100) -> str:
        """The report as text.

        Args:
          lang: `"en"` or `"ko"`.
          color: whether to use the colour codes of a terminal.
          width: how many columns to fill at most, at least 80; only a `file:line` is never broken.

        Raises:
          TypeError: if `width` is no integer.
          ValueError: if there is no such language.
        """
        return as_text(self, lang, color, width)

    def to_html(self, path: str | Path | None = None, lang: str = "en") -> str:
        """The report as a whole page that needs nothing else; written to the file `path` in UTF-8 if one is given.

        Raises:
          TypeError: if `path` is none.
          ValueError: if there is no language `lang`.
          OSError: if `path` cannot be written.
        """
        return page(self, lang) if path is None else saved(page(self, lang), path)

    def to_json(self) -> str:
        """The report as strict JSON text; numbers that are not finite are the strings "nan", "inf" and "-inf".

        An object of

        - schema: 2; it changes when a key changes its meaning or goes, not when one is added.
        - ok, summary: as the attributes are, like subject, verdict, precision and points.
        - leaves: objects of path, verdict, error, allowed, shape, dtype, ulps and autodiff_ulps.
        - findings: objects of cause, leaves, message, fix, factor, line, computes, must and evidence, with null where
          something is not known; line is an object of file, number, text and within, which is null or a line.
        - reasons: strings.
        """
        leaves = [_taken(leaf, without="difference") for leaf in self.leaves]
        findings = [_taken(finding) | {"line": _line(finding.line)} for finding in self.findings]
        head = {"schema": SCHEMA, "ok": self.ok, "summary": self.summary}
        return json.dumps(
            _plain(head | _taken(self, without="_power") | {"leaves": leaves, "findings": findings}), indent=1
        )

    def __str__(self) -> str:
        return self.text()

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What IPython shows in a terminal."""
        del cycle
        printer.text(str(self))

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return fragment(self, "en")


class GradientError(AssertionError):
    """A gradient that is not right; `report` says why.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxmlp import assert_gradients, GradientError
      >>> try:
      ...     assert_gradients(lambda w: jnp.sum(w**2), lambda w: -2 * w, jnp.array([1.0, 2.0]))
      ... except GradientError as error:
      ...     print(error.report.findings[0].cause)
      sign
    """

    __module__ = "jaxmlp"  # where users find it, and the name that pytest prints

    def __init__(self, report: GradientReport) -> None:
        super().__init__(str(report))
        self.report = report


def _taken(value: Any, without: str = "") -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in fields(value) if field.name != without}


def _line(line: Line | None) -> dict[str, Any] | None:
    return line and _taken(line, without="source") | {"within": _line(line.within)}


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
