"""What is said of a statement of which one part alone is wrong: that part, and the cause that fits what it is for."""

import ast
import math
from dataclasses import replace

from .._line import _relate
from .._line._bench import Patches
from .._line._relate import Values
from .._report._gradient_report import Finding
from ._explanation import Explanation
from ._more_parts import extras, lacking, powers, replaced
from ._parts import given_by, multiples, Part, signs
from ._wanted import slope_between


_VAGUE = frozenset(
    (
        *("sign", "scale-constant", "scale-batch", "wrong-forward", "wrong-operand", "wrong-activation-derivative"),
        *("missing-term", "double-counted-term", "wrong-regularization", "unknown", "extra-factor", "missing-factor"),
    )
)
"""What is said of a statement before its parts are looked at, if it is not said what it must compute."""


def of_one_part(e: Explanation, findings: list[Finding]) -> list[Finding]:
    """The findings, in the words of the one part of the statement that is wrong, if it is one."""
    if not _is_vague(e, findings):
        return findings
    [finding] = findings
    part = _the_part_of(e, finding.cause)
    if part is None:
        return findings
    must = None if part.old is None or part.new is None else e.rewritten(part.old, part.new)
    said = part.said(_cause(e, part), e.place(must))
    if said.cause == finding.cause and _names_code(finding):
        return [replace(finding, fix=said.fix, computes=said.computes, must=said.must)]
    return [said]


def _names_code(finding: Finding) -> bool:
    """Whether a sentence names what is wrong by its code."""
    facts = getattr(finding.message, "facts", {}).values()
    return any(getattr(fact, "key", "").endswith("-code") for fact in facts)


def _the_part_of(e: Explanation, cause: str) -> Part | None:
    """The part of the statement with which alone corrected the leaves are right."""
    if e.out is None or any(len(run) != len(e.run) for run in e.mistake.instances):
        return None
    wanted = None if _adds_itself(e) else e.corrected()
    is_a_scale = cause.startswith("scale-") and wanted is not None and _relate.multiple(wanted, e.actual) is not None
    others = () if is_a_scale else (powers(e), extras(e), lacking(e), replaced(e))
    for parts in (signs(e), multiples(e, wanted), *others):
        found = [part for part in parts if _helps(e, part.patches, wanted)]
        if found:
            return min(found, key=_length)
    return None


def _length(part: Part) -> float:
    """How much has to be written: of two corrections that do the same, the shorter one is believed."""
    return math.inf if part.old is None or part.new is None else len(ast.unparse(part.new)) - len(ast.unparse(part.old))


def _helps(e: Explanation, patches: Patches, wanted: Values | None) -> bool:
    """Whether a correction makes the statement give what is `wanted` of it, and the leaves right."""
    bench = e.case.bench
    if wanted is not None:
        made = bench.values(e.run, patches, 0)
        if made is None or e.out not in made or not _relate.same((made[e.out],), wanted[:1]):
            return False
    return all(bench.is_right(path, patches) for path in e.paths)


def _adds_itself(e: Explanation) -> bool:
    """Whether it was only found that the statement must give more than it does: then it is not known what."""
    return e.edit.kind == "plus" and e.name is not None and e.facts["offer"].name == e.name


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
    return "wrong-regularization" if _is_of_a_penalty(e, part) else None


def _is_of_a_penalty(e: Explanation, part: Part) -> bool:
    """Whether the part comes of parameters alone, or is a number that a parameter has to be multiplied by."""
    case, changed = e.case, e.case.bench.program.equations[part.index]
    if part.is_a_number:
        return True
    is_a_sum = changed.name in ("add", "sub")
    terms = [atom for atom in (changed.inputs if is_a_sum else changed.outputs) if isinstance(atom, int)]
    return any(case.is_of_params_alone(atom) and bool(case.depends_on(atom)) for atom in terms)


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
