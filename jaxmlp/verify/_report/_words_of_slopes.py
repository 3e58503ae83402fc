"""What a report says of the derivatives of activations."""

from typing import Any

from ._finding import finding, phrase, Place as Place
from ._gradient_report import Finding
from ._sentence import Sentence


def missing_slope(
    paths: tuple[str, ...], *, slope: str | None = None, at: str | None = None, place: Place | None = None
) -> Finding:
    """`slope` as code, such as "a1 * (1 - a1)"; or `at`, the value where it is taken, such as "z1"."""
    return finding("missing-activation-derivative", paths, place, table="missing-slope", slope=_slope(slope, at))


def missing_softmax(paths: tuple[str, ...], *, place: Place | None = None) -> Finding:
    """The derivative of a softmax is no factor, as the slope of another activation is."""
    return finding("missing-activation-derivative", paths, place, table="missing-softmax")


def extra_slope(
    paths: tuple[str, ...], *, slope: str | None = None, at: str | None = None, place: Place | None = None
) -> Finding:
    return finding("extra-activation-derivative", paths, place, table="extra-slope", slope=_slope(slope, at))


def wrong_slope(
    paths: tuple[str, ...],
    *,
    used: str | None = None,
    slope: str | None = None,
    at: str | None = None,
    place: Place | None = None,
) -> Finding:
    """`used` is the slope that stands there."""
    facts: dict[str, Any] = {"sentence": "used" if used else "message", "used": used, "slope": _slope(slope, at)}
    return finding("wrong-activation-derivative", paths, place, table="wrong-slope", **facts)


def not_the_slope(
    paths: tuple[str, ...], *, slope: str | None = None, at: str | None = None, place: Place | None = None
) -> Finding:
    """Where a line gives what is to be the slope, by itself, as `da_dz = 1 - a` does."""
    facts: dict[str, Any] = {"sentence": "alone", "slope": _slope(slope, at)}
    return finding("wrong-activation-derivative", paths, place, table="wrong-slope", **facts)


def matrix_product(paths: tuple[str, ...], *, of_a_slope: bool, place: Place | None = None) -> Finding:
    """A product of matrices where one of their numbers belongs, perhaps of a slope of an activation."""
    cause = "wrong-activation-derivative" if of_a_slope else "wrong-operand"
    return finding(cause, paths, place, table="matrix-product")


def _slope(slope: str | None, at: str | None) -> Sentence:
    return phrase("slope", "at", at=at) if slope is None else phrase("slope", slope=slope)


def softmax_diagonal(paths: tuple[str, ...], *, place: Place | None = None) -> Finding:
    return finding("softmax-jacobian-diagonal-only", paths, place, table="softmax-diagonal")
