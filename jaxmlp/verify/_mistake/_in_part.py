"""What is said of a statement of which one part alone is wrong: that part, and the cause that fits what it is for."""

import ast
import math
from dataclasses import replace

from .._line import _relate
from .._line._bench import Patches
from .._line._edits import Edit
from .._line._relate import Values
from .._program._expressions import reduced_by
from .._program._sites import Site
from .._program._trace import Literal
from .._report import _words_of_parts as _words
from .._report._gradient_report import Finding
from ._explanation import Explanation
from ._more_parts import extras, lacking, powers, replaced, turned, without_epsilon
from ._parts import accumulates, added_number, given_by, multiples, Part, runs_of, signs
from ._purpose import is_regularization
from ._slopes import is_used_as_a_value
from ._wanted import slope_between


_VAGUE = frozenset(
    "sign scale-constant scale-batch wrong-forward wrong-operand wrong-activation-derivative missing-term unknown"
    " double-counted-term wrong-regularization extra-factor missing-factor extra-activation-derivative".split()
)
"""What is said of a statement before its parts are looked at, if it is not said what it must compute."""


def of_one_part(e: Explanation, findings: list[Finding]) -> list[Finding]:
    """The findings, in the words of the one part of the statement that is wrong, if it is one."""
    if {finding.cause for finding in findings} == {"sign"} and _is_a_value(e):
        return [_words.other_sign(e.paths, place=e.place(findings[0].must)) if findings[0].line else findings[0]]
    inside = _in_its_formula(e, findings)
    if inside is None and not _is_vague(e, findings):
        return findings
    [finding] = findings
    e = inside or e
    part = _the_part_of(e, finding.cause, is_known=inside is None)
    if part is None:
        return findings
    must = None if part.old is None or part.new is None else e.rewritten(part.old, part.new)
    is_an_operand = finding.cause == "wrong-operand" and e.within is not None
    is_said = is_an_operand or finding.cause == "wrong-regularization"
    cause = finding.cause if is_said else _cause(e, part)
    said = replace(part.said(cause, e.place(must)), line=finding.line)
    if finding.cause == "extra-activation-derivative" or (said.cause == finding.cause and _names_code(finding)):
        return [replace(finding, fix=said.fix, computes=said.computes, must=said.must)]
    return [said]


def _names_code(finding: Finding) -> bool:
    """Whether a sentence names what is wrong by its code."""
    facts = getattr(finding.message, "facts", {}).values()
    return any(getattr(fact, "key", "").endswith("-code") for fact in facts)


def _in_its_formula(e: Explanation, findings: list[Finding]) -> Explanation | None:
    """The mistake as one of the formula that the statement calls, where the findings stand at its line."""
    inner, equations = e.helper(), e.case.bench.program.equations
    statement = e.case.source.statement(inner) if inner else None
    if inner is None or statement is None or len(findings) != 1 or findings[0].must or "across" in e.facts:
        return None
    line = findings[0].line
    if findings[0].cause not in _VAGUE or line is None or (line.file, line.number) != (inner.file, inner.number):
        return None
    stands = lambda index: any(inner == frame for stack in equations[index].stacks for frame in stack)
    runs = tuple(tuple(filter(stands, run)) for run in e.mistake.instances)
    if not all(runs):
        return None
    edit = _edit_of(e, runs[0])
    if edit is None:
        return None
    inside = Explanation(e.case, replace(e.mistake, site=Site(inner, statement, runs), instances=runs, edit=edit))
    return inside if inside.out is not None and len(inside.outs) == 1 else None


def _edit_of(e: Explanation, run: tuple[int, ...]) -> Edit | None:
    """The correction as one of some equations of the first run: what is inside it has another place among those."""
    if "within" not in e.facts:
        return e.edit
    place, position = e.facts["within"]
    index = e.mistake.instances[0][place]
    return replace(e.edit, facts={**e.facts, "within": (run.index(index), position)}) if index in run else None


def _the_part_of(e: Explanation, cause: str, *, is_known: bool) -> Part | None:
    """The part of the statement with which alone corrected the leaves are right; what it must give may be known."""
    if e.out is None or any(len(run) != len(e.run) for run in runs_of(e)):
        return None
    wanted = e.corrected() if is_known and not _adds_itself(e) and not accumulates(e) else None
    is_a_scale = cause.startswith("scale-") and wanted is not None and _relate.multiple(wanted, e.actual) is not None
    if is_a_scale:  # then it is true of the whole, and of a part only how it came about may be said
        kinds = ([part for part in multiples(e, wanted, usual=True) if _is_another_reduction(part)],)
    else:
        others = (powers(e), extras(e), without_epsilon(e), lacking(e), replaced(e))
        numbers = added_number(e) if cause.startswith("scale-") else ()
        usual, unusual = (multiples(e, wanted, usual=which) for which in (True, False))
        kinds = (numbers, signs(e), turned(e), usual, *others, unusual)
    for parts in kinds:
        found = [part for part in parts if _helps(e, part.patches, wanted)]
        if found:
            return min(found, key=_length)
    return None


