import dataclasses

import pytest

from jaxmlp.lectures import Claim


nan, inf = float("nan"), float("inf")


def claim(printed, computed, tolerance=0.0):
    return Claim("000", "a name", printed, computed, tolerance, "a source")


@pytest.mark.parametrize(
    ("printed", "computed", "tolerance"),
    [
        (0.5, 0.5, 0.0),
        (0.5, 0.75, 0.25),
        (0.5, 0.25, 0.25),
        (14, 14, 0),
        (14, 14.0, 0),
        (nan, nan, 0.0),
        (inf, inf, 0.0),
        (-inf, -inf, 0.0),
        (True, True, 0),
        ("never", "never", 0),
        ((2, 2), (2, 2), 0),
        ((0.0, -inf), (0.0, -inf), 0),
    ],
)
def test_holds(printed, computed, tolerance):
    assert claim(printed, computed, tolerance).ok


@pytest.mark.parametrize(
    ("printed", "computed", "tolerance"),
    [
        (0.5, 0.76, 0.25),
        (nan, 0.5, inf),
        (0.5, nan, inf),
        (nan, inf, inf),
        (inf, -inf, inf),
        (inf, 1e300, inf),
        (1e300, -inf, inf),
        (0.5, 0.6, nan),
        (True, False, 1),
        (True, 1, 1),
        (1.0, True, 1),
        ("never", 312, 1000),
        ("never", "ever", 0),
        ((2, 2), (2, 1), 1),
        ((2, 2), "(2, 2)", 0),
    ],
)
def test_does_not_hold(printed, computed, tolerance):
    assert not claim(printed, computed, tolerance).ok


def test_error_is_the_distance_of_numbers():
    assert claim(1.0, 0.75).error == 0.25
    assert claim(nan, nan).error == 0
    assert claim(nan, 1.0).error == inf
    assert claim("a", "b").error == inf


def test_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(claim(1, 1), "printed", 2)  # noqa: B010
