import numpy as np
import pytest

from jaxmlp.lectures import lost_sign
from jaxmlp.lectures._lost_sign_fixes import FIXES
from jaxmlp.lectures._lost_sign_rules import AS_PRINTED, Settings, train
from jaxmlp.lectures._numbers import numbers


REPAIRED = Settings("denominators", sign=-1)


def test_the_repaired_sign_fails_every_printed_line():
    losses = train(REPAIRED, "float32", epochs=10_000).losses
    assert not any(claim.ok for claim in lost_sign._printed(losses))
    assert not all(claim.ok for claim in lost_sign._looks_like_progress(losses, losses))


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_the_loss_is_infinite_once_and_nan_ever_after(dtype):
    first_inf, first_nan = numbers("004")["first_inf_and_nan"][dtype]
    allowed = lost_sign.epochs_allowed(dtype)
    losses = train(AS_PRINTED, dtype, epochs=first_nan + allowed).losses
    epoch = int(np.argmax(~np.isfinite(losses))) + 1
    assert abs(epoch - first_inf) <= allowed
    assert losses[epoch - 1] == -np.inf and first_nan == first_inf + 1
    assert np.isnan(losses[epoch:]).all()


def test_another_rate_moves_the_epoch():
    losses = train(AS_PRINTED._replace(lr=0.02), "float32", epochs=400).losses
    assert np.argmax(np.isnan(losses)) + 1 < 200


def test_every_fix_in_the_data_is_run():
    assert set(FIXES) == set(numbers("004")["fixes"])
