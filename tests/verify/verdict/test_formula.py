"""At which points a formula is judged."""

import jax
import jax.numpy as jnp
import pytest

from jaxmlp.verify._verdict._evidence import Subject, View
from jaxmlp.verify._verdict._formula import Formula
from jaxmlp.verify._verdict._points import NEAR


PARAMS = {"w": jnp.asarray([1.0, 2.0])}


@pytest.mark.parametrize("count", range(len(NEAR) + 1))
def test_the_first_point_near_by_with_a_finite_truth_is_looked_at(count):
    """`count` of them have none."""
    poles = [jnp.asarray(step(PARAMS)["w"]) for step in NEAR[:count]]

    def loss(params):
        return sum((jnp.log(jnp.abs(params["w"] - pole)).sum() for pole in poles), (params["w"] ** 2).sum())

    view = View(Subject("grads", loss, jax.grad(loss)), PARAMS, wide=True)
    formula = Formula(view, view.first)
    assert list(formula.near) == list(NEAR[count : count + 1])
    assert formula.judged("w")[0].verdict == "right"
