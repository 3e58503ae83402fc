"""Files that a command writes: whole, or not at all."""

import os
from pathlib import Path

from ._terminal import CommandError


def check_destination(path: Path) -> None:
    """Fail before the work rather than after it."""
    if path.is_dir():
        raise CommandError(f"cannot write {path}: it is a directory.")
    if not path.parent.is_dir():
        raise CommandError(f"cannot write {path}: there is no directory {path.parent}.")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise CommandError(f"cannot write {path}: no permission.")


def write_whole(path: Path, text: str) -> None:
    """Write beside `path` and move it there, so that no reader ever sees half a file."""
    check_destination(path)
    try:
        if path.exists() and not path.is_file():  # a pipe or a device: nothing to replace
            path.write_text(text, encoding="utf-8", errors="xmlcharrefreplace")
            return
        target = path.resolve()
        beside = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        try:
            beside.write_text(text, encoding="utf-8", errors="xmlcharrefreplace")
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise CommandError(f"cannot write {path}: {error.strerror or error}.") from None
