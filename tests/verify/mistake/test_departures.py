"""The diagnosis of two mistakes in one chain, of which the first is told from the cotangents that may be meant."""

from functools import partial
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp import check
from jaxmlp.verify._mistake import _departures
from jaxmlp.verify._program._trace import program_of

from .findings import normals, said


ERROR = 'error = out + y if wrong == "sign" else z2 - y if wrong == "operand" else out - y'


@pytest.mark.parametrize(
    ("wrong", "cause", "line"),
    [
        ("slope", "extra-activation-derivative", 'dz2 = error * (out * (1 - out)) ** (2 if wrong == "slope" else 1)'),
        ("sign", "sign", ERROR),
        ("operand", "wrong-operand", ERROR),
    ],
)
def test_a_statement_that_one_change_turns_into_a_cotangent_beside_another_mistake(wrong, cause, line, getkey):
    def loss(params, x, y):
        h = jnp.tanh(x @ params["w1"])
        return 0.5 * jnp.sum((jax.nn.sigmoid(h @ params["w2"]) - y) ** 2)

    def grads(params, x, y, wrong=None):
        h = jnp.tanh(x @ params["w1"])
        z2 = h @ params["w2"]
        out = jax.nn.sigmoid(z2)
        error = out + y if wrong == "sign" else z2 - y if wrong == "operand" else out - y
        dz2 = error * (out * (1 - out)) ** (2 if wrong == "slope" else 1)
        dz1 = dz2 @ params["w2"].T * (1 - h**2)
        seen = x if wrong is None else x * jnp.abs(x)
        return {"w1": seen.T @ dz1, "w2": (h if wrong is None else jnp.cos(h)).T @ dz2}

    w1, w2, x, y = normals(getkey, (3, 3), (3, 2), (5, 3), (5, 2))
    params = {"w1": w1, "w2": w2}
    assert check(loss, grads, params, x, y).ok
    assert said(loss, partial(grads, wrong=wrong), params, x, y)[0] == (cause, line)


def test_what_a_value_of_the_loss_soon_comes_of_is_right(getkey):
    def loss(params, x, y):
        return -jnp.sum(y * jax.nn.log_softmax(x @ params["w"]))

    def grads(params, x, y, right=False):
        e = jnp.exp(x @ params["w"])
        p = e / jnp.sum(e, axis=1, keepdims=True)
        dz = p - y if right else p + y
        seen = x if right else x * jnp.abs(x)
        return {"w": seen.T @ dz}

    w, x, y = normals(getkey, (3, 4), (5, 3), (5, 4))
    params, y = {"w": w}, jax.nn.softmax(y)
    assert check(loss, partial(grads, right=True), params, x, y).ok
    assert said(loss, grads, params, x, y) == [("sign", "dz = p - y if right else p + y")]


def _unit_rows(params, x, y):
    z = x @ params["w"]
    return 0.5 * jnp.sum((z / jnp.linalg.norm(z, axis=1, keepdims=True) - y) ** 2)


def test_a_row_that_meets_a_column_after_a_squeeze_is_a_matter_of_shape(getkey):
    def grads(params, x, y):
        z = (x @ params["w"])[:, None, :]
        size = jnp.sqrt(jnp.sum(z**2, axis=-1, keepdims=True))
        a = z / size
        da = a - y[:, None, :]
        along = jnp.sum(da * a, axis=-1) / jnp.squeeze(size)
        dz = jnp.sum(da / size - a * along[..., None], axis=1)
        return {"w": x.T @ dz}

    w, x, y = normals(getkey, (4, 3), (5, 4), (5, 3))
    with jax.numpy_rank_promotion("allow"):
        found = said(_unit_rows, grads, {"w": w}, x, y)
    assert found == [("shape", "along = jnp.sum(da * a, axis=-1) / jnp.squeeze(size)")]


def test_a_row_that_meets_a_column_where_it_must_is_not_accused(getkey):
    def loss(params, x, y):
        return 0.5 * jnp.sum((jnp.tanh(x @ params["w"]) - y) ** 2)

    def grads(params, x, y):
        a = jnp.tanh(x @ params["w"])
        d = (a - y) * jnp.cos(x @ params["w"])
        return {"w": x[:, None] * d[None, :]}

    w, x, y = normals(getkey, (4, 4), (4,), (4,))
    assert [cause for cause, _ in said(loss, grads, {"w": w}, x, y)] == ["wrong-activation-derivative"]


def test_what_no_change_turns_into_a_cotangent_leaves_the_chain_rule(getkey):
    def loss(params, x, y):
        return 0.5 * jnp.sum((jax.nn.sigmoid(jnp.tanh(x @ params["w1"]) @ params["w2"]) - y) ** 2)

    def grads(params, x, y):
        h = jnp.tanh(x @ params["w1"])
        out = jax.nn.sigmoid(h @ params["w2"])
        error = jnp.sin(h @ params["w2"]) - y
        dz2 = error * out * (1 - out)
        dz1 = dz2 @ params["w2"].T * (1 - h**2)
        return {"w1": (x * jnp.abs(x)).T @ dz1, "w2": jnp.cos(h).T @ dz2}

    w1, w2, x, y = normals(getkey, (3, 3), (3, 2), (5, 3), (5, 2))
    (finding,) = check(loss, grads, {"w1": w1, "w2": w2}, x, y).findings
    assert finding.line and finding.line.text == 'error = jnp.sin(h @ params["w2"]) - y'
    assert finding.cause == "unknown" and "leaves the chain rule" in finding.message


@pytest.mark.parametrize(
    ("right", "at", "lacks"),
    (
        ((True, False, False), 1, True),
        ((True, True, False), 2, True),
        ((True, False, True), 1, False),
        ((False,) * 3, 1, False),
    ),
)
def test_what_is_right_in_the_first_runs_alone_lacks_what_comes_from_later_steps(right, at, lacks):
    program = program_of(lambda x: [jnp.tanh(n * x) for n in (1, 2, 3)], jnp.ones(2))
    runs = [(index,) for index, equation in enumerate(program.equations) if equation.name == "tanh"]
    outs = [program.equations[index].outputs[0] for (index,) in runs]
    given = {out: (np.arange(2.0) + n,) for n, out in enumerate(outs)}
    known = {id(given[out]): is_right for out, is_right in zip(outs, right, strict=True)}
    case = SimpleNamespace(
        bench=SimpleNamespace(program=program, run=SimpleNamespace(at=given.get)),
        each_cotangent=SimpleNamespace(scale=lambda values: 1.0 if known[id(values)] else None),
    )
    site = SimpleNamespace(instances=runs)
    mistake: Any = SimpleNamespace(case=case, site=site, run=runs[at], out=outs[at], actual=given[outs[at]])
    assert _departures._is_right_in_the_first_runs(mistake) is lacks
