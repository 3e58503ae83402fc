"""Where a file wants its gradient checked: `params`, and what else its functions take."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from ._terminal import CommandError


def called_with(loss: Callable[..., Any], grads: Callable[..., Any], inputs: Any) -> tuple[Any, ...]:
    """The arguments `(params, *args)` of `loss` and `grads`, from a tuple or from a function that returns one.

    A pair `(params, args)` of which `args` is a tuple is taken apart if `loss` can then be called. Where its
    signature takes the pair both ways, `loss` is tried.

    Raises:
      CommandError: `inputs` gives something else, or `loss` or `grads` cannot take it.
    """
    name = f"`{_name(inputs)}`" if callable(inputs) else "the tuple of inputs"
    if callable(inputs):
        if not _takes(inputs):
            raise CommandError(f"`{_name(inputs)}{_signature(inputs)}` makes the inputs: it must take no arguments.")
        inputs = inputs()
    if type(inputs) not in (tuple, list) or not inputs:
        got = "an empty tuple" if inputs == () else f"a {type(inputs).__name__}"
        raise CommandError(f"{name} gives {got}, but must give a tuple: `(params, *args)` or `(params, args)`.")

    flat = tuple(inputs)
    forms = [flat]
    if len(flat) == 2 and type(flat[1]) is tuple:
        forms.insert(0, (flat[0], *flat[1]))
    fitting = [form for form in forms if _takes(loss, *form)]
    if not fitting:
        numbers = " or ".join(dict.fromkeys(str(len(form)) for form in forms))
        raise CommandError(
            f"{name} gives {numbers} values, `params` among them, which do not fit `{_name(loss)}{_signature(loss)}`."
        )
    form = fitting[0] if len(fitting) == 1 or _gives_number(loss, *fitting[0]) else fitting[1]
    if not _takes(grads, *form):
        raise CommandError(
            f"`{_name(loss)}` takes the {len(form)} values that {name} gives, but `{_name(grads)}{_signature(grads)}` "
            "does not: both must take `params` and the same others."
        )
    return form


def _takes(function: Callable[..., Any], *args: Any) -> bool:
    try:
        inspect.signature(function).bind(*args)
    except TypeError:
        return False
    except ValueError:  # written in C, with no signature to ask
        pass
    return True


def _gives_number(loss: Callable[..., Any], *args: Any) -> bool:
    try:
        return np.ndim(loss(*args)) == 0
    except Exception:
        return False


def _signature(function: Callable[..., Any]) -> str:
    return str(inspect.signature(function))


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", type(function).__name__)
