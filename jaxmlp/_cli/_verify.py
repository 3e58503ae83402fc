"""`jaxmlp verify`: the formulas and numbers of the lectures."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from itertools import groupby
from pathlib import Path
from typing import Any, TYPE_CHECKING

from .._progress import Progress
from ._files import check_destination, write_whole
from ._parser import TakesFile
from ._terminal import CommandError, loading, wants_color, write


if TYPE_CHECKING:
    from ..lectures import Claim


HOLDS, FAILS = 0, 1
LECTURE_IDS = ("000", "001", "002", "003", "004", "formulas")

_DESCRIPTION = """\
Check every number and formula of the lectures.

They are five, on the perceptron, exclusive or and backpropagation. Each of
their claims is run and compared with what the lecture printed, and holds if the
two differ by no more than its tolerance.

The exit status is 0 if every claim holds, 1 if one does not, 2 for wrong usage,
and 130 after Ctrl-C.
"""
_EXAMPLES = """\
examples:
  jaxmlp verify
  jaxmlp verify --lecture 003 --lecture formulas --explain
  jaxmlp verify --platform gpu --dtype float64 --json claims.json
"""


def add_verify(commands: Any) -> None:
    """Add the command to the parser's `commands`."""
    verify = commands.add_parser(
        "verify",
        help="check every number and formula of the lectures",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        usage="%(prog)s [OPTION ...]",
    )
    verify.add_argument(
        "--lecture", action="append", choices=LECTURE_IDS, help="only this lecture; may be repeated (default: all)"
    )
    verify.add_argument("--platform", choices=("cpu", "gpu"), help="where to compute (default: JAX's choice)")
    verify.add_argument(
        "--dtype",
        choices=("float32", "float64"),
        default="float32",
        help="what the training runs compute in (default: float32); claims about one format keep it",
    )
    verify.add_argument("--json", type=Path, action=TakesFile, metavar="FILE", help="also write the claims to FILE")
    verify.add_argument("--explain", action="store_true", help="say what claims mean and where tolerances come from")
    verify.set_defaults(run=_verify)


def _verify(args: argparse.Namespace) -> int:
    start = time.perf_counter()
    if args.json:
        check_destination(args.json)
    with loading():
        import jax

        from .._placement import first_device
        from ..lectures import failures, LECTURES, run, table

    try:
        device = first_device(args.platform)
    except LookupError as error:
        raise CommandError(error) from None
    paint, progress = _painter(), Progress(sys.stderr)
    claims: list[Claim] = []
    with jax.default_device(device) if args.platform else nullcontext():
        for id, of_lecture in groupby(_watched(run(args.lecture, dtype=args.dtype), progress), lambda c: c.lecture):
            done = list(of_lecture)
            claims += done
            progress.clear()
            head = f"{f'lecture {id}' if id.isdigit() else id}: {LECTURES[id].title}"
            write(table(head, done, paint, explain=args.explain))

    failed = [claim for claim in claims if not claim.ok]
    write(failures(failed, paint))
    seconds = time.perf_counter() - start
    if args.json:
        rows = [claim.to_json() for claim in claims]
        document = {"claims": rows, "platform": device.platform, "seconds": round(seconds, 3)}
        write_whole(args.json, json.dumps(document, indent=1, allow_nan=False) + "\n")
    count = f"{len(claims)} claims, {len(claims) - len(failed)} hold"
    write([f"{count} ({seconds:.1f} s, {device.platform}, {args.dtype})"])
    return FAILS if failed or not claims else HOLDS


def _watched(claims: Iterable["Claim"], progress: Progress) -> Iterable["Claim"]:
    """`claims`, counted as they pass; nothing of the count is left behind them, or behind Ctrl-C."""
    start = time.perf_counter()
    progress.say("starting")
    try:
        for count, claim in enumerate(claims, start=1):
            progress.say(f"{count} claims, {time.perf_counter() - start:.0f} s   {claim.lecture}  {claim.name}")
            yield claim
    finally:
        progress.clear()


def _painter() -> Callable[[str, str], str]:
    """How to color text: not at all where nobody wants it."""
    colors = wants_color(sys.stdout)
    return (lambda code, text: f"\x1b[{code}m{text}\x1b[0m") if colors else (lambda code, text: text)
