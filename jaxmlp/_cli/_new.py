"""`jaxmlp new`: a file to try the check on, and to begin one's own from."""

import argparse
import shlex
from pathlib import Path
from typing import Any

from ._files import check_destination, write_whole
from ._parser import TakesFile
from ._template import LANGUAGES, template
from ._terminal import CommandError, write


_DESCRIPTION = """\
Write a file to try the check on.

It holds a small network, its gradient by hand, and the inputs to compare the
two at. There is a mistake in the gradient, for `jaxmlp check FILE` to find.
Mend it, then put your own in its place.
"""
_EXAMPLES = """\
examples:
  jaxmlp new backprop.py
  jaxmlp new backprop.py --lang ko
"""
_WRITTEN = {
    "en": "{file} is written: a loss, a gradient by hand, and a mistake in it. Find it with\n\n  {command}\n",
    "ko": "{file} 파일을 썼습니다. 손실과 손으로 쓴 기울기가 있고, 기울기에 실수가 하나 있습니다. 찾는 명령:\n\n"
    "  {command}\n",
}


def add_new(commands: Any) -> None:
    """Add the command to the parser's `commands`."""
    new = commands.add_parser(
        "new",
        help="write a file to try the check on",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        usage="%(prog)s FILE [OPTION ...]",
    )
    new.add_argument("file", type=Path, action=TakesFile, metavar="FILE", help="a Python file that does not exist yet")
    new.add_argument("--force", action="store_true", help="overwrite FILE if it exists")
    new.add_argument("--lang", choices=LANGUAGES, default=LANGUAGES[0], help="of the comments in it (default: en)")
    new.set_defaults(run=_new)


def _new(args: argparse.Namespace) -> int:
    path = args.file
    if path.suffix != ".py":
        raise CommandError(f"{path} must end in .py, as {path.stem.strip('-') or 'backprop'}.py.")
    check_destination(path)
    if path.exists() and not args.force:
        raise CommandError(f"{path} exists: name another file, or add --force to overwrite it.")
    command = f"jaxmlp check {shlex.quote(str(path))}" + (f" --lang {args.lang}" if args.lang != LANGUAGES[0] else "")
    write_whole(path, template(args.lang, command))
    write([_WRITTEN[args.lang].format(file=path, command=command).rstrip()])
    return 0
