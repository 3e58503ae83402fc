"""Directions in the space of parameters, and what lies along them."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def flat(name: str, tree: Any, params: Any, lead: int = 0) -> np.ndarray:
    """All numbers of a tree like `params`, float64, on the last axis; leaves have `lead` further axes in front."""
    if jax.tree.structure(tree) != jax.tree.structure(params):
        raise ValueError(
            f"`{name}` is not a tree like `params`: {jax.tree.structure(tree)}, not {jax.tree.structure(params)}."
        )
    columns = []
    for (path, leaf), like in zip(jax.tree.leaves_with_path(tree), jax.tree.leaves(params), strict=True):
        if np.ndim(leaf) < lead or np.shape(leaf)[lead:] != np.shape(like):
            where = jax.tree_util.keystr(path, simple=True, separator=".")
            steps = "a leading axis of steps and then " if lead else ""
            raise ValueError(f"`{name}` has {where} of shape {np.shape(leaf)}, but must have {steps}{np.shape(like)}.")
        columns.append(np.asarray(leaf).astype(np.float64).reshape(*np.shape(leaf)[:lead], -1))
    if len({column.shape[:lead] for column in columns}) > 1:
        raise ValueError(f"`{name}` has leaves of different lengths: every leaf needs one row a step.")
    return np.concatenate(columns, axis=-1)


def stacked(path: Any, params: Any) -> np.ndarray:
    """The states of a path, `(steps, numbers)`: a list of trees, or one tree whose leaves have a leading axis."""
    if not isinstance(path, list):
        return flat("path", path, params, lead=1)
    if not path:
        raise ValueError("`path` is empty: a path needs at least one state.")
    return np.stack([flat(f"path[{i}]", state, params) for i, state in enumerate(path)])


@jax.jit
def direction_like(key: Any, params: Any) -> Any:
    """Normal numbers like `params`, each column of a matrix and each vector with the norm that it has there."""
    leaves, structure = jax.tree.flatten(params)
    drawn = []
    for one, leaf in zip(jax.random.split(key, len(leaves)), map(jnp.asarray, leaves), strict=True):
        noise = jax.random.normal(one, leaf.shape, leaf.dtype)
        axis = tuple(range(leaf.ndim - 1)) if leaf.ndim > 1 else None
        norm = lambda values, axis=axis: jnp.sqrt(jnp.sum(values * values, axis=axis, keepdims=True))
        drawn.append(noise * (norm(leaf) / norm(noise)))
    return jax.tree.unflatten(structure, drawn)


def principal(states: np.ndarray, params: Any) -> tuple[tuple[Any, Any], tuple[float, float]]:
    """The two orthogonal directions of norm 1 in which the states go furthest from `params`, and each one's share."""
    away = states - flat("params", params, params)
    _, lengths, rows = np.linalg.svd(away, full_matrices=False)
    if len(rows) < 2 or lengths[1] <= 1e-12 * lengths[0]:
        raise ValueError("`path` lies on a line through `params`: give `directions`, for a line spans no plane.")
    shares = lengths**2 / np.sum(lengths**2)
    # A singular vector has no sign of its own: the path is to end on the positive side.
    one, other = (row if away[-1] @ row >= 0 else -row for row in rows[:2])
    return (_tree(one, params), _tree(other, params)), (float(shares[0]), float(shares[1]))


def projected(states: np.ndarray, plane: tuple[Any, Any], params: Any) -> np.ndarray:
    """The coordinates `(steps, 2)` of the point of the plane next to each state."""
    rows = np.stack([flat("directions", one, params) for one in plane])
    if np.linalg.matrix_rank(rows) < 2:
        raise ValueError("`directions` are parallel, and span no plane: choose two that are not.")
    away = states - flat("params", params, params)
    return np.linalg.lstsq(rows.T, away.T, rcond=None)[0].T


def _tree(numbers: np.ndarray, params: Any) -> Any:
    leaves, structure = jax.tree.flatten(params)
    parts = np.split(numbers, np.cumsum([np.size(leaf) for leaf in leaves])[:-1])
    return jax.tree.unflatten(
        structure, [part.reshape(np.shape(leaf)) for part, leaf in zip(parts, leaves, strict=True)]
    )
