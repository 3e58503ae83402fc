"""A line on a terminal that says how far the work is."""

import shutil
from typing import TextIO


class Progress:
    """One line on a terminal that says how far the work is, and nothing anywhere else, unless it is `shown` there.

    A notebook has no terminal's codes: there blanks cover what is left of a longer line.
    """

    def __init__(self, stream: TextIO, *, shown: bool | None = None) -> None:
        is_terminal = stream.isatty()
        self._stream, self._shown = stream, is_terminal if shown is None else shown
        self._start = "\r\x1b[K" if is_terminal else "\r"
        self._length = 0

    def say(self, line: str) -> None:
        """Show `line` in place of the last one."""
        if self._shown:
            line = line[: shutil.get_terminal_size().columns - 1]
            covered = line if self._start != "\r" else line.ljust(self._length)
            self._length = len(line)
            self._stream.write(f"{self._start}{covered}")
            self._stream.flush()

    def clear(self) -> None:
        """Leave an empty line for what is printed next."""
        self.say("")

    def leave(self) -> None:
        """Keep the line that is shown, and go on below it."""
        if self._shown:
            self._stream.write("\n")
            self._stream.flush()
