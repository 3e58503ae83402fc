"""Where a value gets another name."""

import inspect

from jaxmlp.verify._program._renamed import alias_after, alias_in, assignment_of, readers_of
from jaxmlp.verify._program._source import Source
from jaxmlp.verify._program._stacks import Frame


def grads(params, x):
    """A gradient in which values have several names."""
    m = len(x)
    z = x @ params["w"]
    for row in x:
        z = z + row.sum()
    dz = z
    a, b = dz, dz / m
    return {"w": x.T @ dz / m, "b": a + b}


def frame_in(text):
    """The line of `grads` that holds `text`."""
    lines, first = inspect.getsourcelines(grads)
    return Frame(__file__, first + next(n for n, line in enumerate(lines) if text in line), "grads")


def test_another_name_for_a_value_is_found():
    source = Source(grads)
    found = alias_after(source, frame_in("z = x @"), "z", frame_in("z = x @").number)
    assert found is not None and found[1].target == "dz" and found[0] == frame_in("dz = z")
    below = alias_after(source, frame_in("z = x @"), "z", frame_in("dz = z").number)
    assert below is None, "only below the line"
    assert alias_after(source, frame_in("z = x @"), "z", frame_in("return").number) is None
    assert alias_after(source, frame_in("z = x @"), "row", 0) is None


def test_of_two_other_names_the_later_is_that_which_is_read():
    def renaming(x):
        once = x
        twice = x
        return once + twice

    source, lines = Source(renaming), inspect.getsourcelines(renaming)
    at = Frame(__file__, lines[1] + 3, "renaming")
    reading = source.statement(at)
    found = alias_in(source, at, "x", reading) if reading else None
    assert found is not None and found[0] is not None
    assert (found[0].number, found[1].target) == (lines[1] + 2, "twice")


def test_code_without_a_file_renames_nothing():
    namespace = {}
    exec(compile("def grads(x):\n    y = 2 * x\n    return y\n", "<made>", "exec"), namespace)
    source, frame = Source(namespace["grads"]), Frame("<made>", 2, "grads")
    assert alias_after(source, frame, "y", 0) is None
    assert assignment_of(source, frame, "y") is None and readers_of(source, frame, "y") == []


def test_a_name_that_is_assigned_once_has_an_assignment():
    source, at = Source(grads), frame_in("dz = z")
    found = assignment_of(source, at, "m")
    assert found is not None and found[0] == frame_in("m = len(x)") and found[1].target == "m"
    assert assignment_of(source, at, "z") is None, "it is assigned twice"
    assert assignment_of(source, at, "x") is None, "it is an argument"
    assert assignment_of(source, at, "a") is None, "it is one of several"


def test_the_statements_that_read_a_name_are_found():
    source = Source(grads)
    read = readers_of(source, frame_in("dz = z"), "m")
    assert [statement.first for statement in read] == [frame_in("a, b").number, frame_in("return").number]
