"""The function with a rule that a caller means."""

import jax
import jax.numpy as jnp

from jaxmlp.verify._rule._target import target


def test_the_cotangent_has_the_name_that_the_rule_gives_it_if_there_is_one():
    for bwd, name in ((lambda residuals, dy: (dy,), "dy"), (max, "dout")):  # Python knows no signature of `max`
        rule = jax.custom_vjp(jnp.sin)
        rule.defvjp(lambda x: (jnp.sin(x), x), bwd)
        assert target(rule, (jnp.ones(2),)).incoming == name
