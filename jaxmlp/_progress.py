"""A line on a terminal that says how far the work is."""

import shutil
from typing import TextIO


class Progress:
    """One line on a terminal that says how far the work is, and nothing anywhere else."""

    def __init__(self, stream: TextIO, *, shown: bool | None = None) -> None:
        self._stream, self._shown = stream, stream.isatty() if shown is None else shown

    def say(self, line: str) -> None:
        """Show `line` in place of the last one."""
        if self._shown:
            self._stream.write(f"\r\x1b[K{line[: shutil.get_terminal_size().columns - 1]}")
            self._stream.flush()

    def clear(self) -> None:
        """Leave an empty line for what is printed next."""
        self.say("")

    def leave(self) -> None:
        """Keep the line that is shown, and go on below it."""
        if self._shown:
            self._stream.write("\n")
            self._stream.flush()
