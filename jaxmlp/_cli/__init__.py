"""The command `jaxmlp`. Each subcommand imports JAX when it runs."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version

from ._check import add_check
from ._terminal import CommandError, INTERRUPTED, READER_GONE, USAGE
from ._train import add_train
from ._verify import add_verify


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status; wrong arguments and `--help` leave by `SystemExit`."""
    args = _parser().parse_args(argv)
    try:
        return args.run(args)
    except CommandError as error:
        sys.stderr.write(f"jaxmlp: {error}\n")
        return USAGE
    except KeyboardInterrupt:
        sys.stderr.write("jaxmlp: interrupted\n")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader, such as `head`, has left. What Python flushes at exit must have somewhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return READER_GONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="jaxmlp", description="Is a hand-written gradient right, which line is wrong, and what is the mistake?"
    )
    parser.add_argument("--version", action="version", version=f"jaxmlp {version('jaxmlp')}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add in (add_check, add_train, add_verify):
        add(commands)
    return parser
