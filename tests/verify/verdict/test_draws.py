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


def test_they_are_the_hashes_of_the_places():
    def hashed(place, seed):
        """`lowbias32` of Wellons, "Prospecting for Hash Functions", 2018, in whole numbers."""
        bits = (place * 0x9E3779B9 ^ seed) % 2**32
        bits = (bits ^ bits >> 16) * 0x7FEB352D % 2**32
        bits = (bits ^ bits >> 15) * 0x846CA68B % 2**32
        return bits ^ bits >> 16

    bits = np.reshape([hashed(place, 7) for place in range(6)], (2, 3))
    np.testing.assert_array_equal(uniform(np.zeros((2, 3)), 7), ((bits >> 9) + 0.5) / 2**22 - 1)
    np.testing.assert_array_equal(signs(np.zeros((2, 3)), 7), np.where(bits >= 2**31, 1, -1))


def test_more_places_than_32_bits_count_are_counted_anew():
    many = jax.ShapeDtypeStruct((2, 2**16, 2**16), "float32")
    assert jax.eval_shape(lambda leaf: uniform(leaf, 7), many) == many


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
