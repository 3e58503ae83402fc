"""The diagnosis, however a gradient is written: with helpers, loops, aliases, several mistakes, or without source."""

import functools
import importlib.util

import jax
import jax.numpy as jnp
import pytest

from jaxmlp import check
from jaxmlp.verify import _findings

from ...helpers import normal
from .. import gradients


def diagnosed(loss, grads, problem):
    """The findings on a wrong gradient, as (cause, line, leaves)."""
    report = check(loss, grads, *problem)
    assert report.verdict == "wrong"
    return [(f.cause, f.line and f.line.text, set(f.leaves)) for f in report.findings], report.findings


def test_two_mistakes_are_named_in_the_order_of_their_lines(getkey):
    def grads(params, x, y):
        a1 = jnp.tanh(x @ params["w1"] + params["b1"][None, :])
        dz2 = 2 * (a1 @ params["w2"] + params["b2"][None, :] - y)
        dz1 = dz2 @ params["w2"].T
        return {"w1": x.T @ dz1, "b1": dz1.sum(axis=0), "w2": a1.T @ dz2, "b2": dz2.sum(axis=0)}

    said, findings = diagnosed(gradients.loss, grads, gradients.problem(getkey()))
    assert [f.cause for f in findings] == ["scale-batch", "missing-activation-derivative"]
    assert said[0][1] == 'dz2 = 2 * (a1 @ params["w2"] + params["b2"][None, :] - y)' and said[0][2] >= {"w2", "b2"}
    assert said[1][1:] == ('dz1 = dz2 @ params["w2"].T', {"w1", "b1"})


def test_mistakes_in_two_branches_are_both_named(getkey):
    def grads(params, x, y):
        a1 = jnp.tanh(x @ params["w1"] + params["b1"][None, :])
        dz2 = 2 * (a1 @ params["w2"] + params["b2"][None, :] - y) / len(y)
        dw2 = -a1.T @ dz2
        dz1 = dz2 @ params["w2"].T * (1 - a1**2)
        db1 = dz1.sum(axis=0) / 3
        return {"w1": x.T @ dz1, "b1": db1, "w2": dw2, "b2": dz2.sum(axis=0)}

    said, _ = diagnosed(gradients.loss, grads, gradients.problem(getkey()))
    assert said == [
        ("sign", "dw2 = -a1.T @ dz2", {"w2"}),
        ("scale-constant", "db1 = dz1.sum(axis=0) / 3", {"b1"}),
    ]


def dense_bwd(a, w, dz):
    """The backward half of a dense layer, with a mistake in its last step."""
    dw = a.T @ dz
    db = dz.sum(axis=0)
    da = -dz @ w.T
    return dw, db, da


def with_helper(params, x, y, bwd=dense_bwd):
    a1 = jnp.tanh(x @ params["w1"] + params["b1"][None, :])
    dz2 = 2 * (a1 @ params["w2"] + params["b2"][None, :] - y) / len(y)
    dw2, db2, da1 = bwd(a1, params["w2"], dz2)
    dw1, db1, _ = bwd(x, params["w1"], da1 * (1 - a1**2))
    return {"w1": dw1, "b1": db1, "w2": dw2, "b2": db2}


def test_a_mistake_in_a_helper_is_named_there(getkey):
    said, findings = diagnosed(gradients.loss, with_helper, gradients.problem(getkey()))
    line = findings[0].line
    assert said[0][0] == "sign" and said[0][2] == {"w1", "b1"} and len(said) == 1
    innermost = line and (line.within or line)
    assert innermost and innermost.text == "da = -dz @ w.T" and innermost.file == __file__


