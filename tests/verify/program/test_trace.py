"""Programs: a function equation by equation, every call inlined, and the lines that they stand on."""

import inspect
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp.verify._program._trace import Literal, traced

from ...helpers import normal


def names(function, *args, **options):
    return [equation.name for equation in traced(function, *args, **options).equations]


def run(function, *args, **options):
    program = traced(function, *args, **options)
    return jax.tree.unflatten(program.structure, program.run(jax.tree.leaves(args)))


def line_of(function, text):
    """The number of the line of `function` that holds `text`."""
    lines, first = inspect.getsourcelines(function)
    [offset] = [offset for offset, line in enumerate(lines) if text in line]
    return first + offset


def innermost(stacks):
    """The frames of this file, innermost first, of the last stack of an equation that has any."""
    found = [[frame for frame in stack if frame and frame.file == __file__] for stack in stacks]
    return next(frames for frames in reversed(found) if frames)


@jax.custom_jvp
def cube(x):
    return x * x * x


cube.defjvp(lambda primals, tangents: (cube(*primals), 0 * tangents[0]))


@jax.custom_vjp
def scaled_sine(x):
    return 2 * jnp.sin(x)


scaled_sine.defvjp(lambda x: (2 * jnp.sin(x), None), lambda _, dout: (0 * dout,))


def loop(xs, *, reverse=False):
    """Two carries, of which one counts; what is stacked is the running sum."""

    def body(carry, x):
        total, count = carry
        total = 0.5 * total + x
        return (total, count + 1), total * count

    return jax.lax.scan(body, (jnp.zeros(xs.shape[1]), 0.0), xs, reverse=reverse)


def sliced_loop(xs):
    return loop(xs, reverse=True)


def nested(xs):
    return jax.lax.map(lambda row: jax.lax.cumsum(row) + loop(xs)[0][0], xs)


def tree(params):
    return {"sum": params["a"].sum() + 1.5, "list": [params["b"] * 2, params["a"]], "number": 3.0}


def branching(x):
    return jax.lax.cond(x.sum() > 0, jnp.sin, jnp.cos, x), jax.lax.while_loop(lambda v: v.sum() < 9, lambda v: v + 1, x)


RUN = {
    "a formula": (lambda x: jnp.tanh(x) @ x.T, ((3, 2),)),
    "two arguments": (lambda x, y: (x - y) / (1 + y**2), ((3,), (3,))),
    "jit": (jax.jit(lambda x: jnp.exp(x) + 1), ((3,),)),
    "custom_jvp": (lambda x: cube(x) + 1, ((3,),)),
    "custom_vjp": (lambda x: scaled_sine(x) * x, ((3,),)),
    "checkpoint": (jax.checkpoint(lambda x: jnp.sin(jnp.sin(x))), ((3,),)),
    "scan": (loop, ((4, 2),)),
    "a reverse scan": (sliced_loop, ((4, 2),)),
    "a scan in a scan": (nested, ((3, 2),)),
    "cond and while": (branching, ((3,),)),
    "vmap": (jax.vmap(lambda x: x / jnp.linalg.norm(x)), ((3, 2),)),
    "a gradient": (jax.grad(lambda x: jax.nn.log_softmax(x)[0, 1]), ((2, 3),)),
}


@pytest.mark.parametrize("name", RUN)
def test_a_program_computes_what_its_function_does(getkey, name):
    function, shapes = RUN[name]
    args = [normal(getkey(), shape) for shape in shapes]
    expected = function(*args)
    for unroll in (True, False):
        actual = run(function, *args, unroll=unroll)
        assert jax.tree.structure(actual) == jax.tree.structure(expected)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-14, atol=1e-14), actual, expected)


def test_a_tree_goes_in_and_comes_out(getkey):
    params = {"a": normal(getkey(), (3,)), "b": normal(getkey(), (2,))}
    program = traced(tree, params)
    assert len(program.inputs) == 2 and len(program.outputs) == 4
    result = jax.tree.unflatten(program.structure, program.run(jax.tree.leaves(params)))
    assert jax.tree.all(jax.tree.map(jnp.allclose, result, tree(params)))
    assert any(isinstance(out, Literal) for out in program.outputs), "a constant result is a literal"


def test_only_arrays_are_traced(getkey):
    def function(x, size, mode):
        return x[:size].sum() if mode == "sum" else x

    assert float(run_with(traced(function, normal(getkey(), (4,)), 2, "sum"), jnp.arange(4.0))) == 1


def run_with(program, *arrays):
    [out] = program.run(arrays)
    return out


def test_constants_that_are_closed_over_are_kept(getkey):
    w = normal(getkey(), (3,))
    program = traced(lambda x: x * w, w)
    assert [out.tolist() for out in program.run([jnp.ones(3)])] == [w.tolist()]


