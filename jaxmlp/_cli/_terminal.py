"""What every command shares: exit statuses, sentences instead of tracebacks, color, and a word of progress."""

import io
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import current_thread, Event, main_thread, Thread
from typing import Any, cast, TextIO

from .._progress import Progress


USAGE, READER_GONE = 2, 1
LONG = 2.0
"""Seconds of silence after which somebody at a terminal wonders."""


class CommandError(Exception):
    """Something the caller can put right; its text is all they need to see."""


def wants_color(stream: TextIO) -> bool:
    """Whether `stream` is a terminal, unless NO_COLOR or FORCE_COLOR says what its user wants; the first one wins."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or (stream.isatty() and os.environ.get("TERM") != "dumb")


def write(lines: Iterable[str], encoding: str | None = None) -> None:
    """Print lines, in the terminal's encoding if None; where it lacks a letter a question mark stands for it."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding=encoding, errors="replace")
    sys.stdout.writelines(f"{line}\n" for line in lines)
    sys.stdout.flush()


@contextmanager
def loading() -> Iterator[None]:
    """Have Ctrl-C wait until the block, which imports JAX, is done: an extension module that it hits may crash."""
    came: list[Any] = []
    usual = signal.default_int_handler
    if current_thread() is not main_thread() or signal.getsignal(signal.SIGINT) is not usual:
        yield
        return
    signal.signal(signal.SIGINT, lambda *event: came.append(event))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
    if came:
        raise KeyboardInterrupt


@contextmanager
def busy(line: str, stream: TextIO) -> Iterator[TextIO]:
    """Show `line` on a terminal while the block runs, if it runs long; in the block, `stream` for what others print.

    The first that they print takes the line away for good, be it a question that waits for its answer.
    """
    progress, done = Progress(stream), Event()

    def wait() -> None:
        if not done.wait(LONG):
            progress.say(line)
            done.wait()
            progress.clear()

    def quiet() -> None:
        done.set()
        waiting.join()

    waiting = Thread(target=wait, daemon=True)
    waiting.start()
    try:
        yield cast(TextIO, _Others(stream, quiet))
    finally:
        quiet()


class _Others:
    """`stream`, but `first` is called before anything is written."""

    def __init__(self, stream: TextIO, first: Callable[[], None]) -> None:
        self._stream, self._first = stream, first

    def write(self, text: str) -> int:
        self._first()
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
