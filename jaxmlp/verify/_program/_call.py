"""Calling the functions under check: compiled where JAX can trace them, as black boxes where not."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, wraps
from typing import Any

import jax

from ._rules import at_their_own_lines
from ._tree import copied, is_array


@dataclass(frozen=True, eq=False)
class Same:
    """An object as a static argument or a cache's key: the same only as itself, hashable or not."""

    value: Any

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and self.value is other.value


@dataclass(frozen=True)
class Kept:
    """What stays of an argument tree when its arrays are taken out: numbers, strings, functions."""

    structure: Any
    leaves: tuple[Any, ...]


def split(tree: Any) -> tuple[list[Any], Kept]:
    """The arrays of an argument tree, and all the rest."""
    leaves, structure = jax.tree.flatten(tree)
    # 1, 1.0 and True are equal, but do not trace alike: the type is part of the key.
    kept = tuple(None if is_array(leaf) else (type(leaf), _hashable(leaf)) for leaf in leaves)
    return [leaf for leaf in leaves if is_array(leaf)], Kept(structure, kept)


def joined(arrays: Any, kept: Kept) -> Any:
    """The argument tree again, from what `split` made of it."""
    arrays = iter(arrays)
    leaves = [next(arrays) if leaf is None else _value(leaf[1]) for leaf in kept.leaves]
    return jax.tree.unflatten(kept.structure, leaves)


def has_functions(tree: Any) -> bool:
    """Whether functions stand among the leaves, as the activations do in a model that is a tree itself."""
    return any(map(_is_function, jax.tree.leaves(tree)))


def without_functions(tree: Any) -> Any:
    """The tree with None, which is no leaf, for each function in it."""
    return jax.tree.map(lambda leaf: None if _is_function(leaf) else leaf, tree)


def functions_of(tree: Any) -> Kept:
    """What `without_functions` takes out of a tree: `joined` puts it back."""
    leaves, structure = jax.tree.flatten(tree)
    return Kept(structure, tuple((type(leaf), Same(leaf)) if _is_function(leaf) else None for leaf in leaves))


def _is_function(leaf: Any) -> bool:
    return callable(leaf) and not is_array(leaf)


# Cached, so that the same function of the same model has the same wrapper, which then compiles only once.
@lru_cache(maxsize=256)
def taking_no_functions(function: Same, structures: tuple[Kept, ...]) -> Callable[..., Any]:
    """`function` of trees `without_functions`, which it gets back; it leaves out those that it returns.

    Args:
      function: a function of trees with functions among their leaves.
      structures: the `functions_of` each of the first trees; what follows has none.
    """

    @wraps(function.value)
    def call(*args: Any) -> Any:
        whole = [joined(jax.tree.leaves(tree), kept) for tree, kept in zip(args, structures, strict=False)]
        return without_functions(function.value(*whole, *args[len(structures) :]))

    return call


def _hashable(leaf: Any) -> Any:
    return leaf if isinstance(leaf, int | float | complex | str | bytes) else Same(leaf)


def _value(leaf: Any) -> Any:
    return leaf.value if isinstance(leaf, Same) else leaf


# With the function, all that JAX keeps of it is let go.
@lru_cache(maxsize=64)
def _jitted(function: Same) -> Any:
    def call(kept: Kept, arrays: Any) -> Any:
        with at_their_own_lines():
            return function.value(*joined(arrays, kept))

    return jax.jit(call, static_argnums=0)


def forget() -> None:
    """Let go of what was traced: a function may have come to capture other arrays, or to call other functions."""
    _jitted.cache_clear()


def compiled(function: Callable[..., Any], *args: Any) -> Any:
    """`function(*args)`, compiled; only arrays are traced, so a number may be a size and a string a choice.

    Compiled once for each function, shapes and dtypes, until all is forgotten.
    """
    arrays, kept = split(args)
    return jitted(function)(kept, arrays)


def jitted(function: Callable[..., Any]) -> Callable[[Kept, Any], Any]:
    """`function`, of what stays of its arguments without their arrays, and of those."""
    return _jitted(Same(function))


def jaxpr_of(function: Callable[..., Any], *args: Any) -> tuple[Any, Any]:
    """The jaxpr of `function(*args)` over the arrays of `args`, and the tree of its result.

    Traced once for each function, shapes and dtypes, for this and for `compiled` together.
    """
    arrays, kept = split(args)
    traced = _jitted(Same(function)).trace(kept, arrays)
    return traced.jaxpr, jax.tree.structure(traced.out_info)


def shapes_of(function: Callable[..., Any], *args: Any) -> Any:
    """The tree of the result of `function(*args)`, with the shapes and dtypes of its leaves."""
    arrays, kept = split(args)
    return _jitted(Same(function)).trace(kept, arrays).out_info


def is_traceable(function: Callable[..., Any], *args: Any) -> bool:
    """Whether JAX can trace `function`: NumPy and torch code, and compiled kernels, fail one way or another."""
    try:
        jaxpr_of(function, *args)
    except Exception:
        return False
    return True


def called(function: Callable[..., Any], *args: Any) -> Any:
    """`function(*args)` as a black box, on copies of NumPy arrays: what it writes into them stays with it."""
    return function(*copied(args))


def input_names(function: Callable[..., Any], count: int) -> tuple[str, ...]:
    """The names of a function's first arguments; `input0`, `input1`, ... where its signature does not give them."""
    try:
        parameters: Sequence[inspect.Parameter] = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        parameters = ()
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [p.name for p in parameters if p.kind in positional and not p.name.startswith("_")]
    return tuple(names[:count]) if len(names) >= count else tuple(f"input{i}" for i in range(count))
