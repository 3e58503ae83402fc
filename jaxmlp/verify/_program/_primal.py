"""A function without its custom rules: every `custom_jvp` and `custom_vjp` in it replaced by what it computes."""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import jax
import jax.extend
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from ._call import jaxpr_of, Same, split
from ._trace import Program, program_of, traced


_BACKWARD = ("custom_vjp_call", "custom_vjp_call_jaxpr")
_RULES = ("custom_jvp_call", *_BACKWARD)

# A function that only forward mode differentiates costs one pass for each number of its inputs.
_FORWARD = 4096


def has_rules(function: Callable[..., Any], *args: Any, backward: bool = False) -> bool:
    """Whether `function(*args)` calls a custom rule, be it inside of a loop; or a `custom_vjp` if that is asked."""
    return _holds(jaxpr_of(function, *args)[0], _BACKWARD if backward else _RULES)


def keeps_rules(function: Callable[..., Any], *args: Any) -> bool:
    """Whether a custom rule is left in its `primal_of`, inside of an operation that cannot be taken apart."""
    program = _without_rules(program_of(function, *args, unroll=False))
    return any(equation.name in _RULES or _hold(equation.params, _RULES) for equation in program.equations)


def _holds(program: Any, names: tuple[str, ...]) -> bool:
    equations = getattr(program, "jaxpr", program).eqns
    return any(equation.primitive.name in names or _hold(equation.params, names) for equation in equations)


def _hold(params: dict[str, Any], names: tuple[str, ...]) -> bool:
    return any(_holds(inner, names) for inner in jax.extend.core.jaxprs_in_params(params))


# Cached, so that the same function has the same primal, which then compiles only once.
@lru_cache(maxsize=256)
def primal_of(function: Same) -> Callable[..., Any]:
    """The function that computes the same as `function`, and is differentiated by what it computes alone."""

    def primal(*args: Any) -> Any:
        program = _without_rules(traced(function.value, *args, unroll=False))
        return jax.tree.unflatten(program.structure, program.run(split(args)[0]))

    return primal


def _without_rules(program: Program) -> Program:
    """`traced` has inlined the rules that are called; those in the bodies of loops and branches are left to do."""
    equations = tuple(
        replace(equation, params={name: _plain(value) for name, value in equation.params.items()})
        for equation in program.equations
    )
    return replace(program, equations=equations)


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return type(value)(map(_plain, value)) if type(value) in (tuple, list) else value
    if not (hasattr(value, "eqns") or hasattr(value, "jaxpr")) or not _holds(value, _RULES):
        return value
    is_open = not hasattr(value, "consts")
    closed = jax.extend.core.ClosedJaxpr(value, ()) if is_open else value
    avals = [variable.aval for variable in closed.jaxpr.invars]
    shapes = [jax.ShapeDtypeStruct(a.shape, a.dtype, weak_type=getattr(a, "weak_type", False)) for a in avals]
    body = _without_rules(traced(jax.extend.core.jaxpr_as_fun(closed), *shapes, unroll=False))
    plain = jax.make_jaxpr(lambda *arrays: body.run(arrays))(*shapes)
    if not is_open:
        return plain
    return value if plain.consts else plain.jaxpr


@lru_cache(maxsize=256)
def forward_only(loss: Same) -> Callable[..., Any]:
    """`loss(params, *args)`, for whose gradient one forward pass is made for each number of `params`.

    For losses through a `while_loop`, which reverse mode does not differentiate.
    """

    def slow(params: Any, *args: Any) -> Any:
        value = jax.custom_vjp(lambda params: loss.value(params, *args))
        value.defvjp(lambda params: fwd(params, args), bwd)
        return value(params)

    def fwd(params: Any, args: tuple[Any, ...]) -> tuple[Any, Any]:
        flat, unravel = ravel_pytree(params)
        if flat.size > _FORWARD:
            raise TypeError(
                f"JAX differentiates this function in forward mode only, which takes one pass for each of its "
                f"{flat.size} numbers: check it at inputs of at most {_FORWARD}."
            )
        along = lambda direction: jax.jvp(lambda flat: loss.value(unravel(flat), *args), (flat,), (direction,))[1]
        slopes = jax.lax.map(along, jnp.eye(flat.size, dtype=flat.dtype))
        return loss.value(params, *args), unravel(slopes)

    def bwd(grads: Any, dout: Any) -> tuple[Any]:
        return (jax.tree.map(lambda leaf: leaf * jnp.asarray(dout, leaf.dtype), grads),)

    return slow
