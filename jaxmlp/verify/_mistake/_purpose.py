"""What a statement is for: a slope of the loss, or the gradient of a penalty; and what is said of it then."""

import math
from dataclasses import replace

import numpy as np

from .._line import _relate
from .._line._edits import axes_of
from .._line._matching import snapped
from .._line._offers import Offer
from .._program._adjoint import is_added
from .._program._sites import results
from .._program._stacks import Frame
from .._report import _words, _words_of_parts
from .._report._gradient_report import Finding
from ._explanation import Explanation
from ._names import line_of
from ._scales import of_data
from ._slopes import is_used_as_a_value, wrong_slope


_OF_A_SLOPE = (
    *("scale-constant", "wrong-forward", "missing-factor", "extra-factor", "wrong-operand", "unknown"),
    *("missing-term", "double-counted-term"),
)
_OF_SIGNS = "missing-activation-derivative wrong-activation-derivative missing-factor wrong-operand unknown".split()
_OF_A_PENALTY = (
    *("extra-activation-derivative", "missing-activation-derivative", "wrong-activation-derivative", "sign", "epsilon"),
    "wrong-regularization",
    *_OF_A_SLOPE,
)
"""What is said of a statement, as long as nobody asks what it is for."""


def rephrased(e: Explanation, findings: list[Finding]) -> list[Finding]:
    """The findings, in the words of what the statement is for: a penalty's gradient, or an activation's slope."""
    causes = {finding.cause for finding in findings}
    if causes <= {"scale-constant", "scale-batch"} and _divides_by_another_count(e):
        return findings
    if causes <= set(_OF_A_PENALTY) and is_of_a_penalty(e):
        if _parameter_for_a_leaf(e):
            return [_words_of_parts.penalty_alone(e.paths, place=e.place())]
        frame = _where_it_changes_its_sign(e)
        place = e.place() if frame is None else replace(e.place(), line=line_of(frame, e.case.source), name=None)
        return [_words.wrong_regularization(e.paths, place=place)]
    used = _parameter_for_a_leaf(e) if causes == {"unknown"} and e.out is not None and e.actual[0].size > 1 else None
    if used is not None:
        return [_words_of_parts.parameter_itself(e.paths, used=used, place=e.place())]
    if causes == {"wrong-forward"} and reads_an_error(e):  # an error is no argument of the forward pass
        frame = _its_only_user(e) if e.mistake.innocent and not e.alias else None
        place = e.place() if frame is None else replace(e.place(), line=line_of(frame, e.case.source), name=None)
        return [wrong_slope(e, place=place)]
    if causes <= set(_OF_SIGNS) and e.differs_in_signs():
        return [_words.sign(e.paths, place=e.place())]
    may_be_a_slope = causes <= set(_OF_A_SLOPE) and e.edit.kind not in ("scale", "another")
    if causes == {"missing-factor"} and e.edit.kind == "times" and of_data(e):
        return findings  # what the loss multiplies by is no part of the activation
    if may_be_a_slope and leads_to_a_slope(e) and not is_used_as_a_value(e):
        corrected, place = e.corrected(), e.place(findings[0].must)
        is_the_slope = corrected is not None and e.case.slopes.find(corrected) is not None
        # What is only on the way to the slope is not what is multiplied by it.
        place = place if is_the_slope else replace(place, name=None)
        return [wrong_slope(e, place=place)]
    if causes == {"scale-constant"} and e.edit.kind == "number" and _multiplies_by_a_slope(e):
        return [wrong_slope(e, place=e.place(findings[0].must))]
    return findings


def _its_only_user(e: Explanation) -> Frame | None:
    """The statement that alone reads what is given, if that is right as a value of the forward pass."""
    program, bench = e.case.bench.program, e.case.bench
    users = program.users.get(e.out, ()) if e.out is not None and e.case.forward.find(e.actual) is not None else ()
    frames = {e.case.places[user] for user in users if user not in e.run and set(bench.reached((user,))) & set(e.paths)}
    return frames.pop() if len(frames) == 1 else None