def _is_another_reduction(part: Part) -> bool:
    if part.old is None or part.new is None or reduced_by(part.old) is None:
        return False
    return reduced_by(part.new) not in (None, reduced_by(part.old))


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


def _is_a_value(e: Explanation) -> bool:
    """Whether the statement gives a value of the forward pass with the other sign."""
    given = None if e.out is None or len(e.mistake.instances) > 1 else e.corrected()
    if given is None or _relate.multiple(given, e.actual) is None or e.case.each_cotangent.scale(given) is not None:
        return False
    found = e.case.forward.find(given) if given[0].size > 1 else None
    # The derivative of `w * x` is an argument of the loss, and no value of its forward pass.
    return found is not None and found.variable not in e.case.loss.program.inputs


def _is_vague(e: Explanation, findings: list[Finding]) -> bool:
    is_written = findings[0].must and not accumulates(e)
    if len(findings) != 1 or is_written or findings[0].cause not in _VAGUE or e.is_renamed or e.alias:
        return False
    if findings[0].line != e.place().line or e.out is None or "across" in e.facts:
        return False
    if findings[0].cause == "sign" and not accumulates(e):  # of all that the statement gives
        corrected = e.corrected()
        return corrected is None or _relate.multiple(corrected, e.actual) is None
    return True


def _cause(e: Explanation, part: Part) -> str | None:
    """The cause that follows from what the statement, or the part of it, is for; None for a cotangent."""
    assert e.out is not None
    given = given_by(e, part.patches, e.out)
    if given is None:
        return None
    is_a_cotangent = e.case.each_cotangent.scale(given) is not None
    if not is_a_cotangent and (e.is_forward(given) or is_used_as_a_value(e)):
        return "wrong-forward"
    if _is_of_a_slope(e, part, given):
        return "wrong-activation-derivative"
    is_a_gradient = is_a_cotangent or is_regularization(e)
    return "wrong-regularization" if is_a_gradient and _is_of_a_penalty(e, part) else None


def _is_of_a_penalty(e: Explanation, part: Part) -> bool:
    """Whether the part comes of parameters alone, or is a number that a parameter has to be multiplied by."""
    case, changed = e.case, e.case.bench.program.equations[part.index]
    if part.is_a_number:
        return True
    if changed.name in ("add", "sub"):
        inputs = changed.inputs if part.position is None else changed.inputs[part.position :][:1]
        terms = [atom for atom in inputs if isinstance(atom, int)]
    else:
        terms = [_term_of(e, changed.outputs[0])]
    return any(case.is_of_params_alone(atom) and bool(case.depends_on(atom)) for atom in terms)


def _term_of(e: Explanation, variable: int) -> int:
    """The term of a sum, or the result of the statement, that a value is a factor of."""
    program = e.case.bench.program
    while len(users := [user for user in program.users.get(variable, ()) if user in e.run]) == 1:
        equation = program.equations[users[0]]
        if equation.name in ("add", "sub"):
            break
        variable = equation.outputs[0]
    return variable


def _is_of_a_slope(e: Explanation, part: Part, given: Values) -> bool:
    """Whether the part belongs to the slope of an activation: the statement gives this, or multiplies a cotangent by it
    that it reads, and the part is made of none, or is a number by which only some of it is multiplied.
    """
    scale = e.case.each_cotangent.scale(given)
    if scale is None and e.case.forward.find(given) is None and _is_a_slope(e, given):
        return True
    wanted = None if scale is None else e.case.each_cotangent.find(given, (scale,))
    between = wanted is not None and slope_between(e, wanted) is not None and _reads_a_cotangent(e)
    numbers = [atom for atom in e.case.bench.program.equations[part.index].inputs if isinstance(atom, Literal)]
    of_some = bool(numbers) and _relate.multiple(e.actual, given) is None
    return between and (of_some or not _is_of_a_cotangent(e, part.index))


def _reads_a_cotangent(e: Explanation) -> bool:
    """Whether the statement reads a cotangent that comes in: the targets are one as well, of the log of an output."""
    equations, case = e.case.bench.program.equations, e.case
    inside = {out for index in e.run for out in equations[index].outputs}
    read = {atom for index in e.run for atom in equations[index].inputs if isinstance(atom, int)} - inside
    return any(case.is_made_of_params(atom) and case.is_of_a_cotangent(atom) for atom in read)


def _is_a_slope(e: Explanation, values: Values) -> bool:
    slopes = (quantity for quantity in e.quantities() if quantity.kind == "slope")
    return any(
        slope.values[0].size == values[0].size
        and _relate.same(values, slope.values)
        and not _relate.is_constant(slope.values)
        and not e.case.is_arithmetic(slope)
        for slope in slopes
    )


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
