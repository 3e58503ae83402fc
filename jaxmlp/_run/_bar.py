"""The progress of a training on one line: how far, the loss, the rate, the time that is left."""

import shutil
import time
from typing import TextIO

import numpy as np

from .._progress import Progress


_NARROWEST, _WIDEST = 4, 30
_SECONDS_BETWEEN = 0.1


class Bar:
    """A line on `stream`, redrawn at most ten times a second; none where it is no terminal, unless `shown`."""

    def __init__(self, stream: TextIO, steps: int, *, shown: bool | None = None) -> None:
        self._progress, self._steps = Progress(stream, shown=shown), steps
        wide = (getattr(stream, "encoding", None) or "").lower().replace("-", "") == "utf8"
        self._full, self._empty = "━─" if wide else "#."
        self._first: tuple[int, float] | None = None
        self._drawn, self._is_drawn = 0.0, False

    def start(self, made: int) -> None:
        """Before the first chunk, whose time is mostly that of the compiler."""
        self._draw(made, "compiling")

    def advance(self, made: int, losses: np.ndarray) -> None:
        """After a chunk: `losses` is the last loss, one a member of an ensemble."""
        now = time.perf_counter()
        if self._first is None:
            self._first = (made, now)
        elif now - self._drawn < _SECONDS_BETWEEN and made < self._steps:
            return
        self._drawn = now
        first, at = self._first
        said = [f"loss {np.asarray(losses, np.float64).mean():.4g}"]
        if made > first:
            rate = (made - first) / max(now - at, 1e-9)
            said += [f"{_short(rate)} steps/s", f"{_clock((self._steps - made) / rate)} left"]
        self._draw(made, "  ".join(said))

    def stop(self) -> None:
        """Leave the line as it is, if there is one."""
        if self._is_drawn:
            self._progress.leave()

    def _draw(self, made: int, said: str) -> None:
        self._is_drawn = True
        share = made / self._steps if self._steps else 1.0
        words = f"{made:,}/{self._steps:,} steps  {said}"
        width = max(_NARROWEST, min(_WIDEST, shutil.get_terminal_size().columns - len(words) - 9))
        full = int(share * width)
        bar = self._full * full + self._empty * (width - full)
        self._progress.say(f"{int(100 * share):3d} % {bar} {words}")


def _short(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
