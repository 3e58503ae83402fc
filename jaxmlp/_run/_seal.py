"""A seal on a folder: a checksum of every file in it, by which a file that has changed or is gone is told."""

import json
import zlib
from pathlib import Path


_NAME = "seal.json"
_BLOCK = 2**20


def seal(folder: Path) -> None:
    """Write the checksums of all files in the folders of `folder`; what lies beside them is not part of it."""
    files = _checksums(folder)
    (folder / _NAME).write_text(json.dumps({"files": files, "checksum": _of_text(files)}, indent=1), encoding="utf-8")


def damage(folder: Path) -> str | None:
    """What is not as it was when `folder` was sealed, a clause; None if everything is."""
    try:
        found = json.loads((folder / _NAME).read_bytes())
        files = found["files"]
        if found["checksum"] != _of_text(files):
            return f"{_NAME} is not what was written"
        here = _checksums(folder)
    except OSError as error:
        return f"{error.filename or folder}: {error.strerror or error}"
    except (ValueError, KeyError, TypeError):  # it is no JSON, or says something else
        return f"{_NAME} is not what was written"
    for name, checksum in files.items():
        if here.get(name) != checksum:
            return f"{name} is {'not what was written' if name in here else 'not there'}"
    return None


def _checksums(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.glob("*/**/*") if path.is_file())
    return {path.relative_to(folder).as_posix(): _of_file(path) for path in files}


def _of_file(path: Path) -> str:
    """A CRC-32, which no flipped bit escapes, and the length."""
    crc, length = 0, 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            crc, length = zlib.crc32(block, crc), length + len(block)
    return f"{crc:08x} {length}"


def _of_text(files: dict[str, str]) -> str:
    return f"{zlib.crc32(json.dumps(files, sort_keys=True).encode()):08x}"
