"""torch, eager: a loop of forward, `backward` and `optimizer.step`; a population by `torch.func.vmap`.

On the GPU where JAX computes on one, in float32 at torch's own default, which is the highest precision.
"""

import jax
import jax.numpy as jnp
import torch  # pyright: ignore[reportMissingImports]
from torch import nn  # pyright: ignore[reportMissingImports]

from . import Problem, Program


_DEVICE = "cuda" if jax.default_backend() == "gpu" and torch.cuda.is_available() else "cpu"


def train(problem: Problem, steps: int) -> Program:
    model, loss_of = _model(problem), _loss(problem)
    start = [leaf.detach().clone() for leaf in model.parameters()]
    optimizer = torch.optim.SGD(model.parameters(), lr=problem.rate)

    def run():
        with torch.no_grad():
            for leaf, value in zip(model.parameters(), start, strict=True):
                leaf.copy_(value)
        losses = []
        for _ in range(steps):
            optimizer.zero_grad()
            loss = loss_of(model)
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        return model, torch.stack(losses).cpu().numpy()

    return run


def gradient(problem: Problem) -> Program:
    model, loss_of = _model(problem), _loss(problem)

    def run():
        model.zero_grad()
        loss = loss_of(model)
        loss.backward()
        grads = [leaf.grad for leaf in model.parameters()]
        return loss.item(), grads if _DEVICE == "cpu" else [jnp.from_dlpack(leaf) for leaf in grads]

    return run


def _model(problem: Problem) -> nn.Sequential:
    layers = []
    for w, b in problem.params:
        linear = nn.Linear(*w.shape)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(w.T))
            linear.bias.copy_(torch.from_numpy(b))
        layers += [linear, nn.ReLU() if problem.classes else nn.Sigmoid()]
    return nn.Sequential(*layers[:-1]).to(_DEVICE)


def _loss(problem: Problem):
    x, y = _tensor(problem.x), _tensor(problem.y)
    if problem.classes:
        y = y.long()
    criterion = nn.CrossEntropyLoss() if problem.classes else nn.BCEWithLogitsLoss()
    return lambda model: criterion(model(x), y)


def _tensor(array) -> torch.Tensor:
    return torch.from_numpy(array).to(_DEVICE)


def population(problem: Problem, steps: int, record: bool) -> Program:
    x, y = _tensor(problem.x), _tensor(problem.y)

    def loss(params):
        (w1, b1), (w2, b2) = params
        z = torch.sigmoid(x @ w1 + b1) @ w2 + b2
        return nn.functional.binary_cross_entropy_with_logits(z, y)

    of_all = torch.func.vmap(torch.func.grad_and_value(loss))
    start = tuple(tuple(map(_tensor, layer)) for layer in problem.params)

    def run():
        params, losses = start, []
        for _ in range(steps):
            grads, values = of_all(params)
            params = tuple(
                tuple(leaf - problem.rate * dleaf for leaf, dleaf in zip(layer, dlayer, strict=True))
                for layer, dlayer in zip(params, grads, strict=True)
            )
            losses += [values] if record else []
        as_arrays = tuple(tuple(leaf.cpu().numpy() for leaf in layer) for layer in params)
        return as_arrays, torch.stack(losses, dim=1).cpu().numpy() if record else None

    return run
