"""Training with somebody watching: `fit` in chunks, with what the host does between them."""

import math
import sys
from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Key

from .._arguments import check_at_least, check_callable, check_count, check_flag, check_is_array, check_leaves, shown
from .._train import check_training
from .._types import LossAndGrads
from ._bar import Bar
from ._checkpoint import Checkpoints
from ._compiled import compiled
from ._fingerprint import fingerprint
from ._identity import identity, is_key, named_leaves
from ._loop import Looks, loop
from ._memory import check_memory
from ._plain import plain_step
from ._result import History, RunResult


_STEPS_IN_A_CHUNK = 2**18
_PRODUCTS_IN_A_CHUNK = 2**30


def run(
    params: Any,
    batch: tuple[Array, ...],
    *,
    loss_and_grads: LossAndGrads,
    optimizer: optax.GradientTransformation,
    steps: int,
    batch_size: int | None = None,
    key: Key[Array, ""] | None = None,
    ensemble: bool = False,
    chunk: int | None = None,
    evaluate: Callable[[Any], ArrayLike | Mapping[str, ArrayLike]] | None = None,
    stop: Callable[[History], bool] | None = None,
    stop_nonfinite: bool = True,
    progress: bool | None = None,
    checkpoint_dir: str | PathLike[str] | None = None,
    checkpoint_seconds: float = 30.0,
    resume: bool = True,
) -> RunResult:
    """Train as `fit` does, and watch: progress, evaluation, early stop, checkpoints, Ctrl-C, and the first NaN.

    The steps run on the device, `chunk` of them at a time; whatever the host does, it does between two chunks. What is
    computed is what `fit` computes, bit for bit.

    With `checkpoint_dir` a training can be killed at any moment: the same call made again goes on from the last
    checkpoint, and ends with the same state and history, bit for bit, as if it had not been interrupted (on the same
    machine and versions; of other versions a warning tells). Checkpoints are written by orbax (the extra
    `jaxmlp[checkpoint]`) while the training goes on, and moved into place when they are complete, with a checksum of
    every file; the two latest stay. If one cannot be written, a warning says so, and the training goes on. If files of
    the latest have changed or are gone, it is put aside as `<step>.damaged`, a warning says so, and the training goes
    on from the one before.

    Ctrl-C (SIGINT) and SIGTERM end the training after the chunk that is running: the state is saved, and the result is
    returned. A second one raises KeyboardInterrupt at once.

    If the loss of a step or a parameter after it is NaN or infinite, the training ends with the state from which that
    step started, and `trace_nonfinite` explains the step. An infinite loss counts even where its gradient is finite
    and the next loss might be too; the state of the optimizer does not count, for some hold an infinity on purpose.

    Args:
      params: as for `fit`: parameters, or the `TrainState` of an earlier training to continue.
      batch: the data, a tuple such as `(x, y)`, as for `fit`.
      loss_and_grads: as for `fit`.
      optimizer: as for `fit`.
      steps: how many updates to make in all; those before a resumption count.
      batch_size: as for `fit`.
      key: as for `fit`.
      ensemble: train many members at once, on the same data: every leaf of `params` has a leading axis of one entry a
        member, and so has `key`. The state, the losses and what `evaluate` is given have that axis too.
      chunk: steps between two looks of the host. None takes about 2**30 products of a parameter and an example, at
        most 2**18 steps: some tenths of a second for a network on a CPU. All but the last chunk have this length, and
        so at most two programs are compiled.
      evaluate: `evaluate(params)` is called after every chunk and gives a number, or numbers by name, such as the
        accuracy on held-out data; they come back in the history.
      stop: `stop(history) -> bool` is called after every chunk; True ends the training. A function of the history
        alone decides the same after a resumption.
      stop_nonfinite: False goes on through NaN and infinity, as for an optimizer that skips such steps.
      progress: a line with the loss and the rate on standard error. None shows it if that is a terminal.
      checkpoint_dir: a folder for the checkpoints of this training, made if it is missing; None writes none.
      checkpoint_seconds: the least time between two checkpoints; 0 writes one whenever the last is written. The final
        state is always written.
      resume: go on with the training that `checkpoint_dir` holds. False refuses a folder that holds one.

    Returns:
      A `RunResult`: `state`, `history`, `reason`, and `nonfinite` if the training ended so.

    Raises:
      TypeError: as `fit`; or `chunk` is not an integer, `checkpoint_seconds` no number, or a callback not callable.
      ValueError: as `fit`; `chunk` is below 1 or `checkpoint_seconds` below 0; the members of an ensemble differ in
        number; `checkpoint_dir` holds another training (of other data, parameters, key, batch size, or of steps that
        compute something else: another activation, loss, optimizer or learning rate), more steps than `steps`, or no
        checkpoint that is whole; or there are several processes and a `checkpoint_dir`.
      ImportError: `checkpoint_dir` is given without orbax-checkpoint.
      MemoryError: two states of the training, or the losses of all steps, are larger than what memory is free.
      OSError: `checkpoint_dir` cannot be made or written to; a `BlockingIOError` if another process trains there, a
        `FileExistsError` if it holds a training that `resume` forbids to go on with.

    Example:
      >>> import jax
      >>> import jaxmlp
      >>> import optax
      >>> x, y = jaxmlp.gate("or")
      >>> result = jaxmlp.run(
      ...     jaxmlp.init_params(jax.random.key(0), (2, 1)),
      ...     (x, y),
      ...     loss_and_grads=jaxmlp.loss_and_grads,
      ...     optimizer=optax.sgd(1.0),
      ...     steps=1000,
      ...     chunk=50,
      ...     stop=lambda history: history.losses[-1] < 0.1,
      ... )
      >>> print(result.reason, result.history.steps)
      stopped 100
    """
    for name, tree in {"params": params, "batch": batch, "key": key}.items():
        if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(tree)):
            raise TypeError(f"`{name}` is traced, but `run` works on the host, between compiled chunks: trace `fit`.")
    check_flag("ensemble", ensemble)
    if ensemble:
        _check_members(params, key)
    one = jax.tree.map(lambda leaf: leaf[0], key) if ensemble else key
    check_training(params, batch, loss_and_grads, optimizer, steps, batch_size, one)
    for name, function in (("evaluate", evaluate), ("stop", stop)):
        if function is not None:
            check_callable(name, function)
    flags = {"stop_nonfinite": stop_nonfinite, "resume": resume}
    for name, flag in (flags if progress is None else flags | {"progress": progress}).items():
        check_flag(name, flag)
    if not isinstance(checkpoint_dir, str | PathLike | None):
        raise TypeError(f"`checkpoint_dir` must be a path, got {shown(checkpoint_dir)}.")
    check_at_least("checkpoint_seconds", checkpoint_seconds, 0)
    if checkpoint_dir is not None and jax.process_count() > 1:
        raise ValueError(
            f"`checkpoint_dir` is given, but this is one of {jax.process_count()} processes, and `run` writes "
            "checkpoints of one: leave it out."
        )
    options: dict[str, Any] = dict(loss_and_grads=loss_and_grads, optimizer=optimizer, batch_size=batch_size)
    step = lambda state: plain_step(state, batch, **options)
    if ensemble:
        step = jax.vmap(step)
    train = compiled(params, ensemble=ensemble, **options)
    shape, losses = train.eval_shape(params, batch, steps=0, key=key)
    check_memory(shape, losses, steps=steps, devices=_devices(params), made=_arrays(params))
    start = jax.tree.map(_settled, train(params, batch, steps=0, key=key)[0])
    if chunk is None:
        chunk = _chunk(steps, start.params, batch, batch_size)
    check_count("chunk", chunk, least=1)
    checkpoints = None
    if checkpoint_dir is not None:
        of = identity(params=params, batch=batch, key=key, batch_size=batch_size, step=fingerprint(step, start))
        checkpoints = Checkpoints(Path(checkpoint_dir), identity=of, seconds=checkpoint_seconds)
    looks = Looks(
        evaluate=evaluate,
        stop=stop,
        stop_nonfinite=stop_nonfinite,
        bar=Bar(sys.stderr, steps, shown=progress),
        checkpoints=checkpoints,
    )
    advance = lambda state, steps: train(state, batch, steps=steps)
    return loop(advance, step, start, steps=steps, chunk=chunk, looks=looks, resume=resume)


