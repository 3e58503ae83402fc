"""From the stacks of an equation to the line that a reader can change, and the line of the step that led there."""

import linecache
from collections.abc import Sequence
from functools import partial
from typing import Any, TypeAlias

from .._program._stacks import Frame, is_installed, Stack
from .._report._gradient_report import Line


Root: TypeAlias = tuple[str, str]
"""The file and the name of the function that is the step."""


def root_of(step: Any) -> Root:
    """Through `partial`, `jit` and `grad` to the function that somebody wrote."""
    while isinstance(step, partial) or hasattr(step, "__wrapped__"):
        step = step.func if isinstance(step, partial) else step.__wrapped__
    code = getattr(step, "__code__", None) or getattr(type(step).__call__, "__code__", None)
    return (code.co_filename, code.co_name) if code else ("", "")


def lines(stacks: Sequence[Stack], root: Root) -> tuple[Line | None, Line | None]:
    """The innermost line of the step's own code, and the outermost if that is another one.

    Code of installed packages is passed over where there is any other.
    """
    frames = _frames(stacks, root)
    own = [frame for frame in frames if not is_installed(frame.file)] or frames
    if not own:
        return None, None
    inner, outer = line(own[0].file, own[0].number), line(own[-1].file, own[-1].number)
    return inner, None if outer == inner else outer


def line(file: str, number: int) -> Line:
    """A line by its place."""
    return Line(file, number, linecache.getline(file, number).strip())


def _frames(stacks: Sequence[Stack], root: Root) -> list[Frame]:
    """The frames from the equation up to the step, innermost first.

    Stacks come as the bodies of loops, from the innermost on; then that of the step; then what it calls.
    """
    known = [[frame for frame in stack if frame is not None] for stack in stacks]
    known = [frames for frames in known if frames]
    base = next((i for i, frames in enumerate(known) if _is_root(frames[-1], root)), 0)
    bodies, step, called = known[:base], known[base : base + 1], known[base + 1 :]
    return [frame for frames in (*bodies, *reversed(called), *step) for frame in frames]


def _is_root(frame: Frame, root: Root) -> bool:
    return (frame.file, frame.function.split(".")[-1]) == root
