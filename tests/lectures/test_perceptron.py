import numpy as np
import pytest

from jaxmlp.lectures import perceptron
from jaxmlp.lectures._numbers import numbers


@pytest.fixture
def given(monkeypatch):
    """The printed numbers of lecture 000, free to be spoiled."""
    fresh = {key: dict(part) for key, part in numbers("000").items()}
    monkeypatch.setattr(perceptron, "numbers", lambda lecture: fresh)
    return fresh


def by_hand(dtype):
    return [claim for claim in perceptron._two_layers(dtype) if claim.name.startswith("XOR, by hand")]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_witness_start_reproduces_the_print(given, dtype):
    assert all(claim.ok for claim in by_hand(dtype))


def test_another_start_does_not(given):
    (w1, b1), (w2, b2) = given["two_layers"]["start"]
    given["two_layers"]["start"] = [[w1, b1], [w2, [b2[0] + 0.01]]]
    failed = [claim.name for claim in by_hand("float32") if not claim.ok]
    assert sum("cost at step" in name for name in failed) == 5


def test_another_rate_does_not(given):
    given["two_layers"]["lr"] = 0.11
    assert sum(not claim.ok for claim in by_hand("float32")) >= 6


def test_a_wrong_digit_in_the_print_is_caught(given):
    given["two_layers"]["losses"] = [[step, loss + 1e-6] for step, loss in given["two_layers"]["losses"]]
    assert sum(not claim.ok for claim in by_hand("float32")) == 5


@pytest.mark.parametrize(
    ("w", "b", "out"), [((1, 1), -1.5, (0, 0, 0, 1)), ((0, 0), 0, (0, 0, 0, 0)), ((-2, 1), 1, (1, 1, 0, 0))]
)
def test_a_threshold_unit_fires_above_zero_and_not_at_it(w, b, out):
    assert perceptron.fires(w, b) == out


def test_random_units_never_compute_xor():
    rng = np.random.default_rng(0)
    seen = {perceptron.fires(w, b) for w, b in zip(rng.normal(size=(5000, 2)), rng.normal(size=5000), strict=True)}
    assert len(seen) == 14
    assert (0, 1, 1, 0) not in seen and (1, 0, 0, 1) not in seen
