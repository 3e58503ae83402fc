"""What the values of a candidate are known to be, as they stand."""

from collections.abc import Sequence
from functools import cached_property

from .._program._sites import results, Site, wholes
from .._program._trace import Atom, Literal
from ._bench import Bench
from ._matching import Known, snapped
from ._quantities import Knowledge, Quantity
from ._relate import is_constant, is_zero, multiple, Values
from ._roles import Roles
from ._rows import rows


_SUMS = frozenset(("add", "add_any", "scatter-add", "scatter", "dynamic_update_slice"))


class Standing:
    """What the values of a program are known to be, while the leaves `wrong` are wrong."""

    def __init__(
        self, bench: Bench, sites: Sequence[Site], knowledge: Knowledge, known: Known, wrong: Sequence[str]
    ) -> None:
        self.bench, self.sites, self.knowledge, self.known, self.wrong = bench, sites, knowledge, known, wrong
        self.quantities: dict[Atom, Quantity | None] = {}

    def is_innocent(self, atom: Atom) -> bool:
        """Whether a value is right in itself: a number, an argument, something known, or what leads to a known value of
        the forward pass, as the `e` of `tanh = (e - 1) / (e + 1)`.
        """
        is_given = isinstance(atom, Literal) or atom in self.bench.program.inputs
        return is_given or self._quantity(atom) is not None or atom in self._on_the_way

    def is_right(self, atom: Atom) -> bool:
        """Whether a value is right in itself, or a simple multiple of what is: another line may divide it out. So is
        what one term of the loss has of a cotangent.
        """
        if self.is_innocent(atom) or self.known.is_simple_multiple(self.bench.run.at(atom)):
            return True
        return self._of_each_term.is_simple_multiple(self.bench.run.at(atom))

    @cached_property
    def _of_each_term(self) -> Known:
        each = [values for of_one in self.knowledge.of_each_term for values in of_one.values()]
        quantities = [Quantity("cotangent", values) for values in each if values[0].size > 1]
        return Known(
            [*quantities, *rows(quantities, frozenset(quantity.values[0].shape[0] for quantity in quantities))]
        )

    def is_returned(self, variable: int) -> bool:
        """Whether a result is what is returned as a leaf that is wrong: there nothing but its cotangent is right."""
        makers = (self.bench.program.makers[self.bench.leaves[path]] for path in self.wrong)
        return any(variable in self.bench.program.equations[maker].inputs for maker in makers)

    def is_as_known(self, variable: int) -> bool:
        """Whether a result is, as it stands, a known quantity: it may be used wrongly then, but is not wrong."""
        values = self.bench.run.at(variable)
        scale = self.known.scale(values, self.scales)
        if scale is not None:
            is_out_of_step = self._is_out_of_step(variable, scale) or self._scales_its_leaves(variable, scale)
            return scale in self.scales and not is_out_of_step
        quantity = self._quantity(variable)
        return self._is_of_an_argument(variable) or (quantity is not None and quantity.kind != "part")

    def is_in_a_scale(self, variable: int) -> bool:
        """Whether a result is a cotangent of several numbers up to a factor, as it stands."""
        values = self.bench.run.at(variable)
        return values[0].size > 1 and self.known.scale(values) is not None

    def _is_out_of_step(self, variable: int, scale: float) -> bool:
        """Whether a cotangent has another scale than all those with which one statement does the same, for leaves that
        are right: as in `[-g for g in grads]`, where one of them has its sign already.
        """
        program, users = self.bench.program, self.bench.program.users.get(variable, ())
        others = set()
        for user in users if len(users) == 1 else ():
            equation, site = program.equations[user], self._owners.get(user)
            for index in (i for run in site.instances for i in run) if site else ():
                other = program.equations[index]
                leads = self.bench.reached((index,))
                if other.name == equation.name and leads and not set(leads).intersection(self.wrong):
                    position = equation.inputs.index(variable)
                    others.add(self.known.scale(self.bench.run.at(other.inputs[position])))
        return bool(others) and None not in others and scale not in others

    def _scales_its_leaves(self, variable: int, scale: float) -> bool:
        """Whether a statement gives a cotangent another scale than that which it reads, and all leaves that come of it
        have just this factor too much: no other line divides it out.
        """
        bench, site = self.bench, self._owners.get(self.bench.program.makers.get(variable, -1))
        leaves = set(bench.reached(bench.program.users.get(variable, ())))
        if site is None or site.leaf is not None or len(site.instances) != 1 or not leaves or leaves - set(self.wrong):
            return False
        atoms = {atom for index in site.instances[0] for atom in bench.program.equations[index].inputs}
        values = [each for each in map(bench.run.at, atoms) if each[0].dtype.kind == "f"]
        steps = {snapped(scale / before) for before in map(self.known.scale, values) if before and before != scale}
        given = (multiple(bench.run.at(bench.leaves[p]), tuple(each[p] for each in bench.truth)) for p in leaves)
        factors = {None if factor is None else snapped(factor) for factor in given} if steps else set[float | None]()
        return len(factors) == 1 and factors <= steps

    @cached_property
    def _owners(self) -> dict[int, Site]:
        statements = (site for site in self.sites if not site.is_formula)
        return {index: site for site in statements for run in site.instances for index in run}

    def only_begins_a_sum(self, variables: Sequence[int]) -> bool:
        """Whether results are zeros that others are added to, as where a loop adds up: whatever is lacking in the sum,
        it is not there.
        """
        program = self.bench.program
        users = [(variable, user) for variable in variables for user in program.users.get(variable, ())]
        begins = all(program.equations[user].name in _SUMS for _, user in users)
        zeros = all(is_zero(self.bench.run.at(variable)) for variable in variables)
        return bool(users) and begins and zeros

    def is_a_value(self, variable: int) -> bool:
        """Whether a result is a value of the forward pass of the loss."""
        quantity = self._quantity(variable)
        return self._is_of_an_argument(variable) or (quantity is not None and quantity.kind == "value")

    def is_a_slope(self, variable: int) -> bool:
        """Whether a result is a slope of the loss."""
        quantity = self._quantity(variable)
        return quantity is not None and quantity.kind == "slope"

    def _is_of_an_argument(self, variable: Atom) -> bool:
        """Whether a value is an argument, or a part of one as it stands."""
        return any(whole in self.bench.program.inputs for whole in wholes(self.bench.program, variable))

    def find(self, values: Values) -> Quantity | None:
        """The known quantity that `values` are, cotangents in the scale of the author."""
        return self.known.find(values, self.scales)

    def _quantity(self, atom: Atom) -> Quantity | None:
        """The known quantity that a value is, cotangents in the scale of the author."""
        if atom not in self.quantities:
            self.quantities[atom] = self.find(self.bench.run.at(atom))
        return self.quantities[atom]

    @cached_property
    def _on_the_way(self) -> frozenset[int]:
        """What the known values of the forward pass are computed from, one after another."""
        program, seen = self.bench.program, set[int]()
        given = {out for site in self.sites for run in site.instances for out in results(program, run)}
        pending = [v for v in given if v not in self.bench.leaves.values() and self._is_a_value_of_many(v)]
        while pending:
            for atom in program.equations[program.makers[pending.pop()]].inputs:
                if isinstance(atom, int) and atom in program.makers and atom not in seen:
                    seen.add(atom)
                    pending.append(atom)
        return frozenset(seen)

    def _is_a_value_of_many(self, variable: int) -> bool:
        quantity = self._quantity(variable)
        return quantity is not None and quantity.kind == "value" and not is_constant(self.bench.run.at(variable))

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
