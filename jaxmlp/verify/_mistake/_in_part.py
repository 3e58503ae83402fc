"""What is said of a statement of which one part alone is wrong: that part, and the cause that fits what it is for."""

from .._line import _relate
from .._line._relate import Values
from .._report._gradient_report import Finding
from ._explanation import Explanation
from ._parts import given_by, Part, the_part_of
from ._wanted import slope_between


_VAGUE = frozenset(
    (
        *("sign", "scale-constant", "scale-batch", "wrong-forward", "wrong-operand", "wrong-activation-derivative"),
        *("missing-term", "double-counted-term", "wrong-regularization", "unknown"),
    )
)
"""What is said of a statement before its parts are looked at, if it is not said what it must compute."""


def of_one_part(e: Explanation, findings: list[Finding]) -> list[Finding]:
    """The findings, in the words of the one part of the statement that is wrong, if it is one."""
    if not _is_vague(e, findings):
        return findings
    part = the_part_of(e)
    if part is None:
        return findings
    must = None if part.old is None or part.new is None else e.rewritten(part.old, part.new)
    return [part.said(_cause(e, part), e.place(must))]


def _is_vague(e: Explanation, findings: list[Finding]) -> bool:
    if len(findings) != 1 or findings[0].must or findings[0].cause not in _VAGUE or e.is_renamed or e.alias:
        return False
    if findings[0].line != e.place().line or e.out is None or "across" in e.facts:
        return False
    if findings[0].cause == "sign":  # of all that the statement gives
        corrected = e.corrected()
        return corrected is None or _relate.multiple(corrected, e.actual) is None
    return not _names_the_slope(findings[0])


def _names_the_slope(finding: Finding) -> bool:
    slope = getattr(finding.message, "facts", {}).get("slope")
    return getattr(slope, "key", None) == "phrase.slope-code"


def _cause(e: Explanation, part: Part) -> str | None:
    """The cause that follows from what the statement, or the part of it, is for; None for a cotangent."""
    assert e.out is not None
    given = given_by(e, part.patches, e.out)
    if given is None:
        return None
    if e.is_forward(given) and e.case.each_cotangent.scale(given) is None:
        return "wrong-forward"
    if _is_of_a_slope(e, part, given):
        return "wrong-activation-derivative"
    changed = e.case.bench.program.equations[part.index]
    terms = [atom for atom in changed.inputs if isinstance(atom, int)]
    if any(map(e.case.is_of_params_alone, terms)) and any(map(e.case.depends_on, terms)):
        return "wrong-regularization"
    return None


def _is_of_a_slope(e: Explanation, part: Part, given: Values) -> bool:
    """Whether the part belongs to the slope of an activation: this comes out right with it, or is what a cotangent that
    the statement reads has to be multiplied by, and the part is made of none.
    """
    for index in e.run:
        for out in e.case.bench.program.equations[index].outputs:
            values = given_by(e, part.patches, out)
            if values is not None and values[0].size > 1 and e.case.slopes.find(values) is not None:
                if e.case.each_cotangent.scale(values) is None and e.case.forward.find(values) is None:
                    return True
    scale = e.case.each_cotangent.scale(given)
    wanted = None if scale is None else e.case.each_cotangent.find(given, (scale,))
    return wanted is not None and slope_between(e, wanted) is not None and not _is_of_a_cotangent(e, part.index)


def _is_of_a_cotangent(e: Explanation, index: int) -> bool:
    """Whether an equation of the statement computes with a cotangent that comes in."""
    program = e.case.bench.program
    pending = [*program.equations[index].inputs]
    while pending:
        atom = pending.pop()
        if not isinstance(atom, int):
            continue
        if e.case.is_of_a_cotangent(atom):
            return True
        if program.makers.get(atom) in e.run:
            pending += program.equations[program.makers[atom]].inputs
    return False
