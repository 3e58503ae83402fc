"""Which mistakes: what corrects several statements at once, in words."""

import ast
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from .._line import _relate
from .._line._matching import snapped
from .._program._renamed import assignment_of, readers_of
from .._program._sites import results, Site
from .._program._stacks import Frame
from .._program._syntax import is_name, names_in
from .._report import _words, _words_of_parts
from .._report._gradient_report import Finding
from ._causes_within import number
from ._elsewhere import at_its_sign
from ._explanation import Explanation
from ._matrices import edited
from ._names import line_of, written
from ._relations import lacks_the_slope
from ._scales import by_a_factor


def numbers(e: Explanation) -> list[Finding]:
    """A number that is wrong in each of several statements, each with its own leaves.

    Where only their signs are, and each multiplies something of its own that has the other sign, it is these that are
    wrong: that several numbers are is less likely. Where all of them read it by the name of a size, it is wrong where
    that is assigned.
    """
    found, moved = [], []
    several = [_at(e, site) for site in e.facts["across"]]
    # What has another mistake as well is not right with the number alone.
    several = [one for one in several if one.paths] or several
    for one in several:
        said = number(one)
        said = said if isinstance(said, list) else [said]
        found += said
        moved += at_its_sign(one, said) if e.mistake.factor == -1 else said
    old, new = (snapped(number) for number in _old_and_new(e))
    assigned = _where_the_size_is_assigned(e) if new in e.batches else None
    if assigned is not None:
        place = replace(e.place(), line=line_of(assigned, e.case.source), name=None)
        return [_words.another_count(e.paths, int(old), int(new), place=place)]
    is_each_its_own = len({finding.line for finding in moved}) == len(several)
    return moved if is_each_its_own else found


def _old_and_new(e: Explanation) -> tuple[float, float]:
    """The number that divides the leaves, or that of which the inverse multiplies them, and the one that must."""
    old = e.facts["number"] if e.facts["below"] or not e.facts["number"] else 1 / e.facts["number"]
    return old, old / e.mistake.factor if e.mistake.factor else 0.0


def _at(e: Explanation, site: Site) -> Explanation:
    """The same mistake at one of the statements, for the leaves that it leads to."""
    reached = e.case.bench.reached([index for instance in site.instances for index in instance])
    leaves = tuple(path for path in e.paths if path in reached)
    return Explanation(e.case, replace(e.mistake, site=site, instances=site.instances, leaves=leaves))


def _where_the_size_is_assigned(e: Explanation) -> Frame | None:
    """The line that gives a size its name, such as `m = x.shape[0]`, if all that reads it is corrected."""
    names, source = set[str | None](), e.case.source
    for site in e.facts["across"]:
        node = edited(_at(e, site))
        names |= names_in((node.left, node.right)[e.facts["operand"]]) if isinstance(node, ast.BinOp) else {None}
    name = names.pop() if len(names) == 1 else None
    found = assignment_of(source, e.frame, name) if name is not None and e.frame is not None else None
    if found is None or e.frame is None or name is None or not _is_a_size(getattr(found[1].node, "value", None)):
        return None
    lines = {line for site in e.facts["across"] if (s := site.statement) for line in range(s.first, s.last + 1)}
    return found[0] if all(s.first in lines for s in readers_of(source, e.frame, name)) else None


def _is_a_size(value: ast.AST | None) -> bool:
    """Whether an expression is the length of an array, or is made of one."""
    nodes = list(ast.walk(value)) if value is not None else []
    attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    return bool(attributes & {"shape", "size"}) or any(is_name(node, "len") for node in nodes)


def sums(e: Explanation) -> list[Finding]:
    """Sums along the wrong axes: each statement that has one, and each that divides by the length of these axes."""
    actual, expected = e.facts["was"], e.facts["axes"]
    return [
        _words.wrong_axis(e.paths, actual=actual, expected=expected, place=e.place_of(site))
        if site in e.facts["sums"]
        else _words.another_count(e.paths, *e.facts["lengths"], place=e.place_of(site))
        for site in e.facts["across"]
    ]


def another(e: Explanation) -> list[Finding]:
    """A value that several statements read in the place of another: each of them."""
    read = [e.case.bench.run.at(e.facts[which]) for which in ("used", "instead")]
    if lacks_the_slope(e, *read):
        return [_words.missing_slope(e.paths, place=e.place_of(site)) for site in e.facts["across"]]
    used, instead = (e.case.names.of(e.facts[which]) for which in ("used", "instead"))
    return [_words.wrong_operand(e.paths, used=used, instead=instead, place=e.place_of(s)) for s in e.facts["across"]]


