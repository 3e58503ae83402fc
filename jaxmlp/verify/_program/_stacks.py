"""Where in the source an operation stands: the stack of lines that were being executed when it was traced."""

import os
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import CodeType
from typing import Any, TypeAlias

import jax
import numpy as np


_VERIFY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

HIDDEN = tuple(folder + os.sep for folder in (os.path.dirname(jax.__file__), os.path.dirname(np.__file__), _VERIFY))
"""The folders whose frames are no user's: those of JAX and NumPy, and the one that these rooms are in."""

_STDLIB = sysconfig.get_path("stdlib") + os.sep
_INSTALLED = tuple(f"{os.sep}{name}{os.sep}" for name in ("site-packages", "dist-packages"))


def is_installed(file: str) -> bool:
    """Whether a file belongs to Python or to an installed package."""
    return file.startswith(_STDLIB) or any(name in file for name in _INSTALLED)


def is_users(file: str) -> bool:
    """Whether a file is none of JAX, NumPy, these rooms, Python or an installed package."""
    return not (file.startswith((*HIDDEN, "<frozen")) or file.endswith(".pyx") or is_installed(file))


@dataclass(frozen=True)
class Frame:
    """A line that was being executed: of which file, and in which function.

    Attributes:
      file: its path, as Python gives it.
      number: that of the line, from 1.
      function: the name.
      offset: how far its bytecode had come; frames of one line are equal whatever it is.
    """

    file: str
    number: int
    function: str
    offset: int = field(default=0, compare=False)


Stack: TypeAlias = tuple[Frame | None, ...]
"""The frames of the user's code, innermost first; None stands for JAX between them, as under `vmap` or `scan`."""


_KNOWN: dict[tuple[int, int], tuple[CodeType, Frame | None]] = {}
"""Frames by the identity of their code, which is kept with them, and the offset in it; None for one that is hidden.
Nearly every equation of a program stands in frames in which others stand too.
"""

_MANY = 2**14
"""How many frames are kept at most."""


def stack_of(eqn: Any) -> Stack:
    """Where an equation of a jaxpr stands."""
    traceback = eqn.source_info.traceback
    return () if traceback is None else tuple(_merged(_frames(traceback)))


def _frames(traceback: Any) -> Iterator[Frame | None]:
    """The frames of a traceback of JAX's, with None for each that is hidden."""
    for index, (code, offset) in enumerate(zip(*traceback.raw_frames(), strict=True)):
        known = _KNOWN.get((id(code), offset))
        if known is None:
            if len(_KNOWN) >= _MANY:
                _KNOWN.clear()
            at = traceback.frames[index]
            frame = Frame(at.file_name, at.line_num, at.function_name, offset)
            known = _KNOWN[id(code), offset] = code, None if frame.file.startswith(HIDDEN) else frame
        yield known[1]


def _merged(frames: Iterator[Frame | None]) -> Iterator[Frame | None]:
    """The user's frames; a run of hidden ones between them becomes a single None."""
    started, hidden = False, False
    for frame in frames:
        if frame is None:
            hidden = started
            continue
        if hidden:
            yield None
        yield frame
        started, hidden = True, False
