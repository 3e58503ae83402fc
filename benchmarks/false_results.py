"""How often `check` is wrong about gradients that nobody chose: right ones drawn at random, and mistakes in them.

Three parts, each with its table:

- the 360 gradients of `verdicts.py`, given in float32, float64 and bfloat16;
- 2,000 right gradients: random networks with every activation of the package and of `jax.nn`, losses, sizes, batches,
  dtypes and scales, at points that are saturated, trained, next to a kink or on it, with dead units, zeros and
  duplicates. The loss is put together from other forms of the same functions than the gradient, and the gradient is
  arranged in another order, so that the two share no code. None may be called wrong;
- one mistake in each of those, from a part in 100,000 of one number to another leaf. One that is called right counts
  as foretold if the report on the right gradient says beforehand that it cannot be seen here: no leaf is off by more
  than it allows, neither here nor at the point near by. Else it is a miss. A mistake that changes nothing at either
  point is none, and another is drawn.

Every line of the results is written once it is there, with its seed; the same command goes on where it stopped. Exit
status 1 if a right gradient is called wrong or a mistake is missed that was not foretold.

    python benchmarks/false_results.py                      all of it, on two cores
    python benchmarks/false_results.py --seeds 100 --from 500
    python benchmarks/false_results.py --seed 17            one of them, and what the reports say
"""

import json
import os
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import as_completed, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import script
import verdicts
from points import trained_points
from random_gradients.cases import Case, case
from random_gradients.mistakes import Mistake, mistakes

import jaxmlp
from jaxmlp.verify._program._interpret import interpreted
from jaxmlp.verify._program._tree import named_leaves, widened
from jaxmlp.verify._verdict._points import NEAR


CHUNK = 20
NOTHING = 1e-12
"""A mistake that moves no leaf by this part of it, here or near by, is none here."""


def matrix_line(dtype: str, seeds: int) -> dict[str, Any]:
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
    return {"part": "matrix", "dtype": dtype, "seeds": seeds, "count": count, "false": false, **_took(began)}


def random_line(seed: int) -> dict[str, Any]:
    """The verdicts on the right gradient of a seed and on a mistake in it."""
    began = time.process_time()
    drawn = case(seed)
    right = checked(drawn, drawn.grads)
    line = {"part": "random", "seed": seed, "dtype": drawn.dtype, "way": drawn.about["way"]}
    line |= {"right": right.verdict, "reason": _reason(right)}
    if right.verdict == "wrong":
        line["finite"] = is_finite_in_its_dtype(drawn)
    tried = 0
    for mistake in mistakes(drawn):
        off = differences(drawn, mistake)
        if off is None or max(off[0].values()) > NOTHING or max(off[1].values()) > NOTHING:
            break
        tried += 1
        if tried == 30:
            return line | {"mistake": None} | _took(began)
    report = checked(drawn, mistake.grads)
    line |= {"mistake": mistake.kind, "what": mistake.what, "verdict": report.verdict, "why": _reason(report)}
    if report.verdict != "wrong" and off is not None:
        allowed = {leaf.path: leaf.allowed for leaf in right.leaves}
        line["foretold"] = all(at[path] <= allowed[path] for at in off for path in at)
        line["off"] = max((at[path] / allowed[path] for at in off for path in at), default=0.0)
    return line | _took(began)


def checked(drawn: Case, grads: Callable[..., Any]) -> jaxmlp.GradientReport:
    with jax.enable_x64(drawn.dtype == "float64"):
        return jaxmlp.check(drawn.loss, grads, drawn.params, *drawn.args, has_value=drawn.has_value)


def differences(drawn: Case, mistake: Mistake) -> list[dict[str, float]] | None:
    """How far a mistake moves each leaf from the right gradient, relative to it: here, and at the point near by.

    None where the two are not of the same shapes, or not finite.
    """
    found = []
    with jax.enable_x64(True):
        params, args = widened((drawn.params, drawn.args))
        for at in (params, NEAR[0](params)):
            right, wrong = (_leaves(drawn, grads, at, args) for grads in (drawn.grads, mistake.grads))
            if {path: leaf.shape for path, leaf in right.items()} != {path: leaf.shape for path, leaf in wrong.items()}:
                return None
            if not all(np.isfinite(leaf).all() for leaf in (*right.values(), *wrong.values())):
                return None
            found.append({path: _relative(wrong[path] - leaf, leaf) for path, leaf in right.items()})
    return found


