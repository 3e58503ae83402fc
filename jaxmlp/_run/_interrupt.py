"""Ctrl-C and SIGTERM, answered at the end of a chunk."""

import signal
import threading
from types import FrameType
from typing import Any


class Interruption:
    """A context in which SIGINT and SIGTERM are noted; true once one has come.

    A second one raises KeyboardInterrupt at once. Only Python's own handlers are replaced: those of the caller stay
    in charge. Outside the main thread, where Python sets no handlers, nothing is noted.
    """

    def __init__(self) -> None:
        self._noted = False
        self._replaced: dict[int, Any] = {}

    def __bool__(self) -> bool:
        return self._noted

    def __enter__(self) -> "Interruption":
        if threading.current_thread() is threading.main_thread():
            for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
                if signal.getsignal(number) is usual:
                    self._replaced[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._replaced.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if self._noted:
            raise KeyboardInterrupt
        self._noted = True
