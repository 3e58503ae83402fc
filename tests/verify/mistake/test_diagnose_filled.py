"""The diagnosis of arrays that a loop fills."""

from functools import partial

import jax.numpy as jnp
import pytest

from .findings import normals, said


def _smoothed(params, x, y):
    h = x @ params["w"]
    return 0.5 * jnp.sum((h[1:] + 2 * h[:-1] - y) ** 2)


def _grads(params, x, y, place, stop):
    h = x @ params["w"]
    e = h[1:] + 2 * h[:-1] - y
    m = len(h) - 1
    dh = jnp.zeros_like(h)
    for d in range(len(h) - stop):
        row = (e[d - 1] if d > 0 else 0) + (2 * e[d] if d < m else 0)
        dh = dh.at[place(d, m)].set(row)
    return {"w": x.T @ dh}


SET = "dh = dh.at[place(d, m)].set(row)"


@pytest.mark.parametrize(
    ("place", "stop", "expected"),
    [
        (lambda d, m: m, 0, ("wrong-operand", SET)),
        (lambda d, m: d, 1, ("missing-term", "dh = jnp.zeros_like(h)")),
    ],
)
def test_rows_that_are_put_in_one_place_are_not_rows_that_are_left_out(place, stop, expected, getkey):
    w, x, y = normals(getkey, (3, 4), (5, 3), (4, 4))
    assert said(_smoothed, partial(_grads, place=place, stop=stop), {"w": w}, x, y) == [expected]
