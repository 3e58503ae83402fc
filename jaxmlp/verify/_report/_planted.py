"""What planting mistakes in a right gradient showed: how many are caught, and which do not show, and why."""

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ._place import short_place
from ._reasons import planted, survivors
from ._sentence import MOST, said
from ._text import printable


if TYPE_CHECKING:
    from ._gradient_report import Line


@dataclass(frozen=True)
class Survivor:
    """A planted mistake that does not show.

    Attributes:
      cause: what kind of mistake, as in `Finding`.
      operation: the primitive that it was planted in, such as `"dot_general"`.
      line: where that stands, or None where it is not known.
      reason: one plain sentence on why it does not show.
    """

    cause: str
    operation: str
    line: "Line | None"
    reason: str


@dataclass(frozen=True)
class Power:
    """How many planted mistakes a check catches.

    Attributes:
      planted: how many mistakes were planted, one at a time.
      caught: how many of them the check would have called wrong.
      survivors: the others.
      nearby: of those caught, the ones that show only at the points near the caller's and not at that itself.
      stand_in: whether they were planted in `jax.grad` of the loss, because JAX cannot trace the gradient.
    """

    planted: int
    caught: int
    survivors: tuple[Survivor, ...] = ()
    nearby: tuple[Survivor, ...] = ()
    stand_in: bool = False

    def text(self, lang: str = "en") -> str:
        """A sentence with the count, and the lines of the mistakes that do not show at the caller's point.

        Raises:
          ValueError: if there is no language `lang`.
        """
        lines = [said(planted(self.caught, self.planted, self.stand_in), lang)]
        for which, group in (("survive", self.survivors), ("nearby", self.nearby)):
            for reason, count in Counter(one.reason for one in group).items():
                lines += ["", said(survivors(which, count, reason), lang)]
                places = Counter((_place(one), one.cause) for one in group if one.reason == reason)
                shown = places.most_common(MOST)
                lines += [
                    printable(f"  {place}: {cause}") + (f" ({n})" if n > 1 else "") for (place, cause), n in shown
                ]
                lines += ["  ..."] if len(places) > len(shown) else []
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.text()


def _place(survivor: Survivor) -> str:
    line = survivor.line
    return f"{short_place(line.file, line.number)}: `{line.text}`" if line else survivor.operation
