"""NumPy: backpropagation written out, one call of NumPy for each operation."""

import numpy as np

from . import Problem, Program


def train(problem: Problem, steps: int) -> Program:
    def run():
        params = [(w.copy(), b.copy()) for w, b in problem.params]
        losses = np.empty(steps, np.float32)
        for step in range(steps):
            losses[step], grads = _loss_and_grads(params, problem)
            for layer, dlayer in zip(params, grads, strict=True):
                for leaf, dleaf in zip(layer, dlayer, strict=True):
                    leaf -= problem.rate * dleaf
        return params, losses

    return run


def gradient(problem: Problem) -> Program:
    def run():
        loss, grads = _loss_and_grads(problem.params, problem)
        return loss, [leaf for layer in grads for leaf in layer]

    return run


def _loss_and_grads(params, problem: Problem):
    x, y, n = problem.x, problem.y, len(problem.x)
    activations = [x]
    for w, b in params[:-1]:
        z = activations[-1] @ w + b
        activations.append(np.maximum(z, 0) if problem.classes else _sigmoid(z))
    z = activations[-1] @ params[-1][0] + params[-1][1]
    if problem.classes:
        p = np.exp(z - z.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        answers = np.arange(n), y
        loss = -np.log(p[answers]).mean()
        p[answers] -= 1
        dz = p / n
    else:
        p = _sigmoid(z)
        loss = -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean()
        dz = (p - y) / n
    grads = []
    for i in reversed(range(len(params))):
        a = activations[i]
        grads.append((a.T @ dz, dz.sum(axis=0)))
        if i:
            dz = dz @ params[i][0].T * ((a > 0) if problem.classes else a * (1 - a))
    return loss, grads[::-1]


def population(problem: Problem, steps: int, record: bool) -> Program:
    """The networks on the last axis, so that every operation runs along them."""
    start = [np.ascontiguousarray(np.moveaxis(leaf, 0, -1)) for layer in problem.params for leaf in layer]
    x, y = problem.x[:, :, None, None], problem.y

    def run():
        w1, b1, w2, b2 = params = [leaf.copy() for leaf in start]
        losses = np.empty((steps, w1.shape[-1]), np.float32) if record else None
        for step in range(steps):
            a = _sigmoid((x * w1).sum(axis=1) + b1)
            p = _sigmoid((a * w2[:, 0]).sum(axis=1) + b2)
            if losses is not None:
                losses[step] = -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean(axis=0)
            dz = (p - y) / len(y)
            dh = dz[:, None] * w2[:, 0] * a * (1 - a)
            dw1, dw2 = (x * dh[:, None]).sum(axis=0), (a * dz[:, None]).sum(axis=0)[:, None]
            for leaf, dleaf in zip(params, (dw1, dh.sum(axis=0), dw2, dz.sum(axis=0)), strict=True):
                leaf -= problem.rate * dleaf
        w1, b1, w2, b2 = (np.moveaxis(leaf, -1, 0) for leaf in params)
        return ((w1, b1), (w2, b2)), None if losses is None else losses.T

    return run


def _sigmoid(z):
    return 1 / (1 + np.exp(-z))
