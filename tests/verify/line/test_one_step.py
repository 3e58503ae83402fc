"""Which corrections of a step are taken for more than a coincidence."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp.verify._line._bench import Bench
from jaxmlp.verify._line._edits import Edit
from jaxmlp.verify._line._one_step import _changes_the_leaves
from jaxmlp.verify._line._patches import after
from jaxmlp.verify._line._search import Mistake
from jaxmlp.verify._program._sites import Site
from jaxmlp.verify._program._trace import program_of


X = np.arange(1.0, 4.0)


def grads(x, y):
    return {"x": x * 2, "y": jnp.sin(y)}


def changes(factor, by, *, path="x", shape=(3,)):
    """Whether to multiply what gives `x` changes the leaf at `path` as it may, of which the truth is `factor * x`."""
    program = program_of(grads, X, X)
    bench = Bench(program, [[X, X]], ["x", "y"], [{"x": factor * X, "y": X}])
    site = Site(None, None, ((0,),))
    mistake = Mistake(site, ((0,),), Edit("leaf", 5.0, lambda c: {}), 1.0, (path,), {}, 5.0, innocent=False)
    return _changes_the_leaves(bench, mistake, {0: after(0, lambda value, point: np.resize(by * value, shape))})


def test_a_leaf_that_is_led_nearer_or_was_far_away_is_changed():
    assert changes(2.2, 1.05)
    assert changes(20.0, 0.5)


def test_what_gives_another_shape_is_none_however_far_away_a_leaf_was():
    assert not changes(20.0, 0.5, shape=(2,))


@pytest.mark.parametrize(
    ("by", "path", "shape"), [(0.5, "x", (3,)), (2.0, "y", (3,)), (1.0, "x", (3,)), (1.05, "x", (2,))]
)
def test_a_leaf_led_away_one_that_stays_and_another_shape_are_none(by, path, shape):
    assert not changes(2.2, by, path=path, shape=shape)
