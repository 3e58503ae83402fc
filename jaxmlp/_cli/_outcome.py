"""What a person wants to see of a training: what is trained, and how it ended."""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np

from .._run import History, RunResult
from ._dataset import Dataset
from ._terminal import CommandError


_ROWS = 16


def head(
    args: argparse.Namespace,
    data: Dataset,
    sizes: tuple[int, ...],
    loss: str,
    model: dict[str, Any],
    optimizer: str,
    params: Any,
) -> Iterator[str]:
    """What is trained, in three or four lines."""
    yield f"data     {data.name}: {_number(len(data.x), 'example')}, {_number(sizes[0], 'input')}, " + (
        f"{len(data.classes)} classes" if data.labels is not None else _number(sizes[-1], "output")
    )
    if data.note:
        yield f"         {data.note}"
    count = sum(leaf.size for leaf in jax.tree.leaves(params)) // (args.seeds or 1)
    layers = "-".join(map(str, sizes))
    hidden = f"{args.activation}, then " if args.hidden else ""
    yield f"network  {layers}, {hidden}{model['output']}; {loss}; {count:,} parameters in {args.dtype}"
    batch = f"batches of {args.batch_size}" if args.batch_size else "the whole batch a step"
    seeds = f"seeds {args.seed} to {args.seed + args.seeds - 1}" if args.seeds else f"seed {args.seed}"
    gradient = {"hand": "by hand", "autodiff": "by autodiff", "both": "by hand, compared with autodiff"}[args.gradient]
    yield f"training {args.steps:,} steps of {optimizer}, {batch}, {seeds}; gradient {gradient}"


def outcome(
    args: argparse.Namespace,
    data: Dataset,
    result: RunResult,
    predict: Callable[[Any, Any], Any],
    batch: tuple[Any, Any],
) -> Iterator[str]:
    """How it ended, in a few lines, and a table of what the network says."""
    if result.resumed_from:
        yield f"went on from step {result.resumed_from:,}"
    yield str(result).split(", loss")[0]
    found = {name: values[-1] for name, values in result.history.evaluations.items() if len(values)}
    params = result.state.params
    if args.seeds and found:
        yield from _of_members(args, found, len(data.x))
        best = int(np.nanargmin(found["loss"])) if np.isfinite(found["loss"]).any() else 0
        params, found = jax.tree.map(lambda leaf: np.asarray(leaf)[best], params), {}
        if data.is_table:
            yield f"seed {args.seed + best}:"
    if "loss" in found:
        yield f"loss {found['loss']:.4g}" + (_accuracy(found["accuracy"], len(data.x)) if "accuracy" in found else "")
    if data.is_table and result.history.steps and not result.nonfinite:
        yield from _truth_table(data, np.asarray(predict(params, batch[0]), np.float64))
    if result.nonfinite:
        yield from ["", str(result.nonfinite)]
    if result.unsaved:
        yield f"The last state is not saved: {result.unsaved}"
    elif args.checkpoint and result.history.steps:
        rest = " Go on with --resume." if result.reason == "interrupted" else ""
        yield f"saved in {args.checkpoint} at step {result.history.steps:,}.{rest}"


def plot(path: Path, name: str, history: History) -> None:
    """The loss of every step; of an ensemble the median, the spread, and some of its members.

    Raises:
      CommandError: matplotlib is missing, or the file cannot be written.
    """
    try:
        from ..plot import loss_curve
    except ImportError:
        raise CommandError("--plot needs matplotlib: pip install 'jaxmlp[plot]'.") from None
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    ax = figure.subplots()
    ax.set(title=name, xlabel="step", ylabel="loss")
    if history.steps:  # none, if it was interrupted before the first
        loss_curve(history.losses, ax=ax)
    try:
        figure.savefig(path)
    except OSError as error:
        raise CommandError(f"cannot write {path}: {error.strerror or error}.") from None


def _of_members(args: argparse.Namespace, found: dict[str, np.ndarray], examples: int) -> Iterator[str]:
    loss = found["loss"][np.isfinite(found["loss"])]
    if len(loss) < args.seeds:
        yield f"{args.seeds - len(loss)} of {args.seeds} ended in NaN or infinity"
    if len(loss):
        yield f"loss {loss.min():.4g} at best, {np.median(loss):.4g} in the median, {loss.max():.4g} at worst"
    if "accuracy" in found:
        solved = int((found["accuracy"] * examples > examples - 0.5).sum())
        yield f"{solved} of {args.seeds} have every example right; mean accuracy {found['accuracy'].mean():.1%}"


def _accuracy(share: float, examples: int) -> str:
    return f", accuracy {share:.1%} ({round(share * examples):,} of {examples:,})"


def _truth_table(data: Dataset, out: np.ndarray) -> Iterator[str]:
    """Inputs, target, output; the right ones need no mark."""
    yield "  ".join([*data.columns, "target", "output"])
    says = out[:, 0] if out.shape[1] == 1 else out.argmax(axis=1)
    for x, label, value in list(zip(data.x, data.labels if data.labels is not None else [], says, strict=True))[:_ROWS]:
        inputs = "  ".join(f"{int(bit):>{len(name)}}" for bit, name in zip(x, data.columns, strict=True))
        yield f"{inputs}  {label:>6}  {value:>6.3f}"
    if len(data.x) > _ROWS:
        yield f"... and {len(data.x) - _ROWS:,} more"


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
