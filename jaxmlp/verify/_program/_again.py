"""A function called once more with the same arguments: whether it gives the same, and leaves them as they are."""

import dis
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from types import CodeType
from typing import Any

import jax
import numpy as np

from ._call import split
from ._failures import users_frames
from ._fingerprint import of_arrays
from ._source import Source
from ._stacks import Frame, Stack
from ._trace import Equation, Literal, Program, program_of, traced
from ._tree import copied, is_array, on_host


@dataclass(frozen=True)
class Again:
    """What a second call came to.

    Attributes:
      is_same: whether JAX traced the very program that it traced before, as far as can be told.
      results: what both calls gave, one operation at a time; of what JAX cannot trace only what the second one gave.
      stacks: where the equation stands from which on the programs part; empty if that is unknown.
      written: the names of the arguments that the call changed.
      writer: the line that changed the first of them, if that is known.
    """

    is_same: bool
    results: tuple[Any, ...] = ()
    stacks: tuple[Stack, ...] = ()
    written: tuple[str, ...] = ()
    writer: Frame | None = None


def again(
    function: Callable[..., Any],
    names: tuple[str, ...],
    args: tuple[Any, ...],
    *,
    traceable: bool,
    in_place: bool = True,
) -> Again:
    """`function(*args)` once more: traced anew where JAX can trace it, called where not, or where `in_place` asks for
    the arguments that it changes as only NumPy's arrays can be changed.

    An argument is named by its place in `names` and the path of its leaf; where the name is empty, by the path alone.
    """
    if not traceable:
        return _called(function, names, args)
    written: set[str] = set()

    def watched(*args: Any) -> Any:
        before = _leaves(names, args)
        result = function(*args)
        after = _leaves(names, args)
        written.update(path for path in before.keys() | after.keys() if before.get(path) is not after.get(path))
        return result

    first, second = program_of(function, *args), traced_anew(watched, *args)
    stacks = _parting(first, second)
    if stacks is not None:
        arrays = split(args)[0]
        try:
            result = jax.tree.unflatten(first.structure, first.run(arrays))
        except Exception:  # an operation that cannot be run by itself
            return Again(True, written=tuple(sorted(written)))
        result_again = jax.tree.unflatten(second.structure, second.run(arrays))
        return Again(False, (result, result_again), stacks, tuple(sorted(written)))
    if in_place and not written and any(map(_is_numpy, jax.tree.leaves(args))) and _writes_in_place(function):
        # `x -= 1` leaves a tracer as it is and changes an array of NumPy, which has no `x.at[0]` in turn.
        try:
            return replace(_called(function, names, args), is_same=True)
        except Exception:  # what is traced has been called already
            return Again(True)
    return Again(True, written=tuple(sorted(written)))


def parting(function: Callable[..., Any], *args: Any) -> tuple[Stack, ...]:
    """Where the equation stands from which on a function is another program each time; empty if it never is."""
    return _parting(traced(function, *args), traced_anew(function, *args)) or ()


def traced_anew(function: Callable[..., Any], *args: Any) -> Program:
    """`traced(function, *args)`, in which nothing is found that JAX remembers of it, or of what it calls."""
    # What is compiled for another default device is traced for it too, be it the same one by another name.
    with jax.default_device(jax.default_backend()):
        return traced(function, *args)


def _called(function: Callable[..., Any], names: tuple[str, ...], args: tuple[Any, ...]) -> Again:
    given = copied(args)
    result = function(*given)
    before, after = _leaves(names, args), _leaves(names, given)
    written = [path for path in before if path not in after or not _is_equal(before[path], after[path])]
    written += [path for path in after if path not in before]
    return Again(False, (result,), (), tuple(written), _writer(function, args) if written else None)


def _leaves(names: tuple[str, ...], args: tuple[Any, ...]) -> dict[str, Any]:
    found = {}
    for name, arg in zip(names, args, strict=True):
        for path, leaf in jax.tree.leaves_with_path(arg):
            path = jax.tree_util.keystr(path, simple=True, separator=".")
            found[".".join(filter(None, (name, path))) or "params"] = leaf
    return found


