import numpy as np
import pytest

from jaxmlp.lectures import worked_example
from jaxmlp.lectures._numbers import numbers


@pytest.fixture
def given(monkeypatch):
    fresh = dict(numbers("003"))
    monkeypatch.setattr(worked_example, "numbers", lambda lecture: fresh)
    return fresh


def printed_claims(given):
    return [claim for claim in worked_example.claims() if claim.name in given["printed"]]


def test_all_26_numbers_are_claims_to_the_last_printed_digit(given):
    claims = printed_claims(given)
    assert len(claims) == 26 and all(claim.ok for claim in claims)
    assert {claim.tolerance for claim in claims} == {5e-9}


def test_one_unit_in_the_last_place_is_caught_on_every_number(given):
    given["printed"] = {name: value + 1e-8 for name, value in given["printed"].items()}
    assert not any(claim.ok for claim in printed_claims(given))


def test_a_misread_weight_is_caught(given):
    given["weights"] = [0.3, 0.25, 0.4, 0.35, 0.54, 0.4, 0.7, 0.6]
    wrong = {claim.name for claim in printed_claims(given) if not claim.ok}
    assert {"z3", "o1", "E_total", "dE_dW5", "W1_new"} <= wrong
    assert {"z1", "z2", "h1", "h2", "z4"} & wrong == set()


def test_weights_are_laid_out_as_columns_that_feed_a_unit():
    first, second = worked_example.arrange([1, 2, 3, 4, 5, 6, 7, 8])
    np.testing.assert_array_equal(np.array([10, 1]) @ first.w, [12, 34])
    np.testing.assert_array_equal(np.array([10, 1]) @ second.w, [56, 78])
