"""The same `fit` on eight devices: the result of one, a share of the work for each, and no more traffic than needed."""

import re
from contextlib import nullcontext
from functools import cache, partial
from typing import Any

import jax
import numpy as np
import optax
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec as P

import jaxmlp

from .helpers import assert_close, generator, problem, ULPS_OF_A_NETWORK


pytestmark = pytest.mark.long


DEVICES = jax.devices("cpu")[:8]
MESH = Mesh(DEVICES, ("batch",))
ROWS, WHOLE = NamedSharding(MESH, P("batch")), NamedSharding(MESH, P())

STEPS = 5
OPTIMIZER = optax.sgd(0.5, momentum=0.9)
FIT = partial(jaxmlp.fit, loss_and_grads=jaxmlp.loss_and_grads, optimizer=OPTIMIZER, steps=STEPS)
DRAWN = {"full batch": None, "minibatches": 128}

# Sums over the batch in another order, at every step.
ULPS_OF_A_TRAINING = STEPS * ULPS_OF_A_NETWORK


# More than 64 examples: of fewer, `bce_with_logits` combines rows that would lie on different devices.
PARAMS, *BATCH = jax.device_put(problem(jax.random.key(0), (3, 8, 1), batch=256), DEVICES[0])
MEMBERS = 16
KEYS = jax.device_put(jax.random.split(jax.random.key(1), MEMBERS), DEVICES[0])
RANDOM = generator(jax.random.key(2))
LAYERS: Any = [(RANDOM.normal(size=(MEMBERS, *shape)), np.zeros((MEMBERS, shape[1]))) for shape in ((3, 4), (4, 1))]
STARTS = jax.device_put(tuple(jaxmlp.Dense(*layer) for layer in LAYERS), DEVICES[0])


def drawing(batch_size, **bound):
    """`fit` on the full batch, or on minibatches in an order that is the same at every call."""
    order = {} if batch_size is None else {"batch_size": batch_size, "key": KEYS[0]}
    return partial(FIT, **order, **bound)


def ensemble(batch_size):
    """`fit` of many members at once, each with a start and an order of its own."""

    def train(starts, keys, batch):
        order = lambda key: {} if batch_size is None else {"batch_size": batch_size, "key": key}
        return jax.vmap(lambda params, key: FIT(params, batch, **order(key)))(starts, keys)

    return train


def run(train, *args):
    """The program that JAX makes of `train`, and its result."""
    program = jax.jit(train).lower(*args).compile()
    return program, program(*args)


@cache
def alone(batch_size):
    """Program and result on one device."""
    return run(drawing(batch_size), PARAMS, BATCH)


@cache
def members_alone(batch_size):
    return run(ensemble(batch_size), STARTS, KEYS, BATCH)


def traffic(program):
    """What the devices exchange: the kind and the shape of each result of a collective."""
    kinds = "all-reduce|all-gather|all-to-all|reduce-scatter|collective-permute|collective-broadcast|ragged-all-to-all"
    found = re.findall(rf"= (.*) ({kinds})(?:-start)?\(", program.as_text())
    return {(kind, shape) for shapes, kind in found for shape in re.findall(r"\[([\d,]*)\]", shapes)}


def is_shared(program, of_one):
    """Whether a device takes some eighth of the exponentials and logarithms that one alone does, or about as many.

    Each example needs as many, wherever it lies; a fusion may take one twice, hence the wide margin.
    """
    share = program.cost_analysis()["transcendentals"] / of_one.cost_analysis()["transcendentals"]
    return share < 1 / 4


def placed_by(sharding):
    """`loss_and_grads` with the rows of each minibatch laid out anew, as the README has it."""

    def loss_and_grads(params, *batch):
        return jaxmlp.loss_and_grads(params, *jax.lax.with_sharding_constraint(batch, sharding))

    return loss_and_grads


def assert_trained_alike(actual, expected):
    """State and losses are the same to rounding: of numbers of order 1, whose sum a bias near 0 may be."""
    (state, losses), (expected_state, expected_losses) = actual, expected
    found, truth = (state.params, losses), (expected_state.params, expected_losses)
    assert_close(found, truth, ulps=ULPS_OF_A_TRAINING, scale=jax.tree.map(lambda leaf: 1.0, truth))


def test_the_gradient_of_a_sharded_batch_is_that_of_one_device():
    program, actual = run(jaxmlp.loss_and_grads, jax.device_put(PARAMS, WHOLE), *jax.device_put(BATCH, ROWS))
    of_one, expected = run(jaxmlp.loss_and_grads, PARAMS, *BATCH)
    assert_close(actual, expected, ulps=ULPS_OF_A_NETWORK)
    assert {kind for kind, _ in traffic(program)} == {"all-reduce"} and not traffic(of_one)
    assert is_shared(program, of_one)


