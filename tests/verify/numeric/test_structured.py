"""All parameters of a dense network at once: against autodiff, against one number at a time, and at kinks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp.verify._numeric._gradient import numeric_gradient
from jaxmlp.verify._numeric._opinion import opinion
from jaxmlp.verify._numeric._structured import dense_differences

from ...helpers import normal


pytestmark = pytest.mark.long


SIZES = (3, 6, 5, 2)


@pytest.fixture
def network(getkey):
    draw = lambda *shape: normal(getkey(), shape)
    layers = tuple((draw(m, n), draw(n)) for m, n in zip(SIZES, SIZES[1:], strict=False))
    return layers, draw(4, SIZES[0])


def identity(z):
    return z


def normalized(z):
    """Zero mean over the batch, as in batch norm: the samples mix."""
    return z - z.mean(axis=0)[None, :]


def squares(out):
    """One loss a sample."""
    return ((out - 1.0) ** 2).sum(axis=1)


def whole(activations):
    def loss(layers, x):
        for (w, b), activation in zip(layers, activations, strict=True):
            x = activation(x @ w + b[None, :])
        return squares(x).sum()

    return loss


def slopes(activations, layers, x):
    """By autodiff, as one program."""
    return jax.jit(jax.grad(whole(activations)))(layers, x)


def total(out):
    """The whole loss: each sample of a unit is moved by itself."""
    return squares(out).sum()


@pytest.mark.parametrize(
    ("activations", "loss"),
    (
        ((jnp.tanh, jnp.tanh, identity), squares),
        ((jax.nn.relu, jax.nn.relu, jax.nn.sigmoid), total),
        ((jax.nn.softmax, jnp.sin, jax.nn.softmax), squares),
    ),
)
def test_every_parameter_is_within_its_bar(network, activations, loss):
    layers, x = network
    value, expected = jax.jit(jax.value_and_grad(whole(activations)))(layers, x)
    seen = dense_differences(layers, activations, loss, x)
    assert seen.value == pytest.approx(float(value)) and not seen.unmeasured
    for path, leaf in zip(seen.leaves, jax.tree.leaves(expected), strict=True):
        measured = seen.leaves[path]
        assert measured.shape == leaf.shape
        assert np.all(abs(measured.slopes.values - np.asarray(leaf).ravel()) <= measured.slopes.bars)
    assert opinion(seen, expected).verdict == "right"


def test_it_is_what_one_number_at_a_time_gives(network):
    layers, x = network
    activations = (jnp.tanh, jax.nn.softplus, identity)
    structured = dense_differences(layers, activations, squares, x)
    single = numeric_gradient(whole(activations), layers, x)
    assert list(structured.leaves) == list(single.leaves) == ["0.0", "0.1", "1.0", "1.1", "2.0", "2.1"]
    for path, leaf in single.leaves.items():
        other = structured.leaves[path].slopes
        assert np.all(abs(leaf.slopes.values - other.values) <= leaf.slopes.bars + other.bars)


def test_samples_that_mix_are_moved_one_by_one(network):
    layers, x = network
    activations = (normalized, jnp.tanh, identity)
    expected = slopes(activations, layers, x)
    seen = dense_differences(layers, activations, total, x)
    assert {path: leaf.verdict for path, leaf in opinion(seen, expected).leaves.items()} == {
        "0.0": "right",
        "0.1": "undecided",  # exactly 0: a constant added to a batch is subtracted with its mean
        "1.0": "right",
        "1.1": "right",
        "2.0": "right",
        "2.1": "right",
    }
    with pytest.raises(ValueError, match="activation 0 mixes samples"):
        dense_differences(layers, activations, squares, x)
    with pytest.raises(ValueError, match="`loss_of_out` mixes samples"):
        dense_differences(layers, (identity,) * 3, lambda out: squares(normalized(out)), x)


def test_a_wrong_leaf_is_found(network):
    layers, x = network
    activations = (jnp.tanh, jnp.tanh, identity)
    grads = slopes(activations, layers, x)
    seen = dense_differences(layers, activations, squares, x)
    for index in range(3):
        w, b = grads[index]
        wrong = (*grads[:index], (w.at[1, 1].multiply(1.01), b), *grads[index + 1 :])
        found = opinion(seen, wrong)
        assert found.leaves[f"{index}.0"].verdict == "wrong" and found.leaves[f"{index}.0"].where == (1, 1)
        assert [leaf.verdict for leaf in found.leaves.values()].count("right") == 5


def test_a_kink_is_named_by_layer_sample_and_unit(network):
    ((w, b), *others), x = network
    b = b.at[4].set(-(x[2] @ w[:, 4]))  # the pre-activation of unit 4 in sample 2 is 0 up to rounding
    layers, activations = ((w, b), *others), (jax.nn.relu, jnp.tanh, identity)
    seen = dense_differences(layers, activations, squares, x)
    (kink,) = seen.unmeasured
    assert (kink.layer, kink.sample, kink.unit, kink.state) == (0, 2, 4, "kink")
    assert np.all((seen.leaves["0.0"].slopes.states == "kink").reshape(w.shape) == (np.arange(6) == 4)[None, :])
    found = opinion(seen, slopes(activations, layers, x)).leaves
    assert {path for path, leaf in found.items() if leaf.verdict == "right"} == {"1.0", "1.1", "2.0", "2.1"}
    assert found["0.0"].reason == found["0.1"].reason == "kink" and found["0.0"].where == (0, 4)


def test_what_is_not_finite_is_named(network):
    layers, x = network
    seen = dense_differences(layers, (jnp.tanh, jnp.tanh, jnp.log), squares, x)
    assert {spot.state for spot in seen.unmeasured} == {"nonfinite"}
    assert np.all(np.isinf(seen.leaves["0.1"].slopes.bars))


def test_bad_input_is_refused(network):
    layers, x = network
    with pytest.raises(ValueError, match="3 layers, 2 given"):
        dense_differences(layers, (jnp.tanh,) * 2, squares, x)
    with pytest.raises(ValueError, match="layer 1 must have shapes"):
        dense_differences((layers[0], layers[0]), (jnp.tanh,) * 2, squares, x)
    with pytest.raises(ValueError, match="one a sample, got"):
        dense_differences(layers, (jnp.tanh,) * 3, identity, x)
