import numpy as np
import pytest

from jaxmlp.lectures import wrong_names


def test_lines_run_in_order_and_see_what_came_before():
    lines = (("a", lambda v: v.x + 1), ("a", lambda v: v.a * 2), ("b", lambda v: v.a - v.x))
    assert vars(wrong_names.run_lines(lines, x=3)) == {"x": 3, "a": 8, "b": 5}


def test_an_undefined_name_is_named():
    with pytest.raises(AttributeError) as error:
        wrong_names.run_lines((("a", lambda v: v.learning_rate * v.d_w1),), d_w1=1)
    assert error.value.name == "learning_rate"


def test_repaired_lines_name_nothing_undefined():
    names = wrong_names._names("float32", learning_rate=np.float32(1))
    after = wrong_names._one_step(names, lines=wrong_names.REPAIRED)
    assert all(after[name].shape == names[name].shape for name in ("w1", "b1", "w2", "b2"))
    assert after["d_w2"].shape == (2, 1)