def _leaves(drawn: Case, grads: Callable[..., Any], params: Any, args: Any) -> dict[str, np.ndarray]:
    evaluate: Callable[..., Any] = (lambda f, *args: f(*args)) if drawn.about["way"] == "black box" else interpreted
    result = evaluate(grads, params, *args)
    return {path: np.asarray(leaf) for path, leaf in named_leaves(result[1] if drawn.has_value else result).items()}


def _relative(error: np.ndarray, leaf: np.ndarray) -> float:
    largest = np.abs(leaf).max(initial=0) or 1.0
    size = float(np.linalg.norm(np.ravel(leaf / largest)))
    amount = float(np.linalg.norm(np.ravel(error / largest)))
    return 0.0 if amount == 0 else amount / size if size else float("inf")


def is_finite_in_its_dtype(drawn: Case) -> bool:
    """Whether the gradient is finite in the dtype that it was given in."""
    with jax.enable_x64(drawn.dtype == "float64"):
        run = (lambda f: f) if drawn.about["way"] == "black box" else jax.jit
        result = run(drawn.grads)(drawn.params, *drawn.args)
    return all(np.isfinite(np.asarray(leaf, np.float64)).all() for leaf in jax.tree.leaves(result))


def _reason(report: jaxmlp.GradientReport) -> str:
    if report.verdict == "undecided":
        return ", ".join(sorted({getattr(reason, "key", str(reason)).removeprefix("reason.") for reason in report.reasons}))
    return ", ".join(finding.cause for finding in report.findings) if report.verdict == "wrong" else ""


def _took(began: float) -> dict[str, float]:
    return {"seconds": round(time.process_time() - began, 2)}


def run_job(job: tuple[str, Any]) -> list[dict[str, Any]]:
    """The lines of one chunk, in a process of its own for so long."""
    warnings.filterwarnings("ignore", category=RuntimeWarning)  # overflow, which some points are made to have
    part, what = job
    return [matrix_line(*what)] if part == "matrix" else [_safely(seed) for seed in what]


def _safely(seed: int) -> dict[str, Any]:
    try:
        return random_line(seed)
    except Exception as error:
        return {"part": "random", "seed": seed, "error": f"{type(error).__name__}: {error}"[:500], "seconds": 0.0}
    finally:
        if seed % CHUNK == 0:
            jax.clear_caches()


def jobs(options: Any, done: list[dict[str, Any]]) -> Iterator[tuple[str, Any]]:
    """What is not done yet."""
    seen = {(line["dtype"], line["seeds"]) for line in done if line["part"] == "matrix"}
    for dtype in ("float32", "float64", "bfloat16") if options.matrix else ():
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
    parser.add_argument("--lines", type=Path, default=Path("false_results.jsonl"), help="a line for each result")
    options = parser.parse_args()
    if options.seed is not None:
        return show(options.seed)
    if options.smoke:
        options.seeds, options.matrix, options.lines = 4, 0, None
    lines = [json.loads(line) for line in options.lines.read_text().splitlines()] if options.lines and options.lines.exists() else []
    todo = list(jobs(options, lines))
    began, total = time.perf_counter(), len(todo)
    with ProcessPoolExecutor(options.processes, get_context("spawn"), max_tasks_per_child=10) as pool:
        for number, future in enumerate(as_completed([pool.submit(run_job, job) for job in todo]), 1):
            new = future.result()
            lines += new
            if options.lines:
                with options.lines.open("a") as file:
                    file.writelines(json.dumps(line) + "\n" for line in new)
            print(f"{number} of {total}, {time.perf_counter() - began:.0f} s{failures(new)}", file=sys.stderr, flush=True)
    lines = [line for line in lines if line["part"] == "matrix" or options.start <= line["seed"] < options.start + options.seeds]
    figures = summary(lines)
    print(table(figures))
    script.write(options.json, figures)
    return int(bool(figures["accused"] or figures["missed"] or figures["errors"] or any(figures["matrix"].values())))


def failures(lines: list[dict[str, Any]]) -> str:
    """The seeds among some lines that went wrong."""
    bad = [line for line in lines if is_accused(line) or is_missed(line) or line.get("error") or line.get("false")]
    return "".join(f"\n  {json.dumps(line)}" for line in bad)


