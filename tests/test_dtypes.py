"""Every dtype in every place: the result is right, in the dtype of the parameters, or a sentence names the argument.

Promotion is "standard" here, as it is for whoever changes nothing: under it JAX would compute with any mixture.
"""

import itertools
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import optax
import pytest

import jaxmlp
from jaxmlp import Dense

from .helpers import ACTIVATIONS, assert_close, DTYPES, EPS, LOSSES, ULPS_OF_A_NETWORK


pytestmark = pytest.mark.usefixtures("unfiltered")

SMALL_FLOATS = (
    *("float8_e3m4", "float8_e4m3", "float8_e4m3b11fnuz", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2"),
    *("float8_e5m2fnuz", "float8_e8m0fnu", "float4_e2m1fn"),
)
INTEGERS = (
    *("int2", "int4", "int8", "int16", "int32", "int64"),
    *("uint2", "uint4", "uint8", "uint16", "uint32", "uint64"),
)
EVERY = (*DTYPES, *SMALL_FLOATS, *INTEGERS, "bool", "complex64", "complex128")
PAIRS = tuple(itertools.product(EVERY, EVERY))
# All arrays but those of the biases are alike, and each operation is compiled once for all of them.
SIZES, BATCH = (2, 2, 2), 2


@pytest.fixture(autouse=True, params=(True, False), ids=("x64", "no x64"))
def precision(request):
    with jax.enable_x64(request.param), jax.numpy_dtype_promotion("standard"):
        yield


def as_jax_has_it(dtype):
    return jax.dtypes.canonicalize_dtype(dtype).name


@cache
def array(dtype, *shape) -> Any:
    """Halves and ones, which every dtype but those of whole numbers holds; there they are zeros and ones."""
    numbers = np.resize([0.5, 1, 1], shape).astype(getattr(ml_dtypes, dtype, dtype))
    numbers.flags.writeable = False  # it is shared
    return numbers


@cache
def network(dtype, last=None):
    return tuple(Dense(array(each, 2, 2), array(each, 2)) for each in (dtype, last or dtype))


def refused(call, *names):
    """`call` raises a TypeError that begins with one of the arguments and speaks of its dtype."""
    with pytest.raises(TypeError) as caught:
        call()
    text = str(caught.value)
    assert text.startswith(tuple(f"`{name}" for name in names)) and "dtype" in text, text
    return True


def in_float64(call, *args):
    """The truth: the same call with all floating arguments in float64, given as functions of the dtype."""
    with jax.enable_x64(True):
        return jax.device_get(call(*(arg("float64") if callable(arg) else arg for arg in args)))


def is_right(result, dtype, truth):
    """The result is in the dtype, and right to its rounding.

    The gradient of a bias is a sum of terms as large as the other leaves, of which next to nothing may be left. On a
    GPU those of the weights are added in another order too.
    """
    assert {leaf.dtype.name for leaf in jax.tree.leaves(result)} == {dtype}
    largest = max(np.abs(leaf).max() for leaf in jax.tree.leaves(truth))
    sums = (".b",) if jax.default_backend() == "cpu" else (".b", ".w")
    scale = jax.tree.map_with_path(lambda path, _: largest if jax.tree_util.keystr(path).endswith(sums) else 0.0, truth)
    assert_close(result, truth, ulps=ULPS_OF_A_NETWORK, scale=scale)
    return True


def examples(dtype):
    return array(dtype, BATCH, 2)


FORWARD = {
    "predict": jaxmlp.predict,
    "forward": lambda params, x: jaxmlp.forward(params, x)[0],
    "traced": lambda params, x: jax.jit(jaxmlp.predict)(params, x),
}


@pytest.mark.parametrize("name", FORWARD)
def test_parameters_and_inputs(name):
    call, right = FORWARD[name], 0
    truth = in_float64(call, network, examples)
    for of_params, of_x in PAIRS:
        run = partial(call, network(of_params), examples(of_x))
        dtype = as_jax_has_it(of_params)
        if dtype in DTYPES and as_jax_has_it(of_x) == dtype:
            right += is_right(run(), dtype, truth)
        else:
            refused(run, "params", "x")
    assert right == (4 if jax.config.read("jax_enable_x64") else 6)  # float64 is float32 without: 2 by 2


def test_the_leaves_of_a_network():
    x = {dtype: array(dtype, BATCH, 2) for dtype in DTYPES}
    for one, other in PAIRS:
        if as_jax_has_it(one) != as_jax_has_it(other):
            of_x = x.get(one, x["float32"])
            refused(partial(jaxmlp.predict, network(one, other), of_x), "params")
            mixed = (Dense(array(one, 2, 2), array(other, 2)),)
            refused(partial(jaxmlp.loss_and_grads, mixed, of_x, of_x), "params")


@pytest.mark.parametrize("name", ("loss_value", "loss_and_grads"))
@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_targets(loss, name):
    call, labels = partial(getattr(jaxmlp, name), loss=loss), np.asarray([1, 1])
    takes_labels = loss is jaxmlp.softmax_cross_entropy
    truth = in_float64(call, network, examples, examples)
    of_labels = in_float64(call, network, examples, labels) if takes_labels else None
    for of_params, of_y in itertools.product(DTYPES, EVERY):
        dtype, run = as_jax_has_it(of_params), partial(call, network(of_params), examples(of_params))
        if as_jax_has_it(of_y) == dtype:
            is_right(run(examples(of_y)), dtype, truth)
        elif of_y in INTEGERS and takes_labels:
            is_right(run(labels.astype(examples(of_y).dtype)), dtype, of_labels)
        else:
            refused(partial(run, examples(of_y)), "y")


@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_a_loss_alone(loss):
    truth = in_float64(loss, examples, examples)
    for of_out, of_y in PAIRS:
        run = partial(loss, examples(of_out), examples(of_y))
        if as_jax_has_it(of_out) == as_jax_has_it(of_y) and of_out in DTYPES:
            is_right(run(), as_jax_has_it(of_out), truth)
        elif of_out in DTYPES and of_y in INTEGERS and loss is jaxmlp.softmax_cross_entropy:
            with pytest.raises(ValueError, match="one label an example"):
                run()
        else:
            refused(run, "out", "y", "logits")


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
def test_an_activation_alone(activation):
    truth = in_float64(activation, examples)
    for dtype in EVERY:
        if dtype in DTYPES:
            is_right(activation(examples(dtype)), as_jax_has_it(dtype), truth)
        else:
            refused(partial(activation, examples(dtype)), "z")


def pulled_back(params, x, dout):
    return jaxmlp.backward(jaxmlp.forward(params, x)[1], dout)


def test_the_cotangent_of_the_output():
    truth = in_float64(pulled_back, network, examples, examples)
    for of_params, of_dout in itertools.product(DTYPES, EVERY):
        run = partial(pulled_back, network(of_params), examples(of_params), examples(of_dout))
        if as_jax_has_it(of_dout) == as_jax_has_it(of_params):
            is_right(run(), as_jax_has_it(of_params), truth)
        else:
            refused(run, "dout")


def trained(params, *batch, loss_and_grads=jaxmlp.loss_and_grads):
    state, losses = jaxmlp.fit(params, batch, loss_and_grads=loss_and_grads, optimizer=optax.sgd(0.5), steps=2)
    return state.params, losses


def test_fit():
    """Traced: a call that is refused then compiles nothing, and the others a program each."""
    train = jax.jit(trained)
    truth = in_float64(train, network, examples, examples)
    for of_params, of_batch in PAIRS:
        run = partial(train, network(of_params), examples(of_batch), examples(of_batch))
        dtype = as_jax_has_it(of_params)
        if dtype in DTYPES and as_jax_has_it(of_batch) == dtype:
            is_right(run(), dtype, truth)
        else:
            refused(run, "params", "x")


def test_fit_trains_floating_parameters_only():
    """Updates of whole numbers would be cut off, and a step against `jax.grad` of complex ones climbs."""
    loss_and_grads = lambda params, x: (jnp.zeros(()), params)
    for dtype in set(EVERY) - set(DTYPES):
        refused(partial(trained, {"w": array(dtype, 2)}, np.ones((2, 1)), loss_and_grads=loss_and_grads), "params['w']")


def test_data_and_initial_parameters_are_floating():
    key = jax.random.key(0)
    makers = (
        partial(jaxmlp.gate, "xor"),
        jaxmlp.boolean_functions,
        partial(jaxmlp.parity, 2),
        partial(jaxmlp.spirals, key, 4),
        jaxmlp.digits,
        partial(jaxmlp.init_params, key, SIZES),
    )
    for make, dtype in itertools.product(makers, set(EVERY) - set(DTYPES)):
        refused(partial(make, dtype=dtype), "dtype")


@pytest.mark.parametrize("power", (0, 8, 14, 15))
def test_a_scaled_loss_in_float16_is_right_or_seen_to_overflow(power):
    """What a loss scale carries beyond 65,504, at the end or on the way, is not finite: nothing is clipped."""

    def scaled(dtype):
        out, residuals = jaxmlp.forward(network(dtype), examples(dtype), output=jaxmlp.identity)
        return jaxmlp.backward(residuals, jnp.full(out.shape, 2.0**power, dtype), output=jaxmlp.identity)

    overflows = False
    for leaf, truth in zip(
        *map(jax.tree.leaves, (scaled("float16"), in_float64(scaled, lambda dtype: dtype))), strict=True
    ):
        found = np.asarray(leaf, np.float64)
        is_finite = np.isfinite(found)
        np.testing.assert_allclose(found[is_finite], truth[is_finite], rtol=ULPS_OF_A_NETWORK * EPS["float16"])
        assert not is_finite[abs(truth) > 65_520].any()  # what rounds to infinity
        overflows |= not is_finite.all()
    assert overflows == (power == 15)
