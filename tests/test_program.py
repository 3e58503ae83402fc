"""A function as equations does what the function does."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp._program import bind, carry_out, traced, value_of


def twice(x):
    return 2 * x


def function(x, y):
    """Calls of `jit`, a loop, a rule of differentiation, a constant, and an output that is an input."""
    z = jax.jit(twice)(x) @ jnp.ones((3, 2)) + jax.nn.relu(y["bias"])[None, :]
    z, sums = jax.lax.scan(lambda z, row: (z + row[None, :], z.sum()), z, jnp.stack([y["bias"], y["bias"]]))
    return {"z": z, "sums": sums, "x": x, "one": 1.0}


ARGS = jax.device_put((np.arange(12.0).reshape(4, 3), {"bias": np.array([-1.0, 2.0])}))


def test_the_program_gives_what_the_function_gives():
    program = traced(function, *ARGS)
    chex.assert_trees_all_equal(program.run(*ARGS), function(*ARGS))
    assert "jit" not in {equation.primitive.name for equation in program.equations}


def test_it_is_differentiated_as_the_function_is():
    def loss(function):
        return lambda bias: function(ARGS[0], {"bias": bias})["z"].sum()

    kink = jnp.asarray([0.0, 2.0])  # where `relu` has the slope 0 by its own rule
    program = traced(function, *ARGS)
    chex.assert_trees_all_equal(jax.grad(loss(program.run))(kink), jax.grad(loss(function))(kink))


def test_a_rule_stands_in_for_an_operation():
    def cosine(equation, *inputs):
        return [jnp.cos(inputs[0])] if equation.primitive.name == "sin" else bind(equation, *inputs)

    program = traced(jax.jit(lambda x: jnp.sin(x) + 1), jnp.asarray(0.0), rule=cosine)
    assert program.run(jnp.asarray(0.0)) == 2


def test_what_it_closes_over_may_be_mapped():
    def run(scale):
        return traced(lambda x: x * scale, jnp.asarray(1.0)).run(jnp.asarray(3.0))

    np.testing.assert_array_equal(jax.vmap(run)(jnp.arange(3.0)), [0, 3, 6])


def test_only_what_an_output_needs_is_carried_out():
    program = traced(lambda x: (jnp.sin(x), jnp.cos(x) * 2), jnp.asarray(0.5))
    first, second = program.outputs
    needed = program.needed_for([first])
    assert [equation.primitive.name for equation in needed] == ["sin"]
    known = dict(zip(program.inputs, [0.5], strict=True))
    carry_out(needed, known)
    assert value_of(first, known) == np.sin(0.5)
    with pytest.raises(KeyError):
        value_of(second, known)
