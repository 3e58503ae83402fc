"""The annotations are true: checked at run time on right arguments, and seen to refuse wrong ones."""

from functools import partial
from typing import Any

import beartype
import jax
import jax.numpy as jnp
import jaxtyping
import optax
import pytest
from jaxtyping import Array, Float

import jaxmlp
from jaxmlp._dense import dense_bwd, dense_fwd

from .helpers import ACTIVATIONS, DTYPES, LOSSES, problem


checked = partial(jaxtyping.jaxtyped, typechecker=beartype.beartype)


def checked_activation(activation):
    """The pair, held to what `Activation` says of its shapes."""

    @checked
    def pair(
        z: Float[Array, "batch units"], da: Float[Array, "batch units"]
    ) -> tuple[Float[Array, "batch units"], tuple[Float[Array, "batch units"]]]:
        a, residuals = activation.fwd(z)
        return a, activation.bwd(residuals, da)

    return pair


def checked_loss(loss):
    """The pair, held to what `Loss` says of its shapes."""

    @checked
    def pair(
        out: Float[Array, "batch n_out"], y: Float[Array, "batch n_out"]
    ) -> tuple[Float[Array, ""], tuple[Float[Array, "batch n_out"], Float[Array, "batch n_out"]]]:
        value, residuals = loss.fwd(out, y)
        return value, loss.bwd(residuals, jnp.ones_like(value))

    return pair


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bias", (True, False), ids=("bias", "no bias"))
def test_the_network_keeps_its_annotations(getkey, dtype, bias):
    params, x, y = problem(getkey(), (2, 3, 1), bias=bias, dtype=dtype)

    def all_of_it(params, x, y):
        z, residuals = checked(dense_fwd)(params[0], x)
        checked(dense_bwd)(residuals, z)
        out, residuals = checked(jaxmlp.forward)(params, x)
        checked(jaxmlp.backward)(residuals, out)
        checked(jaxmlp.predict)(params, x)
        checked(jaxmlp.loss_value)(params, x, y)
        return checked(jaxmlp.loss_and_grads)(params, x, y)

    jax.eval_shape(all_of_it, params, x, y)
    if dtype == "float32":
        all_of_it(params, x, y)  # on arrays as on tracers


def test_every_activation_keeps_its_annotation():
    z = jax.ShapeDtypeStruct((4, 3), jnp.float32)
    for activation in ACTIVATIONS:
        jax.eval_shape(checked_activation(activation), z, z)


def test_every_loss_keeps_its_annotation():
    out = jax.ShapeDtypeStruct((4, 3), jnp.float32)
    for loss in (*LOSSES, jaxmlp.bce_stabilized(1e-7)):
        jax.eval_shape(checked_loss(loss), out, out)
    labels = jax.ShapeDtypeStruct((4,), jnp.int32)
    jax.eval_shape(checked(jaxmlp.softmax_cross_entropy.fwd), out, labels)


def test_data_parameters_and_training_keep_their_annotations(getkey):
    checked(jaxmlp.gate)("xor")
    checked(jaxmlp.boolean_functions)()
    checked(jaxmlp.parity)(3)
    checked(jaxmlp.spirals)(getkey(), 6)
    params, x, y = problem(getkey())
    params = checked(jaxmlp.init_params)(getkey(), (2, 3, 1), dtype="float64")
    train: Any = partial(checked(jaxmlp.fit), loss_and_grads=jaxmlp.loss_and_grads, optimizer=optax.sgd(0.1), steps=2)
    jax.eval_shape(train, params, (x, y))
    jax.eval_shape(partial(train, batch_size=2), params, (x, y), key=getkey())


def test_the_checker_bites(getkey):
    params, x, _ = problem(getkey())
    with pytest.raises(jaxtyping.TypeCheckError):
        checked(dense_fwd)(params[0], x[0])
    with pytest.raises(jaxtyping.TypeCheckError):
        checked(dense_fwd)(params[0], x.astype(int))
    wrong = jaxmlp.Activation("wrong", jaxmlp.tanh.fwd, lambda z, da: (da.sum(axis=0),))
    with pytest.raises(jaxtyping.TypeCheckError):
        checked_activation(wrong)(x, x)
    no_tuple: Any = lambda z, da: da
    unwrapped = jaxmlp.Activation("unwrapped", jaxmlp.tanh.fwd, no_tuple)
    with pytest.raises(jaxtyping.TypeCheckError):
        checked_activation(unwrapped)(x, x)
