"""Few numbers for many."""

import jax
import numpy as np
import pytest

from jaxmlp.verify._report import _heat
from jaxmlp.verify._verdict._accuracy import norm
from jaxmlp.verify._verdict._sketch import difference, norms, sample, sketch


EVERYWHERE = np.random.default_rng(0).standard_normal((300, 400))


def only(*where):
    """A leaf that is zero elsewhere."""
    leaf = np.zeros_like(EVERYWHERE)
    leaf[where] = EVERYWHERE[where]
    return leaf


SPREAD = {
    "everywhere": EVERYWHERE,
    "in a row": only(7),
    "in a column": only(slice(None), 7),
    "in a block": only(slice(40, 80), slice(100, 130)),
    "in one entry": only(3, 4),
    "in a vector": EVERYWHERE.ravel(),
    "in part of a vector": only(slice(10, 30)).ravel(),
    "in three axes": EVERYWHERE.reshape(10, 30, 400),
    "in a narrow table": EVERYWHERE.reshape(-1, 2),
}


@pytest.mark.parametrize("name", SPREAD)
def test_a_sketch_has_about_the_norm_and_few_numbers(name):
    leaf = SPREAD[name]
    short = jax.jit(sketch)(leaf)
    assert short.size <= 2**15
    # One row is one random number of the sketch beside as many as there are columns; rounding is given eight times.
    assert 1 / 2 < norm(np.asarray(short)) / norm(leaf) < 2.5


def test_the_norm_of_a_sketch_is_right_on_average():
    squares = [norm(np.asarray(jax.jit(sketch)(EVERYWHERE, seed))) ** 2 for seed in range(10)]
    # Each is a mean over 300 + 400 squares of variance 2: of ten, the relative standard error is 0.017.
    assert np.mean(squares) == pytest.approx(norm(EVERYWHERE) ** 2, rel=0.09)


def test_a_sketch_is_linear_so_that_distances_stay():
    one, other = SPREAD["everywhere"], SPREAD["in a block"]
    both = jax.jit(lambda one, other: (sketch(one) - sketch(other), sketch(one - other)))(one, other)
    np.testing.assert_allclose(*both, rtol=0, atol=1e-12 * norm(one))


@pytest.mark.parametrize("scale", (1e-300, 1.0, 1e300))
def test_norms_neither_overflow_nor_underflow(scale):
    largest, size = jax.jit(norms)(scale * EVERYWHERE)
    assert float(largest) == np.abs(scale * EVERYWHERE).max()
    assert float(size / scale) == pytest.approx(norm(EVERYWHERE), rel=1e-13)


def test_norms_of_a_leaf_less_its_parts():
    parts = EVERYWHERE / 2, EVERYWHERE**2
    whole, in_parts = jax.jit(norms)(EVERYWHERE - parts[0] - parts[1]), jax.jit(norms)(EVERYWHERE, *parts)
    np.testing.assert_allclose(in_parts, whole, rtol=1e-14)


@pytest.mark.parametrize("value", (np.nan, np.inf))
def test_norms_are_not_finite_where_a_number_is_not(value):
    leaf = EVERYWHERE.copy()
    leaf[5, 6] = value
    assert not np.isfinite(jax.jit(norms)(leaf)).any()


def test_norms_of_a_transpose_take_no_memory_of_its_size():
    # What the compiler sums by blocks it sums through a window.
    norms_of_a_product = lambda one, other: norms((one @ other).T, ordinary=True)
    program = jax.jit(norms_of_a_product).lower(EVERYWHERE, EVERYWHERE.T).compile().as_text()
    assert program and "reduce-window" not in program


def test_a_sample_holds_the_row_and_the_column_of_the_largest_error():
    actual = EVERYWHERE.copy()
    actual[123, 321] += 1
    found = jax.jit(sample)(actual, EVERYWHERE)
    assert max(part.size for part in found) <= 130 * 130
    assert np.abs(found[0] - found[1]).max() == pytest.approx(1)


@pytest.mark.parametrize("shape", ((300, 300), (300, 400)), ids=str)
def test_the_sample_of_a_transpose_is_one(shape):
    expected = np.random.default_rng(1).standard_normal(shape)
    actual, sampled = jax.jit(sample)(expected.T.copy(), expected)
    np.testing.assert_array_equal(actual.T, sampled)
    assert not np.array_equal(actual, sampled)


@pytest.mark.parametrize("shape", ((), (5,), (480, 96), (100, 7), (4, 50, 100)), ids=str)
def test_the_map_of_the_error_has_the_largest_of_each_block(shape):
    expected, error = np.random.default_rng(1).standard_normal((2, *shape))
    actual = expected + error
    found, whole = jax.jit(difference)(actual, expected), _heat.difference(actual, expected)
    assert whole is not None and max(found.shape) <= 48
    assert found.max() == pytest.approx(whole.max())
    if shape in ((), (5,), (480, 96)):  # the blocks are of one size either way
        np.testing.assert_allclose(found, whole)
