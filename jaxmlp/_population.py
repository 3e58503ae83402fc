"""A function mapped over many small networks, the networks side by side in vector registers."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from ._arguments import check_callable, check_count, shown
from ._lanes import carry_out_in_lanes, in_every_lane, Lanes
from ._products import fused_product
from ._program import traced, value_of


def population(
    function: Callable[..., Any], in_axes: int | None | Sequence[int | None] = 0, *, chunk: int | None = None
) -> Callable[..., Any]:
    """`jax.vmap(function, in_axes)` for networks so small that a vector register is wider than a layer.

    `jax.vmap` puts the mapped axis first, so that what lies side by side in memory is the two or ten units of one
    network, too few for a vector register. Here it is the last axis: each lane of a register holds another network.
    Some of them at a time are carried through the whole function, so that all their numbers stay in the cache. The
    results are those of `jax.vmap`, to rounding; several devices share the work by `jax.shard_map` over it.

        train = partial(fit, loss_and_grads=..., optimizer=..., steps=2000)
        states, losses = jax.jit(population(train, in_axes=(0, None)))(params_of_many, (x, y))

    Args:
      function: takes and returns pytrees of arrays, like any function for `jax.vmap`.
      in_axes: for all arguments, or one for each: the axis to map over, or None where all networks share the argument.
      chunk: how many networks are carried through together at most: a multiple of 16 that divides their number, if
        there is one of at least half of `chunk`, since no network is then left over; else `chunk` itself. By default
        256 on a CPU, and all of them elsewhere, where they have no cache to stay in and threads enough.

    Returns:
      The mapped function. The mapped axis of what it returns is the first.

    Raises:
      TypeError: `function` is not callable, or `chunk` or an axis is no integer.
      ValueError: nothing is mapped over, or mapped axes differ in length; raised when the function is called.

    Example:
      >>> from functools import partial
      >>> import jax
      >>> import jaxmlp
      >>> import optax
      >>> start = lambda key: jaxmlp.init_params(key, (2, 1))
      >>> starts = jax.vmap(start)(jax.random.split(jax.random.key(0), 32))
      >>> train = partial(jaxmlp.fit, loss_and_grads=jaxmlp.loss_and_grads, optimizer=optax.sgd(1.0), steps=100)
      >>> states, losses = jax.jit(jaxmlp.population(train, in_axes=(0, None)))(starts, jaxmlp.gate("or"))
      >>> print(losses.shape, bool((losses[:, -1] < losses[:, 0]).all()))
      (32, 100) True
    """
    check_callable("function", function)
    if chunk is not None:
        check_count("chunk", chunk, least=1)

    def mapped(*args: Any) -> Any:
        leaves, structure = jax.tree.flatten(args)
        axes = _axes(in_axes, args)
        count = _count(leaves, axes)
        leaves = [
            leaf if axis is None else jnp.moveaxis(leaf, axis, 0) for leaf, axis in zip(leaves, axes, strict=True)
        ]
        of_one = [leaf if axis is None else leaf[0] for leaf, axis in zip(leaves, axes, strict=True)]
        program = traced(lambda *leaves: function(*jax.tree.unflatten(structure, leaves)), *of_one, rule=fused_product)

        def together(own: list[Any], lanes: int) -> list[Any]:
            """The outputs for some of the networks; they are counted by the first axis of their own leaves, and by
            the last of the outputs."""
            spread = iter([Lanes(jnp.moveaxis(leaf, 0, -1)) for leaf in own])
            inputs = [leaf if axis is None else next(spread) for leaf, axis in zip(leaves, axes, strict=True)]
            known = program.constants | dict(zip(program.inputs, inputs, strict=True))
            carry_out_in_lanes(program.equations, known, lanes)
            return [in_every_lane(value_of(atom, known), atom.aval.shape, lanes) for atom in program.outputs]

        own = [leaf for leaf, axis in zip(leaves, axes, strict=True) if axis is not None]
        size = _size_of_a_chunk(count, chunk or (256 if jax.default_backend() == "cpu" else count))
        whole, rest = divmod(count, size)
        parts: list[list[Any]] = []
        if whole:
            chunks = [leaf[: whole * size].reshape(whole, size, *leaf.shape[1:]) for leaf in own]
            outputs = [jnp.moveaxis(output, -1, 1) for output in lax.map(lambda own: together(own, size), chunks)]
            parts.append([output.reshape(whole * size, *output.shape[2:]) for output in outputs])
        if rest:
            parts.append([jnp.moveaxis(o, -1, 0) for o in together([leaf[whole * size :] for leaf in own], rest)])
        outputs = parts[0] if len(parts) == 1 else list(map(_joined, *parts))
        return jax.tree.unflatten(program.structure, outputs)

    return mapped


def _joined(*pieces: Any) -> Any:
    return jnp.concatenate(pieces)


def _size_of_a_chunk(count: int, most: int) -> int:
    """The largest divisor of `count` that fills vector registers of 16 lanes, if there is one near `most`.

    On a CPU larger chunks than 256 are slower: XLA spreads their operations over threads, at more cost than gain.
    """
    divisors = [size for size in range(16, most + 1, 16) if count % size == 0 and most <= 2 * size]
    return max(divisors, default=most)


def _axes(in_axes: Any, args: tuple[Any, ...]) -> list[int | None]:
    """The axis of every leaf."""
    if not isinstance(in_axes, int | tuple | list | None):
        raise TypeError(f"`in_axes` must be an integer, None, or a sequence of them, got {shown(in_axes)}.")
    of_args = [in_axes] * len(args) if in_axes is None or isinstance(in_axes, int) else list(in_axes)
    if len(of_args) != len(args):
        raise ValueError(
            f"`in_axes` has {len(of_args)} entries, but the function was called with {len(args)} arguments."
        )
    for axis in of_args:
        if not (axis is None or isinstance(axis, int)):
            raise TypeError(
                f"`in_axes` must hold integers or None, got {shown(axis)}: give one axis for each argument."
            )
    return [axis for axis, arg in zip(of_args, args, strict=True) for _ in jax.tree.leaves(arg)]


def _count(leaves: list[Any], axes: list[int | None]) -> int:
    """How many networks there are."""
    shapes = [(jnp.shape(leaf), axis) for leaf, axis in zip(leaves, axes, strict=True) if axis is not None]
    if not shapes:
        raise ValueError("`in_axes` maps over no array: give one argument the axis that counts the networks.")
    for shape, axis in shapes:
        if not -len(shape) <= axis < len(shape):
            raise ValueError(f"`in_axes` is {axis} for an array of shape {shape}, which has no such axis.")
    counts = {shape[axis] for shape, axis in shapes}
    if len(counts) > 1 or 0 in counts:
        raise ValueError(
            f"the arrays to map over must count the same networks, at least one, but have {sorted(counts)}: "
            f"shapes and axes {shapes}."
        )
    return counts.pop()
