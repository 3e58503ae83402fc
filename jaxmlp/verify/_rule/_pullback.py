"""A function and its pullback as a loss and its gradient, so that one check serves them all."""

import zlib
from collections import namedtuple
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from .._program._call import Same
from .._program._tree import is_floating, named_leaves
from .._verdict._evidence import Subject


Dout: TypeAlias = tuple[Any, ...]
"""The cotangent of an output, leaf by leaf; None for a leaf without floating numbers."""


def pulled(
    name: str,
    primal: Callable[..., Any],
    pullback: Callable[..., Any],
    inputs: tuple[Any, ...],
    names: tuple[str, ...],
    dout: Dout,
    *,
    has_value: bool = False,
) -> tuple[Subject, Any]:
    """The subject with the loss `Σ dout · primal(*inputs)`, whose gradient is the pullback of `dout`, and its params.

    `params` is a named tuple of the inputs, with None for those that are not differentiated; the inputs themselves
    follow as an argument, to fill these places.

    Args:
      name: what to call it in a report.
      primal: `primal(*inputs) -> out`.
      pullback: `pullback(inputs, cotangent, differentiated) -> (out, cotangents)`, with a tuple of cotangents, one for
        each input; the `cotangent` of `out` is called with its tree.
      inputs: where to check.
      names: the names of the inputs.
      dout: the cotangent of the output.
      has_value: whether `out` of the pullback is checked too.
    """
    differentiated = differentiable(names, inputs)
    loss, grads, params_type = _functions(Same(primal), Same(pullback), names, differentiated, has_value)
    arrays = _with_arrays(inputs)
    params = params_type(*(value if d else None for value, d in zip(arrays, differentiated, strict=True)))
    return Subject(name, loss, grads, (inputs, dout), has_value, of_inputs=True), params


# Cached, so that a second check of the same functions compiles nothing.
@lru_cache(maxsize=256)
def _functions(
    primal: Same, pullback: Same, names: tuple[str, ...], differentiated: tuple[bool, ...], has_value: bool
) -> tuple[Callable[..., Any], Callable[..., Any], type]:
    params_type = namedtuple("Inputs", names)

    def loss(params: Any, inputs: tuple[Any, ...], dout: Dout) -> Any:
        return inner(primal.value(*filled(params, inputs)), dout)

    def grads(params: Any, inputs: tuple[Any, ...], dout: Dout) -> Any:
        out, cotangents = pullback.value(filled(params, inputs), dout, differentiated)
        if isinstance(cotangents, tuple | list) and len(cotangents) == len(names):
            cotangents = params_type(*map(_cotangent, params, cotangents, differentiated))
        # Else the check reports which leaves are missing.
        return (inner(out, dout, finest(params)), cotangents) if has_value else cotangents

    return loss, grads, params_type


def _with_arrays(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """The inputs with Python's numbers as arrays, of the coarsest dtype among the others, so that they widen none."""
    dtypes = [leaf.dtype for leaf in jax.tree.leaves(inputs) if is_floating(leaf)]
    coarsest = max(dtypes, key=lambda dtype: float(jnp.finfo(dtype).eps), default=None)
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, coarsest) if isinstance(leaf, float) else leaf, inputs)


def filled(params: Any, inputs: tuple[Any, ...]) -> list[Any]:
    """All inputs: those that are differentiated from `params`, the others as they were given."""
    return [given if mine is None else mine for mine, given in zip(params, inputs, strict=True)]


def _cotangent(value: Any, cotangent: Any, differentiated: bool) -> Any:
    if not differentiated:
        return None
    return jax.tree.map(jnp.zeros_like, value) if cotangent is None else cotangent


def inner(out: Any, dout: Dout, dtype: Any = None) -> Any:
    """`Σ dout · out` over the floating leaves, in the finest of their dtypes or the one that is given."""
    pairs = [(a, b) for a, b in zip(jax.tree.leaves(out), dout, strict=True) if b is not None]
    terms = [jnp.sum(a * jnp.asarray(b, jnp.result_type(a))) for a, b in pairs]
    dtype = dtype or finest(terms)
    return sum(term.astype(dtype) for term in terms)


def finest(tree: Any) -> Any:
    """The dtype that holds every floating leaf of a tree."""
    dtypes = {jnp.result_type(leaf) for leaf in jax.tree.leaves(tree) if is_floating(leaf)}
    if dtypes == {jnp.dtype("bfloat16"), jnp.dtype("float16")}:
        return jnp.dtype("float32")
    return min(dtypes, key=lambda dtype: float(jnp.finfo(dtype).eps))


def cotangent_tree(out: Any, dout: Dout) -> Any:
    """`dout` as JAX wants it: the tree and the dtypes of `out`, float0 for what is not floating."""
    leaves, structure = jax.tree.flatten(out)
    full = [_full(leaf, cotangent) for leaf, cotangent in zip(leaves, dout, strict=True)]
    return jax.tree.unflatten(structure, full)


def _full(leaf: Any, cotangent: Any) -> Any:
    if cotangent is None:
        return np.zeros(jnp.shape(leaf), jax.dtypes.float0)
    return (jnp if isinstance(cotangent, jax.Array) else np).asarray(cotangent, jnp.result_type(leaf))


def random_dout(out: Any, draw: int = 0) -> Dout:
    """Seeded random numbers, of two decimals, for every floating leaf of `out`, a tree of arrays or their shapes."""
    leaves = named_leaves(out)
    for path, leaf in leaves.items():
        if jnp.issubdtype(leaf.dtype, jnp.complexfloating):
            raise TypeError(f"the output `{path}` has dtype {leaf.dtype}: complex numbers are not supported.")
    if not any(map(is_floating, leaves.values())):
        raise TypeError("`out` holds no floating numbers, so it has no derivative.")
    return tuple(_random_like(path, leaf, draw) if is_floating(leaf) else None for path, leaf in leaves.items())


def _random_like(path: str, shape: Any, draw: int) -> np.ndarray:
    random = np.random.default_rng(zlib.crc32((path + f"/{draw}" * (draw > 0)).encode()))
    return np.asarray(random.normal(size=shape.shape).round(2), shape.dtype)


def differentiable(names: tuple[str, ...], inputs: tuple[Any, ...]) -> tuple[bool, ...]:
    """Which inputs are differentiated: those of floating numbers.

    Raises:
      TypeError: an input is complex, or mixes floating arrays with others.
      ValueError: no input holds a floating number, or one that does has an empty leaf.
    """
    differentiated = tuple(_is_differentiated(*item) for item in zip(names, inputs, strict=True))
    if not any(differentiated):
        raise ValueError("`inputs` hold no floating numbers, so there is nothing to differentiate by.")
    return differentiated


def _is_differentiated(name: str, value: Any) -> bool:
    leaves = jax.tree.leaves(value)
    if any(jnp.issubdtype(leaf.dtype, jnp.complexfloating) for leaf in leaves if hasattr(leaf, "dtype")):
        raise TypeError(f"input `{name}` is complex, and only the derivative by real numbers can be checked.")
    kinds = {is_floating(leaf) or isinstance(leaf, float) for leaf in leaves}
    if len(kinds) > 1:
        raise TypeError(
            f"input `{name}` mixes floating arrays with others, and only floating numbers have a cotangent: "
            "pass them as separate inputs."
        )
    if kinds == {True} and not all(jnp.size(leaf) for leaf in leaves):
        raise ValueError(f"input `{name}` has an empty leaf: there is nothing to differentiate by.")
    return kinds == {True}
