"""What a report says of one part of a line, where the rest of the line is right.

Each takes the cause besides, which is that of the line: a sign is wrong in a gradient, in a slope, in a forward value.
The part is code as it stands in the line; None where that is not known.
"""

from collections.abc import Sequence

from ._finding import finding, phrase, Place as Place
from ._gradient_report import Finding
from ._sentence import Sentence


def term_sign(
    paths: tuple[str, ...], *, cause: str = "sign", term: str | None = None, place: Place | None = None
) -> Finding:
    """`term` is what is added or subtracted, or the argument of a function."""
    return finding(cause, paths, place, table="term-sign", term=_code(term))


def other_sign(paths: tuple[str, ...], *, place: Place | None = None) -> Finding:
    """A value of the forward pass."""
    return finding("wrong-forward", paths, place, table="other-sign")


def part_scale(
    paths: tuple[str, ...],
    *,
    times: float,
    cause: str = "scale-constant",
    part: str | None = None,
    place: Place | None = None,
) -> Finding:
    """`times` is how many times the part is what it must be."""
    return finding(cause, paths, place, table="part-scale", part=_code(part), times=times)


def another_reduction(
    paths: tuple[str, ...],
    *,
    part: str,
    is_a_mean: bool,
    cause: str = "scale-batch",
    place: Place | None = None,
) -> Finding:
    """A mean in the place of a sum, or a sum in that of a mean."""
    used, instead = Sentence("phrase.mean"), Sentence("phrase.sum")
    used, instead = (used, instead) if is_a_mean else (instead, used)
    return finding(cause, paths, place, table="another-reduction", part=f"`{part}`", used=used, instead=instead)


def another_power(
    paths: tuple[str, ...],
    *,
    part: str,
    used: float,
    instead: float,
    cause: str = "wrong-activation-derivative",
    place: Place | None = None,
) -> Finding:
    """`used` and `instead` are exponents, and `part` is what is raised to that power."""
    return finding(cause, paths, place, table="another-power", part=_code(part), used=used, instead=instead)


def extra_part(
    paths: tuple[str, ...], *, part: str, cause: str = "double-counted-term", place: Place | None = None
) -> Finding:
    """`part` is a divisor or a term that does not belong there."""
    return finding(cause, paths, place, table="extra-part", part=_code(part))


def extra_factor_of(
    paths: tuple[str, ...], *, part: str, cause: str = "extra-factor", place: Place | None = None
) -> Finding:
    """`part` is a factor that does not belong there."""
    return finding(cause, paths, place, table="extra-part", part=phrase("factor", what=part))


def inverted(paths: tuple[str, ...], *, part: str | None, divides: bool, place: Place | None = None) -> Finding:
    """`part` divides what it must multiply, or multiplies what it must divide."""
    cause, table = ("missing-factor", "divides") if divides else ("extra-factor", "multiplies")
    return finding(cause, paths, place, table=table, part=_code(part))


def missing_part(
    paths: tuple[str, ...], *, part: str, cause: str = "missing-term", place: Place | None = None
) -> Finding:
    """`part` is a term that the forward pass adds."""
    return finding(cause, paths, place, table="missing-part", part=_code(part))


def missing_factor_of(
    paths: tuple[str, ...], *, part: str, cause: str = "missing-factor", place: Place | None = None
) -> Finding:
    """`part` is a factor that belongs there."""
    return finding(cause, paths, place, table="missing-factor", what=phrase("factor", what=part))


def factor_inside(paths: tuple[str, ...], *, by: str | None, value: str | None, place: Place | None = None) -> Finding:
    """`by` multiplies a sum, and belongs to `value`, which is summed; None where one has no name."""
    table = "factor-inside" if by and value else "factor-inside-somewhere"
    return finding("missing-factor", paths, place, table=table, by=by, value=value)


def reshaped(paths: tuple[str, ...], *, order: tuple[int, ...], place: Place | None = None) -> Finding:
    """`order` is that of the axes which must be there before the array is given another shape."""
    return finding("transposed", paths, place, table="reshaped", order=order)


