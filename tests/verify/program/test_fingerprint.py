"""Two programs have one fingerprint if they compute the same in the same way, and only then."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp.verify._program._fingerprint import fingerprint, Memory, of_arrays
from jaxmlp.verify._program._trace import traced


X = np.linspace(0, 1, 6).reshape(2, 3)


def print_of(function, *args, lines=False):
    return fingerprint(traced(function, *args), lines=lines)


def scaled_by(number, array=1.0):
    return lambda x: jnp.tanh(number * x[jnp.asarray([1, 0])]).at[0].add(array)


def test_a_function_traced_again_has_the_same_fingerprint():
    assert print_of(scaled_by(2.0, X[0]), X) == print_of(scaled_by(2.0, X[0].copy()), X) is not None
    assert print_of(scaled_by(2.0), X, lines=True) == print_of(scaled_by(2.0), X, lines=True)


@pytest.mark.parametrize(
    ("function", "args"),
    (
        (scaled_by(3.0), (X,)),
        (scaled_by(2.0, X[0]), (X,)),
        (scaled_by(2.0), (X.astype("float32"),)),
        (scaled_by(2.0), (X[:, :2],)),
        (lambda x: (scaled_by(2.0)(x),), (X,)),
        (lambda x: jnp.tanh(2.0 * x[jnp.asarray([1, 0])]).at[0].multiply(1.0), (X,)),
        (lambda x: jnp.tanh(2.0 * x[jnp.asarray([0, 1])]).at[0].add(1.0), (X,)),
        (lambda x: jnp.sin(2.0 * x[jnp.asarray([1, 0])]).at[0].add(1.0), (X,)),
    ),
    ids=("a number", "a constant", "a dtype", "a shape", "the tree", "an operation", "an index", "a function"),
)
def test_another_program_has_another(function, args):
    assert print_of(function, *args) != print_of(scaled_by(2.0), X)


def test_constants_count_by_their_numbers():
    one, other = X[0].copy(), X[0].copy()
    other[1] += 1e-9
    assert print_of(scaled_by(2.0, one), X) != print_of(scaled_by(2.0, other), X)
    assert of_arrays([one, other]) != of_arrays([one, one]) == of_arrays([one.copy(), one.copy()])
    assert of_arrays([jax.random.key(1)]) != of_arrays([jax.random.key(2)])


def test_lines_count_where_they_are_asked_for():
    here = lambda x: x + 1
    there = lambda x: x + 1
    assert print_of(here, X) == print_of(there, X)
    assert print_of(here, X, lines=True) != print_of(there, X, lines=True)


def test_what_calls_back_has_none():
    def calls_back(x):
        return jax.pure_callback(np.sin, jax.ShapeDtypeStruct(x.shape, x.dtype), x)

    assert print_of(calls_back, X) is None


def test_a_memory_holds_the_last_few_and_nothing_for_none():
    memory, made = Memory(2), []
    for key in ("a", "b", "a", "c", "a", "b", None, None):
        memory.get(key, lambda key=key: made.append(key))
    assert made == ["a", "b", "c", "b", None, None]
