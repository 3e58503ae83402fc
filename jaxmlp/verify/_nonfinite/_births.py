"""From the last finite state to the operations that gave the first inf and the first NaN."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from .._program._call import split
from .._program._trace import Program, traced
from .._program._tree import on_host
from ._inner import BRANCHING, inner
from ._numpy import births_in_numpy
from ._records import Found, Writer
from ._replay import Place, Replay, replayer
from ._report import Birth
from ._step import is_inexact, parted, paths, with_arrays


_LATER = 16
"""How many steps more to replay where the step that was not finite is finite one operation at a time."""

_TO_NAN = 8
"""How many steps more to replay for the NaN that an inf leads to."""


@dataclass(frozen=True)
class Births:
    """What a replay found, as in `NonfiniteReport`."""

    leaves: tuple[str, ...] = ()
    first_inf: Birth | None = None
    first_nan: Birth | None = None
    chain: tuple[Birth, ...] = ()
    notes: tuple[str, ...] = ()


def births(step: Callable[[Any], Any], state: Any, number: int, last: int) -> Births:
    """The births in step `number`, which starts from `state`, or in those that follow it up to step `last`."""
    program, state = _traced(step, state)
    if program is None:
        return Births(*births_in_numpy(step, state, number, single=last == 1), notes=("opaque",))
    replay, writer = replayer(program), Writer(program, state, step)
    found: dict[str, list[Found]] = {"nan": [], "inf": [], "inf on the way": []}
    leaves: tuple[str, ...] = ()
    now, started, until = number, None, number + _LATER
    while True:
        replayed = replay(split(state)[0])
        new, names = _result(program, replayed, state, single=last == 1)
        if bad := list(_bad(program, replayed, names, state)):
            if started is None:
                started, until, leaves = now, now + _TO_NAN, tuple(dict.fromkeys(name for name, _ in bad))
            for _, place in bad:
                for kind, one in _origins(replayed, place, now):
                    found[kind].append(one)
        if new is None or found["nan"] or now == min(until, last):
            break
        state, now = new, now + 1
    nan, inf = (writer.births(_first(found[kind])) for kind in ("nan", "inf"))
    first_inf = writer.births(_first(found["inf"] + found["inf on the way"]))
    notes = ("replay-differs",) if started is None else ("later-step",) if started > number else ()
    return Births(leaves, first_inf[-1] if first_inf else None, nan[-1] if nan else None, nan or inf, notes)


def _first(found: list[Found]) -> Found | None:
    return min(found, key=lambda one: one.order, default=None)


def _traced(step: Callable[[Any], Any], state: Any) -> tuple[Program | None, Any]:
    for candidate in (with_arrays(state), state):
        try:
            return traced(step, candidate), candidate
        except Exception:  # what JAX cannot trace fails one way or another
            continue
    return None, state


def _result(program: Program, replay: Replay, state: Any, *, single: bool) -> tuple[Any, list[str]]:
    """The state after a replay, None if there is none, and the names of all that it returns."""
    result = jax.tree.unflatten(program.structure, [jax.device_put(leaf) for leaf in replay.outputs()])
    new, output = parted(result, state, single=single)
    return new, [*paths(new, "state"), *(f"output.{path}".rstrip(".") for path in paths(output, ""))]


def _bad(program: Program, replay: Replay, names: list[str], state: Any) -> Iterator[tuple[str, Place]]:
    """One NaN and one inf of every leaf that has any; an inf that the state had before is none."""
    before = zip(paths(state, "state"), jax.tree.leaves(state), strict=True)
    had = {name for name, leaf in before if is_inexact(leaf) and np.isinf(on_host(leaf)).any()}
    for name, atom in zip(names, program.outputs, strict=True):
        if replay.is_number(atom):
            for test in (np.isnan,) if name in had else (np.isnan, np.isinf):
                if (bad := np.asarray(test(replay.value(atom)))).any():
                    yield name, Place(atom, tuple(np.argwhere(bad)[0].tolist()))


def _origins(replay: Replay, place: Place, step: int) -> Iterator[tuple[str, Found]]:
    """Where the number at `place` was born, and where the infs were that it comes from."""
    is_nan = bool(np.isnan(replay.value(place.atom)[place.element]))
    test = np.isnan if is_nan else np.isinf
    place = replay.origin(place, test)
    if place.atom in replay.program.inputs:
        return  # born in an earlier step
    order = (step, replay.index(place))
    one = _descended(Found(order, replay, place), test)
    yield ("nan" if is_nan else "inf"), one
    for link in one.replay.chain(one.place)[:-1]:
        if np.isinf(one.replay.at(link.place)) and link.cause.reason != "carried":
            at = (step, link.equation) if one.replay is replay else order
            yield "inf on the way", Found(at, one.replay, link.place, one.stacks)


def _descended(found: Found, test: Callable[[Any], Any]) -> Found:
    """The same within the loop or the branch, where it was born in one."""
    equation = found.replay.equation(found.place)
    if equation is None or equation.name not in BRANCHING:
        return found
    inputs, outputs = ([found.replay.raw(atom) for atom in atoms] for atoms in (equation.inputs, equation.outputs))
    body = inner(equation, inputs, outputs, test)
    if body is None:
        return found
    program, arrays = body
    replay = replayer(program)(arrays)
    for atom in program.outputs:
        if replay.is_number(atom) and (bad := np.asarray(test(replay.value(atom)))).any():
            place = replay.origin(Place(atom, tuple(np.argwhere(bad)[0].tolist())), test)
            return _descended(Found(found.order, replay, place, (*found.stacks, *equation.stacks)), test)
    return found
