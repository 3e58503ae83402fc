"""What is seen of a gradient at a point."""

import numpy as np
import pytest

from jaxmlp.verify._verdict._evidence import Evidence


def test_a_truth_varies_by_the_part_of_its_norm_that_it_changes():
    here, there = (Evidence(0.0, {}, {"w": np.asarray(truth)}, {}) for truth in ([3.0, 4.0], [3.0, -1.0]))
    assert here.varies("w", there) == pytest.approx(5 / 5) and there.varies("w", here) == pytest.approx(5 / 10**0.5)
