"""equinox: a Python loop of a compiled step, as its documentation trains. Its users may write a scan as well."""

import equinox as eqx  # pyright: ignore[reportMissingImports]
import jax
import jax.numpy as jnp
import optax

from . import Problem, Program


def train(problem: Problem, steps: int) -> Program:
    optimizer = optax.sgd(problem.rate)
    loss_of, x, y = _loss(problem), jnp.asarray(problem.x), jnp.asarray(problem.y)

    @eqx.filter_jit
    def step(model, opt_state, x, y):
        loss, grads = eqx.filter_value_and_grad(loss_of)(model, x, y)
        updates, opt_state = optimizer.update(grads, opt_state, model)
        return eqx.apply_updates(model, updates), opt_state, loss

    start = _model(problem)

    def run():
        model, losses = start, []
        opt_state = optimizer.init(eqx.filter(model, eqx.is_inexact_array))
        for _ in range(steps):
            model, opt_state, loss = step(model, opt_state, x, y)
            losses.append(loss)
        return model, losses

    return run


def gradient(problem: Problem) -> Program:
    model, x, y = _model(problem), jnp.asarray(problem.x), jnp.asarray(problem.y)
    loss_and_grads = eqx.filter_jit(eqx.filter_value_and_grad(_loss(problem)))

    def run():
        loss, grads = loss_and_grads(model, x, y)
        return loss, [leaf for layer in grads.layers for leaf in (layer.weight, layer.bias)]

    return run


def _model(problem: Problem):
    first, *hidden, last = problem.sizes
    activation = jax.nn.relu if problem.classes else jax.nn.sigmoid
    model = eqx.nn.MLP(first, last, hidden[0], len(hidden), activation, key=jax.random.key(0))
    leaves = [jnp.asarray(leaf) for w, b in problem.params for leaf in (w.T, b)]
    return eqx.tree_at(lambda m: [leaf for layer in m.layers for leaf in (layer.weight, layer.bias)], model, leaves)


def _loss(problem: Problem):
    of = optax.softmax_cross_entropy_with_integer_labels if problem.classes else optax.sigmoid_binary_cross_entropy
    return lambda model, x, y: of(jax.vmap(model)(x), y).mean()
