"""A file of the user's, run as Python would run it, and what it defines."""

import difflib
import pkgutil
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, TextIO

from .._frames import without_our_frames
from ._parser import meant
from ._terminal import CommandError


MODULE = "__checked__"
"""The name under which the file runs: not `__main__`, so that what it keeps for a run as a program stays out."""

_MAIN = 'if __name__ == "__main__":'


def program(file: str) -> CodeType:
    """What `file` holds, compiled; nothing is run.

    Raises:
      CommandError: there is no such file, or it is not Python.
    """
    return _compiled(_existing(file))


@contextmanager
def running(code: CodeType, *, prints: TextIO) -> Iterator[ModuleType]:
    """The module that a `program` makes; within the context its functions can be called, and import their neighbours.

    What it prints goes to `prints`, so that standard output holds the report and nothing else.

    Raises:
      CommandError: it ends the program, or a line of it raised an error, which is shown as Python shows it, with the
        lines of the user's files only.
    """
    path = Path(code.co_filename)
    module = ModuleType(MODULE)
    module.__file__ = str(path)
    arguments, folders = sys.argv, sys.path
    sys.argv, sys.path = [str(path)], [str(path.parent), *folders]
    sys.modules[MODULE] = module
    try:
        with redirect_stdout(prints), _their_errors(path):
            exec(code, vars(module))
            yield module
    finally:
        sys.argv, sys.path = arguments, folders
        sys.modules.pop(MODULE, None)


def named(module: ModuleType, kind: str, names: tuple[str, ...], usable: Callable[[Any], bool], what: str) -> Any:
    """The one thing in `module` that is called by one of `names` and `usable`; a name may have dots.

    Raises:
      CommandError: there is none, or more than one; `kind` is the option that says which, `what` it must be.
    """
    file = Path(str(module.__file__)).name
    found = {name: value for name in names if (value := _attribute(module, name)) is not None}
    fitting = {name: value for name, value in found.items() if usable(value)}
    if len(fitting) == 1:
        return next(iter(fitting.values()))
    either = " and ".join(f"`{name}`" for name in fitting)
    if fitting:
        raise CommandError(f"{file} has {either}: say which with --{kind} NAME.")
    if found:
        name, value = next(iter(found.items()))
        raise CommandError(f"`{name}` in {file} has type {type(value).__name__}, but must be {what}.")
    wanted = " or ".join(f"`{name}`" for name in names)
    raise CommandError(f"{file} has no {wanted}{_instead(module, kind, names, usable, what)}")


def _existing(file: str) -> Path:
    path = Path(file)
    if file == "-":
        raise CommandError("cannot check standard input: write the functions to a file.")
    if path.is_dir():
        raise CommandError(f"{file} is a directory: name a Python file in it.")
    if not path.exists():
        others = {other.stem: other for other in path.parent.glob("*.py")}
        close = difflib.get_close_matches(path.stem, others, n=1)
        raise CommandError(f"there is no file {file}.{f' Did you mean {others[close[0]]}?' if close else ''}")
    if path.suffix == ".ipynb":
        raise CommandError(f"{file} is a notebook: call `jaxmlp.check` in a cell of it, or export it as a .py file.")
    return path.resolve()


def _compiled(path: Path) -> CodeType:
    try:
        source = path.read_bytes()
    except OSError as error:
        raise CommandError(f"cannot read {path}: {error.strerror or error}.") from None
    if b"\0" in source:
        raise CommandError(f"{path.name} is not a Python file: it holds bytes that are no text.")
    try:
        return compile(source, str(path), "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        shown = "".join(traceback.format_exception_only(error)).rstrip()
        raise CommandError(f"{path.name} is not valid Python.\n\n{shown}") from None


@contextmanager
def _their_errors(path: Path) -> Iterator[None]:
    """Errors as sentences: those that a line of the user's raised with their traceback, the check's own without."""
    try:
        yield
    except CommandError:
        raise
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:
        full = traceback.format_exc()
        theirs = without_our_frames(error, keep=str(path)).__traceback__
        if isinstance(error, SystemExit):
            raise CommandError(_ended(error, path)) from None
        if theirs:
            shown = "".join(traceback.format_exception(error)).rstrip()
            raise CommandError(f"{path.name} raised an error.\n\n{shown}{_advice(error)}") from None
        if isinstance(error, (TypeError, ValueError, MemoryError, *_said_of_theirs())):
            raise CommandError(error) from None
        raise CommandError(f"the check itself failed, which is a mistake in jaxmlp:\n\n{full}") from None


def _said_of_theirs() -> tuple[type[Exception], ...]:
    """Errors that the check raises in the place of one of XLA's."""
    from ..verify._program._failures import CallbackError

    return (CallbackError,)


def _ended(error: SystemExit, path: Path) -> str:
    """Where the file ends the program: the line that runs as it is loaded, else the line in its function."""
    walked = traceback.walk_tb(error.__traceback__)
    lines = [(frame.f_code.co_name, line) for frame, line in walked if frame.f_code.co_filename == str(path)]
    loading = [line for name, line in lines if name == "<module>"]
    where = "".join(f"line {line} of " for line in loading[:1] or [line for _, line in lines[-1:]])
    said = f"{where}{path.name} ends the program (SystemExit: {error.code}), so nothing was checked."
    return f"{said}\nPut what is for running it as a program under `{_MAIN}`." if loading else said


def _advice(error: BaseException) -> str:
    if not isinstance(error, ModuleNotFoundError):
        return ""
    parent, _, last = (error.name or "").rpartition(".")
    if parent in sys.modules:
        inside = [found.name for found in pkgutil.iter_modules(getattr(sys.modules[parent], "__path__", ()))]
        return f"\n\n{parent} is installed, and has no module {last}.{meant(last, inside)}"
    return f"\n\njaxmlp runs the file with {sys.executable}: install what is missing there."


def _attribute(module: ModuleType, name: str) -> Any:
    value: Any = module
    for part in name.split("."):
        value = getattr(value, part, None)
    return value


def _instead(module: ModuleType, kind: str, names: tuple[str, ...], usable: Callable[[Any], bool], what: str) -> str:
    """What the file has that could have been meant, and what to do."""
    theirs = [
        name
        for name, value in vars(module).items()
        if not name.startswith("__")
        and usable(value)
        and not isinstance(value, type)
        and getattr(value, "__module__", MODULE) in (MODULE, "functools")
    ]
    if not theirs:
        return ", and defines no function. `jaxmlp new FILE` writes a file to begin with."
    close = [match for name in names for match in difflib.get_close_matches(name, theirs, n=1)]
    mean = f". Did you mean `{close[0]}`?" if close else f", which must be {what}."
    has = f"{', '.join(f'`{name}`' for name in theirs[:8])}{', ...' if len(theirs) > 8 else ''}"
    return f"{mean} It has {has}. Say which with --{kind} NAME."
