"""What rounding may excuse, and what it may not."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from jaxmlp.verify._verdict._accuracy import compared, EXCUSED, excused, FORMULA, norm, relative


RIGHT = np.asarray([3.0, -4.0])
NOISE = [np.asarray(e) for e in ([1e-5, 2e-5], [-2e-5, 1e-5], [0.0, -1e-5], [1e-5, -2e-5])]


def test_an_error_is_relative_to_the_leaf():
    assert compared(RIGHT, RIGHT).verdict == "right"
    assert compared(RIGHT * (1 + 0.5 * FORMULA), RIGHT).verdict == "right"
    assert compared(RIGHT * (1 + 2 * FORMULA), RIGHT).verdict == "wrong"
    assert compared(RIGHT * 1e-30, RIGHT * 1e-30).verdict == "right"
    assert compared(RIGHT * 1.001e-30, RIGHT * 1e-30).verdict == "wrong"


@pytest.mark.parametrize("actual", (np.nan, np.inf))
def test_what_is_not_finite_is_wrong(actual):
    assert compared(np.full(2, actual), RIGHT).verdict == "wrong"
    assert compared(np.full(2, np.nan), np.full(2, np.nan)).verdict == "wrong"
    assert excused(np.full(2, actual), NOISE, times=30, size=5.0, whole=5.0).verdict == "wrong"


def test_against_a_true_zero_only_zero_is_right():
    zero = np.zeros(2)
    assert compared(zero, zero).verdict == "right"
    assert compared(np.asarray([0, 1e-300]), zero).verdict == "wrong"


def test_an_error_that_rounding_draws_anew_is_excused():
    judged = excused(np.asarray([2e-5, 1e-5]), NOISE, times=30, size=5.0, whole=5.0)
    assert judged.verdict == "right" and judged.error <= judged.allowed


def test_an_error_that_stays_is_not_excused():
    mistake = np.asarray([2e-5, 1e-5])
    stays = [mistake * (1 + by) for by in (1e-5, -1e-5, 2e-5, 0)]
    judged = excused(mistake, stays, times=30, size=5.0, whole=5.0)
    assert judged.verdict == "wrong" and judged.error > judged.allowed


def test_what_a_mistake_varies_by_with_the_truth_is_not_rounding():
    mistake = np.asarray([2e-5, 1e-5])
    again, varies = [mistake * (1 + by) for by in (0.3, -0.2)], [0.3, 0.2]
    judged = lambda errors, varies: excused(mistake, errors, times=30, size=5.0, whole=5.0, varies=varies).verdict
    assert judged(again, None) == "right" and judged(again, varies) == "wrong"
    assert judged(NOISE[1:3], [1e-5, 1e-5]) == "right"


def test_rounding_as_large_as_the_leaf_decides_nothing():
    noise = [e * 1e5 for e in NOISE]
    assert excused(np.asarray([2.0, 1.0]), noise, times=30, size=5.0, whole=5.0).verdict == "undecided"
    assert EXCUSED * 5.0 < norm(np.asarray([2.0, 1.0]))


def test_what_float64_has_no_digits_for_is_no_mistake():
    error = np.asarray([2e-317, 1e-317])
    assert excused(error, [error], times=30, size=2e-317, whole=5.0).verdict == "right"
    assert excused(error, [error], times=30, size=2e-317, whole=2e-317).verdict == "undecided"
    assert excused(error * 1e12, [error * 1e12], times=30, size=2e-305, whole=5.0).verdict == "wrong"


def test_a_leaf_that_vanishes_beside_the_others_may_be_all_rounding():
    noise = [e * 1e-12 for e in NOISE]
    error = np.asarray([2e-17, 1e-17])
    assert excused(error, noise, times=30, size=1e-17, whole=5.0).verdict == "right"
    assert excused(error, noise, times=30, size=1e-17, whole=1e-17).verdict == "undecided"


@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=5))
def test_the_norm_neither_overflows_nor_underflows(values):
    array = np.asarray(values)
    expected = float(np.linalg.norm((array / 1e300).astype(np.longdouble)) * np.longdouble(1e300))
    assert norm(array) == pytest.approx(expected, rel=1e-14)
    assert norm(np.asarray([3e-200, 4e-200])) == pytest.approx(5e-200, rel=1e-15)


def test_relative_sizes_at_the_edges():
    assert relative(0.0, 0.0) == 0
    assert relative(1e-300, 0.0) == np.inf
    assert np.isnan(relative(np.nan, 1.0))
