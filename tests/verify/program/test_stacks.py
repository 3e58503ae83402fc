"""Where an equation stands, as the lines of the user's own files."""

from types import SimpleNamespace

import pytest

from jaxmlp.verify._program import _stacks
from jaxmlp.verify._program._stacks import Frame, HIDDEN, stack_of


IN_JAX, FIRST, SECOND = Frame(f"{HIDDEN[0]}core.py", 1, "bind"), Frame("mine.py", 2, "f"), Frame("mine.py", 3, "g")
CODES = {frame: compile("", frame.file, "exec") for frame in (IN_JAX, FIRST, SECOND)}


def equation(frames):
    """What stands in `frames`, innermost first."""
    shown = [SimpleNamespace(file_name=f.file, line_num=f.number, function_name=f.function) for f in frames]
    raw = [CODES[frame] for frame in frames], [0] * len(frames)
    return SimpleNamespace(source_info=SimpleNamespace(traceback=SimpleNamespace(frames=shown, raw_frames=lambda: raw)))


@pytest.mark.parametrize(
    ("frames", "merged"),
    (
        ((IN_JAX, IN_JAX, FIRST, SECOND), (FIRST, SECOND)),
        ((FIRST, IN_JAX, IN_JAX, SECOND, IN_JAX), (FIRST, None, SECOND)),
        ((IN_JAX,), ()),
    ),
    ids=("innermost", "between", "alone"),
)
def test_what_is_hidden_between_two_lines_is_one_gap(frames, merged):
    assert stack_of(equation(frames)) == merged


def test_no_more_frames_are_kept_than_that(monkeypatch):
    monkeypatch.setattr(_stacks, "_MANY", 2)
    monkeypatch.setattr(_stacks, "_KNOWN", {})
    assert stack_of(equation((FIRST, IN_JAX, SECOND, FIRST))) == (FIRST, None, SECOND, FIRST)
    assert len(_stacks._KNOWN) <= 2
