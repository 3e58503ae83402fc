"""The body of a loop, or a branch, as the program that ran when something ceased to be finite."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, TypeAlias

import jax
import jax.extend
import jax.numpy as jnp
import numpy as np

from .._program._trace import Equation, Program, traced


BRANCHING = ("while", "scan", "cond")
"""The operations that hold programs."""

_Pass: TypeAlias = tuple[Callable[..., Any], list[Any], Sequence[Any]]
"""A program that ran, on what, and with which results."""


def inner(
    equation: Equation, inputs: Sequence[Any], outputs: Sequence[Any], test: Callable[[Any], Any]
) -> tuple[Program, list[Any]] | None:
    """The program that ran within `equation` when its results first failed `test`, and what it ran on."""
    passes = {"cond": _cond, "while": _while, "scan": partial(_scan, outputs)}[equation.name]
    for function, operands, results in passes(equation.params, [jnp.asarray(array) for array in inputs]):
        if any(test(np.asarray(r)).any() for r in results if jnp.issubdtype(r.dtype, jnp.inexact)):
            return traced(function, *operands), operands
    return None


def _cond(params: dict[str, Any], inputs: list[Any]) -> Iterator[_Pass]:
    branch, operands = _function(params["branches"][int(inputs[0])]), inputs[1:]
    yield branch, operands, branch(*operands)


def _while(params: dict[str, Any], inputs: list[Any]) -> Iterator[_Pass]:
    of_test, of_body = params["cond_nconsts"], params["cond_nconsts"] + params["body_nconsts"]
    body = _function(params["body_jaxpr"])
    test, compiled = jax.jit(_function(params["cond_jaxpr"])), jax.jit(body)
    carry = inputs[of_body:]
    while bool(test(*inputs[:of_test], *carry)[0]):
        operands = [*inputs[of_test:of_body], *carry]
        carry = compiled(*operands)
        yield body, operands, carry


def _scan(outputs: Sequence[Any], params: dict[str, Any], inputs: list[Any]) -> Iterator[_Pass]:
    body, jaxpr = _function(params["jaxpr"]), getattr(params["jaxpr"], "jaxpr", params["jaxpr"])
    compiled = jax.jit(body)
    # What is sliced or stacked has one axis more outside the body than inside; constants come first, then the carry.
    whole = sum(array.ndim == variable.aval.ndim for array, variable in zip(inputs, jaxpr.invars, strict=True))
    carried = sum(array.ndim == variable.aval.ndim for array, variable in zip(outputs, jaxpr.outvars, strict=True))
    carry = inputs[whole - carried : whole]
    for now in reversed(range(params["length"])) if params["reverse"] else range(params["length"]):
        operands = [*inputs[: whole - carried], *carry, *(array[now] for array in inputs[whole:])]
        results = compiled(*operands)
        yield body, operands, results
        carry = results[:carried]


def _function(jaxpr: Any) -> Callable[..., Any]:
    return jax.extend.core.jaxpr_as_fun(jaxpr)
