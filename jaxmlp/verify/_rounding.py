"""What rounding does to a function: the function again, with every number on the way moved by an ulp."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ._call import joined, Kept, Same, split
from ._tree import is_floating


# Primitives that only call another program, and the parameter that holds it. Loops and branches are left whole.
_CALLS = {
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "closed_call": "call_jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
}


def shaken(function: Callable[..., Any], draw: int, *args: Any) -> Any:
    """`function(*args)`, every floating result of every operation moved up or down by its epsilon, at random.

    Where the results of such runs differ, rounding decides them: `1 - p` of a `p` that is 1 to rounding, say, which no
    small change of the arguments would show. This is Monte Carlo arithmetic (Parker, UCLA CSD-970002, 1997). Compiled
    once for each function, like `compiled`.
    """
    arrays, kept = split(args)
    needed = _Signs()
    jax.eval_shape(lambda arrays: _shaken(function, kept, arrays, needed), arrays)
    signs = np.random.default_rng(draw).choice(np.asarray((-1, 1), np.int8), needed.used)
    return _compiled(Same(function), kept, arrays, signs)


@partial(jax.jit, static_argnums=(0, 1))
def _compiled(function: Same, kept: Kept, arrays: Any, signs: Any) -> Any:
    return _shaken(function.value, kept, arrays, _Signs(signs))


class _Signs:
    """Random signs, dealt out in order; without any, it counts how many are asked for."""

    def __init__(self, signs: Any = None) -> None:
        self.signs, self.used = signs, 0

    def moved(self, result: Any) -> Any:
        """`result`, each floating number up or down by its epsilon."""
        if not is_floating(result):
            return result
        start, self.used = self.used, self.used + result.size
        if self.signs is None:
            return result
        signs = self.signs[start : self.used].reshape(result.shape).astype(result.dtype)
        return result * (1 + float(jnp.finfo(result.dtype).eps) * signs)


def _shaken(function: Callable[..., Any], kept: Kept, arrays: Any, signs: _Signs) -> Any:
    program, shapes = jax.make_jaxpr(lambda arrays: function(*joined(arrays, kept)), return_shape=True)(arrays)
    results = _evaluated(program.jaxpr, program.consts, arrays, signs)
    return jax.tree.unflatten(jax.tree.structure(shapes), results)


def _evaluated(program: Any, consts: Sequence[Any], args: Sequence[Any], signs: _Signs) -> list[Any]:
    known = dict(zip((*program.constvars, *program.invars), (*consts, *args), strict=True))

    def read(atom: Any) -> Any:
        return atom.val if hasattr(atom, "val") else known[atom]

    for eqn in program.eqns:
        inputs = [read(atom) for atom in eqn.invars]
        if eqn.primitive.name in _CALLS:
            inner = eqn.params[_CALLS[eqn.primitive.name]]
            results = _evaluated(inner.jaxpr, inner.consts, inputs, signs)
        else:
            result = eqn.primitive.bind(*inputs, **eqn.primitive.get_bind_params(eqn.params))
            results = [signs.moved(r) for r in (result if eqn.primitive.multiple_results else [result])]
        known.update(zip(eqn.outvars, results, strict=True))
    return [read(atom) for atom in program.outvars]
