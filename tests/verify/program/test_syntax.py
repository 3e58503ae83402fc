"""What is read of a function's syntax tree: a return that ends a loop, a body of one expression, what an
argument is passed as.
"""

import ast
import inspect

import pytest

from jaxmlp.verify._program._stacks import Frame
from jaxmlp.verify._program._syntax import argument_passed_as, is_one_line, return_in_a_loop


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


@pytest.mark.parametrize(
    ("call", "argument"),
    [
        ("dx = layer.backward(error, cache)", "dout"),
        ("dx = backward(layer, error)", "dout"),
        ("dx = layer.backward(cache, error)", "cache"),
        ("dx = layer.backward(cache=error)", "cache"),
        ("dx = layer.backward(2 * error)", None),
        ("dx = layer.forward(error)", None),
        ("dx = error", None),
    ],
)
def test_what_a_function_calls_an_argument(call, argument):
    [function] = ast.parse("def backward(self, dout, cache=None): pass").body
    assert argument_passed_as(ast.parse(call).body[0], "error", function) == argument
