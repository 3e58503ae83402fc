"""Losses that are named beside their derivatives: each derivative is that of the loss, as it is written."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp.verify._line._relate import multiple
from jaxmlp.verify._mistake import _losses

from .findings import normals


FUNCTIONS = {name: getattr(jnp, name) for name in ("sum", "abs", "log", "exp", "maximum")}


@pytest.mark.parametrize(("text", "derivative"), _losses._OF_A_TARGET)
def test_the_derivative_beside_a_loss_of_a_target_is_its_own(text, derivative, getkey):
    outputs, targets = normals(getkey, (40,), (40,))
    outputs, targets = jax.nn.sigmoid(outputs), jnp.where(targets > 0, 1.0, -1.0 if "maximum" in text else 0.25)
    loss = lambda o: eval(text.format(o="o", t="targets"), FUNCTIONS | {"o": o, "targets": targets})
    own, named = np.asarray(jax.grad(loss)(outputs)), derivative(np.asarray(outputs), np.asarray(targets))
    assert multiple((named,), (own,)) in (0.5, 1.0)


@pytest.mark.parametrize(("text", "derivative"), _losses._OF_AN_OUTPUT)
def test_the_derivative_beside_a_loss_of_an_output_is_its_own(text, derivative, getkey):
    [outputs] = normals(getkey, (40,))
    outputs = jax.nn.sigmoid(outputs)
    loss = lambda o: eval(text.format(o="o"), FUNCTIONS | {"o": o})
    own, named = np.asarray(jax.grad(loss)(outputs)), derivative(np.asarray(outputs))
    np.testing.assert_allclose(named, own, rtol=1e-12)
