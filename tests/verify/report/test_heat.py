"""Where the error sits: the map of a leaf, and its picture."""

import re

import numpy as np
import pytest

from jaxmlp.verify._report._heat import BANDS, difference, NONFINITE, picture


def seen(actual, expected) -> np.ndarray:
    errors = difference(actual, expected)
    assert errors is not None
    return errors


def test_each_entry_over_the_largest_true_one():
    expected = np.array([[1.0, -4.0], [2.0, 0.0]], np.float32)
    actual = expected + np.array([[0.0, 1.0], [-2.0, 8.0]], np.float32)
    assert seen(actual, expected) == pytest.approx(np.array([[0.0, 0.25], [0.5, 2.0]]))
    assert seen(actual, expected).dtype == np.float64


@pytest.mark.parametrize(
    ("shape", "folded"),
    (
        ((), (1, 1)),
        ((5,), (1, 5)),
        ((2, 3, 4), (6, 4)),
        ((48, 49), (48, 48)),
        ((1000, 3), (48, 3)),
        ((2, 5000), (2, 48)),
    ),
)
def test_any_shape_is_folded_to_a_small_matrix(shape, folded):
    assert seen(np.zeros(shape), np.ones(shape)).shape == folded


def test_no_error_of_a_large_leaf_is_lost():
    expected = np.ones((101, 333))
    for entry in ((0, 0), (50, 200), (100, 332)):
        actual = expected.copy()
        actual[entry] = 3.0
        errors = seen(actual, expected)
        assert errors.max() == 2.0 and np.count_nonzero(errors) == 1
        row, column = np.argwhere(errors)[0] / 48 * expected.shape
        assert abs(row - entry[0]) < 4 and abs(column - entry[1]) < 8, "and it stays where it is"


def test_what_cannot_be_subtracted_has_no_map():
    expected = np.ones((2, 3))
    assert difference(None, expected) is None
    assert difference(np.ones((3, 2)), expected) is None
    assert difference(np.ones((2, 3), np.int32), expected) is None
    assert difference(np.ones((0, 3)), np.ones((0, 3))) is None


def test_nan_and_a_true_gradient_of_zero_are_not_finite():
    assert np.isnan(seen(np.array([np.nan, 1.0]), np.ones(2))).tolist() == [[True, False]]
    assert seen(np.array([0.0, 1.0]), np.zeros(2)).tolist() == [[0.0, np.inf]]


@pytest.mark.parametrize(("rows", "columns"), ((2, 3), (48, 48)))
def test_every_entry_is_painted_once_in_the_colour_of_its_band(rows, columns):
    errors = np.resize([0.0, 1e-6, 1e-4, 1e-2, 0.5, 7.0, np.nan, np.inf], (rows, columns))
    svg = picture(errors, (rows, columns), "title")
    painted = {}
    for color, path in re.findall(r'<path fill="(#\w+)" d="(.*?)"/>', svg):
        boxes = re.findall(r"h(\d+)v(\d+)h-", path)
        size = {(2, 3): (28, 28), (48, 48): (6, 6)}[rows, columns]
        painted[color] = sum(round(int(w) / size[0]) * round(int(h) / size[1]) for w, h in boxes)
    colors = [*(color for _, color in BANDS), NONFINITE, NONFINITE]
    expected = {}
    for index in range(rows * columns):
        color = colors[index % 8]
        expected[color] = expected.get(color, 0) + 1
    assert painted == expected
    assert svg.count("<title>title</title>") == 1 and 'aria-label="title"' in svg


def test_the_bands_darken_steadily():
    """Lightness alone tells them apart, as it must for every kind of colour vision."""
    channels = [[int(color[i : i + 2], 16) for i in (1, 3, 5)] for _, color in BANDS]
    lightness = [0.2126 * red + 0.7152 * green + 0.0722 * blue for red, green, blue in channels]
    assert all(a - b > 15 for a, b in zip(lightness[:-1], lightness[1:], strict=True))
