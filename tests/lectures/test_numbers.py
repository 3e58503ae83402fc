from importlib.resources import files

import numpy as np
import pytest

from jaxmlp.lectures._numbers import numbers, replay


def test_the_package_data_stay_small():
    sizes = [len(file.read_bytes()) for file in (files("jaxmlp.lectures") / "data").iterdir()]
    assert len(sizes) == 5 and sum(sizes) < 250_000


@pytest.mark.parametrize(
    ("run", "points", "size"), [("2-2-1", 29, 9), ("2-10-10-10-1", 37, 261), ("transient", 14, 261)]
)
def test_stored_runs_have_a_row_a_step(run, points, size):
    stored = replay(run)
    assert set(stored) == {"steps", "params", "next_params", "losses", "grads"}
    assert stored["steps"].shape == stored["losses"].shape == (points,)
    assert stored["params"].shape == stored["next_params"].shape == stored["grads"].shape == (points, size)
    assert stored["params"].dtype == np.float32 and stored["grads"].dtype == np.float64


def test_the_data_hold_numbers_and_names_only():
    def sentences(value):
        if isinstance(value, dict):
            return [text for part in (*value, *value.values()) for text in sentences(part)]
        if isinstance(value, list):
            return [text for part in value for text in sentences(part)]
        return [value] if isinstance(value, str) and " " in value else []

    for lecture in ("000", "001", "003", "004"):
        assert sentences(numbers(lecture)) == []
