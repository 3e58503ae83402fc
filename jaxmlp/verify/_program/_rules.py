"""What a user's `bwd` computes stands at its own lines: under `jax.grad` JAX puts the line of the call on all of it."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache, wraps
from threading import Lock
from typing import Any

import jax
from jax.extend import source_info_util

from ._stacks import is_users


_CALL = jax.custom_vjp.__call__
_lock, _users = Lock(), [0]


@contextmanager
def at_their_own_lines() -> Iterator[None]:
    """While it lasts, the backward halves of `custom_vjp` functions that are called are traced with their own lines.

    They compute what they always do, in every thread.
    """
    with _lock:
        _users[0] += 1
        jax.custom_vjp.__call__ = _call
    try:
        yield
    finally:
        with _lock:
            _users[0] -= 1
            if not _users[0]:
                jax.custom_vjp.__call__ = _CALL


@wraps(_CALL)
def _call(self: Any, *args: Any, **kwargs: Any) -> Any:
    code = getattr(inspect.unwrap(self.bwd), "__code__", None) if self.bwd else None
    if code and is_users(code.co_filename):
        twin = object.__new__(type(self))
        vars(twin).update(vars(self), bwd=_with_lines(self.bwd))
        self = twin
    return _CALL(self, *args, **kwargs)


# Cached, as JAX compiles anew for another function.
@lru_cache(maxsize=64)
def _with_lines(bwd: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(bwd)
    def traced(*args: Any) -> Any:
        none: Any = _NoTraceback()
        with source_info_util.user_context(none):
            return bwd(*args)

    return traced


class _NoTraceback:
    """In the place of the traceback that JAX puts on every operation; without one, each has its own."""

    def __bool__(self) -> bool:
        return False

    def as_python_traceback(self) -> None:
        """What is shown beside that of an error: nothing."""
