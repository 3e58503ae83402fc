"""The diagnosis of brackets: a term that they take in and must not, or leave out and must take in."""

import jax.numpy as jnp
import pytest

from jaxmlp import check

from .findings import normals, said


def ridge(params, x, y, strength):
    return jnp.sum((x @ params["w"] - y) ** 2) / 7 + strength * jnp.sum(params["w"] ** 2)


def cell(params, x, y):
    """A tanh whose output is both squared and compared."""
    a = jnp.tanh(x @ params["w"])
    return jnp.sum(a**2) + jnp.sum(a * y)


def written(report):
    (finding,) = report.findings
    return finding.cause, finding.line and finding.line.text, finding.must


def test_a_penalty_inside_the_brackets_of_the_rest(getkey):
    def grads(params, x, y, strength):
        error = x @ params["w"] - y
        dw = 2 / 7 * (x.T @ error + strength * params["w"])
        return {"w": dw}

    w, x, y = normals(getkey, (3,), (7, 3), (7,))
    found = said(ridge, grads, {"w": w}, x, y, jnp.asarray(0.3, x.dtype))
    assert found == [("wrong-regularization", 'dw = 2 / 7 * (x.T @ error + strength * params["w"])')]


def slope_of_a_line(params, s, y):
    return (y - s * params["b"]) ** 2 + 0.3 * params["b"] ** 2


def inside_at_the_end(params, s, y):
    b, error = params["b"], y - s * params["b"]
    db = 2 * error * (-s + 0.6 * b)
    return {"b": db}


def inside_at_the_start(params, s, y):
    b, error = params["b"], y - s * params["b"]
    db = (0.6 * b - s) * error * 2
    return {"b": db}


@pytest.mark.parametrize(
    ("grads", "line", "must"),
    (
        (inside_at_the_end, "db = 2 * error * (-s + 0.6 * b)", "2 * error * -s + 0.6 * b"),
        (inside_at_the_start, "db = (0.6 * b - s) * error * 2", "0.6 * b - s * error * 2"),
    ),
)
def test_the_penalty_of_a_single_number_inside_the_brackets(getkey, grads, line, must):
    b, s, y = (values[0] for values in normals(getkey, (1,), (1,), (1,)))
    report = check(slope_of_a_line, grads, {"b": b}, s, y)
    assert written(report) == ("wrong-regularization", line, must)


def test_a_slope_that_only_one_term_of_two_has(getkey):
    def grads(params, x, y):
        a = jnp.tanh(x @ params["w"])
        dz = y + 2 * a * (1 - a**2)
        return {"w": x.T @ dz}

    w, x, y = normals(getkey, (3,), (7, 3), (7,))
    assert written(check(cell, grads, {"w": w}, x, y)) == (
        "missing-activation-derivative",
        "dz = y + 2 * a * (1 - a**2)",
        "(y + 2 * a) * (1 - a ** 2)",
    )


def test_a_term_that_is_multiplied_and_must_not_be(getkey):
    def loss(params, x, u, y):
        a = jnp.tanh(x @ params["w"])
        return jnp.sum((x @ params["w"]) * u + a * y)

    def grads(params, x, u, y):
        a = jnp.tanh(x @ params["w"])
        dz = (u + y) * (1 - a**2)
        return {"w": x.T @ dz}

    w, x, u, y = normals(getkey, (3,), (7, 3), (7,), (7,))
    assert written(check(loss, grads, {"w": w}, x, u, y)) == (
        "extra-activation-derivative",
        "dz = (u + y) * (1 - a**2)",
        "u + y * (1 - a ** 2)",
    )


def test_a_divisor_of_both_terms_that_one_of_them_must_not_have(getkey):
    def loss(params, x, u, m):
        z = x @ params["w"]
        return jnp.sum(z * u) + jnp.sum(z / m)

    def grads(params, x, u, m):
        dz = (u + 1 * m**0) / m
        return {"w": x.T @ dz}

    w, x, u, m = normals(getkey, (3,), (7, 3), (7,), (7,))
    cause, line, must = written(check(loss, grads, {"w": w}, x, u, 1 + m**2))
    assert (cause, line, must) == ("extra-factor", "dz = (u + 1 * m**0) / m", "u + 1 * m ** 0 / m")


def test_a_factor_of_one_term_that_both_must_have(getkey):
    def loss(params, x, u, v, m):
        return jnp.sum((x @ params["w"]) * (u + v) * m)

    def grads(params, x, u, v, m):
        dz = u + v * m
        return {"w": x.T @ dz}

    w, x, u, v, m = normals(getkey, (3,), (7, 3), (7,), (7,), (7,))
    report = check(loss, grads, {"w": w}, x, u, v, m)
    assert written(report) == ("missing-factor", "dz = u + v * m", "(u + v) * m")
