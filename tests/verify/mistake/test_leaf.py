"""Which mistake a wrong leaf shows."""

import numpy as np
import pytest

from jaxmlp.verify._mistake._leaf import batch_sizes, explained, WrongLeaf


TRUE = np.asarray([[1.0, 2.0, -1.0], [0.5, 3.0, 4.0], [-2.0, 1.0, 0.25]])
ARGS = (np.zeros((8, 3)), np.zeros((8,)))


def causes(actual, expected=TRUE, args=ARGS):
    return [(f.cause, f.factor) for f in explained([WrongLeaf("w", actual, expected)], (), args)]


@pytest.mark.parametrize("scale", (1e-200, 1.0, 1e200))
def test_factors_are_told_apart_at_any_scale(scale):
    assert causes(-scale * TRUE, scale * TRUE) == [("sign", -1)]
    assert causes(8 * scale * TRUE, scale * TRUE) == [("scale-batch", 8)]
    assert causes(scale * TRUE / 8, scale * TRUE) == [("scale-batch", 1 / 8)]
    assert causes(-2 * scale * TRUE, scale * TRUE) == [("sign", -1), ("scale-constant", 2)]
    assert causes(0.7 * scale * TRUE, scale * TRUE) == [("scale-constant", 0.7)]


def test_other_mistakes_of_a_leaf():
    assert causes(TRUE.T) == [("transposed", None)]
    assert causes(TRUE[:2].T, TRUE[:2]) == [("transposed", None)]
    assert causes(TRUE[:2]) == [("shape", None)]
    assert causes(None) == [("shape", None)]
    assert causes(0 * TRUE) == [("zero-gradient", None)]
    assert causes(np.where(TRUE > 3, np.nan, TRUE)) == [("nonfinite", None)]
    assert causes(TRUE**2) == [("unknown", None)]
    assert causes(TRUE * (1 + 3e-7)) == [("unknown", None)], "a factor of 1.0000003 is not one that somebody wrote"


def test_a_single_number_is_some_multiple_of_any_other():
    assert causes(np.asarray(-3.7), np.asarray(1.3)) == [("unknown", None)]
    assert causes(np.asarray(2.6), np.asarray(1.3)) == [("scale-constant", 2)]
    assert causes(np.asarray(-1.3), np.asarray(1.3)) == [("sign", -1)]


def test_leaves_that_show_the_same_mistake_share_a_finding():
    leaves = [WrongLeaf("w", -TRUE, TRUE), WrongLeaf("v", TRUE**2, TRUE), WrongLeaf("b", -TRUE[0], TRUE[0])]
    found = {f.cause: f.leaves for f in explained(leaves, (), ARGS)}
    assert found == {"sign": ("w", "b"), "unknown": ("v",)}


def test_the_batch_is_the_axis_that_all_arguments_share():
    assert batch_sizes(ARGS) == {8}
    assert batch_sizes((np.zeros((3, 8)), np.zeros((2, 8)))) == {8}, "examples in columns"
    pairs_and_others = np.zeros((6, 5)), np.zeros((6, 5)), np.zeros((4, 5))
    assert batch_sizes(pairs_and_others) == {5, 6}, "either may be"
    assert batch_sizes((np.zeros((5, 7)), np.zeros((3, 7)), np.zeros((4, 1)))) == {7}, "beside a bias"
    assert batch_sizes((np.zeros((3, 5)), np.zeros((2, 8)))) == {3}, "else that of the first"
    assert batch_sizes((np.zeros((1, 5)), 0.1, "name")) == frozenset(), "a batch of one has no factor"
