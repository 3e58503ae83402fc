"""Every public function of the core, and `run`, with values that it cannot use.

About 2,500 of them, drawn from `bad_inputs`; and by name those that were once answered by a traceback of JAX or NumPy.
"""

import os
from typing import Any

import hypothesis
import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import optax
import pytest
from hypothesis import strategies as st

import jaxmlp

from .bad_inputs import anything, deleted, huge, in_a_tree, RaisesWhenConverted, refusal
from .helpers import ACTIVATIONS, LOSSES, problem


pytestmark = pytest.mark.usefixtures("unfiltered")

X, Y = jaxmlp.gate("xor", dtype="float64")
PARAMS, *_ = problem(jax.random.key(0))
OUT, RESIDUALS = jax.jit(jaxmlp.forward)(PARAMS, X)
MODEL = dict(hidden=jaxmlp.sigmoid, output=jaxmlp.sigmoid)
TRAINING: dict[str, Any] = dict(
    params=PARAMS, batch=(X, Y), loss_and_grads=jaxmlp.loss_and_grads, optimizer=optax.sgd(0.1), steps=2
)

# A function, arguments that it takes, and those of them that are trees, with the other names that an error may use.
CASES: dict[str, tuple[Any, dict[str, Any], dict[str, tuple[str, ...]]]] = {
    "init_params": (
        jaxmlp.init_params,
        dict(key=jax.random.key(0), sizes=(2, 3), bias=True, init="he", dtype="float32"),
        {"sizes": ()},
    ),
    "predict": (jaxmlp.predict, dict(params=PARAMS, x=X, **MODEL), {"params": ()}),
    "forward": (jaxmlp.forward, dict(params=PARAMS, x=X, **MODEL), {"params": ()}),
    "backward": (
        jaxmlp.backward,
        dict(residuals=RESIDUALS, dout=OUT, **MODEL),
        {"residuals": ("dout",), "hidden": ("residuals",), "output": ("residuals",)},
    ),
    "loss_value": (jaxmlp.loss_value, dict(params=PARAMS, x=X, y=Y, loss=jaxmlp.bce, **MODEL), {"params": ()}),
    "loss_and_grads": (jaxmlp.loss_and_grads, dict(params=PARAMS, x=X, y=Y, loss=jaxmlp.bce, **MODEL), {"params": ()}),
    "fit": (
        jaxmlp.fit,
        TRAINING | dict(batch_size=2, key=jax.random.key(1)),
        {"params": ("x", "y"), "batch": ("x", "y", "loss_and_grads")},
    ),
    "run": (
        jaxmlp.run,
        TRAINING
        | dict(batch_size=2, key=jax.random.key(1), ensemble=False, chunk=2, evaluate=None, stop=None)
        | dict(stop_nonfinite=True, progress=False, checkpoint_dir=None, checkpoint_seconds=30.0, resume=True),
        {"params": ("x", "y"), "batch": ("x", "y", "loss_and_grads")},
    ),
    "gate": (jaxmlp.gate, dict(name="xor", dtype="float32"), {}),
    "boolean_functions": (jaxmlp.boolean_functions, dict(dtype="float32"), {}),
    "parity": (jaxmlp.parity, dict(bits=3, dtype="float32"), {}),
    "spirals": (jaxmlp.spirals, dict(key=jax.random.key(0), n=4, classes=2, noise=0.1, dtype="float32"), {}),
    "digits": (jaxmlp.digits, dict(dtype="float32"), {}),
    "bce_stabilized": (jaxmlp.bce_stabilized, dict(eps=1e-3), {}),
    "population": (
        lambda function, in_axes, chunk: jaxmlp.population(function, in_axes, chunk=chunk)(X),
        dict(function=jnp.sin, in_axes=0, chunk=16),
        {},
    ),
}
# One program: what each worker of pytest compiles before the first test.
OF_ACTIVATIONS, OF_LOSSES = jax.jit(
    lambda: ([f.fwd(X) for f in ACTIVATIONS], [f.fwd(OUT, Y) for f in (*LOSSES, jaxmlp.bce_stabilized(1e-3))])
)()


def in_one_program(function):
    """`function` of one value that is known: its operations are compiled together, and not each for itself."""
    return lambda z: jax.jit(lambda: function(z))()


for activation, (_, kept) in zip(ACTIVATIONS, OF_ACTIVATIONS, strict=True):
    CASES[f"{activation}.fwd"] = (in_one_program(activation.fwd), dict(z=X), {})
    CASES[f"{activation}.bwd"] = (
        lambda residuals, da, f=activation.bwd: f(residuals, da),
        dict(residuals=kept, da=X),
        {"residuals": ()} if jax.tree.leaves(kept) else {},
    )
