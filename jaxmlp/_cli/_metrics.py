"""The course of a training as lines of JSON, one a chunk, written as they come."""

import json
import math
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from .._run import History
from ._terminal import CommandError


class Metrics:
    """A file with a line for every evaluation: `step`, its values (lists for an ensemble), and `seconds`.

    A resumed training goes on behind the last line, and writes none again.
    """

    def __init__(self, path: Path | None, *, resume: bool) -> None:
        self._began, self._last, self._file = time.perf_counter(), 0, None
        if path is None:
            return
        try:
            kept = _whole_lines(path) if resume and path.is_file() else []
            self._file = path.open("w", encoding="utf-8")
            self._file.writelines(kept)
        except (OSError, ValueError) as error:
            raise CommandError(f"cannot write {path}: {error}.") from None
        self._last = max((json.loads(line)["step"] for line in kept), default=0)

    def __enter__(self) -> "Metrics":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if self._file:
            self._file.close()

    def write(self, history: History) -> None:
        """The evaluations that are not written yet."""
        if not self._file:
            return
        for index, step in enumerate(history.evaluated_at.tolist()):
            if step > self._last:
                values = {name: _plain(values[index]) for name, values in history.evaluations.items()}
                seconds = round(time.perf_counter() - self._began, 3)
                self._file.write(json.dumps({"step": step, **values, "seconds": seconds}, allow_nan=False) + "\n")
                self._last = step
        self._file.flush()


def _whole_lines(path: Path) -> list[str]:
    """Without the half line that a killed training may have left."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [line for line in lines if line.endswith("}\n")]


def _plain(value: np.ndarray) -> Any:
    """JSON has no NaN and no infinity."""
    numbers = value.tolist()
    finite = lambda number: number if math.isfinite(number) else None
    return [finite(number) for number in numbers] if isinstance(numbers, list) else finite(numbers)
