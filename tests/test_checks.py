"""Wrong arguments are refused, eagerly and while tracing, by an error that says what is wrong and what to do."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxmlp
from jaxmlp import Dense

from .helpers import as_jax


def zeros(*shape, dtype: Any = "float64"):
    """For which no program is compiled, as for `jnp.zeros`, each time that a worker of pytest imports this."""
    return as_jax(np.zeros(shape), dtype)


PARAMS = FIRST, LAST = Dense(zeros(2, 3), zeros(3)), Dense(zeros(3, 1), zeros(1))
SINGLE = jax.tree.map(lambda leaf: zeros(*leaf.shape, dtype="float32"), PARAMS)
X, Y = zeros(4, 2), zeros(4, 1)
_, RESIDUALS = jax.jit(jaxmlp.forward)(PARAMS, X)


def loss_and_grads(params=PARAMS, x=X, y=Y, **options):
    return jaxmlp.loss_and_grads(params, x, y, **options)


LOGITS = zeros(4, 3)


def classify(y, logits=LOGITS):
    return jaxmlp.softmax_cross_entropy(logits, y)


def traced(call, *args):
    """`call(*args)` under `jit`, with every array among the arguments a tracer and all else as it is."""
    leaves, structure = jax.tree.flatten(args, is_leaf=lambda leaf: leaf is None)
    is_array = [isinstance(leaf, jax.Array) for leaf in leaves]

    def run(*arrays):
        rest = iter(arrays)
        return call(
            *jax.tree.unflatten(structure, [next(rest) if m else v for m, v in zip(is_array, leaves, strict=True)])
        )

    return jax.jit(run)(*(leaf for leaf, m in zip(leaves, is_array, strict=True) if m))


# name: (call, arguments, error, what its message must say: the argument, both sides, the remedy)
WRONG_PARAMS = {
    "params is None": (None, TypeError, ["`params`", "tuple of Dense(w, b)", "got None"]),
    "params is a string": ("params", TypeError, ["`params`", "got a str"]),
    "params is an array": (FIRST.w, TypeError, ["`params`", "tuple of Dense(w, b)"]),
    "params is one layer": (FIRST, TypeError, ["`params`", "(layer,)"]),
    "params is a list": (list(PARAMS), TypeError, ["`params`", "got a list", "tuple(params)"]),
    "params is empty": ((), ValueError, ["`params` is empty", "at least one Dense(w, b)"]),
    "a layer is a pair": (((FIRST.w, FIRST.b), LAST), TypeError, ["`params[0]`", "Dense(w, b)", "got a tuple"]),
    "a layer is None": ((FIRST, None), TypeError, ["`params[1]`", "Dense(w, b)", "got None"]),
    "w is a list": ((FIRST._replace(w=[[1.0], [1.0]]),), TypeError, ["`params[0].w`", "got a list", "jnp.asarray"]),
    "w is None": ((FIRST._replace(w=None),), TypeError, ["`params[0].w`", "got None"]),
    "w is an integer array": (
        (Dense(zeros(2, 1, dtype=int), None),),
        TypeError,
        ["`params[0].w` has dtype int64", "floating", "astype(jnp.float32)"],
    ),
    "w is complex": ((Dense(zeros(2, 3, dtype=complex), None),), TypeError, ["`params[0].w` has dtype complex128"]),
    "w has eight bits": (
        (Dense(zeros(2, 3, dtype=jnp.float8_e4m3fn), None),),
        TypeError,
        ["`params[0].w` has dtype float8_e4m3fn", "float16, bfloat16, float32, float64"],
    ),
    "w is a vector": (
        (Dense(zeros(2), None),),
        ValueError,
        ["`params[0].w` has shape (2,)", "2 axes, (n_in, n_out)"],
    ),
    "w has no outputs": (
        (Dense(zeros(2, 0), zeros(0)),),
        ValueError,
        ["`params[0].w` has shape (2, 0)", "at least one input and one output"],
    ),
    "b is wider than w": (
        (Dense(zeros(2, 1), zeros(2)),),
        ValueError,
        [
            "`params[0].b` has shape (2,)",
            "`params[0].w` of shape (2, 1) has 1 output(s)",
            "give w the shape (2, 2) or b the shape (1,)",
        ],
    ),
    "b is a row": (
        (FIRST._replace(b=zeros(1, 3)), LAST),
        ValueError,
        ["`params[0].b` has shape (1, 3)", "1 axes, (n_out,)"],
    ),
    "b has another dtype": (
        (FIRST._replace(b=zeros(3, dtype="float32")), LAST),
        TypeError,
        ["`params[0].b` has dtype float32", "`params[0].w` has dtype float64", "astype(jnp.float64)"],
    ),
    "layers differ in dtype": (
        (FIRST, SINGLE[1]),
        TypeError,
        ["`params[1].w` has dtype float32", "`params[0].w` has dtype float64", "astype(jnp.float64)"],
    ),
    "layers do not chain": (
        (FIRST, Dense(zeros(2, 1), None)),
        ValueError,
        [
            "`params[1].w` has shape (2, 1)",
            "takes 2 features",
            "`params[0].w` of shape (2, 3) supplies 3",
            "out of order",
        ],
    ),
    "the third layer does not chain": (
        (*PARAMS, Dense(zeros(2, 1), None)),
        ValueError,
        ["`params[2].w` has shape (2, 1)", "`params[1].w` of shape (3, 1) supplies 1"],
    ),
}

WRONG_X = {
    "x is None": (None, TypeError, ["`x`", "got None", "jnp.asarray"]),
    "x is a list": ([[0.0, 1.0]], TypeError, ["`x`", "got a list", "jnp.asarray"]),
    "x is a string": ("x", TypeError, ["`x`", "got a str"]),
    "x is a number": (1.0, TypeError, ["`x`", "got a float"]),
    "x holds integers": (zeros(4, 2, dtype=int), TypeError, ["`x` has dtype int64", "x.astype(jnp.float32)"]),
    "x holds booleans": (zeros(4, 2, dtype=bool), TypeError, ["`x` has dtype bool", "x.astype(jnp.float32)"]),
    "x is float32 for float64 params": (
        zeros(4, 2, dtype="float32"),
        TypeError,
        ["`x` has dtype float32", "`params[0].w` has dtype float64", "x.astype(jnp.float64)"],
    ),
    "x is a single example": (zeros(2), ValueError, ["`x` has shape (2,)", "2 axes, (batch, n_in)", "x[None, :]"]),
    "x has three axes": (zeros(1, 4, 2), ValueError, ["`x` has shape (1, 4, 2)", "2 axes, (batch, n_in)"]),
    "x has no rows": (zeros(0, 2), ValueError, ["`x` has shape (0, 2)", "the batch is empty"]),
    "x has too many features": (
        zeros(4, 5),
        ValueError,
        [
            "`params[0].w` has shape (2, 3)",
            "takes 2 features",
            "`x` of shape (4, 5) supplies 5",
            "one column a feature",
        ],
    ),
    "x has too few features": (zeros(4, 1), ValueError, ["takes 2 features", "`x` of shape (4, 1) supplies 1"]),
    "x lies on its side": (zeros(2, 4), ValueError, ["`x` of shape (2, 4) supplies 4", "batch on the first axis"]),
}

WRONG_Y = {
    "y is None": (None, TypeError, ["`y`", "got None", "jnp.asarray"]),
    "y is a list": ([[0.0]] * 4, TypeError, ["`y`", "got a list", "jnp.asarray"]),
    "y is flat": (zeros(4), ValueError, ["`y` has shape (4,)", "output has shape (4, 1)", "pass y[:, None]"]),
    "y has too few rows": (
        zeros(3, 1),
        ValueError,
        ["`y` has shape (3, 1)", "output has shape (4, 1)", "one row an example"],
    ),
    "y has too many columns": (
        X,
        ValueError,
        ["`y` has shape (4, 2)", "output has shape (4, 1)", "one column an output"],
    ),
    "y holds integers": (zeros(4, 1, dtype=int), TypeError, ["`y` has dtype int64", "y.astype(jnp.float32)"]),
    "y holds booleans": (zeros(4, 1, dtype=bool), TypeError, ["`y` has dtype bool", "y.astype(jnp.float32)"]),
    "y is float32": (
        zeros(4, 1, dtype="float32"),
        TypeError,
        ["`y` has dtype float32", "`out` has dtype float64", "y.astype(jnp.float64)"],
    ),
}

WRONG_LABELS = {
    "labels in a column": (
        zeros(4, 1, dtype=int),
        ValueError,
        ["`y` holds integer labels of shape (4, 1)", "`logits` of shape (4, 3)", "shape (4,)"],
    ),
    "too few labels": (zeros(3, dtype=int), ValueError, ["`y`", "(3,)", "`logits` of shape (4, 3)", "shape (4,)"]),
    "one-hot rows of integers": (zeros(4, 3, dtype=int), ValueError, ["`y`", "(4, 3)", "shape (4,)"]),
    "rows of four classes": (zeros(4, 4), ValueError, ["`y` has shape (4, 4)", "output has shape (4, 3)"]),
    "float labels": (zeros(4), ValueError, ["`y` has shape (4,)", "output has shape (4, 3)"]),
    "None for labels": (None, TypeError, ["`y`", "got None"]),
}

WRONG_DOUT = {
    "dout is None": (None, TypeError, ["`dout`", "got None"]),
    "dout is flat": (zeros(4), ValueError, ["`dout` has shape (4,)", "2 axes, (batch, n_out)"]),
    "dout has too few rows": (zeros(3, 1), ValueError, ["`dout` has shape (3, 1)", "output has shape (4, 1)"]),
    "dout has too many rows": (zeros(5, 1), ValueError, ["`dout` has shape (5, 1)", "output has shape (4, 1)"]),
    "dout holds integers": (zeros(4, 1, dtype=int), TypeError, ["`dout` has dtype int64", "astype"]),
    "dout is float32": (
        zeros(4, 1, dtype="float32"),
        TypeError,
        ["`dout` has dtype float32", "`params[0].w` has dtype float64", "dout.astype(jnp.float64)"],
    ),
}

WRONG_OPTIONS = {
    "hidden is a function": (dict(hidden=jax.nn.relu), ["`hidden` must be an Activation such as jaxmlp.tanh"]),
    "output is a name": (
        dict(output="sigmoid"),
        ["`output` must be an Activation such as jaxmlp.sigmoid", "'sigmoid'"],
    ),
    "output is a list": (dict(output=[]), ["`output` must be an Activation", "[]"]),
    "loss is a name": (dict(loss="bce"), ["`loss` must be a Loss such as jaxmlp.bce", "'bce'"]),
    "loss is an activation": (dict(loss=jaxmlp.sigmoid), ["`loss` must be a Loss", "sigmoid"]),
    "loss is None": (dict(loss=None), ["`loss` must be a Loss", "None"]),
}

CASES = {
    **{f"{name}, {f.__name__}": (f, (p, *rest), error, says)
       for f, rest in ((jaxmlp.predict, (X,)), (jaxmlp.loss_and_grads, (X, Y)))
       for name, (p, error, says) in WRONG_PARAMS.items()},
    **{f"{name}, {f.__name__}": (f, (PARAMS, x, *rest), error, says)
       for f, rest in ((jaxmlp.forward, ()), (jaxmlp.loss_value, (Y,)))
       for name, (x, error, says) in WRONG_X.items()},
    **{f"{name}, {f.__name__}": (f, (PARAMS, X, y), error, says)
       for f in (jaxmlp.loss_value, jaxmlp.loss_and_grads)
       for name, (y, error, says) in WRONG_Y.items()},
    **{f"{name}, softmax_cross_entropy": (classify, (y,), *rest) for name, (y, *rest) in WRONG_LABELS.items()},
    **{f"{name}, backward": (jaxmlp.backward, (RESIDUALS, dout), *rest) for name, (dout, *rest) in WRONG_DOUT.items()},
    "x is float64 for float32 params": (
        jaxmlp.predict,
        (SINGLE, X),
        TypeError,
        ["`x` has dtype float64", "`params[0].w` has dtype float32", "x.astype(jnp.float32)"],
    ),
    "an empty batch of labels": (classify, (zeros(0, dtype=int), zeros(0, 3)), ValueError, ["(0, 3)", "empty batch"]),
    "an empty batch of targets": (jaxmlp.bce, (zeros(0, 1),) * 2, ValueError, ["`y` has shape (0, 1)", "is empty"]),
    "no outputs": (jaxmlp.bce, (zeros(4, 0), zeros(4, 0)), ValueError, ["`y` has shape (4, 0)"]),
    "flat logits": (classify, (zeros(4), zeros(4)), ValueError, ["`logits` has shape (4,)", "2 axes"]),
    "no logits": (jaxmlp.softmax_cross_entropy, (None, Y), TypeError, ["`logits`", "got None"]),
    "no output": (jaxmlp.half_squared_error, (None, Y), TypeError, ["`out`", "got None"]),
}  # fmt: skip


@pytest.mark.parametrize("how", ("eager", "traced"))
@pytest.mark.parametrize("case", CASES)
def test_a_wrong_array_is_refused_eagerly_and_while_tracing(case, how):
    call, args, error, says = CASES[case]
    with pytest.raises(error) as caught:
        traced(call, *args) if how == "traced" else call(*args)
    for part in says:
        assert part in str(caught.value)


def test_only_of_a_single_example_a_batch_is_made():
    with pytest.raises(ValueError, match=r"`x` has shape \(1, 4, 2\), but must have 2 axes, \(batch, n_in\)\.$"):
        jaxmlp.predict(PARAMS, X[None])


@pytest.mark.parametrize("case", WRONG_OPTIONS)
def test_a_wrong_option_is_refused(case):
    options, says = WRONG_OPTIONS[case]
    with pytest.raises(TypeError) as caught:
        loss_and_grads(**options)
    for part in says:
        assert part in str(caught.value)


def test_right_arguments_pass_eagerly_and_while_tracing():
    assert jnp.isfinite(loss_and_grads()[0])
    assert jnp.isfinite(traced(loss_and_grads, PARAMS, X, Y)[0])
    assert jnp.isfinite(classify(jnp.asarray([0, 1, 2, 0])))


# Values are read where they are known; a tracer has none, and is not read.
OUT_OF_RANGE = {
    "a label too large": (
        classify,
        as_jax([0, 1, 3, 5], int),
        ["`y[2]` is 3", "labels of 3 classes lie in 0 ... 2", "2 of 4 element(s)", "number the classes from 0"],
    ),
    "a label below 0": (classify, as_jax([0, -1, 1, 2], int), ["`y[1]` is -1", "1 of 4 element(s)"]),
    "a label too large for NumPy": (classify, np.asarray([0, 1, 300, 2]), ["`y[2]` is 300"]),
    "a target above 1": (
        lambda y: loss_and_grads(y=y),
        as_jax([[0.0], [2.0], [0.0], [1.0]], float),
        ["`y[(1, 0)]` is 2.0", "targets of binary cross-entropy lie in 0 ... 1", "rescale"],
    ),
    "a target below 0": (
        lambda y: jaxmlp.bce(Y + 0.5, y),
        as_jax(-np.ones((4, 1)), float),
        ["`y[(0, 0)]` is -1.0", "4 of 4 element(s)"],
    ),
}


@pytest.mark.parametrize("case", OUT_OF_RANGE)
def test_a_value_out_of_range_is_refused_where_it_is_known(case):
    call, y, says = OUT_OF_RANGE[case]
    with pytest.raises(ValueError) as caught:
        call(y)
    for part in says:
        assert part in str(caught.value)
    jax.jit(call).lower(y)  # a tracer passes


def test_nan_targets_are_data_not_a_value_out_of_range():
    assert jnp.isnan(loss_and_grads(y=Y.at[0, 0].set(jnp.nan))[0])


@pytest.mark.parametrize(
    ("eps", "error", "says"),
    (
        (0, ValueError, "`eps` is 0, but must be a finite number above 0"),
        (-1e-7, ValueError, "`eps` is -1e-07"),
        (float("nan"), ValueError, "`eps` is nan"),
        (float("inf"), ValueError, "`eps` is inf"),
        ("1e-7", TypeError, "`eps` must be a number, got a str"),
        (None, TypeError, "`eps` must be a number, got None"),
        (True, TypeError, "`eps` must be a number, got a bool"),
        ([1e-7], TypeError, "`eps` must be a number, got a list"),
        (as_jax(1e-7, float), TypeError, "`eps` must be a number, got a"),
    ),
)
def test_a_wrong_eps_is_refused(eps, error, says):
    jaxmlp.bce_stabilized(1)  # True equals 1: an object made before must not answer for it
    with pytest.raises(error) as caught:
        jaxmlp.bce_stabilized(eps)
    assert says in str(caught.value)


class Unspeakable:
    """What cannot be shown is named by its class."""

    def __repr__(self):
        raise RuntimeError


KEY = jax.random.key(0)
wrong: Any = lambda value: value  # a value that the annotations rule out


@pytest.mark.parametrize(
    ("call", "error", "says"),
    (
        (lambda: jaxmlp.init_params(KEY, wrong(3)), TypeError, "`sizes` must be a sequence of widths such as"),
        (lambda: jaxmlp.init_params(KEY, wrong("23")), TypeError, "`sizes[0]` must be an integer, got '2'"),
        (lambda: jaxmlp.init_params(KEY, wrong((2, 3.0))), TypeError, "`sizes[1]` must be an integer, got 3.0"),
        (lambda: jaxmlp.init_params(KEY, (2, True)), TypeError, "`sizes[1]` must be an integer, got True"),
        (lambda: jaxmlp.init_params(KEY, (2, 0, 1)), ValueError, "`sizes[1]` is 0, but every layer needs at least"),
        (lambda: jaxmlp.init_params(KEY, (2,)), ValueError, "`sizes` is (2,), but a network needs at least an input"),
        (lambda: jaxmlp.init_params(KEY, ()), ValueError, "`sizes` is ()"),
        (lambda: jaxmlp.init_params(KEY, (2, 1), init=wrong("xavier")), ValueError, "`init` is 'xavier', but must be"),
        (lambda: jaxmlp.init_params(KEY, (2, 1), init=wrong(["he"])), ValueError, "`init` is ['he'], but must be"),
        (lambda: jaxmlp.init_params(KEY, (2, 1), init=wrong(Unspeakable())), ValueError, "`init` is a Unspeakable"),
        (lambda: jaxmlp.init_params(KEY, (2, 1), dtype=int), TypeError, "`dtype` is int64, but a network computes"),
        (lambda: jaxmlp.init_params(KEY, (2, 1), dtype=complex), TypeError, "`dtype` is complex128"),
        (lambda: jaxmlp.init_params(wrong(0), (2, 1)), TypeError, "`key` must be a random key, got a int: pass jax"),
        (lambda: jaxmlp.init_params(wrong(None), (2, 1)), TypeError, "`key` must be a random key, got None"),
        (lambda: jaxmlp.init_params(X, (2, 1)), TypeError, "`key` must be a random key, got an array of float64"),
        (lambda: jaxmlp.init_params(jax.random.split(KEY), (2, 1)), ValueError, "keys of shape (2,): map over them"),
        (lambda: jaxmlp.gate("nxor"), ValueError, "`name` is 'nxor', but must be one of and, or, nand, nor, xor, xnor"),
        (lambda: jaxmlp.gate(wrong(None)), ValueError, "`name` is None"),
        (lambda: jaxmlp.parity(0), ValueError, "`bits` is 0, but must be at least 1"),
        (lambda: jaxmlp.parity(25), ValueError, "`bits` is 25, but must be at most 24"),
        (lambda: jaxmlp.parity(wrong(2.0)), TypeError, "`bits` must be a Python integer, got a float"),
        (lambda: jaxmlp.spirals(KEY, 0), ValueError, "`n` is 0, but must be at least 1"),
        (lambda: jaxmlp.spirals(KEY, 4, classes=wrong(1.5)), TypeError, "`classes` must be a Python integer, got"),
        (lambda: jaxmlp.spirals(KEY, 4, noise=-0.1), ValueError, "`noise` is -0.1, but must be at least 0"),
        (lambda: jaxmlp.spirals(KEY, 4, noise=float("nan")), ValueError, "`noise` is nan, but must be at least 0"),
        (lambda: jaxmlp.spirals(wrong(0), 4), TypeError, "`key` must be a random key, got a int"),
    ),
)  # fmt: skip
def test_a_wrong_plain_argument_is_refused(call, error, says):
    with pytest.raises(error) as caught:
        call()
    assert says in str(caught.value)
