"""What a step computes, as a number that another process finds as well."""

import zlib
from collections.abc import Callable, Hashable, Iterator
from enum import Enum
from typing import Any

import jax
import numpy as np
from jax.extend.core import Literal

from ._identity import checksum


def fingerprint(function: Callable[..., Any], *args: Any) -> str:
    """The same for two functions that carry out the same operations on the same constants, for arguments as these.

    What cannot be told from outside a process, such as which function a callback calls, is left out.
    """
    closed = jax.make_jaxpr(function)(*args)
    crc = 0
    for part in _parts(closed):
        crc = zlib.crc32(repr(part).encode(), crc)
    return f"{crc:08x}"


def _parts(program: Any) -> Iterator[Hashable]:
    """A program, or one inside another: its constants and equations, the variables numbered as they come."""
    jaxpr = getattr(program, "jaxpr", program)
    yield from (checksum(constant) for constant in getattr(program, "consts", ()))
    number: dict[Any, int] = {}
    for variable in (*jaxpr.constvars, *jaxpr.invars):
        number[variable] = len(number)

    def atom(atom: Any) -> Hashable:
        if isinstance(atom, Literal):
            return str(atom.aval), np.asarray(atom.val).tobytes()
        return number.setdefault(atom, len(number))

    for equation in jaxpr.eqns:
        yield equation.primitive.name, tuple(map(atom, equation.invars))
        yield tuple((atom(variable), str(variable.aval)) for variable in equation.outvars)
        for name, value in sorted(equation.params.items()):
            if name != "name":  # of a function under `jit`
                yield name
                yield from _of_param(value)
    yield tuple(map(atom, jaxpr.outvars))


def _of_param(value: Any) -> Iterator[Hashable]:
    if value is None or isinstance(value, bool | int | float | complex | str | np.dtype | np.generic):
        yield repr(value)
    elif isinstance(value, Enum):
        yield value.name
    elif isinstance(value, tuple | list):
        yield len(value)
        for entry in value:
            yield from _of_param(entry)
    elif hasattr(value, "eqns"):
        yield from _parts(value)
