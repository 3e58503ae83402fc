"""A function called once more: the same program, the same results, and the arguments as they were."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp.verify._program._again import again, parting
from jaxmlp.verify._program._call import is_traceable


X = np.linspace(0.1, 0.6, 6).reshape(2, 3)


def seen(function, *args, names=("", "x")):
    return again(function, names[: len(args)], args, traceable=is_traceable(function, *args))


def random():
    return np.random.default_rng().random()


def looped(scale):
    return lambda x: jax.lax.while_loop(lambda c: c[0] < 3, lambda c: (c[0] + 1, scale() * c[1]), (0, x))[1]


def branching(scale):
    return lambda x: jax.lax.cond(x.sum() > 0, lambda x: scale() * x, lambda x: x, x)


@pytest.mark.parametrize(
    "wrapped",
    (
        lambda scale: lambda x: scale() * x,
        lambda scale: jax.jit(lambda x: scale() * x),
        lambda scale: lambda x: jnp.asarray(scale() + np.zeros(3))[None] * x,
        lambda scale: lambda x: jax.random.key_data(jax.random.key(int(1e9 * scale()))).sum() * x.sum(),
        lambda scale: lambda x: jax.vmap(lambda row: scale() * row)(x),
        looped,
        branching,
        lambda scale: lambda x: np.asarray(scale() * x),
    ),
    ids=("literal", "jit", "constant", "key", "vmap", "while", "cond", "NumPy"),
)
def test_random_numbers_are_seen_wherever_they_are_drawn(wrapped):
    with jax.numpy_dtype_promotion("standard"):
        different = seen(wrapped(random), jnp.asarray(X))
        assert not different.is_same
        *_, before, after = (None, *different.results)
        assert before is None or not np.array_equal(before, after)
        same = seen(wrapped(lambda: 0.5), jnp.asarray(X))
        assert same.is_same or len(same.results) == 1


def test_the_line_from_which_on_two_programs_differ():
    def function(x):
        y = jnp.sin(x)
        y = y * random()
        return y + 1

    line = function.__code__.co_firstlineno + 2
    assert next(frame for stack in seen(function, X).stacks for frame in stack if frame).number == line
    assert parting(jnp.sin, X) == ()


def test_a_callback_is_called_twice_and_a_debugging_one_not_at_all():
    count = []

    def answers(x):
        count.append(1)
        return np.asarray(x)

    asking = lambda x: jax.pure_callback(answers, jax.ShapeDtypeStruct(x.shape, x.dtype), x)
    assert not seen(asking, X).is_same and len(count) == 2
    watching = lambda x: (jax.debug.callback(lambda x: count.append(1), x), x)[1]
    assert seen(watching, X).is_same and len(count) == 2


def test_an_operation_that_differs_is_seen_and_one_that_does_not_is_not():
    which = [jnp.sin, jnp.cos]
    assert not seen(lambda x: which.pop()(x), X).is_same
    trees = [lambda x: {"a": x}, lambda x: {"b": x}]
    assert not seen(lambda x: trees.pop()(x), X).is_same
    assert seen(lambda x: jax.nn.relu(jnp.where(x > 0, x @ x.T @ x, jnp.nan)), X).is_same


def zeroing(params, x):
    x[0] = 0
    return params


def subtracting(params, x):
    x -= 1
    return jnp.sin(params) * x.sum()


def forgetting(params, x):
    del params["b"]
    return jnp.sin(params["w"])


def growing(params, x):
    params["c"] = x
    return jnp.sin(params["w"])


def replacing(params, x):
    params["w"] = jnp.cos(params["w"])
    return params


def counting(params, x):
    params["n"] += 1
    return np.sin(params["w"])


TREE = {"w": X, "b": X[0], "n": 3}


@pytest.mark.parametrize(
    ("function", "params", "written", "line"),
    (
        (zeroing, X, ("x",), 1),
        (subtracting, X, ("x",), 1),
        (forgetting, TREE, ("b",), None),
        (growing, TREE, ("c",), None),
        (replacing, TREE, ("w",), None),
        (counting, TREE, ("n",), None),
    ),
)
def test_what_a_call_changes_is_named_and_the_callers_numbers_are_not_harmed(function, params, written, line):
    x = np.ones(3)
    before = jax.tree.map(np.array, (params, x))
    with jax.numpy_rank_promotion("allow"):
        call = seen(function, params, x)
    assert call.written == written
    assert (call.writer and call.writer.number) == (line and function.__code__.co_firstlineno + line)
    jax.tree.map(np.testing.assert_array_equal, (params, x), before)


def test_reading_changes_nothing():
    def reading(params, x):
        x = x - 1
        x -= 1
        total = 0.0
        for row in params:
            total += row.sum()
        return total * x

    assert seen(reading, X, np.ones(3)).written == ()
    assert seen(lambda params, x: np.asarray(params) + np.asarray(x), X, np.ones(3)).written == ()
