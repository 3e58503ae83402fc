"""A small step written anew gives the states and losses of the step as it was."""

from functools import partial
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import lax

import jaxmlp
from jaxmlp import _small
from jaxmlp._products import fused_product, is_small_product
from jaxmlp._program import traced
from jaxmlp._small import loop

from .helpers import assert_close, EPS, normal, problem, ULPS_OF_A_NETWORK


def as_it_was(step, state, fixed, steps):
    return lax.scan(lambda state, _: step(state, *fixed), state, length=steps)


def descent(loss_and_grads):
    def step(params, batch):
        loss, grads = loss_and_grads(params, *batch)
        return jax.tree.map(lambda p, g: p - 0.3 * g, params, grads), loss

    return step


def with_a_penalty(params, x, y):
    """A loss that reads every parameter: more than a step leaves behind."""
    loss, grads = jaxmlp.loss_and_grads(params, x, y, hidden=jaxmlp.tanh)
    return loss + sum((leaf**2).sum() for leaf in jax.tree.leaves(params)), grads


STEPS = {
    "by hand": descent(jaxmlp.loss_and_grads),
    "jax.grad": descent(jax.value_and_grad(jaxmlp.loss_value)),
    "penalty": descent(with_a_penalty),
    "a loss that is a constant": lambda params, batch: (jax.tree.map(lambda p: p / 2, params), jnp.asarray(1.0)),
    "a loss that the step needs": lambda params, batch: (
        jax.tree.map(lambda p: p * params[0].w.sum(), params),
        params[0].w.sum(),
    ),
}


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("sizes", ((2, 2, 1), (2, 10, 10, 1)), ids=str)
def test_equals_the_plain_scan(getkey, name, sizes):
    params, *batch = problem(getkey(), sizes)
    step, fixed = STEPS[name], (tuple(batch),)

    def both(state, _):
        state, loss = step(state, *fixed)
        return state, (state, loss)

    lengths = (0, 1, 37, 64)  # less than a stretch, and several of them, with and without a rest
    every = jax.jit(lambda: [loop(step, params, fixed, steps) for steps in lengths])
    states, losses = jax.device_get(jax.jit(lambda: lax.scan(both, params, length=64)[1])())
    for steps, actual in zip(lengths, jax.device_get(every()), strict=True):
        state = jax.tree.map(lambda leaf, last=steps - 1: leaf[last], states) if steps else params
        # Sums in another order, through that many steps.
        chex.assert_trees_all_close(actual, (state, losses[:steps]), rtol=1e-9, atol=1e-12)


def test_the_loss_is_computed_after_its_steps(getkey):
    params, *batch = problem(getkey(), (2, 2, 1))
    program = traced(STEPS["by hand"], params, tuple(batch), rule=fused_product)
    parts = _small._Parts(program, params, (tuple(batch),))
    names = lambda equations: {equation.primitive.name for equation in equations}
    assert "log" in names(parts.second) and not {"log", "dot_general"} & names(parts.first)
    assert parts.left_behind == 4 * 8  # the four logits, in float64


def test_what_is_left_for_the_loss_is_small(getkey):
    params, *batch = problem(getkey(), (2, 10, 10, 1))
    program = traced(STEPS["penalty"], params, tuple(batch), rule=fused_product)
    parts = _small._Parts(program, params, (tuple(batch),))
    assert parts.second == [] and parts.left_behind == 8  # the loss itself


def test_a_large_step_stays_as_it_is(getkey):
    params, *batch = problem(getkey(), (3, 300, 300, 1))
    jaxpr = jax.make_jaxpr(partial(loop, STEPS["by hand"], params, (tuple(batch),), 40))()
    (scan,) = (equation for equation in jaxpr.jaxpr.eqns if equation.primitive.name == "scan")
    assert scan.params["length"] == 40


@pytest.mark.parametrize(
    ("steps", "most", "length"),
    ((64, 10, 8), (37, 10, 10), (14, 10, 7), (22, 6, 6), (3, 10, 10), (0, 10, 10), (5, 0, 1)),
)
def test_a_stretch_divides_the_steps_unless_it_were_too_short(steps, most, length):
    assert _small._length_of_a_stretch(steps, most) == length


def test_what_a_step_prints_is_printed_at_every_step(capsys):
    def step(state, fixed):
        jax.debug.print("{}", state, ordered=True)
        return state + fixed, state

    jax.block_until_ready(jax.jit(partial(loop, step, jnp.asarray(0), (jnp.asarray(1),), 5))())
    jax.effects_barrier()
    assert capsys.readouterr().out.split() == ["0", "1", "2", "3", "4"]


def test_is_one_program_where_nothing_else_is_compiled(getkey, caplog):
    params, *batch = problem(getkey(), (2, 2, 1))
    with jax.log_compiles():
        loop(STEPS["by hand"], params, (tuple(batch),), 37)
    assert sum(record.message.startswith("Compiling") for record in caplog.records) == 1


