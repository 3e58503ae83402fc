"""A traceback cut to the lines of the user's own files."""

import os
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TypeVar


_Error = TypeVar("_Error", bound=BaseException)

_NOT_THEIRS = tuple(f"{path}{os.sep}" for path in (Path(__file__).parent, sysconfig.get_path("stdlib")))
_INSTALLED = {"site-packages", "dist-packages"}


def without_our_frames(error: _Error, *, keep: str | None = None) -> _Error:
    """`error`, its traceback and those of its causes cut to the user's files; None where no line is theirs.

    Theirs is what `is_theirs` says.
    """
    seen: set[int] = set()
    chain: list[BaseException | None] = [error]
    while chain:
        link = chain.pop()
        if link is None or id(link) in seen:
            continue
        seen.add(id(link))
        chain += (link.__cause__, link.__context__)
        link.__traceback__ = _cut(link.__traceback__, keep)
        notes = getattr(link, "__notes__", ())
        if any("JAX_TRACEBACK_FILTERING" in note for note in notes):  # how to see frames that are cut here
            link.__notes__ = [note for note in notes if "JAX_TRACEBACK_FILTERING" not in note]
    return error


def _cut(traceback: TracebackType | None, keep: str | None) -> TracebackType | None:
    theirs = [entry for entry in _entries(traceback) if is_theirs(entry.tb_frame.f_code.co_filename, keep=keep)]
    cut = None
    for entry in reversed(theirs):
        cut = TracebackType(cut, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return cut


def _entries(traceback: TracebackType | None) -> Iterator[TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


def is_theirs(file: str, *, keep: str | None = None) -> bool:
    """Whether a file is the user's: neither Python's, nor an installed package's, nor jaxmlp's; or the file `keep`."""
    if file == keep:
        return True
    is_generated = file.startswith("<")  # what importlib, dataclasses and the like make up
    return not (is_generated or file.startswith(_NOT_THEIRS) or _INSTALLED & set(Path(file).parts))
