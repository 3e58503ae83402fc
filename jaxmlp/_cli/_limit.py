"""A limit on the time that a file of the user's may take: in a process of its own, which ends whatever it is doing.

A loop in Python could be interrupted from within; one that XLA compiled, or that a library runs in C, could not.
"""

import faulthandler
import os
import re
import subprocess
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from .._frames import is_theirs
from .._progress import Progress
from . import INTERRUPTED
from ._terminal import CommandError


_WATCH = "JAXMLP_TIME_LIMIT_SAID_IN"
"""The variable by which a process knows that it has a limit, and the file in which it says where it was stopped."""

_COMMAND = "import sys; sys.path[:] = {path!r}; from jaxmlp._cli import main; sys.exit(main())"
_FRAME = re.compile(r'File "(.+)", line (\d+) in (.+)')
_PATIENCE = 5.0
"""Seconds that an interrupted process has to say so."""


def is_limited() -> bool:
    """Whether this is the process that may take no longer than it is told."""
    return _WATCH in os.environ


def limited(argv: Sequence[str], file: str, seconds: float) -> int:
    """The exit status of the command `argv` in a process of its own.

    Raises:
      CommandError: it took more than `seconds` for `file`, or it was killed.
    """
    with TemporaryDirectory(prefix="jaxmlp-") as folder:
        said = Path(folder, "where.txt")
        command = [sys.executable, "-P", "-c", _COMMAND.format(path=sys.path), *argv]
        process = subprocess.Popen(command, env={**os.environ, _WATCH: str(said)})
        try:
            status = process.wait()
        except KeyboardInterrupt:  # which the process has been sent too
            return _interrupted(process)
        finally:
            process.kill()
        where = said.read_text(encoding="utf-8", errors="replace") if said.exists() else ""
    name = Path(file).name
    if where:
        Progress(sys.stderr).clear()
        raise CommandError(f"{name} did not come to an end within {seconds:g} seconds{_place(where, file)}")
    if status < 0:
        raise CommandError(
            f"the process that ran {name} was killed (signal {-status}), so nothing was checked. If it needs more "
            "memory than there is, check with smaller arrays."
        )
    return status


@contextmanager
def limit(seconds: float | None) -> Iterator[None]:
    """End this process after `seconds` in the block, if it is the one that `is_limited`, and say where it was."""
    path = os.environ.pop(_WATCH, None)
    if path is None or seconds is None:
        yield
        return
    with open(path, "w", encoding="utf-8") as file:
        faulthandler.dump_traceback_later(seconds, exit=True, file=file)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()


def _interrupted(process: "subprocess.Popen[bytes]") -> int:
    try:
        return process.wait(_PATIENCE)
    except (KeyboardInterrupt, subprocess.TimeoutExpired):
        return INTERRUPTED


def _place(where: str, file: str) -> str:
    """The line of the user's that was running, from what faulthandler writes: each thread, its innermost call first."""
    path = str(Path(file).resolve())
    frames = [(name, int(line), function) for name, line, function in _FRAME.findall(where)]
    theirs = [frame for frame in frames if is_theirs(frame[0], keep=path)]
    more = "If it only needs longer, give it more with --time-limit."
    if not theirs:
        return f", in what JAX or another library runs for it, such as a while_loop that does not end.\n{more}"
    shown = "".join(traceback.format_list([traceback.FrameSummary(*theirs[0])]))
    return f". It was at\n\n{shown}\n{more}"
