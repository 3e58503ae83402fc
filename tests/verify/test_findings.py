"""By what a mistake is named: the program of the gradient, its leaves beside those of a mutant, or those alone."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np

from jaxmlp import check, check_rule

from ..helpers import normal
from .gradients import grads, loss, problem


def test_the_mistake_of_a_black_box_is_named_by_a_line_of_the_loss(getkey):
    def boxed(params, x, y):
        if float(x[0, 0]) > 1e9:  # nothing that JAX can follow
            raise ValueError
        return jax.tree.map(np.asarray, grads(params, x, y, slope=lambda z, a: jnp.ones_like(a)))

    (finding,) = check(loss, boxed, *jax.tree.map(np.asarray, problem(getkey()))).findings
    assert finding.cause == "missing-activation-derivative" and set(finding.leaves) == {"b1", "w1"}
    assert finding.line and finding.line.text in inspect.getsource(loss)


def test_the_mistake_of_a_rule_is_named_by_its_own_line():
    def bwd(x, dout):
        slope = -jnp.cos(x)
        return (slope * dout,)

    sine = jax.custom_vjp(jnp.sin)
    sine.defvjp(lambda x: (jnp.sin(x), x), bwd)
    (finding,) = check_rule(sine, jnp.linspace(0.1, 0.9, 5)).findings
    assert finding.cause == "sign" and finding.line and finding.line.text == "slope = -jnp.cos(x)"


def test_a_line_is_named_where_the_loss_is_finite_at_one_point_alone():
    w, x = jnp.array([[0.3, -0.7], [1.1, 0.4]]), jnp.array([[1.0, 2.0], [-0.5, 0.3], [0.8, -1.2]])

    def pinned(params, x):
        return jnp.sum(jnp.tanh(x @ params)) * jnp.where(jnp.all(params == w), 1.0, jnp.nan)

    def hand(params, x):
        a = jnp.tanh(x @ params)
        dz = -(1 - a**2)
        return x.T @ dz

    report = check(pinned, hand, w, x)
    (finding,) = report.findings
    assert report.points == 1 and finding.cause == "sign"
    assert finding.line and finding.line.text == "dz = -(1 - a**2)"


def test_a_leaf_that_is_named_with_brackets_is_a_leaf(getkey):
    def loss(params, x, y):
        return 0.5 * jnp.sum((jnp.tanh(x @ params["w[0]"]) @ params["w[1]"] - y) ** 2)

    def grads(params, x, y):
        a = jnp.tanh(x @ params["w[0]"])
        d = a @ params["w[1]"] - y
        dw1 = 2 * a.T @ d
        dw0 = x.T @ ((d @ params["w[1]"].T) * (1 - a**2))
        return {"w[0]": dw0, "w[1]": dw1}

    w0, w1, x, y = (normal(getkey(), shape) for shape in ((3, 4), (4, 2), (5, 3), (5, 2)))
    report = check(loss, grads, {"w[0]": w0, "w[1]": w1}, x, y)
    assert [leaf.path for leaf in report.leaves if leaf.verdict != "right"] == ["w[1]"]
    assert [(finding.cause, finding.leaves) for finding in report.findings] == [("scale-constant", ("w[1]",))]
