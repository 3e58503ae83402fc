"""Forward and backward pairs: every pair of the package is right, and wrong ones are caught."""

import jax
import jax.numpy as jnp
import pytest

import jaxmlp
from jaxmlp import check_pair, Dense
from jaxmlp._dense import dense_bwd, dense_fwd

from ...helpers import normal


ACTIVATIONS = (
    "elu", "gelu", "gelu_tanh", "identity", "leaky_relu", "relu", "sigmoid", "silu", "softmax", "softplus", "tanh"
)  # fmt: skip


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation_is_a_right_pair(getkey, name):
    activation = getattr(jaxmlp, name)
    report = check_pair(activation.fwd, activation.bwd, 2 * normal(getkey(), (4, 3)))
    assert report.verdict == "right"
    assert [leaf.path for leaf in report.leaves] == ["z"]


def test_every_loss_is_a_right_pair(getkey):
    p, t = jax.random.uniform(getkey(), (2, 4, 3), minval=0.1, maxval=0.9)
    labels = jnp.asarray([0, 2, 1, 2])
    for loss in (jaxmlp.bce, jaxmlp.bce_with_logits, jaxmlp.half_squared_error, jaxmlp.mean_squared_error):
        assert check_pair(loss.fwd, loss.bwd, p, t).verdict == "right", loss
    cross_entropy = jaxmlp.softmax_cross_entropy
    assert [leaf.path for leaf in check_pair(cross_entropy.fwd, cross_entropy.bwd, p, t).leaves] == ["out", "y"]
    report = check_pair(cross_entropy.fwd, cross_entropy.bwd, p, labels)
    assert report.ok and [leaf.path for leaf in report.leaves] == ["out"], "labels have no cotangent"


def test_the_stabilized_gradient_is_wrong_by_its_bias(getkey):
    loss = jaxmlp.bce_stabilized(1e-3)
    p = jnp.full((4, 1), 0.5)
    report = check_pair(loss.fwd, loss.bwd, p, jnp.asarray([[0.0], [1.0], [1.0], [0.0]]))
    assert report.verdict == "wrong"
    (leaf, _) = report.leaves
    assert leaf.error == pytest.approx(1e-3 / (0.25 + 1e-3), rel=1e-6), "eps / (r + eps) at r = p (1 - p) = 1/4"


def test_a_dense_layer_is_a_right_pair_with_named_leaves(getkey):
    layer, x = Dense(normal(getkey(), (3, 2)), jnp.zeros(2)), normal(getkey(), (4, 3))
    report = check_pair(dense_fwd, dense_bwd, layer, x)
    assert report.ok and [leaf.path for leaf in report.leaves] == ["layer.w", "layer.b", "x"]


def test_a_whole_network_is_a_right_pair(getkey):
    params = jaxmlp.init_params(getkey(), (3, 4, 2), dtype=jnp.float64)
    assert check_pair(jaxmlp.forward, jaxmlp.backward, params, normal(getkey(), (5, 3))).ok


def tanh_fwd(z):
    return jnp.tanh(z), jnp.tanh(z)


