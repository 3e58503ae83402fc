"""Training inside one kernel equals training by a scan; interpreted here, and built for a GPU without one."""

import re
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import lax

import jaxmlp
from jaxmlp import _numbers, fit

from .helpers import astype, network, with_standard_promotion


pytestmark = pytest.mark.long


# XLA takes minutes to optimize some thousand operations on single numbers; what they compute does not depend on it.
UNOPTIMIZED = {"xla_backend_optimization_level": 0} if jax.default_backend() == "cpu" else None


ADAM = with_standard_promotion(optax.adam(0.05))


@pytest.fixture(autouse=True)
def usual_types():
    """Without the 64-bit types that optax's Adam would then compute in."""
    with jax.enable_x64(False):
        yield


def training(optimizer, steps, **options: Any) -> Any:
    return partial(fit, loss_and_grads=jaxmlp.loss_and_grads, optimizer=optimizer, steps=steps, **options)


def xor(sizes):
    return network(sizes), jaxmlp.gate("xor")


def interpreted(train: Any, *args: Any) -> Any:
    return jax.jit(partial(train, kernel="interpret"), compiler_options=UNOPTIMIZED)(*args)


def assert_same(actual, expected, rtol=1e-5):
    # Sums in another order, and a rounding or two in a root or a power, through all the steps.
    for one, other in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        assert one.shape == other.shape and one.dtype == other.dtype
        np.testing.assert_allclose(one, other, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("optimizer", (optax.sgd(1.0), ADAM), ids=("sgd", "adam"))
def test_trains_as_the_scan_does(optimizer):
    train, args = training(optimizer, 300), xor((2, 2, 1))
    actual, expected = interpreted(train, *args), jax.jit(train)(*args)
    assert_same(actual, expected)
    assert actual[1].shape == (300,) and actual[1][-1] < actual[1][0]
    assert int(actual[0].step) == 300


def test_a_hidden_layer_of_which_xla_keeps_a_cotangent():
    train, args = training(optax.sgd(1.0, momentum=0.5), 40), xor((2, 5, 1))
    assert_same(interpreted(train, *args), jax.jit(train)(*args))


def test_goes_on_from_a_state_with_the_key_of_its_minibatches():
    train, (params, batch) = training(optax.sgd(1.0), 20), xor((2, 2, 1))
    state, _ = jax.jit(partial(train, batch_size=2, key=jax.random.key(3)))(params, batch)
    actual, expected = interpreted(train, state, batch), jax.jit(train)(state, batch)
    assert actual[0].key == state.key
    assert_same((actual[0]._replace(key=None), actual[1]), (expected[0]._replace(key=None), expected[1]))


def test_no_step_changes_nothing():
    params, batch = xor((2, 2, 1))
    state, losses = training(optax.sgd(1.0), 0, kernel="interpret")(params, batch)
    assert_same(state.params, params)
    assert losses.shape == (0,) and losses.dtype == "float32"


def test_is_mapped_over_starts_and_rates():
    params, batch = xor((2, 2, 1))
    rates = np.asarray([0.5, 1.0, 2.0], "float32")
    starts = jax.tree.map(lambda leaf: np.stack([leaf, 2 * leaf, -leaf]), jax.device_get(params))

    def many(starts, rates, **kernel: Any):
        return jax.vmap(lambda params, rate: training(optax.sgd(rate), 10, **kernel)(params, batch))(starts, rates)

    assert_same(interpreted(many, starts, rates), jax.jit(many)(starts, rates))


def starts_of(networks):
    """A leading axis more; of 250 networks, each has a thread of its own, in two blocks of which one is not full."""
    return network((2, 2, 1), networks), jaxmlp.gate("xor")


@pytest.mark.parametrize("mapped", (jax.vmap, jaxmlp.population))
def test_a_population_has_a_thread_for_each_network(mapped):
    starts, batch = starts_of(250)
    train = training(optax.sgd(1.0), 10)
    many = lambda starts, batch, **kernel: mapped(partial(train, **kernel), (0, None))(starts, batch)
    actual, expected = interpreted(many, starts, batch), jax.jit(jax.vmap(train, (0, None)))(starts, batch)
    assert_same(actual, expected)
    assert actual[1].shape == (250, 10)


@pytest.mark.parametrize("networks", (3, 130))
def test_a_map_in_a_map_is_one_population(networks):
    starts, batch = starts_of(networks)
    rates = np.asarray([0.5, 2.0], "float32")

    def grid(starts, rates, **kernel: Any):
        of_one = lambda params, rate: training(optax.sgd(rate), 10, **kernel)(params, batch)
        return jax.vmap(jax.vmap(of_one, (0, None)), (None, 0))(starts, rates)

    assert_same(interpreted(grid, starts, rates), jax.jit(grid)(starts, rates))


# For a GPU.


@pytest.fixture
def as_if_on_a_gpu(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")


def lowered(train: Any, *args: Any) -> str:
    """The program for a GPU; the kernel in it is built here, but only a GPU's compiler could take it further."""
    return jax.jit(partial(train, kernel="gpu")).trace(*args).lower(lowering_platforms=("cuda",)).as_text()


NETWORKS = {
    "W1, sgd": ((2, 2, 1), optax.sgd(1.0)),
    "W1, adam": ((2, 2, 1), ADAM),
    "W2, sgd": ((2, 10, 10, 10, 1), optax.sgd(1.0)),
    "W2, adam": ((2, 10, 10, 10, 1), ADAM),
    "several numbers a thread": ((2, 24, 24, 1), optax.sgd(1.0)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_is_one_kernel_of_a_gpu(as_if_on_a_gpu, name):
    sizes, optimizer = NETWORKS[name]
    text = lowered(training(optimizer, 10_001), *xor(sizes))
    assert text.count("stablehlo.custom_call @mosaic_gpu") == 1
    # Beside it are the optimizer's first state, and the shapes.
    beside = {"broadcast_in_dim", "constant", "reshape", "slice"}
    assert set(re.findall(r"stablehlo\.(\w+)", text)) <= {"custom_call", *beside}


def test_every_operation_is_there_on_a_gpu(as_if_on_a_gpu):
    numbers = {name: name for name in _numbers.ELEMENTWISE}
    one_operand = {"abs", "cos", "exp", "exp2", "log", "logistic", "neg", "rsqrt", "sign", "sin", "square", "tanh"}
    logical = {"and", "or"}
    special = {"add_any", "clamp", "convert_element_type", "not", "select_n"}

    def loss_and_grads(params, x) -> Any:
        (a,), b = params, x[0, 0]
        values = [getattr(lax, name)(a) for name in sorted(one_operand)]
        for name in sorted(numbers.keys() - one_operand - logical - special):
            value = getattr(lax, name)(a, b)
            values.append(value.astype(a.dtype))
        is_less, is_more = a < b, a > 1
        values += [lax.select(~is_less & is_more | is_less, a, b), lax.clamp(b, a, b + 1)]
        values += [lax.sqrt(a), lax.pow(a, b), lax.log1p(a), lax.expm1(a), lax.integer_pow(a, -3)]
        return sum(values), (values[-1],)

    args = (jnp.asarray(0.5, "float32"),), (jnp.ones((1, 1), "float32"),)
    assert "@mosaic_gpu" in lowered(
        partial(fit, loss_and_grads=loss_and_grads, optimizer=optax.sgd(1.0), steps=3), *args
    )


@pytest.mark.parametrize("mapped", (jax.vmap, jaxmlp.population))
def test_many_networks_are_one_kernel_too(as_if_on_a_gpu, mapped):
    train = lambda *args, **kernel: mapped(training(optax.sgd(1.0), 10, **kernel), (0, None))(*args)
    assert lowered(train, *starts_of(250)).count("stablehlo.custom_call @mosaic_gpu") == 1


# What it refuses.


def printing(params, *batch):
    jax.debug.print("a step")
    return jaxmlp.loss_and_grads(params, *batch)


def on_a_mesh():
    mesh = jax.make_mesh((1,), ("batch",), (jax.sharding.AxisType.Explicit,))
    params, batch = xor((2, 2, 1))
    place = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    return jax.device_put((params, batch), place)


def with_classes():
    return network((2, 3)), (np.ones((2, 2), "float32"), np.arange(2, dtype="int32"))


def in_half_precision():
    return astype(xor((2, 2, 1)), "bfloat16")


classify = partial(jaxmlp.loss_and_grads, output=jaxmlp.identity, loss=jaxmlp.softmax_cross_entropy)

REFUSED: dict[str, Any] = {
    "another word": (lambda: xor((2, 2, 1)), {"kernel": "cuda"}, ValueError, "`kernel` is 'cuda', but must be"),
    "no GPU": (lambda: xor((2, 2, 1)), {"kernel": "gpu"}, ValueError, "`kernel` is 'gpu', but JAX computes on a cpu"),
    "minibatches": (
        lambda: xor((2, 2, 1)),
        {"batch_size": 2, "key": jax.random.key(0)},
        ValueError,
        "`kernel` is 'interpret', but `batch_size` is 2",
    ),
    "a mesh": (on_a_mesh, {}, ValueError, "the arguments lie on a mesh with explicit axes"),
    "too large": (lambda: xor((2, 512, 512, 1)), {}, ValueError, r"a thread reads at least \d+,\d{3} numbers"),
    "too large in its plan": (lambda: xor((2, 128, 128, 1)), {}, ValueError, r"at least 4,\d{3} numbers, .* 4,096"),
    "too many inputs": (
        lambda: (network((1400, 1)), (np.ones((40, 1400), "float32"), np.ones((40, 1), "float32"))),
        {},
        ValueError,
        r"the threads exchange 23\d,\d{3} bytes of numbers, but the kernel has memory for 204,800",
    ),
    "half precision": (in_half_precision, {}, NotImplementedError, "computes in bfloat16"),
    "a gather": (with_classes, {"loss_and_grads": classify}, NotImplementedError, "uses .*gather"),
    "printing": (lambda: xor((2, 2, 1)), {"loss_and_grads": printing}, NotImplementedError, "uses debug_"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_kernel_cannot_do_is_refused_with_a_reason(case, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "cpu")
    args, options, error, message = REFUSED[case]
    options = {
        "loss_and_grads": jaxmlp.loss_and_grads,
        "optimizer": optax.sgd(1.0),
        "steps": 5,
        "kernel": "interpret",
    } | options
    with pytest.raises(error, match=message):
        jax.eval_shape(partial(fit, **options), *args())
