"""The diagnosis: which lines of a gradient that JAX can trace are wrong, and what each mistake is."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from .._line._bench import Bench, Patches, RIGHT
from .._line._departed import departed
from .._line._elements import in_elements
from .._line._known import known
from .._line._localize import localized, Mistake
from .._line._matching import Known, snapped
from .._line._offers import offered
from .._line._one_term import one_term
from .._line._own_activations import with_own_activations
from .._line._own_jacobians import with_own_jacobians
from .._line._own_layouts import with_own_layouts
from .._line._quantities import Run
from .._line._relate import multiple
from .._line._rows import lengths, rows
from .._line._standing import Standing
from .._program._call import split
from .._program._fingerprint import fingerprint, Memory, of_arrays
from .._program._sites import formulas, Site, sites
from .._program._source import Source
from .._program._trace import Program, program_of
from .._program._tree import leaf_of, named_leaves
from .._report import _words
from .._report._gradient_report import Finding, Line
from . import _causes, _causes_of_axes, _causes_of_programs, _causes_within
from ._called import is_of_the_loss
from ._calls import at_the_calls, where_it_is_called
from ._case import Case
from ._conditions import at_its_condition
from ._departures import is_vague
from ._elsewhere import (
    at_an_early_return,
    at_its_pieces,
    at_its_return,
    at_its_users,
    where_it_is_made,
    where_it_is_named,
    where_it_is_scaled,
    where_it_is_stepped,
    where_it_vanishes,
)
from ._explanation import Explanation
from ._first_steps import FirstSteps
from ._formulas import in_a_formula
from ._in_a_sum import at_its_sum, where_it_is_added_up, where_terms_are_added, where_the_rest_is_known
from ._in_part import of_one_part
from ._last_for_first import last_for_first
from ._loss_statements import repeated, targets
from ._names import line_of, Names
from ._of_a_multiple import of_a_multiple
from ._patient import argument_names, named_inputs, Patient
from ._plain import always_the_same, born_nonfinite, swapped
from ._purpose import rephrased
from ._stepped import after_a_step, without_steps
from ._undone import loss_for_its_derivative


class Unknowable(Exception):
    """Nothing is known of the loss, so that no line can be compared with what belongs there."""


def diagnosed(patient: Patient, wrong: Sequence[str]) -> list[Finding]:
    """The mistakes that make the leaves `wrong` so, in the order of the lines.

    What was found is kept for a while, for the same programs and numbers. To be called where 64-bit types are on.
    """
    program = program_of(patient.grads, patient.points[0], *patient.args)
    loss = program_of(patient.loss, patient.points[0], *patient.args)
    key = _key(patient, wrong, program, loss)
    with np.errstate(all="ignore"):  # much is tried that gives no numbers
        return list(_MEMORY.get(key, lambda: tuple(_diagnosed(patient, wrong, program, loss))))


_MEMORY: Memory[tuple[Finding, ...]] = Memory(32)


def _key(patient: Patient, wrong: Sequence[str], program: Program, loss: Program) -> Any:
    """What the findings depend on."""
    programs = tuple(fingerprint(each, lines=True) for each in (program, loss))
    names = [argument_names(function) for function in (patient.grads, patient.loss)]
    code = Source(patient.source).code
    where = code and (code.co_filename, code.co_firstlineno, code.co_name)
    structure = jax.tree.structure((patient.points, patient.args))
    numbers = of_arrays(split((patient.points, patient.args, patient.truth))[0])
    facts = names, where, structure, tuple(wrong), sorted(patient.batches), patient.of_inputs
    return None if None in programs else (programs, numbers, repr(facts))


def _diagnosed(patient: Patient, wrong: Sequence[str], program: Program, loss: Program) -> list[Finding]:
    paths = list(named_leaves(jax.tree.unflatten(program.structure, range(len(program.outputs)))))
    steps = FirstSteps(_explained)
    found = _found(patient, wrong, program, paths, loss, steps)
    lines = frozenset(finding.line for finding in found if finding.cause == "unknown" and finding.line)
    if lines:
        elsewhere = _found(patient, wrong, program, paths, loss, steps, but=lines)
        if {finding.cause for finding in elsewhere} <= _OF_OWN_VALUES and any(finding.must for finding in elsewhere):
            return elsewhere  # the right values are at hand, and other lines read wrong ones
    found = of_a_multiple(
        patient, program, paths, found, lambda p, wrong, of: _found(p, wrong, program, paths, of, steps)
    )
    unknown = [path for finding in found if finding.cause == "unknown" for path in finding.leaves]
    apart = [path for path in dict.fromkeys(unknown) if 1 < patient.truth[0][path].size <= _MOST]
    arrays = [split((params, *patient.args))[0] for params in patient.points]
    elements = in_elements(Run(program, arrays), paths, patient.truth, apart) if apart else None
    if elements is None:
        return steps.instead_of(found)
    rest = [path for path in wrong if path not in elements.apart]
    numbers = [path for path in elements.paths if leaf_of(path) in elements.apart]
    in_numbers = replace(patient, truth=elements.truth)
    again = _found(in_numbers, [*rest, *numbers], elements.program, elements.paths, loss, FirstSteps(_explained))
    return steps.instead_of(found) if any(finding.cause == "unknown" for finding in again) else again


_OF_OWN_VALUES = frozenset(("wrong-operand", "off-by-one-layer"))
"""The causes where another value of the candidate's own belongs."""

