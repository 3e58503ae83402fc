"""`(params, *args)` and `(params, args)`, told apart by what the loss takes."""

import functools

import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp import Dense
from jaxmlp._cli._inputs import called_with
from jaxmlp._cli._terminal import CommandError

from ..helpers import as_jax


def two(params, x, y):
    return params + x + y


def batch(params, batch, l2=0.1):
    x, y = batch
    return params + x + y + l2


def optional(params, x, y=None):
    return jnp.sum(params * x) if y is None else params + x + y


def several(params, *args):
    return params + sum(args)


def only(params):
    return params


@pytest.mark.parametrize(
    ("loss", "given", "wanted"),
    [
        (two, (1.0, 2.0, 3.0), (1.0, 2.0, 3.0)),
        (two, (1.0, (2.0, 3.0)), (1.0, 2.0, 3.0)),
        (two, [1.0, 2.0, 3.0], (1.0, 2.0, 3.0)),
        (two, lambda: (1.0, (2.0, 3.0)), (1.0, 2.0, 3.0)),
        (batch, (1.0, (2.0, 3.0)), (1.0, (2.0, 3.0))),
        (batch, (1.0, ((2.0, 3.0),)), (1.0, (2.0, 3.0))),
        (optional, (1.0, (2.0, 3.0)), (1.0, 2.0, 3.0)),
        (optional, (1.0, 2.0), (1.0, 2.0)),
        (several, (1.0, (2.0, 3.0)), (1.0, 2.0, 3.0)),
        (only, (1.0,), (1.0,)),
        (only, (1.0, ()), (1.0,)),
        (functools.partial(two, y=3.0), (1.0, (2.0,)), (1.0, 2.0)),
        (np.add, (1.0, (2.0,)), (1.0, 2.0)),
    ],
)
def test_the_form_that_fits_the_loss_is_taken(loss, given, wanted):
    assert called_with(loss, loss, given) == wanted


@pytest.mark.parametrize(
    ("loss", "grads", "given", "sentence"),
    [
        (two, two, (1.0, 2.0), "the tuple of inputs gives 2 values, .* do not fit `two\\(params, x, y\\)`"),
        (two, two, (1.0, (2.0,)), "gives 2 values"),
        (two, two, (1.0, (2.0, 3.0, 4.0)), "gives 4 or 2 values"),
        (two, only, (1.0, 2.0, 3.0), "`two` takes the 3 values .* but `only\\(params\\)` does not"),
        (two, two, {"w": 1.0}, "gives a dict, but must give a tuple"),
        (two, two, (), "gives an empty tuple"),
        (two, two, Dense(as_jax([[1.0]], float), None), "gives a Dense, but must give a tuple"),
        (two, two, only, "`only\\(params\\)` makes the inputs: it must take no arguments"),
        (two, two, lambda: None, "gives a NoneType, but must"),
    ],
)
def test_inputs_that_do_not_fit_are_one_sentence(loss, grads, given, sentence):
    with pytest.raises(CommandError, match=sentence) as error:
        called_with(loss, grads, given)
    assert "\n" not in str(error.value)


def test_an_error_of_the_users_passes_through():
    def inputs():
        raise KeyError("x")

    with pytest.raises(KeyError):
        called_with(two, two, inputs)
