"""How many verdicts on 360 gradients are false, by jaxmlp and by the checks that JAX users have.

A 2-10-10-10-1 sigmoid network with cross-entropy on XOR, at four points (as drawn, and trained to losses below
1e-2, 1e-4 and 1e-6) from ten seeds, with nine gradients each: the right one and eight with one mistake. A false
verdict is a right gradient not called right, or a wrong one not called wrong. Each gradient is given in float32 and
in float64. Exit status 1 if jaxmlp gives a false verdict.

    python benchmarks/verdicts.py                 all 360, jaxmlp alone
    python benchmarks/verdicts.py --peers         beside jax.test_util.check_grads and chex.assert_numerical_grads
"""

import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import script
from points import trained_points

import jaxmlp
from jaxmlp import Dense


TARGETS = (1e-2, 1e-4, 1e-6)
POINTS = {None: "as drawn"} | {target: f"loss < {target:.0e}" for target in TARGETS}


def loss(params, x, y):
    z = jaxmlp.predict(params, x, output=jaxmlp.identity)
    return (jax.nn.softplus(z) - y * z).mean()


def gradient(mistake: str, params, x, y):
    """Backpropagation written out, with one mistake in it unless `mistake` is "none"."""
    activations = [x]
    for layer in params:
        activations.append(jax.nn.sigmoid(activations[-1] @ layer.w + layer.b[None, :]))
    p = activations[-1]
    if mistake == "an epsilon of 1e-7":
        dz = (p - y) / (p * (1 - p) + 1e-7) * p * (1 - p) / y.size
    else:
        dz = (p - y) / y.size
    grads = []
    for i in reversed(range(len(params))):
        grads.append(Dense(activations[i].T @ dz, dz.sum(axis=0)))
        if i:
            a = activations[i]
            slope = a * (1 - a)
            if i == 2 and mistake == "no slope in layer 2":
                slope = jnp.ones_like(a)
            if i == 1 and mistake == "slope of the next layer in layer 1":
                slope = activations[2] * (1 - activations[2])
            if i == 1 and mistake == "slope at the activation in layer 1":
                slope = jax.nn.sigmoid(a) * (1 - jax.nn.sigmoid(a))
            dz = dz @ params[i].w.T * slope
    grads = grads[::-1]
    if mistake == "weights times the batch":
        grads = [Dense(g.w * x.shape[0], g.b) for g in grads]
    w2 = grads[1].w
    if mistake == "a sign in w2":
        w2 = -w2
    if mistake == "one element of w2 zero":
        w2 = w2.at[3, 4].set(0)
    if mistake == "w2 times 1.001":
        w2 = w2 * 1.001
    return (grads[0], Dense(w2, grads[1].b), *grads[2:])


MISTAKES = (
    "none",
    "a sign in w2",
    "weights times the batch",
    "no slope in layer 2",
    "an epsilon of 1e-7",
    "slope of the next layer in layer 1",
    "one element of w2 zero",
    "w2 times 1.001",
    "slope at the activation in layer 1",
)
GRADIENTS: dict[str, Callable[..., Any]] = {mistake: partial(gradient, mistake) for mistake in MISTAKES}


def by_jaxmlp(grads, params, x, y) -> bool | None:
    return {"right": True, "wrong": False, "undecided": None}[jaxmlp.check(loss, grads, params, x, y).verdict]


def as_custom_vjp(grads, x, y):
    @jax.custom_vjp
    def f(params):
        return loss(params, x, y)

    def bwd(params, dloss):
        return (jax.tree.map(lambda grad: dloss * grad, grads(params, x, y)),)

    f.defvjp(lambda params: (f(params), params), bwd)
    return f


def by_check_grads(grads, params, x, y) -> bool:
    from jax.test_util import check_grads

    return _passes(lambda: check_grads(as_custom_vjp(grads, x, y), (params,), order=1, modes=["rev"]))


def by_chex(grads, params, x, y) -> bool:
    import chex

    leaves, structure = jax.tree.flatten(params)
    f = as_custom_vjp(grads, x, y)
    return _passes(
        lambda: chex.assert_numerical_grads(
            lambda *leaves: f(jax.tree.unflatten(structure, leaves)), leaves, order=1, modes=["rev"]
        )
    )


def _passes(run: Callable[[], Any]) -> bool:
    try:
        run()
    except AssertionError:
        return False
    return True


def rows(points, dtype: str, checkers) -> Iterator[tuple[str, str, dict[str, int]]]:
    """For every point and mistake, how many seeds each checker judged falsely."""
    x, y = jaxmlp.gate("xor", dtype=dtype)
    for point, name in POINTS.items():
        for mistake, grads in GRADIENTS.items():
            false = dict.fromkeys(checkers, 0)
            for (_, at), params in points.items():
                if at == point:
                    params = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), params)
                    for checker, run in checkers.items():
                        false[checker] += run(grads, params, x, y) is not (mistake == "none")
            yield name, mistake, false


def main() -> int:
    parser = script.parser(__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--peers", action="store_true")
    options = parser.parse_args()
    seeds = 1 if options.smoke else options.seeds
    checkers: dict[str, Callable[..., bool | None]] = {"jaxmlp": by_jaxmlp}
    if options.peers:
        checkers |= {"check_grads": by_check_grads, "chex": by_chex}
    with jax.enable_x64(True):
        points = trained_points(seeds, TARGETS)
    figures: dict[str, Any] = {"verdicts": seeds * len(POINTS) * len(MISTAKES), "false": {}}
    for dtype in ("float32",) if options.smoke else ("float32", "float64"):
        with jax.enable_x64(dtype == "float64"):
            figures["false"][dtype] = table(points, dtype, checkers, seeds)
    script.write(options.json, figures)
    return int(any(false["jaxmlp"] for false in figures["false"].values()))


def table(points, dtype: str, checkers, seeds: int) -> dict[str, int]:
    """Prints the table for one dtype; returns how many false verdicts each checker gave."""
    began, totals = time.perf_counter(), dict.fromkeys(checkers, 0)
    print(f"\n{dtype}: false verdicts of {seeds}")
    print(f"{'point':<14}{'mistake':<38}" + "".join(f"{checker:>13}" for checker in checkers))
    for name, mistake, false in rows(points, dtype, checkers):
        print(f"{name:<14}{mistake:<38}" + "".join(f"{count:>13}" for count in false.values()), flush=True)
        totals = {checker: totals[checker] + count for checker, count in false.items()}
    of = seeds * len(POINTS) * len(MISTAKES)
    print(f"{f'total of {of}':<52}" + "".join(f"{count:>13}" for count in totals.values()))
    print(f"({time.perf_counter() - began:.0f} s)")
    return totals


if __name__ == "__main__":
    sys.exit(main())
