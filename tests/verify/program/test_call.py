"""How the functions under check are called."""

import jax.numpy as jnp
import numpy as np

from jaxmlp.verify._program._call import called, compiled, is_traceable


def test_only_arrays_are_traced():
    def function(x, axis, scale, name):
        assert not isinstance(x, np.ndarray)
        assert (axis, scale, name) == (0, 2.0, "sum") and isinstance(axis, int)
        return scale * getattr(jnp, name)(x, axis=axis)

    np.testing.assert_array_equal(compiled(function, np.ones((3, 2)), 0, 2.0, "sum"), [6, 6])


def test_equal_numbers_of_other_types_are_not_mistaken_for_each_other():
    kind = lambda x, flag: x * (2 if flag is True else 1)
    assert float(compiled(kind, np.float64(1), 1)) == 1
    assert float(compiled(kind, np.float64(1), True)) == 2
    assert float(compiled(kind, np.float64(1), 1.0)) == 1


def test_unhashable_arguments_and_functions_are_welcome():
    class Scaled(dict):
        def __call__(self, x, options):
            return self["by"] * x + sum(options)

    assert float(compiled(Scaled(by=3.0), np.float64(2), {1, 2})) == 9


def test_numpy_code_is_not_traceable_and_jax_code_is():
    assert is_traceable(jnp.sin, np.ones(2))
    assert not is_traceable(lambda x: np.asarray(x) + 1, np.ones(2))
    assert not is_traceable(lambda x: x if x[0] > 0 else -x, np.ones(2))


def test_a_black_box_gets_copies():
    def writes(x):
        x[:] = 0
        return x

    x = np.ones(2)
    np.testing.assert_array_equal(called(writes, x), 0)
    np.testing.assert_array_equal(x, 1)
