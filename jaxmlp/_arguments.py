"""Checks on single arguments: arrays, numbers, dtypes, keys, choices, functions.

The checks read what is known while JAX traces, so they hold under `jit` and cost nothing there. A wrong shape or value
is a `ValueError`, a wrong dtype or kind a `TypeError`; each names the argument, shows what it got and says what to do.
"""

from collections.abc import Iterable
from functools import lru_cache
from itertools import islice
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer


FLOATS = ("float16", "bfloat16", "float32", "float64")

_LAYERS = 10_000
_TOO_MANY = 2**40
_MOST = 2**31 - 1
"""What a 32-bit counter, such as that of the steps, can count."""


def kind(value: Any) -> str:
    """What `value` is, for a sentence."""
    return "None" if value is None else f"a {type(value).__name__}"


def shown(value: Any) -> str:
    """`value` as it is written, if it can be, and in short."""
    if is_array(value):
        return f"an array of {value.dtype} of shape {tuple(value.shape)}"
    try:
        text = repr(value)
    except Exception:  # an object may raise anything
        return kind(value)
    return text if len(text) <= 200 else f"{text[:200]} ..."


def is_array(value: Any) -> bool:
    """Whether `value` is an array of JAX or NumPy; a mask would be lost without a word."""
    return isinstance(value, jax.Array | np.ndarray | np.generic) and not isinstance(value, np.ma.MaskedArray)


def of_jax(value: Any) -> Any:
    """`value` as an array of JAX if it is one of NumPy that JAX can hold: NumPy promotes by other rules, and warns."""
    ours = isinstance(value, np.ndarray | np.generic) and is_array(value) and value.size < _TOO_MANY
    return jnp.asarray(value) if ours and _is_number(value.dtype) else value


def check_is_array(name: str, value: Any) -> None:
    """`value` is an array, and its memory is still there."""
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"`{name}` is a masked array, whose mask would be lost: pass {name}.filled(...).")
    if not is_array(value):
        raise TypeError(f"`{name}` must be an array, got {kind(value)}: convert it with jnp.asarray(...).")
    if isinstance(value, jax.Array) and not isinstance(value, Tracer) and value.is_deleted():
        raise ValueError(f"`{name}` has been deleted, by donating it to a compiled function or by hand: pass a copy.")
    if isinstance(value, np.ndarray) and value.size >= _TOO_MANY:  # a view of little, perhaps, that would be copied
        raise ValueError(f"`{name}` has shape {value.shape}, and no memory holds so many numbers.")


def check_leaves(name: str, tree: Any) -> None:
    """The leaves of `tree` are arrays, random keys or numbers, and there is one at least."""
    leaves = jax.tree.leaves_with_path(tree)
    if not leaves:
        raise ValueError(f"`{name}` must hold arrays, got {shown(tree)}.")
    for path, leaf in leaves:
        at = f"{name}{jax.tree_util.keystr(path)}"
        if isinstance(leaf, bool | int | float | complex):
            if isinstance(leaf, int) and not -(2**63) <= leaf < 2**63:
                raise ValueError(f"`{at}` is {leaf}, and JAX computes with integers of 64 bits at most.")
            continue
        check_is_array(at, leaf)
        if not (jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) or _is_number(leaf.dtype)):
            raise TypeError(f"`{at}` has dtype {leaf.dtype}, and JAX computes with numbers: convert it first.")


@lru_cache
def _is_number(dtype: Any) -> bool:
    """Whether JAX computes with it: not with times, which NumPy counts among the integers, nor with 128 bits."""
    if not (jnp.issubdtype(dtype, jnp.number) or jnp.issubdtype(dtype, jnp.bool_)):
        return False
    try:
        jnp.asarray(np.zeros((), dtype))
    except (TypeError, jax.errors.JaxRuntimeError):  # of 128 bits, and of 6 where XLA has no such type
        return False
    return True


