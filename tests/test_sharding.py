"""The same `fit` on eight devices: the result of one, a share of the work for each, and no more traffic than needed."""

import re
from functools import partial

import jax
import numpy as np
import optax
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec as P

import jaxmlp
from jaxmlp import Dense

from .helpers import assert_close, problem, ULPS_OF_A_NETWORK


DEVICES = jax.devices("cpu")[:8]
MESH = Mesh(DEVICES, ("batch",))
ROWS, WHOLE = NamedSharding(MESH, P("batch")), NamedSharding(MESH, P())
MEMBERS = Mesh(DEVICES, ("member",))

STEPS = 5
OPTIMIZER = optax.sgd(0.5, momentum=0.9)
FIT = partial(jaxmlp.fit, loss_and_grads=jaxmlp.loss_and_grads, optimizer=OPTIMIZER, steps=STEPS)
DRAWN = {"full batch": None, "minibatches": 16}

# Sums over the batch in another order, at every step.
ULPS_OF_A_TRAINING = STEPS * ULPS_OF_A_NETWORK


def on_one_device(getkey, sizes=(3, 8, 1)):
    params, x, y = jax.device_put(problem(getkey(), sizes, batch=64), DEVICES[0])
    return params, (x, y)


def drawing(batch_size, **bound):
    """`fit` on the full batch or on minibatches; the order of the latter is the same at every call."""
    order = {} if batch_size is None else {"batch_size": batch_size, "key": jax.random.key(1)}
    return partial(FIT, **order, **bound)


def run(train, *args):
    """The program that JAX makes of `train`, and its result."""
    program = jax.jit(train).lower(*args).compile()
    return program, program(*args)


def traffic(program):
    """What the devices exchange: the kind and the shape of each result of a collective."""
    kinds = "all-reduce|all-gather|all-to-all|reduce-scatter|collective-permute|collective-broadcast|ragged-all-to-all"
    found = re.findall(rf"= (.*) ({kinds})(?:-start)?\(", program.as_text())
    return {(kind, shape) for shapes, kind in found for shape in re.findall(r"\[([\d,]*)\]", shapes)}


def work(program):
    """The exponentials and logarithms that one device takes: each example needs as many, wherever it lies."""
    return program.cost_analysis()["transcendentals"]


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


def specs(tree):
    return jax.tree.map(lambda leaf: leaf.sharding.spec, tree)


def matrices(moved):
    return {shape for _, shape in moved if "," in shape}


def test_the_gradient_of_a_sharded_batch_is_that_of_one_device(getkey):
    params, batch = on_one_device(getkey)
    program, actual = run(jaxmlp.loss_and_grads, jax.device_put(params, WHOLE), *jax.device_put(batch, ROWS))
    alone, expected = run(jaxmlp.loss_and_grads, params, *batch)
    assert_close(actual, expected, ulps=ULPS_OF_A_NETWORK)
    assert {kind for kind, _ in traffic(program)} == {"all-reduce"} and not traffic(alone)
    assert work(program) == work(alone) / 8


# The gradient is summed over the devices at every step. Beside it rows move only where no device has them all; and
# only where a minibatch is laid out over the devices does each of them compute its share alone.
@pytest.mark.parametrize(
    ("batch_size", "place", "gradient", "share", "rows_move"),
    (
        (None, ROWS, jaxmlp.loss_and_grads, 1 / 8, False),
        (16, WHOLE, placed_by(ROWS), 1 / 8, False),
        (16, ROWS, placed_by(ROWS), 1 / 8, True),
        (16, ROWS, jaxmlp.loss_and_grads, 1, True),
    ),
    ids=("full batch", "minibatches laid out", "minibatches of spread rows laid out", "minibatches of spread rows"),
)
def test_training_on_a_mesh_is_training_on_one_device(getkey, batch_size, place, gradient, share, rows_move):
    params, batch = on_one_device(getkey)
    train = drawing(batch_size, loss_and_grads=gradient)
    program, actual = run(train, jax.device_put(params, WHOLE), jax.device_put(batch, place))
    alone, expected = run(drawing(batch_size), params, batch)
    assert_trained_alike(actual, expected)
    assert set(jax.tree.leaves(specs(actual[0].params))) == {P()}
    assert work(program) == work(alone) * share
    of_the_gradient = {"3,8", "8,1"}
    assert bool(matrices(traffic(program)) - of_the_gradient) == rows_move
    assert rows_move or {kind for kind, _ in traffic(program)} == {"all-reduce"}


