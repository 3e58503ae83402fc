import numpy as np
import pytest

from jaxmlp.verify._line._bench import Bench
from jaxmlp.verify._line._patches import then_scaled
from jaxmlp.verify._program._trace import traced


def error_of(value, truth, *, beside=0.0):
    """The error of `value` for the leaf "w" whose truth is `truth`, beside another leaf."""
    w, b = np.asarray(truth), np.asarray([beside])
    program = traced(lambda w, b: (2 * w, 2 * b), w, b)
    return Bench(program, [(w, b)], ["w", "b"], [{"w": w, "b": b}]).error("w", value, 0)


@pytest.mark.parametrize(
    ("value", "beside", "error"),
    (([3.0, 4.5], 0.0, 0.1), ([3.0], 0.0, np.inf), ([3.0, np.nan], 0.0, np.inf), ([3.0, 4.5], 5e10, 0.01)),
    ids=("relative", "another shape", "not a number", "a leaf that vanishes beside the whole"),
)
def test_an_error_is_relative_to_the_leaf(value, beside, error):
    assert error_of(np.asarray(value), [3.0, 4.0], beside=beside) == pytest.approx(error)


def test_where_the_whole_gradient_is_zero_only_zero_is_right():
    assert error_of(np.zeros(2), [0.0, 0.0]) == 0 and error_of(np.full(2, 1e-300), [0.0, 0.0]) == 1


def test_a_value_that_was_not_computed_has_no_error_that_is_right():
    assert error_of(None, [3.0, 4.0]) == np.inf


def test_what_is_applied_stays_and_what_is_tried_does_not():
    w = np.array([1.0, 2.0])
    bench = Bench(traced(lambda w: (2 * w,), w), [(w,), (w + 1,)], ["w"], [{"w": 3 * w}, {"w": 3 * (w + 1)}])
    patches = {0: then_scaled(None, 1.5)}
    assert not bench.is_right("w", {}) and bench.evaluations == 0
    assert bench.is_right("w", patches) and not bench.is_right("w", {})
    assert bench.evaluations == 4  # of two equations, at two points
    bench.apply(patches)
    assert bench.is_right("w", {}) and bench.is_corrected(0)
    assert not bench.is_right("w", patches), "one correction goes on top of the other"
