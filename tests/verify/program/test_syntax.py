"""What is read of a function's syntax tree: a return that ends a loop, a body of one expression."""

import inspect

import pytest

from jaxmlp.verify._program._stacks import Frame
from jaxmlp.verify._program._syntax import is_one_line, return_in_a_loop


def ends_its_loop(rows):
    total = 0
    for row in rows:
        total += row
        return total


def ends_its_loop_on_a_condition(rows):
    for row in rows:
        if row > 0:
            return row
    return 0


def scaled(x, factor):
    """One expression, beside what is said of it."""
    return x * factor


double = lambda x: 2 * x


def frame_of(function):
    lines, first = inspect.getsourcelines(function)
    return Frame(__file__, first + len(lines) - 1, function.__name__)


def test_a_return_that_nothing_keeps_from_ending_a_loop_is_found():
    frame = frame_of(ends_its_loop)
    assert return_in_a_loop(frame) == frame.number
    assert return_in_a_loop(frame_of(ends_its_loop_on_a_condition)) is None


@pytest.mark.parametrize("function", [scaled, double])
def test_a_function_of_one_expression_is_one_line(function):
    assert is_one_line(frame_of(function))


def test_a_function_of_several_statements_is_not():
    assert not is_one_line(frame_of(ends_its_loop))


def test_what_has_no_source_is_neither():
    frame = Frame("nowhere.py", 1, "f")
    assert not is_one_line(frame) and return_in_a_loop(frame) is None
