"""Where a gradient is looked at."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp.verify._verdict._points import calmed, mirrored, moved


PARAMS = {"w": np.asarray([[1.0, -2.0], [0.0, 4.0]]), "b": np.zeros(3), "s": np.float64(2.0)}


@pytest.mark.parametrize("by", (0.1, 1e-5))
def test_every_element_moves_by_up_to_a_fraction_and_keeps_its_sign(by):
    there = moved(PARAMS, by=by, draw=0)
    w, b = there["w"], there["b"]
    nonzero = PARAMS["w"] != 0
    assert np.all(np.abs(w - PARAMS["w"])[nonzero] <= by * np.abs(PARAMS["w"])[nonzero])
    assert np.all(np.sign(w)[nonzero] == np.sign(PARAMS["w"])[nonzero])
    assert 0 < abs(w[1, 0]) <= by * np.sqrt(21 / 4), "a zero moves by the size of its leaf"
    assert np.all((0 < np.abs(b)) & (np.abs(b) <= by)), "a leaf of zeros moves by the fraction itself"


def test_a_move_is_seeded_by_the_name_of_the_leaf_alone():
    there = moved(PARAMS, by=0.1, draw=0)
    chex.assert_trees_all_equal(there, moved(PARAMS, by=0.1, draw=0))
    chex.assert_trees_all_equal(there["w"], moved({"a": np.ones(7), "w": PARAMS["w"]}, by=0.1, draw=0)["w"])
    assert not np.array_equal(there["w"], moved(PARAMS, by=0.1, draw=1)["w"])


def test_kinds_and_dtypes_stay():
    params = {"jax": jnp.ones(2, jnp.bfloat16), "numpy": np.ones(2, np.float32)}
    there = moved(params, by=0.1, draw=0)
    assert isinstance(there["jax"], jax.Array) and isinstance(there["numpy"], np.ndarray)
    chex.assert_trees_all_equal_shapes_and_dtypes(there, params)


def test_a_calm_point_is_no_larger_and_has_the_same_signs():
    calm = calmed(PARAMS, to=0.5)
    for path, leaf in PARAMS.items():
        assert np.sqrt(np.mean(calm[path] ** 2)) <= 0.5 + 1e-15
        np.testing.assert_array_equal(np.sign(calm[path]), np.sign(leaf))
    small = {"w": jnp.full(3, 0.1)}
    chex.assert_trees_all_equal(calmed(small, to=0.5), small)


def test_a_symmetric_matrix_stays_one_and_all_else_moves_as_ever():
    params = {"cov": np.asarray([[2.0, 0.5], [0.5, 1.0]]), "w": np.asarray([[2.0, 0.5], [0.4, 1.0]]), "b": np.ones(3)}
    there, plain = mirrored(params, by=0.1, draw=0), moved(params, by=0.1, draw=0)
    np.testing.assert_array_equal(there["cov"], there["cov"].T)
    assert (there["cov"] != params["cov"]).all() and (plain["cov"] != plain["cov"].T).any()
    np.testing.assert_array_equal(there["w"], plain["w"])
    np.testing.assert_array_equal(there["b"], plain["b"])
    in_a_program = jax.jit(lambda params: mirrored(params, by=0.1, draw=0))(params)
    chex.assert_trees_all_close(in_a_program, there, rtol=1e-6)  # of numbers drawn in float32
