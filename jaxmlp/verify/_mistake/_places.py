"""Which mistake: a part of an array that is not the one which belongs there, in words."""

from .._line import _relate
from .._report import _words, _words_of_parts
from .._report._gradient_report import Finding
from ._explanation import Explanation


def elsewhere(e: Explanation) -> Finding:
    """Another part of an array than the one that belongs there."""
    moved = ((index, was, instead) for index, (was, instead) in e.facts["where"].items() if (was != instead).any())
    index, was, instead = next(moved)
    equation = e.case.bench.program.equations[index]
    array = e.case.names.of(equation.inputs[0]) if equation.name in ("slice", "dynamic_slice") else None
    return _words_of_parts.elsewhere(e.paths, array=array, was=was, instead=instead, place=e.place())


def same_part(e: Explanation) -> Finding:
    """One and the same part of an argument in each run of a loop."""
    values, name = e.case.bench.run.at(e.facts["argument"]), e.case.names.of(e.facts["argument"])
    if _relate.is_masked_constant(values) and not _relate.is_constant(values):
        return _words.wrong_mask(e.paths, place=e.place())
    return _words.wrong_operand(e.paths, used=name, instead=None, place=e.place())
