"""Which mistake, where nothing is known of what a statement ought to give: any cotangent of the loss may be meant."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from .._line import _relate
from .._line._bench import Patch, Patches
from .._line._localize import Mistake
from .._line._patches import product_of, with_inputs
from .._line._quantities import Quantity
from .._line._relate import Values
from .._program._sites import results, wholes
from .._program._trace import Literal
from .._report import _words, _words_of_parts
from .._report._gradient_report import Finding
from ._case import Case
from ._explanation import Explanation
from ._names import line_of
from ._parts import signs
from ._relations import related_by_a_slope, times, without_ones
from ._softmax import has_only_the_diagonal
from ._stepped import stale_value, stepped_in_rows, steps
from ._terms import adds_to_a_term, sums_a_cotangent
from ._usual_slopes import makes_another_slope


_COLLECTS = ("stack", "concatenate", "scatter", "scatter-add")

_COMPARES, _WEIGHS = ("add", "sub", "div"), ("mul", "dot_general")

_MOVES = (*_COLLECTS, *"reshape broadcast_in_dim squeeze transpose copy slice max min clamp".split())

_MOST = 64
"""How many values are tried in the place of an operand."""


def departed(e: Explanation) -> Finding:
    """What reads nothing but what is right, and gives what is not known, or a cotangent of the other sign."""
    parameter = next((whole for _, whole in steps(e).values()), stepped_in_rows(e))
    if parameter is not None:
        instead, used = e.case.params[parameter], e.name or e.case.params[parameter]
        return _words.stale_weights(e.paths, used=used, instead=instead, place=replace(e.place(), name=None))
    is_a_number = e.out is None or e.actual[0].size == 1
    if not is_a_number and e.case.each_cotangent.find(e.actual, (-1.0,)) is not None:
        return _words.sign(e.paths, place=e.place())
    program, needed = e.case.bench.program, [e.case.bench.truth[0][path].shape for path in e.paths]
    given = e.case.bench.run.at(e.case.bench.leaves[e.paths[0]])[0].shape
    if given != needed[0]:
        return _words.wrong_shape(e.paths, given, needed[0], place=e.place())
    users = [program.equations[i] for i in program.users.get(e.out, ())] if e.out is not None else []
    users = [equation for equation in users if equation.name not in _COLLECTS]
    spread = [program.shapes[out].shape for equation in users for out in equation.outputs]
    if users and e.actual[0].size == 1 and set(spread) == set(needed) and math.prod(needed[0]) > 1:
        return _words.wrong_shape(e.paths, e.actual[0].shape, needed[0], place=e.place())
    if _is_paired(e):
        return _words.paired(e.paths, actual=e.actual[0].shape, place=e.place())
    if sums_a_cotangent(e):
        return _words.wrong_axis(e.paths, place=e.place())
    if _is_right_in_the_first_runs(e):
        return _words.missing_term(e.paths, place=e.place())
    if _serves_the_forward_pass(e):
        return _words.wrong_forward(e.paths, place=e.place())
    if (found := _back_to_a_cotangent(e)) is not None:
        return found
    if (stale := _another_stale_parameter(e)) is not None:
        return _words.stale_weights(e.paths, used=stale[0], instead=stale[1], place=e.place())
    return (_words_of_parts.another_term if adds_to_a_term(e) else _words.departed)(e.paths, place=e.place())


def _serves_the_forward_pass(e: Explanation) -> bool:
    """Whether what the statement gives is compared with data that it does not come from, or multiplied by such a
    parameter: what is sent back comes from both.
    """
    program, read = e.case.bench.program, set[int]().union(*map(e.case.depends_on, e.outs))
    pending = list(e.outs) if not read.isdisjoint(e.case.params) else []
    for value in pending:
        for equation in (program.equations[user] for user in program.users.get(value, ())):
            for atom in (atom for atom in equation.inputs if atom != value and isinstance(atom, int)):
                of = e.case.depends_on(atom)
                is_data = bool(of) and of.isdisjoint(e.case.params) and not of <= read
                is_param = any(whole in e.case.params and whole not in read for whole in wholes(program, atom))
                if equation.name in (*(_COMPARES if is_data else ()), *(_WEIGHS if is_param else ())):
                    return True
            is_scaled = any(isinstance(atom, Literal) for atom in equation.inputs)
            if equation.name in _MOVES or (is_scaled and equation.name in ("mul", "div")) or equation.name == "add":
                pending += (out for out in equation.outputs if out not in pending)
    return False


def _another_stale_parameter(e: Explanation) -> tuple[str, str] | None:
    """A part of a parameter after its step that is read, other than that of which the gradient is made: their names."""
    own = {e.case.params[variable] for variable, path in e.case.paths.items() if path in e.paths}
    read = {atom for index in e.run for atom in e.case.bench.program.equations[index].inputs if isinstance(atom, int)}
    each = (stale_value(e, atom) for atom in sorted(read - set(e.outs)))
    return next((stale for stale in each if stale is not None and stale[1] not in own), None)


def is_vague(case: Case, mistake: Mistake, findings: Sequence[Finding]) -> bool:
    """Whether all that is said of a statement is that another value belongs there, and not which: it may read what is
    wrong already.
    """
    kind, site = mistake.edit.kind, mistake.site
    is_whole = kind == "known" or (kind == "operand" and len(mistake.instances) == 1)
    is_there = {finding.line for finding in findings} == {line_of(site.frame, case.source)}
    is_alone = not mistake.innocent and not site.leaf and "pieces" not in mistake.edit.facts
    return is_whole and is_there and is_alone and all(finding.must is None for finding in findings)


def _back_to_a_cotangent(e: Explanation) -> Finding | None:
    """What turns the result of the statement into a cotangent of the loss: a slope, a sign, or another operand."""
    if _is_of_the_diagonal(e):
        return _words.softmax_diagonal(e.paths, place=e.place())
    if makes_another_slope(e):
        return _words.wrong_slope(e.paths, place=e.place())
    if e.out is None or e.actual[0].size < 2 or e.actual[0].dtype.kind != "f":
        return None
    if _takes_a_slope_elsewhere(e):
        return _words.wrong_slope(e.paths, place=e.place())
    for part in signs(e):
        if _gives_a_cotangent(e, part.patches):
            must = e.rewritten(part.old, part.new) if part.old is not None and part.new is not None else None
            return part.said(None, e.place(must))
    if any(_gives_a_cotangent(e, patches) for patches in _turned(e)):
        return _words.transposed_within(e.paths, place=e.place())
    for quantity in e.case.knowledge.cotangents.values():
        fits = quantity.values[0].shape == e.actual[0].shape and not _relate.is_constant(quantity.values)
        found = related_by_a_slope(e, e.actual, quantity.values) if fits else None
        if found is not None:
            return found
    for atom, quantity, patches in _replaced(e):
        if _gives_a_cotangent(e, patches):
            if isinstance(atom, int) and (stale := stale_value(e, atom)) is not None:
                return _words.stale_weights(e.paths, used=stale[0], instead=stale[1], place=e.place())
            used, instead = e.case.names.of(atom), e.case.names.known(quantity)
            return _words.wrong_operand(e.paths, used=used, instead=instead, place=e.place())
    return None


def _is_of_the_diagonal(e: Explanation) -> bool:
    """Whether the statement multiplies by the diagonal of the Jacobian of a softmax alone, to give a cotangent."""
    if e.out is None or e.actual[0].ndim < 2 or e.actual[0].dtype.kind != "f":
        return False
    alike = [q.values for q in e.case.knowledge.cotangents.values() if q.values[0].size == e.actual[0].size]
    alike = [values for values in alike if without_ones(values) == without_ones(e.actual)]
    turned = (tuple(v.reshape(a.shape) for v, a in zip(values, e.actual, strict=True)) for values in alike)
    return any(has_only_the_diagonal(e, values) for values in turned)


def _is_right_in_the_first_runs(e: Explanation) -> bool:
    """Whether the same line gives cotangents of the loss in its first runs, and in this and all later ones none: a loop
    goes back through its steps, and what is zero at the last of them, that which comes from later ones, is lacking.
    """
    program, known = e.case.bench.program, e.case.each_cotangent
    outs = [results(program, run) for run in e.site.instances]
    if e.out is None or e.actual[0].size < 2 or any(len(each) != 1 for each in outs):
        return False
    given = [e.case.bench.run.at(out) for [out] in outs]
    right = [known.scale(values) is not None for values in given]
    in_steps = {values[0].shape for values in given} == {e.actual[0].shape}
    return in_steps and right[0] and known.scale(e.actual) is None and right == sorted(right, reverse=True)


def _takes_a_slope_elsewhere(e: Explanation) -> bool:
    """Whether the statement multiplies a cotangent by a slope of the loss, and another makes a cotangent of it: that of
    the same activation in another of its passes.
    """
    program, known = e.case.bench.program, e.case.each_cotangent
    read = {a for i in e.run if program.equations[i].name == "mul" for a in program.equations[i].inputs}
    each = [e.case.bench.run.at(atom) for atom in read]
    alike = [values for values in each if values[0].shape == e.actual[0].shape and known.scale(values) is not None]
    slopes = [q.values for q in e.quantities() if q.kind == "slope" and not e.case.is_arithmetic(q)]
    slopes = [slope for slope in slopes if slope[0].shape == e.actual[0].shape]
    taken = [(d, s) for d in alike for s in slopes if _relate.multiple(e.actual, times(d, s)) is not None]
    return any(known.scale(times(d, other)) is not None for d, s in taken for other in slopes if other is not s)


def _is_paired(e: Explanation) -> bool:
    """Whether a row meets a column in the statement, and with the two alike the leaves are what they must be, or, where
    what follows was written for the larger shape, a number of times that.
    """
    bench = e.case.bench
    for index in e.run:
        equation = bench.program.equations[index]
        shapes = [bench.run.at(atom)[0].shape for atom in equation.inputs]
        if equation.name not in ("add", "sub", "mul", "div") or shapes[0] != shapes[1][::-1] or shapes[0] == shapes[1]:
            continue
        for shape in shapes:
            alike: Patch = lambda inputs, evaluate, read, point, shape=shape: evaluate(
                [value.reshape(shape) for value in inputs]
            )
            patches = {index: alike}
            made = [[bench.value(path, patches, k) for k in range(bench.count)] for path in e.paths]
            truth = [tuple(leaves[path] for leaves in bench.truth) for path in e.paths]
            given = [tuple(value for value in values if value is not None) for values in made]
            if all(len(g) == bench.count and _relate.multiple(g, t) for g, t in zip(given, truth, strict=True)):
                return True
    return False


def _gives_a_cotangent(e: Explanation, patches: Patches) -> bool:
    made = [e.case.bench.values(e.run, patches, k) for k in range(e.case.bench.count)]
    given = tuple(values[e.out] for values in made if values and e.out in values)
    if len(given) < len(made) or given[0].dtype.kind != "f" or _relate.is_constant(given):
        return False
    return e.case.each_cotangent.scale(given) is not None


def _turned(e: Explanation) -> Iterator[Patches]:
    """Each matrix product with one of its operands transposed."""
    for index in e.run:
        equation = e.case.bench.program.equations[index]
        if equation.name == "dot_general" and all(e.case.bench.run.at(atom)[0].ndim <= 2 for atom in equation.inputs):
            yield from ({index: product_of(False, turn)} for turn in ((True, False), (False, True)))


def _replaced(e: Explanation) -> Iterator[tuple[int, Quantity, Patches]]:
    """Another value, or cotangent, of the loss in the place of each that the statement reads."""
    program, bench = e.case.bench.program, e.case.bench
    inside = {out for index in e.run for out in program.equations[index].outputs}
    uses: dict[int, dict[int, list[int]]] = {}
    for index in e.run:
        for position, atom in enumerate(program.equations[index].inputs):
            if isinstance(atom, int) and atom not in inside and bench.run.at(atom)[0].size > 1:
                uses.setdefault(atom, {}).setdefault(index, []).append(position)
    for atom, places in uses.items():
        used = bench.run.at(atom)
        alike = [q for q in e.quantities() if q.kind in ("value", "cotangent") and _is_another(q.values, used)]
        for quantity in alike[:_MOST]:
            get = lambda point, values=quantity.values: values[point]
            yield atom, quantity, {index: with_inputs(positions, get) for index, positions in places.items()}


def _is_another(values: Values, used: Values) -> bool:
    return values[0].shape == used[0].shape and used[0].dtype.kind == "f" and not _relate.same(values, used)
