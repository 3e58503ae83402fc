"""The command `jaxmlp`. Each subcommand imports what it needs when it runs, so that `--help` does not wait for JAX."""

import argparse
import json
import math
import os
import shutil
import sys
import textwrap
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
    from .lectures import LECTURES, run

    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    table, progress = _Table(sys.stdout, explain=args.explain), _Progress(sys.stderr)
    claims: list[Claim] = []
    with jax.default_device(device) if args.platform else nullcontext():
        for id, of_lecture in groupby(progress.watch(run(args.lecture, dtype=args.dtype)), lambda c: c.lecture):
            done = list(of_lecture)
            claims += done
            progress.clear()
            table.write(id, LECTURES[id].title, done)

    failed = [claim for claim in claims if not claim.ok]
    table.write_failed(failed)
    seconds = time.perf_counter() - start
    if args.json:
        _write_json(args.json, _as_json(claims, device.platform, seconds))
    count = f"{len(claims)} claims, {len(claims) - len(failed)} hold"
    sys.stdout.write(f"{count} ({seconds:.1f} s, {device.platform}, {args.dtype})\n")
    sys.stdout.flush()
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


class _Table:
    """Claims as rows of text."""

    def __init__(self, stream: TextIO, *, explain: bool):
        self._stream, self._explain = stream, explain
        self._color = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def write(self, id: str, title: str, claims: list["Claim"]) -> None:
        """The table of one lecture."""
        head = f"lecture {id}" if id.isdigit() else id
        count = f"{len(claims)} claims, {sum(claim.ok for claim in claims)} hold"
        self._write(f"{self._paint('1', f'{head}: {title}')}  ({count})\n")
        name = max(len(claim.name) for claim in claims)
        value = max(12, *(len(_show(v)) for claim in claims for v in (claim.printed, claim.computed)))
        self._write(
            f"  {'claim':<{name}}  {'printed':>{value}}  {'computed':>{value}}  {'off by':>8}  {'allowed':>8}\n"
        )
        for (text, source), alike in groupby(claims, lambda claim: (claim.text, claim.source)):
            if self._explain:
                self._paragraph(text)
                self._paragraph(f"allowed: {source}")
            for claim in alike:
                off, allowed = _differences(claim)
                row = f"{claim.name:<{name}}  {_show(claim.printed):>{value}}  {_show(claim.computed):>{value}}"
                self._write(f"  {row}  {off:>8}  {allowed:>8}  {self._verdict(claim)}\n")
        self._write("\n")

    def write_failed(self, claims: list["Claim"]) -> None:
        """What does not hold, once more and in full."""
        for claim in claims:
            self._write(f"{self._verdict(claim)}  {claim.lecture}  {claim.name}\n")
            self._paragraph(f"printed {claim.printed!r}, computed {claim.computed!r}, allowed {claim.tolerance:.3g}")
            self._paragraph(f"allowed: {claim.source}")
            self._paragraph(claim.text)
        if claims:
            self._write("\n")

    def _paragraph(self, text: str) -> None:
        for line in textwrap.wrap(text, 100, initial_indent="    ", subsequent_indent="    "):
            self._write(f"{self._paint('2', line)}\n")

    def _verdict(self, claim: "Claim") -> str:
        return self._paint("32", "ok") if claim.ok else self._paint("1;31", "FAIL")

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._color else text

    def _write(self, text: str) -> None:
        self._stream.write(text)


def _show(value: Any) -> str:
    """A value in few characters: nine digits tell any two float32 numbers apart."""
    if isinstance(value, tuple):
        return f"({', '.join(map(_show, value))})"
    return f"{value:.9g}" if isinstance(value, float) else str(value)


def _differences(claim: "Claim") -> tuple[str, str]:
    if not claim.tolerance:
        return ("" if claim.ok else "differs"), "equal"
    return (f"{claim.error:.1e}" if claim.error else "0"), f"{claim.tolerance:.1e}"


def _as_json(claims: list["Claim"], platform: str, seconds: float) -> dict[str, Any]:
    fields: tuple[tuple[str, Callable], ...] = (
        ("lecture", lambda claim: claim.lecture),
        ("name", lambda claim: claim.name),
        ("printed", lambda claim: _strict(claim.printed)),
        ("computed", lambda claim: _strict(claim.computed)),
        ("tolerance", lambda claim: claim.tolerance),
        ("ok", lambda claim: claim.ok),
    )
    rows = [{name: read(claim) for name, read in fields} for claim in claims]
    return {"claims": rows, "platform": platform, "seconds": round(seconds, 3)}


def _strict(value: Any) -> Any:
    """`value` as strict JSON has it: no NaN and no infinity, but their names."""
    if isinstance(value, tuple):
        return [_strict(element) for element in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


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
