"""The function with a custom rule that a caller means, through `jit` and `partial`, and all of its arguments."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import jax
import numpy as np

from .._program._call import input_names, Same
from .._program._tree import is_floating
from ._pullback import cotangent_tree, Dout, filled


@dataclass(frozen=True)
class Target:
    """What is checked.

    Attributes:
      call: the function, of `inputs` by position.
      inputs: where to check; one in `nondiff_argnums` is wrapped in `Same`, so that it is never traced.
      names: the names of the inputs.
      fixed: the indices of those in `nondiff_argnums`, in its order.
      rule: the `custom_vjp` or `custom_jvp` object; None where the rules are deeper inside of `call`.
    """

    call: Callable[..., Any]
    inputs: tuple[Any, ...]
    names: tuple[str, ...]
    fixed: tuple[int, ...]
    rule: Any

    @property
    def bwd(self) -> Callable[..., Any] | None:
        """The backward half of a `custom_vjp`."""
        return self.rule.bwd if isinstance(self.rule, jax.custom_vjp) else None

    @property
    def source(self) -> Callable[..., Any] | None:
        """The rule itself: `bwd`, or that for tangents."""
        return self.bwd or getattr(self.rule, "jvp", None)

    @property
    def incoming(self) -> str:
        """What the rule calls the cotangent, or the tangents, that come in."""
        try:
            *_, name = inspect.signature(self.source or _call).parameters
        except (TypeError, ValueError):
            return "dout"
        return name

    @property
    def is_readable(self) -> bool:
        """Whether `fwd` and `bwd` can be called on plain arrays and without JAX between them."""
        flags = ("symbolic_zeros", "with_accums", "with_logs")
        return self.bwd is not None and not any(getattr(self.rule, flag, False) for flag in flags)


def target(function: Callable[..., Any], inputs: tuple[Any, ...]) -> Target:
    """What is checked, where a caller gives `function` and `inputs`.

    Raises:
      ValueError: a rule is not defined, or takes other arguments.
    """
    inner, args, keywords = function, inputs, {}
    while isinstance(inner, partial | jax.stages.Wrapped) and not isinstance(inner, jax.custom_vjp | jax.custom_jvp):
        if isinstance(inner, partial):
            inner, args, keywords = inner.func, (*inner.args, *args), inner.keywords | keywords
        else:
            inner = getattr(inner, "__wrapped__", None)
    if not isinstance(inner, jax.custom_vjp | jax.custom_jvp):
        return Target(_call(Same(function), (), ()), inputs, input_names(function, len(inputs)), (), None)
    if (inner.bwd if isinstance(inner, jax.custom_vjp) else inner.jvp) is None:
        defining = "defvjp(fwd, bwd)" if isinstance(inner, jax.custom_vjp) else "defjvp(rule)"
        raise ValueError(f"`f` has no rule yet: define it with f.{defining}.")
    args = _by_position(inner, args, keywords)
    fixed = tuple(index % len(args) for index in inner.nondiff_argnums)
    halves_of = (inner.fwd, inner.bwd) if isinstance(inner, jax.custom_vjp) else (inner.jvp,)
    rules = tuple(map(Same, halves_of))
    wrapped = tuple(Same(value) if index in fixed else value for index, value in enumerate(args))
    return Target(_call(Same(inner), rules, fixed), wrapped, input_names(inner.fun, len(args)), fixed, inner)


def _by_position(rule: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> tuple[Any, ...]:
    """All arguments of a rule, its defaults too: it must have a cotangent for each."""
    try:
        bound = inspect.signature(rule.fun).bind(*args, **keywords)
    except (TypeError, ValueError) as error:  # they do not fit; or a built-in function says of none, as JAX asks too
        raise ValueError(f"`inputs` are not the arguments of `f`: {error}.") from None
    bound.apply_defaults()
    if bound.kwargs:
        names = ", ".join(bound.kwargs)
        raise ValueError(f"`f` takes {names} by keyword only, and a custom rule takes arguments by position only.")
    return bound.args


# Cached, so that the same function with the same rules has the same call, which then compiles only once.
@lru_cache(maxsize=256)
def _call(function: Same, rules: tuple[Same, ...], fixed: tuple[int, ...]) -> Callable[..., Any]:
    del rules

    def call(*inputs: Any) -> Any:
        return function.value(*plain(inputs, fixed))

    return call


def plain(inputs: Sequence[Any], fixed: tuple[int, ...]) -> list[Any]:
    """The inputs with those in `nondiff_argnums` as they were given, and as wide as the others."""
    others = [value for index, value in enumerate(inputs) if index not in fixed]
    wide = any(is_floating(leaf) and leaf.dtype == np.float64 for leaf in jax.tree.leaves(others))
    widen = lambda leaf: np.asarray(leaf, np.float64) if wide and is_floating(leaf) else leaf
    return [jax.tree.map(widen, value.value) if index in fixed else value for index, value in enumerate(inputs)]


@lru_cache(maxsize=256)
def pullback_of(call: Same) -> Callable[..., Any]:
    """The pullback that JAX makes of a function with its rules: `(inputs, dout, differentiated)` to out and cotangents.

    A cotangent is None for each input that is not differentiated.
    """

    def pullback(inputs: list[Any], dout: Dout, differentiated: tuple[bool, ...]) -> tuple[Any, Any]:
        params = [value if d else None for value, d in zip(inputs, differentiated, strict=True)]
        out, pull = jax.vjp(lambda params: call.value(*filled(params, tuple(inputs))), params)
        (cotangents,) = pull(cotangent_tree(out, dout))
        return out, cotangents

    return pullback


def halves(rule: Any, fixed: tuple[int, ...], inputs: Sequence[Any], dout: Dout) -> tuple[Any, Any]:
    """The output of `fwd`, and what `bwd` returns, with nothing of JAX between them."""
    values = plain(inputs, fixed)
    out, residuals = rule.fwd(*values)
    return out, rule.bwd(*(values[index] for index in fixed), residuals, cotangent_tree(out, dout))


@lru_cache(maxsize=256)
def direct_pullback_of(rule: Same, fixed: tuple[int, ...]) -> Callable[..., Any]:
    """The same by `halves`, where JAX does not accept what they return."""

    def pullback(inputs: list[Any], dout: Dout, differentiated: tuple[bool, ...]) -> tuple[Any, Any]:
        del differentiated
        out, returned = halves(rule.value, fixed, inputs, dout)
        cotangents = iter(returned)
        return out, tuple(None if index in fixed else next(cotangents) for index in range(len(inputs)))

    return pullback