for loss, (value, kept) in zip((*LOSSES, jaxmlp.bce_stabilized(1e-3)), OF_LOSSES, strict=True):
    CASES[f"{loss}.fwd"] = (lambda out, y, f=loss.fwd: f(out, y), dict(out=OUT, y=Y), {"out": ("logits", "y")})
    CASES[f"{loss}.bwd"] = (
        lambda residuals, dloss, f=loss.bwd: f(residuals, dloss),
        dict(residuals=kept, dloss=value),
        {"residuals": ()},
    )


CALLED = {"init", "loss_and_grads", "evaluate", "stop", "function"}
"""Arguments that are called: what a function of the caller's raises is its own affair."""


def is_of_use(name, value):
    if name == "checkpoint_dir":
        return isinstance(value, str | os.PathLike)
    return name in CALLED and callable(value)


@pytest.mark.parametrize("case", CASES)
@hypothesis.settings(max_examples=60)
@hypothesis.given(data=st.data())
def test_a_bad_value_is_refused_by_name_or_taken(case, data):
    function, good, others = CASES[case]
    name = data.draw(st.sampled_from(sorted(good)))
    if name in ("params", "batch", "residuals", "sizes") and data.draw(st.booleans()):
        _, value = data.draw(in_a_tree(good[name]))
    else:
        value = data.draw(anything)
    hypothesis.assume(not is_of_use(name, value))
    called = function
    if isinstance(value, jax.Array) and not value.is_deleted() and data.draw(st.booleans()):  # a tracer
        called = lambda **arguments: jax.eval_shape(
            lambda traced: function(**arguments | {name: traced}), arguments[name]
        )
    refusal(called, good | {name: value}, name, aliases=others.get(name, ()))


FOUND: dict[str, tuple[str, str, Any]] = {
    "a deleted array": ("forward", "x", deleted()),
    "a deleted array for what is none": ("forward", "hidden", deleted()),
    "a deleted parameter": ("loss_and_grads", "params", (PARAMS[0]._replace(w=deleted((2, 3))), PARAMS[1])),
    "a deleted batch": ("fit", "batch", (deleted(), Y)),
    "a deleted key": ("init_params", "key", deleted((2,), "uint32")),
    "more than any memory holds": ("predict", "x", huge((2**45, 2))),
    "a mask that would be lost": ("forward", "x", np.ma.masked_array(np.zeros((4, 2)), mask=True)),
    "what only looks like an array": ("loss_value", "y", RaisesWhenConverted((4, 1), np.dtype("float64"))),
    "only shapes": ("forward", "x", jax.ShapeDtypeStruct((4, 2), "float64")),
    "no dtype": ("gate", "dtype", "tanh"),
    "an array for a dtype": ("spirals", "dtype", jnp.zeros(2)),
    "an array for a name": ("gate", "name", np.zeros(2)),
    "an array for a choice": ("init_params", "init", np.zeros(2)),
    "an array for a flag": ("init_params", "bias", np.zeros(2)),
    "a key of three numbers": ("init_params", "key", np.zeros(3, "uint32")),
    "a number of no end": ("parity", "bits", 10**6),
    "more steps than are counted": ("fit", "steps", 2**31),
    "an integer of no dtype": ("fit", "params", 10**30),
    "an integer just beyond 64 bits": ("fit", "params", 2**63),
    "numbers of 128 bits": ("fit", "params", np.zeros(2, "longdouble")),
    "numbers of 6 bits": ("fit", "params", np.zeros(2, ml_dtypes.float6_e2m3fn)),
    "a batch of too few arrays": ("fit", "batch", (X,)),
    "what cannot be hashed": ("run", "batch_size", {"w": 1.0}),
    "no path": ("run", "checkpoint_dir", 3),
    "no number": ("run", "checkpoint_seconds", "soon"),
    "no residuals": ("backward", "residuals", None),
    "residuals that raise": ("backward", "residuals", RaisesWhenConverted()),
    "residuals of other activations": ("sigmoid.bwd", "residuals", X),
    "random keys for residuals": ("tanh.bwd", "residuals", jax.random.split(jax.random.key(0), X.shape)),
    "a loss that is no scalar": ("bce.bwd", "dloss", Y),
}


@pytest.mark.parametrize("found", FOUND)
def test_once_found(found):
    case, name, value = FOUND[found]
    function, good, others = CASES[case]
    assert refusal(function, good | {name: value}, name, aliases=others.get(name, ()))


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
def test_an_activation_takes_arrays_of_numpy_of_every_dtype(activation):
    """NumPy makes float32 of a bfloat16 times 0.01."""
    z = np.linspace(-2, 2, 6).reshape(2, 3).astype("bfloat16")
    a, residuals = activation.fwd(z)
    expected, kept = activation.fwd(jnp.asarray(z))
    np.testing.assert_array_equal(a, expected)
    residuals = jax.tree.map(np.asarray, residuals)
    (dz,) = activation.bwd(residuals, z)
    np.testing.assert_array_equal(dz, activation.bwd(kept, jnp.asarray(z))[0])
    assert isinstance(a, jax.Array) and isinstance(dz, jax.Array)
