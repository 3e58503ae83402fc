"""The course of a training as lines of JSON, one a chunk, written as they come."""

import json
import math
import os
import time
import warnings
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np

from .._run import History
from ._terminal import CommandError


class Metrics:
    """A file with a line for every evaluation: `step`, its values (lists for an ensemble), and `seconds`.

    A resumed training goes on behind the last line, and writes none again.
    """

    def __init__(self, path: Path | None, *, resume: bool) -> None:
        self._began, self._last, self._path = time.perf_counter(), 0, path
        self._file: BinaryIO | None = None
        self.problem: str | None = None
        if path is None:
            return
        try:
            kept = _whole_lines(path) if resume and path.is_file() else b""
            self._last = max((int(json.loads(line)["step"]) for line in kept.splitlines()), default=0)
            self._file = path.open("r+b" if kept else "wb")
            self._file.truncate(len(kept))
            self._file.seek(0, os.SEEK_END)
        except OSError as error:
            raise CommandError(f"cannot write {path}: {error.strerror or error}.") from None
        except (ValueError, KeyError, TypeError):
            raise CommandError(f"{path} holds something other than metrics: name another file.") from None

    def __enter__(self) -> "Metrics":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if self._file:
            with suppress(OSError):  # what is still to be written, after `problem`
                self._file.close()

    def write(self, history: History) -> None:
        """The evaluations that are not written yet; on a full disk `problem` says why they are not, and a warning."""
        if not self._file or self.problem:
            return
        try:
            for index, step in enumerate(history.evaluated_at.tolist()):
                if step > self._last:
                    values = {name: _plain(values[index]) for name, values in history.evaluations.items()}
                    seconds = round(time.perf_counter() - self._began, 3)
                    line = json.dumps({"step": step, **values, "seconds": seconds}, allow_nan=False)
                    self._file.write(f"{line}\n".encode())
                    self._last = step
            self._file.flush()
        except OSError as error:
            self.problem = f"cannot write {self._path}: {error.strerror or error}"
            warnings.warn(f"{self.problem}. The training goes on.", RuntimeWarning, stacklevel=2)


def _whole_lines(path: Path) -> bytes:
    """Without the half line that a killed training may have left."""
    text = path.read_bytes()
    return text[: text.rfind(b"\n") + 1]


def _plain(value: np.ndarray) -> Any:
    """JSON has no NaN and no infinity."""
    numbers = value.tolist()
    finite = lambda number: number if math.isfinite(number) else None
    return [finite(number) for number in numbers] if isinstance(numbers, list) else finite(numbers)
