from typing import Any

import jax
import pytest

from jaxmlp import fit
from jaxmlp._run._plain import plain_step

from ..helpers import assert_close, ULPS_OF_A_NETWORK
from .problem import BATCH, MINIBATCHES, OPTIONS, PARAMS


OTHER_KEY: dict[str, Any] = MINIBATCHES | dict(key=jax.random.key(5))


@pytest.mark.parametrize(
    ("batch", "options"),
    ((BATCH, {}), (BATCH, MINIBATCHES), (jax.device_get(BATCH), MINIBATCHES)),
    ids=("full batch", "minibatches", "minibatches of NumPy arrays"),
)
def test_is_the_step_that_fit_makes(batch, options):
    state, losses = fit(PARAMS, BATCH, steps=0, **OPTIONS, **options)
    step = jax.jit(lambda state: plain_step(state, batch, batch_size=options.get("batch_size"), **OPTIONS))
    expected, losses = fit(PARAMS, BATCH, steps=5, **OPTIONS, **options)
    for number in range(5):
        state, loss = step(state)
        assert_close(loss, losses[number], ulps=16 * ULPS_OF_A_NETWORK)
    assert_close(state.params, expected.params, ulps=16 * ULPS_OF_A_NETWORK)
    assert state.step == 5


def test_another_order_of_the_minibatches_is_told_apart():
    state, losses = fit(PARAMS, BATCH, steps=0, **OPTIONS, **OTHER_KEY)
    _, losses = fit(PARAMS, BATCH, steps=1, **OPTIONS, **MINIBATCHES)
    _, loss = plain_step(state, BATCH, batch_size=2, **OPTIONS)
    with pytest.raises(AssertionError):
        assert_close(loss, losses[0], ulps=16 * ULPS_OF_A_NETWORK)
