"""Which mistake: the right numbers in the wrong shape or order, in words."""

from dataclasses import replace

from .._report import _words
from .._report._gradient_report import Finding
from .._report._words import Place
from ._explanation import Explanation
from ._names import joined, line_of


def transpose(e: Explanation) -> Finding:
    shape = e.actual[0].shape
    return _words.transposed(e.paths, shape, shape[::-1], place=e.place(joined(e.text, "({}).T")))


def reversed_order(e: Explanation) -> Finding:
    return _words.reversed_order(e.paths, e.facts["axes"], place=e.place())


def unreduced(e: Explanation) -> Finding:
    actual = e.actual[0].shape
    expected = e.case.bench.truth[0][e.paths[0]].shape
    axes = e.facts["axes"]
    is_reduced = any(e.case.bench.program.equations[i].name == "reduce_sum" for i in e.run)
    if is_reduced and e.actual[0].size == e.case.bench.truth[0][e.paths[0]].size:
        return _words.wrong_shape(e.paths, actual, expected, place=e.place())
    return _words.missing_reduction(e.paths, actual=actual, expected=expected, axis=axes, place=_where_it_is_copied(e))


def _where_it_is_copied(e: Explanation) -> Place:
    """The line of the first step in which a parameter is copied along an axis that it has not, to be added up with an
    error that has it; else that of the statement.
    """
    program, pending, seen, copied = e.case.bench.program, [*e.outs], set[int](), list[int]()
    while pending:
        variable = pending.pop()
        index = program.makers.get(variable)
        if index is None or variable in seen or program.equations[index].name not in _ARITHMETIC:
            continue
        seen.add(variable)
        atoms = [atom for atom in program.equations[index].inputs if isinstance(atom, int)]
        is_a_sum = program.equations[index].name in ("add", "sub")
        copied += [index] if is_a_sum and any(_is_copied(e, atom, index) for atom in atoms) else []
        pending += atoms
    frame = e.case.places[min(copied)] if copied else None
    if frame in (None, e.frame):
        return e.place()
    return replace(e.place(), line=line_of(frame, e.case.source), name=None)


_ARITHMETIC = frozenset(("add", "sub", "mul", "div", "neg", "convert_element_type", "copy"))


def _is_copied(e: Explanation, variable: int, index: int) -> bool:
    """Whether an operand of an equation is a parameter of fewer numbers than there are of its results."""
    program, run = e.case.bench.program, e.case.bench.run
    maker = program.equations[program.makers[variable]] if variable in program.makers else None
    of = maker.inputs[0] if maker is not None and maker.name == "broadcast_in_dim" else variable
    return of in e.case.params and run.at(of)[0].size < run.at(program.equations[index].outputs[0])[0].size
