"""Checkpoints of a training: written by orbax while it goes on, whole or not at all."""

import logging
import shutil
import time
import warnings
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np

from .._train import TrainState
from ._identity import difference, is_key, named_leaves, plain
from ._result import Record


_SCHEMA = 1
_KEPT = 2
_OVERHEAD = 1_000_000
"""Bytes of names, shapes and indices that come with the arrays, with room to spare."""


class Checkpoints:
    """The checkpoints of one training in a folder; those of another are refused.

    Each is a folder named by its step, which orbax renames into place once it is complete. `state` in it holds the
    leaves by their paths, `losses` the losses, and `about` the evaluations and what the training is of, as JSON.
    """

    def __init__(self, folder: Path, *, identity: dict[str, str], seconds: float) -> None:
        """Make the folder ready.

        Raises:
          ImportError: orbax-checkpoint is not installed.
          OSError: the folder cannot be made or written to.
        """
        self._orbax = _orbax()
        self._folder, self._identity, self._seconds = folder.absolute(), identity, seconds
        self._saved_at, self._warned = time.monotonic(), False
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / ".writable").touch()
            (self._folder / ".writable").unlink()
        except OSError as error:
            raise type(error)(f"`checkpoint_dir` {folder} cannot be written to: {error.strerror or error}.") from None
        logging.getLogger("absl").addFilter(_not_of_orbax)
        options = self._orbax.CheckpointManagerOptions(
            max_to_keep=_KEPT,
            cleanup_tmp_directories=True,
            # Made in the background, a folder that cannot be made leaves threads waiting for it for ten minutes.
            async_options=self._orbax.options.AsyncOptions(create_directories_asynchronously=False),
        )
        self._manager = self._orbax.CheckpointManager(self._folder, options=options)

    def restore(self, start: TrainState, record: Record, *, resume: bool) -> TrainState:
        """The state of the latest checkpoint, whose history goes to `record`; `start` if there is none.

        Raises:
          FileExistsError: there is one, but `resume` is False.
          ValueError: it is of another training, has more steps than `record` has room for, or cannot be read.
        """
        step = self._manager.latest_step()
        if step is None:
            return start
        where = f"`checkpoint_dir` {self._folder}"
        if not resume:
            raise FileExistsError(
                f"{where} holds a training of {step} steps: pass resume=True to go on with it, or name another folder."
            )
        args = self._orbax.args
        try:
            about = self._manager.restore(step, args=args.Composite(about=args.JsonRestore()))["about"]
            if about["schema"] != _SCHEMA:
                raise ValueError(f"its schema is {about['schema']}, and this is version {version('jaxmlp')} of jaxmlp")
        except Exception as error:
            raise self._unreadable(step, error) from error
        if clause := difference(self._identity, about["identity"]):
            raise ValueError(f"{where} holds another training: {clause}. Name another folder.")
        if step > record.room:
            raise ValueError(f"{where} holds a training of {step} steps already, but `steps` is {record.room}.")
        leaves = {name: plain(leaf) for name, leaf in named_leaves(start).items()}
        if (kept := about["state"]) != (expected := {name: _kind(leaf) for name, leaf in leaves.items()}):
            name = next(name for name in {**expected, **kept} if expected.get(name) != kept.get(name))
            raise ValueError(
                f"{where} holds a training with another optimizer or another dtype: `{name}` is "
                f"{expected.get(name, 'not there')} here, but was {kept.get(name, 'not there')} there."
            )
        losses = np.zeros(about["losses"]["shape"], np.dtype(about["losses"]["dtype"]))
        try:
            found = self._manager.restore(
                step,
                args=args.Composite(
                    state=args.StandardRestore(jax.tree.map(self._orbax.utils.to_shape_dtype_struct, leaves)),
                    losses=args.StandardRestore({"losses": losses}),
                ),
            )
        except Exception as error:
            raise self._unreadable(step, error) from error
        record.add(found["losses"]["losses"])
        record.evaluations += [
            (at, {name: np.asarray(value, np.float64) for name, value in values.items()})
            for at, values in about["evaluations"]
        ]
        restored = [
            jax.random.wrap_key_data(found["state"][name], impl=jax.random.key_impl(leaf)) if is_key(leaf)
            else found["state"][name]
            for name, leaf in named_leaves(start).items()
        ]  # fmt: skip
        return jax.tree.unflatten(jax.tree.structure(start), restored)

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
        logging.getLogger("absl").removeFilter(_not_of_orbax)

    def _holds(self, step: int) -> bool:
        return (self._folder / str(step)).is_dir()

    def _save(self, state: TrainState, record: Record) -> None:
        self._saved_at = time.monotonic()
        leaves, losses = {name: plain(leaf) for name, leaf in named_leaves(state).items()}, record.history().losses
        needed = _OVERHEAD + losses.nbytes + sum(leaf.nbytes for leaf in leaves.values())
        if (free := shutil.disk_usage(self._folder).free) < needed:  # orbax fails too, but not in one piece
            raise OSError(f"it needs about {needed / 1e6:.1f} MB, and {free / 1e6:.1f} MB are free")
        about = {
            "schema": _SCHEMA,
            "jaxmlp": version("jaxmlp"),
            "identity": self._identity,
            "state": {name: _kind(leaf) for name, leaf in leaves.items()},
            "losses": {"shape": list(losses.shape), "dtype": losses.dtype.name},
            "evaluations": [
                [at, {name: value.tolist() for name, value in values.items()}] for at, values in record.evaluations
            ],
        }
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
            for part in self._folder.glob("*.orbax-checkpoint-tmp*"):  # it would take the room of the next
                shutil.rmtree(part, ignore_errors=True)
            problem = f"no checkpoint could be written to {self._folder}: {str(error).split(' [')[0]}"
            if not self._warned:
                warnings.warn(f"{problem}. The training goes on.", RuntimeWarning, stacklevel=5)
            self._warned = True
            return problem

    def _unreadable(self, step: int, error: Exception) -> ValueError:
        folder = self._folder / str(step)
        return ValueError(f"the checkpoint {folder} cannot be read ({error}): remove it to go on from the one before.")


def _not_of_orbax(record: logging.LogRecord) -> bool:
    """A failure is told in one warning; the same as pages of tracebacks is kept back."""
    return "orbax" not in record.pathname


def _kind(leaf: Any) -> str:
    return f"{np.dtype(leaf.dtype).name}{list(leaf.shape)}"


def _orbax() -> Any:
    try:
        return import_module("orbax.checkpoint")
    except ImportError:
        raise ImportError("`checkpoint_dir` needs orbax-checkpoint: pip install 'jaxmlp[checkpoint]'.") from None
