"""How good the numbers are in the caller's dtypes, beside a truth in float64."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp import check


EPS = float(jnp.finfo("float32").eps)


def off_by(epsilons, w):
    """A factor of 1, but in float32, where it is off by so many epsilons."""
    return 1 + epsilons * EPS if w.dtype == "float32" else 1.0


def test_errors_are_counted_in_epsilons_of_the_callers_dtype_beside_those_of_autodiff():
    loss = lambda w: jnp.sum(off_by(3, w) * w)
    (leaf,) = check(loss, lambda w: off_by(8, w) * jnp.ones_like(w), jnp.ones(5, "float32")).leaves
    assert leaf.ok and (leaf.ulps, leaf.autodiff_ulps) == (pytest.approx(8), pytest.approx(3))


@pytest.mark.parametrize(("scale", "causes"), ((1.0, ["precision"]), (1e-40, [])), ids=("normal", "below the normal"))
def test_digits_that_the_dtype_does_not_have_are_not_missed(scale, causes):
    poor = lambda w: (1.01 if w.dtype == "float32" else 1.0) * scale * jnp.ones_like(w)
    report = check(lambda w: jnp.sum(scale * w), poor, np.ones(3, "float32"))
    assert report.ok and [finding.cause for finding in report.findings] == causes


def test_leaves_that_are_not_finite_in_their_dtypes_are_told_by_dtype():
    params = {"a": np.ones(2, "float32"), "b": np.ones(2, "float16"), "c": np.ones(2, "float32")}
    lost = lambda leaf: jnp.full_like(leaf, 1.0 if leaf.dtype == "float64" else jnp.inf)
    loss = lambda params: sum(jnp.sum(leaf.astype(params["a"].dtype)) for leaf in params.values())
    report = check(loss, lambda params: {path: lost(leaf) for path, leaf in params.items()}, params)
    assert report.verdict == "wrong" and {finding.cause for finding in report.findings} == {"nonfinite"}
    assert [
        (finding.leaves, dtype in finding.message)
        for finding, dtype in zip(report.findings, ("float32", "float16"), strict=True)
    ] == [(("a", "c"), True), (("b",), True)]
