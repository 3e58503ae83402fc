"""The diagnosis of a value that lacks something, at the statement in which that is added or let through."""

import jax.numpy as jnp
import pytest

from .findings import normal, said


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
        (_added_to_a_name_of_its_own, ("scale-batch", "along = jnp.sum(d * a, axis=0, keepdims=True)")),
    ],
)
def test_a_term_without_the_factor_of_what_it_is_added_to(grads, expected, getkey):
    w, x, y = normal(getkey, (3, 4), (6, 3), (6, 4))
    assert said(_cosine, grads, {"w": w}, x, y) == [expected]
