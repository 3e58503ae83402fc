"""Stepping until something is not finite: in one compiled loop where JAX can trace the step, one by one where not."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .._program._call import compiled, joined, Kept, Same, split
from .._program._leaves import check_numbers
from .._program._tree import is_floating, on_host
from ._step import check_result, copy_of, is_inexact, loss_of, parted, settled, with_arrays


_CHUNK = 1024
"""How many steps one call of the compiled loop takes at most, and so how many losses it returns."""


@dataclass(frozen=True)
class Run:
    """How far the steps went.

    Attributes:
      steps: how many were taken, with the one that is not finite.
      state: what that one started from; None if all were finite.
      losses: float64, one a step, empty if the step returns none.
      turned: whether the second step went back against the first one; None where one of them is not finite.
    """

    steps: int
    state: Any
    losses: np.ndarray
    turned: bool | None


def run(step: Callable[[Any], Any], state: Any, max_steps: int) -> Run:
    """Take up to `max_steps` steps from `state`, and stop at the first whose state or output is not finite.

    Raises:
      TypeError: the step returns neither a state nor a pair of a state and something, and more than one is to be taken.
    """
    arrays, result = with_arrays(state), None
    leaves, kept = split(arrays)
    try:
        result = jax.eval_shape(lambda leaves: step(joined(leaves, kept)), leaves)
    except Exception:  # NumPy and torch fail one way or another; a mistake in the step shows itself when it is called
        start, ahead = state, partial(_ahead, lambda state: step(copy_of(state)), max_steps == 1)
    else:
        check_result(result, arrays, max_steps)
        # One call alone is compiled too: by itself, a compiled step may be allowed to destroy its argument.
        start, ahead = arrays, partial(_ahead, partial(compiled, step), True)
        if max_steps > 1:
            start, ahead = settled(arrays, parted(result, arrays)[0]), partial(_ahead_compiled, step)
    watched = _watched(start)
    last, steps, fine, losses = ahead(start, watched, max_steps)
    turned = None
    if len(losses) > 2:  # only then is there a trend to be explained
        turned = _turned(start, *(ahead(start, watched, count)[0] for count in (1, 2)))
    return Run(steps, None if fine else last, losses, turned)


# A leaf that holds inf from the start, such as the best loss so far, may go on holding it.
def _watched(state: Any) -> tuple[bool, ...]:
    return tuple(not is_inexact(leaf) or not np.isinf(on_host(leaf)).any() for leaf in jax.tree.leaves(state))


def _leaves(state: Any, watched: tuple[bool, ...]) -> Iterator[tuple[Any, bool]]:
    return ((leaf, strict) for leaf, strict in zip(jax.tree.leaves(state), watched, strict=True) if is_inexact(leaf))


def _ahead(step: Callable, single: bool, state: Any, watched: tuple[bool, ...], limit: int) -> Any:
    losses: list[float] = []
    for count in range(1, limit + 1):
        with np.errstate(all="ignore"):
            result = step(state)
        check_numbers(("step",), (result,))
        new, output = parted(result, state, single=single)
        if new is None and not single:
            check_result(result, state, limit)
        loss = loss_of(output)
        losses += [] if loss is None else [float(loss)]
        test = [np.isfinite(on_host(leaf)).all() for leaf in jax.tree.leaves(output) if is_inexact(leaf)]
        if new is not None:
            test += [_is_fine(on_host(leaf), strict, np).all() for leaf, strict in _leaves(new, watched)]
        if not all(test):
            return state, count, False, np.array(losses)
        state = state if new is None else new
    return state, limit, True, np.array(losses)


def _ahead_compiled(step: Callable, state: Any, watched: tuple[bool, ...], limit: int) -> Any:
    arrays, kept = split(state)
    taken, fine, parts = 0, True, []
    while fine and taken < limit:
        arrays, count, ok, losses = _loop(Same(step), kept, watched, arrays, np.int32(min(_CHUNK, limit - taken)))
        fine, taken = bool(ok), taken + int(count)
        parts += [] if losses is None else [np.asarray(losses)[: int(count)].astype(np.float64)]
    return joined(arrays, kept), taken, fine, np.concatenate(parts or [np.zeros(0)])


@partial(jax.jit, static_argnums=(0, 1, 2))
def _loop(step: Same, kept: Kept, watched: tuple[bool, ...], arrays: Any, limit: Any) -> Any:
    def one(arrays: Any) -> tuple[Any, Any, Any]:
        state = joined(arrays, kept)
        new, output = parted(step.value(state), state)
        test = [jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(output) if is_inexact(leaf)]
        test += [_is_fine(leaf, strict, jnp).all() for leaf, strict in _leaves(new, watched)]
        return split(new)[0], loss_of(output), jnp.all(jnp.array(test, bool))

    def body(carry: Any) -> Any:
        arrays, count, _, losses = carry
        new, loss, fine = one(arrays)
        # The state from which the last step started is what the replay needs.
        new = jax.tree.map(lambda after, before: jnp.where(fine, after, before), new, arrays)
        return new, count + 1, fine, None if losses is None else losses.at[count].set(loss)

    loss = jax.eval_shape(one, arrays)[1]
    losses = None if loss is None else jnp.zeros(_CHUNK, loss.dtype)
    carry = (arrays, jnp.int32(0), jnp.bool_(True), losses)
    return jax.lax.while_loop(lambda carry: carry[2] & (carry[1] < limit), body, carry)


def _is_fine(leaf: Any, strict: bool, numpy: Any) -> Any:
    return numpy.isfinite(leaf) if strict else ~numpy.isnan(leaf)


def _turned(*states: Any) -> bool | None:
    """Whether of three states in a row the last lies back towards the first: the two steps point against each other."""
    product = 0.0
    for leaves in zip(*map(jax.tree.leaves, states), strict=True):
        if all(map(is_floating, leaves)):
            start, middle, end = (on_host(leaf).astype(np.float64) for leaf in leaves)
            product += float(np.sum((middle - start) * (end - middle)))
    return product < 0 if np.isfinite(product) else None
