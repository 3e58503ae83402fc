"""Which mistake: each cause of a statement's result and of what stands inside it, in the words of its line."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp import check

from .findings import normals


def layers(params, x, y, lr):
    a = jnp.tanh(x @ params["w1"])
    return ((a @ params["w2"] - y) ** 2).sum() + (params["w2"] ** 2).sum() / 2


def ones_for_a_cotangent(params, x, y, lr):
    a = jnp.tanh(x @ params["w1"])
    d = 2 * (a @ params["w2"] - y)
    da = jnp.ones_like(a)
    dz = da * (1 - a**2)
    return {"w1": x.T @ dz, "w2": a.T @ d + params["w2"]}


def updated_beside_a_penalty(params, x, y, lr):
    a = jnp.tanh(x @ params["w1"])
    d = 2 * (a @ params["w2"] - y)
    dw2 = a.T @ d + params["w2"]
    new = params["w2"] - lr * dw2
    dz = (d @ new.T) * (1 - a**2)
    return {"w1": x.T @ dz, "w2": dw2}


def turned(params, x, y, lr):
    return ((jnp.tanh(x @ params["w1"]) @ params["w2"].T) * y).sum()


def by_the_step_that_is_taken(params, x, y, lr):
    a = jnp.tanh(x @ params["w1"])
    new = params["w2"] - lr * (y.T @ a)
    da = y @ new
    dz = da * (1 - a**2)
    return {"w1": x.T @ dz, "w2": (params["w2"] - new) / lr}


def a_penalty_too_much(params, x, y, lr):
    a = jnp.tanh(x @ params["w1"])
    d = 2 * (a @ params["w2"] - y)
    dz = (d @ params["w2"].T) * (1 - a**2)
    return {"w1": x.T @ dz + params["w1"], "w2": a.T @ d + params["w2"]}


def scores(params, x, y, lr):
    return (jnp.tanh(x @ params["w"]) * y).sum()


def a_leaf_of_ones(params, x, y, lr):
    dz = y * (1 - jnp.tanh(x @ params["w"]) ** 2)
    dw = jnp.ones_like(x.T @ dz)
    return {"w": dw}


def products(params, x, y, lr):
    return ((x @ params["w"]) * y).sum()


def a_slope_too_much(params, x, y, lr):
    a = x @ params["w"]
    d = y * (a - a**2)
    return {"w": x.T @ d}


def a_difference(params, x, y, lr):
    a = x @ params["w"]
    d = a - y
    return {"w": x.T @ d}


def shifted(params, x, y, lr):
    return ((x @ params["w"]) * y).sum() + lr * params["c"].sum()


def a_difference_from_a_parameter(params, x, y, lr):
    d = params["c"] - y
    return {"w": x.T @ d, "c": jnp.full_like(y, 1.0) * lr}


def rectified(params, x, y, lr):
    return ((jax.nn.relu(x @ params["w"]) - y) ** 2).sum()


def the_other_side(params, x, y, lr):
    z = x @ params["w"]
    d = 2 * (jax.nn.relu(z) - y)
    dz = jnp.where(z < 0, d, 0.0)
    return {"w": x.T @ dz}


def exponential(params, x, y, lr):
    return (jnp.exp(x @ params["w"]) * lr).sum()


def of_minus_the_exponent(params, x, y, lr):
    e = jnp.exp(-(x @ params["w"]))
    return {"w": x.T @ (e * lr)}


def squares(params, x, y, lr):
    return ((x @ params["w"]) ** 2).sum()


def cut_off_above(params, x, y, lr):
    d = 2 * jnp.minimum(x @ params["w"], jnp.sqrt(lr))
    return {"w": x.T @ d}


def squared_twice(params, x, y, lr):
    d = 2 * (x @ params["w"]) ** 2
    return {"w": x.T @ d}


def softplus(params, x, y, lr):
    return jnp.logaddexp(0.0, x @ params["w"]).sum()


def softplus_for_its_slope(params, x, y, lr):
    d = jnp.logaddexp(0.0, x @ params["w"])
    return {"w": x.T @ d}


def sums(params, x, y, lr):
    return (3.0 * (x @ params["w"])).sum()


def a_value_at_a_number(params, x, y, lr):
    d = jnp.full(y.shape, 3.0) * y
    return {"w": x.T @ d}


def counted(params, x, y, lr):
    return lr * (x @ params["w"]).sum()


def counted_twice(params, x, y, lr):
    return {"w": lr * (x.T @ (jnp.ones_like(y) * 2.0))}


def gained(params, x, y, lr):
    return (((x @ params["w"]) * params["g"] - y) ** 2).sum()


def a_gain_twice(params, x, y, lr):
    z = x @ params["w"]
    d = 2 * (z * params["g"] - y)
    dz = d * params["g"] * params["g"]
    return {"w": x.T @ dz, "g": d * z}


def weighed(params, x, y, lr):
    return ((x @ params["w"]) * lr * y).sum()


def a_value_for_a_number(params, x, y, lr):
    return {"w": x.T @ (y * y)}


def scaled(params, x, y, lr):
    return (x @ params["w"] * params["s"]).sum()


def a_number_for_a_gain(params, x, y, lr):
    z = x @ params["w"]
    return {"w": x.T @ (2.0 * jnp.ones_like(z)), "s": z.sum()}


def added(params, x, y, lr):
    return ((x @ params["a"] + lr * (x @ params["b"]).sum() - y) ** 2).sum()


def returning(chosen):
    def gradient(params, x, y, lr):
        d = 2 * (x @ params["a"] + lr * (x @ params["b"]).sum() - y)
        da = x.T @ d
        db = lr * d.sum() * (x.T @ jnp.ones_like(y))
        return {"a": da, "b": chosen(da, db, params)}

    return gradient


RETURN = 'return {"a": da, "b": chosen(da, db, params)}'

# A loss, a wrong gradient, the shapes of the parameters and the targets, the cause, the line, the leaves, what is said.
CASES = {
    "ones for a cotangent": (
        (layers, ones_for_a_cotangent, {"w1": (3, 4), "w2": (4, 2)}),
        ("missing-upstream", "da = jnp.ones_like(a)", ("w1",)),
        "`da` does not use the gradient that comes in",
    ),
    "updated weights beside a right sum of them": (
        (layers, updated_beside_a_penalty, {"w1": (3, 4), "w2": (4, 2)}),
        ("stale-weights", 'new = params["w2"] - lr * dw2', ("w1",)),
        '`new`, which is already updated: the forward pass used `params["w2"]`',
    ),
    "updated weights beside the step": (
        (turned, by_the_step_that_is_taken, {"w1": (3, 4), "w2": (2, 4)}),
        ("stale-weights", "da = y @ new", ("w1",)),
        '`new`, which is already updated: the forward pass used `params["w2"]`',
    ),
    "a penalty too much": (
        (layers, a_penalty_too_much, {"w1": (3, 4), "w2": (4, 2)}),
        (
            "wrong-regularization",
            'return {"w1": x.T @ dz + params["w1"], "w2": a.T @ d + params["w2"]}',
            ("w1",),
        ),
        'the regularization term `params["w1"]`',
    ),
    "a slope too much": (
        (products, a_slope_too_much, {"w": (3, 2)}),
        ("extra-activation-derivative", "d = y * (a - a**2)", ("w",)),
        "`a * (1 - a)` once too often",
    ),
    "a value that is subtracted from": (
        (products, a_difference, {"w": (3, 2)}),
        ("double-counted-term", "d = a - y", ("w",)),
        "counts the term `a` of a sum more than once",
    ),
    "a parameter that is subtracted from": (
        (shifted, a_difference_from_a_parameter, {"w": (3, 2), "c": (4, 2)}),
        ("wrong-regularization", 'd = params["c"] - y', ("w",)),
        'the regularization term `params["c"]`',
    ),
    "the other side of relu": (
        (rectified, the_other_side, {"w": (3, 2)}),
        ("wrong-mask", "dz = jnp.where(z < 0, d, 0.0)", ("w",)),
        "at the wrong entries",
    ),
    "ones twice": (
        (counted, counted_twice, {"w": (3, 2)}),
        ("scale-constant", 'return {"w": lr * (x.T @ (jnp.ones_like(y) * 2.0))}', ("w",)),
        "is 2 times what it must be",
    ),
    "a leaf of ones": (
        (scores, a_leaf_of_ones, {"w": (3, 2)}),
        ("missing-upstream", "dw = jnp.ones_like(x.T @ dz)", ("w",)),
        "`dw` does not use the gradient that comes in",
    ),
    "minus the exponent": (
        (exponential, of_minus_the_exponent, {"w": (3, 2)}),
        ("sign", 'e = jnp.exp(-(x @ params["w"]))', ("w",)),
        "sign",
    ),
    "a bound that the loss has not": (
        (squares, cut_off_above, {"w": (3, 2)}),
        ("wrong-mask", 'd = 2 * jnp.minimum(x @ params["w"], jnp.sqrt(lr))', ("w",)),
        "at the wrong entries",
    ),
    "a value at a number": (
        (sums, a_value_at_a_number, {"w": (3, 2)}),
        ("extra-factor", "d = jnp.full(y.shape, 3.0) * y", ("w",)),
        "multiplied by the factor `y` that does not belong there",
    ),
    "a gain twice": (
        (gained, a_gain_twice, {"w": (3, 2), "g": (4, 2)}),
        ("extra-factor", 'dz = d * params["g"] * params["g"]', ("w",)),
        'the factor `params["g"]` that does not belong there',
    ),
    "a value for a number": (
        (weighed, a_value_for_a_number, {"w": (3, 2)}),
        ("extra-factor", 'return {"w": x.T @ (y * y)}', ("w",)),
        "the factor `y` that does not belong there",
    ),
    "a number for a gain": (
        (scaled, a_number_for_a_gain, {"w": (3, 2), "s": ()}),
        ("missing-factor", 'return {"w": x.T @ (2.0 * jnp.ones_like(z)), "s": z.sum()}', ("w",)),
        'lacks the factor `params["s"]`',
    ),
    "another leaf returned": (
        (added, returning(lambda da, db, params: da), {"a": (3, 2), "b": (3, 2)}),
        ("wrong-operand", RETURN, ("b",)),
        "uses `da` where `db` belongs",
    ),
    "ones returned": (
        (added, returning(lambda da, db, params: jnp.ones_like(db)), {"a": (3, 2), "b": (3, 2)}),
        ("missing-upstream", RETURN, ("b",)),
        "does not use the incoming gradient `db`",
    ),
    "a parameter returned": (
        (added, returning(lambda da, db, params: params["b"]), {"a": (3, 2), "b": (3, 2)}),
        ("wrong-operand", RETURN, ("b",)),
        'uses `params["b"]` where `db` belongs',
    ),
    "softplus for its slope": (
        (softplus, softplus_for_its_slope, {"w": (3, 2)}),
        ("wrong-operand", 'd = jnp.logaddexp(0.0, x @ params["w"])', ("w",)),
        "another value than the one that belongs there",
    ),
    "a square for a value": (
        (squares, squared_twice, {"w": (3, 2)}),
        ("wrong-operand", 'd = 2 * (x @ params["w"]) ** 2', ("w",)),
        "raises `x @ params['w']` to the power 2 where 1 belongs",
    ),
}


@pytest.mark.parametrize(("case", "expected", "said"), CASES.values(), ids=CASES)
def test_a_mistake_is_named(getkey, case, expected, said):
    loss, gradient, shapes = case
    *leaves, x, y = normals(getkey, *shapes.values(), (4, 3), (4, 2))
    params = dict(zip(shapes, leaves, strict=True))
    report = check(loss, gradient, params, x, y, jnp.asarray(np.float64(0.05)))
    assert report.verdict == "wrong"
    [finding] = report.findings
    assert (finding.cause, finding.line and finding.line.text, tuple(sorted(finding.leaves))) == expected
    assert said in finding.message
