"""Every public function of `verify` with values that it cannot use: a report, or an error that names the argument."""

import traceback
import warnings
from pathlib import Path
from typing import Any

import hypothesis
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st

import jaxmlp
from jaxmlp import assert_gradients, check, check_pair, check_rule, GradientError, trace_nonfinite

from ..bad_inputs import _own_arrays, anything, deleted, huge, in_a_tree, RaisesWhenConverted


pytestmark = pytest.mark.usefixtures("unfiltered")

PACKAGE = Path(jaxmlp.__file__).parent
IN_NUMPY = (
    {"w": np.linspace(0.1, 0.8, 8).reshape(4, 2), "b": np.linspace(0.3, 0.9, 2)},
    np.linspace(-1.0, 1.0, 8).reshape(2, 4),
)
PARAMS, X = jax.device_put(IN_NUMPY)

GIVEN: list[Any] = [None]
"""What the functions return that return anything."""


def loss(params, x):
    return jnp.sum(jnp.sin(x @ params["w"] + params["b"][None]))


def grads(params, x):
    dz = jnp.cos(x @ params["w"] + params["b"][None])
    return {"w": x.T @ dz, "b": dz.sum(axis=0)}


def loss_in_numpy(params, x):
    return np.sum(np.sin(x @ params["w"] + params["b"][None]))


def grads_in_numpy(params, x):
    dz = np.cos(x @ params["w"] + params["b"][None])
    return {"w": x.T @ dz, "b": dz.sum(axis=0)}


def loss_of_any(params, x):
    return sum(jnp.sum(jnp.sin(leaf)) for leaf in jax.tree.leaves(params))


def grads_of_any(params, x):
    return jax.tree.map(jnp.cos, params)


def given(*args):
    return GIVEN[0]


def fwd(x, w):
    return jnp.sin(x @ w), (x, w)


def bwd(residuals, dout):
    x, w = residuals
    dz = jnp.cos(x @ w) * dout
    return dz @ w.T, x.T @ dz


@jax.custom_vjp
def ruled(x, w):
    return jnp.sin(x @ w)


ruled.defvjp(fwd, bwd)


def step(state):
    return jax.tree.map(lambda leaf: leaf * 1e200, state)


def asserted(loss, grads, params, x):
    try:
        return assert_gradients(loss, grads, params, x)
    except GradientError as error:
        return error.report


def numeric(loss, grads, params, x):
    return check(loss, grads, params, x, numeric=True)


def with_value(loss, grads, params, x):
    return check(loss, grads, params, x, has_value=True)


def traced(step, state, max_steps):
    return trace_nonfinite(step, state, max_steps=max_steps)


PROBLEM = dict(loss=loss, grads=grads, params=PARAMS, x=X)
NUMPY = dict(loss=loss_in_numpy, grads=grads_in_numpy, params=IN_NUMPY[0], x=IN_NUMPY[1])
ANY = dict(loss=loss_of_any, grads=grads_of_any, params=PARAMS, x=X)
PAIR = dict(fwd=fwd, bwd=bwd, x=X, w=PARAMS["w"])
TRAINING = dict(step=step, state=PARAMS, max_steps=3)

# A function, arguments that it takes, the one that is replaced ("" is what the function under check returns), and how
# often. What is measured by differences takes longest.
CASES = (
    *((check, PROBLEM, name, 120) for name in PROBLEM),
    *((asserted, NUMPY, name, 120) for name in NUMPY),
    *((check, ANY, name, 60) for name in ("params", "x")),
    *((numeric, ANY, name, 10) for name in ("params", "x")),
    (check, PROBLEM | dict(grads=given), "", 90),
    (check, PROBLEM | dict(loss=given), "", 120),
    (with_value, PROBLEM | dict(grads=given), "", 120),
    (numeric, PROBLEM | dict(grads=given), "", 10),
    (numeric, PROBLEM | dict(loss=given), "", 100),
    *((check_pair, PAIR, name, 110) for name in PAIR),
    (check_pair, PAIR | dict(bwd=given), "", 50),
    (check_pair, PAIR | dict(fwd=given), "", 90),
    *((check_rule, dict(f=ruled, x=X, w=PARAMS["w"]), name, 70) for name in ("f", "x", "w")),
    *((traced, TRAINING, name, 80) for name in TRAINING),
    (traced, TRAINING | dict(step=given), "", 90),
    (traced, TRAINING | dict(step=given, max_steps=1), "", 60),
)
EXAMPLES = sum(count for *_, count in CASES)


