"""How fast and how honest the numeric second opinion is.

First a table of error bars: for each kind of function the share of 4,000 slopes whose true error is larger than its bar
(there should be none), how wide the bar is beside the slope, and how many times wider than the true error. Then every
parameter of a 64-256-256-10 network by differences alone, 85,002 of them with 4 samples, beside
`torch.autograd.gradcheck` where torch is installed. Exit status 1 if a bar is crossed more than once in a thousand.

    python benchmarks/numeric.py
    python benchmarks/numeric.py --sizes 64 32 32 10 --repeats 5      a smaller network, for a quick look at the ratio
"""

import sys
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import script

from jaxmlp.verify._numeric._differences import ladder, slopes
from jaxmlp.verify._numeric._opinion import opinion
from jaxmlp.verify._numeric._structured import dense_differences


LINES = 4000


def families(rng):
    """Name, functions of distances (lines, n), and their slopes at 0."""
    a, w, phase = rng.standard_normal((3, LINES, 4, 1))
    w = w * 10 ** rng.uniform(-1, 2, (LINES, 4, 1))
    waves = lambda t: (a * np.sin(w * t[:, None, :] + phase)).sum(axis=1)
    slope = (a * w * np.cos(phase)).sum(axis=1)[:, 0]
    large = 10 ** rng.uniform(0, 8, (LINES, 1))
    z, v = rng.uniform(-36, 36, (LINES, 1)), rng.standard_normal((LINES, 1))
    p = 1 / (1 + np.exp(-z))
    yield "four sines", waves, slope
    yield "the same times 1e-9", lambda t: 1e-9 * waves(t), 1e-9 * slope
    yield "the same times 1e9", lambda t: 1e9 * waves(t), 1e9 * slope
    yield "the same plus up to 1e8", lambda t: waves(t) + large, slope
    yield "the same in float32", lambda t: waves(t).astype(np.float32).astype(np.float64), slope
    yield "a saturated sigmoid", lambda t: 1 / (1 + np.exp(-z - v * t)), (v / (2 + np.exp(z) + np.exp(-z)))[:, 0]
    yield "-log(1 - p), naive", lambda t: -np.log(1 - 1 / (1 + np.exp(-z - v * t))), (v * p)[:, 0]
    at = 10 ** rng.uniform(-7, 0, (LINES, 1)) * rng.choice([-1, 1], (LINES, 1))
    yield "a kink near by", lambda t: v * np.maximum(t - at, 0) + np.sin(t), (v * (at < 0) + 1)[:, 0]


def honesty() -> float:
    """Prints the table of bars; returns the worst share of bars that are crossed."""
    print(f"{'functions':<26}{'measured':>10}{'crossed':>9}{'bar / slope':>13}{'bar / error':>13}")
    worst = 0.0
    for name, functions, truth in families(np.random.default_rng(0)):
        with np.errstate(all="ignore"):
            along = lambda t, f=functions: f(np.broadcast_to(t, (LINES, t.shape[1])))
            seen = slopes(along, ladder(1.0), float(np.finfo(np.float64).eps))
            ok, error = seen.states == "ok", abs(seen.values - truth)
            width, factor = np.median((seen.bars / abs(truth))[ok]), np.median((seen.bars / error)[ok])
        crossed = float(np.mean(error[ok] > seen.bars[ok]))
        worst = max(worst, crossed)
        print(f"{name:<26}{ok.mean():>10.1%}{crossed:>9.2%}{width:>13.1e}{factor:>13.0f}")
    return worst


def identity(z):
    return z


def network(sizes: list[int]) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(0)
    pairs = zip(sizes, sizes[1:], strict=False)
    layers = tuple((rng.standard_normal((m, n)) / np.sqrt(m), 0.1 * rng.standard_normal(n)) for m, n in pairs)
    return layers, rng.standard_normal((4, sizes[0])), rng.standard_normal((4, sizes[-1]))


def by_jaxmlp(sizes: list[int], repeats: int) -> float:
    """The least seconds of several runs; prints how the result compares with `jax.grad`."""
    layers, x, y = network(sizes)
    activations = (jnp.tanh,) * (len(layers) - 1) + (identity,)

    def losses(out):
        return ((out - y) ** 2).sum(axis=1)

    def loss(layers, x):
        for (w, b), activation in zip(layers, activations, strict=True):
            x = activation(x @ w + b[None, :])
        return losses(x).sum()

    seconds, seen = [], None
    while seen is None or len(seconds) <= repeats:
        began = time.perf_counter()
        seen = dense_differences(layers, activations, losses, x)
        seconds.append(time.perf_counter() - began)
    with jax.enable_x64(True):
        found = opinion(seen, jax.grad(loss)(jax.tree.map(jnp.asarray, layers), jnp.asarray(x)))
    resolution = max(leaf.resolution for leaf in found.leaves.values())
    print(f"jaxmlp: {min(seconds[1:]):.2f} s (median {np.median(seconds[1:]):.2f} s, first run {seconds[0]:.1f} s);")
    print(f"        jax.grad is {found.verdict}: no leaf is off by more than {resolution:.0e} of its norm")
    return min(seconds[1:])


def by_torch(sizes: list[int]) -> float | None:
    try:
        import torch  # pyright: ignore[reportMissingImports]
    except ImportError:
        return None
    layers, x, y = (jax.tree.map(torch.tensor, part) for part in network(sizes))
    leaves = [leaf.requires_grad_() for leaf in jax.tree.leaves(layers)]

    def loss(*leaves):
        out = x
        for i in range(0, len(leaves), 2):
            out = out @ leaves[i] + leaves[i + 1]
            out = torch.tanh(out) if i + 2 < len(leaves) else out
        return ((out - y) ** 2).sum()

    began = time.perf_counter()
    torch.autograd.gradcheck(loss, leaves)
    return time.perf_counter() - began


def main() -> int:
    parser = script.parser(__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 256, 256, 10])
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    sizes, repeats = ([64, 32, 32, 10], 1) if options.smoke else (options.sizes, options.repeats)
    worst = honesty()
    count = sum((m + 1) * n for m, n in zip(sizes, sizes[1:], strict=False))
    print(f"\n{'-'.join(map(str, sizes))}, {count:,} parameters, 4 samples:")
    ours, theirs = by_jaxmlp(sizes, repeats), by_torch(sizes)
    if theirs is None:
        print("torch is not installed: nothing to compare with")
    else:
        print(f"torch.autograd.gradcheck: {theirs:.1f} s, {theirs / ours:.0f} times as long")
    seconds = {"jaxmlp": ours, "torch.autograd.gradcheck": theirs}
    script.write(options.json, {"worst share of bars crossed": worst, "parameters": count, "seconds": seconds})
    return 1 if worst > 1e-3 else 0


if __name__ == "__main__":
    sys.exit(main())
