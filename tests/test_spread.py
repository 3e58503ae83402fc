"""A loop whose step is shared by the threads of a block computes what the step does."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxmlp
from jaxmlp import _spread
from jaxmlp._kernel import loop_in_a_kernel

from .helpers import as_jax, network, normal, problem


UNOPTIMIZED = {"xla_backend_optimization_level": 0} if jax.default_backend() == "cpu" else None


@pytest.fixture(autouse=True)
def usual_types():
    with jax.enable_x64(False):
        yield


A = normal(jax.random.key(0), (3, 4), "float32")
B = normal(jax.random.key(1), (4,), "float32")
WHOLE = as_jax(np.arange(12).reshape(3, 4), "int32")
LARGE = normal(jax.random.key(2), (20, 13), "float32")  # three numbers a thread
STEPS: dict[str, Any] = {
    "each number for itself": (lambda a, b: (jnp.sin(a) * 2, b + 1), (A, B)),
    "a row to all": (lambda a, b: (a + b[None, :], b * 0.5), (A, B)),
    "sums along an axis": (lambda a, b: (a * 0.9, a.sum(axis=0) + b), (A, B)),
    "one number of all": (lambda a, b: (a / a.max(), b + a.sum()), (A, B)),
    "products": (lambda a, b: (jnp.tanh(a @ (a.T @ a)), a.sum(axis=0) @ a.T @ a), (A, B)),
    "products of large arrays": (
        lambda a, b: (a @ (a.T @ a) / 300, b - (a @ a[0])[:4]),
        (LARGE, B),
    ),
    "numbers that only move": (lambda a, b: (a.T.reshape(3, 4)[::-1], jnp.concatenate([b[2:], b[:2]])), (A, B)),
    "arrays that change places": (lambda a, b: (b, a), (A, A)),
    "comparisons that are read by others": (
        lambda a, b: (jnp.where((a.sum(axis=1) > 0)[:, None], a, -a) * 0.5, jnp.where((b > 0)[::-1], b, 1 - b)),
        (A, B),
    ),
    "constants among numbers": (lambda a, b: (a, jnp.concatenate([b[1:], jnp.asarray([0.5], "float32")])), (A, B)),
    "whole numbers": (lambda a, b: (a[:, ::-1] + 1, a.sum(axis=0) * b), (WHOLE, WHOLE[0])),
    "single numbers": (lambda a, b: (a * b + 1, b * 0.5), (jnp.float32(0.3), jnp.float32(2.0))),
    "an array without numbers": (lambda a, b: (a * 0.5, b), (A, np.zeros((0, 3), "float32"))),
}


@pytest.mark.parametrize("name", STEPS)
def test_three_steps_are_those_of_the_function(name):
    function, state = STEPS[name]
    step = lambda state, scale: (function(*state), jnp.sum(jnp.abs(state[0])).astype(scale.dtype) * scale)
    scale = jnp.float32(0.1)
    run = lambda *state: loop_in_a_kernel(step, state, (scale,), 3, kernel="interpret")
    actual, losses = jax.jit(run, compiler_options=UNOPTIMIZED)(*state)
    expected, in_one_program = state, jax.jit(step)
    for i in range(3):
        expected, loss = in_one_program(expected, scale)
        np.testing.assert_allclose(losses[i], loss, rtol=1e-5)  # sums in another order
    for one, other in zip(actual, expected, strict=True):
        assert one.shape == other.shape and one.dtype == other.dtype
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", STEPS)
def test_is_built_for_a_gpu(monkeypatch, name):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    function, state = STEPS[name]
    step = lambda state: (function(*state), jnp.sum(jnp.abs(state[0])))
    run = lambda *state: loop_in_a_kernel(step, state, (), 3, kernel="gpu")
    text = jax.jit(run).trace(*state).lower(lowering_platforms=("cuda",)).as_text()
    assert text.count("stablehlo.custom_call @mosaic_gpu") == 1


@pytest.mark.parametrize("sizes", ((2, 10, 10, 1), (2, 24, 24, 1)))
def test_trains_as_the_scan_does(sizes):
    params, *_ = problem(jax.random.key(4), sizes, dtype="float32")
    train = partial(jaxmlp.fit, loss_and_grads=jaxmlp.loss_and_grads, optimizer=optax.sgd(0.5, momentum=0.5), steps=20)
    actual = jax.jit(partial(train, kernel="interpret"), compiler_options=UNOPTIMIZED)(params, jaxmlp.gate("xor"))
    expected = jax.jit(train)(params, jaxmlp.gate("xor"))
    for one, other in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)  # the same sums in another order, for 20 steps


@pytest.mark.parametrize("name", [*STEPS, "a network"])
def test_no_thread_reads_what_another_may_not_have_written(monkeypatch, name):
    """All that is read from shared memory was written before the threads last waited, and is not yet replaced."""
    plans: list[Any] = []
    plan = _spread.Plan.__init__

    def kept(self, loop):
        plan(self, loop)
        plans.append(self)

    monkeypatch.setattr(_spread.Plan, "__init__", kept)
    if name == "a network":
        params = network((2, 10, 10, 10, 1))
        train = partial(jaxmlp.fit, loss_and_grads=jaxmlp.loss_and_grads, optimizer=optax.sgd(0.5), steps=2)
        jax.eval_shape(partial(train, kernel="interpret"), params, jaxmlp.gate("xor"))
    else:
        function, state = STEPS[name]
        step = lambda state: (function(*state), jnp.sum(jnp.abs(state[0])))
        jax.eval_shape(lambda *state: loop_in_a_kernel(step, state, (), 2, kernel="interpret"), *state)
    (made,) = plans
    done = set(made.inputs)
    reads: dict[Any, list[int]] = {}
    for home in made.homes:
        for operand in home.operands:
            assert operand.home is None or operand.home in done
            for source in operand.homes:
                assert source.first is not None and source.level < home.level < made.levels
                reads.setdefault(source, []).append(home.level)
        done.add(home)
    assert name in ("each number for itself", "single numbers") or reads
    for level, home, operand in made.replaced:
        assert max(reads[home]) < level < made.levels
        assert operand.home is None or operand.home.level <= level
