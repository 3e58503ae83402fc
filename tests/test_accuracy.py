"""Digits: of every function over the whole range of a dtype, and of the gradient at a trained point.

There the textbook form has no digit left, and the gradient is as right as its inputs are.
"""

import importlib
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxmlp

from .helpers import astype, with_standard_promotion


pytestmark = pytest.mark.long


# Off by at most this many times what half an ulp in each parameter does to the truth: the gradient's own rounding is a
# few operations deep, that of the parameters one. Measured: 1.5 at most.
ALLOWED_OVER_THE_PARAMETERS = 4


def train(key, x, y, *, sizes, **options):
    """Parameters with a loss below 1e-6, in float64."""
    params = jaxmlp.init_params(key, sizes, init="he", dtype="float64")
    fit = partial(
        jaxmlp.fit,
        loss_and_grads=partial(jaxmlp.loss_and_grads, **options),
        optimizer=with_standard_promotion(optax.adam(0.02)),
        steps=12_000,
    )
    state, losses = jax.jit(fit)(params, (x, y))
    assert losses[-1] <= 1e-6
    return state.params


def leaf_errors(grads, truth):
    """The norm of the error of each leaf, relative to the leaf's."""
    norm = lambda leaf: np.linalg.norm(np.asarray(leaf, np.float64))
    pairs = zip(jax.tree.leaves(grads), jax.tree.leaves(truth), strict=True)
    return np.asarray([norm(np.asarray(one, np.float64) - np.asarray(other)) / norm(other) for one, other in pairs])


def owed_to_the_parameters(params, gradient):
    """What moving each float32 parameter by half an ulp, in random directions, does to the float64 gradient."""
    random = np.random.default_rng(0)
    truth = gradient(astype(params, "float64"))

    def move(leaf):
        half_ulp = np.spacing(np.abs(np.asarray(leaf))).astype(np.float64) / 2
        return np.asarray(leaf, np.float64) + random.choice([-1, 1], leaf.shape) * half_ulp

    return np.max([leaf_errors(gradient(jax.tree.map(move, params)), truth) for _ in range(16)], axis=0)


def compare(params, x, y, textbook, **options):
    """For each leaf: the error by hand, the error of autodiff of the textbook loss, and what the parameters owe."""
    by_hand = jax.jit(lambda params, x: jaxmlp.loss_and_grads(params, x, y.astype(x.dtype), **options)[1])
    truth_at = lambda params: by_hand(params, x)
    # Autodiff of the same function in float64 agrees that the truth is the truth.
    by_autodiff = jax.jit(jax.grad(partial(jaxmlp.loss_value, **options)))(astype(params, "float64"), x, y)
    truth = truth_at(astype(params, "float64"))
    # Autodiff's p - t cancels here too: p is right by 1e-8, so eight of float64's sixteen digits stay.
    assert leaf_errors(truth, by_autodiff).max() < 1e-7
    x32, y32 = astype((x, y), "float32")
    return (
        leaf_errors(by_hand(params, x32), truth),
        leaf_errors(jax.jit(jax.grad(textbook))(params, x32, y32), truth),
        owed_to_the_parameters(params, truth_at),
    )


def test_sigmoid_and_bce_at_a_trained_point():
    x, y = jaxmlp.gate("xor", dtype="float64")
    params = astype(train(jax.random.key(0), x, y, sizes=(2, 10, 10, 10, 1)), "float32")

    def textbook(params, x, y):
        p = jaxmlp.predict(params, x)
        return -jnp.mean(y * jnp.log(p) + (1 - y) * jnp.log(1 - p))

    by_hand, of_textbook, owed = compare(params, x, y, textbook)
    assert (of_textbook > 1e-2).all()
    assert (by_hand <= ALLOWED_OVER_THE_PARAMETERS * owed).all()
    assert by_hand.max() < 1e-4  # what the parameters owe is itself below this: the point is well conditioned


def test_softmax_cross_entropy_at_a_trained_point():
    x, y = jaxmlp.gate("xor", dtype="float64")
    one_hot = jnp.concatenate([1 - y, y], axis=1)
    options: dict[str, Any] = dict(output=jaxmlp.identity, loss=jaxmlp.softmax_cross_entropy)
    params = astype(train(jax.random.key(0), x, one_hot, sizes=(2, 10, 10, 10, 2), **options), "float32")

    def textbook(params, x, y):
        p = jax.nn.softmax(jaxmlp.predict(params, x, output=jaxmlp.identity), axis=1)
        return -jnp.mean(jnp.sum(y * jnp.log(p), axis=1))

    by_hand, of_textbook, owed = compare(params, x, one_hot, textbook, **options)
    assert (of_textbook > 1e-2).all()
    assert (by_hand <= ALLOWED_OVER_THE_PARAMETERS * owed).all()
    assert by_hand.max() < 1e-4  # what the parameters owe is itself below this: the point is well conditioned


# Ulps over the whole range


@pytest.fixture
def ulps(monkeypatch):
    """The benchmark, of which the tests take a small sample: its bounds, with their reasons, are asserted here."""
    folder = Path(__file__).parents[1] / "benchmarks"
    if not folder.is_dir():
        pytest.skip("installed without the benchmarks")
    monkeypatch.syspath_prepend(str(folder))
    return importlib.import_module("ulps")


@pytest.mark.parametrize("dtype", ("float32", "float16", "bfloat16"))
def test_every_function_is_right_over_the_whole_range_of_its_dtype(ulps, dtype):
    found = [worst for function in ulps.functions() for worst in ulps.extremes(function, dtype, count=60)]
    assert len(found) == 2 * 11 + 3 * 5
    assert [worst for worst in found if not worst.is_within] == []


def _textbook_tanh(z, da):
    a = jnp.tanh(z)
    return a, da * (1 - a * a)


def _textbook_silu(z, da):
    s = jax.nn.sigmoid(z)
    return z * s, da * (s + z * s * (1 - s))


def _textbook_bce(z, y):
    p = jax.nn.sigmoid(z)
    return -(y * jnp.log(p) + (1 - y) * jnp.log(1 - p)), p - y, -z


def _textbook_squares(out, y):
    return (out - y).astype(jnp.float16) ** 2 / 2, out - y, y - out  # 300² is no float16


@pytest.mark.parametrize(
    ("name", "dtype", "compute", "results"),
    (
        ("tanh", "float32", _textbook_tanh, {"dz"}),
        ("silu", "float32", _textbook_silu, {"a", "dz"}),
        ("bce_with_logits", "float32", _textbook_bce, {"loss", "dout"}),
        ("half_squared_error", "float16", _textbook_squares, {"loss"}),
        ("tanh", "bfloat16", _textbook_tanh, {"dz"}),
    ),
)
def test_lost_digits_are_seen(ulps, name, dtype, compute, results):
    (right,) = (function for function in ulps.functions() if function.name == name)
    found = ulps.extremes(right._replace(compute=compute), dtype, count=60)
    assert {worst.result for worst in found if not worst.is_within} == results
