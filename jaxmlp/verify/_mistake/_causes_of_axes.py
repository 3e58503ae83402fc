"""Which mistake: a sum along another axis, numbers that are paired otherwise, a kernel that is not turned, in words."""

from dataclasses import replace

from .._line import _relate
from .._program._expressions import along, with_its_axes_kept
from .._program._stacks import Frame
from .._report import _words, _words_of_parts
from .._report._gradient_report import Finding
from ._explanation import Explanation
from ._matrices import must_be
from ._names import line_of


def half_a_turn(e: Explanation) -> Finding:
    return _words_of_parts.half_a_turn(e.paths, is_turned=e.facts["is_turned"], place=e.place())


def axes(e: Explanation) -> Finding:
    if (divides := _divides_in_vain(e)) is not None:
        return divides
    patched = [e.case.bench.program.equations[index] for index in e.run if index in e.mistake.patches]
    summed = [atom for equation in patched for atom in equation.inputs if isinstance(atom, int)]
    if summed and all(e.case.is_of_params_alone(atom) and e.case.depends_on(atom) for atom in summed):
        return _words.wrong_regularization(e.paths, term=e.case.names.of(summed[0]), place=e.place())
    if not e.facts["axes"] and summed and all(_relate.is_a_mask(e.case.bench.run.at(atom)) for atom in summed):
        return _words.wrong_mask(e.paths, place=e.place())
    if not e.facts["axes"]:
        return _words.wrong_axis(e.paths, place=e.place())
    if sorted(e.facts["axes"]) == sorted(e.facts["was"]):
        place = e.place(must_be(e, with_its_axes_kept))
        return _words_of_parts.lost_axis(e.paths, axes=e.facts["was"], place=place)
    must = must_be(e, lambda node: along(node, e.facts["axes"]))
    within = all(e.out not in equation.outputs for equation in patched)
    return _words.wrong_axis(
        e.paths, actual=e.facts["was"], expected=e.facts["axes"], within=within, place=e.place(must)
    )


def _divides_in_vain(e: Explanation) -> Finding | None:
    """That a count divides where nothing does, if along the axis that is right it counts one: other lines only choose
    what they divide by.
    """
    program, reached, lines, corrected = e.case.bench.program, [e.out], set[Frame | None](), e.corrected()
    if corrected is None or not all((value == 1).all() for value in corrected):
        return None
    for out in reached:
        for index in program.users.get(out, ()) if out is not None else ():
            name = program.equations[index].name
            if name in ("select_n", "broadcast_in_dim", "reshape", "copy", "max"):
                reached += program.equations[index].outputs
            elif name == "div":
                lines.add(e.case.places[index])
            elif name not in ("eq", "ne", "gt", "ge", "lt", "le"):
                return None
    frame = lines.pop() if len(lines) == 1 else None
    place = replace(e.place(), line=line_of(frame, e.case.source), name=None)
    return None if frame is None else _words.extra_factor(e.paths, what=f"1 / {e.name}", place=place)


def aligned(e: Explanation) -> Finding:
    return _words.paired(e.paths, actual=e.actual[0].shape, place=e.place())