def check_dtype(name: str, value: Any) -> Any:
    """`value` says a dtype that the core computes with; it comes back as JAX has it."""
    try:
        if is_array(value):
            raise TypeError
        dtype = jax.dtypes.canonicalize_dtype(value)
    except Exception:  # NumPy and JAX raise this and that of what is no dtype
        raise TypeError(f"`{name}` must be a dtype such as jnp.float32, got {shown(value)}.") from None
    if dtype.name not in FLOATS:
        raise TypeError(
            f"`{name}` is {dtype.name}, but a network computes with floating numbers: one of {', '.join(FLOATS)}."
        )
    return dtype


def check_choice(name: str, value: Any, choices: Iterable[str], *, other: str = "") -> None:
    """`value` is one of the words `choices`."""
    if not (isinstance(value, str) and value in tuple(choices)):
        raise ValueError(f"`{name}` is {shown(value)}, but must be one of {', '.join(choices)}{other}.")


def check_flag(name: str, value: Any) -> None:
    """`value` is True or False."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"`{name}` must be True or False, got {shown(value)}.")


def check_callable(name: str, value: Any, example: str = "") -> None:
    """`value` can be called."""
    if not callable(value):
        raise TypeError(f"`{name}` must be a function, got {shown(value)}{example}.")


def check_sizes(sizes: Any) -> tuple[int, ...]:
    """`sizes` are the widths of a network, two or more positive integers; they come back as a tuple."""
    try:
        widths = tuple(islice(iter(sizes), _LAYERS))
    except Exception:  # whatever an object raises that is no sequence, or an array that is gone
        raise TypeError(f"`sizes` must be a sequence of widths such as (2, 10, 1), got {kind(sizes)}.") from None
    for i, width in enumerate(widths):
        if isinstance(width, bool) or not isinstance(width, int | np.integer):
            raise TypeError(f"`sizes[{i}]` must be an integer, got {shown(width)}.")
        if not 1 <= width <= _MOST:
            limit = "every layer needs at least one unit" if width < 1 else "no memory holds so many units"
            raise ValueError(f"`sizes[{i}]` is {width}, but {limit}.")
    if not 2 <= len(widths) < _LAYERS:
        short = "a network needs at least an input and an output width" if len(widths) < 2 else "it never ends"
        raise ValueError(f"`sizes` is {widths[:10]}, but {short}.")
    return tuple(int(width) for width in widths)


def check_key(name: str, key: Any) -> None:
    """`key` is one random key, of `jax.random.key` or of the older `jax.random.PRNGKey`."""
    if not is_array(key):
        raise TypeError(f"`{name}` must be a random key, got {kind(key)}: pass jax.random.key(0).")
    check_is_array(name, key)
    typed = jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
    if not typed and key.dtype != jnp.uint32:
        raise TypeError(f"`{name}` must be a random key, got an array of {key.dtype}: pass jax.random.key(0).")
    if len(key.shape) != (0 if typed else 1):
        raise ValueError(
            f"`{name}` must be one random key, got keys of shape {key.shape}: map over them with jax.vmap."
        )
    if not typed and key.shape != (usual := jax.eval_shape(lambda: jax.random.PRNGKey(0)).shape):
        raise ValueError(f"`{name}` must be a random key, of shape {usual}, got {key.shape}: pass jax.random.key(0).")


def check_positive(name: str, value: Any) -> None:
    """`value` is a finite number above zero."""
    _check_number(name, value)
    if not 0 < value < float("inf"):
        raise ValueError(f"`{name}` is {value}, but must be a finite number above 0.")


def check_at_least(name: str, value: Any, least: float) -> None:
    """`value` is a number, and no less than `least`; infinity is one."""
    _check_number(name, value)
    if not value >= least:
        raise ValueError(f"`{name}` is {value}, but must be at least {least:g}.")


def check_count(name: str, value: Any, *, least: int, most: int = _MOST) -> None:
    """`value` is a plain integer (it fixes a program's shape) of at least `least`, and at most `most`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(
            f"`{name}` must be a Python integer, got {kind(value)}: it fixes the compiled program, so under "
            f"jit make it static, for example with functools.partial or static_argnames."
        )
    if value < least:
        raise ValueError(f"`{name}` is {value}, but must be at least {least}.")
    if value > most:
        raise ValueError(f"`{name}` is {value}, but must be at most {most:,}.")


def _check_number(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise TypeError(f"`{name}` must be a number, got {kind(value)}.")