def _divides_by_another_count(e: Explanation) -> bool:
    """Whether a divisor is the length of one axis of what the statement gives, or of some, and must be that of others:
    neither has anything to do with a slope.
    """
    if e.edit.kind != "number" or not e.facts["below"] or not e.mistake.factor or e.out is None:
        return False
    shape = e.actual[0].shape
    counts = {math.prod(shape[axis] for axis in axes) for axes in axes_of(len(shape))} - {1}
    return {abs(e.facts["number"]), snapped(abs(e.facts["number"] / e.mistake.factor))} <= counts


def _multiplies_by_a_slope(e: Explanation) -> bool:
    """Whether what the statement must give is a cotangent that it reads times a slope, of which not all is wrong:
    `where(z > 0, d, 0.01 * d)`.
    """
    corrected, bench = e.corrected(), e.case.bench
    if corrected is None or corrected[0].size < 2 or _relate.multiple(e.actual, corrected) is not None:
        return False
    read = dict.fromkeys(atom for index in e.run for atom in bench.program.equations[index].inputs)
    each = [bench.run.at(atom) for atom in read]
    alike = [v for v in each if v[0].shape == corrected[0].shape and e.case.each_cotangent.scale(v) is not None]
    with np.errstate(all="ignore"):
        slopes = [tuple(c / v for c, v in zip(corrected, values, strict=True)) for values in alike]
    return any(e.case.slopes.find(slope) is not None for slope in slopes)


def leads_to_a_slope(e: Explanation) -> bool:
    """Whether the correction makes a slope of the loss right, and no value of its forward pass."""
    bench, patches = e.case.bench, e.mistake.patches
    everything = range(len(bench.program.equations))
    found = [bench.values(everything, patches, k) for k in range(bench.count)]
    slope = False
    here, own = _here(e), _kept_in_its_helper(e)
    for variable in set.intersection(*(set(values or ()) for values in found)):
        now = bench.run.at(variable)
        then = tuple(values[variable] for values in found if values)
        if _relate.same(now, then) or then[0].size < 2:
            continue
        if variable == e.out and _is_of_a_value(e) and e.case.forward.find(then) is not None:
            return False
        if variable in here and e.case.slopes.find(then) is not None and e.case.backward.find(then) is None:
            slope = True
        elif variable not in own and e.case.forward.find(then) is not None:
            return False
    return slope


def _kept_in_its_helper(e: Explanation) -> set[int]:
    """What the statement gives, if it stands in a helper function that computes with it and does not return it."""
    frame, program = e.site.frame, e.case.bench.program
    if frame is None or e.case.source.is_own(frame):
        return set()
    users = {user for out in e.outs for user in program.users.get(out, ())}
    places = [e.case.places[user] for user in users]
    inside = all(place and (place.file, place.function) == (frame.file, frame.function) for place in places)
    return set(e.outs) if inside else set()


def _is_of_a_value(e: Explanation) -> bool:
    """Whether a value, of the loss or the candidate's own, is put in the place of the result or of an operand, and no
    product is made of it: `exp(z)` is a value, and its own slope.
    """
    program = e.case.bench.program
    users = (program.equations[i].name for i in program.users.get(e.out, ())) if e.out is not None else ()
    if not {"mul", "div"}.isdisjoint(users):
        return False
    offer: Offer | None = e.facts.get("offer")
    is_own = offer is not None and offer.quantity is None
    return e.edit.kind in ("known", "operand") and bool(
        is_own or (offer and offer.quantity and offer.quantity.kind == "value")
    )


def _here(e: Explanation) -> set[int]:
    """What the statement gives, and what the helper function gives that it is a part of."""
    frame = e.site.frame
    if frame is None or e.case.source.is_own(frame):
        return set(e.outs)
    helper = [
        index
        for index, place in enumerate(e.case.places)
        if place is not None and (place.file, place.function) == (frame.file, frame.function)
    ]
    return {*e.outs, *results(e.case.bench.program, helper)}


def is_regularization(e: Explanation) -> bool:
    """Whether the statement makes a penalty's gradient: from parameters alone, with other leaves of the data."""
    return (
        e.out is not None
        and e.out in e.case.bench.program.makers
        and (e.case.is_of_params_alone(e.out) and bool(e.case.depends_on(e.out)))
    )