@pytest.mark.parametrize(("steps", "traced"), ((0, []), (7, [7])))
def test_of_fewer_steps_than_a_stretch_no_other_is_traced(getkey, monkeypatch, steps, traced):
    lengths, losses_of = [], _small._Parts.losses

    def kept(parts, left, length):
        lengths.append(length)
        return losses_of(parts, left, length)

    monkeypatch.setattr(_small._Parts, "losses", kept)
    params, *batch = problem(getkey(), (2, 2, 1))
    jax.eval_shape(partial(loop, STEPS["by hand"], params, (tuple(batch),), steps))
    assert lengths == traced


def test_is_differentiated_like_the_plain_scan(getkey):
    params, *batch = problem(getkey(), (2, 2, 1))

    def last_loss(loop, rate):
        def step(params, batch):
            loss, grads = jaxmlp.loss_and_grads(params, *batch)
            return jax.tree.map(lambda p, g: p - rate * g, params, grads), loss

        return loop(step, params, (tuple(batch),), 40)[1][-1]

    slopes = [jax.jit(jax.grad(partial(last_loss, which)))(0.3) for which in (loop, as_it_was)]
    np.testing.assert_allclose(*slopes, rtol=1e-9)


# Products.


@pytest.mark.parametrize("dtype", ("float32", "float64"))
@pytest.mark.parametrize("subscripts", ("ik,kj->ij", "ki,kj->ij", "ik,jk->ij", "ki,jk->ij"))
def test_a_small_product_equals_the_matrix_product(getkey, subscripts, dtype):
    sizes = {"i": 4, "j": 5, "k": 3}
    lhs, rhs = (normal(getkey(), tuple(sizes[axis] for axis in axes), dtype) for axes in subscripts[:-4].split(","))
    product = partial(jnp.einsum, subscripts)
    program = traced(product, lhs, rhs, rule=fused_product)
    assert "dot_general" not in {equation.primitive.name for equation in program.equations}
    atol = 8 * EPS[dtype]  # of a sum of three products of normal numbers
    np.testing.assert_allclose(program.run(lhs, rhs), product(lhs, rhs), rtol=0, atol=atol)


@pytest.mark.parametrize(
    ("lhs", "rhs", "dtype"),
    (
        ((32, 32), (32, 32), "float64"),
        ((4, 3), (3,), "float64"),
        ((2, 4, 3), (2, 3, 4), "float64"),
        ((2, 4, 3), (3, 5, 2), "float64"),
        ((4, 3), (3, 4), "bfloat16"),
    ),
    ids=("large", "a vector", "a batch", "more axes", "half precision"),
)
def test_other_products_stay_as_they_are(lhs, rhs, dtype):
    product = jnp.matmul if lhs[-1] == rhs[max(len(rhs) - 2, 0)] else partial(jnp.tensordot, axes=1)
    program = traced(product, jnp.ones(lhs, dtype), jnp.ones(rhs, dtype), rule=fused_product)
    products = [e for e in program.equations if e.primitive.name == "dot_general"]
    assert len(products) == 1 and not is_small_product(products[0])


# Continuing.


@pytest.mark.parametrize(("sizes", "dtype"), (((2, 2, 1), "float64"), ((2, 10, 10, 10, 1), "float32")), ids=str)
def test_a_training_in_pieces_equals_the_whole_bit_for_bit(getkey, sizes, dtype):
    params, *batch = problem(getkey(), sizes, dtype=dtype)
    options: dict[str, Any] = dict(loss_and_grads=jaxmlp.loss_and_grads, optimizer=optax.sgd(0.5, momentum=0.9))
    options |= dict(batch_size=2)
    train = lambda state, steps, **key: jax.jit(partial(jaxmlp.fit, steps=steps, **options, **key))(state, tuple(batch))
    whole, losses = train(params, 150, key=jax.random.key(1))
    state: Any = params
    parts = []
    for i, steps in enumerate((1, 33, 64, 52)):
        state, part = train(state, steps, **({} if i else {"key": jax.random.key(1)}))
        parts.append(part)
    # On a GPU each program contracts products and sums to one rounding where it likes.
    ulps = 0 if jax.default_backend() == "cpu" else ULPS_OF_A_NETWORK
    assert_close((state.params, jnp.concatenate(parts)), (whole.params, losses), ulps=ulps)


@pytest.mark.parametrize("steps", (0, 3))
def test_steps_are_made_where_jit_is_disabled(getkey, steps):
    params, x, y = problem(getkey(), (2, 2, 2), batch=2)  # all alike, for each operation is compiled for itself
    train = partial(jaxmlp.fit, loss_and_grads=jaxmlp.loss_and_grads, optimizer=optax.sgd(0.3), steps=steps)
    expected = jax.jit(train)(params, (x, y))
    with jax.disable_jit():
        actual = train(params, (x, y))
    chex.assert_trees_all_equal_shapes_and_dtypes(actual, expected)
    chex.assert_trees_all_close(actual, expected, rtol=1e-14)  # XLA fuses, and rounds the last bit otherwise