def _check_members(params: Any, key: Any) -> None:
    """Every array has a leading axis, of one length."""
    check_leaves("params", params)
    if key is not None:
        check_is_array("key", key)
    leaves = {f"params.{name}": leaf for name, leaf in named_leaves(params).items()} | named_leaves({"key": key})
    members = {name: np.shape(leaf)[:1] for name, leaf in leaves.items()}
    if len(set(members.values())) != 1 or () in members.values():
        raise ValueError(
            f"`ensemble` is True, but the leading axes do not hold one entry a member, the same number each: "
            f"{members}. Make them with jax.vmap over jax.random.split(key, members)."
        )


def _arrays(params: Any) -> list[jax.Array]:
    return [leaf for leaf in jax.tree.leaves(params) if isinstance(leaf, jax.Array)]


def _devices(params: Any) -> set[Any]:
    """Where the training is done."""
    return {device for leaf in _arrays(params) or [jnp.zeros(())] for device in leaf.devices()}


def _settled(leaf: Any) -> Any:
    """The leaf as a checkpoint gives it back: a number of Python's, which takes any dtype, becomes one of its own."""
    return leaf if is_key(leaf) else jax.lax.convert_element_type(leaf, leaf.dtype)


def _chunk(steps: int, params: Any, batch: Any, batch_size: int | None) -> int:
    """A length from the sizes alone, so that a resumed training has the same; one that divides `steps` if it can."""
    size = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params))
    rows = batch_size or jax.tree.leaves(batch)[0].shape[0]
    most = min(max(_PRODUCTS_IN_A_CHUNK // max(size * rows, 1), 1), _STEPS_IN_A_CHUNK)
    chunks = max(math.ceil(steps / most), 1)
    chunks = next((number for number in range(chunks, 2 * chunks) if steps % number == 0), chunks)
    return max(math.ceil(steps / chunks), 1)
