"""By what a mistake is named: the program of the gradient, its leaves beside those of a mutant, or those alone."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np

from jaxmlp import check, check_rule

from .gradients import grads, loss, problem


def test_the_mistake_of_a_black_box_is_named_by_a_line_of_the_loss(getkey):
    def boxed(params, x, y):
        if float(x[0, 0]) > 1e9:  # nothing that JAX can follow
            raise ValueError
        return jax.tree.map(np.asarray, grads(params, x, y, slope=lambda z, a: jnp.ones_like(a)))

    (finding,) = check(loss, boxed, *jax.tree.map(np.asarray, problem(getkey()))).findings
    assert finding.cause == "missing-activation-derivative" and set(finding.leaves) == {"b1", "w1"}
    assert finding.line and finding.line.text in inspect.getsource(loss)


def test_the_mistake_of_a_rule_is_named_by_its_own_line():
    def bwd(x, dout):
        slope = -jnp.cos(x)
        return (slope * dout,)

    sine = jax.custom_vjp(jnp.sin)
    sine.defvjp(lambda x: (jnp.sin(x), x), bwd)
    (finding,) = check_rule(sine, jnp.linspace(0.1, 0.9, 5)).findings
    assert finding.cause == "sign" and finding.line and finding.line.text == "slope = -jnp.cos(x)"
