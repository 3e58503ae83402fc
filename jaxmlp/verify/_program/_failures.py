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
_FRAME = re.compile(r'File "(.+)", line (\d+), in (.+)')


class CallbackError(RuntimeError):
    """An error in a function that JAX called back while it ran what it had compiled."""


@contextmanager
def in_plain_words() -> Iterator[None]:
    """Errors of XLA as sentences; what stops at a line of the user's stays as it is.

    Raises:
      CallbackError: a callback raised an error; where, and which.
      MemoryError: there is not enough memory.
      ValueError: an array is deleted that a function closes over.
    """
    try:
        yield
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
    frames = [frame for frame in _FRAME.findall(found["frames"]) if is_users(frame[0])]
    place = "".join(
        traceback.format_list([traceback.FrameSummary(file, int(line), name) for file, line, name in frames[-1:]])
    )
    return CallbackError(f"a function that JAX calls back raised an error.\n\n{place}{found['error']}")
