"""What a value is a part of."""

import jax.numpy as jnp

from jaxmlp.verify._program._sites import wholes
from jaxmlp.verify._program._trace import program_of


def test_a_row_of_a_row_is_a_part_of_the_argument():
    program = program_of(lambda x: x[1][2], jnp.ones((3, 4)))
    assert program.inputs[0] in wholes(program, program.outputs[0])


def test_a_sum_and_a_product_are_parts_of_nothing():
    for function in (lambda x: x[1].sum(), lambda x: 2 * x[1]):
        program = program_of(function, jnp.ones((3, 4)))
        assert list(wholes(program, program.outputs[0])) == [program.outputs[0]]
