"""What is wrong with the first step that departs from the backward pass, where nothing makes a leaf right."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from .._line._jobs import Jobs
from .._line._localize import Mistake
from .._line._offers import Offer
from .._line._one_step import of_one_step, Step
from .._line._screen import Screen
from .._line._standing import Standing
from .._program._sites import Site
from .._report._gradient_report import Finding, Line
from ._calls import where_it_is_called
from ._case import Case
from ._explanation import Explanation
from ._names import line_of


class FirstSteps:
    """What corrects the steps that depart, for the findings of which nothing else is known."""

    def __init__(self, explained: Callable[[Case, Mistake], list[Finding]]) -> None:
        self._explained = explained
        self._steps: dict[tuple[int, ...], Step | None] = {}
        self._findings: dict[Line | None, list[Finding]] = {}

    def look_at(
        self,
        case: Case,
        mistake: Mistake,
        sites: Sequence[Site],
        offers: Sequence[Offer],
        standing: Standing,
        line: Line | None,
    ) -> None:
        """Look for what corrects the first run of a mistake that departs, of which the finding is on this line."""
        bench, run = case.bench, mistake.instances[0]
        if run not in self._steps:
            spent = bench.evaluations  # there is little to try, and the search goes on
            jobs = Jobs(bench, sites, offers, mistake.leaves, standing, Screen(bench), None)
            self._steps[run] = of_one_step(bench, case.source, jobs, mistake, standing.find)
            bench.evaluations = spent
        step = self._steps[run]
        if step is not None:
            self._findings[line] = self._said(case, replace(step.mistake, leaves=mistake.leaves), step)

    def _said(self, case: Case, mistake: Mistake, step: Step) -> list[Finding]:
        found = [replace(finding, evidence=None) for finding in self._explained(case, mistake)]
        is_own = {finding.line for finding in found} == {line_of(mistake.site.frame, case.source)}
        return where_it_is_called(Explanation(case, mistake), found) if step.is_called and is_own else found

    def instead_of(self, findings: Iterable[Finding]) -> list[Finding]:
        """The findings, with what is known of a step in the place of one that says nothing: what still does is last."""
        found: list[Finding] = []
        for finding in findings:
            said = self._findings.get(finding.line, []) if finding.cause == "unknown" else []
            found += [replace(each, leaves=finding.leaves) for each in said] or [finding]
        return sorted(found, key=lambda finding: finding.cause == "unknown")
