"""Expressions as people write them: with the other sign, and times a number."""

import pytest

from jaxmlp.verify._program._expressions import multiplied, negated, reduced_otherwise, rewritten


@pytest.mark.parametrize(
    ("text", "other"),
    (
        ("-(x.T @ dz)", "x.T @ dz"),
        ("y - out", "out - y"),
        ("2.0 * (y - out)", "2.0 * (out - y)"),
        ("-2 * (y - out) / m", "2 * (y - out) / m"),
        ("x.T @ dz", "-(x.T @ dz)"),
        ("d(loss)/d(the output)", None),
    ),
)
def test_an_expression_with_the_other_sign(text, other):
    assert rewritten(text, negated) == other


@pytest.mark.parametrize(
    ("text", "factor", "product"),
    (
        ("0.5 * (x.T @ dz)", 2.0, "x.T @ dz"),
        ("1.0 * (out - y)", 2.0, "2 * (out - y)"),
        ("(out - y) * 4", 0.5, "(out - y) * 2"),
        ("dz / 2", 2.0, "dz"),
        ("dz / 2", 0.25, "dz / 8"),
        ("out - y", 2.0, "2 * (out - y)"),
        ("x.T @ dz", 8.0, "x.T @ dz * 8"),
        ("x.T @ dz", 1 / 8, "x.T @ dz / 8"),
        ("x.T @ dz", 1 / 3, "x.T @ dz / 3"),
    ),
)
def test_an_expression_times_a_number(text, factor, product):
    assert rewritten(text, lambda node: multiplied(node, factor)) == product


def test_a_mean_for_a_sum():
    assert rewritten("jnp.sum(dz, axis=0)", reduced_otherwise) == "jnp.mean(dz, axis=0)"
    assert rewritten("dz.mean(0)", reduced_otherwise) == "dz.sum(0)"
