"""How often `check` is wrong about gradients that nobody chose: right ones drawn at random, and mistakes in them.

Three parts:

- the 360 gradients of `verdicts.py`, given in float32, float64 and bfloat16;
- 2,000 right gradients: random networks with every activation of the package and of `jax.nn`, losses, sizes, batches,
  dtypes and scales, at points that are saturated, trained, next to a kink or on it, with dead units, zeros and
  duplicates. The loss is put together from other forms of the same functions than the gradient, and the gradient is
  arranged in another order, so that the two share no code. None may be called wrong;
- one mistake in each of those, from a part in 100,000 of one number to another leaf. One that is called right counts
  as foretold if the report on the right gradient says beforehand that it cannot be seen: no leaf is off by more than
  it allows, neither here nor at the point near by. Else it is missed. A mistake that changes nothing at either point is
  none, and another is drawn.

Only verdicts are asked for, unless `--findings` makes the diagnoses too. Each result is written with its seed once it
is there, and the same command goes on where it stopped. Exit status 1 if a right gradient is called wrong, or a mistake
is missed. The table of the last run is kept in `false_results.md`.

    python benchmarks/false_results.py                         all of it
    python benchmarks/false_results.py --seeds 100 --from 500  some of it
    python benchmarks/false_results.py --seed 17               one of the gradients, and what the reports say
"""

import json
import os
import sys
import time
import warnings
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import script
import verdicts
from points import trained_points
from random_gradients.cases import case
from random_gradients.lines import checked, Line, planted, prepare, random_line, took
from random_gradients.tables import failures, has_failed, MATRIX, summary, table

import jaxmlp


CHUNK = 20


def matrix_line(dtype: str, seeds: int) -> Line:
    """The verdicts on the 36 gradients of `verdicts.py` from each of some seeds."""
    began = time.process_time()
    with jax.enable_x64(True):
        points = trained_points(seeds, verdicts.TARGETS)
    false: dict[str, str] = {}
    with jax.enable_x64(dtype == "float64"):
        x, y = jaxmlp.gate("xor", dtype=jnp.dtype(dtype))
        for (seed, target), wide in points.items():
            params = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), wide)
            for mistake, grads in verdicts.GRADIENTS.items():
                verdict = jaxmlp.check(verdicts.loss, grads, params, x, y).verdict
                if verdict != ("right" if mistake == "none" else "wrong"):
                    false[f"seed {seed}, {verdicts.POINTS[target]}, {mistake}"] = verdict
    count = len(points) * len(verdicts.GRADIENTS)
    return {"part": "matrix", "dtype": dtype, "seeds": seeds, "count": count, "false": false, **took(began)}


def run(job: tuple[str, Any]) -> list[Line]:
    """The lines of one job."""
    warnings.filterwarnings("ignore", category=RuntimeWarning)  # overflow, which some points are made to have
    part, what = job
    if part == "matrix":
        return [matrix_line(*what)]
    jax.clear_caches()
    return [_or_error(seed) for seed in what]


def _or_error(seed: int) -> Line:
    try:
        return random_line(seed)
    except Exception as error:
        return {"part": "random", "seed": seed, "error": f"{type(error).__name__}: {error}"[:500], "seconds": 0.0}


def jobs(options: Any, done: list[Line]) -> Iterator[tuple[str, Any]]:
    """What is not done yet."""
    seen = {(line["dtype"], line["seeds"]) for line in done if line["part"] == "matrix"}
    for dtype in MATRIX if options.matrix else ():
        if (dtype, options.matrix) not in seen:
            yield "matrix", (dtype, options.matrix)
    past = {line["seed"] for line in done if line["part"] == "random"}
    left = [seed for seed in range(options.start, options.start + options.seeds) if seed not in past]
    for i in range(0, len(left), CHUNK):
        yield "random", left[i : i + CHUNK]


def main() -> int:
    parser = script.parser(__doc__)
    parser.add_argument("--seeds", type=int, default=2000, help="how many right gradients, and mistakes in them")
    parser.add_argument("--from", type=int, default=0, dest="start", metavar="SEED", help="the first of them")
    parser.add_argument("--matrix", type=int, default=10, help="seeds of the matrix: 36 gradients each in three dtypes")
    parser.add_argument("--seed", type=int, help="only the random gradient of this seed, with its reports")
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--findings", action="store_true", help="make the diagnoses too, in twice the time")
    parser.add_argument("--lines", type=Path, default=Path("false_results.jsonl"), help="a line for each result")
    options = parser.parse_args()
    if options.seed is not None:
        return show(options.seed)
    if options.smoke:
        options.seeds, options.matrix, options.lines = 4, 0, Path(os.devnull)
    lines = [json.loads(line) for line in options.lines.read_text().splitlines()] if options.lines.exists() else []
    todo, began = list(jobs(options, lines)), time.perf_counter()
    # Now and then a fresh process: what JAX keeps of thousands of functions is never let go. A ProcessPoolExecutor may
    # stop for ever where it is to start one (python/cpython#115634, in Python 3.11 to 3.14).
    workers = get_context("spawn").Pool(options.processes, prepare, (options.findings,), maxtasksperchild=10)
    with workers as pool:
        for number, new in enumerate(pool.imap_unordered(run, todo), 1):
            lines += new
            with options.lines.open("a") as file:
                file.writelines(json.dumps(line) + "\n" for line in new)
            progress = f"{number} of {len(todo)}, {time.perf_counter() - began:.0f} s{failures(new)}"
            print(progress, file=sys.stderr, flush=True)
    past = options.start + options.seeds
    figures = summary([line for line in lines if line["part"] == "matrix" or options.start <= line["seed"] < past])
    print(table(figures))
    script.write(options.json, figures)
    return int(has_failed(figures))


def show(seed: int) -> int:
    """Prints what was drawn for a seed, and the two reports on it."""
    drawn = case(seed)
    mistake, _ = planted(drawn)
    print(json.dumps(drawn.about, indent=1), checked(drawn, drawn.grads), sep="\n")
    if mistake is not None:
        print(f"\n{mistake.kind}, {mistake.what}:", checked(drawn, mistake.grads), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
