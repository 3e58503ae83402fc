"""How fast `fit` trains, beside C, beside a scan of `jax.grad` and beside other libraries, in one run.

    W1  XOR, 2-2-1, 10,001 steps, the loss of each recorded
    W2  XOR, 2-10-10-10-1, 10,001 steps
    W3  64-256-256-10, softmax, batch 128, 1000 steps: by hand and by `jax.grad`
    W4  1024-4096-4096-1000, batch 512, one gradient: by hand, by `jax.grad`, and a product of matrices alone
    W5  10,000 networks 2-2-1, 2000 steps, and again with every loss recorded; on two devices too, given two cores

All candidates of a workload take turns, round by round; a ratio is the median over the rounds of the times in the same
round. What takes long makes fewer steps; all times are per step. C is compiled where a compiler is (loops with -O3
-march=native -ffast-math, and hand-written vectors), and left out with a word where none is, as is a library that is
not installed (`pip install '.[bench]'`). Before anything is timed, the losses of all candidates are compared.

    python benchmarks/training.py                      every workload
    taskset -c 0 python benchmarks/training.py W1 W5   one core only
    python benchmarks/training.py --smoke              that everything runs, at a hundredth of the steps
"""

import os
import statistics
import sys
import time
from typing import Any

import jax
import script
from workloads import Workload, WORKLOADS


SECONDS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3}


def main() -> int:
    parser = script.parser(__doc__)
    parser.add_argument("workloads", nargs="*", default=list(WORKLOADS), metavar="W", help=" ".join(WORKLOADS))
    parser.add_argument("--seconds", type=float, default=15, help="how long the candidates of a workload take turns")
    options = parser.parse_args()
    # A GPU would multiply float32 with 10 bits.
    jax.config.update("jax_default_matmul_precision", "highest")
    print(f"jax {jax.__version__} on {jax.devices()[0].device_kind}")
    figures = {}
    for name in options.workloads:
        workload = WORKLOADS[name](100 if options.smoke else 1)
        print(f"\n**{name} {workload.title}**\n")
        figures[name] = figures_of(workload, 0.1 if options.smoke else options.seconds)
        print_table(figures[name])
    script.write(options.json, figures)
    return 0


def figures_of(workload: Workload, seconds: float) -> dict[str, Any]:
    """The times of a step of a network, and their ratios to those of the first candidate and to ours."""
    times: dict[str, list[float]] = {name: [] for name in workload.candidates}
    ends = time.perf_counter() + seconds
    while (rounds := len(times[workload.ours])) < 3 or time.perf_counter() < ends:
        for name in list(times) if rounds % 2 else list(times)[::-1]:
            candidate = workload.candidates[name]
            began = time.perf_counter()
            jax.block_until_ready(candidate.run())
            took = time.perf_counter() - began
            times[name].append(took / (candidate.steps * workload.networks * SECONDS[workload.unit]))

    def ratio(name: str, to: str) -> float:
        return statistics.median(a / b for a, b in zip(times[name], times[to], strict=True))

    first = next(iter(times))
    candidates = {
        name: {
            "steps": workload.candidates[name].steps,
            "min": min(own),
            "median": statistics.median(own),
            "ratio to first": ratio(name, first),
            "ratio to ours": ratio(name, workload.ours),
        }
        for name, own in times.items()
    }
    about = {"title": workload.title, "note": workload.note, "unit": workload.unit, "ours": workload.ours}
    return {**about, "rounds": rounds, "first": first, "candidates": candidates}


def print_table(figures: dict[str, Any]) -> None:
    first, ours, unit = figures["first"], figures["ours"], figures["unit"]
    print(f"| | min, {unit} a step | median | ratio to {first} | ratio to {ours} |\n|---|---:|---:|---:|---:|")
    for name, own in figures["candidates"].items():
        ratios = f"{own['ratio to first']:.3g} | {own['ratio to ours']:.3g}"
        print(f"| {name} | {own['min']:.4g} | {own['median']:.4g} | {ratios} |")
    print(f"\n{figures['rounds']} rounds. {figures['note']}".rstrip(), flush=True)


if __name__ == "__main__":
    if len(os.sched_getaffinity(0)) > 1:
        jax.config.update("jax_num_cpu_devices", 2)  # a second device on the second core, for W5
    sys.exit(main())
