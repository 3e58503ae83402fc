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


def test_the_picture_of_a_small_leaf():
    _, white = BANDS[0]
    assert picture(np.array([[0.0, 0.0], [np.nan, 0.0]]), (2, 2), "w1") == (
        '<svg role="img" aria-label="w1" width="98" height="74" viewBox="-40 -16 98 74"><title>w1</title>'
        '<rect x="-1" y="-1" width="57" height="57" fill="none" stroke="currentColor" stroke-opacity=".4"/>'
        f'<path fill="{white}" d="M0 0h27v27h-27zM28 0h27v27h-27zM28 28h27v27h-27z"/>'
        f'<path fill="{NONFINITE}" d="M0 28h27v27h-27z"/><path stroke="#fff" d="M0 28l27 27m-27 0l27-27"/>'
        '<text font-size="11" fill="currentColor" x="0" y="-5">0</text>'
        '<text font-size="11" fill="currentColor" x="56" y="-5" text-anchor="end">1</text>'
        '<text font-size="11" fill="currentColor" x="-5" y="10" text-anchor="end">0</text>'
        '<text font-size="11" fill="currentColor" x="-5" y="54" text-anchor="end">1</text></svg>'
    )


@pytest.mark.parametrize(
    ("shape", "numbers"),
    (
        ((), ""),
        ((1,), "0"),
        ((5,), "0 4"),
        ((1, 1), "0 0"),
        ((3, 1), "0 0 2"),
        ((100, 200), "0 199 0 99"),
        ((2, 2, 2), "0 1"),
    ),
)
def test_the_first_and_the_last_index_stand_at_the_edges(shape, numbers):
    svg = picture(seen(np.zeros(shape), np.ones(shape)), shape, "w1")
    assert re.findall(r">(\d+)</text>", svg) == numbers.split()


def test_what_is_not_finite_is_crossed_only_where_an_entry_has_room_for_it():
    errors = np.full((48, 48), np.nan)
    assert "<path stroke" not in picture(errors, (48, 48), "w1")
    assert "<path stroke" in picture(errors[:2, :2], (2, 2), "w1")


def test_the_bands_darken_steadily():
    """Lightness alone tells them apart, as it must for every kind of colour vision."""
    channels = [[int(color[i : i + 2], 16) for i in (1, 3, 5)] for _, color in BANDS]
    lightness = [0.2126 * red + 0.7152 * green + 0.0722 * blue for red, green, blue in channels]
    assert all(a - b > 15 for a, b in zip(lightness[:-1], lightness[1:], strict=True))
