"""Where is a NaN born? The question a caller can ask."""

import operator
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np

from .._program._failures import in_plain_words
from .._program._leaves import check_callable, check_numbers
from .._program._tree import on_host
from ._births import Births, births
from ._report import NonfiniteReport
from ._run import run
from ._step import is_inexact, paths
from ._trend import trend


@in_plain_words()
def trace_nonfinite(step: Callable[[Any], Any], state: Any, *, max_steps: int = 1) -> NonfiniteReport:
    """Where the first NaN and the first inf of a training come from: the operation, its line, its operands, and why.

    The steps run in one compiled loop, in the dtypes that `state` and `step` have, until the state or the output is
    not finite. That step is then run again with every value on the way kept. Going back from what is not finite, only
    through numbers that made it so, ends at the operation which first gave NaN, or inf, for operands that were none:
    a NaN that a mask discards is not accused.

    Args:
      step: `step(state) -> state` or `step(state) -> (state, output)`, such as one update of an optimizer with the
        loss. If JAX cannot trace it (NumPy, torch) it is called step by step; NumPy code is still given its line.
      state: what the first step starts from, a pytree: parameters, the state of an optimizer, random keys, counters.
      max_steps: how many steps to take at most. For a single step, the default, `step` may be any function of one
        argument, whatever it returns: its result then is the output.

    Returns:
      A `NonfiniteReport`. If the output is a scalar, has a single floating scalar or something called "loss", that is
      the loss, and the report says whether it was climbed, overshot, or fell until then.

    Raises:
      TypeError: `step` is not callable or returns no state like the one that it takes, or `max_steps` is no integer.
      ValueError: `max_steps` is below 1, or `state` holds NaN already. An inf in it is allowed, as of a best loss so
        far; in that leaf only NaN is looked for.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxmlp import trace_nonfinite
      >>> step = lambda w: w - 2 * jnp.sqrt(w)
      >>> report = trace_nonfinite(step, jnp.array(1.0), max_steps=10)
      >>> print(report.step, report.first_nan.expression)
      2 sqrt(-1)
    """
    check_callable("step", step, state)
    if (steps := _count(max_steps)) < 1:
        raise ValueError(f"`max_steps` must be at least 1, got {max_steps}.")
    check_numbers(("state",), (state,))
    _check_state(state)
    taken = run(step, state, steps)
    tendency, rose = trend(taken.losses, taken.turned)
    found = Births() if taken.state is None else births(step, taken.state, taken.steps, steps)
    return NonfiniteReport(
        subject=_name(step),
        steps=taken.steps,
        step=None if taken.state is None else taken.steps,
        state=taken.state,
        leaves=found.leaves,
        first_inf=found.first_inf,
        first_nan=found.first_nan,
        chain=found.chain,
        losses=taken.losses,
        trend=tendency,
        rose=rose,
        notes=found.notes,
    )


def _count(max_steps: Any) -> int:
    try:
        return operator.index(max_steps)
    except Exception:
        raise TypeError(f"`max_steps` must be an integer, got {type(max_steps).__name__}.") from None


def _check_state(state: Any) -> None:
    for path, leaf in zip(paths(state, "state"), jax.tree.leaves(state), strict=True):
        if is_inexact(leaf) and np.isnan(array := on_host(leaf)).any():
            where = f" at {tuple(np.argwhere(np.isnan(array))[0].tolist())}" if array.shape else ""
            raise ValueError(
                f"`state` leaf `{path}` holds NaN{where} before the first step: look at where it is initialized."
            )


def _name(function: Callable[..., Any]) -> str:
    while isinstance(function, partial):
        function = function.func
    return getattr(function, "__name__", type(function).__name__)
