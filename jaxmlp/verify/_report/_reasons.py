"""What a report says beside its findings: why nothing can be decided, and what speaks for a verdict."""

from typing import Any

from ._sentence import Sentence


def no_truth(value: float) -> Sentence:
    return Sentence("reason.no-truth", value=value)


def zero_everywhere() -> Sentence:
    return Sentence("reason.zero-everywhere")


def at_a_kink(paths: tuple[str, ...]) -> Sentence:
    return Sentence("reason.at-a-kink", paths=paths)


def only_of_symmetry(paths: tuple[str, ...]) -> Sentence:
    return Sentence("reason.only-of-symmetry", paths=paths)


def drowned(paths: tuple[str, ...]) -> Sentence:
    return Sentence("reason.drowned", paths=paths)


def only_in(dtypes: dict[str, Any], refusal: BaseException) -> Sentence:
    names = tuple(sorted({str(dtype) for dtype in dtypes.values()}))
    return Sentence("reason.only-in", dtypes=names, refusal=first_line(refusal))


def first_line(refusal: BaseException) -> str:
    """The kind of an error and the first line of what it says."""
    return f"{type(refusal).__name__}: {next(iter(str(refusal).splitlines()), '')}"


def corrected(paths: tuple[str, ...], error: float) -> Sentence:
    """The evidence for a line: the error that is left in the leaves once it computes what it must."""
    return Sentence("evidence.corrected", paths=paths, error=error)


def in_the_loss() -> Sentence:
    """What the line is, of a gradient that cannot be looked into."""
    return Sentence("evidence.in-the-loss")


def planted(caught: int, planted: int, stand_in: bool = False) -> Sentence:
    """How many of the mistakes that were planted on purpose this check caught, at this point."""
    return Sentence("note.planted-in-autodiff" if stand_in else "note.planted", caught=caught, planted=planted)


def survivors(which: str, count: int, reason: str) -> Sentence:
    """The heading of the planted mistakes that `"survive"`, or that show only at the points `"nearby"`, and why."""
    return Sentence(f"note.{which}", count=count, reason=reason)


def survives_one_example() -> Sentence:
    return Sentence("note.one-example")


def survives_data(names: tuple[str, ...]) -> Sentence:
    return Sentence("note.data", names=names)


def survives_small() -> Sentence:
    return Sentence("note.small")


def survives_point() -> Sentence:
    return Sentence("note.special")
