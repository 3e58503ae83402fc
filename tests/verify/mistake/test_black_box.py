"""The mistakes of gradients that JAX cannot look into, each named by the line of the loss that it goes back through."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp import check

from ...helpers import normal


LAM = 0.1


def loss(params, x, mask, y):
    z = x @ params["w"]
    a = jnp.tanh(z)
    kept = jnp.where(mask, a, 0.0)
    scaled = kept * params["gamma"]
    mixed = scaled + a @ params["v"]
    h = jax.nn.relu(mixed)
    out = h @ params["u"] + params["b"]
    error = ((out - y) ** 2).sum(axis=1).mean()
    return error + LAM / 2 * (params["u"] ** 2).sum()


def grads(
    params,
    x,
    mask,
    y,
    *,
    mixing=lambda kept, gamma, v, a: kept * gamma + a @ v,
    dout=lambda out, y: 2 * (out - y) / len(y),
    dmixed=lambda dh, mixed: dh * (mixed > 0),
    dkept=lambda dmixed, gamma: dmixed * gamma,
    first=lambda dkept, mask: np.where(mask, dkept, 0.0),
    second=lambda dmixed, v: dmixed @ v.T,
    dz=lambda da, z, a: da * (1 - a**2),
    into_v=lambda z, a: a,
    db=lambda dout: dout.sum(axis=0, keepdims=True),
    penalty=lambda u, w: (LAM * u, 0.0),
):
    """The gradient in NumPy; each part is where a mistake can be put."""
    w, gamma, v, u = params["w"], params["gamma"], params["v"], params["u"]
    z = x @ w
    a = np.tanh(z)
    kept = np.where(mask, a, 0.0)
    mixed = mixing(kept, gamma, v, a)
    h = np.maximum(mixed, 0.0)
    d = dout(h @ u + params["b"], y)
    dm = dmixed(d @ u.T, mixed)
    da = first(dkept(dm, gamma), mask) + second(dm, v)
    of_u, of_w = penalty(u, w)
    return {
        "b": db(d),
        "gamma": (kept * dm).sum(axis=0, keepdims=True),
        "u": h.T @ d + of_u,
        "v": into_v(z, a).T @ dm,
        "w": x.T @ dz(da, z, a) + of_w,
    }


def problem(getkey):
    shapes = {"b": (1, 4), "gamma": (1, 4), "u": (4, 4), "v": (4, 4), "w": (3, 4)}
    params = {name: np.asarray(normal(getkey(), shape)) for name, shape in shapes.items()}
    x, y, mask = (np.asarray(normal(getkey(), shape)) for shape in ((4, 3), (4, 4), (4, 4)))
    return params, x, mask > 0, y


def from_memory(x):
    """The same numbers, read as a compiled kernel does."""
    x = np.asarray(x)
    return np.frombuffer(x.tobytes(), x.dtype).reshape(x.shape)


def in_a_box(gradient):
    """The same, where JAX cannot follow."""

    def boxed(params, x, mask, y):
        return gradient(params, from_memory(x), mask, y)

    return boxed


EACH, BEFORE = ("b", "gamma", "u", "v", "w"), ("gamma", "v", "w")
A, KEPT, SCALED = "a = jnp.tanh(z)", "kept = jnp.where(mask, a, 0.0)", 'scaled = kept * params["gamma"]'
MIXED, H = 'mixed = scaled + a @ params["v"]', "h = jax.nn.relu(mixed)"
OUT, ERROR = 'out = h @ params["u"] + params["b"]', "error = ((out - y) ** 2).sum(axis=1).mean()"
PENALTY = 'return error + LAM / 2 * (params["u"] ** 2).sum()'

MISTAKES = {
    "the_slope_of_tanh": (
        {"dz": lambda da, z, a: da},
        ("missing-activation-derivative", A, ("w",), None),
        "lacks the slope of the activation, `(1 - a**2)`.",
    ),
    "that_slope_twice": (
        {"dz": lambda da, z, a: da * (1 - a**2) ** 2},
        ("extra-activation-derivative", A, ("w",), None),
        "`(1 - a**2)` once too often",
    ),
    "the_slope_of_a_sigmoid": (
        {"dz": lambda da, z, a: da * a * (1 - a)},
        ("wrong-activation-derivative", A, ("w",), None),
        "something else than the slope",
    ),
    "the_mask_of_relu": (
        {"dmixed": lambda dh, mixed: dh},
        ("missing-activation-derivative", H, BEFORE, None),
        "`(mixed > 0)`",
    ),
    "the_other_side_of_relu": (
        {"dmixed": lambda dh, mixed: dh * (mixed < 0)},
        ("wrong-mask", H, BEFORE, None),
        "wrong entries",
    ),
    "the_mask_of_the_data": (
        {"first": lambda dkept, mask: dkept},
        ("missing-factor", KEPT, ("w",), None),
        "lacks the factor `mask`",
    ),
    "the_other_side_of_that_mask": (
        {"first": lambda dkept, mask: np.where(mask, 0.0, dkept)},
        ("wrong-mask", KEPT, ("w",), None),
        "wrong entries",
    ),
    "a_factor": (
        {"dkept": lambda dmixed, gamma: dmixed},
        ("missing-factor", SCALED, ("w",), None),
        'lacks the factor `params["gamma"]`',
    ),
    "a_value_for_a_factor_more": (
        {"dz": lambda da, z, a: da * (1 - a**2) * a},
        ("extra-factor", A, ("w",), None),
        "multiplied by the factor `a` that",
    ),
    "one_use_of_two": (
        {"second": lambda dmixed, v: 0.0},
        ("missing-term", MIXED, ("w",), None),
        "lacks one term of a sum",
    ),
    "the_other_use": (
        {"first": lambda dkept, mask: 0.0},
        ("missing-term", KEPT, ("w",), None),
        "lacks one term of a sum",
    ),
    "one_use_twice": (
        {"second": lambda dmixed, v: 2 * dmixed @ v.T},
        ("double-counted-term", MIXED, ("w",), None),
        "more than once",
    ),
    "one_use_with_another_sign": (
        {"second": lambda dmixed, v: -dmixed @ v.T},
        ("sign", MIXED, ("w",), -1.0),
        "A part of the gradient of `w` has the wrong sign",
    ),
    "one_use_three_times": (
        {"second": lambda dmixed, v: 3 * dmixed @ v.T},
        ("scale-constant", MIXED, ("w",), 3.0),
        "A part of the gradient of `w` is 3 times what it must be",
    ),
    "one_use_summed_over_the_batch": (
        {"dkept": lambda dmixed, gamma: 4 * dmixed * gamma},
        ("scale-batch", SCALED, ("w",), 4.0),
        "A part of the gradient of `w` is 4 times too large",
    ),
    "one_use_averaged_twice": (
        {"dkept": lambda dmixed, gamma: dmixed * gamma / 4},
        ("scale-batch", SCALED, ("w",), 0.25),
        "A part of the gradient of `w` is 4 times too small",
    ),
    "a_square_matrix_turned": (
        {"second": lambda dmixed, v: dmixed @ v},
        ("transposed", MIXED, ("w",), None),
        "On the way to the gradient of `w`",
    ),
    "the_other_axis": (
        {"db": lambda dout: dout.sum(axis=1)[None, :]},
        ("wrong-reduction-axis", OUT, ("b",), None),
        "axis 1 instead of axis 0",
    ),
    "the_value_before_the_activation": (
        {"into_v": lambda z, a: z},
        ("wrong-operand", MIXED, ("v",), None),
        "uses `z` where `a` belongs",
    ),
    "the_output_for_the_error": (
        {"dout": lambda out, y: 2 * out / len(y)},
        ("missing-term", ERROR, EACH, None),
        "lacks the term `y` of a sum",
    ),
    "another_power": (
        {"dout": lambda out, y: (out - y) ** 2},
        ("extra-factor", ERROR, EACH, None),
        "does not belong there",
    ),
    "a_term_of_the_forward_pass": (
        {"mixing": lambda kept, gamma, v, a: kept * gamma},
        ("wrong-forward", MIXED, EACH, None),
        "rests on a forward value",
    ),
    "no_penalty": (
        {"penalty": lambda u, w: (0.0, 0.0)},
        ("missing-regularization", PENALTY, ("u",), None),
        "lacks the derivative",
    ),
    "twice_the_penalty": (
        {"penalty": lambda u, w: (2 * LAM * u, 0.0)},
        ("wrong-regularization", PENALTY, ("u",), None),
        "right but for the derivative",
    ),
    "a_penalty_that_the_loss_has_not": (
        {"penalty": lambda u, w: (LAM * u, LAM * w)},
        ("wrong-regularization", 'z = x @ params["w"]', ("w",), None),
        "right but for the derivative",
    ),
}


def test_the_right_gradient_is_a_black_box_and_right(getkey):
    assert check(loss, in_a_box(grads), *problem(getkey)).verdict == "right"


@pytest.mark.parametrize(("wrong", "expected", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_named_by_a_line_of_the_loss(getkey, wrong, expected, said):
    report = check(loss, in_a_box(partial(grads, **wrong)), *problem(getkey))
    assert report.verdict == "wrong"
    [finding] = report.findings
    assert finding.line is not None and finding.evidence is not None and "a line of the loss" in finding.evidence
    assert (finding.cause, finding.line.text, tuple(sorted(finding.leaves)), finding.factor) == expected
    assert said in finding.message
    assert {leaf.path for leaf in report.leaves if not leaf.ok} == set(finding.leaves)


def logistic(z):
    return 1 / (1 + np.exp(-z))


def squared(params, x, y):
    return ((jnp.tanh(x @ params["w"]) - y) ** 2).mean()


def crossed(params, x, y):
    p = jax.nn.sigmoid(x @ params["w"])
    return -(y * jnp.log(p) + (1 - y) * jnp.log(1 - p)).mean()


def weighted(params, x, y):
    p = jax.nn.sigmoid(x @ params["w"])
    return (p * y).sum()


TANH, SIGMOID = 'return ((jnp.tanh(x @ params["w"]) - y) ** 2).mean()', 'p = jax.nn.sigmoid(x @ params["w"])'
LOGS, PRODUCT = "return -(y * jnp.log(p) + (1 - y) * jnp.log(1 - p)).mean()", "return (p * y).sum()"

# The wrong derivative by `x @ w`, from the activation's value and the targets, but for a constant of the loss.
OF_ONE_LAYER = {
    "no_slope_in_one_line": (squared, np.tanh, lambda a, y: a - y, "missing-activation-derivative", TANH),
    "a_slope_twice_in_one_line": (
        squared,
        np.tanh,
        lambda a, y: (a - y) * (1 - a**2) ** 2,
        "extra-activation-derivative",
        TANH,
    ),
    "the_target_alone": (squared, np.tanh, lambda a, y: -y * (1 - a**2), "missing-term", TANH),
    "a_part_of_the_slope": (squared, np.tanh, lambda a, y: (a - y) * (1 - a), "wrong-activation-derivative", TANH),
    "one_of_two_logs": (crossed, logistic, lambda p, y: -y * (1 - p), "missing-term", LOGS),
    "the_other_target": (crossed, logistic, lambda p, y: p - 1 + y, "wrong-operand", LOGS),
    "a_slope_too_much": (crossed, logistic, lambda p, y: (p - y) * p * (1 - p), "extra-activation-derivative", SIGMOID),
    "the_slope_of_tanh": (weighted, logistic, lambda p, y: y * (1 - p**2), "wrong-activation-derivative", SIGMOID),
    "half_of_the_slope": (weighted, logistic, lambda p, y: y * (1 - p), "wrong-activation-derivative", SIGMOID),
    "the_other_half": (weighted, logistic, lambda p, y: y * p, "wrong-activation-derivative", SIGMOID),
    "what_comes_in": (weighted, logistic, lambda p, y: p * (1 - p), "missing-factor", PRODUCT),
    "nothing_that_is_known": (squared, np.tanh, lambda a, y: np.cosh(a), "unknown", None),
}


@pytest.mark.parametrize(("loss", "activation", "wrong", "cause", "line"), OF_ONE_LAYER.values(), ids=OF_ONE_LAYER)
def test_a_mistake_of_one_layer_is_named(getkey, loss, activation, wrong, cause, line):
    def gradient(params, x, y):
        x = from_memory(x)
        return {"w": x.T @ wrong(activation(x @ params["w"]), y) / share}

    share = {squared: 4, crossed: 8, weighted: 1}[loss]
    w, x, y = (np.asarray(normal(getkey(), shape)) for shape in ((3, 2), (4, 3), (4, 2)))
    [finding] = check(loss, gradient, {"w": w}, x, np.abs(y)).findings
    assert (finding.cause, finding.line and finding.line.text, finding.leaves) == (cause, line, ("w",))
