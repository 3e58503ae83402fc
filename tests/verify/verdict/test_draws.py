"""Random numbers by place."""

import jax
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec as P

from jaxmlp.verify._verdict._draws import signs, uniform


@pytest.mark.parametrize("draw", (uniform, signs))
@pytest.mark.parametrize("shape", ((), (5,), (8, 3), (2, 3, 4)), ids=str)
def test_numpy_and_a_program_draw_the_same(draw, shape):
    in_numpy = draw(np.zeros(shape), 7)
    np.testing.assert_array_equal(jax.jit(lambda leaf: draw(leaf, 7))(np.zeros(shape)), in_numpy)
    np.testing.assert_array_equal(jax.jit(lambda leaf: draw(leaf, 7))(np.zeros(shape, np.float32)), in_numpy)
    assert in_numpy.shape == shape


def test_spread_over_devices_they_are_the_same():
    rows = NamedSharding(Mesh(jax.devices("cpu")[:8], ("rows",)), P("rows"))
    leaf = jax.device_put(np.zeros((16, 3)), rows)
    drawn = jax.jit(lambda leaf: uniform(leaf, 7), out_shardings=rows)(leaf)
    np.testing.assert_array_equal(drawn, uniform(np.zeros((16, 3)), 7))


def test_they_look_random():
    count = 100_000
    one, other = uniform(np.zeros(count), 1), uniform(np.zeros(count), 2)
    standard_error = 1 / np.sqrt(count)
    for numbers in (one, other):
        assert np.all(np.abs(numbers) < 1) and np.all(numbers != 0)
        assert abs(numbers.mean()) < 5 * standard_error and abs(3 * (numbers**2).mean() - 1) < 5 * standard_error
        assert abs(3 * (numbers[1:] * numbers[:-1]).mean()) < 5 * standard_error
    assert abs(3 * (one * other).mean()) < 5 * standard_error
    assert set(signs(np.zeros(count), 1)) == {-1, 1} and abs(signs(np.zeros(count), 1).mean()) < 5 * standard_error
