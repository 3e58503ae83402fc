"""What is to be diagnosed, and what its author calls the arguments."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
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
      of_inputs: whether the parameters are the inputs of a function, each of which the source calls by its own name.
    """

    loss: Callable[..., Any]
    grads: Callable[..., Any]
    source: Callable[..., Any]
    points: Sequence[Any]
    args: tuple[Any, ...]
    truth: Sequence[dict[str, np.ndarray]]
    batches: frozenset[int]
    of_inputs: bool = False


def named_inputs(
    program: Program, patient: Patient, function: Callable[..., Any]
) -> tuple[dict[int, str], dict[int, str]]:
    """The names of the parameters, and of all arguments, by variable."""
    names = argument_names(function)
    first = "" if patient.of_inputs else names[0] if names else "params"
    written = [_written(first, keys) for keys, _ in jax.tree.leaves_with_path(patient.points[0])]
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


def _written(first: str, keys: tuple[Any, ...]) -> str:
    """How a leaf is written in Python: `params["w1"]`, `params[0].w`; without a `first` name that of the first key."""
    text = first
    for key in keys:
        match key:
            case jax.tree_util.DictKey(key=name):
                text += f'["{name}"]' if isinstance(name, str) else f"[{name!r}]"
            case jax.tree_util.GetAttrKey(name=name):
                text += f".{name}" if text else name
            case _:
                text += str(key)
    return text
