import numpy as np
import pytest
from matplotlib.patches import Rectangle

from jaxmlp import plot
from jaxmlp.plot._canvas import CURVES

from .helpers import overlapping, texts


def words(ax) -> list[str]:
    return [text.get_text() for text in ax.texts]


def boxes(ax) -> list[tuple[float, float]]:
    """Width and height of each box."""
    return [(box.get_width(), box.get_height()) for box in ax.patches if isinstance(box, Rectangle)]


def sides(ax) -> list[str]:
    """The colours of the sides, box by box: rows, then columns."""
    return [line.get_color() for line in ax.lines]


ROWS, SUMMED, COLUMNS = (color for color, _ in CURVES[:3])


def test_boxes_to_scale_with_their_shapes_beneath():
    ax = plot.matrix_product(("x", (4, 2)), ("w1", (2, 3)), "z1")
    assert words(ax) == ["z1", "(4, 3)", "=", "x", "(4, 2)", "@", "w1", "(2, 3)"]
    assert boxes(ax) == [(78, 104), (52, 104), (78, 52)]


def test_the_side_that_is_summed_over_is_marked_where_it_meets_itself():
    ax = plot.matrix_product(("x.T", (2, 4)), ("dz1", (4, 3)), "dw1")
    assert sides(ax) == [ROWS, COLUMNS, ROWS, SUMMED, SUMMED, COLUMNS]


@pytest.mark.parametrize(("shape", "marked"), (((3,), [COLUMNS]), ((1, 3), [COLUMNS]), ((4, 3), [ROWS, COLUMNS])))
def test_what_is_added(shape, marked):
    ax = plot.matrix_product(("x", (4, 2)), ("w1", (2, 3)), "z1", add=("b1", shape))
    assert words(ax)[-3:] == ["+", "b1", str(shape)] and sides(ax)[6:] == marked


def test_a_large_matrix_has_no_lines_between_its_entries():
    small, large = (plot.matrix_product(("x", (4, n)), ("w", (n, 3)), "z") for n in (2, 784))
    assert len(small.collections) == 6
    assert max(max(box) for box in boxes(large)) == pytest.approx(130)
    assert min(min(box) for box in boxes(large)) == 34
    # Of 784 entries a side would be black; the result, (4, 3), is drawn larger than to scale, and so has its lines.
    assert len(large.collections) == 2


@pytest.mark.parametrize("inner", (1, 2, 784))
def test_nothing_overlaps(inner):
    ax = plot.matrix_product(("a1", (64, inner)), ("w2.T", (inner, 10)), "long_name", add=("b", (10,)))
    assert not overlapping(texts(ax))


def test_a_name_is_no_formula():
    assert words(plot.matrix_product(("$x", (1, 1)), ("y$", (1, 1)), "x_1$^"))[0] == "x_1$^"


@pytest.mark.parametrize(
    ("left", "right", "add", "error", "match"),
    (
        ("x", ("w", (2, 3)), None, TypeError, "`left` must be a name and a shape"),
        (("x", (4, 2)), ("w", (2, 3.0)), None, TypeError, "`right` must be a name and a shape"),
        (("x", (4,)), ("w", (2, 3)), None, ValueError, r"`left` is x of shape \(4,\)"),
        (("x", (4, 0)), ("w", (0, 3)), None, ValueError, "at least one entry"),
        (("x", (4, 2)), ("w", (3, 2)), None, ValueError, "as many columns on the left, 2, as rows on the right, 3"),
        (("x", (4, 2)), ("w", (2, 3)), ("b", (4,)), ValueError, r"`add` is b of shape \(4,\), but the product has"),
    ),
)
def test_wrong_arguments_are_named(left, right, add, error, match):
    with pytest.raises(error, match=match):
        plot.matrix_product(left, right, "z", add=add)


def test_shapes_may_come_from_arrays():
    x, w = np.ones((4, 2)), np.ones((2, 3))
    assert words(plot.matrix_product(("x", x.shape), ("w", list(w.shape)), "z"))[1] == "(4, 3)"  # pyright: ignore[reportArgumentType]
