"""An optax optimizer from its name and arguments on the command line; nothing is evaluated but calls of optax."""

import ast
import difflib
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import optax

from ._terminal import CommandError


DEFAULT_RATE = 0.01


def optimizer_of(text: str, settings: Sequence[str]) -> tuple[optax.GradientTransformation, str]:
    """The optimizer that `text` names, with `name=value` arguments added, and how Python would write it.

    `text` is a name such as `adam`, or a call with literals and further calls of optax for arguments, such as
    `chain(clip_by_global_norm(1.0), sgd(cosine_decay_schedule(0.1, 1000), momentum=0.9))`. A learning rate that is
    required and not given is 0.01.

    Raises:
      CommandError: it is no such call, optax has no such name, the arguments do not fit, or it makes no optimizer.
    """
    call = _parsed(text, f"--optimizer {text}")
    if not isinstance(call, ast.Call | ast.Name):
        raise CommandError(f"--optimizer {text} is not the name of an optax optimizer, or a call of one.")
    if isinstance(call, ast.Name):
        call = ast.Call(call, [], [])
    given = dict(_setting(setting) for setting in settings)
    call.keywords += [ast.keyword(name, value) for name, value in given.items()]
    if isinstance(call.func, ast.Name) and not call.args and "learning_rate" not in {k.arg for k in call.keywords}:
        parameters = inspect.signature(_function(call.func)).parameters
        if "learning_rate" in parameters and parameters["learning_rate"].default is inspect.Parameter.empty:
            call.keywords.insert(0, ast.keyword("learning_rate", ast.Constant(DEFAULT_RATE)))
    optimizer, written = _value(call), ast.unparse(call)
    if not (hasattr(optimizer, "init") and hasattr(optimizer, "update")):
        raise CommandError(f"--optimizer {written} makes a {type(optimizer).__name__}, and no optimizer.")
    return optimizer, written


def _parsed(text: str, what: str) -> ast.expr:
    try:
        return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError):
        said = f"{what} cannot be read: write it as in Python, as adam(learning_rate=0.01)."
        raise CommandError(said) from None


def _setting(text: str) -> tuple[str, ast.expr]:
    name, equals, value = text.partition("=")
    if not (equals and name.isidentifier()):
        raise CommandError(f"--set {text} must be of the form name=value, such as learning_rate=0.1.")
    return name, _parsed(value, f"--set {text}")


def _value(node: ast.expr) -> Any:
    """A call of optax, or a literal."""
    if isinstance(node, ast.Call):
        function = _function(node.func)
        if any(keyword.arg is None for keyword in node.keywords) or any(isinstance(a, ast.Starred) for a in node.args):
            raise CommandError(f"{ast.unparse(node)} cannot be read: write its arguments out.")
        arguments = [_value(argument) for argument in node.args]
        named = {str(keyword.arg): _value(keyword.value) for keyword in node.keywords}
        try:
            return function(*arguments, **named)
        except (TypeError, ValueError) as error:
            raise CommandError(f"{ast.unparse(node)} does not fit {_signature(function)}: {error}.") from None
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise CommandError(f"{ast.unparse(node)} is neither a number nor a call of optax.") from None


def _function(node: ast.expr) -> Callable[..., Any]:
    name = ast.unparse(node)
    function = getattr(optax, name, None) if isinstance(node, ast.Name) and not name.startswith("_") else None
    if not inspect.isfunction(function) or not function.__module__.startswith("optax."):
        close = difflib.get_close_matches(name, [each for each in dir(optax) if each.islower() and each[0] != "_"], n=1)
        raise CommandError(f"optax has no function {name}.{f' Did you mean {close[0]}?' if close else ''}")
    return function


def _signature(function: Callable[..., Any]) -> str:
    return f"{function.__name__}({', '.join(inspect.signature(function).parameters)})"
