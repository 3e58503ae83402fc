"""Does a training with checkpoints survive what can happen to it?

*Kills*: ten trainings, half of them `jaxmlp.run` and half `jaxmlp train`, each killed five times by SIGKILL, at a
random moment of its life or a random moment while a checkpoint is being written, and started again; what each has at
its end is compared with what it has without a kill, bit for bit: parameters, state of the optimizer, key, step,
losses and evaluations. *Damages*: each file of the newest checkpoint in turn has a bit flipped, is cut off, emptied or
deleted, alone and in both checkpoints. *Disks*: the folder is on a disk that fills up while the training goes on, or
becomes read-only (mounted for it, which takes root). A table is printed, the one in faults.md; exit status 1 if
anything was lost or differs.

    python benchmarks/faults.py              ten minutes
    python benchmarks/faults.py --seed 1     other moments, other bits
"""

import itertools
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
import script

import jaxmlp


STEPS, CHUNK = 6000, 20
COMMAND = f"""train spirals:60 --hidden 64,64 --batch-size 20 --chunk {CHUNK} --no-progress --resume
--checkpoint-seconds 0""".split()


def main() -> int:
    parser = script.parser(__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--train", type=Path, metavar="FOLDER", help="train there, to be killed")
    parser.add_argument("--steps", type=int, default=STEPS)
    options = parser.parse_args()
    if options.train:
        train(options.steps, options.train, pause=0.002)
        return 0
    seeded, few = random.Random(options.seed), options.smoke
    rows = [
        *(kills(name, seeded, *((1, 1, STEPS // 10) if few else (5, 5, options.steps))) for name in CHILDREN),
        *damages(seeded, few),
        *disks(),
    ]
    print("| fault | times | resumed from the newest | from the one before | refused | not the same |")
    print("|---|--:|--:|--:|--:|--:|")
    for name, found in rows:
        print(f"| {name} | {found.total()} | " + " | ".join(str(found[outcome]) for outcome in OUTCOMES) + " |")
    script.write(options.json, {name: dict(found) for name, found in rows})
    return int(any(found["not the same"] for _, found in rows))


OUTCOMES = ("newest", "before", "refused", "not the same")
Row = tuple[str, Counter[str]]


# The training


def train(
    steps: int, folder: Path | None, *, pause: float = 0.0, fault: Callable[[int], None] | None = None
) -> jaxmlp.RunResult:
    x, labels = jaxmlp.spirals(jax.random.key(0), 60)
    y = labels[:, None].astype(x.dtype)

    chunks = itertools.count(1)

    def evaluate(params: Any) -> Any:
        time.sleep(pause)
        if fault:
            fault(next(chunks))
        return jaxmlp.loss_value(params, x, y)

    return jaxmlp.run(
        jaxmlp.init_params(jax.random.key(1), (2, 128, 128, 1)),
        (x, y),
        loss_and_grads=jaxmlp.loss_and_grads,
        optimizer=optax.adam(0.001),
        steps=steps,
        batch_size=20,
        key=jax.random.key(2),
        chunk=CHUNK,
        evaluate=evaluate,
        checkpoint_dir=folder,
        checkpoint_seconds=0,
    )


CHILDREN = {
    "run": lambda folder, steps: [__file__, "--steps", str(steps), "--train", str(folder)],
    "jaxmlp train": lambda folder, steps: [
        "-m",
        "jaxmlp",
        *COMMAND,
        "--steps",
        str(3 * steps),
        "--checkpoint",
        str(folder),
    ],
}


# Kills


def kills(name: str, seeded: random.Random, trainings: int, times: int, steps: int) -> Row:
    start = lambda folder: subprocess.Popen([sys.executable, *CHILDREN[name](folder, steps)], stdout=subprocess.DEVNULL)
    found, in_a_save = Counter(), 0
    with tempfile.TemporaryDirectory() as place:
        whole = Path(place) / "whole"
        start(whole).wait()
        expected = held(whole)
        for index in range(trainings):
            folder, lost = Path(place) / str(index), 0
            for number in range(times):
                before = newest(folder)
                in_a_save += kill(start, folder, seeded, aimed=(index + number) % 2 == 0)
                lost += newest(folder) < before
            start(folder).wait()
            found["newest" if not lost and same(held(folder), expected) else "not the same"] += times
            shutil.rmtree(folder)
    return f"`{name}` killed, {in_a_save} times while a checkpoint was written", found


def kill(start: Callable[[Path], subprocess.Popen[bytes]], folder: Path, seeded: random.Random, *, aimed: bool) -> bool:
    """Start it and kill it; whether that left a checkpoint half written, which the next start removes."""
    left = parts(folder)
    child = start(folder)
    if aimed:
        before = newest(folder)
        while child.poll() is None and (newest(folder) == before or parts(folder) <= left):
            time.sleep(0.0005)
        time.sleep(seeded.uniform(0, 0.05))
    else:
        time.sleep(seeded.uniform(0, 6))
    assert child.poll() is None, "it ended before it was killed: the training is too short"
    child.kill()
    child.wait()
    return not parts(folder) <= left


def parts(folder: Path) -> set[tuple[str, int]]:
    """What is half written, told from what was before it."""
    with suppress(FileNotFoundError):  # it may be complete, and renamed, by now
        return {(part.name, part.stat().st_ino) for part in folder.glob("*tmp*")}
    return set()


def newest(folder: Path) -> int:
    """The step of the newest checkpoint; 0 if there is none."""
    return max((int(path.name) for path in folder.glob("*") if path.name.isdigit()), default=0)


def held(folder: Path) -> list[np.ndarray]:
    """All that the newest checkpoint holds."""
    import orbax.checkpoint as ocp

    with ocp.StandardCheckpointer() as arrays, ocp.Checkpointer(ocp.JsonCheckpointHandler()) as json:
        place = folder / str(newest(folder))
        trees = [arrays.restore(place / "state"), arrays.restore(place / "losses"), json.restore(place / "about")]
    return [np.asarray(leaf) for leaf in jax.tree.leaves(trees)]


def same(actual: list[np.ndarray], expected: list[np.ndarray]) -> bool:
    return len(actual) == len(expected) and all(map(np.array_equal, actual, expected))


# Damages


def flipped(path: Path, seeded: random.Random) -> None:
    content = bytearray(path.read_bytes())
    bit = seeded.randrange(8 * len(content))
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


DAMAGES = {
    "a bit flipped": flipped,
    "cut off": lambda path, seeded: os.truncate(path, seeded.randrange(path.stat().st_size)),
    "emptied": lambda path, seeded: os.truncate(path, 0),
    "deleted": lambda path, seeded: path.unlink(),
}


def damages(seeded: random.Random, few: bool) -> list[Row]:
    rows = []
    with tempfile.TemporaryDirectory() as place:
        saved, folder = Path(place) / "saved", Path(place) / "folder"
        for steps in (2 * CHUNK, 4 * CHUNK):
            train(steps, saved)
        expected = leaves(train(5 * CHUNK, None))
        files = sorted(path.relative_to(saved) for path in saved.glob("*/**/*") if path.is_file())
        of_newest = [name for name in files if name.parts[0] == str(4 * CHUNK)]
        of_before = [name for name in files if name not in of_newest]
        of_both = list(zip(of_newest, of_before, strict=False))  # each may hold a file more than the other
        for what, damage in DAMAGES.items():
            for where, chosen in ((", in the newest", [(name,) for name in of_newest]), (" in both", of_both)):
                found: Counter[str] = Counter()
                for names in chosen[:2] if few else chosen:
                    shutil.copytree(saved, folder)
                    for name in names:
                        damage(folder / name, seeded)
                    found[resumed(folder, expected)] += 1
                    shutil.rmtree(folder)
                rows.append((f"a file {what}{where}", found))
    return rows


def resumed(folder: Path, expected: list[np.ndarray]) -> str:
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            result = train(5 * CHUNK, folder)
    except ValueError:
        return "refused"
    if not same(leaves(result), expected) or result.unsaved:
        return "not the same"
    if result.resumed_from == 4 * CHUNK:
        return "newest"
    return "before" if any("is damaged" in str(warning.message) for warning in said) else "not the same"


def leaves(result: jaxmlp.RunResult) -> list[np.ndarray]:
    history = result.history
    assert result.state.key is not None
    state = result.state._replace(key=jax.random.key_data(result.state.key))
    arrays = (state, history.losses, history.evaluated_at, history.evaluations)
    return [np.asarray(leaf) for leaf in jax.tree.leaves(arrays)]


# Disks


def disks() -> list[Row]:
    with tempfile.TemporaryDirectory() as place:
        mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", place]
        if subprocess.run(mount, capture_output=True).returncode:
            print("nothing can be mounted here: full and read-only disks are left out", file=sys.stderr)
            return []
        disk, expected = Path(place), leaves(train(100 * CHUNK, None))
        ballast = disk / "ballast"

        def fill(chunk: int) -> None:
            with ballast.open("ab") as file, suppress(OSError):
                file.write(bytes(100_000))

        def remount(mode: str) -> None:
            subprocess.run(["mount", "-o", f"remount,{mode}", place], check=True)

        def close(chunk: int) -> None:
            if chunk == 50:
                remount("ro")

        try:
            full = through(disk / "full", fill, lambda: ballast.unlink(), expected)
            closed = through(disk / "closed", close, lambda: remount("rw"), expected)
        finally:
            subprocess.run(["umount", place], check=True)
    return [("the disk fills up while it trains", full), ("the disk becomes read-only", closed)]


def through(folder: Path, fault: Callable[[int], None], mended: Callable[[], None], expected: Any) -> Counter[str]:
    """A training that a fault meets goes on to its end; resumed, it goes on from what was written before the fault."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        met = train(100 * CHUNK, folder, fault=fault)
    kept = newest(folder)
    mended()
    if not met.unsaved or not kept or not same(leaves(met), expected):
        return Counter(["not the same"])
    again = train(100 * CHUNK, folder)
    return Counter(["newest" if again.resumed_from == kept and same(leaves(again), expected) else "not the same"])


if __name__ == "__main__":
    sys.exit(main())
