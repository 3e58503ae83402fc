"""The commands of `jaxmlp`. Each imports JAX when it runs, so that help and wrong arguments need not wait."""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any

from ._check import add_check
from ._new import add_new
from ._parser import COMMAND, Parser
from ._terminal import CommandError, READER_GONE, USAGE, write
from ._train import add_train
from ._verify import add_verify


SHELLS = ("bash", "zsh", "fish")

_EXAMPLES = """\
examples:
  jaxmlp new backprop.py     write a gradient by hand, with a mistake in it
  jaxmlp check backprop.py   find the mistake
  jaxmlp train xor           train a network
  jaxmlp verify              run the lectures
  jaxmlp check --help        all that a command can do
"""


def run(argv: Sequence[str] | None) -> int:
    """Run the command line and return its exit status; wrong arguments and `--help` leave by `SystemExit`."""
    try:
        args, unknown = _parser().parse_known_args(argv)
        if unknown:
            args.parser.refuse(unknown[0])
        args.argv = sys.argv[1:] if argv is None else list(argv)
        return args.run(args)
    except CommandError as error:
        sys.stderr.write(f"jaxmlp: {error}\n")
        return USAGE
    except BrokenPipeError:
        # The reader, such as `head`, has left. What Python flushes at exit must have somewhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return READER_GONE


def _parser() -> Parser:
    parser = Parser(
        prog="jaxmlp",
        description="Is a hand-written gradient right, which line is wrong, and what is the mistake?",
        epilog=_EXAMPLES,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    parser.add_argument(
        "--print-completion",
        action=_Completion,
        choices=SHELLS,
        metavar="SHELL",
        help=f"print what makes a shell complete the command: {', '.join(SHELLS)} (needs jaxmlp[completion])",
    )
    parser.set_defaults(run=_help)
    commands = parser.add_subparsers(title="commands", metavar=COMMAND)
    for add in (add_new, add_check, add_train, add_verify):
        add(commands)
    return parser


def _help(args: argparse.Namespace) -> int:
    args.parser.print_help(sys.stderr)
    return USAGE


class _Version(argparse.Action):
    """The version, looked up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from .._version import __version__

        write([f"jaxmlp {__version__}"])
        parser.exit()


class _Completion(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, namespace: Any, shell: Any, *_: Any) -> None:
        try:
            import shtab
        except ImportError:
            raise CommandError("--print-completion needs shtab: pip install 'jaxmlp[completion]'.") from None
        write([shtab.complete(parser, shell)])
        parser.exit()
