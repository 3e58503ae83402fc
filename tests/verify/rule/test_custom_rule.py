"""Custom rules: right ones pass, in JAX and by hand, and every kind of wrong one is caught and named."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxmlp import check_rule

from ...helpers import normal


def with_vjp(function, fwd, bwd, nondiff_argnums=(), **options):
    f = jax.custom_vjp(function, nondiff_argnums=nondiff_argnums)
    f.defvjp(fwd, bwd, **options)
    return f


def with_jvp(function, rule):
    f = jax.custom_jvp(function)
    f.defjvp(rule)
    return f


def product(x, w):
    return jnp.sin(x) * w


def product_fwd(x, w):
    return product(x, w), (x, w)


def product_bwd(residuals, dout):
    x, w = residuals
    return dout * jnp.cos(x) * w, dout * jnp.sin(x)


def changed(dx=lambda x, w, dout: dout * jnp.cos(x) * w, dw=lambda x, w, dout: dout * jnp.sin(x)):
    """The backward half of `product`, one cotangent of it changed."""
    return lambda residuals, dout: (dx(*residuals, dout), dw(*residuals, dout))


@pytest.fixture
def xw(getkey):
    x, w = normal(getkey(), (2, 4), "float32")
    return x, w


def causes(report):
    return [finding.cause for finding in report.findings]


def wrong_leaves(report):
    return [leaf.path for leaf in report.leaves if leaf.verdict == "wrong"]


# Right rules.


@jax.custom_jvp
def log1pexp(x):
    return jnp.log(1.0 + jnp.exp(x))


@log1pexp.defjvp
def log1pexp_jvp(primals, tangents):
    (x,), (x_dot,) = primals, tangents
    return log1pexp(x), (1 - 1 / (1 + jnp.exp(x))) * x_dot


tanh = with_vjp(jnp.tanh, lambda x: (jnp.tanh(x), jnp.tanh(x)), lambda a, dout: (dout * (1 - a * a),))


@pytest.mark.parametrize(
    "f",
    (log1pexp, jax.jit(log1pexp), jax.nn.relu, jax.nn.relu6, jax.nn.softplus, tanh, jax.vmap(tanh)),
    ids=("log1pexp", "jit", "relu", "relu6", "softplus", "tanh", "vmap"),
)
def test_a_right_rule_is_right(getkey, f):
    report = check_rule(f, normal(getkey(), (4,), "float32"))
    assert report.ok and not report.findings, report
    assert report.leaves[0].path == "(value)"


def test_a_loss_with_a_rule_inside_is_right(xw):
    x, w = xw
    assert check_rule(optax.losses.sigmoid_binary_cross_entropy, x, jax.nn.sigmoid(w)).ok


def test_a_rule_with_two_inputs_is_right_and_its_leaves_are_named(xw):
    report = check_rule(with_vjp(product, product_fwd, product_bwd), *xw)
    assert report.ok and [leaf.path for leaf in report.leaves] == ["(value)", "x", "w"]


@pytest.mark.parametrize("dtype", ("bfloat16", "float16", "float64"))
def test_a_rule_is_right_in_every_dtype(getkey, dtype):
    assert check_rule(tanh, normal(getkey(), (4,)).astype(dtype)).ok


def test_inputs_and_outputs_may_differ_in_dtype(xw):
    scaled = lambda x, s: (x.astype(s.dtype) * s).astype(x.dtype)
    dx = lambda x, s, dout: (dout.astype(s.dtype) * s).astype(x.dtype)
    ds = lambda x, s, dout: dout.astype(s.dtype) * x.astype(s.dtype)
    fwd = lambda x, s: (scaled(x, s), (x, s))
    report = check_rule(with_vjp(scaled, fwd, changed(dx, ds)), xw[0].astype("bfloat16"), xw[1])
    assert report.ok and not report.findings, report


def test_rounding_is_no_bend(xw):
    """A rule that rounds to bfloat16 on the way, or takes float32 and no other dtype."""
    coarse = lambda value: value.astype("bfloat16").astype(value.dtype)
    function = lambda x: coarse(jnp.sin(x))
    bwd = lambda x, dout: (coarse(coarse(dout) * jnp.cos(x)),)
    assert "not-linear" not in causes(check_rule(with_vjp(function, lambda x: (function(x), x), bwd), xw[0]))
    scaled = lambda x, s: (x.astype("float32") * s).astype("bfloat16")
    dx = lambda x, s, dout: (dout.astype("float32") * s).astype("bfloat16")
    ds = lambda x, s, dout: dout.astype("float32") * x.astype("float32")
    only32 = with_vjp(scaled, lambda x, s: (scaled(x, s), (x, s)), changed(dx, ds))
    assert check_rule(only32, xw[0].astype("bfloat16"), xw[1]).verdict == "undecided"
    loss = optax.losses.sigmoid_binary_cross_entropy
    assert check_rule(loss, jnp.zeros(4), jnp.asarray([0.2, 0.8, 0.3, 0.9])).verdict != "wrong"


def test_a_rule_that_is_defined_anew_is_checked_anew(xw):
    """And then has a stale residual: the input, where its formula wants the output."""
    f = with_vjp(jnp.tanh, lambda x: (jnp.tanh(x), jnp.tanh(x)), lambda a, dout: (dout * (1 - a * a),))
    assert check_rule(f, xw[0]).ok
    f.defvjp(lambda x: (jnp.tanh(x), x), lambda x, dout: (dout * (1 - x * x),))
    assert check_rule(f, xw[0]).verdict == "wrong"


def test_a_python_number_is_an_input():
    assert check_rule(tanh, 0.3).ok


def test_inputs_without_numbers_to_differentiate_by_have_no_cotangent(xw):
    x, _ = xw
    labels, mask = jnp.asarray([0, 1, 1, 0]), jnp.asarray([True, False, True, True])
    masked = lambda x, labels, mask: jnp.where(mask, jnp.sin(x), 0) * labels.astype(x.dtype)
    fwd = lambda *inputs: (masked(*inputs), inputs)
    dx = lambda inputs, dout: jnp.where(inputs[2], jnp.cos(inputs[0]), 0) * inputs[1].astype(dout.dtype) * dout
    none = with_vjp(masked, fwd, lambda inputs, dout: (dx(inputs, dout), None, None))
    float0 = np.zeros(4, jax.dtypes.float0)
    explicit = with_vjp(masked, fwd, lambda inputs, dout: (dx(inputs, dout), float0, float0))
    for f in (none, explicit):
        report = check_rule(f, x, labels, mask)
        assert report.ok and [leaf.path for leaf in report.leaves] == ["(value)", "x"]


def test_trees_go_in_and_out(xw):
    x, w = xw
    function = lambda p, y: {"product": p["w"] * p["b"], "count": y + 1}
    bwd = lambda p, dout: ({"w": dout["product"] * p["b"], "b": dout["product"] * p["w"]}, None)
    fwd = lambda p, y: (function(p, y), p)
    right = check_rule(with_vjp(function, fwd, bwd), {"w": x, "b": w}, jnp.arange(3))
    assert right.ok and [leaf.path for leaf in right.leaves] == ["(value)", "p.b", "p.w"]
    minus = with_vjp(function, fwd, lambda p, dout: ({**bwd(p, dout)[0], "b": -bwd(p, dout)[0]["b"]}, None))
    wrong = check_rule(minus, {"w": x, "b": w}, jnp.arange(3))
    assert causes(wrong) == ["sign"] and wrong_leaves(wrong) == ["p.b"]


def power(n, x, name):
    del name
    return jnp.sin(x) ** n


def power_bwd(n, name, x, dout):
    del name
    return (dout * n * jnp.sin(x) ** (n - 1) * jnp.cos(x),)


def test_nondiff_argnums_are_passed_as_they_are(xw):
    x, w = xw
    f = with_vjp(power, lambda n, x, name: (power(n, x, name), x), power_bwd, nondiff_argnums=(0, 2))
    assert check_rule(f, 3, x, "cube").ok
    assert check_rule(partial(f, 2, name="square"), x).ok
    of = with_vjp(
        lambda g, x: g(x), lambda g, x: (g(x), x), lambda g, x, d: (d * jax.vmap(jax.grad(g))(x),), nondiff_argnums=(0,)
    )
    assert check_rule(of, jnp.sin, x).ok
    scaled = with_vjp(product, lambda x, w: (product(x, w), x), lambda w, x, d: (d * w * jnp.cos(x),), (1,))
    assert check_rule(scaled, x, w).ok, "an array may be one, as long as nothing traces it"


def test_defaults_are_inputs_too(xw):
    x, _ = xw
    f = with_vjp(
        lambda x, alpha=2.0: jnp.sin(alpha * x),
        lambda x, alpha: (jnp.sin(alpha * x), (x, alpha)),
        lambda xa, d: (d * xa[1] * jnp.cos(xa[1] * xa[0]), (d * xa[0] * jnp.cos(xa[1] * xa[0])).sum()),
    )
    assert [leaf.path for leaf in check_rule(f, x).leaves] == ["(value)", "x", "alpha"]
    assert check_rule(partial(f, alpha=3.0), x).ok


def test_symbolic_zeros_are_jax_s_to_give(xw):
    def bwd(residuals, dout):
        if isinstance(dout, jax.custom_derivatives.SymbolicZero):
            return None, None
        return product_bwd(residuals, dout)

    fwd = lambda x, w: (product(x.value, w.value), (x.value, w.value))
    assert check_rule(with_vjp(product, fwd, bwd, symbolic_zeros=True), *xw).ok


def newton(a):
    """The square root of `a`, by a loop through which there is forward mode only."""
    step = lambda y: (y + a / y) / 2
    return jax.lax.while_loop(lambda y: jnp.abs(y * y - a).max() > 1e-14 * a.max(), step, a)


def test_a_loop_that_only_forward_mode_differentiates_is_a_truth():
    a = jnp.asarray([2.0, 3.0, 5.0])
    assert check_rule(with_vjp(newton, lambda a: (newton(a), newton(a)), lambda y, d: (d / (2 * y),)), a).ok
    wrong = check_rule(with_vjp(newton, lambda a: (newton(a), newton(a)), lambda y, d: (d / y,)), a)
    assert causes(wrong) == ["scale-constant"] and wrong.findings[0].factor == pytest.approx(2)


stale = with_vjp(jnp.tanh, lambda x: (jnp.tanh(x), x), lambda x, dout: (dout * (1 - x * x),))


@pytest.mark.parametrize(
    "around",
    (
        lambda f: lambda x: jax.lax.scan(lambda c, _: (f(c), None), x, None, length=3)[0],
        lambda f: lambda x: jax.lax.cond(x.sum() > 1e6, jnp.sin, f, x),
        lambda f: lambda x: 2 * jax.jit(f)(x) + 1,
        lambda f: jax.checkpoint(f),
    ),
    ids=("scan", "cond", "jit", "checkpoint"),
)
def test_rules_deep_inside_are_checked(xw, around):
    assert check_rule(around(tanh), xw[0]).ok
    assert check_rule(around(stale), xw[0]).verdict == "wrong"


# Wrong cotangents.

WRONG = {
    "a sign": (changed(dx=lambda x, w, dout: -dout * jnp.cos(x) * w), "sign", ["x"]),
    "no slope": (changed(dx=lambda x, w, dout: dout * w), "missing-activation-derivative", ["x"]),
    "dout ignored": (changed(dw=lambda x, w, dout: jnp.sin(x)), "missing-upstream", ["w"]),
    "swapped": (lambda residuals, dout: product_bwd(residuals, dout)[::-1], "swapped-leaves", ["x", "w"]),
    "None": (lambda residuals, dout: (None, product_bwd(residuals, dout)[1]), "zero-gradient", ["x"]),
    "a constant added": (changed(dx=lambda x, w, dout: dout * jnp.cos(x) * w + 1), "not-zero", ["x"]),
    "clipped": (changed(dx=lambda x, w, dout: jnp.clip(dout, -1, 1) * jnp.cos(x) * w), "not-linear", ["x"]),
    "clipped far away": (changed(dx=lambda x, w, dout: jnp.clip(dout, -99, 99) * jnp.cos(x) * w), "not-linear", ["x"]),
    "divided by dout": (changed(dx=lambda x, w, dout: dout * dout / dout * jnp.cos(x) * w), "not-zero", ["x"]),
    "absolute": (changed(dw=lambda x, w, dout: jnp.abs(dout) * jnp.sin(x)), "not-linear", ["w"]),
    "too few": (lambda residuals, dout: product_bwd(residuals, dout)[:1], "shape", ["x", "w"]),
    "too many": (lambda residuals, dout: (*product_bwd(residuals, dout), None), "shape", ["x", "w"]),
    "bare": (lambda residuals, dout: product_bwd(residuals, dout)[0], "shape", ["x", "w"]),
    "a tree": (changed(dx=lambda x, w, dout: {"x": dout}), "shape", ["x", "w"]),
    "a sum": (changed(dx=lambda x, w, dout: (dout * jnp.cos(x) * w).sum()), "shape", ["x"]),
    "bfloat16": (changed(dx=lambda x, w, dout: (dout * jnp.cos(x) * w).astype("bfloat16")), "shape", ["x"]),
    "float64": (changed(dx=lambda x, w, dout: (dout * jnp.cos(x) * w).astype("float64")), "shape", ["x"]),
    "an error": (changed(dx=lambda x, w, dout: dout @ jnp.ones((7, 2))), "refused", ["x", "w"]),
}


@pytest.fixture(scope="module")
def reports():
    """`reports(mistake)`: the report on the pair with this backward half of `WRONG`."""
    x, w = normal(jax.random.key(0), (2, 4), "float32")
    return cache(lambda mistake: check_rule(with_vjp(product, product_fwd, WRONG[mistake][0]), x, w))


@pytest.mark.parametrize("mistake", WRONG)
def test_a_wrong_backward_is_caught(reports, mistake):
    _, cause, leaves = WRONG[mistake]
    report = reports(mistake)
    assert report.verdict == "wrong", report
    assert causes(report)[0] == cause, report
    assert wrong_leaves(report) == leaves, report


def test_an_input_is_called_by_its_own_name(getkey):
    def gated(x, w1, w2):
        return jnp.tanh(x @ w1) * (x @ w2)

    def bwd(residuals, dout):
        x, w1, w2, a, b = residuals
        da, db = dout * b * (1 - a**2), dout * a
        dx = da @ w1.T + db @ w1.T
        return dx, x.T @ da, x.T @ db

    fwd = lambda x, w1, w2: (gated(x, w1, w2), (x, w1, w2, jnp.tanh(x @ w1), x @ w2))
    x, w1, w2 = (normal(getkey(), shape) for shape in ((5, 4), (4, 3), (4, 3)))
    (finding,) = check_rule(with_vjp(gated, fwd, bwd), x, w1, w2).findings
    assert finding.message == "`dx` uses `w1` where `w2` belongs."


def test_the_examples_are_counted_by_the_output(getkey):
    """As many features as one of the inputs has numbers, and no batch is averaged over."""

    def scaled(x, g):
        return x / jnp.sqrt(jnp.mean(x**2, axis=1, keepdims=True)) * g[None]

    def bwd(residuals, dout):
        x, g = residuals
        r = 1 / jnp.sqrt(jnp.mean(x**2, axis=1, keepdims=True))
        dy = dout * g[None]
        dx = r * dy - r**3 * x * jnp.sum(dy * x, axis=1, keepdims=True)
        return dx, jnp.sum(dout * x * r, axis=0)

    x, g = normal(getkey(), (5, 4)), normal(getkey(), (4,))
    report = check_rule(with_vjp(scaled, lambda x, g: (scaled(x, g), (x, g)), bwd), x, g)
    assert causes(report) == ["scale-constant"]


def test_too_few_cotangents_are_counted(reports):
    assert reports("too few").findings[0].message == "`bwd` returns 1 cotangent for 2 inputs, `x` and `w`."
    assert "`(dx,)`" in str(reports("bare").findings[0].fix)


def test_a_built_in_function_without_a_signature_has_no_rule_in_jax_either(xw):
    rule = with_vjp(getattr, lambda x, name: (x.T, None), lambda name, _, dout: (dout.T,), nondiff_argnums=(1,))
    with pytest.raises(ValueError, match="signature"):
        rule(xw[0], "T")
    with pytest.raises(ValueError, match="`inputs` are not the arguments of `f`: .*signature"):
        check_rule(rule, xw[0], "T")


def test_what_is_no_number_is_refused(xw):
    named = with_vjp(lambda x, name: jnp.sin(x), lambda x, name: (jnp.sin(x), x), lambda x, d: (d * jnp.cos(x), None))
    with pytest.raises(TypeError, match="input `name` holds a str, and a custom rule takes numbers only: put the"):
        check_rule(named, xw[0], "sin")


@pytest.mark.parametrize("sign", (1, -1))
@pytest.mark.parametrize(("dtype", "says"), (("bfloat16", "digits are lost"), ("float64", "JAX passes it on as it is")))
def test_a_cotangent_in_another_dtype_is_a_mistake_told_once(xw, dtype, says, sign):
    bwd = changed(dw=lambda x, w, dout: sign * (dout * jnp.sin(x)).astype(dtype))
    report = check_rule(with_vjp(product, product_fwd, bwd), *xw)
    (finding,) = (finding for finding in report.findings if finding.cause == "shape")
    assert wrong_leaves(report) == ["w"] and finding.leaves == ("w",)
    assert f"has dtype {dtype}" in finding.message and says in finding.message


def test_a_cotangent_for_a_nondiff_argument_is_one_too_many(xw):
    bwd = lambda n, name, x, dout: (None, *power_bwd(n, name, x, dout), None)
    f = with_vjp(power, lambda n, x, name: (power(n, x, name), x), bwd, nondiff_argnums=(0, 2))
    assert "returns 3 cotangents for 1 input, `x`" in check_rule(f, 3, xw[0], "cube").findings[0].message


def test_a_list_of_cotangents_is_as_good_as_a_tuple(xw):
    assert check_rule(with_vjp(product, product_fwd, lambda r, d: list(product_bwd(r, d))), *xw).ok


def test_a_fwd_with_another_value_is_caught(xw):
    report = check_rule(with_vjp(product, lambda x, w: (2 * product(x, w), (x, w)), product_bwd), *xw)
    assert causes(report) == ["wrong-forward"] and wrong_leaves(report) == ["(value)"]
    assert "`fwd` does not return" in report.findings[0].message


@pytest.mark.parametrize(
    ("function", "bwd"),
    (
        (lambda x: x, lambda _, dout: (jnp.clip(dout, -1, 1),)),
        (lambda x: x, lambda _, dout: (-dout,)),
        (lambda x: jnp.round(x), lambda _, dout: (dout,)),
    ),
    ids=("clipping", "reversal", "straight-through"),
)
def test_a_rule_that_means_to_differ_is_wrong_and_told_why(xw, function, bwd):
    report = check_rule(with_vjp(function, lambda x: (function(x), ()), bwd), xw[0])
    assert report.verdict == "wrong" and causes(report)[-1] == "deliberate"
    assert "on purpose" in report.findings[-1].message


# Right to first order in reverse mode, and wrong beyond.


def test_a_wrong_second_derivative_is_caught(xw):
    stopped = changed(dx=lambda x, w, dout: dout * jax.lax.stop_gradient(jnp.cos(x) * w))
    report = check_rule(with_vjp(product, product_fwd, stopped), *xw)
    assert causes(report) == ["second-order"]
    assert wrong_leaves(report) == ["x (second order)", "w (second order)"]


def test_a_stop_at_dout_is_a_wrong_second_derivative_by_dout(xw):
    stopped = changed(dw=lambda x, w, dout: jax.lax.stop_gradient(dout) * jnp.sin(x))
    report = check_rule(with_vjp(product, product_fwd, stopped), *xw)
    assert wrong_leaves(report) == ["dout.0 (second order)"]


def callback(*residuals_and_dout):
    x, w, dout = residuals_and_dout
    return jax.pure_callback(lambda x, w, d: d * np.cos(x) * w, jax.ShapeDtypeStruct(x.shape, x.dtype), x, w, dout)


def test_what_a_right_rule_cannot_do_is_said_and_not_held_against_it(xw):
    report = check_rule(with_vjp(product, product_fwd, changed(dx=callback)), *xw)
    assert report.ok and causes(report) == ["only-once", "not-transformable"]
    assert "does not work under `vmap`" in report.findings[1].message


def test_a_backward_in_numpy_is_checked_and_does_not_work_under_jit(xw):
    numpy = lambda residuals, dout: product_bwd(map(np.asarray, residuals), np.asarray(dout))
    report = check_rule(with_vjp(product, product_fwd, numpy), *xw)
    assert report.ok and causes(report) == ["not-transformable"] and "`jit`" in report.findings[0].message
    wrong = lambda residuals, dout: (-numpy(residuals, dout)[0], numpy(residuals, dout)[1])
    assert causes(check_rule(with_vjp(product, product_fwd, wrong), *xw)) == ["sign"]


@pytest.mark.parametrize("dtype", ("float16", "float32"))
def test_a_rule_that_refuses_float64_is_as_linear_as_its_dtype_shows(dtype):
    def bwd(x, dout):
        if x.dtype != dtype:
            raise TypeError(f"this kernel takes {dtype}")
        x, dout = np.asarray(x), np.asarray(dout)  # of which no rounding can be drawn anew
        return (np.cos(x) * dout,)

    report = check_rule(with_vjp(jnp.sin, lambda x: (jnp.sin(x), x), bwd), jnp.linspace(0.1, 2, 7, dtype=dtype))
    assert report.verdict == "undecided" and report.precision == dtype and not report.findings


def test_a_value_that_is_kept_outside_is_a_leak(xw):
    kept = []

    def fwd(x, w):
        kept.append((x, w))
        return product(x, w), ()

    report = check_rule(with_vjp(product, fwd, lambda _, dout: product_bwd(kept[-1], dout)), *xw)
    assert report.verdict == "wrong" and causes(report) == ["leak"]


def test_a_rule_that_mixes_a_batch_is_caught_under_vmap(xw):
    @jax.custom_batching.custom_vmap
    def cosine(x):
        return jnp.cos(x)

    @cosine.def_vmap
    def _(size, batched, x):
        del size
        return jnp.cos(x[::-1]), batched[0]

    # `custom_vmap` has no derivative: a note beside the mistake.
    mixed = changed(dx=lambda x, w, dout: dout * cosine(x) * w)
    report = check_rule(with_vjp(product, product_fwd, mixed), *xw)
    assert report.verdict == "wrong" and "transformation" in causes(report)
    assert wrong_leaves(report) == ["x (vmap)"]


# Rules for tangents.


def sine(slope=jnp.cos, value=jnp.sin):
    return with_jvp(jnp.sin, lambda primals, tangents: (value(*primals), slope(*primals) * tangents[0]))


JVP = {
    "a sign": (sine(slope=lambda x: -jnp.cos(x)), "sign", ["x"]),
    "another value": (sine(value=lambda x: 2 * jnp.sin(x)), "wrong-forward", ["(value)"]),
    "a stopped slope": (sine(slope=lambda x: jax.lax.stop_gradient(jnp.cos(x))), "second-order", ["x (second order)"]),
    "a constant": (
        with_jvp(jnp.sin, lambda p, t: (jnp.sin(p[0]), t[0] * jnp.cos(p[0]) + 1)),
        "forward-mode",
        ["x (forward mode)"],
    ),
    "a square": (with_jvp(jnp.sin, lambda p, t: (jnp.sin(p[0]), t[0] ** 2)), "not-linear", ["x"]),
    "absolute": (with_jvp(jnp.sin, lambda p, t: (jnp.sin(p[0]), jnp.abs(t[0]) * jnp.cos(p[0]))), "not-linear", ["x"]),
    "a dtype": (
        with_jvp(jnp.sin, lambda p, t: (jnp.sin(p[0]), (t[0] * jnp.cos(p[0])).astype("bfloat16"))),
        "refused",
        ["x"],
    ),
    "no pair": (with_jvp(jnp.sin, lambda p, t: t[0] * jnp.cos(p[0])), "refused", ["x"]),
}


@pytest.mark.parametrize("mistake", JVP)
def test_a_wrong_rule_for_tangents_is_caught(xw, mistake):
    f, cause, leaves = JVP[mistake]
    report = check_rule(f, xw[0])
    assert report.verdict == "wrong", report
    assert causes(report)[0] == cause, report
    assert wrong_leaves(report) == leaves, report
    assert report.leaves[-1].shape == xw[0].shape or leaves == ["(value)"]


def test_defjvps_gives_a_rule_for_each_input(xw):
    f = jax.custom_jvp(product)
    f.defjvps(lambda x_dot, out, x, w: x_dot * jnp.cos(x) * w, lambda w_dot, out, x, w: w_dot * jnp.sin(x))
    assert check_rule(f, *xw).ok
    f.defjvps(lambda x_dot, out, x, w: x_dot * jnp.cos(x) * w, None)
    assert causes(check_rule(f, *xw)) == ["zero-gradient"]


def test_a_kink_is_no_mistake():
    report = check_rule(jax.nn.relu, jnp.asarray([0.0, 1.0, -1.0]))
    assert report.verdict == "undecided" and "kink" in report.reasons[0]


def through_bits(x):
    """`x`, by way of the integer that has its bits."""
    bits = jax.lax.bitcast_convert_type(x, {4: "int32", 8: "int64"}[x.dtype.itemsize])
    return jax.lax.bitcast_convert_type(bits, x.dtype)


def test_a_function_through_bits_is_judged_by_its_values(xw):
    """JAX gives it a derivative of zero, and the values have a slope of one."""
    of = lambda slope: with_jvp(through_bits, lambda p, t: (through_bits(*p), slope * t[0]))
    report = check_rule(of(1), xw[0])
    assert report.ok and causes(report) == ["autodiff-differs"], report
    assert check_rule(of(2), xw[0]).verdict == "wrong"


has_a_mantissa = pytest.mark.skipif(jax.__version_info__ >= (0, 12), reason="`frexp` has no rule from JAX 0.12 on")


@has_a_mantissa
@pytest.mark.parametrize("x", (0.0, 1.0), ids=("at 0", "at a power of two"))
def test_a_mantissa_jumps_and_nothing_is_said_of_its_rule(x):
    """At 0 the function without its rule has a slope of 1, and none at all near by."""
    report = check_rule(jnp.frexp, jnp.full(2, x, "float32"))
    assert report.verdict == "undecided" and "integers or bits" in report.reasons[0]


@has_a_mantissa
def test_a_mantissa_that_does_not_jump_is_right():
    assert check_rule(jnp.frexp, jnp.full(2, jnp.finfo("float32").max / 8)).verdict == "right"


@pytest.mark.parametrize("x", (0.0, -0.3))
def test_a_slope_of_zero_near_by_excuses_nothing(x):
    wrong = with_jvp(jax.nn.relu, lambda p, t: (jax.nn.relu(*p), (p[0] >= 0) * t[0] + 0.5 * t[0]))
    assert check_rule(wrong, jnp.full(1, x, "float32")).verdict == "wrong"


def test_a_function_that_is_rounded_to_fewer_bits_has_no_truth(getkey):
    """It moves in stairs, and not by its derivative of zero: of many entries, some cross one in a small move."""
    coarse = lambda x: jax.lax.reduce_precision(through_bits(x), exponent_bits=8, mantissa_bits=16)
    x = normal(getkey(), (500,), "float32")
    report = check_rule(with_jvp(coarse, lambda primals, tangents: (coarse(*primals), *tangents)), x)
    assert report.verdict == "undecided", report


# Where automatic differentiation of the function itself is no truth, its values are.


def test_a_rule_is_right_where_only_the_function_without_it_seems_to_have_a_kink(getkey):
    """`max` and `abs` meet where both inputs are equal, and cancel: the function is smooth."""
    x = normal(getkey(), (3,), "float32")
    report = check_rule(jnp.logaddexp, x, x)
    assert report.ok and causes(report) == ["autodiff-differs"], report
    assert [leaf.verdict for leaf in report.leaves] == ["right"] * 3


def test_a_rule_is_right_where_the_function_without_it_divides_by_zero():
    length = lambda x: x * jnp.arctan2(jnp.sqrt(x * x), 1.0)
    rule = lambda p, t: (length(*p), t[0] * (jnp.arctan(jnp.abs(p[0])) + jnp.abs(p[0]) / (1 + p[0] ** 2)))
    x = jnp.asarray([0.0, 0.5])
    assert np.isnan(jax.grad(lambda x: length(x).sum())(x)).any()
    report = check_rule(with_jvp(length, rule), x)
    assert report.ok and "autodiff-differs" in causes(report), report


def test_a_rule_is_wrong_at_a_point_where_there_is_no_kink():
    """It gives zero at 0 alone."""
    rule = lambda p, t: (jnp.sin(*p), jnp.where(p[0] == 0, 0.0, jnp.cos(p[0])).astype(p[0].dtype) * t[0])
    report = check_rule(with_jvp(jnp.sin, rule), jnp.asarray([0.0, 0.5]))
    assert report.verdict == "wrong" and causes(report) == ["values-differ"], report


@pytest.mark.parametrize("f", (jax.nn.softplus, jax.nn.log_sigmoid, optax.losses.log_cosh, jnp.i0))
def test_a_smooth_function_has_no_kink_at_zero(f):
    """Not even where its slope is zero, and has no digits to compare."""
    report = check_rule(f, jnp.zeros((1,), "float32"))
    assert report.ok and causes(report) == ["autodiff-differs"], report


def test_a_stack_along_the_last_axis_is_what_it_is():
    """Of three vectors of three numbers, where no shape shows the axis."""
    x, weights = jnp.asarray([0.3, -0.2, 0.9]), jnp.arange(9.0).reshape(3, 3)
    stacked = lambda x: jnp.stack([tanh(x), jnp.sin(x), x], axis=-1) * weights
    assert check_rule(stacked, x).ok


def test_what_is_too_small_for_a_dtype_loses_no_digits_in_it():
    report = check_rule(jax.nn.softplus, jnp.asarray([-100.0], "float32"))
    assert report.ok and not report.findings, report


def numpy_sine(x):
    return jax.pure_callback(np.sin, jax.ShapeDtypeStruct(x.shape, x.dtype), x, vmap_method="expand_dims")


def test_a_rule_round_what_jax_cannot_differentiate_is_judged_by_the_values(xw):
    of = lambda bwd: with_vjp(numpy_sine, lambda x: (numpy_sine(x), x), bwd)
    report = check_rule(of(lambda x, dout: (dout * jnp.cos(x),)), xw[0])
    assert report.ok and causes(report) == ["measured"], report
    assert 0 < report.leaves[1].allowed < 1e-4
    wrong = {
        "scale-constant": lambda x, dout: (3 * dout * jnp.cos(x),),
        "values-differ": lambda x, dout: (dout * jnp.sin(x),),
        "not-zero": lambda x, dout: (dout * jnp.cos(x) + 1,),
        "shape": lambda x, dout: (dout.sum(),),
    }
    for cause, bwd in wrong.items():
        report = check_rule(of(bwd), xw[0])
        assert report.verdict == "wrong" and causes(report)[0] == cause, report


# What cannot be checked.


def test_what_cannot_be_checked_is_named(xw):
    x, w = xw
    with pytest.raises(ValueError, match=r"calls no `jax.custom_vjp`.*`check`"):
        check_rule(jnp.sin, x)
    with pytest.raises(ValueError, match=r"no rule yet.*defvjp\(fwd, bwd\)"):
        check_rule(jax.custom_vjp(jnp.sin), x)
    with pytest.raises(ValueError, match="too many positional arguments"):
        check_rule(tanh, x, w)
    with pytest.raises(ValueError, match="no floating numbers"):
        check_rule(tanh, jnp.arange(3))
    with pytest.raises(ValueError, match="`x` has an empty leaf"):
        check_rule(tanh, jnp.zeros((0, 3)))
    with pytest.raises(TypeError, match="`x` is complex"):
        check_rule(tanh, x.astype("complex64"))
