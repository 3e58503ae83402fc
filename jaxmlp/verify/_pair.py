"""A forward and backward pair as a loss and its gradient, so that one check serves both."""

import inspect
import zlib
from collections import namedtuple
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ._call import Same
from ._evidence import Subject
from ._tree import is_floating, named_leaves


def paired(name: str, fwd: Callable[..., Any], bwd: Callable[..., Any], inputs: tuple[Any, ...]) -> tuple[Subject, Any]:
    """The subject with the loss `Σ dout · fwd(*inputs)[0]`, whose gradient is `bwd(residuals, dout)`, and its params.

    `dout` is random, seeded and with two decimals. `params` is a named tuple of the inputs, with None for those that
    are not differentiated; the inputs themselves follow as an argument, to fill these places.
    """
    names = _input_names(fwd, len(inputs))
    differentiated = tuple(_is_differentiated(*item) for item in zip(names, inputs, strict=True))
    if not any(differentiated):
        raise ValueError("`inputs` hold no floating numbers, so there is nothing to differentiate by.")
    out = _out_shapes(fwd, inputs)
    dout = jax.tree.unflatten(jax.tree.structure(out), [_random_like(p, s) for p, s in named_leaves(out).items()])
    loss, grads, params_type = _functions(Same(fwd), Same(bwd), names, differentiated)
    params = params_type(*(value if d else None for value, d in zip(inputs, differentiated, strict=True)))
    return Subject(name, loss, grads, (inputs, dout)), params


# Cached, so that a second check of the same pair compiles nothing.
@lru_cache(maxsize=256)
def _functions(
    fwd: Same, bwd: Same, names: tuple[str, ...], differentiated: tuple[bool, ...]
) -> tuple[Callable[..., Any], Callable[..., Any], type]:
    params_type = namedtuple("Inputs", names)

    def filled(params: Any, inputs: tuple[Any, ...]) -> list[Any]:
        return [mine if d else given for mine, given, d in zip(params, inputs, differentiated, strict=True)]

    def loss(params: Any, inputs: tuple[Any, ...], dout: Any) -> Any:
        out, _ = fwd.value(*filled(params, inputs))
        return sum(jnp.sum(a * b) for a, b in zip(jax.tree.leaves(out), jax.tree.leaves(dout), strict=True))

    def grads(params: Any, inputs: tuple[Any, ...], dout: Any) -> Any:
        _, residuals = fwd.value(*filled(params, inputs))
        cotangents = bwd.value(residuals, dout)
        if len(inputs) == 1 and not (type(cotangents) in (tuple, list) and len(cotangents) == 1):
            cotangents = (cotangents,)
        if not isinstance(cotangents, tuple | list) or len(cotangents) != len(inputs):
            return cotangents  # the check then reports which leaves are missing
        return params_type(*map(_cotangent, params, cotangents, differentiated))

    return loss, grads, params_type


def _cotangent(value: Any, cotangent: Any, differentiated: bool) -> Any:
    if not differentiated:
        return None
    return jax.tree.map(jnp.zeros_like, value) if cotangent is None else cotangent


def _input_names(fwd: Callable[..., Any], count: int) -> tuple[str, ...]:
    """The names of the arguments of `fwd`; `input0`, `input1`, ... where its signature does not give them."""
    try:
        parameters = inspect.signature(fwd).parameters.values()
    except (TypeError, ValueError):
        parameters = ()
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [p.name for p in parameters if p.kind in positional and not p.name.startswith("_")]
    return tuple(names[:count]) if len(names) >= count else tuple(f"input{i}" for i in range(count))


def _is_differentiated(name: str, value: Any) -> bool:
    kinds = {is_floating(leaf) or isinstance(leaf, float) for leaf in jax.tree.leaves(value)}
    if len(kinds) > 1:
        raise TypeError(
            f"input `{name}` mixes floating arrays with others, and only floating numbers have a cotangent: "
            "pass them as separate inputs."
        )
    return kinds == {True}


def _out_shapes(fwd: Callable[..., Any], inputs: tuple[Any, ...]) -> Any:
    result = jax.eval_shape(lambda: fwd(*inputs))
    if not (isinstance(result, tuple | list) and len(result) == 2):
        raise TypeError(f"`fwd` must return a pair (out, residuals), got a {type(result).__name__}.")
    return result[0]


def _random_like(path: str, shape: Any) -> np.ndarray:
    random = np.random.default_rng(zlib.crc32(path.encode()))
    return np.asarray(random.normal(size=shape.shape).round(2), shape.dtype)
