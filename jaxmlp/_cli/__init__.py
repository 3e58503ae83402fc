"""The command `jaxmlp`, from its first moment on: Ctrl-C ends it with one line while the rest is imported, too."""

import os
import sys
from collections.abc import Sequence


INTERRUPTED = 130
"""The exit status after Ctrl-C, as a shell has it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status; wrong arguments and `--help` leave by `SystemExit`."""
    try:
        from ._commands import run

        return run(argv)
    except KeyboardInterrupt:
        sys.stderr.write("jaxmlp: interrupted\n")
        if argv is None:  # JAX, stopped in the midst of compiling, may crash while Python takes itself down
            sys.stdout.flush()
            os._exit(INTERRUPTED)
        return INTERRUPTED
