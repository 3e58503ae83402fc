"""Runs every benchmark of this folder, and writes what they found.

Into the folder given go `results.json` (machine, versions, and the figures of each), `results.md` (what each printed)
and, where matplotlib is installed, `ratios.svg`, a picture of the training times. They run one after the other, since
they measure times; in a smoke run, which measures none, as many at once as there are cores. Exit status 1 if one of
them fails.

    python benchmarks/all.py                       into benchmarks/results; six minutes on a quiet machine
    python benchmarks/all.py --smoke some/folder   that everything runs, in a minute
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import script


HERE = Path(__file__).parent
ON_ONE_CORE = ["taskset", "-c", str(min(os.sched_getaffinity(0)))] if shutil.which("taskset") else []
JOBS: dict[str, list[str]] = {
    "training on one core": [*ON_ONE_CORE, sys.executable, "training.py", "W1", "W2", "W5", "W5-losses"],
    "training on all cores": [sys.executable, "training.py", "W3", "W4", "W5"],
    "accuracy": [sys.executable, "accuracy.py"],
    "ulps": [sys.executable, "ulps.py", "--count", "500"],
    "verdicts": [sys.executable, "verdicts.py", "--seeds", "3"],
    "mutants": [sys.executable, "mutants.py", "--count", "20"],
    "false_results": [sys.executable, "false_results.py", "--seeds", "20", "--matrix", "0", "--lines", os.devnull],
    "numeric": [sys.executable, "numeric.py", "--sizes", "64", "128", "128", "10"],
    "xor_study": [sys.executable, "xor_study.py"],
}
PACKAGES = ("jax", "jaxlib", "optax", "numpy", "numba", "equinox", "flax", "scikit-learn", "torch")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=HERE / "results")
    parser.add_argument("--smoke", action="store_true", help="few steps, and several benchmarks at once")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    about = {"machine": machine(), "versions": versions(), "smoke": options.smoke}
    with ThreadPoolExecutor(about["machine"]["cores"] if options.smoke else 1) as pool:
        results = list(pool.map(lambda name: run(name, options.smoke), JOBS))
    printed = [f"## {name}\n\n{result.pop('printed')}\n" for name, result in zip(JOBS, results, strict=True)]
    (options.folder / "results.md").write_text("\n".join(["# What the benchmarks printed\n", *printed]))
    benchmarks = dict(zip(JOBS, results, strict=True))
    script.write(options.folder / "results.json", {**about, "benchmarks": benchmarks})
    try:
        import picture
    except ImportError as error:
        print(f"no picture: {error}")
    else:
        picture.draw(benchmarks, options.folder / "ratios.svg")
    return int(any(result["exit status"] for result in results))


def run(name: str, smoke: bool) -> dict[str, Any]:
    """Runs one benchmark; gives its exit status, its seconds, its figures, and what it printed, as Markdown."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "figures.json"
        command = [*JOBS[name], "--json", str(file), *(["--smoke"] if smoke else [])]
        began = time.perf_counter()
        ended = subprocess.run(command, cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        seconds = round(time.perf_counter() - began, 1)
        figures = json.loads(file.read_text()) if file.exists() else None
    how = "failed" if ended.returncode else "done"
    text = ended.stdout.strip()
    print(f"\n== {name}: {how} after {seconds} s\n\n{text}", flush=True)
    printed = text if "|---" in text else f"```text\n{text}\n```"
    return {"exit status": ended.returncode, "seconds": seconds, "figures": figures, "printed": printed}


def machine() -> dict[str, Any]:
    """The processor, and how busy others keep it: figures that were taken under load mean little."""
    load = os.getloadavg()[0]
    if load > 0.5:
        print(f"the load of this machine is {load:.1f}: for figures that mean something, wait until it is quiet")
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": models[0] if models else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "system": f"{platform.system()} {platform.machine()}",
        "load before": round(load, 2),
    }


def versions() -> dict[str, str | None]:
    found: dict[str, str | None] = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    if compiler := shutil.which("gcc") or shutil.which("cc"):
        found["compiler"] = subprocess.run([compiler, "--version"], capture_output=True, text=True).stdout.split("\n")[
            0
        ]
    return found


if __name__ == "__main__":
    sys.exit(main())
