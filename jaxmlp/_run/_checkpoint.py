"""Checkpoints of a training: written by orbax while it goes on, whole or not at all."""

import logging
import shutil
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import import_module
from itertools import count, takewhile
from pathlib import Path
from typing import Any

import jax
import numpy as np

from .._train import TrainState
from ._contents import describe, of_another_training, of_other_versions
from ._identity import is_key, named_leaves, plain
from ._lock import Lock
from ._result import Record
from ._seal import damage, seal


_KEPT = 2
_OVERHEAD = 1_000_000
"""Bytes of names, shapes and indices that come with the arrays, with room to spare."""


class Checkpoints:
    """The checkpoints of one training in a folder; those of another are refused.

    Each is a folder named by its step, which orbax renames into place once it is complete and sealed; only then are
    older ones removed. `state` in it holds the leaves by their paths, `losses` the losses, and `about` the evaluations
    and what the training is of, as JSON.
    """

    def __init__(self, folder: Path, *, identity: dict[str, str], seconds: float) -> None:
        """Make the folder ready.

        Raises:
          ImportError: orbax-checkpoint is not installed.
          OSError: the folder cannot be made or written to, or, a `BlockingIOError`, another training has it.
        """
        self._orbax = _orbax()
        self._folder, self._identity, self._seconds = folder.absolute(), identity, seconds
        self._saved_at, self._warned = time.monotonic(), False
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / ".writable").touch()
            (self._folder / ".writable").unlink()
            self._lock = Lock(self._folder)
        except OSError as error:
            raise type(error)(f"`checkpoint_dir` {folder} cannot be written to: {error.strerror or error}.") from None
        logging.getLogger("absl").addFilter(_not_of_orbax)
        options = self._orbax.CheckpointManagerOptions(
            max_to_keep=_KEPT,
            cleanup_tmp_directories=True,
            # Made in the background, a folder that cannot be made leaves threads waiting for it for ten minutes.
            async_options=self._orbax.options.AsyncOptions(
                create_directories_asynchronously=False, post_finalization_callback=self._seal
            ),
        )
        self._manager = self._orbax.CheckpointManager(self._folder, options=options)

    def restore(self, start: TrainState, record: Record, *, resume: bool) -> TrainState:
        """The state of the newest checkpoint that is whole, whose history goes to `record`; `start` if there is none.

        Checkpoints that are damaged are put aside, under another name, and a warning says so.

        Raises:
          FileExistsError: there is one, but `resume` is False.
          ValueError: it is of another training, has more steps than `record` has room for, or none is whole.
        """
        steps = sorted((int(path.name) for path in self._folder.iterdir() if path.name.isdigit()), reverse=True)
        if not steps:
            return start
        if not resume:
            raise FileExistsError(
                f"`checkpoint_dir` {self._folder} holds a training of {steps[0]} steps: pass resume=True to go on with "
                "it, or name another folder."
            )
        damages = dict(takewhile(lambda pair: pair[1], ((step, damage(self._folder / str(step))) for step in steps)))
        if len(damages) == len(steps):
            listed = "; ".join(f"{self._folder / str(step)}: {damage}" for step, damage in damages.items())
            raise ValueError(
                f"`checkpoint_dir` holds no checkpoint that is whole ({listed}). Name another folder to start anew."
            )
        step = steps[len(damages)]
        leaves = {name: plain(leaf) for name, leaf in named_leaves(start).items()}
        description = self._described(step, leaves, record.room)
        self._put_aside(damages, step)
        losses = np.zeros(description["losses"]["shape"], np.dtype(description["losses"]["dtype"]))
        handler = self._orbax.StandardCheckpointHandler()
        found = self._read(step, "state", handler, jax.tree.map(self._orbax.utils.to_shape_dtype_struct, leaves))
        record.add(self._read(step, "losses", handler, {"losses": losses})["losses"])
        record.evaluations += [
            (at, {name: np.asarray(value, np.float64) for name, value in values.items()})
            for at, values in description["evaluations"]
        ]
        restored = [
            jax.random.wrap_key_data(found[name], impl=jax.random.key_impl(leaf)) if is_key(leaf)
            else found[name]
            for name, leaf in named_leaves(start).items()
        ]  # fmt: skip
        return jax.tree.unflatten(jax.tree.structure(start), restored)

    def _described(self, step: int, leaves: dict[str, Any], room: int) -> dict[str, Any]:
        """What the checkpoint says of itself, which fits the training of here."""
        where = f"`checkpoint_dir` {self._folder}"
        description = self._read(step, "about", self._orbax.JsonCheckpointHandler())
        if clause := of_another_training(description, self._identity, leaves):
            raise ValueError(f"{where} holds {clause}. Name another folder.")
        if step > room:
            raise ValueError(f"{where} holds a training of {step} steps already, but `steps` is {room}.")
        if differing := of_other_versions(description):
            warnings.warn(
                f"the checkpoint {self._folder / str(step)} was made with {differing}. The training goes on, but may "
                "differ in the last digits from one without the interruption.",
                RuntimeWarning,
                stacklevel=5,
            )
        return description

    def _read(self, step: int, part: str, handler: Any, *shapes: Any) -> Any:
        try:
            with self._orbax.Checkpointer(handler) as checkpointer:
                return checkpointer.restore(self._folder / str(step) / part, *shapes)
        except Exception as error:
            what = f"{self._folder / str(step)} is as it was written, but orbax cannot read it"
            raise ValueError(f"the checkpoint {what}: {str(error).split(' [')[0]}") from error

    def _put_aside(self, damages: Mapping[int, str | None], step: int) -> None:
        """Rename the damaged checkpoints, whose steps the training will reach again from `step`."""
        for damaged, what in damages.items():
            folder = self._folder / str(damaged)
            aside = _free(folder.with_name(f"{damaged}.damaged"))
            folder.rename(aside)
            warnings.warn(
                f"the checkpoint {folder} is damaged ({what}), and is {aside.name} now. The training goes on from step "
                f"{step}.",
                RuntimeWarning,
                stacklevel=5,
            )
        self._manager.reload()

    def save_if_due(self, state: TrainState, record: Record) -> None:
        """Begin to write, if the last time is long enough ago and its writing is over; training need not wait."""
        if time.monotonic() - self._saved_at >= self._seconds and not self._manager.is_saving_in_progress():
            self._attempt(self._manager.check_for_errors)  # of the writing before
            self._attempt(self._save, state, record)

    def finish(self, state: TrainState, record: Record) -> str | None:
        """Write the last state and wait until it is there; if it is not, why."""
        problem = self._attempt(self._manager.wait_until_finished)
        if not self._holds(record.made):
            problem = self._attempt(self._save, state, record)
            problem = self._attempt(self._manager.wait_until_finished) or problem
        if self._holds(record.made):
            return None
        return problem or f"orbax did not write the checkpoint {self._folder / str(record.made)}"

    def close(self) -> None:
        """Wait for what is being written; for an end of whatever kind."""
        self._attempt(self._manager.close)
        self._lock.release()
        logging.getLogger("absl").removeFilter(_not_of_orbax)

    def _holds(self, step: int) -> bool:
        return (self._folder / str(step)).is_dir()

    def _save(self, state: TrainState, record: Record) -> None:
        self._saved_at = time.monotonic()
        leaves, losses = {name: plain(leaf) for name, leaf in named_leaves(state).items()}, record.history().losses
        needed = _OVERHEAD + losses.nbytes + sum(leaf.nbytes for leaf in leaves.values())
        if (free := shutil.disk_usage(self._folder).free) < needed:  # orbax fails too, but not in one piece
            raise OSError(f"it needs about {needed / 1e6:.1f} MB, and {free / 1e6:.1f} MB are free")
        about = describe(self._identity, leaves, losses, record.evaluations)
        args = self._orbax.args
        items = args.Composite(
            state=args.StandardSave(leaves), losses=args.StandardSave({"losses": losses}), about=args.JsonSave(about)
        )
        self._manager.save(record.made, args=items)

    def _attempt(self, action: Callable[..., Any], *arguments: Any) -> str | None:
        """Why `action` failed, if it did: a disk may be full or gone, and what is trained must not be lost to that."""
        try:
            action(*arguments)
            return None
        except Exception as error:
            for part in self._parts():  # it would take the room of the next
                shutil.rmtree(part, ignore_errors=True)
            with suppress(Exception):  # what was not written must not count as a checkpoint; the folder may be gone
                self._manager.reload()
            said = getattr(error, "strerror", None) or str(error).split(" [")[0]
            problem = f"no checkpoint could be written to {self._folder}: {said}"
            if not self._warned:
                warnings.warn(f"{problem}. The training goes on.", RuntimeWarning, stacklevel=5)
            self._warned = True
            return problem

    def _parts(self) -> list[Path]:
        """Where orbax writes, before it renames."""
        return list(self._folder.glob("*.orbax-checkpoint-tmp*"))

    def _seal(self) -> None:
        (part,) = self._parts()
        seal(part)


def _not_of_orbax(record: logging.LogRecord) -> bool:
    """A failure is told in one warning; the same as pages of tracebacks is kept back."""
    return "orbax" not in record.pathname


def _free(path: Path) -> Path:
    """`path`, or with a number behind it if it is there already."""
    numbered = (path.with_name(f"{path.name}.{number}") for number in count(2))
    return path if not path.exists() else next(other for other in numbered if not other.exists())


def _orbax() -> Any:
    try:
        return import_module("orbax.checkpoint")
    except ImportError:
        raise ImportError("`checkpoint_dir` needs orbax-checkpoint: pip install 'jaxmlp[checkpoint]'.") from None
