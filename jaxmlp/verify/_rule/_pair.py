"""A forward and backward pair as a function and its pullback."""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import jax
import numpy as np

from .._judge import judged
from .._program._call import input_names, Same
from .._program._leaves import is_number
from .._report._gradient_report import GradientReport
from .._verdict._evidence import Subject
from ._answers import with_mistakes
from ._linear import linearity
from ._pullback import cotangent_tree, differentiable, Dout, pulled, random_dout


def paired(name: str, fwd: Callable[..., Any], bwd: Callable[..., Any], inputs: tuple[Any, ...]) -> tuple[Subject, Any]:
    """The subject with the loss `Σ dout · fwd(*inputs)[0]`, whose gradient is `bwd(residuals, dout)`, and its params.

    `dout` is random, seeded and with two decimals.
    """
    names = input_names(fwd, len(inputs))
    differentiable(names, inputs)  # before anything is called with them
    primal, pullback = _halves(Same(fwd), Same(bwd))
    out = jax.eval_shape(lambda: primal(*inputs))
    subject, params = pulled(name, primal, pullback, inputs, names, random_dout(out))
    return replace(subject, source=bwd), params


def pair_report(name: str, fwd: Callable[..., Any], bwd: Callable[..., Any], inputs: tuple[Any, ...]) -> GradientReport:
    """The report on a pair at `inputs`, and on whether `bwd` is linear in `dout`."""
    subject, params = paired(name, fwd, bwd, inputs)
    report = judged(subject, params)
    *_, dout_name = ("dout", *input_names(bwd, 2))
    dout_name = "dout" if dout_name == "input1" else dout_name
    out = jax.eval_shape(lambda: _halves(Same(fwd), Same(bwd))[0](*inputs))
    return with_mistakes(report, *linearity(subject, params, out, report, dout_name))


# Cached, so that the same pair has the same functions, which then compile only once.
@lru_cache(maxsize=256)
def _halves(fwd: Same, bwd: Same) -> tuple[Callable[..., Any], Callable[..., Any]]:
    def primal(*inputs: Any) -> Any:
        return both(*inputs)[0]

    def pullback(inputs: list[Any], dout: Dout, differentiated: tuple[bool, ...]) -> tuple[Any, Any]:
        del differentiated
        out, residuals = both(*inputs)
        cotangents = bwd.value(residuals, cotangent_tree(out, dout))
        is_bare = len(inputs) == 1 and not (type(cotangents) in (tuple, list) and len(cotangents) == 1)
        return out, (cotangents,) if is_bare else cotangents

    def both(*inputs: Any) -> Any:
        result = fwd.value(*inputs)
        if not (isinstance(result, tuple | list) and len(result) == 2):
            raise TypeError(f"`fwd` must return a pair (out, residuals), got a {type(result).__name__}.")
        for leaf in jax.tree.leaves(result[0]):
            if not (is_number(leaf) and isinstance(leaf, jax.Array | np.ndarray | np.generic | float | int | complex)):
                raise TypeError(f"the `out` that `fwd` returns holds a {type(leaf).__name__}, which is no array.")
        return result

    return primal, pullback
