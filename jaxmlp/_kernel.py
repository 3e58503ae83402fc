"""The whole training of a small network as one kernel of a GPU.

A scan starts every kernel of a step anew, at some microseconds each on a GPU, and a small network has less than that to
compute in a whole step. Here the loop is inside the kernel, and what it carries stays in registers. The 128 threads of
a block share the work of one network; of many networks, each thread can train one of its own.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap
from jaxtyping import Array, Float

from ._arguments import shown
from ._launch import Place, THREADS
from ._layouts import explicit_mesh
from ._loops import Loop, loop_in_each_thread
from ._numbers import array_of, CARRIED_OUT, operations, program_of_numbers
from ._program import variables
from ._spread import loop_over_threads, Plan


_IN_A_THREAD, _SHARE = 8192, 1.6
"""Operations on single numbers in a step, up to which a thread trains a network alone: at most, and for each network.

Seen on an H100, µs a step of 500 on XOR with the launch: of 1,000 networks 0.6 alone and 1.7 shared for 2-2-1 (335
operations), 1.4 and 2.2 for 2-5-5-1 (1,523), 2.3 and 1.9 for 2-16-1 (1,743); of 100 networks 0.7 and 0.7, 1.4 and 0.9,
2.1 and 0.7; of 10,000 0.8 and 9, 1.5 and 16, 2.3 and 14, and 18 and 30 for 2-10-10-10-1 (7,263), 6 s to compile.
"""

_MOST = 4096
"""Numbers that a thread reads in a step. The 4,134 of 2-128-128-1 on XOR take an H100 15 µs, a scan of the same 18."""

_SHARED = 200 * 1024
"""Bytes of memory that the threads share, of the 227 KiB that an H100 has for them."""

_DTYPES = ("float32", "int32", "uint32", "bool")
"""What Mosaic computes with number by number, and is tested here."""


def loop_in_a_kernel(
    step: Callable[..., tuple[Any, Any]], state: Any, fixed: tuple[Any, ...], steps: int, *, kernel: Place
) -> tuple[Any, Float[Array, " steps"]]:
    """`step` repeated inside one kernel, and the loss of every step; `kernel` is "gpu" or "interpret"."""
    _check_place(kernel, (state, fixed))
    program, known = program_of_numbers(step, state, *fixed)
    _check_equations(program.equations)
    leaves, structure = jax.tree.flatten(state)
    *new, loss = program.outputs
    if not steps:
        return state, jnp.zeros(0, loss.aval.dtype)

    # What a step leaves as it is, such as the key of minibatches, is not carried, nor are arrays without numbers.
    changed = [i for i, old in enumerate(program.inputs[: len(leaves)]) if new[i] is not old and old.aval.size]
    carried = [program.inputs[i] for i in changed]
    read = {*variables(program.outputs), *variables(atom for equation in program.equations for atom in equation.invars)}
    values = program.constants | dict(zip(program.inputs, jax.tree.leaves((state, fixed)), strict=True))
    constant = [variable for variable in values if variable in read and variable not in carried and variable.aval.size]
    known |= {variable: array_of(variable.aval.shape, ()) for variable in values if not variable.aval.size}
    loop = Loop(program.equations, known, carried, constant, [new[i] for i in changed], loss, steps)
    alone = sum(map(operations, program.equations))
    _check_operands(alone // THREADS)
    plan = Plan(loop)
    _check_operands(plan.operands)
    _check_bytes(plan.bytes)

    def launch(arrays: Sequence[Any], count: int | None, differs: Sequence[bool]) -> list[Any]:
        if count is not None and alone <= min(_IN_A_THREAD, _SHARE * count):
            return loop_in_each_thread(loop, kernel, arrays, count, differs)
        return loop_over_threads(plan, kernel, arrays, count, differs)

    *trained, losses = _mapped(launch)(*(jnp.ravel(values[v]) for v in (*carried, *constant)))
    for i, leaf in zip(changed, trained, strict=True):
        leaves[i] = leaf.reshape(new[i].aval.shape)
    return jax.tree.unflatten(structure, leaves), losses


def _mapped(launch: Any, count: int | None = None, differs: Sequence[bool] | None = None) -> Callable[..., list[Any]]:
    """`launch(arrays, count, differs)` as a function of arrays; mapped, it is launched once for all networks.

    `count` is how many they are, or None, and `differs` which arrays have a first axis that counts them.
    """

    @custom_vmap
    def run(*arrays: Any) -> list[Any]:
        return launch(arrays, count, differs or [False] * len(arrays))

    @run.def_vmap
    def run_mapped(size: int, is_mapped: Sequence[bool], *arrays: Any) -> tuple[list[Any], list[bool]]:
        if count is None:
            results = _mapped(launch, size, is_mapped)(*arrays)
            return results, [True] * len(results)
        before = differs or [False] * len(arrays)
        joined = []
        for array, outer, inner in zip(arrays, is_mapped, before, strict=True):
            if outer or inner:
                array = array if outer else array[None]
                array = array if inner else array[:, None]
                array = jnp.broadcast_to(array, (size, count, *array.shape[2:])).reshape(-1, *array.shape[2:])
            joined.append(array)
        either = [outer or inner for outer, inner in zip(is_mapped, before, strict=True)]
        results = _mapped(launch, size * count, either)(*joined)
        return [result.reshape(size, count, *result.shape[1:]) for result in results], [True] * len(results)

    return run


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


def _check_operands(least: int) -> None:
    if least > _MOST:
        raise ValueError(
            f"`kernel`: in a step of this training a thread reads at least {least:,} numbers, but the kernel, which "
            f"writes each of them out, takes {_MOST:,} at most: leave `kernel` out, or take a smaller network or batch."
        )


def _check_bytes(exchanged: int) -> None:
    if exchanged > _SHARED:
        raise ValueError(
            f"`kernel`: in a step of this training the threads exchange {exchanged:,} bytes of numbers, but the kernel "
            f"has memory for {_SHARED:,}: leave `kernel` out, or take a smaller network or batch."
        )
