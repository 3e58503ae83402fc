"""What is known of a small loss: its values, their cotangents and slopes, against `jax.grad` and closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp.verify._line._known import known
from jaxmlp.verify._line._quantities import Run
from jaxmlp.verify._program._trace import Literal, traced

from ...helpers import generator


def loss(w, b, x, y):
    z = x @ w + b[None, :]
    a = jnp.tanh(z)
    return ((a - y) ** 2).sum()


def points_of(random):
    """Two points: other parameters, the same data."""
    data = [random.normal(size=shape) for shape in ((4, 3), (4, 2))]
    return [[random.normal(size=(3, 2)), random.normal(size=2), *data] for _ in range(2)]


def closed_forms(w, b, x, y):
    """The forward values, and their cotangents by hand."""
    z = x @ w + b
    a = np.tanh(z)
    da = 2 * (a - y)
    dz = da * (1 - a**2)
    return {"z": z, "a": a}, {"w": x.T @ dz, "b": dz.sum(axis=0), "z": dz, "a": da}


@pytest.fixture
def case(getkey):
    """The program of the loss, its points, what is known at them, and its variables by name."""
    points = points_of(generator(getkey()))
    program = traced(loss, *points[0])
    variables = dict(zip("wbxy", program.inputs, strict=True))
    tanh = next(e for e in program.equations if e.name == "tanh")
    variables |= {"z": tanh.inputs[0], "a": tanh.outputs[0]}
    return program, points, known(program, program.inputs[:2], points), variables


def same(found, expected):
    return all(a.shape == b.shape and np.allclose(a, b, rtol=1e-12) for a, b in zip(found, expected, strict=True))


def test_a_run_has_every_value_at_every_point(case):
    program, points, _, variables = case
    run = Run(program, points)
    for name in "za":
        assert same(run.at(variables[name]), [closed_forms(*point)[0][name] for point in points])
    assert same(run.at(program.outputs[0]), [np.asarray(loss(*map(jnp.asarray, point))) for point in points])
    assert same(run.at(Literal(np.array(2.0))), [np.array(2.0)] * 2)


def test_the_values_are_known(case):
    _, points, knowledge, _ = case
    values = [quantity.values for quantity in knowledge.quantities if quantity.kind == "value"]
    for name in "za":
        assert any(same(value, [closed_forms(*point)[0][name] for point in points]) for value in values)


@pytest.mark.parametrize("name", "wbza")
def test_the_cotangents_are_those_of_the_closed_form(case, name):
    _, points, knowledge, variables = case
    assert same(knowledge.cotangents[variables[name]].values, [closed_forms(*point)[1][name] for point in points])


def test_the_cotangents_of_the_parameters_are_their_gradient(case):
    _, points, knowledge, variables = case
    for argnum, name in enumerate("wb"):
        expected = [np.asarray(jax.grad(loss, argnum)(*map(jnp.asarray, point))) for point in points]
        assert same(knowledge.cotangents[variables[name]].values, expected)


def test_what_does_not_depend_on_the_parameters_has_no_cotangent(case):
    _, _, knowledge, variables = case
    assert variables["x"] not in knowledge.cotangents and variables["y"] not in knowledge.cotangents


def test_the_slope_of_an_activation(case):
    _, points, knowledge, variables = case
    slope = knowledge.slopes[variables["a"], variables["z"]]
    assert same(slope.values, [1 - closed_forms(*point)[0]["a"] ** 2 for point in points])
    assert slope.kind == "slope" and (slope.variable, slope.by) == (variables["a"], variables["z"])


def test_slopes_chain_through_several_operations(getkey):
    points = [[generator(getkey()).normal(size=4)] for _ in range(2)]
    program = traced(lambda z: (jnp.sin(z) * jnp.exp(-z)).sum(), *points[0])
    [product] = [equation for equation in program.equations if equation.name == "mul"]
    slope = known(program, program.inputs, points).slopes[product.outputs[0], program.inputs[0]]
    assert same(slope.values, [(np.cos(z) - np.sin(z)) * np.exp(-z) for [z] in points])


def test_the_terms_of_a_value_used_twice(getkey):
    points = [[generator(getkey()).normal(size=4)] for _ in range(2)]
    program = traced(lambda w: (jnp.sin(w) + w**3).sum(), *points[0])
    terms = known(program, program.inputs, points).cotangents[program.inputs[0]].terms
    assert len(terms) == 2
    for expected in ([np.cos(w) for [w] in points], [3 * w**2 for [w] in points]):
        assert any(same(term, expected) for term in terms)


def test_a_loss_with_a_custom_rule_is_differentiated_by_its_primal():
    @jax.custom_vjp
    def cube(w):
        return w**3

    cube.defvjp(lambda w: (w**3, None), lambda _, dout: (0 * dout,))
    points = [[np.array([0.5, 2.0])]]
    program = traced(lambda w: cube(w).sum(), *points[0])
    cotangent = known(program, program.inputs, points).cotangents[program.inputs[0]]
    assert same(cotangent.values, [3 * points[0][0] ** 2])


def test_quantities_are_distinct_floating_and_finite(getkey):
    points = [[generator(getkey()).normal(size=3)] for _ in range(2)]

    def redundant(w):
        finite = jnp.where(jnp.argmax(w) < 0, jnp.log(jnp.zeros(3)), 0.0)
        return (jnp.sin(w) + jnp.sin(w) + finite).sum()

    program = traced(redundant, *points[0])
    quantities = known(program, program.inputs, points).quantities
    flat = [np.concatenate([v.ravel() for v in q.values]) for q in quantities]
    assert all(np.isfinite(values).all() and values.any() for values in flat)
    assert all(v.dtype.kind in "fb" for q in quantities for v in q.values)
    shapes = [q.values[0].shape for q in quantities]
    for i, one in enumerate(flat):
        for j in range(i):
            assert shapes[i] != shapes[j] or not np.allclose(one, flat[j], rtol=1e-8, atol=0)
