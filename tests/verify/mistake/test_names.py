"""How a line is shown: its text, and those around it."""

import jax
import numpy as np
import pytest

from jaxmlp.verify._mistake import _names
from jaxmlp.verify._mistake._names import line_of
from jaxmlp.verify._program._source import Source
from jaxmlp.verify._program._stacks import Frame


def test_each_line_of_a_file_is_shown_to_the_last(tmp_path):
    file = tmp_path / "hand.py"
    file.write_text("one = 1\ntwo = 2\nthree = 3\n")
    source = Source(test_each_line_of_a_file_is_shown_to_the_last)
    shown = [line_of(Frame(str(file), n, "f"), source) for n in range(5)]
    assert [line and line.text for line in shown] == ["", "one = 1", "two = 2", "three = 3", ""]
    last = shown[3]
    assert last is not None and last.source == ((1, "one = 1"), (2, "two = 2"), (3, "three = 3"))


@pytest.mark.parametrize(("text", "function"), _names._SLOPES)
def test_a_slope_is_what_its_text_says(text, function):
    a = np.linspace(-2, 2, 9)
    given = eval(text.format("a"), {"a": a, "sigmoid": jax.nn.sigmoid})
    np.testing.assert_allclose(given, function(a), rtol=1e-12)