# The gradient is summed over the devices at every step. Beside it rows move only where no device has them all; and
# only where a minibatch is laid out over the devices does each of them compute its share alone.
@pytest.mark.parametrize(
    ("batch_size", "place", "gradient", "shared", "rows_move"),
    (
        (None, ROWS, jaxmlp.loss_and_grads, True, False),
        (128, WHOLE, placed_by(ROWS), True, False),
        (128, ROWS, placed_by(ROWS), True, True),
        (128, ROWS, jaxmlp.loss_and_grads, False, True),
    ),
    ids=("full batch", "minibatches laid out", "minibatches of spread rows laid out", "minibatches of spread rows"),
)
def test_training_on_a_mesh_is_training_on_one_device(batch_size, place, gradient, shared, rows_move):
    train = drawing(batch_size, loss_and_grads=gradient)
    program, actual = run(train, jax.device_put(PARAMS, WHOLE), jax.device_put(BATCH, place))
    of_one, expected = alone(batch_size)
    assert_trained_alike(actual, expected)
    assert {leaf.sharding.spec for leaf in jax.tree.leaves(actual[0].params)} == {P()}
    assert is_shared(program, of_one) == shared
    moved, of_the_gradient = traffic(program), {"3,8", "8,1"}
    assert bool({shape for _, shape in moved if "," in shape} - of_the_gradient) == rows_move
    assert rows_move or {kind for kind, _ in moved} == {"all-reduce"}


# A wide layer over the second axis of the mesh: each device holds some of its units.
@pytest.mark.parametrize("batch_size", DRAWN.values(), ids=DRAWN)
def test_a_layer_spread_over_a_second_axis_stays_spread(batch_size):
    mesh = Mesh(np.asarray(DEVICES).reshape(4, 2), ("batch", "model"))
    layout = jax.tree.unflatten(jax.tree.structure(PARAMS), (P(None, "model"), P("model"), P("model", None), P()))
    place = lambda specs: jax.tree.map(lambda spec: NamedSharding(mesh, spec), specs)
    params = jax.device_put(PARAMS, place(layout))
    _, actual = run(drawing(batch_size), params, jax.device_put(BATCH, place(P("batch"))))
    assert_trained_alike(actual, alone(batch_size)[1])
    for leaf, start in zip(jax.tree.leaves(actual[0].params), jax.tree.leaves(params), strict=True):
        assert leaf.sharding.is_equivalent_to(start.sharding, leaf.ndim)


# Of `jax.make_mesh`: there an array's layout is part of its type, and each product must have one.
@pytest.mark.parametrize("in_context", (False, True), ids=("", "set_mesh"))
@pytest.mark.parametrize("batch_size", DRAWN.values(), ids=DRAWN)
def test_a_mesh_with_explicit_axes_gives_the_same(batch_size, in_context):
    mesh = jax.make_mesh((4, 2), ("batch", "model"), devices=DEVICES)
    leaves = P(None, "model"), P("model"), P("model", None), P(None)
    layout = jax.tree.unflatten(jax.tree.structure(PARAMS), leaves)
    place = lambda specs: jax.tree.map(lambda spec: NamedSharding(mesh, spec), specs)
    params, batch = jax.device_put(PARAMS, place(layout)), jax.device_put(BATCH, place(P("batch", None)))
    train = jax.jit(drawing(batch_size))
    with jax.set_mesh(mesh) if in_context else nullcontext():
        actual = train(params, batch)
    assert_trained_alike(actual, alone(batch_size)[1])
    assert jax.tree.map(lambda leaf: leaf.sharding.spec, actual[0].params) == layout


def test_a_mean_over_the_devices_in_the_gradient_is_data_parallel_too():
    averaged = lambda *args: jax.lax.pmean(jaxmlp.loss_and_grads(*args), "batch")
    train = drawing(None, loss_and_grads=averaged)
    train = jax.shard_map(train, mesh=MESH, in_specs=(P(), P("batch")), out_specs=P())
    _, actual = run(train, jax.device_put(PARAMS, WHOLE), jax.device_put(BATCH, ROWS))
    assert_trained_alike(actual, alone(None)[1])


def by_placement(train):
    return train


def by_shard_map(train):
    return jax.shard_map(train, mesh=MESH, in_specs=(P("batch"), P("batch"), P()), out_specs=P("batch"))


@pytest.mark.parametrize("batch_size", DRAWN.values(), ids=DRAWN)
@pytest.mark.parametrize("spread", (by_placement, by_shard_map), ids=("placed", "shard_map"))
def test_each_device_trains_its_own_members_alone(spread, batch_size):
    args = *jax.device_put((STARTS, KEYS), ROWS), jax.device_put(BATCH, WHOLE)
    program, actual = run(spread(ensemble(batch_size)), *args)
    of_one, expected = members_alone(batch_size)
    assert_trained_alike(actual, expected)
    assert not traffic(program)
    assert is_shared(program, of_one)
    assert actual[1].addressable_shards[0].data.shape == (MEMBERS // 8, STEPS)


# JAX says these itself, in a sentence that names the argument.
def test_rows_that_the_devices_do_not_divide_are_refused_where_they_are_placed():
    with pytest.raises(ValueError, match="axis 0 is partitioned 8 times, but the dimension size is 60"):
        jax.device_put(BATCH[0][:60], ROWS)


def test_parameters_on_other_devices_than_the_batch_are_named():
    with pytest.raises(ValueError, match=r"incompatible devices.* params\[0\]\.w .*\[0\].* batch\[0\] .*\[0, 1, 2"):
        jax.jit(FIT)(PARAMS, jax.device_put(BATCH, ROWS))
