"""What a checkpoint says of itself: which training it is of, what it was made with, and what it holds."""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import jax
import numpy as np

from ._identity import difference, kind, STEP


_SCHEMA = 2
_MADE_WITH = ("jaxmlp", "jax", "jaxlib", "optax")


def describe(
    identity: Mapping[str, str], leaves: Mapping[str, Any], losses: np.ndarray, evaluations: list[Any]
) -> dict[str, Any]:
    """The description, as JSON, of a checkpoint with the `leaves` of a state and the `losses` that led there."""
    return {
        "schema": _SCHEMA,
        "made with": _made_with(),
        "identity": dict(identity),
        "state": {name: kind(leaf) for name, leaf in leaves.items()},
        "losses": {"shape": list(losses.shape), "dtype": losses.dtype.name},
        "evaluations": [[at, {name: value.tolist() for name, value in values.items()}] for at, values in evaluations],
    }


def of_another_training(
    description: Mapping[str, Any], identity: Mapping[str, str], leaves: Mapping[str, Any]
) -> str | None:
    """How the training that is described differs from that of `identity`, whose state has `leaves`; None if not."""
    if (schema := description["schema"]) != _SCHEMA:
        made = description.get("made with", description)["jaxmlp"]
        return (
            f"a training of another version of jaxmlp: its checkpoints have the schema {schema} (version {made}), and "
            f"this version, {version('jaxmlp')}, reads the schema {_SCHEMA}"
        )
    there = description["identity"]
    if clause := difference({name: line for name, line in identity.items() if name != STEP}, there):
        return f"another training: {clause}"
    kept, expected = description["state"], {name: kind(leaf) for name, leaf in leaves.items()}
    if kept != expected:
        name = next(name for name in {**expected, **kept} if expected.get(name) != kept.get(name))
        return (
            f"a training with another optimizer or another dtype: `{name}` is "
            f"{expected.get(name, 'not there')} here, but was {kept.get(name, 'not there')} there"
        )
    # Another version of JAX may write the same step with other operations.
    if identity[STEP] != there[STEP] and not of_other_versions(description):
        return (
            "a training whose steps compute something else: with another activation, loss or optimizer, or another "
            "number in one of them, such as the learning rate"
        )
    return None


def of_other_versions(description: Mapping[str, Any]) -> str | None:
    """What differs between the versions that the checkpoint was made with and those of here; None if nothing does."""
    there, here = description["made with"], _made_with()
    differing = [name for name in here if there.get(name) != here[name]]
    return ", ".join(f"{name} {there.get(name)} (here {here[name]})" for name in differing) or None


def _made_with() -> dict[str, str]:
    return {name: version(name) for name in _MADE_WITH} | {"platform": jax.default_backend()}
