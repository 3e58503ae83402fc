"""The diagnosis of arrays that a loop fills."""

from functools import partial

import jax
import jax.numpy as jnp
import pytest

from jaxmlp import check

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


def test_rows_of_a_table_that_are_read_twice_are_set_where_they_must_be_added(getkey):
    def loss(params, ids, y):
        return 0.5 * jnp.sum((params["table"][ids] - y) ** 2)

    def grads(params, ids, y):
        d = params["table"][ids] - y
        table = jnp.zeros_like(params["table"]).at[ids].set(d)
        return {"table": table}

    table, y = normals(getkey, (5, 3), (4, 3))
    line = 'table = jnp.zeros_like(params["table"]).at[ids].set(d)'
    assert said(loss, grads, {"table": table}, jnp.asarray([0, 2, 2, 1]), y) == [("missing-term", line)]


def test_blocks_that_overlap_are_set_where_they_must_be_added(getkey):
    def loss(params, x, y):
        z = params["w"] * x
        return 0.5 * sum(jnp.sum((z[i : i + 3].sum(axis=0) - y[i]) ** 2) for i in range(3))

    def grads(params, x, y):
        z = params["w"] * x
        dz = jnp.zeros_like(z)
        for i in range(3):
            d = z[i : i + 3].sum(axis=0) - y[i]
            dz = jax.lax.dynamic_update_slice(dz, jnp.stack([d, d, d]), (i, 0))
        return {"w": dz * x}

    w, x, y = normals(getkey, (5, 2), (5, 2), (3, 2))
    line = "dz = jax.lax.dynamic_update_slice(dz, jnp.stack([d, d, d]), (i, 0))"
    assert said(loss, grads, {"w": w}, x, y) == [("missing-term", line)]


def test_rows_that_are_read_all_at_once_and_written_back_one_over_the_other(getkey):
    def loss(params, ids, y):
        return 0.5 * jnp.sum((params["table"][ids] - y) ** 2)

    def grads(params, ids, y):
        d = params["table"][ids] - y
        table = jnp.zeros_like(params["table"])
        for k in range(ids.shape[0]):
            rows = table[ids[k]] + d[k]
            for j in range(ids.shape[1]):
                table = table.at[ids[k, j]].set(rows[j])
        return {"table": table}

    table, y = normals(getkey, (5, 3), (4, 2, 3))
    [found] = check(loss, grads, {"table": table}, jnp.asarray([[0, 1], [2, 2], [3, 4], [1, 1]]), y).findings
    assert found.cause == "missing-term" and "one over the other" in found.message
    assert found.line is not None and found.line.text == "table = table.at[ids[k, j]].set(rows[j])"
