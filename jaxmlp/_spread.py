"""The loop of a training as the body of a kernel whose threads share the work.

Number e of an array lies in a register of thread e modulo 128. What a thread reads of others' numbers it reads from
shared memory, where numbers that are so read are written as soon as they are known. All else, the movement of numbers
above all, is planned beforehand: an array of the plan holds, for each number, where it lies.

A step falls into levels, before each of which the threads wait for one another: as many as there are exchanges of
numbers that depend on one another, two for each layer of a network.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ._launch import alike, launched, Place, thread, THREADS, wait
from ._loops import Loop
from ._numbers import array_of, computed, MOVED, moved, numbers_of
from ._program import value_of


@dataclass(eq=False)
class _Home:
    """Where the numbers of an array lie.

    Attributes:
      size: how many they are; a single one lies in every thread.
      dtype: theirs.
      level: of the step at which they are computed, -1 if before it.
      operation: computes each of them.
      operands: of the operation.
      first: the place of the first of them in shared memory, if they are there.
      last_read: the last level at which they are read there.
    """

    size: int
    dtype: Any
    level: int = -1
    operation: Callable[..., Any] = lambda number: number
    operands: Sequence["_Operand"] = ()
    first: int | None = None
    last_read: int = -1

    @property
    def registers(self) -> int:
        return -(-self.size // THREADS)

    @property
    def dtype_in_memory(self) -> str:
        return "int32" if self.dtype == bool else str(self.dtype)

    def numbers(self, shape: tuple[int, ...]) -> np.ndarray:
        return array_of(shape, (_Number(self, i) for i in range(self.size)))


@dataclass(frozen=True)
class _Number:
    home: _Home
    index: int


@dataclass(frozen=True, eq=False)
class _Operand:
    """What an operation reads: a constant, the registers of a home, or numbers of some homes in shared memory."""

    constant: Any = None
    home: _Home | None = None
    homes: Sequence[_Home] = ()
    places: Sequence[tuple[int, int]] = ()  # of each register's numbers: the least, and the table relative to it


class Plan:
    """The loop, and what each thread does in a step."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.memory: dict[str, int] = {}  # numbers in shared memory, by dtype
        self.tables = {np.zeros(THREADS, np.int32).tobytes(): 0}  # and their indices
        self.homes: list[_Home] = []
        self.constants: dict[tuple[str, bytes], tuple[_Home, Any]] = {}  # in shared memory
        inputs = (*loop.carried, *loop.constant)
        self.inputs = [_Home(variable.aval.size, variable.aval.dtype) for variable in inputs]
        known = loop.known | {v: home.numbers(v.aval.shape) for v, home in zip(inputs, self.inputs, strict=True)}
        for equation in loop.equations:
            arrays = [numbers_of(atom, value_of(atom, known)) for atom in equation.invars]
            if equation.primitive.name in MOVED:
                results = moved(equation, *arrays)
            else:
                operation, operands = computed(equation, *arrays)
                aval = equation.outvars[0].aval
                results = [self._computed(operation, list(zip(*operands, strict=True)), aval).numbers(aval.shape)]
            known.update(zip(equation.outvars, results, strict=True))
        *self.new, self.loss = (
            self._held(numbers_of(atom, value_of(atom, known)), atom.aval) for atom in (*loop.new, loop.loss)
        )
        self.homes.sort(key=lambda home: home.level)  # stable
        # What replaces a carried array is written to shared memory when nothing reads the old one there any more.
        self.replaced = [
            (max(home.last_read + 1, operand.home.level if operand.home else 0), home, operand)
            for home, operand in zip(self.inputs[: len(loop.carried)], self.new, strict=True)
            if home.first is not None
        ]
        self.levels = 1 + max([0, *(home.level for home in self.homes), *(level for level, _, _ in self.replaced)])

    def _computed(self, operation: Callable[..., Any], operands: Sequence[Sequence[Any]], aval: Any) -> _Home:
        home = _Home(aval.size, aval.dtype, 0, operation, [self._operand(numbers) for numbers in operands])
        held = [operand.home.level for operand in home.operands if operand.home is not None]
        exchanged = [source for operand in home.operands for source in operand.homes]
        home.level = max([0, *held, *(source.level + 1 for source in exchanged)])
        for source in exchanged:
            source.last_read = max(source.last_read, home.level)
        self.homes.append(home)
        return home

    def _held(self, array: np.ndarray, aval: Any) -> _Operand:
        """An array that a step leaves behind, in registers."""
        numbers = list(array.flat)
        operand = self._operand(numbers)
        return _Operand(home=self._computed(_Home.operation, [numbers], aval)) if operand.places else operand

    def _operand(self, numbers: Sequence[Any]) -> _Operand:
        """What gives the numbers, one for each number of a result."""
        first = numbers[0]
        if not isinstance(first, _Number):
            if all(number is first or _same(number, first) for number in numbers):
                return _Operand(constant=first)
        elif first.index == 0 and all(isinstance(n, _Number) and n.home is first.home for n in numbers):
            in_order = len(numbers) > 1 and all(number.index == i for i, number in enumerate(numbers))
            if first.home.size == 1 or in_order:
                return _Operand(home=first.home)
        numbers = [number if isinstance(number, _Number) else self._in_memory(number) for number in numbers]
        homes = list(dict.fromkeys(number.home for number in numbers))
        for home in homes:
            self._reserve(home)
        places = [number.home.first + number.index for number in numbers]
        rows = [places[i : i + THREADS] for i in range(0, len(places), THREADS)]
        return _Operand(homes=homes, places=[self._place(row) for row in rows])

    def _in_memory(self, constant: Any) -> _Number:
        home, _ = self.constants.setdefault(
            (str(constant.dtype), constant.tobytes()), (_Home(1, constant.dtype), constant)
        )
        return _Number(home, 0)

    def _reserve(self, home: _Home) -> None:
        if home.first is None:
            home.first = self.memory.get(home.dtype_in_memory, 0)
            self.memory[home.dtype_in_memory] = home.first + (home.size if home.size == 1 else home.registers * THREADS)

    def _place(self, row: Sequence[int]) -> tuple[int, int]:
        """The least place, and the table of all relative to it; threads without a number read the first."""
        least = min(row)
        relative = np.full(THREADS, row[0] - least, np.int32)
        relative[: len(row)] = np.asarray(row) - least
        return least, self.tables.setdefault(relative.tobytes(), len(self.tables))

    @property
    def operands(self) -> int:
        """How many numbers each thread reads in a step."""
        return sum(home.registers * len(home.operands) for home in self.homes)

    @property
    def bytes(self) -> int:
        """Of shared memory."""
        return sum(np.dtype(dtype).itemsize * size for dtype, size in self.memory.items())