def test_a_mistake_in_a_helper_of_another_module_is_named_there(getkey, tmp_path):
    path = tmp_path / "layers.py"
    path.write_text(
        "def dense_bwd(a, w, dz):\n"
        "    dw = a.T @ dz\n"
        "    db = dz.mean(axis=0)\n"
        "    da = dz @ w.T\n"
        "    return dw, db, da\n"
    )
    spec = importlib.util.spec_from_file_location("layers", path)
    assert spec and spec.loader
    layers = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(layers)
    grads = functools.partial(with_helper, bwd=layers.dense_bwd)
    said, findings = diagnosed(gradients.loss, grads, gradients.problem(getkey()))
    line = findings[0].line
    assert said[0][0] == "scale-batch" and said[0][2] == {"b1", "b2"} and len(said) == 1
    innermost = line and (line.within or line)
    assert innermost and innermost.text == "db = dz.mean(axis=0)" and innermost.file == str(path)


def deep_problem(key):
    """Three square layers without biases."""
    keys = jax.random.split(key, 5)
    params = [normal(k, (3, 3)) for k in keys[:3]]
    return params, normal(keys[3], (4, 3)), normal(keys[4], (4, 3))


def deep_loss(params, x, y):
    for w in params:
        x = jnp.tanh(x @ w)
    return ((x - y) ** 2).sum()


def test_a_line_of_a_loop_over_layers_is_named_once(getkey):
    def grads(params, x, y):
        activations = [x]
        for w in params:
            activations.append(jnp.tanh(activations[-1] @ w))
        da = 2 * (activations[-1] - y)
        dws = []
        for w, a, out in zip(params[::-1], activations[-2::-1], activations[::-1], strict=False):
            dz = da * (1 - out)
            dws.append(a.T @ dz)
            da = dz @ w.T
        return dws[::-1]

    said, _ = diagnosed(deep_loss, grads, deep_problem(getkey()))
    assert said == [("wrong-activation-derivative", "dz = da * (1 - out)", {"0", "1", "2"})]


def test_the_weights_of_another_layer_are_named(getkey):
    def grads(params, x, y):
        w1, w2, w3 = params
        a1 = jnp.tanh(x @ w1)
        a2 = jnp.tanh(a1 @ w2)
        a3 = jnp.tanh(a2 @ w3)
        dz3 = 2 * (a3 - y) * (1 - a3**2)
        da2 = dz3 @ w2.T
        dz2 = da2 * (1 - a2**2)
        dz1 = dz2 @ w2.T * (1 - a1**2)
        return [x.T @ dz1, a1.T @ dz2, a2.T @ dz3]

    said, _ = diagnosed(deep_loss, grads, deep_problem(getkey()))
    assert said == [("off-by-one-layer", "da2 = dz3 @ w2.T", {"0", "1"})]


def rnn_problem(key):
    keys = jax.random.split(key, 4)
    params = {"u": normal(keys[0], (2, 3)), "w": normal(keys[1], (3, 3))}
    return params, normal(keys[2], (4, 5, 2)), normal(keys[3], (5, 3))


def rnn_loss(params, xs, y):
    h = jnp.zeros((xs.shape[1], 3), xs.dtype)
    for x in xs:
        h = jnp.tanh(x @ params["u"] + h @ params["w"])
    return ((h - y) ** 2).sum()


def test_a_line_of_an_unrolled_recurrent_network_is_named(getkey):
    def grads(params, xs, y):
        hs = [jnp.zeros((xs.shape[1], 3), xs.dtype)]
        for x in xs:
            hs.append(jnp.tanh(x @ params["u"] + hs[-1] @ params["w"]))
        dh = 2 * (hs[-1] - y)
        du, dw = jnp.zeros_like(params["u"]), jnp.zeros_like(params["w"])
        for t in reversed(range(len(xs))):
            dz = dh * (1 - hs[t + 1] ** 2)
            du += xs[t].T @ dz
            dw += hs[t].T @ dz
            dh = dz @ params["w"]
        return {"u": du, "w": dw}

    said, _ = diagnosed(rnn_loss, grads, rnn_problem(getkey()))
    assert said == [("transposed", 'dh = dz @ params["w"]', {"u", "w"})]


