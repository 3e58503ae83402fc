"""The command `jaxmlp`. Each subcommand imports what it needs when it runs."""

import argparse
import io
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import Any, TextIO, TYPE_CHECKING


if TYPE_CHECKING:
    from .lectures import Claim


HOLDS, FAILS, USAGE, INTERRUPTED = 0, 1, 2, 130
LECTURE_IDS = ("000", "001", "002", "003", "004", "formulas")

_VERIFY = """\
Run the formulas and every number of five lectures on the perceptron, exclusive or and
backpropagation, and compare each with what the lecture printed. A claim holds if the two
differ by no more than its tolerance.

The exit status is 0 if every claim holds, 1 if one does not, 2 for wrong usage.
"""
_EXAMPLES = """\
examples:
  jaxmlp verify
  jaxmlp verify --lecture 003 --lecture formulas --explain
  jaxmlp verify --platform gpu --dtype float64 --json claims.json
"""


class CommandError(Exception):
    """Something the caller can put right; its text is all they need to see."""


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
        return FAILS


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="jaxmlp", description="Is a hand-written gradient right, which line is wrong, and what is the mistake?"
    )
    parser.add_argument("--version", action="version", version=f"jaxmlp {version('jaxmlp')}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add in (_add_verify,):
        add(commands)
    return parser


def _add_verify(commands: Any) -> None:
    verify = commands.add_parser(
        "verify",
        help="check every number and formula of the lectures",
        description=_VERIFY,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
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
    verify.add_argument("--json", type=Path, metavar="FILE", help="also write the claims to FILE")
    verify.add_argument("--explain", action="store_true", help="say what claims mean and where tolerances come from")
    verify.set_defaults(run=_verify)


def _verify(args: argparse.Namespace) -> int:
    start = time.perf_counter()
    if args.json:
        _check_destination(args.json)
    import jax

    device = _device(args.platform)
    from .lectures import failures, LECTURES, run, table

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without Greek letters
    paint, progress = _painter(sys.stdout), _Progress(sys.stderr)
    claims: list[Claim] = []
    with jax.default_device(device) if args.platform else nullcontext():
        for id, of_lecture in groupby(progress.watch(run(args.lecture, dtype=args.dtype)), lambda c: c.lecture):
            done = list(of_lecture)
            claims += done
            progress.clear()
            head = f"{f'lecture {id}' if id.isdigit() else id}: {LECTURES[id].title}"
            _write(table(head, done, paint, explain=args.explain))

    failed = [claim for claim in claims if not claim.ok]
    _write(failures(failed, paint))
    seconds = time.perf_counter() - start
    if args.json:
        rows = [claim.to_json() for claim in claims]
        _write_json(args.json, {"claims": rows, "platform": device.platform, "seconds": round(seconds, 3)})
    count = f"{len(claims)} claims, {len(claims) - len(failed)} hold"
    _write([f"{count} ({seconds:.1f} s, {device.platform}, {args.dtype})"])
    return FAILS if failed or not claims else HOLDS


def _device(platform: str | None) -> Any:
    """The first device of the platform, or of JAX's choice."""
    import jax

    try:
        return jax.devices(platform)[0]
    except RuntimeError as error:
        if platform is None:
            raise CommandError(f"JAX finds no device: {error}") from None
        wanted = "; for an NVIDIA GPU install jaxmlp[cuda]" if platform == "gpu" else ""
        raise CommandError(f"JAX has no {platform} device here{wanted}.") from None


def _write(lines: Iterable[str]) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)
    sys.stdout.flush()


class _Progress:
    """One line on a terminal that says how far the run is, and nothing anywhere else."""

    def __init__(self, stream: TextIO):
        self._stream, self._shown = stream, stream.isatty()
        self._start = time.perf_counter()

    def watch(self, claims: Iterable["Claim"]) -> Iterable["Claim"]:
        """`claims`, counted as they pass."""
        self._say("starting")
        for count, claim in enumerate(claims, start=1):
            self._say(f"{count} claims, {time.perf_counter() - self._start:.0f} s   {claim.lecture}  {claim.name}")
            yield claim

    def _say(self, line: str) -> None:
        if self._shown:
            self._stream.write(f"\r\x1b[K{line[: shutil.get_terminal_size().columns - 1]}")
            self._stream.flush()

    def clear(self) -> None:
        """Leave an empty line for what is printed next."""
        self._say("")


def _painter(stream: TextIO) -> Callable[[str, str], str]:
    """How to color text for `stream`: not at all where it is no terminal, or the user would rather not."""
    colors = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return (lambda code, text: f"\x1b[{code}m{text}\x1b[0m") if colors else (lambda code, text: text)


def _check_destination(path: Path) -> None:
    """Fail before the work rather than after it."""
    if path.is_dir():
        raise CommandError(f"cannot write {path}: it is a directory.")
    if not path.parent.is_dir():
        raise CommandError(f"cannot write {path}: there is no directory {path.parent}.")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise CommandError(f"cannot write {path}: no permission.")


def _write_json(path: Path, document: dict[str, Any]) -> None:
    """Write beside `path` and move it there, so that no reader ever sees half a file."""
    text = json.dumps(document, indent=1, allow_nan=False) + "\n"
    try:
        if path.exists() and not path.is_file():  # a pipe or a device: nothing to replace
            path.write_text(text, encoding="utf-8")
            return
        target = path.resolve()
        beside = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        try:
            beside.write_text(text, encoding="utf-8")
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise CommandError(f"cannot write {path}: {error.strerror or error}.") from None
