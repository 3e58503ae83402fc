"""What every command shares: exit statuses, sentences instead of tracebacks, color, and a word of progress."""

import io
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import TextIO

from .._progress import Progress


USAGE, READER_GONE, INTERRUPTED = 2, 1, 130
LONG = 2.0
"""Seconds of silence after which somebody at a terminal wonders."""


class CommandError(Exception):
    """Something the caller can put right; its text is all they need to see."""


def wants_color(stream: TextIO) -> bool:
    """Whether `stream` is a terminal whose user has not asked for plain text."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def write(lines: Iterable[str], encoding: str | None = None) -> None:
    """Print lines, in the terminal's encoding if None; where it lacks a letter a question mark stands for it."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding=encoding, errors="replace")
    sys.stdout.writelines(f"{line}\n" for line in lines)
    sys.stdout.flush()


@contextmanager
def busy(line: str, stream: TextIO) -> Iterator[None]:
    """Show `line` on a terminal while the block runs, if it runs long."""
    progress, done = Progress(stream), Event()

    def wait() -> None:
        if not done.wait(LONG):
            progress.say(line)
            done.wait()
            progress.clear()

    waiting = Thread(target=wait, daemon=True)
    waiting.start()
    try:
        yield
    finally:
        done.set()
        waiting.join()