WRONG = {
    "a sign": (lambda a, da: (-da * (1 - a * a),), "sign"),
    "dout ignored": (lambda a, da: (1 - a * a,), "missing-upstream"),
    "slope at the activation": (lambda a, da: (da * (1 - jnp.tanh(a) ** 2),), "wrong-activation-derivative"),
    "None for a cotangent": (lambda a, da: (None,), "zero-gradient"),
    "too many cotangents": (lambda a, da: (da * (1 - a * a), da), "shape"),
    "a reduced cotangent": (lambda a, da: ((da * (1 - a * a)).sum(axis=0),), "wrong-reduction-axis"),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_a_wrong_backward_is_caught(getkey, mistake):
    bwd, cause = WRONG[mistake]
    report = check_pair(tanh_fwd, bwd, normal(getkey(), (4, 3)))
    assert report.verdict == "wrong"
    assert report.findings[0].cause == cause


def test_a_softmax_with_only_the_diagonal_of_its_jacobian_is_caught(getkey):
    z = normal(getkey(), (4, 3))
    report = check_pair(jaxmlp.softmax.fwd, lambda a, da: (da * a * (1 - a),), z)
    assert report.verdict == "wrong"


def test_a_single_cotangent_may_come_bare(getkey):
    assert check_pair(tanh_fwd, lambda a, da: da * (1 - a * a), normal(getkey(), (4, 3))).ok


def test_out_may_be_a_tree(getkey):
    fwd = lambda x, y: ({"sum": x + y, "product": x * y}, (x, y))
    bwd = lambda xy, d: (d["sum"] + xy[1] * d["product"], d["sum"] + xy[0] * d["product"])
    x, y = normal(getkey(), (2, 3))
    assert check_pair(fwd, bwd, x, y).ok
    swapped = check_pair(fwd, lambda xy, d: bwd(xy, d)[::-1], x, y)
    assert {leaf.path for leaf in swapped.leaves if not leaf.ok} == {"x", "y"}


def test_an_output_may_hold_integers(getkey):
    fwd = lambda z: ({"a": jnp.tanh(z), "top": jnp.argmax(z, axis=-1)}, jnp.tanh(z))
    assert check_pair(fwd, lambda a, d: (d["a"] * (1 - a * a),), normal(getkey(), (4, 3))).ok
    with pytest.raises(TypeError, match="no floating numbers, so it has no derivative"):
        check_pair(lambda z: (jnp.argmax(z), None), lambda _, d: (d,), jnp.ones(2))
    with pytest.raises(TypeError, match="complex"):
        check_pair(lambda z: (jax.lax.complex(z, z), None), lambda _, d: (d,), jnp.ones(2))


def test_outputs_may_differ_in_dtype(getkey):
    fwd = lambda z: ((jnp.tanh(z), jnp.tanh(z).astype("float16")), jnp.tanh(z))
    bwd = lambda a, d: ((d[0] + d[1].astype(a.dtype)) * (1 - a * a),)
    assert check_pair(fwd, bwd, normal(getkey(), (4, 3))).verdict != "wrong"


BENT = {
    "dout ignored": (lambda a, da: (1 - a * a,), "missing-upstream"),
    "clipped": (lambda a, da: (jnp.clip(da, -1, 1) * (1 - a * a),), "not-linear"),
    "clipped far away": (lambda a, da: (jnp.clip(da, -99, 99) * (1 - a * a),), "not-linear"),
    "a constant": (lambda a, da: (da * (1 - a * a) + 1,), "not-zero"),
}


@pytest.mark.parametrize("mistake", BENT)
def test_a_backward_that_is_not_linear_is_named(getkey, mistake):
    bwd, cause = BENT[mistake]
    report = check_pair(tanh_fwd, bwd, normal(getkey(), (4, 3)))
    assert report.verdict == "wrong" and [finding.cause for finding in report.findings] == [cause]
    assert "`da`" in report.findings[0].message


def test_a_right_pair_is_right_at_every_dout(getkey):
    softmax = jaxmlp.softmax
    assert check_pair(softmax.fwd, softmax.bwd, normal(getkey(), (4, 3))).ok


def test_inputs_of_a_function_without_names_are_numbered():
    report = check_pair(lambda *xs: (xs[0] * xs[1], xs), lambda xs, d: (d * xs[1], d * xs[0]), jnp.ones(2), jnp.ones(2))
    assert report.ok and [leaf.path for leaf in report.leaves] == ["input0", "input1"]


def test_bad_input_is_named():
    with pytest.raises(TypeError, match="`bwd` must be a function"):
        check_pair(tanh_fwd, None, jnp.ones(2))  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match=r"must return a pair \(out, residuals\)"):
        check_pair(jnp.tanh, lambda a, da: da, jnp.ones(2))
    with pytest.raises(ValueError, match="no floating numbers"):
        check_pair(tanh_fwd, lambda a, da: da, jnp.arange(2))
    with pytest.raises(TypeError, match="`z` mixes floating arrays with others"):
        check_pair(tanh_fwd, lambda a, da: da, (jnp.ones(2), jnp.arange(2)))


def test_an_integer_that_jax_does_not_have_is_named():
    fwd = lambda x, n: (x * n, n)
    with pytest.raises(ValueError, match="`n` is 1180591620717411303424, which does not fit the integers of JAX"):
        check_pair(fwd, lambda n, dout: (n * dout, None), jnp.ones(2), 2**70)
