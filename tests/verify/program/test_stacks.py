"""Where an equation stands, as the lines of the user's own files."""

import pytest

from jaxmlp.verify._program._stacks import _merged, Frame, HIDDEN


IN_JAX, FIRST, SECOND = Frame(f"{HIDDEN[0]}core.py", 1, "bind"), Frame("mine.py", 2, "f"), Frame("mine.py", 3, "g")


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
    assert tuple(_merged(iter(frames))) == merged
