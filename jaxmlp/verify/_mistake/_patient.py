"""What is to be diagnosed, and what its author calls the arguments."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._program._trace import Program
from .._program._tree import named_leaves


@dataclass(frozen=True)
class Patient:
    """What is to be diagnosed.

    Attributes:
      loss: the loss.
      grads: the gradient, without the value of the loss.
      source: the function whose lines are named.
      points: the parameters at each of a few points, in float64.
      args: what both functions take besides, in float64.
      truth: the true gradient, leaf by leaf, at each point.
      batches: what may be the number of examples.
    """

    loss: Callable[..., Any]
    grads: Callable[..., Any]
    source: Callable[..., Any]
    points: Sequence[Any]
    args: tuple[Any, ...]
    truth: Sequence[dict[str, np.ndarray]]
    batches: frozenset[int]


def named_inputs(
    program: Program, patient: Patient, function: Callable[..., Any]
) -> tuple[dict[int, str], dict[int, str]]:
    """The names of the parameters, and of all arguments, by variable."""
    names = argument_names(function)
    leaves = named_leaves(patient.points[0])
    first = names[0] if names else "params"
    written = [_written(first, path) for path in leaves]
    rest = []
    for position, arg in enumerate(patient.args):
        name = names[position + 1] if position + 1 < len(names) else f"args[{position}]"
        inner = named_leaves(arg)
        rest += [
            name if len(inner) == 1 else f"{name}.{path}" for path, leaf in inner.items() if hasattr(leaf, "shape")
        ]
    params = dict(zip(program.inputs, written, strict=False))
    return params, params | dict(zip(program.inputs[len(written) :], rest, strict=False))


def argument_names(function: Callable[..., Any]) -> list[str]:
    """The names of the arguments of a function; none where they cannot be told."""
    try:
        return [p.name for p in inspect.signature(function).parameters.values() if p.kind != p.VAR_POSITIONAL]
    except (TypeError, ValueError):
        return []


def _written(first: str, path: str) -> str:
    """How a leaf is written in Python: `params["w1"]`, `params[0].w`."""
    if path == "params":
        return first
    parts = path.split(".")
    text = first
    for part in parts:
        text += f"[{part}]" if part.isdigit() else f'["{part}"]' if len(parts) == 1 else f".{part}"
    return text
