"""The executions of a statement; what a value is a part of."""

import jax.numpy as jnp
import pytest

from jaxmlp.verify._program._sites import name_of, sites, wholes
from jaxmlp.verify._program._source import Source
from jaxmlp.verify._program._trace import program_of


def in_a_loop(x):
    for _ in range(3):
        x = jnp.tanh(x) + x + x
    return x


def of_the_parts(xs):
    total = 0.0
    for x in xs:
        total = total + jnp.tanh(x)
    return total


def under_one_statement(x):
    for _ in range(2):
        x = sum(jnp.tanh(x) for _ in range(3))
    return x


def in_one_line(x):
    y = jnp.tanh(x) + x + x + x
    return y


@pytest.mark.parametrize(
    ("function", "executions"),
    ((in_a_loop, [3]), (of_the_parts, [3]), (under_one_statement, [1]), (in_one_line, [1])),
)
def test_a_loop_of_one_statement_executes_it_several_times(function, executions):
    program, source = program_of(function, jnp.ones((3, 2))), Source(function)
    found = [s for s in sites(program, source, []) if s.frame and "tanh" in source.text[s.frame.number - 1]]
    assert [len(site.instances) for site in found] == executions
    assert sum(len(run) for run in found[0].instances) == sum(
        equation.name in ("tanh", "add") for equation in program.equations
    )


def in_a_list(params, xs):
    scale = params * 2
    ys = [jnp.tanh(x) * scale for x in xs]
    return jnp.stack(ys)


def test_each_element_of_a_list_is_an_execution_of_its_statement():
    program, source = program_of(in_a_list, jnp.ones(2), jnp.ones((3, 2))), Source(in_a_list)
    found = [
        [[program.equations[i].name for i in run] for run in site.instances] for site in sites(program, source, [])
    ]
    of_the_list = [runs for runs in found if any("tanh" in run for run in runs)]
    assert [[run[-2:] for run in runs] for runs in of_the_list] == [[["tanh", "mul"]] * 3]


def test_a_row_of_a_row_is_a_part_of_the_argument():
    program = program_of(lambda x: x[1][2], jnp.ones((3, 4)))
    assert program.inputs[0] in wholes(program, program.outputs[0])


def test_a_sum_and_a_product_are_parts_of_nothing():
    for function in (lambda x: x[1].sum(), lambda x: 2 * x[1]):
        program = program_of(function, jnp.ones((3, 4)))
        assert list(wholes(program, program.outputs[0])) == [program.outputs[0]]


def _scaled(h, factor):
    half = h / 2
    return factor * half


def _layers(x, w):
    out = _scaled(x @ w, 4.0)
    z = out @ w
    return z


def test_a_name_belongs_to_what_a_function_returns_and_not_to_what_it_is_given():
    program, source = program_of(_layers, jnp.ones((2, 2)), jnp.ones((2, 2))), Source(_layers)
    found = sites(program, source, [])
    named = [(site.statement.target, name_of(program, site)) for site in found if site.statement]
    assert named == [("out", None), ("half", "half"), (None, None), ("z", "z")]


def slope(z):
    a = jnp.tanh(z)
    square = a * a
    return 1 - square


def beside_a_call(x):
    d = x / 3 * slope(x)
    return d


def through_a_call(x):
    d = slope(x / 3) * x
    return d


@pytest.mark.parametrize(("function", "executions"), ((beside_a_call, 1), (through_a_call, 2)))
def test_a_call_interrupts_a_statement_only_if_it_reads_what_that_has_computed(function, executions):
    program, source = program_of(function, jnp.ones(3)), Source(function)
    [site] = [s for s in sites(program, source, []) if s.frame and "d = " in source.text[s.frame.number - 1]]
    assert len(site.instances) == executions
    assert sorted(program.equations[index].name for run in site.instances for index in run) == ["div", "mul"]
