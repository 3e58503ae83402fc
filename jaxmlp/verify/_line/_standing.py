"""What the values of a candidate are known to be, as they stand."""

from collections.abc import Sequence
from functools import cached_property

from .._program._sites import results, Site
from .._program._trace import Atom, Literal
from ._bench import Bench
from ._known import Knowledge, Quantity
from ._matching import Known
from ._roles import Roles


class Standing:
    """What the values of a program are known to be, while the leaves `wrong` are wrong."""

    def __init__(
        self, bench: Bench, sites: Sequence[Site], knowledge: Knowledge, known: Known, wrong: Sequence[str]
    ) -> None:
        self.bench, self.sites, self.knowledge, self.known, self.wrong = bench, sites, knowledge, known, wrong
        self.quantities: dict[Atom, Quantity | None] = {}

    def is_innocent(self, atom: Atom) -> bool:
        """Whether a value is right in itself: a number, an argument, or something known."""
        return isinstance(atom, Literal) or atom in self.bench.program.inputs or self._quantity(atom) is not None

    def is_returned(self, variable: int) -> bool:
        """Whether a result is what is returned as a leaf that is wrong: there nothing but its cotangent is right."""
        makers = (self.bench.program.makers[self.bench.leaves[path]] for path in self.wrong)
        return any(variable in self.bench.program.equations[maker].inputs for maker in makers)

    def is_as_known(self, variable: int) -> bool:
        """Whether a result is, as it stands, a known quantity: it may be used wrongly then, but is not wrong."""
        values = self.bench.run.at(variable)
        scale = self.known.scale(values)
        if scale is not None:
            return scale in self.scales
        quantity = self._quantity(variable)
        return quantity is not None and quantity.kind != "part"

    def is_a_value(self, variable: int) -> bool:
        """Whether a result is a value of the forward pass of the loss."""
        quantity = self._quantity(variable)
        return quantity is not None and quantity.kind == "value"

    def _quantity(self, atom: Atom) -> Quantity | None:
        """The known quantity that a value is, cotangents in the scale of the author."""
        if atom not in self.quantities:
            self.quantities[atom] = self.known.find(self.bench.run.at(atom), self.scales)
        return self.quantities[atom]

    @cached_property
    def roles(self) -> Roles:
        """What belongs beside what the runs of a statement read."""
        return Roles(self.bench, self.knowledge, self.known, self.scales)

    @cached_property
    def scales(self) -> tuple[float, ...]:
        """The factors by which what statements give on the way to right leaves is a cotangent."""
        scales = {1.0}
        bench = self.bench
        right = {i for path in bench.leaves if path not in self.wrong for i in bench.order[path]}
        given = {out for site in self.sites for instance in site.instances for out in results(bench.program, instance)}
        for variable in sorted(out for out in given if bench.program.makers[out] in right):
            scale = self.known.scale(bench.run.at(variable))
            if scale is not None:
                scales.add(scale)
        return tuple(scales)
