"""Is the formula right? Each leaf of the gradient, judged from what is seen at several points."""

from dataclasses import replace
from functools import cached_property

from .._report._words import at_a_kink, drowned, no_truth, only_of_symmetry, zero_everywhere
from ._accuracy import Comparison, excused, FORMULA, SPREAD_OF_NUDGES, SPREAD_OF_SHAKES
from ._evidence import AnyView
from ._points import CALM, MIRRORED, NEAR, NUDGES, SHAKES, Step
from ._seen import Seen


class Formula:
    """A gradient at the caller's point, and, as far as they are needed, at others."""

    def __init__(self, view: AnyView, here: Seen) -> None:
        self.here = here
        self._view = view
        self._seen: dict[tuple[Step, ...], Seen] = {}
        self._nudged: dict[tuple[Step, ...], list[Seen]] = {}
        self._shaken: dict[tuple[Step, ...], list[Seen]] = {}

    @cached_property
    def near(self) -> dict[Step, Seen]:
        """What is seen at the first point near the caller's where the truth is finite; empty if it is nowhere."""
        for step in NEAR:
            evidence = self._view.at(step)
            if evidence.is_true_finite:
                return {step: evidence}
        return {}

    def judged(self, path: str) -> tuple[Comparison, Seen]:
        """A leaf's verdict, and what led to it: the first point at which it is wrong, or the caller's."""
        here = self._compared(path, self.here)
        if here.verdict == "wrong":
            return here, self.here
        is_seen = self._is_seen(path, here)
        for step, evidence in self.near.items():
            near = self._compared(path, evidence, step)
            if near.verdict == "wrong":
                return (replace(near, verdict="undecided") if self._is_of_symmetry(path) else near), evidence
            is_seen &= self._is_seen(path, near, step)
        # What rounding drowns it excuses, right or wrong, and where there is no truth nothing is seen at all.
        calm = None if is_seen else self._wrong_where_calm(path)
        return calm or (here, self.here)

    def reasons(self, judged: dict[str, Comparison]) -> tuple[str, ...]:
        """Why the leaves that are not wrong cannot be called right; empty if they can."""
        if not self.here.is_true_finite:
            return (no_truth(self.here.value),)
        undecided = [path for path, comparison in judged.items() if comparison.verdict == "undecided"]
        mirrors = tuple(path for path in undecided if self._is_of_symmetry(path))
        kinks = tuple(p for p in undecided if p not in mirrors and self._is_at_a_kink(p, judged[p]))
        drowning = tuple(path for path in undecided if path not in (*mirrors, *kinks))
        if undecided:
            said = {only_of_symmetry: mirrors, at_a_kink: kinks, drowned: drowning}
            return tuple(reason(paths) for reason, paths in said.items() if paths)
        points = (self.here, *self.near.values())
        vanishes = not any(at.size for at in points)
        return (zero_everywhere(),) if vanishes else ()

    def beside(self, judged: dict[str, Comparison]) -> dict[Step, Seen]:
        """What is seen at one more point where the mistakes show: near by, or, where a leaf is right as long as
        symmetric matrices stay so, where they do.
        """
        undecided = (path for path, comparison in judged.items() if comparison.verdict == "undecided")
        if any(map(self._is_of_symmetry, undecided)):
            return {MIRRORED[0]: self._at(MIRRORED[0])}
        return dict(list(self.near.items())[:1])

    def _compared(self, path: str, evidence: Seen, *steps: Step) -> Comparison:
        if not evidence.is_finite(path):
            return Comparison("undecided", float("nan"), FORMULA)
        if not evidence.is_comparable(path):
            return Comparison("wrong", float("inf"), FORMULA)
        comparison = evidence.compared(path)
        if comparison.verdict == "right":
            return comparison
        nudges = self._nudges(*steps)
        comparison = _excused(path, evidence, nudges, SPREAD_OF_NUDGES)
        # A mistake in the formula shows at a calm point too. One that does not may be rounding that no small move
        # shows: where a sigmoid is 1 to rounding, its slope p (1 - p) is 0 to autodiff, and right in another form.
        if comparison.verdict == "wrong" and self._wrong_where_calm(path):
            return comparison
        if self._is_at_a_kink(path, comparison, *steps):
            return comparison
        # What a small move seems to excuse may be a mistake that varies as fast as a wild function does: rounding
        # itself, drawn anew, tells. In a black box it cannot be drawn, but in the truth; and what a mistake varies by,
        # the truth varies by too.
        shaken = _excused(path, evidence, self._shakes(*steps), SPREAD_OF_SHAKES)
        if self._view.is_traceable or shaken.verdict != "wrong":
            return shaken
        return _excused(path, evidence, nudges, SPREAD_OF_NUDGES, beyond_truth=True)

    def _is_seen(self, path: str, comparison: Comparison, *steps: Step) -> bool:
        """Whether a comparison tells right from wrong: by the formula alone, or around a kink."""
        return comparison.error <= FORMULA or self._is_at_a_kink(path, comparison, *steps)

    def _is_at_a_kink(self, path: str, comparison: Comparison, *steps: Step) -> bool:
        """Whether an error is gone wherever a small move leads to: no rounding, but a convention."""
        return comparison.verdict == "undecided" and all(_is_right(path, at) for at in self._nudges(*steps))

    def _is_of_symmetry(self, path: str) -> bool:
        """Whether a leaf is right here and wherever the symmetric matrices stay so, and wrong where they do not."""
        off = [self._compared(path, evidence, step).verdict == "wrong" for step, evidence in self.near.items()]
        return any(off) and all(_is_right(path, at) for at in (self.here, *(self._at(step) for step in MIRRORED)))

    def _wrong_where_calm(self, path: str) -> tuple[Comparison, Seen] | None:
        """A leaf at the first calm point where it is wrong, whichever way rounding is asked for; None if it is at none.

        In a black box rounding cannot be drawn anew, and may be silent: one is believed that is right before.
        """
        for steps in CALM:
            at = self._at(*steps)
            if not at.is_comparable(path) or not at.size_of(path):
                continue
            if _is_right(path, at):
                if not self._view.is_traceable:
                    return None
                continue
            shaken = _excused(path, at, self._shakes(*steps), SPREAD_OF_SHAKES)
            if shaken.verdict == _excused(path, at, self._nudges(*steps), SPREAD_OF_NUDGES).verdict == "wrong":
                return shaken, at
        return None

    def _at(self, *steps: Step) -> Seen:
        """What is seen where `steps` lead to."""
        if steps not in self._seen:
            self._seen[steps] = self._view.at(*steps)
        return self._seen[steps]

    def _nudges(self, *steps: Step) -> list[Seen]:
        """The points barely moved from the one that `steps` lead to."""
        if steps not in self._nudged:
            self._nudged[steps] = [self._view.at(*steps, nudge) for nudge in NUDGES]
        return self._nudged[steps]

    def _shakes(self, *steps: Step) -> list[Seen]:
        """The point that `steps` lead to, with every rounding on the way drawn anew."""
        if steps not in self._shaken:
            self._shaken[steps] = [self._view.at(*steps, shake=shake) for shake in SHAKES]
        return self._shaken[steps]


def _is_right(path: str, at: Seen) -> bool:
    return at.is_comparable(path) and at.compared(path).verdict == "right"


def _excused(path: str, at: Seen, again: list[Seen], times: float, *, beyond_truth: bool = False) -> Comparison:
    """A leaf's error against its spread `again`, or against what of it is `beyond_truth`, which varies there too."""
    again = [evidence for evidence in again if evidence.is_comparable(path)]
    errors = [evidence.error(path) for evidence in again]
    varies = [at.varies(path, evidence) for evidence in again] if beyond_truth else None
    return excused(at.error(path), errors, times=times, size=at.scale_of(path), whole=at.size, varies=varies)