def _is_numpy(leaf: Any) -> bool:
    return isinstance(leaf, np.ndarray)


def _is_equal(before: Any, after: Any) -> bool:
    if before is after:
        return True
    if is_array(before) and is_array(after):
        return of_arrays((on_host(before),)) == of_arrays((on_host(after),))
    return type(before) is type(after) and isinstance(before, int | float | complex | str | bytes) and before == after


def _writer(function: Callable[..., Any], args: tuple[Any, ...]) -> Frame | None:
    """The line at which the call stops if it must not write into arrays of NumPy."""
    given = copied(args)
    for leaf in filter(_is_numpy, jax.tree.leaves(given)):
        leaf.flags.writeable = False
    try:
        function(*given)
    except ValueError as error:
        if "read-only" in str(error):
            return next(reversed(users_frames(error.__traceback__)), None)
    except Exception:
        pass
    return None


def _writes_in_place(function: Callable[..., Any]) -> bool:
    """Whether `-=` or the like stands in a function."""
    code = Source(function).code
    return code is not None and any(
        instruction.opname == "BINARY_OP" and instruction.argrepr.endswith("=")
        for part in _codes(code)
        for instruction in dis.get_instructions(part)
    )


def _codes(code: CodeType) -> Iterable[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _parting(first: Program, second: Program) -> tuple[Stack, ...] | None:
    """Where the first equation stands in which two programs differ, or which may differ at each call, as a callback
    does; None if there is none, and empty if nothing but what is returned differs.
    """
    for one, two in zip(first.equations, second.equations, strict=False):
        inputs = zip(one.inputs, two.inputs, strict=False)
        if (
            (one.name, one.outputs, len(one.inputs)) != (two.name, two.outputs, len(two.inputs))
            or not all(_is_same_atom(a, b, first, second) for a, b in inputs)
            or _calls_back(one)
            or not _is_same_param(one.params, two.params)
        ):
            return two.stacks
    is_same = (
        len(first.equations) == len(second.equations)
        and first.structure == second.structure
        and all(_is_same_atom(a, b, first, second) for a, b in zip(first.outputs, second.outputs, strict=True))
    )
    return None if is_same else ()


def _is_same_atom(one: Any, two: Any, first: Program, second: Program) -> bool:
    if isinstance(one, Literal) or isinstance(two, Literal):
        return isinstance(one, Literal) and isinstance(two, Literal) and _is_same_array(one.value, two.value)
    in_first, in_second = one in first.constants, two in second.constants
    if in_first and in_second:
        return _is_same_array(first.constants[one], second.constants[two])
    return one == two and in_first == in_second


def _is_same_array(one: Any, two: Any) -> bool:
    return one is two or np.array_equal(one, two) or of_arrays((one,)) == of_arrays((two,))


def _is_same_param(one: Any, two: Any) -> bool:
    """Whether two parameters of equations are the same, as far as they can be compared; functions cannot."""
    if one is two:
        return True
    if isinstance(one, dict):
        return one.keys() == two.keys() and all(_is_same_param(one[key], two[key]) for key in one)
    if isinstance(one, tuple | list) and isinstance(two, tuple | list):
        return len(one) == len(two) and all(map(_is_same_param, one, two))
    if hasattr(one, "eqns"):
        consts = zip(getattr(one, "consts", ()), getattr(two, "consts", ()), strict=False)
        return _text(one) == _text(two) and all(_is_same_array(a, b) for a, b in consts)
    if isinstance(one, bool | int | float | complex | str | bytes | np.dtype):
        return bool(one == two)
    return not _is_numpy(one) or _is_same_array(one, two)


def _calls_back(equation: Equation) -> bool:
    """Whether a function of Python's answers at run time, in the equation or within."""
    if "callback" in equation.name:
        return bool(equation.outputs)
    return any("callback[" in _text(value) for value in jax.tree.leaves(equation.params) if hasattr(value, "eqns"))


def _text(jaxpr: Any) -> str:
    return re.sub("0x[0-9a-f]+", "", str(jaxpr))
