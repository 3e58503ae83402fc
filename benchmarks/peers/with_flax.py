"""flax's nnx: a Python loop of a compiled step, as its documentation trains. Its users may write a scan as well."""

import jax.numpy as jnp
import optax
from flax import nnx  # pyright: ignore[reportMissingImports]

from . import Problem, Program


def train(problem: Problem, steps: int) -> Program:
    loss_of, x, y = _loss(problem), jnp.asarray(problem.x), jnp.asarray(problem.y)

    @nnx.jit
    def step(model, optimizer, x, y):
        loss, grads = nnx.value_and_grad(loss_of)(model, x, y)
        optimizer.update(model, grads)
        return loss

    model = _model(problem)
    optimizer = nnx.Optimizer(model, optax.sgd(problem.rate), wrt=nnx.Param)
    step_of_model = nnx.cached_partial(step, model, optimizer)  # what its guide to performance advises
    start = nnx.to_pure_dict(nnx.state(model))

    def run():
        nnx.update(model, start)
        return model, [step_of_model(x, y) for _ in range(steps)]

    return run


def gradient(problem: Problem) -> Program:
    model, x, y = _model(problem), jnp.asarray(problem.x), jnp.asarray(problem.y)
    loss_and_grads = nnx.jit(nnx.value_and_grad(_loss(problem)))

    def run():
        loss, grads = loss_and_grads(model, x, y)
        layers = grads["layers"]
        return loss, [layers[i][name] for i in sorted(layers) for name in ("kernel", "bias")]

    return run


def _model(problem: Problem):
    layers, rngs = [], nnx.Rngs(0)
    for w, b in problem.params:
        given = dict(kernel_init=lambda *_, w=w: jnp.asarray(w), bias_init=lambda *_, b=b: jnp.asarray(b))
        linear = nnx.Linear(*w.shape, **given, rngs=rngs)
        layers += [linear, nnx.relu if problem.classes else nnx.sigmoid]
    return nnx.Sequential(*layers[:-1])


def _loss(problem: Problem):
    of = optax.softmax_cross_entropy_with_integer_labels if problem.classes else optax.sigmoid_binary_cross_entropy
    return lambda model, x, y: of(model(x), y).mean()
