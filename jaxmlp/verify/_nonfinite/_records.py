"""What a replay found, as the records of a report."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax

from .._program._stacks import Stack
from .._program._trace import Program
from .._program._tree import is_array
from ._lines import lines, root_of
from ._operations import is_elementwise, word, written
from ._replay import Place, Replay, Step
from ._report import Birth, Operand
from ._step import paths


@dataclass(frozen=True)
class Found:
    """A number that is not finite though its operands are, in the replay to which it belongs.

    Attributes:
      order: in which step, and by which equation of the step, so that the first can be told.
      replay: that of the step, or of the body of a loop in it.
      place: the number.
      stacks: where that loop stands.
    """

    order: tuple[int, int]
    replay: Replay
    place: Place
    stacks: tuple[Stack, ...] = ()


class Writer:
    """Knows the names of a step's state, and where it begins."""

    def __init__(self, program: Program, state: Any, step: Callable[..., Any]) -> None:
        self._root = root_of(step)
        named = zip(paths(state, "state"), jax.tree.leaves(state), strict=True)
        self._names = dict(zip(program.inputs, (name for name, leaf in named if is_array(leaf)), strict=True))
        self._program = program

    def births(self, found: Found | None) -> tuple[Birth, ...]:
        """What led to a number, from the root on, and its own record last."""
        if found is None:
            return ()
        chain = found.replay.chain(found.place)
        if not chain:
            return (self._constant(found),)
        told = [link for link in chain[:-1] if link.cause.reason != "carried" or abs(found.replay.at(link.place)) == 1]
        return tuple(dict.fromkeys(self._record(found, link) for link in (*told, chain[-1])))

    def _record(self, found: Found, link: Step) -> Birth:
        replay, equation = found.replay, found.replay.program.equations[link.equation]
        operands = tuple(self._operand(replay, source) for source in link.sources)
        values = [operand.value for operand in operands]
        if is_elementwise(equation.name):
            expression = written(equation.name, equation.params, values)
        elif operands and equation.name == "dot_general":
            expression = f"... + {written('mul', {}, values)} + ..."
        else:
            shapes = " and ".join(str(replay.value(atom).shape) for atom in equation.inputs if replay.is_number(atom))
            expression = f"{word(equation.name)} of shape {shapes}"
        inner, outer = lines((*found.stacks, *equation.stacks), self._root)
        array = replay.value(link.place.atom)
        return Birth(
            step=found.order[0],
            operation=word(equation.name),
            expression=expression,
            value=replay.at(link.place),
            reason=link.cause.reason,
            element=link.place.element,
            shape=array.shape,
            dtype=str(array.dtype),
            operands=operands,
            line=inner,
            caller=outer,
        )

    def _operand(self, replay: Replay, place: Place) -> Operand:
        array, root = replay.value(place.atom), replay.moved_from(place).atom
        name = self._names.get(root) if replay.program is self._program and isinstance(root, int) else None
        return Operand(replay.at(place), place.element, array.shape, str(array.dtype), name)

    def _constant(self, found: Found) -> Birth:
        """An array that the step holds, with the line that uses it first."""
        replay, place = found.replay, found.place
        users = (
            equation for equation in replay.program.equations if any(atom is place.atom for atom in equation.inputs)
        )
        stacks = next((equation.stacks for equation in users), ())
        inner, outer = lines((*found.stacks, *stacks), self._root)
        array = replay.value(place.atom)
        where = (place.element, array.shape, str(array.dtype))
        value = replay.at(place)
        return Birth(found.order[0], "constant", "constant", value, "given", *where, line=inner, caller=outer)
