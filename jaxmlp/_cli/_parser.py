"""How arguments are read: by argparse, with errors that are a sentence and not the whole usage."""

import argparse
import difflib
import math
import re
from collections.abc import Sequence
from typing import Any, NoReturn

from ._terminal import USAGE


COMMAND = "COMMAND"
"""What stands for one of the commands."""


class Parser(argparse.ArgumentParser):
    """A parser whose errors say what to do; `args.parser` is the one of the command that was given."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, **options)
        self.set_defaults(parser=self)

    def error(self, message: str) -> NoReturn:
        """Leave with `message`, one of argparse's."""
        self.exit(USAGE, f"{self.prog}: {_plain(message)}\nSee {self.prog} --help.\n")

    def refuse(self, unknown: str) -> NoReturn:
        """Leave with what is to be said of an argument that no parser knows."""
        if not unknown.startswith("-"):
            self.error(f"{unknown} is one argument too many.")
        option = unknown.partition("=")[0]
        self.error(f"there is no option {option}.{meant(option, re.findall('--[a-z-]+', self.format_help()))}")


def seed(text: str) -> int:
    """A whole number that fits the 32 bits of JAX's integers."""
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a whole number, got {text}.") from None
    if not -(2**31) <= value < 2**31:
        raise argparse.ArgumentTypeError(f"must be a whole number of at most 32 bits, got {text}.")
    return value


def count(text: str) -> int:
    """A whole number of at least 1."""
    if not text.strip().isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, got {text}.")
    return int(text)


def number(text: str) -> float:
    """A finite number."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"must be a number, got {text}.")
    return value


def seconds(text: str) -> float:
    """A number above 0."""
    value = number(text)
    if value <= 0:
        raise argparse.ArgumentTypeError(f"must be above 0, got {text}.")
    return value


class TakesFile(argparse.Action):
    """Stores a path, which the shell completes; `complete` is for shtab."""

    complete = "file"

    def __call__(self, parser: argparse.ArgumentParser, namespace: Any, values: Any, _: str | None = None) -> None:
        setattr(namespace, self.dest, values)


class TakesFolder(TakesFile):
    """Stores the path of a folder."""

    complete = "directory"


# What argparse says, with the name of an argument first.
_WRONG = re.compile(r"argument (\S+): (.*)")
_MISSING = re.compile(r"the following arguments are required: (.*)")
_CHOICE = re.compile(r"invalid choice: '?(.*?)'? \(choose from (.*)\)")
_NO_VALUE = re.compile("expected .* argument")


def _plain(message: str) -> str:
    if found := _MISSING.fullmatch(message):
        return f"{found[1]} is missing."
    if not (found := _WRONG.fullmatch(message)):
        return message
    name, wrong = found.groups()
    if found := _CHOICE.fullmatch(wrong):
        given, choices = found[1], found[2].replace("'", "").split(", ")
        head = f"there is no command {given}." if name == COMMAND else f"{name} cannot be {given}."
        is_file = name == COMMAND and given.endswith(".py")
        asked = f" Did you mean check {given}?" if is_file else meant(given, choices)
        return f"{head}{asked} Choose from {', '.join(choices)}."
    if _NO_VALUE.fullmatch(wrong):
        return f"{name} needs a value."
    return f"{name} {wrong}" if wrong.startswith("must be ") else f"{name}: {wrong}"


def meant(given: str, names: Sequence[str]) -> str:
    """The question whether one of `names` was meant, if one is close."""
    close = difflib.get_close_matches(given, names, n=1)
    return f" Did you mean {close[0]}?" if close else ""