def answer(function, arguments, returned=None):
    """What comes of `function(**arguments)`: a report, or what is said of an argument.

    Raises:
      AssertionError: it raises something else, in another place than the functions above, or it changes something.
    """
    GIVEN[0] = returned
    mine = {"arguments": arguments, "returned": returned}
    kept = {name: leaf.copy() for name, leaf in _own_arrays(mine).items()}
    configured = dict(jax.config.values)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            result = function(*arguments.values())
            shown = (str(result), result.to_json(), result._repr_html_())
            assert all(shown)
    except Exception as error:
        result = error
        frames = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)]
        # After this function, and `asserted` and its like; activations may be given as functions.
        is_theirs = __file__ in frames[2:] or str(PACKAGE / "_activations.py") in frames
        own_words = Path(frames[-1]).is_relative_to(PACKAGE) and ("`" in str(error) or isinstance(error, MemoryError))
        assert is_theirs or (own_words and isinstance(error, TypeError | ValueError | MemoryError)), repr(error)
    assert dict(jax.config.values) == configured
    for name, leaf in _own_arrays(mine).items():
        np.testing.assert_array_equal(leaf, kept[name], err_msg=f"{name} was changed")
    return result


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0].__name__}-{case[2] or 'returned'}")
def test_whatever_is_given(case):
    function, arguments, name, count = case

    def tried(value):
        if name:
            answer(function, arguments | {name: value})
        else:
            answer(function, arguments, value)

    values = anything
    for tree in [arguments[name]] if name else [PARAMS, (X, PARAMS["w"])]:
        if isinstance(tree, dict | tuple):
            values = st.one_of(values, in_a_tree(tree).map(lambda changed: changed[1]))
    hypothesis.settings(max_examples=count)(hypothesis.given(values)(tried))()


def test_it_is_tried_often():
    assert EXAMPLES >= 2500


def said(function, *args, **options):
    with pytest.raises((TypeError, ValueError)) as error:
        function(*args, **options)
    return str(error.value)


