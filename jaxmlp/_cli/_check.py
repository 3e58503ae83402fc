"""`jaxmlp check`: the gradient that a file holds."""

import argparse
import shutil
import sys
from pathlib import Path
from typing import Any, TextIO, TYPE_CHECKING

from ._files import write_whole
from ._limit import is_limited, limit, limited
from ._parser import seconds, TakesFile
from ._source import named, program, running
from ._terminal import busy, CommandError, loading, wants_color, write


if TYPE_CHECKING:
    from ..verify import GradientReport


STATUS = {"right": 0, "wrong": 1, "undecided": 2}
LANGUAGES = ("en", "ko")
PLATFORMS = ("cpu", "gpu", "tpu")
DTYPES = ("float16", "bfloat16", "float32", "float64")
STANDARD_OUTPUT = Path("-")
NARROWEST, WIDEST = 60, 100

_DESCRIPTION = """\
Run a file, and check the hand-written gradient in it.

The report says whether it is right, which line is wrong, and what the mistake
is. FILE, which `jaxmlp new FILE` writes to begin with, defines

  loss(params, *args)        a number; JAX must be able to differentiate it
  hand_grads(params, *args)  its gradient, a tree like params; may also be
                             called grads
  inputs()                   where to check; may also be called make, or be a
                             tuple. It gives (params, *args) or
                             (params, (arg, ...)), whichever fits `loss`

FILE is run as Python runs it, so check only files that you would run; but its
name is not __main__, so what stands under `if __name__ == "__main__":` stays
out. What it prints goes to standard error, as often as its functions are
called: a check calls them at several points.

The exit status is 0 if the gradient is right, 1 if it is wrong, 2 if nothing
can be decided or FILE cannot be used, and 130 after Ctrl-C.
"""
_EXAMPLES = """\
examples:
  jaxmlp check backprop.py
  jaxmlp check backprop.py --grads backward --has-value
  jaxmlp check backprop.py --dtype bfloat16 --platform gpu
  jaxmlp check backprop.py --html report.html
  jaxmlp check backprop.py --json - | jq .verdict
  jaxmlp check backprop.py --time-limit 60
"""


def add_check(commands: Any) -> None:
    """Add the command to the parser's `commands`."""
    check = commands.add_parser(
        "check",
        help="run a file, and check the hand-written gradient in it",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        usage="%(prog)s FILE [OPTION ...]",
    )
    check.add_argument("file", action=TakesFile, metavar="FILE", help="a Python file; it is run")
    names = check.add_argument_group("names in the file, if they are others (MODEL.loss reaches into MODEL)")
    names.add_argument("--loss", metavar="NAME", help="the loss (default: loss)")
    names.add_argument("--grads", metavar="NAME", help="its gradient by hand (default: grads or hand_grads)")
    names.add_argument("--inputs", metavar="NAME", help="where to check (default: inputs or make)")
    check.add_argument("--has-value", action="store_true", help="the gradient function returns (value, gradient)")
    check.add_argument("--platform", choices=PLATFORMS, help="where to compute (default: JAX's choice)")
    check.add_argument(
        "--dtype",
        choices=DTYPES,
        help="convert all floating inputs to this first (default: as the file has them)",
    )
    check.add_argument("--lang", choices=LANGUAGES, default=LANGUAGES[0], help="of the report (default: en)")
    check.add_argument(
        "--time-limit",
        type=seconds,
        metavar="SECONDS",
        help="stop after so long, and say which line was running (default: never)",
    )
    for option, form in (("--html", "a page"), ("--json", "JSON")):
        shown = f"also write the report as {form}; - prints it instead"
        check.add_argument(option, type=_destination, action=TakesFile, metavar="PATH", help=shown)
    check.set_defaults(run=_check)


def _destination(text: str) -> Path:
    """A path that stays what it is if FILE goes to another folder."""
    return STANDARD_OUTPUT if text == str(STANDARD_OUTPUT) else Path(text).absolute()


def _check(args: argparse.Namespace) -> int:
    if args.time_limit and not is_limited():
        return limited(args.argv, args.file, args.time_limit)
    printed = [path for path in (args.html, args.json) if path == STANDARD_OUTPUT]
    if len(printed) > 1:
        raise CommandError("--html - and --json - cannot both have standard output: name a file for one.")
    with busy(f"checking {args.file} ...", sys.stderr) as others:
        report = _report(args, others)
    if not printed:
        columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else WIDEST
        width = max(NARROWEST, min(columns, WIDEST))
        write([report.text(lang=args.lang, color=wants_color(sys.stdout), width=width)])
    for path, shown in ((args.html, lambda: report.to_html(lang=args.lang)), (args.json, report.to_json)):
        if path == STANDARD_OUTPUT:
            write([shown()], encoding="utf-8")
        elif path:
            write_whole(path, shown() + "\n")
    if not args.has_value and _is_pair(report):
        sys.stderr.write("jaxmlp: if the gradient function returns (value, gradient), say --has-value.\n")
    return STATUS[report.verdict]


def _report(args: argparse.Namespace, others: TextIO) -> "GradientReport":
    code = program(args.file)

    with loading():
        from .._placement import placed
        from ..verify import check
        from ._inputs import called_with

    try:
        with limit(args.time_limit), placed((), platform=args.platform), running(code, prints=others) as module:
            loss = named(module, "loss", _names(args.loss, "loss"), callable, "a function")
            grads = named(module, "grads", _names(args.grads, "grads", "hand_grads"), callable, "a function")
            inputs = named(
                module,
                "inputs",
                _names(args.inputs, "inputs", "make"),
                lambda value: callable(value) or isinstance(value, tuple | list),
                "a tuple, or a function that returns one",
            )
            inputs = called_with(loss, grads, inputs)
            with placed(inputs, platform=args.platform, dtype=args.dtype) as inputs:
                return check(loss, grads, *inputs, has_value=args.has_value)
    except LookupError as error:
        raise CommandError(error) from None


def _is_pair(report: "GradientReport") -> bool:
    """Whether the gradient came as the second of something, where `params` is no such thing."""
    found = {path for finding in report.findings for path in finding.leaves}
    return "0" in found and "2" not in found and not any(leaf.path.split(".")[0] == "0" for leaf in report.leaves)


def _names(chosen: str | None, *usual: str) -> tuple[str, ...]:
    return (chosen,) if chosen else usual
