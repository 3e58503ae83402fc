"""Steps of a network so small that arithmetic is the least of their cost, written so that XLA fuses them.

A step of the 2-2-1 network is some 200 multiplications. What takes a CPU's time is what stands round them: a matrix
product is a call, at about half a microsecond; every kernel of the loop's body is started anew, at 20 to 40 ns; and
the loss takes logarithms, for which nothing else in the step waits. So, from static shapes alone and with the same
result to rounding:

- a small matrix product is written as multiplications and a sum, which fuse with what stands before and after;
- the loss, on which no later step depends, is computed for a stretch of steps at once, each in a lane of its own;
- a stretch is an inner loop, short enough that its buffers stay small.

XLA:CPU makes one kernel of a loop whose body reads and writes less than 1024 bytes and calls nothing, as that of the
2-2-1 network; and it runs the kernels of a body one after another, with no queue, if no buffer exceeds 512 bytes.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from ._lanes import carry_out_in_lanes, in_every_lane, Lanes
from ._layouts import explicit_mesh
from ._products import fused_product
from ._program import carry_out, Program, traced, value_of, variables


Step = Callable[..., tuple[Any, Float[Array, ""]]]
"""`step(state, *fixed) -> (state, loss)`, where `fixed` is the same at every step."""

_BUFFER = 512
"""Bytes of the largest buffer of an inner loop, where its body is not one kernel."""

_ONE_KERNEL, _LARGER_BUFFER = 1600, 4096
"""Bytes that the equations of a body define, up to which it was seen to become one kernel, and its buffer then."""

_SMALL = 65_536
"""Numbers in the state and the data, beyond which the arithmetic is what costs."""


def loop(step: Step, state: Any, fixed: tuple[Any, ...], steps: int) -> tuple[Any, Float[Array, " steps"]]:
    """`step` repeated by `jax.lax.scan`, and the loss of every step; a small step is written anew before."""
    # On a mesh with explicit axes each operation, written anew, would have to say where its result lies.
    is_large = sum(np.size(leaf) for leaf in jax.tree.leaves((state, fixed))) > _SMALL
    if not steps or is_large or explicit_mesh((state, fixed)) is not None:
        return _repeated(lambda state: step(state, *fixed), state, steps)
    # One program: where nothing else is compiled, each operation of the loss would be one of its own.
    return jax.jit(partial(_written_anew, step, steps=steps), inline=True)(state, fixed)


def _written_anew(step: Step, state: Any, fixed: tuple[Any, ...], *, steps: int) -> tuple[Any, Float[Array, " steps"]]:
    program = traced(step, state, *fixed, rule=fused_product)
    if any(equation.effects for equation in program.equations):  # what a step prints, it prints once a step
        return _repeated(lambda state: program.run(state, *fixed), state, steps)
    parts = _Parts(program, state, fixed)
    defined = _bytes([variable for equation in parts.first for variable in equation.outvars])
    buffer = _LARGER_BUFFER if defined <= _ONE_KERNEL else _BUFFER
    length = _length_of_a_stretch(steps, buffer // parts.left_behind)

    def stretch(state: Any, length: int) -> tuple[Any, Float[Array, " length"]]:
        state, left = _repeated(parts.advance, state, length)
        return state, parts.losses(left, length)

    whole, rest = divmod(steps, length)
    if not whole:
        return stretch(state, rest)
    state, losses = lax.scan(lambda state, _: stretch(state, length), state, length=whole)
    losses = losses.reshape(-1)
    if rest:
        state, last = stretch(state, rest)
        losses = jnp.concatenate([losses, last])
    return state, losses


def _repeated(step: Callable[[Any], tuple[Any, Any]], state: Any, length: int) -> tuple[Any, Any]:
    """The scan of `step`, and of no steps too, which JAX refuses under `jax.disable_jit`."""
    if length:
        return lax.scan(lambda state, _: step(state), state, length=length)
    _, out = jax.eval_shape(step, state)
    return state, jax.tree.map(lambda leaf: jnp.zeros((0, *leaf.shape), leaf.dtype), out)


def _length_of_a_stretch(steps: int, most: int) -> int:
    """The largest divisor of `steps` that is at least half of `most`; `most`, and a remainder, if there is none."""
    return next((length for length in range(most, most // 2, -1) if steps % length == 0), max(most, 1))


class _Parts:
    """A step in two parts: the new state, and the loss, for which the first part leaves something behind."""

    def __init__(self, program: Program, state: Any, fixed: tuple[Any, ...]) -> None:
        old = len(jax.tree.leaves(state))
        self.old, self.structure = program.inputs[:old], program.structure.children()[0]
        *self.new, self.loss = program.outputs
        self.known = program.constants | dict(zip(program.inputs[old:], jax.tree.leaves(fixed), strict=True))
        self.first = program.needed_for(self.new)
        before = {id(equation) for equation in self.first}
        self.second = [equation for equation in program.needed_for([self.loss]) if id(equation) not in before]
        if _bytes(self.left) > _BUFFER:
            self.first, self.second = program.needed_for(program.outputs), []

    @property
    def left(self) -> list[Any]:
        """The variables that the second part reads from the first."""
        read = [*variables(atom for equation in self.second for atom in equation.invars), *variables([self.loss])]
        made = {variable for equation in self.second for variable in equation.outvars}
        return [variable for variable in dict.fromkeys(read) if variable not in made and variable not in self.known]

    @property
    def left_behind(self) -> int:
        """Bytes a step."""
        return max(1, _bytes(self.left))

    def advance(self, state: Any) -> tuple[Any, list[Any]]:
        """The new state, and what is left for the loss."""
        known = self.known | dict(zip(self.old, jax.tree.leaves(state), strict=True))
        carry_out(self.first, known)
        new = jax.tree.unflatten(self.structure, [value_of(atom, known) for atom in self.new])
        return new, [known[variable] for variable in self.left]

    def losses(self, left: list[Any], length: int) -> Float[Array, " length"]:
        """The losses of a stretch of steps, from what they have left behind."""
        known = self.known | {v: Lanes(jnp.moveaxis(a, 0, -1)) for v, a in zip(self.left, left, strict=True)}
        carry_out_in_lanes(self.second, known, length)
        return in_every_lane(value_of(self.loss, known), (), length)


def _bytes(variables: list[Any]) -> int:
    return sum(variable.aval.size * variable.aval.dtype.itemsize for variable in variables)