def is_accused(line: dict[str, Any]) -> bool:
    return line.get("right") == "wrong" and line["finite"]


def is_missed(line: dict[str, Any]) -> bool:
    return line.get("verdict") == "right" and not line.get("foretold")


def summary(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures of all lines, with the seeds of whatever is no plain success."""
    random = [line for line in lines if line["part"] == "random" and "error" not in line]
    matrix = [line for line in lines if line["part"] == "matrix"]
    planted = [line for line in random if line["mistake"] is not None]
    seeds = lambda chosen: sorted(line["seed"] for line in chosen)
    doubts, silent = (
        {reason: seeds(line for line in some if line[verdict] == "undecided" and line[why] == reason)
         for reason in sorted({line[why] for line in some if line[verdict] == "undecided"})}
        for some, verdict, why in ((random, "right", "reason"), (planted, "verdict", "why"))
    )
    return {
        "matrix": {
            dtype: sum(len(line["false"]) for line in matrix if line["dtype"] == dtype)
            for dtype in ("float32", "float64", "bfloat16")
        },
        "of the matrix": sum(line["count"] for line in matrix),
        "right gradients": len(random),
        "called right": sum(line["right"] == "right" for line in random),
        "accused": seeds(filter(is_accused, random)),
        "not finite in their own dtype": seeds(line for line in random if line["right"] == "wrong" and not line["finite"]),
        "undecided": doubts,
        "mistakes": len(planted),
        "caught": sum(line["verdict"] == "wrong" for line in planted),
        "missed": seeds(filter(is_missed, planted)),
        "foretold": seeds(line for line in planted if line["verdict"] == "right" and line.get("foretold")),
        "mistakes undecided": silent,
        "no mistake found": seeds(line for line in random if line["mistake"] is None),
        "errors": seeds(line for line in lines if "error" in line),
        "by dtype": dict(Counter(line["dtype"] for line in random)),
        "by way": dict(Counter(line["way"] for line in random)),
        "kinds": {
            kind: dict(Counter(line["verdict"] for line in planted if line["mistake"] == kind))
            for kind in sorted({line["mistake"] for line in planted})
        },
        "processor seconds": round(sum(line["seconds"] for line in lines)),
    }


def table(figures: dict[str, Any]) -> str:
    """The figures as Markdown."""
    count = lambda doubts: sum(map(len, doubts.values()))
    because = lambda doubts: ", ".join(f"{reason} {len(seeds)}" for reason, seeds in doubts.items()) or "-"
    rows = [
        "| gradients | count | false | undecided | why undecided |\n|---|--:|--:|--:|---|",
        *(f"| the 360 of verdicts.py in {dtype} | {figures['of the matrix'] // 3} | {false} | 0 | |" for dtype, false in figures["matrix"].items()),
        f"| right, at random | {figures['right gradients']} | {len(figures['accused'])} | {count(figures['undecided'])} "
        f"| {because(figures['undecided'])} |",
        f"| with a mistake | {figures['mistakes']} | {len(figures['missed'])} | {count(figures['mistakes undecided'])} "
        f"| {because(figures['mistakes undecided'])} |",
        "",
        "| planted | count | wrong | undecided | right |\n|---|--:|--:|--:|--:|",
        *(
            f"| {kind} | {sum(of.values())} | " + " | ".join(str(of.get(v, 0)) for v in ("wrong", "undecided", "right")) + " |"
            for kind, of in figures["kinds"].items()
        ),
        "",
        f"Called right though a mistake is in them, as foretold: {len(figures['foretold'])}. Right on paper, but not "
        f"finite in their own dtype, and called wrong for that: {len(figures['not finite in their own dtype'])}. "
        f"{figures['processor seconds']} s of processor time.",
    ]
    return "\n".join(rows)


def show(seed: int) -> int:
    """Prints what was drawn for a seed, and the two reports on it."""
    drawn = case(seed)
    line = random_line(seed)
    print(json.dumps(drawn.about, indent=1), checked(drawn, drawn.grads), json.dumps(line, indent=1), sep="\n")
    for mistake in mistakes(drawn):
        if (mistake.kind, mistake.what) == (line.get("mistake"), line.get("what")):
            print(checked(drawn, mistake.grads))
            break
    return 0


if __name__ == "__main__":
    sys.exit(main())
