"""The whole training of a small network as one kernel of a GPU.

A scan starts every kernel of a step anew, at some microseconds each on a GPU, and a 2-2-1 network has less than that
to compute in a whole step. Here the loop is inside the kernel, and what it carries stays in registers. Mosaic, the
backend of Pallas for NVIDIA GPUs, holds arrays by the multiple of 128 numbers, and single numbers: the step is written
out in those. The kernel has one block, whose threads all compute the same.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from ._arguments import shown
from ._layouts import explicit_mesh
from ._numbers import array_of, CARRIED_OUT, in_numbers, numbers_of, operations, program_of_numbers
from ._program import carry_out, value_of, variables


_MOST = 8192
"""Operations on single numbers in a step. On XOR, `ptxas` for an H100 keeps the 375 of 2-2-1 in 58 registers; it takes
4 s for the 7,683 of 2-10-10-10-1, which spill 600 numbers a step, and a minute for the 11,346 of the same with Adam."""

_DTYPES = ("float32", "int32", "uint32", "bool")
"""What Mosaic computes with number by number, and is tested here."""


def loop_in_a_kernel(
    step: Callable[..., tuple[Any, Any]], state: Any, fixed: tuple[Any, ...], steps: int, *, kernel: str
) -> tuple[Any, Float[Array, " steps"]]:
    """`step` repeated inside one kernel, and the loss of every step; `kernel` is "gpu" or "interpret"."""
    _check_place(kernel, (state, fixed))
    program, ones = program_of_numbers(step, state, *fixed)
    _check_equations(program.equations)
    leaves, structure = jax.tree.flatten(state)
    *new, loss = program.outputs
    if not steps:
        return state, jnp.zeros(0, loss.aval.dtype)

    # What a step leaves as it is, such as the key of minibatches, is not carried.
    changed = [i for i, old in enumerate(program.inputs[: len(leaves)]) if new[i] is not old]
    carried = [program.inputs[i] for i in changed]
    read = {*variables(program.outputs), *variables(atom for equation in program.equations for atom in equation.invars)}
    values = program.constants | dict(zip(program.inputs, jax.tree.leaves((state, fixed)), strict=True))
    constant = [variable for variable in values if variable in read and variable not in carried]

    def body(*refs: Any) -> None:
        rest = iter(refs)
        start, known = _loaded(carried, rest), ones | _loaded(constant, rest)
        *trained, losses = rest

        def advance(i: Any, numbers: list[Any]) -> list[Any]:
            now = known | _arrays(carried, numbers)
            carry_out(program.equations, now, in_numbers)
            losses[i] = numbers_of(loss, value_of(loss, now)).item()
            return [number for j in changed for number in numbers_of(new[j], value_of(new[j], now)).flat]

        end = lax.fori_loop(np.int32(0), np.int32(steps), advance, [n for array in start.values() for n in array.flat])
        for ref, array in zip(trained, _arrays(carried, end).values(), strict=True):
            for i, number in enumerate(array.flat):
                ref[i] = number

    shapes = [jax.ShapeDtypeStruct((v.aval.size,), v.aval.dtype) for v in carried]
    out = (*shapes, jax.ShapeDtypeStruct((steps,), loss.aval.dtype))
    *trained, losses = _launched(body, out, kernel)(*(jnp.ravel(values[v]) for v in (*carried, *constant)))
    for i, leaf in zip(changed, trained, strict=True):
        leaves[i] = leaf.reshape(new[i].aval.shape)
    return jax.tree.unflatten(structure, leaves), losses


def _launched(body: Callable[..., None], out: tuple[Any, ...], kernel: str) -> Callable[..., Any]:
    from jax.experimental import pallas  # takes a while to import, and few need it

    if kernel == "interpret":
        return pallas.pallas_call(body, out, interpret=True)
    from jax.experimental.pallas import mosaic_gpu

    return mosaic_gpu.kernel(body, out_type=out)


# What the kernel can do.


def _check_place(kernel: str, args: Any) -> None:
    if not isinstance(kernel, str) or kernel not in ("gpu", "interpret"):
        raise ValueError(f"`kernel` is {shown(kernel)}, but must be 'gpu', 'interpret' or None.")
    if kernel == "gpu" and (backend := jax.default_backend()) != "gpu":
        raise ValueError(
            f"`kernel` is 'gpu', but JAX computes on a {backend} here: leave `kernel` out, or pass kernel='interpret' "
            "to see, slowly, what the kernel computes."
        )
    if explicit_mesh(args) is not None:
        raise ValueError(
            f"`kernel` is {kernel!r}, but the arguments lie on a mesh with explicit axes, and a kernel runs on one "
            "device: leave `kernel` out."
        )


def _check_equations(equations: Sequence[Any]) -> None:
    """The step can be written out in numbers; found from the names, dtypes and shapes of its operations."""
    unknown = sorted({equation.primitive.name for equation in equations} - CARRIED_OUT)
    if unknown:
        raise NotImplementedError(
            f"`kernel`: a step of this training uses {', '.join(unknown)}, which cannot be written out in single "
            "numbers: leave `kernel` out."
        )
    atoms = [atom for equation in equations for atom in (*equation.invars, *equation.outvars)]
    others = sorted({str(atom.aval.dtype) for atom in atoms} - set(_DTYPES))
    if others:
        raise NotImplementedError(
            f"`kernel`: a step of this training computes in {', '.join(others)}, but the kernel has only "
            f"{', '.join(_DTYPES)}: convert `params` and `batch` with astype, turn 64-bit types off if the optimizer "
            "makes them, or leave `kernel` out."
        )
    count = sum(map(operations, equations))
    if count > _MOST:
        raise ValueError(
            f"`kernel`: a step of this training has {count:,} operations on single numbers, but the kernel, which "
            f"writes each of them out, takes {_MOST:,} at most: leave `kernel` out, or take a smaller network or batch."
        )


def _arrays(variables: Iterable[Any], numbers: Iterable[Any]) -> dict[Any, np.ndarray]:
    rest = iter(numbers)
    return {variable: array_of(variable.aval.shape, rest) for variable in variables}


def _loaded(variables: Iterable[Any], refs: Iterator[Any]) -> dict[Any, np.ndarray]:
    """The variables in the order of the next references, read number by number."""
    return {v: array_of(v.aval.shape, map(next(refs).__getitem__, range(v.aval.size))) for v in variables}
