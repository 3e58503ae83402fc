"""A program written out in single numbers gives what the program of arrays gives."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import lax

import jaxmlp
from jaxmlp._numbers import array_of, CARRIED_OUT, in_numbers, MOVED, numbers_of, operations, program_of_numbers
from jaxmlp._once import once
from jaxmlp._program import carry_out, value_of

from .helpers import as_jax, EPS, normal, problem, with_standard_promotion


def written_out(function, *args):
    """The leaves of `function(*args)`, computed number by number."""
    program, known = program_of_numbers(function, *args)
    assert {equation.primitive.name for equation in program.equations} <= CARRIED_OUT
    leaves = map(np.asarray, (*program.constants.values(), *jax.tree.leaves(args)))
    known |= {
        variable: array_of(leaf.shape, [as_jax(number, leaf.dtype) for number in leaf.ravel()])
        for variable, leaf in zip((*program.constants, *program.inputs), leaves, strict=True)
    }
    carry_out(program.equations, known, in_numbers)
    outputs = [numbers_of(atom, value_of(atom, known)) for atom in program.outputs]
    return [
        np.asarray([np.asarray(number) for number in array.flat], atom.aval.dtype).reshape(atom.aval.shape)
        for array, atom in zip(outputs, program.outputs, strict=True)
    ]


def assert_the_same(function, *args, rtol=1e-13):
    for actual, expected in zip(written_out(function, *args), jax.tree.leaves(jax.jit(function)(*args)), strict=True):
        assert actual.dtype == expected.dtype and actual.shape == expected.shape
        np.testing.assert_allclose(actual, expected, rtol=rtol, atol=rtol)


MOVES = {
    "broadcast": lambda a: jnp.broadcast_to(a[:, None, :], (2, 5, 3, 4)),
    "a new axis": lambda a: a[:, :, None],
    "concatenate": lambda a: jnp.concatenate([a, a[:1] * 2, a]),
    "pad": lambda a: lax.pad(a, a[0, 0, 0], ((1, 2, 0), (0, 1, 2), (2, 0, 1))),
    "pad of one": lambda a: lax.pad(a[:1], a[0, 0, 0], ((1, 0, 2), (0, 0, 0), (0, 0, 0))),
    "cut": lambda a: lax.pad(a, a[0, 0, 0], ((-1, 1, 0), (1, -1, 0), (-2, -1, 1))),
    "reshape": lambda a: a.reshape(4, 6),
    "rev": lambda a: a[:, ::-1],
    "slice": lambda a: lax.slice(a, (0, 1, 0), (2, 3, 4), (1, 1, 2)),
    "squeeze": lambda a: a[:1].squeeze(0),
    "split": lambda a: jnp.split(a, [1, 3], axis=2),
    "transpose": lambda a: a.transpose(2, 0, 1),
    "unstack": lambda a: list(a),
    "iota": lambda a: a + jnp.arange(4.0) * lax.broadcasted_iota("float64", (3, 4), 0),
    "stack": lambda a: jnp.stack([a, a * 2], axis=1),
    "stop gradient": lambda a: lax.stop_gradient(a),
    "copy": lambda a: jnp.array(a, copy=True),
}
ARITHMETIC = {
    "sum": lambda a: (a.sum(), a.sum(axis=(0, 2)), a.sum(axis=1, keepdims=True)),
    "extremes": lambda a: (a.max(axis=-1), a.min(axis=0), a.prod(axis=1)),
    "literals": lambda a: 2 * a + (a > 0.5).astype(a.dtype) - jnp.where(a < 0, -1.0, a),
    "clamp": lambda a: jnp.clip(a, -0.5, 0.5),
    "powers": lambda a: [a**n for n in (-2, -1, 1, 2, 3)],
    "the zeroth power": lambda a: lax.integer_pow(a, 0),
    "integers": lambda a: jnp.minimum(a.astype("int32") + 1, 2).astype("float64"),
    "a constant": lambda a: a * np.arange(4.0),
}


@pytest.mark.parametrize("function", (MOVES | ARITHMETIC).values(), ids=(MOVES | ARITHMETIC).keys())
def test_equals_the_operation_on_arrays(getkey, function):
    with jax.numpy_rank_promotion("allow"):
        assert_the_same(function, normal(getkey(), (2, 3, 4)))


def test_an_array_is_unstacked_along_any_axis():  # by a primitive of its own from JAX 0.11 on
    a = np.arange(24).reshape(2, 3, 4)
    for axis in range(3):
        np.testing.assert_array_equal(list(MOVED["unstack"](a, axis=axis)), jnp.unstack(a, axis=axis))


@pytest.mark.parametrize(
    "subscripts", ("ik,kj->ij", "ki,jk->ij", "bik,bkj->bij", "kbi,jkb->bij", "ikl,lkj->ij", "i,i->", "i,j->ij")
)
def test_a_product_equals_einsum(getkey, subscripts):
    sizes = {"b": 2, "i": 3, "j": 4, "k": 5, "l": 2}
    shapes = ([sizes[axis] for axis in axes] for axes in subscripts.split("->")[0].split(","))
    if subscripts == "i,i->":
        shapes = [[3], [3]]
    assert_the_same(partial(jnp.einsum, subscripts), *(normal(getkey(), tuple(shape)) for shape in shapes))


# Functions that are written anew.

NUMBERS = [0.0, 1e-30, -1e-30, 1e-8, -1e-8, 1e-4, -0.01, 0.3, -0.5, 0.99, 1.0, 1.01, 3.0, 80.0, 1e4, 1e30, np.inf]


@pytest.mark.parametrize("function", (lax.sqrt, lax.log1p, lax.expm1), ids=lambda function: function.__name__)
def test_a_function_written_anew_is_as_good(function):
    numbers = {"sqrt": [abs(x) for x in NUMBERS], "expm1": [*NUMBERS, -3.0, -80.0, -np.inf]}
    x = as_jax(numbers.get(function.__name__, NUMBERS), "float32")
    (actual,) = written_out(function, x)
    np.testing.assert_allclose(actual, exactly(function, x), rtol=8 * EPS["float32"])  # some operations of an ulp each


@pytest.mark.parametrize("dtype", ("float32", "int32"))
def test_a_power_written_anew_is_as_good(dtype):
    bases, exponents = np.meshgrid([0.0, 0.01, 0.9, 0.999, 1.0, 3.0, -0.5, -3.0], [0, 1, 2, 9, 20])
    x, n = as_jax(bases.ravel(), "float32"), as_jax(exponents.ravel(), dtype)
    (actual,) = written_out(lax.pow, x, n)
    with np.errstate(divide="ignore", invalid="ignore"):
        exact = exactly(lax.pow, x, n)
        rounding = (
            4 * EPS["float32"] * np.maximum(1, np.abs(np.log(np.abs(exact))))
        )  # that of the logarithm of the result
        off = as_jax(actual, "float32") - exact  # XLA's difference: below the smallest normal number it may be 0
        assert (np.abs(off) <= np.where(exact == 0, 0, rounding * np.abs(exact))).all()


def exactly(function, *args):
    with np.errstate(over="ignore"):
        return np.asarray(function(*(as_jax(arg, "float64") for arg in args))).astype("float32")


@pytest.mark.parametrize("function", (lax.sqrt, lax.log1p, lambda x: lax.pow(x, x / 4)), ids=("sqrt", "log1p", "pow"))
def test_where_there_is_no_value_it_is_nan(function):
    (actual,) = written_out(function, as_jax([-2.0], "float32"))
    assert np.isnan(actual).all()


# Steps of a training.


@pytest.mark.parametrize(
    ("loss_and_grads", "optimizer"),
    (
        (jaxmlp.loss_and_grads, optax.sgd(0.5, momentum=0.9)),
        (jax.value_and_grad(jaxmlp.loss_value), with_standard_promotion(optax.adam(0.1))),
    ),
    ids=("by hand, sgd", "jax.grad, adam"),
)
def test_a_step_of_training(getkey, loss_and_grads, optimizer):
    params, *batch = problem(getkey(), (2, 5, 1))

    def step(params, opt_state, batch):
        loss, grads = loss_and_grads(params, *batch)
        updates, opt_state = optimizer.update(grads, opt_state, params)
        return loss, opt_state, optax.apply_updates(params, updates)

    assert_the_same(step, params, optimizer.init(params), tuple(batch), rtol=1e-9)


@pytest.mark.parametrize(
    "activation", (jaxmlp.relu, jaxmlp.elu, jaxmlp.softplus, jaxmlp.gelu_tanh), ids=lambda activation: activation.name
)
def test_a_step_of_regression(getkey, activation):
    options: dict[str, Any] = dict(hidden=activation, output=jaxmlp.identity, loss=jaxmlp.half_squared_error)
    params, *batch = problem(getkey(), (2, 3, 2), loss=jaxmlp.half_squared_error)
    assert_the_same(partial(jaxmlp.loss_and_grads, **options), params, *batch, rtol=1e-12)


# What it is told of a program before.


def test_operations_are_counted(getkey):
    a, b = normal(getkey(), (3, 4)), normal(getkey(), (4, 5))
    program, _ = program_of_numbers(lambda a, b: jnp.tanh(a @ b).T.sum(axis=0), a, b)
    assert sum(map(operations, program.equations)) == 2 * 3 * 4 * 5 + 15 + 15


def test_what_is_not_needed_is_left_out(getkey):
    program, _ = program_of_numbers(lambda a: (jnp.tanh(a), a + 1)[1], normal(getkey(), (2,)))
    assert [equation.primitive.name for equation in program.equations] == ["add"]


def test_one_whatever_the_bits_is_known_to_be_one(getkey):
    program, known = program_of_numbers(once, normal(getkey(), (2, 3)))
    (ones,) = known.values()
    assert ones.shape == (2, 3) and (ones == 1).all()
    assert {equation.primitive.name for equation in program.equations} == {"convert_element_type", "div"}


def test_other_bits_are_not_known():
    bits = jnp.arange(4, dtype="uint32")
    for function in (lambda bits: (bits | 1) & 2, lambda bits: (bits & 1) | 1, lambda bits: (bits ^ 1) & 1):
        assert not program_of_numbers(function, bits)[1]
