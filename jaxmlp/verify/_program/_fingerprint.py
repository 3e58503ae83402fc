"""Whether two programs are one: what is known of the one may be used of the other then."""

import hashlib
import linecache
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator
from enum import Enum
from typing import Any, Generic, TypeVar

import jax
import numpy as np

from ._trace import Literal, Program


T = TypeVar("T")


def fingerprint(program: Program, *, lines: bool) -> bytes | None:
    """The same for two programs that compute the same in the same way: their equations, constants and dtypes.

    None where that cannot be told, as of a callback or a loop that is not unrolled. With `lines`, each equation also
    stands on the same line of the same text.
    """
    digest = hashlib.sha256()
    try:
        for part in _parts(program, lines):
            digest.update(part)
    except _Unknown:
        return None
    return digest.digest()


def of_arrays(arrays: Iterable[Any]) -> bytes:
    """The same for the same numbers in the same shapes and dtypes."""
    digest = hashlib.sha256()
    for part in _of_arrays(arrays):
        digest.update(part)
    return digest.digest()


class _Unknown(Exception):
    pass


def _parts(program: Program, lines: bool) -> Iterator[bytes]:
    yield repr((program.inputs, program.structure, tuple(map(_atom, program.outputs)))).encode()
    yield repr([(shape.shape, str(shape.dtype)) for shape in program.shapes.values()]).encode()
    yield repr(sorted(program.constants)).encode()
    yield from _of_arrays(program.constants[variable] for variable in sorted(program.constants))
    for equation in program.equations:
        # What is combined with an update, and how, is told by the name.
        named = equation.name.startswith("scatter-")
        params = [(k, _plain(v)) for k, v in equation.params.items() if not (named and k == "update_jaxpr")]
        yield repr((equation.name, params, tuple(map(_atom, equation.inputs)), equation.outputs)).encode()
    if lines:
        stacks = [equation.stacks for equation in program.equations]
        yield repr(stacks).encode()
        files = {frame.file for each in stacks for stack in each for frame in stack if frame}
        yield from ("".join(linecache.getlines(file)).encode() for file in sorted(files))


def _of_arrays(arrays: Iterable[Any]) -> Iterator[bytes]:
    for array in arrays:
        if jax.numpy.issubdtype(array.dtype, jax.dtypes.extended):  # a random key
            array = jax.random.key_data(array)
        values = np.asarray(array)
        yield repr((values.shape, str(values.dtype))).encode()
        yield np.ascontiguousarray(values).tobytes()


def _atom(atom: Any) -> Any:
    return (str(atom.value.dtype), atom.value.tobytes()) if isinstance(atom, Literal) else atom


def _plain(value: Any) -> Hashable:
    """A parameter of a primitive, if it is told by how it is written."""
    if value is None or isinstance(value, bool | int | float | str | Enum | np.dtype | np.generic):
        return repr(value)
    if isinstance(value, tuple):
        return type(value).__name__, tuple(map(_plain, value))
    if type(value).__name__.endswith("DimensionNumbers") or isinstance(value, type):
        return repr(value)
    raise _Unknown


class Memory(Generic[T]):
    """What was found for the last few keys."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._found: OrderedDict[Hashable, T] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """What was found for `key`, or is now; what has None for a key is not kept."""
        if key is None:
            return make()
        found = self._found.pop(key) if key in self._found else make()
        self._found[key] = found
        if len(self._found) > self._size:
            self._found.popitem(last=False)
        return found
