"""Expressions as people write them: with the other sign, and times a number; and which one was being computed."""

import ast
import linecache
import sys

import pytest

from jaxmlp.verify._program._expressions import (
    along,
    expression_at,
    multiplied,
    negated,
    product,
    reduced_otherwise,
    rewritten,
    the_other_way_round,
)
from jaxmlp.verify._program._stacks import Frame
from jaxmlp.verify._program._syntax import Statement


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
        ("0.25 * (x.T @ dz)", 2.0, "0.5 * (x.T @ dz)"),
        ("dz * 0.25", 2.0, "dz * 0.5"),
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
    assert rewritten("jnp.sum(dz, -1)", lambda node: along(node, (0,)) or node) == "jnp.sum(dz, 0)"
    assert rewritten("dz.mean((0, 1))", lambda node: along(node, (2,)) or node) == "dz.mean(2)"
    assert rewritten("jnp.sum(dz, n)", lambda node: along(node, (0,)) or node) == "jnp.sum(dz, n)"


def test_a_condition_the_other_way_round():
    assert rewritten("z < 0", lambda node: the_other_way_round(node) or node) == "z >= 0"
    assert rewritten("z == 0", lambda node: the_other_way_round(node) or node) == "z == 0"


@pytest.mark.parametrize(
    ("swap", "turn", "must"),
    ((False, (False, True), "dz @ w"), (False, (True, True), "dz.T @ w"), (True, (False, False), "w.T @ dz")),
)
def test_a_product_of_transposed_operands(swap, turn, must):
    assert rewritten("dz @ w.T", lambda node: product(node, swap=swap, turn=turn) or node) == must


def test_of_functions_that_share_a_line_the_one_that_runs_tells_what_is_computed(monkeypatch):
    text = "largest = lambda seen: max(seen(v) + (lambda u: u * u + u * u + u * u)(v) for v in (1, 2))\n"
    monkeypatch.setitem(linecache.cache, "<one line>", (len(text), None, [text], "<one line>"))
    frames = []

    def seen(v):
        above = sys._getframe(1)
        frames.append(Frame("<one line>", above.f_lineno, above.f_code.co_name, above.f_lasti))
        return v

    namespace = {}
    exec(compile(text, "<one line>", "exec", dont_inherit=True), namespace)
    namespace["largest"](seen)
    found = expression_at(frames[0], Statement(1, 1, "largest", ast.parse(text).body[0]))
    assert found is not None and ast.unparse(found) == "seen(v)"
