"""Expressions as people write them: with the other sign, and times a number."""

import pytest

from jaxmlp.verify._program._expressions import (
    along,
    multiplied,
    negated,
    product,
    reduced_otherwise,
    rewritten,
    the_other_way_round,
)


@pytest.mark.parametrize(
    ("text", "other"),
    (
        ("-(x.T @ dz)", "x.T @ dz"),
        ("y - out", "out - y"),
        ("2.0 * (y - out)", "2.0 * (out - y)"),
        ("-2 * (y - out) / m", "2 * (y - out) / m"),
        ("x.T @ dz", "-(x.T @ dz)"),
        ("d * (1 - a) * (1 - h)", "-(d * (1 - a) * (1 - h))"),
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
        ("1 * dz.sum(0)", 1 / 8, "dz.sum(0) / 8"),
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


def test_a_sum_over_other_axes():
    assert rewritten("jnp.sum(dz, axis=0)", lambda node: along(node, (1,)) or node) == "jnp.sum(dz, axis=1)"
    assert rewritten("jnp.sum(dz, axis=0)", lambda node: along(node, (0, 1)) or node) == "jnp.sum(dz, axis=(0, 1))"
    assert rewritten("dz.sum()", lambda node: along(node, (1,)) or node) == "dz.sum()"


def test_a_condition_the_other_way_round():
    assert rewritten("z < 0", lambda node: the_other_way_round(node) or node) == "z > 0"
    assert rewritten("z == 0", lambda node: the_other_way_round(node) or node) == "z == 0"


@pytest.mark.parametrize(
    ("swap", "turn", "must"),
    ((False, (False, True), "dz @ w"), (False, (True, True), "dz.T @ w"), (True, (False, False), "w.T @ dz")),
)
def test_a_product_of_transposed_operands(swap, turn, must):
    assert rewritten("dz @ w.T", lambda node: product(node, swap=swap, turn=turn) or node) == must