def _same(one: Any, other: Any) -> bool:
    return not isinstance(one, _Number) and one.tobytes() == other.tobytes()


def loop_over_threads(
    plan: Plan, place: Place, arrays: Sequence[Any], count: int | None, differs: Sequence[bool]
) -> list[Any]:
    """What is carried after the last step, and the losses; with a `count` each block trains a network of its own."""
    loop = plan.loop
    carried = plan.inputs[: len(loop.carried)]

    def body(block: Any, table_ref: Any, *refs: Any) -> None:
        mine = [] if count is None else [block]
        lane = thread(place)
        zero = jnp.zeros_like(lane)
        rest = iter(refs)
        given = [next(rest) for _ in plan.inputs]
        trained = [next(rest) for _ in carried]
        losses = next(rest)
        memory = dict(zip(plan.memory, rest, strict=True))
        tables = [table_ref[i, lane] for i in range(len(plan.tables))]

        def read(operand: _Operand, held: dict[_Home, list[Any]], row: int) -> Any:
            if operand.places:
                (home, *_), (first, table) = operand.homes, operand.places[row]
                number = memory[home.dtype_in_memory].at[first:][tables[table]]
                return number != 0 if home.dtype == bool else number
            if operand.home is None:
                return operand.constant
            return held[operand.home][row if operand.home.size > 1 else 0]

        def remember(home: _Home, numbers: list[Any]) -> None:
            if home.first is None:
                return
            ref = memory[home.dtype_in_memory]
            for row, number in enumerate(numbers):
                index = zero if home.size == 1 else row * THREADS + lane
                ref[home.first + index] = jnp.broadcast_to(number, jnp.shape(lane)).astype(ref.dtype)

        def whole(operand: _Operand, held: dict[_Home, list[Any]], registers: int) -> list[Any]:
            return [jnp.broadcast_to(read(operand, held, row), jnp.shape(lane)) for row in range(registers)]

        def advance(i: Any, numbers: list[Any]) -> list[Any]:
            held = start | _by_home(carried, numbers)
            for level in range(plan.levels):
                if memory:
                    wait(place)
                for home in plan.homes:
                    if home.level == level:
                        held[home] = [
                            home.operation(*alike([read(operand, held, row) for operand in home.operands]))
                            for row in range(home.registers)
                        ]
                        remember(home, held[home])
                for at, home, operand in plan.replaced:
                    if at == level:
                        remember(home, whole(operand, held, home.registers))
            losses[*mine, i + zero] = whole(plan.loss, held, 1)[0]
            return [
                n for home, operand in zip(carried, plan.new, strict=True) for n in whole(operand, held, home.registers)
            ]

        start = {}
        for home, ref, own in zip(plan.inputs, given, differs, strict=True):
            here = mine if own else []
            indices = (jnp.minimum(row * THREADS + lane, home.size - 1) for row in range(home.registers))
            start[home] = [ref[*here, index] for index in indices]
            remember(home, start[home])
        for home, constant in plan.constants.values():
            remember(home, [constant])
        end = lax.fori_loop(
            np.int32(0), np.int32(loop.steps), advance, [number for home in carried for number in start[home]]
        )
        for ref, numbers in zip(trained, _by_home(carried, end).values(), strict=True):
            for row, number in enumerate(numbers):
                ref[*mine, row * THREADS + lane] = number

    networks = () if count is None else (count,)
    sizes = [home.registers * THREADS for home in carried] + [loop.steps]
    dtypes = [home.dtype for home in carried] + [loop.loss.aval.dtype]
    made = launched(
        body,
        [jax.ShapeDtypeStruct((*networks, size), dtype) for size, dtype in zip(sizes, dtypes, strict=True)],
        place,
        blocks=count or 1,
        shared=[jax.ShapeDtypeStruct((size,), np.dtype(dtype)) for dtype, size in plan.memory.items()],
    )(np.stack([np.frombuffer(table, np.int32) for table in plan.tables]), *arrays)
    return [*(array[..., : home.size] for array, home in zip(made, carried, strict=False)), made[-1]]


def _by_home(homes: Iterable[_Home], numbers: Iterable[Any]) -> dict[_Home, list[Any]]:
    rest = iter(numbers)
    return {home: [next(rest) for _ in range(home.registers)] for home in homes}
