"""The training that the tests of `run` watch."""

from functools import partial
from typing import Any

import jax
import numpy as np
import optax

import jaxmlp
from jaxmlp._run._identity import plain


X, Y = jaxmlp.gate("xor", dtype="float64")
RANDOM = np.random.default_rng(0)  # nothing is compiled, as it is for `init_params`
LAYERS: Any = [(RANDOM.normal(size=shape), np.zeros(shape[1])) for shape in ((2, 3), (3, 1))]
PARAMS = tuple(jax.device_put(jaxmlp.Dense(*layer)) for layer in LAYERS)
BATCH = (X, Y)
OPTIMIZER = optax.sgd(0.5, momentum=0.9)
OPTIONS: dict[str, Any] = dict(loss_and_grads=jaxmlp.loss_and_grads, optimizer=OPTIMIZER)
train = partial(jaxmlp.run, PARAMS, BATCH, **OPTIONS)
MINIBATCHES: dict[str, Any] = dict(batch_size=2, key=jax.random.key(3))


predict = jax.jit(jaxmlp.predict)


def accuracy(params):
    return {"accuracy": np.mean((np.asarray(predict(params, X)) > 0.5) == (np.asarray(Y) > 0.5))}


def assert_same(actual, expected):
    """The states and histories of two results are the same, bit for bit."""
    for one, other in zip(leaves_of(actual), leaves_of(expected), strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


def leaves_of(result):
    history = result.history
    arrays = (result.state, history.losses, history.evaluated_at, history.evaluations)
    return [np.asarray(plain(leaf)) for leaf in jax.tree.leaves(arrays)]


def steps_in(folder):
    """The steps of the checkpoints in a folder."""
    return sorted(int(path.name) for path in folder.iterdir() if path.name.isdigit())