def elsewhere(
    paths: tuple[str, ...],
    *,
    array: str | None = None,
    was: Sequence[int],
    instead: Sequence[int],
    place: Place | None = None,
) -> Finding:
    """`was` is where the part of `array` begins that is read, or that is written if there is none, `instead` where it
    must begin.
    """
    begins, must = tuple(map(int, was)), tuple(map(int, instead))
    if array is None:
        return finding("wrong-operand", paths, place, table="written-elsewhere", was=begins, instead=must)
    return finding("wrong-operand", paths, place, table="read-elsewhere", array=array, was=begins, instead=must)


def another_name(
    paths: tuple[str, ...], *, used: str, instead: str, cause: str = "wrong-operand", place: Place | None = None
) -> Finding:
    """`used` stands where `instead` belongs."""
    return finding(cause, paths, place, table="wrong-operand", used=used, instead=instead)


def another_pair(
    paths: tuple[str, ...], *, one: str, other: str, first: str, second: str, place: Place | None = None
) -> Finding:
    """`one` and `other` are used where `first` and `second` belong."""
    return finding(
        "off-by-one-layer", paths, place, table="another-pair", one=one, other=other, first=first, second=second
    )


def loss_itself(paths: tuple[str, ...], *, place: Place | None = None) -> Finding:
    return finding("wrong-operand", paths, place, table="loss-itself")


def parameter_itself(paths: tuple[str, ...], *, used: str, place: Place | None = None) -> Finding:
    """`used` is the parameter whose gradient it is, as code."""
    return finding("wrong-operand", paths, place, table="parameter-itself", used=used)


def gradient_sent_back(paths: tuple[str, ...], *, used: str, place: Place | None = None) -> Finding:
    """`used` is the gradient of another parameter, as code."""
    return finding("wrong-operand", paths, place, table="gradient-sent-back", used=used)


def overwritten(paths: tuple[str, ...], *, place: Place | None = None) -> Finding:
    return finding("missing-term", paths, place, table="overwritten")


def last_for_first(paths: tuple[str, ...], *, place: Place | None = None) -> Finding:
    return finding("wrong-operand", paths, place, table="last-for-first")


def put_twice(paths: tuple[str, ...], *, place: Place | None = None) -> Finding:
    """Where rows come together, as those of a table of embeddings do."""
    return finding("missing-term", paths, place, table="put-twice")


def penalty_alone(paths: tuple[str, ...], *, place: Place | None = None) -> Finding:
    return finding("missing-term", paths, place, table="penalty-alone")


def _code(part: str | None) -> str:
    return Sentence("phrase.part") if part is None else f"`{part}`"


def lost_axis(paths: tuple[str, ...], *, axes: Sequence[int], place: Place | None = None) -> Finding:
    """A sum over the right `axes` that does not keep them, so that what reads it broadcasts it along another axis."""
    named = ", ".join(map(str, axes))
    return finding("wrong-reduction-axis", paths, place, table="lost-axis", axes=named)


def half_a_turn(paths: tuple[str, ...], *, is_turned: bool, place: Place | None = None) -> Finding:
    """The kernel of a convolution is turned by half a turn where it must not be, or is not where it must be."""
    return finding("wrong-operand", paths, place, table="turned-kernel" if is_turned else "unturned-kernel")


def class_numbers(paths: tuple[str, ...], *, count: int, place: Place | None = None) -> Finding:
    """The number of a class is taken from its probabilities, and not its one-hot row of `count` numbers."""
    return finding("wrong-operand", paths, place, table="class-numbers", count=count)


def another_term(paths: tuple[str, ...], *, place: Place | None = None) -> Finding:
    """Of the terms of the loss only some have their gradients in the sum."""
    return finding("loss-mismatch", paths, place, table="another-term")


def always_the_same(paths: tuple[str, ...], *, number: float, place: Place | None = None) -> Finding:
    """A value of the forward pass that is one number, at whatever parameters."""
    return finding("wrong-forward", paths, place, table="always-the-same", number=float(f"{number:.4g}"))
