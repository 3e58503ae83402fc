"""The backward half of a `custom_vjp` under `jax.grad`: at its own lines, and as it always was."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp.verify._program._rules import at_their_own_lines
from jaxmlp.verify._program._trace import traced


@jax.custom_vjp
def squash(z):
    return jnp.tanh(z)


def squash_fwd(z):
    a = jnp.tanh(z)
    return a, a


def squash_bwd(a, da):
    slope = 1 - a * a
    return (da * slope,)


squash.defvjp(squash_fwd, squash_bwd)


def grads(w, x):
    return jax.grad(lambda w: squash(x @ w).sum())(w)


@pytest.mark.parametrize("function", (grads, jax.jit(grads)), ids=("plain", "jit"))
def test_what_it_computes_stands_at_its_own_lines(function):
    program = traced(function, jnp.ones((3, 2)), jnp.ones((4, 3)))
    [sub] = [equation for equation in program.equations if equation.name == "sub"]
    frame = next(frame for stack in sub.stacks for frame in stack if frame and frame.function == "squash_bwd")
    assert inspect.getsourcelines(squash_bwd)[1] + 1 == frame.number
    assert any(frame and frame.function == "grads" for stack in sub.stacks for frame in stack)


def test_the_gradient_is_what_it_was_and_so_is_jax():
    args, call = (jnp.arange(6.0).reshape(3, 2) / 5, jnp.ones((4, 3))), jax.custom_vjp.__call__
    before, compiled = grads(*args), jax.jit(lambda *args: grads(*args))(*args)
    with at_their_own_lines():
        with at_their_own_lines():
            np.testing.assert_array_equal(grads(*args), before)
        assert jax.custom_vjp.__call__ is not call
        np.testing.assert_array_equal(jax.jit(grads)(*args), compiled)
    assert jax.custom_vjp.__call__ is call


def test_its_error_is_its_own_and_jax_is_left_as_it_was():
    rule, call = jax.custom_vjp(jnp.tanh), jax.custom_vjp.__call__

    def bwd(a, da):
        raise LookupError("mine")

    rule.defvjp(squash_fwd, bwd)
    with pytest.raises(LookupError, match="mine"), at_their_own_lines():
        jax.grad(rule)(1.0)
    assert jax.custom_vjp.__call__ is call


def test_arguments_that_are_not_differentiated_reach_it():
    rule = jax.custom_vjp(lambda power, x: x**power, nondiff_argnums=(0,))
    rule.defvjp(lambda power, x: (x**power, x), lambda power, x, g: (g * power * x ** (power - 1),))
    with at_their_own_lines():
        assert jax.grad(lambda x: rule(3, x))(2.0) == 12


def test_a_rule_without_a_derivative_is_refused_by_jax_itself():
    with at_their_own_lines(), pytest.raises(AttributeError, match="defvjp"):
        jax.custom_vjp(jnp.tanh)(1.0)
