"""The diagnosis of a value that lacks something, at the statement in which that is added or let through."""

import jax
import jax.numpy as jnp
import pytest

from jaxmlp import check

from .findings import named, normals, said


def _cosine(params, x, y):
    w = params["w"]
    return 0.5 * jnp.mean(jnp.sum((x @ w / jnp.linalg.norm(w, axis=0, keepdims=True) - y) ** 2, axis=1))


def _added_to_what_has_the_factor(params, x, y):
    size = jnp.linalg.norm(params["w"], axis=0, keepdims=True)
    a = x @ params["w"] / size
    d = a - y
    dw = (1 / len(x)) * (x.T @ d) / size
    along = jnp.sum(d * a, axis=0, keepdims=True)
    dw = dw - along * params["w"] / size**2
    return {"w": dw}


def _added_to_what_has_the_factor_behind(params, x, y):
    size = jnp.linalg.norm(params["w"], axis=0, keepdims=True)
    a = x @ params["w"] / size
    d = a - y
    dw = (x.T @ d) / size * (1 / len(x))
    along = jnp.sum(d * a, axis=0, keepdims=True)
    dw = dw - along * params["w"] / size**2
    return {"w": dw}


def _added_to_a_name_of_its_own(params, x, y):
    size = jnp.linalg.norm(params["w"], axis=0, keepdims=True)
    a = x @ params["w"] / size
    d = a - y
    direct = (1 / len(x)) * (x.T @ d) / size
    along = jnp.sum(d * a, axis=0, keepdims=True)
    dw = direct - along * params["w"] / size**2
    return {"w": dw}


@pytest.mark.parametrize(
    ("grads", "expected"),
    [
        (_added_to_what_has_the_factor, ("missing-factor", 'dw = dw - along * params["w"] / size**2')),
        (
            _added_to_what_has_the_factor_behind,
            ("missing-factor", 'dw = dw - along * params["w"] / size**2'),
        ),
        (_added_to_a_name_of_its_own, ("scale-batch", "along = jnp.sum(d * a, axis=0, keepdims=True)")),
    ],
)
def test_a_term_without_the_factor_of_what_it_is_added_to(grads, expected, getkey):
    w, x, y = normals(getkey, (3, 4), (6, 3), (6, 4))
    assert said(_cosine, grads, {"w": w}, x, y) == [expected]


def _softmax(params, x, y):
    return -jnp.mean(jnp.sum(y * jax.nn.log_softmax(x @ params["w"] + params["b"], axis=1), axis=1))


def _signs_of_their_own(params, x, y):
    p = jax.nn.softmax(x @ params["w"] + params["b"], axis=1)
    d = y - p
    d_of_b = y - p
    dw = x.T @ d / 6
    db = jnp.sum(d_of_b, axis=0, keepdims=True) / 6
    return {"w": dw, "b": db}


def _signs_of_one_error(params, x, y):
    p = jax.nn.softmax(x @ params["w"] + params["b"], axis=1)
    d = y - p
    dw = x.T @ d / 6
    db = jnp.sum(d, axis=0, keepdims=True) / 6
    return {"w": dw, "b": db}


def test_signs_are_wrong_where_each_difference_is_made(getkey):
    w, b, x, y = normals(getkey, (3, 4), (1, 4), (6, 3), (6, 4))
    inputs = {"w": w, "b": b}, x, jax.nn.softmax(y, axis=1)
    assert said(_softmax, _signs_of_their_own, *inputs) == [("sign", "d = y - p"), ("sign", "d_of_b = y - p")]
    assert said(_softmax, _signs_of_one_error, *inputs) == [("sign", "d = y - p")]


def _squared(params, x, y):
    return ((jnp.tanh(x @ params["w"]) - y) ** 2).sum()


def _twice_as_much_is_not_used(params, x, y):
    a = jnp.tanh(x @ params["w"])
    d = (a - y) * (1 - a**2)
    both = 2 * d
    del both
    return {"w": x.T @ d}


def test_a_value_that_is_wrong_itself_is_not_blamed_on_what_reads_it(getkey):
    w, x, y = normals(getkey, (3, 4), (6, 3), (6, 4))
    expected = [("scale-constant", "d = (a - y) * (1 - a**2)")]
    assert said(_squared, _twice_as_much_is_not_used, {"w": w}, x, y) == expected


def test_a_term_is_lacking_where_terms_are_added(getkey):
    def loss(params, x, t):
        z = params["w"] @ x
        return 0.5 * jnp.sum(((z - jnp.mean(z)) / jnp.std(z) - t) ** 2)

    def grads(params, x, t):
        z = params["w"] @ x
        centered, size = z - jnp.mean(z), jnp.std(z)
        d = centered / size - t
        of_size = centered * -jnp.sum(d * centered) / size**3 / len(z)
        of_mean = -jnp.sum(d) / size + jnp.sum(of_size) / len(z)
        dz1 = d / size
        dz2 = jnp.ones_like(z) * of_mean / len(z)
        dz = dz1 + dz2
        return {"w": jnp.outer(dz, x)}

    w, x, t = normals(getkey, (5, 3), (3,), (5,))
    report = check(loss, grads, {"w": w}, x, t)
    assert named(report) == [("missing-term", "dz = dz1 + dz2")]
    assert "`dz` lacks the term `of_size` of a sum" in report.findings[0].message
