"""What a report says of a function that does something beside computing from its arguments."""

import math

from ._finding import finding, Place
from ._gradient_report import Finding
from ._reasons import first_line
from ._sentence import Sentence


def varies(name: str, paths: tuple[str, ...], change: float) -> Sentence:
    """`change` is by how much of its size the leaf changed that did most; inf where it did not come again."""
    key = "varies" if math.isfinite(change) else "varies-in-kind"
    return Sentence(f"reason.{key}", name=name, paths=paths, change=change)


def loss_varies(first: float, second: float) -> Sentence:
    return Sentence("reason.loss-varies", first=first, second=second)


def fails_again(name: str, refusal: BaseException) -> Sentence:
    return Sentence("reason.fails-again", name=name, refusal=first_line(refusal))


def nondeterministic(place: Place) -> Finding:
    return finding("nondeterministic", (), place)


def changes_arguments(name: str, changed: tuple[str, ...], place: Place) -> Finding:
    """`changed` names the arguments."""
    return finding("changes-arguments", (), place, function=name, changed=changed)