@pytest.mark.parametrize(
    ("function", "expected"),
    (
        (jax.jit(lambda x: jnp.sin(jax.jit(jnp.cos)(x))), ["cos", "sin"]),
        (lambda x: cube(x), ["mul", "mul"]),
        (lambda x: scaled_sine(x), ["sin", "mul"]),
        (jax.checkpoint(jax.checkpoint(jnp.sin)), ["sin"]),
    ),
    ids=("jit", "custom_jvp", "custom_vjp", "checkpoint"),
)
def test_what_is_called_is_inlined(function, expected):
    assert names(function, jnp.ones(3)) == expected


def test_a_program_is_differentiated_by_its_primal_alone():
    x = jnp.array([0.3, 0.7])
    for function, slope in ((cube, 3 * x**2), (scaled_sine, 2 * jnp.cos(x))):
        assert not jax.grad(lambda x, f=function: f(x).sum())(x).any(), "the rule of the test is wrong on purpose"
        program = traced(function, x)
        np.testing.assert_allclose(jax.grad(lambda x, p=program: p.run([x])[0].sum())(x), slope, rtol=1e-14)


@pytest.mark.parametrize("reverse", (False, True))
def test_a_short_scan_is_unrolled(reverse):
    program = traced(lambda xs: loop(xs, reverse=reverse), jnp.ones((4, 2)))
    equations = {name: [e for e in program.equations if e.name == name] for name in ("scan", "index", "stack")}
    assert not equations["scan"] and len(equations["stack"]) == 1
    order = [equation.params["index"] for equation in equations["index"]]
    assert order == ([3, 2, 1, 0] if reverse else [0, 1, 2, 3])


def test_a_scan_stays_one_equation_where_it_is_long_or_asked_to():
    assert names(loop, jnp.ones((4, 2)), unroll=False).count("scan") == 1
    assert names(loop, jnp.ones((4000, 2))).count("scan") == 1


def test_an_array_taken_apart_is_its_parts(getkey):
    x = normal(getkey(), (3, 2))
    program = traced(lambda x: [2 * part for part in x], x)
    assert {equation.name for equation in program.equations} == {"slice", "squeeze", "mul"}
    np.testing.assert_array_equal(np.stack(program.run([x])), 2 * x)


def test_while_and_cond_stay_one_equation():
    found = names(branching, jnp.ones(3))
    assert found.count("cond") == 1 and found.count("while") == 1


def test_every_result_passes_through_after():
    program = traced(lambda x: jnp.sin(x) * 2, jnp.ones(3))
    results = []
    program.run([jnp.ones(3)], after=lambda result, *_: results.append(result) or result)
    assert len(results) == len(program.equations) == 2


def test_makers_and_users_of_a_variable():
    program = traced(lambda x: jnp.sin(x) * x, jnp.ones(3))
    [x], (sine, product) = program.inputs, program.equations
    assert program.users[x] == (0, 1) and program.users[sine.outputs[0]] == (1,)
    assert program.makers == {sine.outputs[0]: 0, product.outputs[0]: 1}
    assert program.shapes[product.outputs[0]] == jax.ShapeDtypeStruct((3,), jnp.float64)


def two_steps(x):
    z = jnp.sin(x)
    return doubled(z)


def doubled(z):
    return 2 * z


def test_an_equation_names_its_line_and_those_that_called_it():
    sine, product = traced(two_steps, jnp.ones(3)).equations
    here = innermost(sine.stacks)
    assert (here[0].number, here[0].function) == (line_of(two_steps, "jnp.sin"), "two_steps")
    inner, outer = innermost(product.stacks)[:2]
    assert (inner.number, inner.function) == (line_of(doubled, "2 * z"), "doubled")
    assert (outer.number, outer.function) == (line_of(two_steps, "doubled(z)"), "two_steps")


def test_frames_of_jax_are_left_out():
    equations = traced(jax.vmap(loop), jnp.ones((2, 3, 2))).equations
    frames = [frame for equation in equations for stack in equation.stacks for frame in stack if frame]
    jaxs = str(Path(jax.__file__).parent)
    assert frames and not any(frame.file.startswith(jaxs) for frame in frames)


def test_an_equation_of_a_scan_names_the_line_of_its_body():
    totals = [e for e in traced(loop, jnp.ones((3, 2))).equations if e.name == "add" and e.outputs]
    lines = {frame.number for e in totals for stack in e.stacks for frame in stack if frame and frame.file == __file__}
    assert {line_of(loop, "0.5 * total"), line_of(loop, "jax.lax.scan")} <= lines


def test_what_is_called_twice_names_both_lines():
    inner = jax.jit(doubled)

    def outer(x):
        y = inner(x)
        return inner(y + 1)

    products = [e for e in traced(outer, jnp.ones(3)).equations if e.name == "mul"]
    called = [{f.number for stack in e.stacks for f in stack if f and f.function.endswith("outer")} for e in products]
    assert line_of(outer, "inner(x)") in called[0] and line_of(outer, "inner(y + 1)") in called[1]
