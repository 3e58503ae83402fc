"""The custom rules of JAX, optax, flax and equinox: right at ordinary points, and the defects known of them.

`benchmarks/rules.py` looks for every rule that it can reach, at extreme points too; its table is `benchmarks/rules.md`.
"""

import jax
import jax.numpy as jnp
import jax.scipy.special as special
import numpy as np
import optax
import pytest

from jaxmlp import check_rule


@pytest.fixture(autouse=True)
def usual_promotion():
    """These libraries do not all promise to work under the stricter settings of the other tests."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


A, B = np.array([0.3, 0.7], "float32"), np.array([0.8, 0.4], "float32")
MATRIX = np.array([[2.0, 0.3], [0.2, 1.5]], "float32")

RIGHT = {
    "relu": (jax.nn.relu, A - 0.5),
    "relu6": (jax.nn.relu6, 9 * A),
    "softplus": (jax.nn.softplus, A),
    "log_sigmoid": (jax.nn.log_sigmoid, A),
    "log1mexp": (jax.nn.log1mexp, A),
    "logaddexp": (jnp.logaddexp, A, B),
    "logaddexp2": (jnp.logaddexp2, A, B),
    "i0": (jnp.i0, A),
    "i0 beyond the numbers of float32": (jnp.i0, 100 + A),
    "slogdet": (jnp.linalg.slogdet, MATRIX),
    "entr": (special.entr, A),
    "logit": (special.logit, A),
    "xlogy": (special.xlogy, A, B),
    "xlogy at x = 0": (special.xlogy, 0 * A, B),
    "xlog1py": (special.xlog1py, A, B),
    "zeta": (special.zeta, 2 + A, B),
    "weighted_logsoftmax": (optax.losses.safe_softmax_cross_entropy, A, np.array([0.0, 1.0], "float32")),
    "projection_simplex": (optax.projections.projection_simplex, A.astype("float64")),
}
if jax.__version_info__ < (0, 11):  # which has no rule for it
    RIGHT |= {"sinc": (jnp.sinc, A), "sinc at 0": (jnp.sinc, 0 * A)}
if jax.__version_info__ < (0, 12):  # likewise
    RIGHT |= {"frexp": (jnp.frexp, A)}


@pytest.mark.parametrize("name", RIGHT)
def test_a_rule_of_the_field_is_right(name):
    f, *inputs = RIGHT[name]
    report = check_rule(f, *inputs)
    assert report.ok, report


@pytest.mark.parametrize("x", (0.0, -0.0, 6.0))
def test_the_slope_at_a_kink_is_a_convention(x):
    report = check_rule(jax.nn.relu6, np.array([x], "float32"))
    assert report.verdict == "undecided" and "kink" in report.reasons[0]


def test_a_rule_that_scales_the_gradient_means_to():
    report = check_rule(lambda x: optax.scale_gradient(x, 3.0), A)
    assert [finding.cause for finding in report.findings] == ["scale-constant", "deliberate"]


def test_rules_of_flax_are_right():
    nn = pytest.importorskip("flax.linen")
    assert check_rule(nn.softplus, A).ok
    product = pytest.importorskip("flax.linen.fp8_ops").dot_general_with_precision
    assert check_rule(product, MATRIX, MATRIX, (((1,), (0,)), ((), ())), None, None).ok


def test_rules_of_equinox_are_right():
    internal = pytest.importorskip("equinox.internal")
    report = check_rule(internal.nextafter, A)
    # Without its rule JAX does not differentiate it until 0.12.
    told = ["measured"] if jax.__version_info__ < (0, 12) else []
    assert report.ok and [finding.cause for finding in report.findings] == told, report


def grad(f, *at, argnums=0, dtype="float32"):
    return float(jax.jit(jax.grad(f, argnums))(*(np.asarray(x, dtype) for x in at)))


def sine_integral(x):
    return special.sici(x)[0]


# What JAX gives, and the truth, of 50 digits by mpmath or in closed form.
DEFECTS = {
    # exp(x2 - out), with out = inf replaced by 0: exp(2) where one input is infinite.
    "logaddexp at (inf, 2)": (lambda: grad(jnp.logaddexp, np.inf, 2, argnums=1), 0.0),
    "logaddexp2 at (inf, 2)": (lambda: grad(jnp.logaddexp2, np.inf, 2, argnums=1), 0.0),
    # exp(x1 - out), where out = x1 + log(2) is rounded to x1: the two slopes sum to 2.
    "logaddexp at (1e8, 1e8)": (lambda: grad(jnp.logaddexp, 1e8, 1e8), 0.5),
    "logaddexp at (200, 200) in bfloat16": (lambda: grad(jnp.logaddexp, 200, 200, dtype="bfloat16"), 0.5),
    # exp(-x^2/2 - log_ndtr(x) - ...), a difference of numbers of size x^2.
    "log_ndtr at -1e4": (lambda: grad(special.log_ndtr, -1e4), 10000.0001),
    "log_ndtr at -1e6": (lambda: grad(special.log_ndtr, -1e6), 1e6),
    "log_ndtr at -1e8 in float64": (lambda: grad(special.log_ndtr, -1e8, dtype="float64"), 1e8),
    # 1 - 2 x dawsn(x), where the two parts cancel; at inf, 0 * inf.
    "dawsn at 1e4": (lambda: grad(special.dawsn, 1e4), -5.000000075e-9),
    "dawsn at inf": (lambda: grad(special.dawsn, np.inf), 0.0),
    # x / y is 0 / 0, against the promise of a well-defined derivative there: x log(y) is 0 for every y where x is.
    "xlogy along y at (0, 0)": (lambda: grad(special.xlogy, 0, 0, argnums=1), 0.0),
    "xlog1py along y at (0, -1)": (lambda: grad(special.xlog1py, 0, -1, argnums=1), 0.0),
    # digamma has a pole there, and the Pochhammer symbol has none: (z)_2 = z (z + 1).
    "poch at z = -2": (lambda: grad(special.poch, -2.0, 2.0, dtype="float64"), -3.0),
}
if jax.__version_info__ < (0, 12):
    # 2 x erfcx(x) - 2 / sqrt(pi), where the two parts cancel; at inf, 0 * inf.
    DEFECTS["erfcx at 1e4"] = (lambda: grad(special.erfcx, 1e4), -5.64189575085e-9)
    DEFECTS["erfcx at inf"] = (lambda: grad(special.erfcx, np.inf), 0.0)
    # The rule of expn(0, x) needs expn(-1, x), which is NaN.
    expn = lambda x: special.expn(0, x)
    DEFECTS["expn at n = 0"] = (lambda: grad(expn, 1.0, dtype="float64"), -2 * np.exp(-1))
if jax.__version_info__ < (0, 11):
    # sign(x) stands in the first derivative of i0.
    DEFECTS["i0, twice, at 0"] = (lambda: grad(jax.grad(jnp.i0), 0.0, dtype="float64"), 0.5)
    # cos(pi x) / x - sin(pi x) / (pi x^2), where the two parts cancel; the derivative is -pi^2 x / 3.
    DEFECTS["sinc at 1e-4"] = (lambda: grad(jnp.sinc, 1e-4), -3.28986809e-4)
    DEFECTS["sinc at 1e-20"] = (lambda: grad(jnp.sinc, 1e-20), -3.28986813e-20)
    DEFECTS["sinc at 1e-10 in float64"] = (lambda: grad(jnp.sinc, 1e-10, dtype="float64"), -3.28986813e-10)


@pytest.mark.parametrize("name", DEFECTS)
def test_a_known_defect_is_still_there(name):
    """Else it has been mended: take it out of here and of `benchmarks/rules.md`."""
    given, truth = DEFECTS[name]
    assert not abs(given() - truth) <= 1e-3 * abs(truth)


def test_a_float32_array_cannot_be_projected_where_64_bit_types_are_on():
    """`s / idx` divides integers: a float64 then."""
    with pytest.raises(TypeError, match="Expected float64"):
        jax.grad(lambda x: optax.projections.projection_simplex(x)[0])(jnp.asarray(A))
    report = check_rule(optax.projections.projection_simplex, A)
    assert [finding.cause for finding in report.findings] == ["refused"], report


@pytest.mark.skipif(jax.__version_info__ >= (0, 12), reason="it can be from JAX 0.12 on")
def test_exp1_cannot_be_differentiated_twice():
    """Its rule, compiled, passes a tracer on as an argument that is not differentiated."""
    with pytest.raises(TypeError, match="Tracer"):
        jax.grad(jax.grad(special.exp1))(1.0)


def test_poor_numbers_of_a_right_rule_are_told():
    """The formula is right and float32 loses every digit of it, where without the rule it would not."""
    report = check_rule(special.log_ndtr, np.array([-3e3], "float32"))
    assert report.ok and [finding.cause for finding in report.findings] == ["precision"], report
    leaf = report.leaves[1]
    assert (leaf.autodiff_ulps or 0) < 10 < 1e4 < (leaf.ulps or 0)
