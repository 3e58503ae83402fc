"""How a value differs from another: by a factor, however large or small the numbers are."""

import numpy as np
import pytest

from jaxmlp.verify._line._relate import multiple


X = np.asarray([1.5, -2.0, 0.5, 3.0])


@pytest.mark.parametrize("scale", (1e-150, 1.0, 1e150))
@pytest.mark.parametrize("factor", (-3.0, 1e-3, 7.0))
def test_a_multiple_is_found_and_no_other_is(scale, factor):
    y = (scale * X, -2 * scale * X)
    x = tuple(factor * value for value in y)
    assert multiple(x, y) == pytest.approx(factor, rel=1e-12)
    # One part in 1e3 of one number, and one that lies across: both are far beyond the 1e-6 that rounding is granted.
    assert multiple((x[0] * np.asarray([1.001, 1, 1, 1]), x[1]), y) is None
    assert multiple((scale * np.asarray([2.0, 1.5, 0, 0]), 0 * X), y) is None


def test_numbers_whose_squares_are_no_numbers_have_no_factor():
    assert multiple((1e200 * X,), (1e200 * X,)) is None
    assert multiple((0 * X,), (X,)) is None
    assert multiple((X * np.nan,), (X,)) is None