def test_a_line_of_a_scan_is_named(getkey):
    def grads(params, xs, y):
        def fwd(h, x):
            new = jnp.tanh(x @ params["u"] + h @ params["w"])
            return new, (h, new)

        def bwd(dh, step):
            x, h, new = step
            dz = dh * (1 - new**2)
            before = dz @ params["w"]
            return before, (x.T @ dz, h.T @ dz)

        last, (before, after) = jax.lax.scan(fwd, jnp.zeros((xs.shape[1], 3), xs.dtype), xs)
        _, (dus, dws) = jax.lax.scan(bwd, 2 * (last - y), (xs, before, after), reverse=True)
        return {"u": dus.sum(axis=0), "w": dws.sum(axis=0)}

    said, _ = diagnosed(rnn_loss, grads, rnn_problem(getkey()))
    assert said == [("transposed", 'before = dz @ params["w"]', {"u", "w"})]


def test_leaves_that_are_swapped_in_the_return_are_named(getkey):
    def grads(params, x, y):
        w1, w2, w3 = params
        a1 = jnp.tanh(x @ w1)
        a2 = jnp.tanh(a1 @ w2)
        a3 = jnp.tanh(a2 @ w3)
        dz3 = 2 * (a3 - y) * (1 - a3**2)
        dz2 = dz3 @ w3.T * (1 - a2**2)
        dz1 = dz2 @ w2.T * (1 - a1**2)
        dw1 = x.T @ dz1
        dw2 = a1.T @ dz2
        return [dw2, dw1, a2.T @ dz3]

    said, _ = diagnosed(deep_loss, grads, deep_problem(getkey()))
    assert said == [("swapped-leaves", "return [dw2, dw1, a2.T @ dz3]", {"0", "1"})]


def halved(params, x, y):
    """Every cotangent half as large until the leaves, the factors of each product turned round."""
    a1 = jnp.tanh(x @ params["w1"] + params["b1"][None, :])
    error = a1 @ params["w2"] + params["b2"][None, :] - y
    dz1 = (params["w2"] @ error.T).T - (error @ params["w2"].T) * a1 * a1
    db = jnp.ones_like(x[:, 0]) @ jnp.concatenate([dz1, error], axis=1) * 2 / len(x)
    return {"w1": 2 * (dz1.T @ x).T / len(x), "b1": db[:4], "w2": 2 * (error.T @ a1).T / len(x), "b2": db[4:]}


def by_example(params, x, y):
    one = lambda x, y: gradients.grads(params, x[None, :], y[None, :])
    return jax.tree.map(lambda leaf: leaf.mean(axis=0), jax.vmap(one)(x, y))


@pytest.mark.parametrize(
    "grads",
    (halved, by_example, jax.jit(gradients.grads), jax.checkpoint(gradients.grads)),
    ids=("halved", "by example", "jit", "checkpoint"),
)
def test_a_right_rearrangement_stays_right(getkey, grads):
    report = check(gradients.loss, grads, *gradients.problem(getkey()))
    assert report.verdict == "right" and not report.findings


WITHOUT_SOURCE = """
def grads(params, x, y):
    a1 = jnp.tanh(x @ params["w1"] + params["b1"][None, :])
    dz2 = 2 * (y - a1 @ params["w2"] - params["b2"][None, :]) / len(y)
    dz1 = dz2 @ params["w2"].T * (1 - a1**2)
    return {"w1": x.T @ dz1, "b1": dz1.sum(axis=0), "w2": a1.T @ dz2, "b2": dz2.sum(axis=0)}
"""


def test_a_gradient_without_source_has_its_cause_and_leaves(getkey):
    namespace = {"jnp": jnp}
    exec(WITHOUT_SOURCE, namespace)
    said, _ = diagnosed(gradients.loss, namespace["grads"], gradients.problem(getkey()))
    assert [(cause, leaves) for cause, _, leaves in said] == [("sign", {"w1", "b1", "w2", "b2"})]


def test_a_diagnosis_that_fails_does_not_hide_the_verdict(getkey, monkeypatch):
    def failing(*args):
        raise RuntimeError("no diagnosis today")

    monkeypatch.setattr(_findings, "diagnosed", failing)
    said, findings = diagnosed(gradients.loss, gradients.changed(w2=jnp.negative), gradients.problem(getkey()))
    assert said == [("sign", None, {"w2"})] and findings[0].fix