_MOST = 16
"""How many numbers a leaf has at most that is taken apart."""


def _found(
    patient: Patient,
    wrong: Sequence[str],
    program: Program,
    paths: Sequence[str],
    loss: Program,
    steps: FirstSteps,
    mended: Patches | None = None,
    but: Collection[Line] = (),
) -> list[Finding]:
    """The mistakes that make the leaves `wrong` so, each of which is one of the `paths` of what the program returns,
    beside those that are `mended`, and on none of the lines `but`.
    """
    arrays = [split((params, *patient.args))[0] for params in patient.points]
    bench = Bench(program, arrays, paths, patient.truth)
    bench.apply(mended or {})
    wrong = [path for path in wrong if (leaf_of(path) == path and not mended) or not bench.is_right(path, {})]
    source, loss_source = Source(patient.source), Source(patient.loss)
    places = sites(bench.program, source, paths)
    count = len(jax.tree.leaves(patient.points[0]))
    params, inputs = named_inputs(bench.program, patient, patient.grads)
    _, loss_inputs = named_inputs(loss, patient, patient.loss)

    findings = []
    for path in wrong:
        finding = born_nonfinite(bench, places, source, path)
        findings += [finding] if finding else []
    findings += swapped(bench, places, source, wrong)
    findings += always_the_same(bench, places, source, wrong, bench.program.inputs[:count])
    left = [path for path in wrong if not any(path in finding.leaves for finding in findings)]
    if not left:
        return _merged(findings)

    try:
        knowledge = known(loss, loss.inputs[:count], arrays)
    except Exception as error:  # each operation fails in its own way
        raise Unknowable("JAX does not differentiate the loss backwards") from error
    for with_own in (with_own_layouts, with_own_activations, with_own_jacobians):
        knowledge = with_own(bench.run, places, loss, knowledge)
    loss_sites = sites(loss, loss_source, [])
    offers = offered(bench, places, inputs, knowledge, repeated(loss, loss_sites))
    names = Names(bench, places, inputs, knowledge, loss_inputs | targets(loss, loss_sites))
    leaves = dict(zip(bench.program.inputs, named_leaves(patient.points[0]), strict=False))
    case = Case(bench, source, names, knowledge, Run(loss, arrays), patient.batches, params, leaves)
    found: list[tuple[Mistake, Finding]] = []
    statements = [*places, *formulas(bench.program, source)]
    statements = [site for site in statements if not but or site.leaf or line_of(site.frame, source) not in but]
    in_numbers = any(path != leaf_of(path) for path in left)
    factor = None if in_numbers else _common_factor(bench, left)
    if factor is not None:
        statements = [site for site in statements if _reaches(bench, site) in (1, len(bench.leaves))]
    each = rows(knowledge.quantities, patient.batches | lengths(statements))
    in_loops = Known([*knowledge.quantities, *each])
    again = lambda patches: _found(patient, wrong, program, paths, loss, steps, {**(mended or {}), **patches})
    for mistake in localized(bench, statements, offers, knowledge, left, patient.batches):
        explained = _explained(case, mistake)
        causes = {finding.cause for finding in explained}
        of_a_shape = causes == {"shape"} and mistake.edit.kind == "leaf"
        is_unknown = causes == {"unknown"} and not in_numbers and not mended
        if is_unknown and (both := _beside_one_term(case, statements, mistake, again)):
            return _merged(both)
        vague = causes == {"wrong-operand"} and is_vague(case, mistake, explained)
        vague = vague and mistake.site not in (other.site for other, _ in found)
        if causes == {"unknown"} or of_a_shape or vague or _is_of_a_part(bench, mistake):
            standing = Standing(bench, statements, knowledge, in_loops, [*mistake.leaves])
            is_known = lambda atom, of=standing: of.is_right(atom) or case.depends_on(atom).isdisjoint(case.params)
            moved = departed(bench, statements, mistake, wrong, is_known, standing.is_a_value)
            if vague and moved is not None and moved.instances[0] > mistake.instances[0]:
                moved = None  # what departs comes of it
            mistake = moved or mistake
            explained = explained if moved is None else _explained(case, moved)
            if moved is not None and vague and {finding.cause for finding in explained} == {"unknown"}:
                place = Explanation(case, moved).place()
                explained = [_words.wrong_operand(mistake.leaves, used=None, instead=None, place=place)]
            if {finding.cause for finding in explained} == {"unknown"} and mistake.site.leaf is None:
                steps.look_at(case, mistake, statements, offers, standing, explained[0].line)
        if {finding.cause for finding in explained} == {"stale-weights"}:
            undone = without_steps(Explanation(case, mistake))
            if undone:
                healed = {path for path in left if bench.is_right(path, undone) and not bench.is_right(path, {})}
                told = tuple(path for path in left if path in {*mistake.leaves, *healed})
                explained = [replace(finding, leaves=told) for finding in explained]
                before = [finding for _, finding in found if finding.cause == "stale-weights"]
                return _merged([*before, *explained, *again(undone)])
        if in_numbers and {finding.cause for finding in explained} == {"unknown"}:
            return explained  # what is made number by number has a mistake for each of its numbers
        if factor is not None and _undoes(mistake, factor):
            found += [(mistake, replace(finding, leaves=tuple(left))) for finding in explained]
            break
        found += [(mistake, finding) for finding in explained]
    found.sort(key=lambda item: (item[0].instances[0][0], item[1].cause == "unknown"))
    return _merged([*findings, *(finding for _, finding in found)])


