"""What a check costs, from a hundred parameters to a hundred million.

A network of four square layers on a batch of 1,024, its gradient written out by hand, in float32 on the CPU. For every
size, in processes of its own: the time of the first `check`, over that of one evaluation of the gradient in float64, in
which the check judges, and in float32; and the most memory that it holds beyond what the gradient alone does, over that
of the parameters. Times are those of the processor, all cores together, and the least of several processes each, so
that a busy machine matters less; of the memory it is the most. The gradient is compiled before it is timed; that the
check compiles is part of its time, and of its memory. Exit status 1 if a gradient is not called right.

    python benchmarks/scale.py                     all sizes, one after the other; it holds up to 3 GB
    python benchmarks/scale.py --sizes 5 500       layers of 5 and of 500 units
    python benchmarks/scale.py --json scale.json --picture results/scale.svg
"""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import script

import jaxmlp


LAYERS = 4
WIDTHS = (5, 16, 50, 160, 500, 1600, 5000)
BATCH = 1024
MEMORY = "peak memory of the check beyond that of the gradient, over that of the parameters"


def loss(params, x, y):
    a = x
    for w, b in params[:-1]:
        a = jnp.tanh(a @ w + b[None, :])
    w, b = params[-1]
    return jnp.mean((a @ w + b[None, :] - y) ** 2)


def by_hand(params, x, y):
    activations = [x]
    for w, b in params[:-1]:
        activations.append(jnp.tanh(activations[-1] @ w + b[None, :]))
    w, b = params[-1]
    dz = 2 * (activations[-1] @ w + b[None, :] - y) / y.size
    grads = []
    for a, (w, _) in zip(reversed(activations), reversed(params), strict=True):
        grads.append((a.T @ dz, dz.sum(axis=0)))
        if len(grads) < len(params):
            dz = dz @ w.T * (1 - a**2)
    return tuple(reversed(grads))


def problem(width: int) -> tuple[Any, Any, Any]:
    keys = iter(jax.random.split(jax.random.key(0), 2 * LAYERS + 2))
    normal = lambda *shape: jax.random.normal(next(keys), shape, jnp.float32)
    params = tuple((normal(width, width) / width**0.5, 0.1 * normal(width)) for _ in range(LAYERS))
    return params, normal(BATCH, width), normal(BATCH, width)


def seconds(run: Callable[[], Any], repeats: int = 3) -> float:
    """The least time of a few runs after the first."""
    jax.block_until_ready(run())
    times = []
    for _ in range(repeats):
        began = time.process_time()
        jax.block_until_ready(run())
        times.append(time.process_time() - began)
    return min(times)


def peak() -> int:
    """The most memory that this process has held, in bytes; `ru_maxrss` is in KiB, on a Mac in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def of_one(width: int) -> dict[str, Any]:
    """The figures of one size, in this process."""
    args = jax.block_until_ready(problem(width))
    held = sum(leaf.nbytes for leaf in jax.tree.leaves(args[0]))
    gradient = jax.jit(by_hand)
    single = seconds(lambda: gradient(*args))
    with_gradient = peak()
    began = time.process_time()
    report = jaxmlp.check(loss, by_hand, *args)
    first = time.process_time() - began
    with_check = peak()
    return {
        "parameters": held // 4,
        "verdict": report.verdict,
        "check, s": first,
        "gradient in float32, s": single,
        "gradient in float64, s": in_float64(args),
        MEMORY: (with_check - with_gradient) / held,
    }


def of_size(width: int, runs: int) -> dict[str, Any]:
    """The same, of several processes one after the other: the least times, and the most memory."""
    command = [sys.executable, __file__, "--alone", str(width)]
    alone = lambda: json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    figures = [alone() for _ in range(runs)]
    of_all = {name: [own[name] for own in figures] for name in figures[0]}
    verdicts = of_all.pop("verdict")
    verdict = next((verdict for verdict in verdicts if verdict != "right"), "right")
    return {"verdict": verdict} | {name: (max if name == MEMORY else min)(all_) for name, all_ in of_all.items()}


def in_float64(args: tuple[Any, Any, Any]) -> float:
    with jax.enable_x64(True):
        wide = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), args)
        gradient = jax.jit(by_hand)
        return seconds(lambda: gradient(*wide))


def draw(figures: list[dict[str, Any]], file: Path) -> None:
    """The time over that of a gradient evaluation, and the memory over that of the parameters, against the size."""
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    sizes = [own["parameters"] for own in figures]
    with plt.rc_context({"svg.hashsalt": "jaxmlp", "svg.fonttype": "none", "font.size": 9}):
        figure, (time_ax, memory_ax) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
        for dtype, marker, colour in (("float64", "D", "#000000"), ("float32", "o", "#E69F00")):
            ratios = [own["check, s"] / own[f"gradient in {dtype}, s"] for own in figures]
            time_ax.plot(sizes, ratios, marker=marker, color=colour, label=f"a gradient in {dtype}")
        time_ax.axhline(4, color="0.6", lw=0.8, zorder=0)
        time_ax.set_title("CPU time of a check over that of", loc="left", fontsize=9, fontweight="bold")
        time_ax.legend(frameon=False)
        memory = [own[MEMORY] for own in figures]
        memory_ax.plot(sizes, memory, marker="D", color="#000000")
        memory_ax.axhline(3, color="0.6", lw=0.8, zorder=0)
        memory_ax.set_title(
            "memory beyond a gradient's over the parameters'", loc="left", fontsize=9, fontweight="bold"
        )
        for ax in (time_ax, memory_ax):
            ax.set_xscale("log")
            ax.set_yscale("log")
            ax.yaxis.set_major_formatter("{x:,g}")
            ax.set_xlabel("parameters")
            ax.grid(color="0.9", lw=0.6)
            ax.spines[["top", "right"]].set_visible(False)
        figure.savefig(file, metadata={"Date": None})
        plt.close(figure)


def main() -> int:
    parser = script.parser(__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(WIDTHS), help="the units of a layer")
    parser.add_argument("--runs", type=int, default=3, help="processes for each size")
    parser.add_argument("--alone", type=int, help="this size, in this process: the figures as JSON")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="where to draw the figures, as SVG")
    options = parser.parse_args()
    if options.alone:
        print(json.dumps(of_one(options.alone)))
        return 0
    figures = []
    print("| parameters | check, s | gradient in float64, s | check / gradient | in float32 | memory / parameters |")
    print("|--:|--:|--:|--:|--:|--:|")
    for width in options.sizes[: 2 if options.smoke else None]:
        own = of_size(width, 1 if options.smoke else options.runs)
        figures.append(own)
        of = {dtype: own["check, s"] / own[f"gradient in {dtype}, s"] for dtype in ("float64", "float32")}
        memory = own[MEMORY]
        print(
            f"| {own['parameters']:,} | {own['check, s']:.2f} | {own['gradient in float64, s']:.2g} | "
            f"{of['float64']:.3g} | {of['float32']:.3g} | {memory:.3g} |",
            flush=True,
        )
    script.write(options.json, figures)
    if options.picture:
        draw(figures, options.picture)
    return int(any(own["verdict"] != "right" for own in figures))


if __name__ == "__main__":
    sys.exit(main())