# A wide layer over the second axis of the mesh: each device holds some of its units.
@pytest.mark.parametrize("batch_size", DRAWN.values(), ids=DRAWN)
def test_a_layer_spread_over_a_second_axis_stays_spread(getkey, batch_size):
    params, batch = on_one_device(getkey, (3, 16, 1))
    mesh = Mesh(np.asarray(DEVICES).reshape(4, 2), ("batch", "model"))
    units, columns = P("model"), P(None, "model")
    layout = (Dense(columns, units), Dense(P("model", None), P()))
    place = lambda spec: NamedSharding(mesh, spec)
    args = jax.device_put(params, jax.tree.map(place, layout)), jax.device_put(batch, place(P("batch")))
    _, actual = run(drawing(batch_size), *args)
    _, expected = run(drawing(batch_size), params, batch)
    assert_trained_alike(actual, expected)
    for leaf, start in zip(jax.tree.leaves(actual[0].params), jax.tree.leaves(args[0]), strict=True):
        assert leaf.sharding.is_equivalent_to(start.sharding, leaf.ndim)


def test_training_goes_on_from_a_state_on_the_mesh(getkey):
    params, batch = on_one_device(getkey)
    params, batch = jax.device_put(params, WHOLE), jax.device_put(batch, ROWS)
    train = jax.jit(drawing(16))
    again = jax.jit(partial(FIT, batch_size=16))
    state, _ = train(params, batch)
    state, losses = again(state, batch)
    whole, all_losses = jax.jit(partial(drawing(16), steps=2 * STEPS))(params, batch)
    assert (state.step, whole.step) == (2 * STEPS, 2 * STEPS)
    assert_trained_alike((state, losses), (whole, all_losses[STEPS:]))


def by_placement(ensemble):
    return ensemble


def by_shard_map(ensemble):
    specs = (P("member"), P("member"), P())
    return jax.shard_map(ensemble, mesh=MEMBERS, in_specs=specs, out_specs=P("member"))


@pytest.mark.parametrize("batch_size", DRAWN.values(), ids=DRAWN)
@pytest.mark.parametrize("spread", (by_placement, by_shard_map), ids=("placed", "shard_map"))
def test_each_device_trains_its_own_members_alone(getkey, spread, batch_size):
    starts, members, batch = getkey(), 16, on_one_device(getkey)[1]
    keys = jax.device_put(jax.random.split(starts, members), DEVICES[0])
    init = lambda key: jaxmlp.init_params(key, (3, 4, 1), dtype="float64")

    def ensemble(params, keys, batch):
        order = lambda key: {} if batch_size is None else {"batch_size": batch_size, "key": key}
        return jax.vmap(lambda params, key: FIT(params, batch, **order(key)))(params, keys)

    params = jax.jit(jax.vmap(init))(keys)
    place, whole = NamedSharding(MEMBERS, P("member")), NamedSharding(MEMBERS, P())
    args = *jax.device_put((params, keys), place), jax.device_put(batch, whole)
    program, (state, losses) = run(spread(ensemble), *args)
    alone, expected = run(ensemble, params, keys, batch)
    assert_trained_alike((state, losses), expected)
    assert not traffic(program)
    assert work(program) == work(alone) / 8
    assert losses.addressable_shards[0].data.shape == (members // 8, STEPS)


def test_a_pmean_in_the_gradient_trains_data_parallel_too(getkey):
    params, batch = on_one_device(getkey)
    averaged = lambda *args: jax.lax.pmean(jaxmlp.loss_and_grads(*args), "batch")
    train = jax.shard_map(drawing(None, loss_and_grads=averaged), mesh=MESH, in_specs=(P(), P("batch")), out_specs=P())
    _, actual = run(train, jax.device_put(params, WHOLE), jax.device_put(batch, ROWS))
    _, expected = run(drawing(None), params, batch)
    assert_trained_alike(actual, expected)


# JAX says it itself, in a sentence that names the argument; these show that it goes on doing so.
def test_rows_that_no_device_count_divides_are_refused_where_they_are_placed(getkey):
    _, (x, _) = on_one_device(getkey)
    with pytest.raises(ValueError, match="axis 0 is partitioned 8 times, but the dimension size is 60"):
        jax.device_put(x[:60], ROWS)


def test_parameters_on_other_devices_than_the_batch_are_named(getkey):
    params, batch = on_one_device(getkey)
    with pytest.raises(ValueError, match=r"incompatible devices.* params\[0\]\.w .*\[0\].* batch\[0\] .*\[0, 1, 2"):
        jax.jit(FIT)(params, jax.device_put(batch, ROWS))