def is_of_a_penalty(e: Explanation) -> bool:
    """Whether the statement gives what a penalty adds to a gradient: of parameters alone, and only added to it."""
    out = e.out
    if out is None or not is_regularization(e) or not any(map(e.case.has_a_penalty, e.paths)):
        return False
    if e.site.leaf is not None and _parameter_for_a_leaf(e) is None:
        return False  # all of a gradient, to which nothing is added
    bench = e.case.bench
    # What is returned in the place of another value of the candidate's is no term of a sum.
    return e.edit.kind != "returned" and all(
        e.actual[0].shape == bench.truth[0][path].shape and is_added(bench.program, bench.order[path], {out})
        for path in e.paths
    )


def _parameter_for_a_leaf(e: Explanation) -> str | None:
    """The parameter of which the statement gives a multiple, where it must give all of a gradient."""
    bench, corrected = e.case.bench, e.corrected()
    is_all = corrected is not None and any(
        corrected[0].shape == bench.truth[0][path].shape
        and _relate.same(corrected, tuple(leaves[path] for leaves in bench.truth))
        for path in e.paths
    )
    made = (name for v, name in e.case.params.items() if is_all and _relate.multiple(e.actual, bench.run.at(v)))
    return next(made, None)


def _where_it_changes_its_sign(e: Explanation) -> Frame | None:
    """The statement that adds a penalty's gradient to the rest, if this has the right sign and loses it there."""
    bench, program = e.case.bench, e.case.bench.program
    users = program.users.get(e.out, ()) if e.out is not None else ()
    if e.edit.kind not in ("scale", "number") or e.mistake.factor > 0 or len(users) != 1 or users[0] in e.run:
        return None
    corrected = [(bench.value(path, e.mistake.patches, 0), bench.run.at(bench.leaves[path])[0]) for path in e.paths]
    keeps = (after is None or np.vdot(after - before, e.actual[0]) <= 0 for after, before in corrected)
    return None if any(keeps) else e.case.places[users[0]]


def reads_its_mask(e: Explanation, slope: _relate.Values) -> bool:
    """Whether a slope is a mask that the statement reads, and does something else with than multiply by it; perhaps
    where a relu is open alone.
    """
    program = e.case.bench.program
    read = {atom for index in e.run for atom in program.equations[index].inputs if isinstance(atom, int)}
    each = [e.case.bench.run.at(atom) for atom in read]
    masks = [v for v in each if v[0].shape == slope[0].shape and v[0].dtype.kind == "f" and not _relate.is_constant(v)]
    return any(
        _relate.is_masked_constant(mask)
        and _relate.same(tuple(np.where(s != 0, m, 0) for s, m in zip(slope, mask, strict=True)), slope)
        for mask in masks
        if not _relate.is_zero(slope)
    )


def reads_an_error(e: Explanation) -> bool:
    """Whether the statement reads what comes of all the data that the loss is made of, the targets too."""
    read = {atom for index in e.run for atom in e.case.bench.program.equations[index].inputs if isinstance(atom, int)}
    everything = set[int]().union(*(e.case.depends_on(e.case.bench.leaves[path]) for path in e.paths))
    return any(everything.difference(e.case.params) <= e.case.depends_on(atom) for atom in read)


def is_before_the_loss(e: Explanation) -> bool:
    """Whether the statement comes of values of the forward pass alone, and not of all that the loss is made of: the
    targets come in later.
    """
    bench, case = e.case.bench, e.case
    makers, read = bench.program.makers, {atom for index in e.run for atom in bench.program.equations[index].inputs}
    outside = [atom for atom in read if isinstance(atom, int) and makers.get(atom, e.run[0]) not in e.run]
    values = all(case.forward.find(bench.run.at(atom)) is not None for atom in outside)
    everything = set[int]().union(*(case.depends_on(bench.leaves[path]) for path in e.paths))
    data = everything.difference(case.params)
    return values and e.out is not None and case.depends_on(e.out).difference(case.params) < data