def undone(e: Explanation) -> list[Finding]:
    """Steps that came too early: each statement that makes some, if the leaves are not right with its steps left in."""
    bench, patches, found = e.case.bench, dict(e.mistake.patches), []
    for site in e.facts["across"]:
        own = {index for instance in site.instances for index in instance}
        others = {index: patch for index, patch in patches.items() if index not in own}
        if others and all(bench.is_right(path, others) for path in e.paths):
            patches = others
            continue
        parameter = e.case.params[e.facts["parameters"][site]]
        target = site.statement.target if site.statement else None
        place = e.place_of(site)
        if len(site.instances) == 1:  # of several each changes only a part
            place = replace(place, computes=written(site), must=parameter)
        found.append(_words.stale_weights(e.paths, used=target or parameter, instead=parameter, place=place))
    return found


def read_before(e: Explanation) -> list[Finding]:
    """Parts of parameters that are read after a step: each statement that does so, if the leaves need it; one that
    steps the same parameter once more counts its step twice.
    """
    found, program = [], e.case.bench.program
    for site in e.facts["across"]:
        own = {index for instance in site.instances for index in instance}
        others = {index: patch for index, patch in e.mistake.patches.items() if index not in own}
        if others and all(e.case.bench.is_right(path, others) for path in e.paths):
            continue
        variable = e.facts["parameters"][site]
        given = results(program, site.instances[0])
        moves = any(program.shapes[out].shape == program.shapes[variable].shape for out in given)
        if moves and e.case.paths[variable] in e.paths:
            found.append(_words.double_counted(e.paths, place=e.place_of(site)))
            continue
        parameter = e.case.params[variable]
        target = site.statement.target if site.statement else None
        found.append(_words.stale_weights(e.paths, used=target or parameter, instead=parameter, place=e.place_of(site)))
    return found


def unrounded(e: Explanation) -> list[Finding]:
    """What is rounded on the way to the leaves: each statement that does it."""
    reached = {site: {p for run in site.instances for p in e.case.bench.reached(run)} for site in e.facts["across"]}
    sites = [site for site, paths in reached.items() if not paths.isdisjoint(e.paths)]
    return [_words.rounded(e.paths, place=e.place_of(site)) for site in sites]


def sent_again(e: Explanation) -> Finding:
    found = _words.double_counted(e.paths, place=e.place())
    frame = e.facts["caller"]
    return found if frame is None else replace(found, line=line_of(frame, e.case.source), computes=None, must=None)


def only_the_last(e: Explanation) -> Finding:
    return _words_of_parts.overwritten(e.paths, place=e.place())


def everywhere(e: Explanation) -> list[Finding]:
    """A number that is used with another factor than the loss has: each statement that uses it."""
    made, beside = {e.facts["variable"]}, set()
    for equation in e.case.bench.program.equations:
        read = {atom for atom in equation.inputs if isinstance(atom, int)}
        if read & made:
            beside |= read - made
            made.update(equation.outputs if read <= made else ())
    alone = bool(beside) and all(map(e.case.is_of_params_and_indices, beside))
    found = []
    for site in e.facts["across"]:
        place = e.place_of(site)
        if alone:
            found.append(_words.wrong_regularization(e.paths, term=e.case.names.of(e.facts["variable"]), place=place))
        elif e.mistake.factor == 0:
            found.append(_words.double_counted(e.paths, place=place))
        else:
            found += [replace(finding, line=place.line, fix=None) for finding in by_a_factor(e, e.mistake.factor)]
    return found


def forward(e: Explanation) -> list[Finding]:
    """Values of the forward pass that are computed by another formula than in the loss: each statement, or the formula
    that all of them call.
    """
    found = []
    formulas = [] if all(_is_a_usual_one(e, site) for site in e.facts["formula"]) else e.facts["formula"]
    for site in formulas or e.facts["across"]:
        if site in e.facts["swapped"]:
            used, instead = map(e.case.names.of, e.facts["swapped"][site])
            found.append(_words.wrong_operand(e.paths, used=used, instead=instead, place=e.place_of(site)))
        else:
            found.append(_words.wrong_forward(e.paths, place=e.place_of(site)))
    return found


_USUAL: tuple[Callable[[np.ndarray], np.ndarray], ...] = (
    lambda z: np.maximum(z, 0),
    np.tanh,
    lambda z: 1 / (1 + np.exp(-z)),
    lambda z: np.log1p(np.exp(z)),
)
"""Activations that are right by themselves, whatever the loss has in their place."""


def _is_a_usual_one(e: Explanation, site: Site) -> bool:
    """Whether a formula is that of a usual activation of what it reads: then it is called where another belongs."""
    bench, run = e.case.bench, site.instances[0]
    outs = results(bench.program, run)
    read = {atom for index in run for atom in bench.program.equations[index].inputs if isinstance(atom, int)}
    alike = [v for atom in read if (v := bench.run.at(atom))[0].shape == bench.run.at(outs[0])[0].shape]
    with np.errstate(all="ignore"):
        usual = [tuple(map(function, values)) for function in _USUAL for values in alike if values[0].dtype.kind == "f"]
    return len(outs) == 1 and any(_relate.same(bench.run.at(outs[0]), values) for values in usual)
