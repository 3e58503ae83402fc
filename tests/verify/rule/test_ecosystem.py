"""Losses, models and rules as equinox, flax, optax and jaxtyping write them."""

import jax
import jax.numpy as jnp
import optax
import pytest
from jaxtyping import Array, Float, jaxtyped

from jaxmlp import check, check_rule

from ...helpers import normal


pytestmark = pytest.mark.long


def data(getkey, dtype="float64"):
    return normal(getkey(), (5, 3), dtype), normal(getkey(), (5, 2), dtype)


def minus(grads):
    """The gradient with a minus sign too much."""
    return lambda *args: jax.tree.map(lambda leaf: -leaf, grads(*args))


def paths(report):
    return [leaf.path for leaf in report.leaves]


@pytest.fixture
def mlp(getkey):
    eqx = pytest.importorskip("equinox")
    return eqx.nn.MLP(3, 2, 4, 1, activation=jax.nn.relu, key=getkey())


LAYERS = ["layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias"]


def test_the_params_may_be_an_equinox_module(getkey, mlp):
    """Its activations are functions among its leaves."""
    eqx = pytest.importorskip("equinox")
    x, y = data(getkey)
    loss = lambda model, x, y: optax.losses.huber_loss(jax.vmap(model)(x), y).mean()
    grads = eqx.filter_grad(loss)
    report = check(loss, grads, mlp, x, y)
    assert report.ok and paths(report) == LAYERS, report
    wrong = check(loss, minus(grads), mlp, x, y)
    assert [finding.cause for finding in wrong.findings] == ["sign"] and f"--> {__file__}" in str(wrong), wrong
    assert check(loss, grads, mlp, x, y, numeric=True).ok


def test_rules_inside_of_an_equinox_module_are_checked(getkey, mlp):
    report = check_rule(lambda model, x: model(x), mlp, data(getkey)[0][0])
    assert report.ok and paths(report) == ["(value)", *(f"model.{path}" for path in LAYERS), "x"], report


def test_rules_of_equinox_are_checked(getkey):
    eqx = pytest.importorskip("equinox")
    x, _ = data(getkey)

    @eqx.filter_custom_vjp
    def power(x, n):
        return jnp.sin(x) ** n

    power.def_fwd(lambda perturbed, x, n: (power(x, n), None))
    power.def_bwd(lambda _, g, perturbed, x, n: g * n * jnp.sin(x) ** (n - 1) * jnp.cos(x))
    assert check_rule(lambda x: power(x, 3), x).ok
    power.def_bwd(lambda _, g, perturbed, x, n: g * n * jnp.sin(x) ** (n - 1))
    assert check_rule(lambda x: power(x, 3), x).verdict == "wrong"


def test_the_params_may_be_of_flax_linen(getkey):
    nn = pytest.importorskip("flax.linen")
    model = nn.Sequential([nn.Dense(4), nn.relu, nn.Dense(2)])
    x, y = data(getkey, "float32")
    variables = model.init(getkey(), x)
    loss = lambda variables, x, y: optax.losses.l2_loss(model.apply(variables, x), y).mean()
    report = check(loss, minus(jax.grad(loss)), variables, x, y)
    assert paths(report)[0] == "params.layers_0.bias" and [f.cause for f in report.findings] == ["sign"]


def test_the_params_may_be_a_state_or_a_module_of_flax_nnx(getkey):
    nnx = pytest.importorskip("flax.nnx")
    model = nnx.Sequential(nnx.Linear(3, 4, rngs=nnx.Rngs(0)), nnx.softplus, nnx.Linear(4, 2, rngs=nnx.Rngs(1)))
    graph, state = nnx.split(model)
    x, y = data(getkey, "float32")
    loss = lambda state, x, y: optax.losses.squared_error(nnx.merge(graph, state)(x), y).mean()
    report = check(loss, minus(jax.grad(loss)), state, x, y)
    assert "layers.0.kernel" in str(report) and [f.cause for f in report.findings] == ["sign"]
    assert check_rule(lambda model, x: model(x), model, x).ok


def test_annotated_functions_are_checked(getkey):
    beartype = pytest.importorskip("beartype").beartype
    x, y = data(getkey)

    @jaxtyped(typechecker=beartype)
    def loss(w: Float[Array, "in out"], x: Float[Array, "batch in"], y: Float[Array, "batch out"]) -> Float[Array, ""]:
        return optax.losses.cosine_distance(x @ w, y).mean()

    @jaxtyped(typechecker=beartype)
    def grads(
        w: Float[Array, "in out"], x: Float[Array, "batch in"], y: Float[Array, "batch out"]
    ) -> Float[Array, "in out"]:
        return -jax.grad(loss)(w, x, y)

    report = check(loss, grads, jnp.ones((3, 2)) / 3, x, y)
    assert [finding.cause for finding in report.findings] == ["sign"], report
    line = report.findings[0].line
    assert line and line.text == "return -jax.grad(loss)(w, x, y)", report
