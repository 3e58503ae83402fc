from functools import cache, partial
from typing import Any

import jax
import pytest

from jaxmlp import fit
from jaxmlp._run._plain import plain_step

from ..helpers import assert_close, ULPS_OF_A_NETWORK
from .problem import BATCH, MINIBATCHES, OPTIONS, PARAMS


OTHER_KEY: dict[str, Any] = MINIBATCHES | dict(key=jax.random.key(5))


@cache
def program(steps, batch_size):
    return jax.jit(partial(fit, steps=steps, batch_size=batch_size, **OPTIONS))


def trained(steps, options):
    """`fit` on the whole problem: compiled once for all tests, with the key as an argument."""
    keys = {name: value for name, value in options.items() if name == "key"}
    return program(steps, options.get("batch_size"))(PARAMS, BATCH, **keys)


@pytest.mark.parametrize(
    ("batch", "options"),
    ((BATCH, {}), (BATCH, MINIBATCHES), (jax.device_get(BATCH), MINIBATCHES)),
    ids=("full batch", "minibatches", "minibatches of NumPy arrays"),
)
def test_is_the_step_that_fit_makes(batch, options):
    state, _ = trained(0, options)
    step = jax.jit(lambda state: plain_step(state, batch, batch_size=options.get("batch_size"), **OPTIONS))
    expected, losses = trained(5, options)
    for number in range(5):
        state, loss = step(state)
        assert_close(loss, losses[number], ulps=16 * ULPS_OF_A_NETWORK)
    assert_close(state.params, expected.params, ulps=16 * ULPS_OF_A_NETWORK)
    assert state.step == 5


def test_another_order_of_the_minibatches_is_told_apart():
    state, _ = trained(0, OTHER_KEY)
    _, losses = trained(5, MINIBATCHES)
    _, loss = jax.jit(lambda state: plain_step(state, BATCH, batch_size=2, **OPTIONS))(state)
    with pytest.raises(AssertionError):
        assert_close(loss, losses[0], ulps=16 * ULPS_OF_A_NETWORK)
