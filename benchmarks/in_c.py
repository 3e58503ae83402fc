"""The trainings of `training.py` in C: plain loops, and vectors by hand, compiled for the machine they run on."""

import ctypes
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np


Program: TypeAlias = Callable[[], tuple[None, np.ndarray]]
"""Trains from the start, and gives the losses in the place where `fit` does."""


def on_one_network(sizes: Sequence[int], params: Any, batch: Any, rate: float, steps: int) -> dict[str, Program]:
    """A sigmoid network with cross-entropy on four examples; empty where there is no compiler."""
    layers, widest = len(sizes) - 1, max(sizes)
    fixed = (f"-DSIZES={{{','.join(map(str, sizes))}}}", f"-DLAYERS={layers}", f"-DWIDEST={widest}")
    plain, vectors = library("plain.c", "-ffast-math", *fixed), library("vectors.c")
    if plain is None or vectors is None:
        return {}
    x, y = (np.asarray(array) for array in batch)

    def padded(width: int) -> list[np.ndarray]:
        w, b = np.zeros((layers, width, width), np.float32), np.zeros((layers, width), np.float32)
        for i, layer in enumerate(params):
            w[i, : layer.w.shape[0], : layer.w.shape[1]], b[i, : layer.w.shape[1]] = layer.w, layer.b
        wide = np.zeros((len(x), width), np.float32)
        wide[:, : x.shape[1]] = x
        return [w, b, wide, y]

    def run(function: Any, before: tuple[Any, ...], arrays: list[np.ndarray]) -> tuple[None, np.ndarray]:
        losses, own = np.empty(steps, np.float32), [array.copy() for array in arrays]
        function(*before, *map(_pointer, own), ctypes.c_float(rate), steps, _pointer(losses))
        return None, losses

    by_hand = partial(run, vectors.train_wide, (layers, _pointer(np.asarray(sizes, np.int32))), padded(16))
    if tuple(sizes) == (2, 2, 1):
        flat = np.concatenate([np.ravel(leaf) for layer in params for leaf in layer])
        by_hand = partial(run, vectors.train_one, (), [flat, x, y])
    return {"plain C": partial(run, plain.train, (), padded(widest)), "vectors in C": by_hand}


def on_many_networks(params: Any, batch: Any, rate: float, steps: int, *, record: bool) -> dict[str, Callable[[], Any]]:
    """Networks 2-2-1, each leaf of `params` with them on its first axis; empty where there is no compiler.

    The programs give the last parameters, and the losses of all steps if they record them.
    """
    vectors = library("vectors.c")
    if vectors is None:
        return {}
    count = len(params[0].w)
    flat = np.concatenate([np.asarray(leaf).reshape(count, -1) for layer in params for leaf in layer], axis=1)
    x, y = (np.asarray(array) for array in batch)
    losses = np.empty((steps, count), np.float32) if record else None

    def run() -> tuple[Any, np.ndarray | None]:
        own = np.ascontiguousarray(flat.T)
        arguments = _pointer(own), count, _pointer(x), _pointer(y), ctypes.c_float(rate), steps
        vectors.train_many(*arguments, None if losses is None else _pointer(losses))
        w1, b1, w2, b2 = own[:4], own[4:6], own[6:8], own[8:]
        last = ((w1.T.reshape(-1, 2, 2), b1.T), (w2.T[:, :, None], b2.T))
        return last, None if losses is None else losses.T

    return {"vectors in C": run}


@cache
def library(source: str, *flags: str) -> ctypes.CDLL | None:
    """A source of the folder `c` as a library; None where there is no compiler."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        print("no C compiler: the programs in C are left out")
        return None
    target = Path(tempfile.mkdtemp()) / "training.so"
    path = Path(__file__).parent / "c" / source
    subprocess.run(
        [compiler, path, "-O3", "-march=native", "-shared", "-fPIC", *flags, "-o", target, "-lm"], check=True
    )
    return ctypes.CDLL(str(target))


def _pointer(array: np.ndarray) -> Any:
    return array.ctypes.data_as(ctypes.POINTER(ctypes.c_int if array.dtype == np.int32 else ctypes.c_float))
