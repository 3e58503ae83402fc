"""The numbers of the lectures, as package data."""

import json
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np


_PACKAGE = "jaxmlp.lectures"


@cache
def numbers(lecture: str) -> dict[str, Any]:
    """What `lecture` printed, and reference values beside it, from `data/<lecture>.json`.

    Losses are pairs `[step, loss]`, a loss belonging to the parameters before the update of that
    step. Parameters are lists of layers `[w, b]` with `w` as `(n_in, n_out)`.
    """
    return json.loads((files(_PACKAGE) / "data" / f"{lecture}.json").read_text(encoding="utf-8"))


@cache
def replay(run: str) -> dict[str, np.ndarray]:
    """Parameters along a run of lecture 001, to start from at any of its steps.

    `run` is `"2-2-1"` or `"2-10-10-10-1"`, at the printed steps, or `"transient"`: every tenth step of
    the deep run from 3000 to 3130. One row a step: `steps`; `params` and, after one update of a float32
    run in another framework, `next_params`, both float32, layer by layer, `w` row by row and then `b`;
    `losses`, that run's; and `grads`, of the mean loss at `params`, from another framework's float64,
    rounded to a multiple of 2⁻³⁴.
    """
    with (files(_PACKAGE) / "data" / "001_replay.npz").open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return {name.removeprefix(f"{run}/"): arrays[name] for name in arrays if name.startswith(f"{run}/")}
