"""What XLA says when it fails, in words about the code that it ran."""

import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

import jax

from ._stacks import Frame, is_users


_CALLED_BACK = re.compile(
    r"Traceback \(most recent call last\):\n(?P<frames>.*?)\n(?P<error>\S[^\n]*?)( \[executable_name=[^\n]*\])?$",
    re.DOTALL | re.MULTILINE,
)
_KEPT = (
    "a function reads a value that an earlier call kept outside of itself, in a global, a list or an attribute: JAX no "
    "longer knows it. Pass it as an argument, or compute it anew in each call."
)
_FRAME = re.compile(r'File "(.+)", line (\d+), in (.+)')


class CallbackError(RuntimeError):
    """An error in a function that JAX called back while it ran what it had compiled."""


@contextmanager
def in_plain_words() -> Iterator[None]:
    """Errors of XLA and of kept tracers as sentences; any other that stops at a line of the user's stays as it is.

    Raises:
      CallbackError: a callback raised an error; where, and which.
      MemoryError: there is not enough memory.
      TypeError: a function reads a value of an earlier call; where, if at a line of its own.
      ValueError: an array is deleted that a function closes over.
    """
    try:
        yield
    except jax.errors.UnexpectedTracerError as error:
        place = _place(users_frames(error.__traceback__))
        raise TypeError(f"{_KEPT}\n\n{place}".rstrip()) from None
    except (RuntimeError, MemoryError) as error:  # those of JAX are RuntimeErrors
        plain = None if users_frames(error.__traceback__) else _plain(error)
        if plain is None:
            raise
        raise plain from None


def users_frames(stack: TracebackType | None) -> list[Frame]:
    """The lines of the user's in a traceback, the innermost last."""
    frames = [Frame(entry.filename, entry.lineno or 0, entry.name) for entry in traceback.extract_tb(stack)]
    return [frame for frame in frames if is_users(frame.file)]


def _plain(error: RuntimeError | MemoryError) -> Exception | None:
    said = str(error)
    if isinstance(error, MemoryError) or said.startswith("RESOURCE_EXHAUSTED"):
        first = next(iter(said.splitlines()), "").removeprefix("RESOURCE_EXHAUSTED: ")
        return MemoryError(
            f"the functions need more memory than there is ({first.rstrip('.')}): check with fewer examples, or with "
            "smaller arrays."
        )
    if said.startswith("Array has been deleted"):
        return ValueError(
            "`loss` or `grads` holds on to an array that is deleted, as an argument is that was donated: give it a "
            "copy of the array."
        )
    found = _CALLED_BACK.search(said)
    if found is None or not isinstance(error, jax.errors.JaxRuntimeError):
        return None
    frames = [Frame(file, int(line), name) for file, line, name in _FRAME.findall(found["frames"]) if is_users(file)]
    return CallbackError(f"a function that JAX calls back raised an error.\n\n{_place(frames)}{found['error']}")


def _place(frames: list[Frame]) -> str:
    """The innermost of the frames, as Python shows it in a traceback."""
    last = [traceback.FrameSummary(frame.file, frame.number, frame.function) for frame in frames[-1:]]
    return "".join(traceback.format_list(last))
