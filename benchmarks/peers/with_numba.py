"""numba: the loops of `c/plain.c` in Python, compiled for the sizes at hand; a population on all cores."""

import numba  # pyright: ignore[reportMissingImports]
import numpy as np

from . import Problem, Program


def train(problem: Problem, steps: int) -> Program:
    sizes, layers, widest = problem.sizes, len(problem.params), max(problem.sizes)
    w, b = np.zeros((layers, widest, widest), np.float32), np.zeros((layers, widest), np.float32)
    for i, (own, bias) in enumerate(problem.params):
        w[i, : own.shape[0], : own.shape[1]], b[i, : len(bias)] = own, bias
    train = _compiled(sizes)

    def run():
        losses = np.empty(steps, np.float32)
        train(w.copy(), b.copy(), problem.x, problem.y[:, 0], np.float32(problem.rate), losses)
        return None, losses

    run()
    return run


def _compiled(sizes: tuple[int, ...]):
    layers, widest, one = len(sizes) - 1, max(sizes), np.float32(1)

    @numba.njit(fastmath=True)
    def train(w, b, x, y, rate, losses):
        batch = len(x)
        a = np.zeros((layers + 1, batch, widest), np.float32)
        dz = np.zeros((layers, batch, widest), np.float32)
        a[0, :, : sizes[0]] = x
        for step in range(len(losses)):
            for m in range(layers):
                for i in range(batch):
                    for j in range(sizes[m + 1]):
                        z = b[m, j]
                        for k in range(sizes[m]):
                            z += a[m, i, k] * w[m, k, j]
                        a[m + 1, i, j] = one / (one + np.exp(-z))
            loss = np.float32(0)
            for i in range(batch):
                p = a[layers, i, 0]
                loss -= y[i] * np.log(p) + (one - y[i]) * np.log(one - p)
                dz[layers - 1, i, 0] = (p - y[i]) / np.float32(batch)
            losses[step] = loss / np.float32(batch)
            for m in range(layers - 1, 0, -1):
                for i in range(batch):
                    for k in range(sizes[m]):
                        da = np.float32(0)
                        for j in range(sizes[m + 1]):
                            da += dz[m, i, j] * w[m, k, j]
                        dz[m - 1, i, k] = da * a[m, i, k] * (one - a[m, i, k])
            for m in range(layers):
                for j in range(sizes[m + 1]):
                    for i in range(batch):
                        step_of_z = rate * dz[m, i, j]
                        b[m, j] -= step_of_z
                        for k in range(sizes[m]):
                            w[m, k, j] -= step_of_z * a[m, i, k]

    return train


def population(problem: Problem, steps: int, record: bool) -> Program:
    (w1, b1), (w2, b2) = problem.params
    start = np.concatenate([w1.reshape(-1, 4), b1, w2[:, :, 0], b2], axis=1)

    def run():
        q = start.copy()
        losses = np.empty((len(q), steps if record else 0), np.float32)
        _train_many(q, problem.x, problem.y[:, 0], np.float32(problem.rate), steps, losses)
        params = (q[:, :4].reshape(-1, 2, 2), q[:, 4:6]), (q[:, 6:8, None], q[:, 8:])
        return params, losses if record else None

    run()
    return run


@numba.njit(fastmath=True, parallel=True)
def _train_many(q, x, y, rate, steps, losses):
    one, quarter = np.float32(1), np.float32(0.25)
    for network in numba.prange(len(q)):
        w00, w01, w10, w11, b0, b1, v0, v1, c = q[network]
        for step in range(steps):
            g00 = g01 = g10 = g11 = h0 = h1 = u0 = u1 = d = loss = np.float32(0)
            for i in range(4):
                a0 = one / (one + np.exp(-(x[i, 0] * w00 + x[i, 1] * w10 + b0)))
                a1 = one / (one + np.exp(-(x[i, 0] * w01 + x[i, 1] * w11 + b1)))
                p = one / (one + np.exp(-(a0 * v0 + a1 * v1 + c)))
                if losses.shape[1]:
                    loss -= np.log(p if y[i] > 0 else one - p)
                dz = (p - y[i]) * quarter
                d0, d1 = dz * v0 * a0 * (one - a0), dz * v1 * a1 * (one - a1)
                g00, g01 = g00 + d0 * x[i, 0], g01 + d1 * x[i, 0]
                g10, g11 = g10 + d0 * x[i, 1], g11 + d1 * x[i, 1]
                h0, h1, u0, u1, d = h0 + d0, h1 + d1, u0 + dz * a0, u1 + dz * a1, d + dz
            if losses.shape[1]:
                losses[network, step] = loss * quarter
            w00, w01, w10, w11 = w00 - rate * g00, w01 - rate * g01, w10 - rate * g10, w11 - rate * g11
            b0, b1, v0, v1, c = b0 - rate * h0, b1 - rate * h1, v0 - rate * u0, v1 - rate * u1, c - rate * d
        q[network] = w00, w01, w10, w11, b0, b1, v0, v1, c
