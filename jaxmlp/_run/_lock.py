"""A folder that one process at a time writes to."""

import errno
import os
from pathlib import Path


try:
    import fcntl
except ImportError:  # not on Windows, where nothing is locked
    fcntl = None


class Lock:
    """A lock on a folder, which ends with the process at the latest, however that ends."""

    def __init__(self, folder: Path) -> None:
        """Take it.

        Raises:
          BlockingIOError: another process has it, or another `Lock` of this one.
        """
        self._file: int | None = None
        if fcntl is None:
            return
        self._file = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.release()
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise BlockingIOError(f"{folder} is in use by another training") from None
            # Some file systems of a network have no locks: there, nothing is locked.

    def release(self) -> None:
        """Give it back."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
