import functools
import importlib
import json
from typing import Any

import jax
import pytest

from jaxmlp import check
from jaxmlp._frames import without_our_frames


def files(error):
    """The files that a traceback goes through, outermost first."""
    found, entry = [], error.__traceback__
    while entry is not None:
        found.append(entry.tb_frame.f_code.co_filename)
        entry = entry.tb_next
    return found


def caught(run):
    with pytest.raises(Exception) as error:
        run()
    return error.value


def broken(params):
    return params["no"]


@pytest.mark.parametrize(
    "run",
    [
        lambda: json.loads("{"),
        lambda: functools.reduce(lambda a, b: a / b, [1, 0]),
        lambda: importlib.import_module("no_such_module_anywhere"),
        lambda: jax.jit(broken)({}),
        lambda: check(broken, broken, {"w": 1.0}),
    ],
    ids=("json", "functools", "importlib", "jax", "jaxmlp"),
)
def test_only_the_users_lines_stay(run):
    error = caught(run)
    theirs = [file for file in files(error) if file == __file__]
    assert files(without_our_frames(error)) == theirs != []


def test_a_file_can_be_kept_wherever_it_lies():
    error = caught(lambda: json.loads("{"))
    decoder = files(error)[-1]
    assert files(without_our_frames(error, keep=decoder))[-1] == decoder


def test_an_error_of_ours_alone_has_no_traceback_left():
    code = compile("raise KeyError('x')", "<frozen importlib._bootstrap>", "exec")
    error = caught(lambda: exec(code))
    entry: Any = error.__traceback__
    while entry.tb_frame.f_code.co_filename == __file__:
        entry = entry.tb_next
    error.__traceback__ = entry
    assert without_our_frames(error).__traceback__ is None


def test_causes_and_contexts_are_cut_even_in_a_ring():
    inner, outer = caught(lambda: json.loads("{")), caught(lambda: json.loads("["))
    outer.__cause__, inner.__context__ = inner, outer
    without_our_frames(outer)
    assert set(files(inner)) == set(files(outer)) == {__file__}


def test_the_hint_at_frames_that_are_cut_goes_and_other_notes_stay():
    error = ValueError("x")
    error.add_note("mine")
    error.add_note("Set JAX_TRACEBACK_FILTERING=off to include these.")
    assert without_our_frames(error).__notes__ == ["mine"]
