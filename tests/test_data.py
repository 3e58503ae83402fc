"""The small data sets hold what their names say."""

import itertools
import sys
from types import ModuleType

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxmlp
from jaxmlp import _data

from .helpers import DTYPES


GATES = {
    "and": lambda p, q: p and q,
    "or": lambda p, q: p or q,
    "nand": lambda p, q: not (p and q),
    "nor": lambda p, q: not (p or q),
    "xor": lambda p, q: p != q,
    "xnor": lambda p, q: p == q,
}
BITS = list(itertools.product((0, 1), repeat=2))


@pytest.mark.parametrize("name", GATES)
def test_a_gate_is_its_truth_table(name):
    x, y = jaxmlp.gate(name)
    np.testing.assert_array_equal(x, BITS)
    np.testing.assert_array_equal(y[:, 0], [float(GATES[name](p, q)) for p, q in BITS])


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes_are_as_asked(dtype):
    for arrays in (
        jaxmlp.gate("xor", dtype=dtype),
        jaxmlp.boolean_functions(dtype=dtype),
        jaxmlp.parity(3, dtype=dtype),
    ):
        assert all(array.dtype == dtype for array in arrays)
    points, labels = jax.eval_shape(lambda key: jaxmlp.spirals(key, 8, dtype=dtype), jax.random.key(0))
    assert points.dtype == dtype and jnp.issubdtype(labels.dtype, jnp.integer)


def test_boolean_functions_are_all_sixteen_by_number():
    x, y = jaxmlp.boolean_functions()
    np.testing.assert_array_equal(x, BITS)
    assert y.shape == (16, 4, 1)
    for number, table in enumerate(np.asarray(y, int)[:, :, 0]):
        assert int("".join(map(str, table)), 2) == number
    for number, name in ((1, "and"), (6, "xor"), (7, "or"), (9, "xnor"), (14, "nand")):
        np.testing.assert_array_equal(y[number], jaxmlp.gate(name)[1])


@pytest.mark.parametrize("bits", (1, 2, 5))
def test_parity_is_the_count_of_ones_modulo_two(bits):
    x, y = jaxmlp.parity(bits)
    assert len({tuple(row) for row in np.asarray(x, int)}) == len(x) == 2**bits
    np.testing.assert_array_equal(y[:, 0], np.bitwise_count(np.arange(2**bits)) % 2)


def test_parity_of_two_bits_is_xor():
    chex.assert_trees_all_equal(jaxmlp.parity(2), jaxmlp.gate("xor"))


def test_spirals_without_noise_lie_on_their_arms(getkey):
    points, labels = map(np.asarray, jaxmlp.spirals(getkey(), 30, classes=3, noise=0, dtype="float64"))
    np.testing.assert_array_equal(labels, np.arange(30) % 3)
    radius, angle = np.hypot(*points.T), np.arctan2(points[:, 1], points[:, 0])
    assert (radius < 1).all()
    turns = (angle / (2 * np.pi) - 1.5 * radius - labels / 3 + 0.5) % 1 - 0.5
    np.testing.assert_allclose(turns, 0, atol=1e-9)


def test_spirals_depend_on_the_key_alone_and_move_by_the_noise(getkey):
    key, other = getkey(), getkey()
    draw = lambda key, **options: np.asarray(jaxmlp.spirals(key, 200, dtype="float64", **options)[0])
    np.testing.assert_array_equal(draw(key), draw(key))
    quiet, noisy = draw(key, noise=0), draw(key, noise=0.1)
    # The standard deviation of 400 draws has a relative standard error of 1/√800 = 0.035: five of them.
    np.testing.assert_allclose((noisy - quiet).std(), 0.1, rtol=0.18)
    assert not np.array_equal(draw(other), draw(key))


def test_digits_are_the_scaled_images_and_the_labels_of_scikit_learn():
    datasets = pytest.importorskip("sklearn.datasets")
    pixels, expected = datasets.load_digits(return_X_y=True)
    x, labels = jaxmlp.digits()
    assert x.shape == (1797, 64) and x.dtype == jnp.float32 and (x.min(), x.max()) == (0, 1)
    np.testing.assert_array_equal(x, pixels / 16)  # whole numbers over 16
    np.testing.assert_array_equal(labels, expected)


def test_digits_are_read_without_importing_scikit_learn(monkeypatch):
    pytest.importorskip("sklearn")
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    x, labels = jaxmlp.digits()
    assert len(x) == len(labels) == 1797 and set(np.asarray(labels).tolist()) == set(range(10))


def test_where_scikit_learn_has_them_elsewhere_it_is_asked(monkeypatch):
    there = ModuleType("sklearn.datasets")
    setattr(there, "load_digits", lambda return_X_y: (np.full((1, 64), 8.0), np.array([3])))  # noqa: B010
    monkeypatch.setitem(sys.modules, "sklearn.datasets", there)
    monkeypatch.setattr(_data.Path, "is_file", lambda path: False)
    x, labels = jaxmlp.digits()
    assert (x.shape, x[0, 0], labels[0]) == ((1, 64), 0.5, 3)


def test_digits_without_scikit_learn_say_what_to_install(monkeypatch):
    for module in ("sklearn", "sklearn.datasets"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=r"pip install 'jaxmlp\[data\]'"):
        jaxmlp.digits()
