"""How a value differs from another: by a factor, however large or small the numbers are."""

import numpy as np
import pytest

from jaxmlp.verify._line._relate import multiple, weights


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


def test_the_weights_of_terms_are_found_if_there_are_no_others():
    terms = [(X, 2 * X[::-1]), (X**2, X), (np.ones(4), np.ones(1))]  # the last is broadcast
    total = tuple(first - 0.25 * second + 3.0 * third for first, second, third in zip(*terms, strict=True))
    assert weights(terms, total) == pytest.approx((1.0, -0.25, 3.0), rel=1e-12)
    assert weights(terms, (total[0], total[1] * np.asarray([1.001, 1, 1, 1]))) is None
    assert weights([*terms, terms[0]], total) is None  # of two that are alike nothing tells which
    assert weights([(X[:1], X[:1]), (X[1:2], X[2:3])], (X[:1], X[:1])) is None  # two numbers are made of any two
    assert weights([(X * np.nan, X), terms[1]], total) is None
    assert weights([(X[:3], X[:3]), terms[1]], total) is None  # which no broadcasting fits