@pytest.mark.parametrize(
    ("value", "words"),
    (
        (deleted(), "is deleted"),
        (huge((2**45, 2)), "GiB"),
        (jax.ShapeDtypeStruct((4, 2), "float64"), "no numbers"),
        (np.ma.masked_array(np.zeros((4, 2)), mask=True), "masked"),
        (RaisesWhenConverted((4, 2), np.dtype("float64")), "cannot be made into an array"),
        (RaisesWhenConverted(4, "float64"), "cannot be made into an array"),
        (np.zeros((4, 2), "longdouble"), "does not have"),
    ),
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_an_array_without_usable_numbers_is_named(value, words):
    for function, functions in ((check, (loss, grads)), (numeric, (loss, grads)), (asserted, (loss, grads_in_numpy))):
        texts = {"`w`": said(function, *functions, PARAMS | {"w": value}, X)}
        texts |= {"`x`": said(function, *functions, PARAMS, value)}
        assert all(words in text and name in text for name, text in texts.items())
    for text in (
        said(check_pair, fwd, bwd, X, value),
        said(check_rule, ruled, X, value),
        said(trace_nonfinite, step, {"w": value}),
    ):
        assert words in text and "`w`" in text


def test_a_donated_argument_is_named():
    spent = jnp.ones((4, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what cannot be reused on this platform
        jax.jit(lambda w: w + 1, donate_argnums=0)(spent)
    if not spent.is_deleted():
        spent.delete()
    assert "`params` leaf `w` is deleted" in said(check, loss, grads, PARAMS | {"w": spent}, X)


def test_an_array_that_a_function_holds_on_to_is_said_to_be_deleted():
    held = deleted((2,))
    assert "is deleted" in said(check, loss, lambda params, x: grads(params, x) | {"b": held}, PARAMS, X)


def test_a_value_that_an_earlier_call_kept_is_said_to_be_unknown():
    """In float32, for which `loss` is traced again in float64."""
    kept: list = []

    def keeping(params, x):
        kept.append(params["w"])
        return jnp.tanh(x @ kept[max(len(kept) - 2, 0)].astype(x.dtype)).sum()

    params, x = jax.tree.map(lambda leaf: leaf.astype("float32"), IN_NUMPY)
    negative = lambda params, x: jax.tree.map(jnp.negative, grads(params, x))
    assert "an earlier call kept" in said(check, keeping, negative, params, x)
    kept.clear()
    assert "in keeping\n    return jnp.tanh(x @ kept[" in said(numeric, keeping, negative, params, x)
    kept.clear()
    assert "an earlier call kept" in said(trace_nonfinite, lambda state: {"w": keeping(state, x) * state["w"]}, params)


@pytest.mark.parametrize("transformation", (jax.jit, jax.grad, jax.vmap))
def test_inside_of_a_transformation_there_is_nothing_to_check(transformation):
    def inside(x):
        check(loss_of_any, grads_of_any, {"w": x}, 1.0)
        return x.sum()

    assert "outside of jit, grad and vmap" in said(transformation(inside), jnp.ones(2))
    assert "outside of jit" in said(jax.jit(lambda x: trace_nonfinite(step, x).found), jnp.ones(2))
    assert "outside of jit" in said(jax.jit(lambda x: check_pair(fwd, bwd, x, PARAMS["w"]).ok), X)
    assert "outside of jit" in said(jax.jit(lambda x: check_rule(ruled, x, PARAMS["w"]).ok), X)


def test_strings_and_objects_reach_the_functions_as_they_are():
    names = np.array(["first", "second"])
    chosen = lambda params, names: jnp.sin(params[0 if names[0] == "first" else 1]).sum()
    right = lambda params, names: (jnp.cos(params[0]), jnp.zeros_like(params[1]))
    assert check(chosen, right, (jnp.ones(2), jnp.ones(2)), names).ok


def test_a_function_that_takes_other_arguments_is_named():
    assert "`grads` has the signature (params)" in said(check, loss, lambda params: params, PARAMS, X)
    assert "`loss` has the signature (params)" in said(check, lambda params: 0.0, grads, PARAMS, X)
    assert "`bwd` has the signature (dout)" in said(check_pair, fwd, lambda dout: dout, X, PARAMS["w"])
    assert "`step` has the signature ()" in said(trace_nonfinite, lambda: None, PARAMS)
    assert "got the class dict" in said(check, loss, dict, PARAMS, X)


@pytest.mark.parametrize("value", (np.nan, np.inf, -np.inf, 1e308))
def test_numbers_that_are_not_finite_warn_of_nothing(value):
    for function, arguments in ((check, PROBLEM), (numeric, ANY)):
        spoilt = jax.tree.map(lambda leaf: leaf * 0 + value, arguments["params"])
        report = answer(function, arguments | {"params": spoilt})
        assert isinstance(report, jaxmlp.GradientReport) and report.verdict in ("undecided", "right")


def test_a_step_that_cannot_be_copied_and_a_count_beyond_any_integer_are_no_mistake():
    state = {"w": np.ones(2), "raw": memoryview(b"ab"), "count": 10**30, "name": np.array(["a"])}
    plain = lambda state: state | {"w": np.log(np.asarray(state["w"]) - 1)}
    assert trace_nonfinite(plain, state).found
    assert not trace_nonfinite(lambda state: state | {"w": jnp.tanh(state["w"])}, state, max_steps=3).found


@hypothesis.given(anything)
def test_the_methods_of_a_report(value):
    reports = (check(loss, grads, PARAMS, X), trace_nonfinite(step, PARAMS, max_steps=3))
    for call in (
        lambda: reports[0].text(lang=value),
        lambda: reports[1].text(lang=value),
        lambda: reports[0].text(width=value),
        lambda: reports[0].text(color=value is None),
        lambda: reports[0].to_html(lang=value),
        lambda: reports[0].to_html(path=value) if not isinstance(value, str | Path) else "",
    ):
        try:
            assert isinstance(call(), str)
        except (TypeError, ValueError) as error:
            assert any(f"`{name}`" in str(error) for name in ("lang", "width", "path")), error
