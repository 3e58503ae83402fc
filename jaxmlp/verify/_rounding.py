"""What rounding does to a function: the function again, with every number on the way moved by an ulp."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ._call import joined, split
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

    Where the result of such runs differs, rounding decides it: `1 - p` of a `p` that is 1 to rounding, say, which no
    small change of the arguments would show. This is Monte Carlo arithmetic (Parker, UCLA CSD-970002, 1997).
    """
    arrays, kept = split(args)
    program, shapes = jax.make_jaxpr(lambda arrays: function(*joined(arrays, kept)), return_shape=True)(arrays)
    results = _evaluated(program.jaxpr, program.consts, arrays, np.random.default_rng(draw))
    return jax.tree.unflatten(jax.tree.structure(shapes), results)


def _evaluated(program: Any, consts: Sequence[Any], args: Sequence[Any], random: np.random.Generator) -> list[Any]:
    known = dict(zip((*program.constvars, *program.invars), (*consts, *args), strict=True))

    def read(atom: Any) -> Any:
        return atom.val if hasattr(atom, "val") else known[atom]

    for eqn in program.eqns:
        inputs = [read(atom) for atom in eqn.invars]
        if eqn.primitive.name in _CALLS:
            inner = eqn.params[_CALLS[eqn.primitive.name]]
            results = _evaluated(inner.jaxpr, inner.consts, inputs, random)
        else:
            result = eqn.primitive.bind(*inputs, **eqn.primitive.get_bind_params(eqn.params))
            results = [_moved(r, random) for r in (result if eqn.primitive.multiple_results else [result])]
        known.update(zip(eqn.outvars, results, strict=True))
    return [read(atom) for atom in program.outvars]


def _moved(result: Any, random: np.random.Generator) -> Any:
    if not is_floating(result):
        return result
    eps = float(jnp.finfo(result.dtype).eps)
    return result * jnp.asarray(1 + eps * random.choice((-1, 1), result.shape), result.dtype)
