"""The loop of a training as the body of a kernel."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ._launch import launched, Place, thread, THREADS
from ._numbers import array_of, in_numbers, numbers_of
from ._program import carry_out, value_of


@dataclass(frozen=True, eq=False)
class Loop:
    """A step, repeated.

    Attributes:
      equations: of the step, all of which can be written out in numbers.
      known: the variables whose numbers are known beforehand.
      carried: the variables that a step reads and replaces.
      constant: the variables that are the same at every step.
      new: what replaces those that are carried.
      loss: what is kept of every step.
      steps: how many.
    """

    equations: Sequence[Any]
    known: dict[Any, np.ndarray]
    carried: Sequence[Any]
    constant: Sequence[Any]
    new: Sequence[Any]
    loss: Any
    steps: int


def loop_in_each_thread(
    loop: Loop, place: Place, arrays: Sequence[Any], count: int, differs: Sequence[bool]
) -> list[Any]:
    """What is carried after the last step, and the losses, of `count` networks, each in a thread of its own.

    Inside, the last axis counts them, so that the threads of a block read and write numbers that lie side by side. The
    threads beyond the last network train that once more.
    """
    blocks = -(-count // THREADS)
    inputs, results = (*loop.carried, *loop.constant), (*loop.new, loop.loss)

    def body(block: Any, *refs: Any) -> None:
        network = block * THREADS + thread(place)
        trained_here, form = jnp.minimum(network, count - 1), jnp.shape(network)
        rest = iter(refs)

        def read(variable: Any, own: bool) -> np.ndarray:
            ref, size = next(rest), variable.aval.size
            numbers = (ref[i, trained_here] if own else jnp.broadcast_to(ref[i], form) for i in range(size))
            return array_of(variable.aval.shape, numbers)

        def write(ref: Any, i: Any, number: Any) -> None:
            ref[i, network] = jnp.broadcast_to(number, form)

        start = dict(zip(inputs, map(read, inputs, differs), strict=True))
        known = loop.known | start
        *trained, losses = rest

        def advance(i: Any, numbers: list[Any]) -> list[Any]:
            now = known | _arrays(loop.carried, numbers)
            carry_out(loop.equations, now, in_numbers)
            *new, (loss,) = (numbers_of(atom, value_of(atom, now)).flat for atom in results)
            write(losses, i, loss)
            return [jnp.broadcast_to(number, form) for array in new for number in array]

        first = [number for variable in loop.carried for number in start[variable].flat]
        end = lax.fori_loop(np.int32(0), np.int32(loop.steps), advance, first)
        for ref, array in zip(trained, _arrays(loop.carried, end).values(), strict=True):
            for i, number in enumerate(array.flat):
                write(ref, i, number)

    sizes = [variable.aval.size for variable in loop.carried] + [loop.steps]
    out = [jax.ShapeDtypeStruct((n, blocks * THREADS), a.aval.dtype) for n, a in zip(sizes, results, strict=True)]
    arrays = [array.T if own else array for array, own in zip(arrays, differs, strict=True)]
    return [array[:, :count].T for array in launched(body, out, place, blocks=blocks)(*arrays)]


def _arrays(variables: Iterable[Any], numbers: Iterable[Any]) -> dict[Any, np.ndarray]:
    rest = iter(numbers)
    return {variable: array_of(variable.aval.shape, rest) for variable in variables}