def _explained(case: Case, mistake: Mistake) -> list[Finding]:
    """The mistake in words, while the candidate is still as it was."""
    kind = mistake.edit.kind
    rooms = (_causes, _causes_within, _causes_of_axes, _causes_of_programs)
    words = next(function for room in rooms if (function := getattr(room, kind, None)) is not None)
    explanation = Explanation(case, mistake)
    itself = loss_for_its_derivative(explanation)
    if itself is not None:
        return where_it_is_called(explanation, [itself]) if is_of_the_loss(explanation) else [itself]
    if (last := last_for_first(explanation)) is not None:
        return [last]
    found = words(explanation)
    found = rephrased(explanation, found if isinstance(found, list) else [found])
    found = after_a_step(explanation, found)
    found = in_a_formula(explanation, found)
    found = at_its_users(explanation, at_the_calls(explanation, found))
    found = where_terms_are_added(explanation, where_the_rest_is_known(explanation, found))
    found = at_its_pieces(explanation, at_its_sum(explanation, at_its_condition(explanation, found)))
    found = where_it_vanishes(explanation, where_it_is_scaled(explanation, found))
    found = where_it_is_added_up(explanation, where_it_is_named(explanation, found))
    found = where_it_is_made(explanation, at_its_return(explanation, at_an_early_return(explanation, found)))
    return of_one_part(explanation, where_it_is_stepped(explanation, found))


def _beside_one_term(
    case: Case, statements: Sequence[Site], mistake: Mistake, again: Callable[[Patches], list[Finding]]
) -> list[Finding]:
    """Two mistakes of one leaf, if one is the factor of a term, and the other is known with that right."""
    terms = case.terms(mistake.leaves[0])
    term = one_term(case.bench, statements, mistake.leaves[0], terms) if len(terms) > 1 else None
    others = again(term.patches) if term else []
    if term is None or not others or any(finding.cause == "unknown" for finding in others):
        return []
    # One of the two alone makes no leaf right.
    return [*(replace(finding, evidence=None) for finding in _explained(case, term)), *others]


def _is_of_a_part(bench: Bench, mistake: Mistake) -> bool:
    """Whether what a statement computes on its way is replaced by the reference's: it may read what is wrong."""
    if mistake.edit.kind != "operand":
        return False
    quantity, used = mistake.edit.facts["offer"].quantity, mistake.edit.facts["used"]
    inside = {out for run in mistake.instances for index in run for out in bench.program.equations[index].outputs}
    return quantity is not None and quantity.kind == "part" and used in inside


def _common_factor(bench: Bench, wrong: Sequence[str]) -> float | None:
    """The factor by which all of the gradient is too large, if it is one."""
    factors = set()
    for path, variable in bench.leaves.items():
        truth = tuple(leaves[path] for leaves in bench.truth)
        if path not in wrong and any(bench.error(path, leaf, k) <= RIGHT for k, leaf in enumerate(truth)):
            return None
        factor = multiple(bench.run.at(variable), truth)
        factors.add(None if factor is None else snapped(factor))
    return factors.pop() if len(factors) == 1 and len(wrong) > 1 else None


def _reaches(bench: Bench, site: Site) -> int:
    """How many leaves come of a statement."""
    return len(bench.reached(tuple(index for run in site.instances for index in run)))


def _undoes(mistake: Mistake, factor: float | None) -> bool:
    scaling = mistake.edit.kind in ("scale", "number", "term")
    return factor is not None and scaling and snapped(mistake.factor * factor) == 1


def _merged(findings: Sequence[Finding]) -> list[Finding]:
    """One finding a mistake and line."""
    merged: dict[Any, Finding] = {}
    for finding in findings:
        at = finding.line and (finding.line.file, finding.line.number)
        key = finding.cause, at, at is None and finding.message
        leaves = dict.fromkeys(map(leaf_of, (*(merged[key].leaves if key in merged else ()), *finding.leaves)))
        merged[key] = replace(merged.get(key, finding), leaves=tuple(leaves))
    return list(merged.values())
