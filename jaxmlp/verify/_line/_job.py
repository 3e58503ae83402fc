"""A correction of a statement that is to be tried, and how much it takes to believe it."""

from dataclasses import dataclass
from functools import cached_property

from .._program._sites import Site
from ._edits import Edit
from ._offers import Instances, Offer


_LITTLE = 1.0
"""What an edit costs of which there are few of a statement."""

_INNOCENT = 1.2
"""What it costs to blame a statement that computes a known quantity: another may only have been meant."""

_DOUBTFUL = 0.35
"""What it costs to change the result of a statement that reads something unknown, which may be wrong itself, or that
gives a cotangent in a scale which another line may divide out."""

_INSIDE = 0.55
"""What it costs to put in place what the loss computes on the way through an activation, and nobody has a name for: an
operand still costs less than a result that is all replaced."""

_FITS, _OVERWRITES = 0.6, 0.9
"""What it takes off the cost that a correction follows from what the statement reads, or adds what nothing has read yet
and the statement takes the name of."""


@dataclass(frozen=True, eq=False)
class Job:
    """A correction to be tried.

    Attributes:
      site: the statement.
      instances: those of its executions that are corrected.
      edit: the correction.
      wrong: the leaves that it may make right.
      innocent: whether what the statement computes is a known quantity as it stands.
      cheap: whether what it does to the leaves is told by inner products.
      doubtful: whether it changes the result of a statement that reads something unknown, or gives a cotangent in a
        scale of its own.
    """

    site: Site
    instances: Instances
    edit: Edit
    wrong: list[str]
    innocent: bool
    cheap: bool
    doubtful: bool = False

    @property
    def first(self) -> int:
        """The first equation that is corrected: of two corrections that do the same, the earlier one is believed."""
        return self.instances[0][0]

    @property
    def is_quick(self) -> bool:
        """Whether it is tried as long as what takes next to nothing: it does, or there are few such of a statement."""
        return self.cheap or self.edit.cost <= _LITTLE

    @cached_property
    def cost(self) -> float:
        """The cost of the correction, without that of a factor."""
        offer: Offer | None = self.edit.facts.get("offer")
        is_inside = offer is not None and offer.quantity is not None and offer.quantity.is_inside
        more = _INNOCENT * self.innocent + _DOUBTFUL * self.doubtful + _INSIDE * is_inside
        named = self.site.statement and self.site.statement.target
        overwrites = offer is not None and offer.is_unread and self.edit.kind == "plus" and offer.name == named
        return self.edit.cost + more - _FITS * self.fits - _OVERWRITES * overwrites

    @cached_property
    def fits(self) -> bool:
        """Whether what is put in place follows from what the statement reads."""
        return bool("offer" in self.edit.facts and self.edit.facts["offer"].fits)
