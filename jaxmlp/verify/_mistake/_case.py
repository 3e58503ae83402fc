"""A gradient under diagnosis: its program, its source, and what its loss says of it."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from .._line._bench import Bench
from .._line._elementwise import ELEMENTWISE
from .._line._matching import Known
from .._line._quantities import Knowledge, Quantity, Run
from .._line._relate import is_constant, Values
from .._line._rows import rows
from .._program._sites import wholes
from .._program._source import Source
from .._program._stacks import Frame
from .._program._trace import Atom, Program
from .._program._tree import leaf_of
from ._names import Names


_ARITHMETIC = frozenset(
    ("mul", "div", "add", "sub", "neg", "integer_pow", "square", "convert_element_type", "copy", "reduce_sum", "name")
)

_COPIES = frozenset(("broadcast_in_dim", "reshape", "squeeze", "convert_element_type", "copy", "name"))

_COMPARISONS = ("gt", "ge", "lt", "le", "eq", "ne", "sign")


@dataclass(frozen=True, eq=False)
class Case:
    """A gradient under diagnosis.

    Attributes:
      bench: its program, as it is when a mistake is explained: the earlier ones corrected.
      source: its source.
      names: the names in it.
      knowledge: what is known of the loss.
      loss: the loss, with its values.
      batches: what may be the number of examples.
      params: the variables of the parameters, and how they are written.
      paths: the leaves that they are, by variable.
    """

    bench: Bench
    source: Source
    names: Names
    knowledge: Knowledge
    loss: Run
    batches: frozenset[int]
    params: dict[int, str]
    paths: dict[int, str]

    @cached_property
    def places(self) -> list[Frame | None]:
        """Where each equation stands."""
        return self.source.places(self.bench.program)

    @cached_property
    def slopes(self) -> Known:
        """The slopes of activations in the loss, to be found by their values."""
        slopes = [slope for slope in self.knowledge.slopes.values() if not slope.is_negative]
        slopes = [slope for slope in slopes if not is_constant(slope.values)]
        return Known(slope for slope in slopes if not self.is_arithmetic(slope))

    @cached_property
    def backward(self) -> Known:
        """The cotangents in the loss."""
        return Known(self.knowledge.cotangents.values())

    @cached_property
    def forward(self) -> Known:
        """The values in the loss."""
        return Known(self.knowledge.values.values())

    @cached_property
    def each(self) -> tuple[Quantity, ...]:
        """What is known, and what is known of each example alone."""
        quantities = self.knowledge.quantities
        return (*quantities, *rows(quantities, self.batches))

    @cached_property
    def each_cotangent(self) -> Known:
        """The cotangents in the loss, and those of each example alone."""
        return Known(quantity for quantity in self.each if quantity.kind == "cotangent")

    def is_of_a_cotangent(self, variable: int) -> bool:
        """Whether a variable is a cotangent of more than one number, up to a factor, or some of the numbers of one."""
        each = map(self.bench.run.at, wholes(self.bench.program, variable))
        return any(values[0].size > 1 and self.each_cotangent.scale(values) is not None for values in each)

    def in_the_loss(self, quantity: Quantity) -> Quantity:
        """A quantity with the variables that it is of in the loss, be it in another layout."""
        variable, by = map(self.knowledge.in_the_loss, (quantity.variable, quantity.by))
        return replace(quantity, variable=variable, by=by)

    def value(self, variable: int) -> Quantity:
        """A value of the loss, in its layout."""
        values = self.knowledge.values
        return values[variable] if variable in values else Quantity("value", self.loss.at(variable), variable)

    def is_arithmetic(self, slope: Quantity) -> bool:
        """Whether a slope comes from products, quotients and powers alone, or compares with the data: it is no slope of
        an activation then.
        """
        key = slope.variable, slope.by
        if key not in self._arithmetic:
            program, of = self.loss.program, self.in_the_loss(slope)
            data = program.inputs[len(self.params) :]
            self._arithmetic[key] = is_arithmetic(program, of) or is_an_error(program, of, data)
        return self._arithmetic[key]

    def is_of_data(self, slope: Quantity) -> bool:
        """Whether a slope is that of a product with data alone, such as the mask of a dropout."""
        program, slope = self.loss.program, self.in_the_loss(slope)
        if slope.by is None or slope.variable not in program.makers:
            return False
        data, moving = program.inputs[len(self.params) :], _moving(program, slope.by, slope.variable)
        each = [program.equations[program.makers[variable]] for variable in moving - {slope.by}]
        beside = [atom for e in each for atom in e.inputs if isinstance(atom, int) and atom not in moving]
        is_a_product = all(equation.name in ("mul", "div", *_COPIES) for equation in each)
        return is_a_product and bool(beside) and all(_comes_of(program, atom, data) for atom in beside)

    def passes_a_parameter(self, slope: Quantity) -> bool:
        """Whether a slope is that of more than an activation: on its way a parameter multiplies."""
        program, slope = self.loss.program, self.in_the_loss(slope)
        params = set(program.inputs[: len(self.params)])
        if slope.by is None or slope.variable not in program.makers:
            return False
        moving = _moving(program, slope.by, slope.variable) - {slope.by}
        equations = [program.equations[program.makers[variable]] for variable in moving]
        products = (equation for equation in equations if equation.name in ("mul", "div"))
        return any(not params.isdisjoint(_roots(program, equation.inputs, moving)) for equation in products)

    @cached_property
    def _arithmetic(self) -> dict[tuple[int | None, int | None], bool]:
        return {}

    @cached_property
    def layers(self) -> list[tuple[int, tuple[Any, ...]]]:
        """What each matrix product of the loss multiplies, and how many products lead to it at most: its layer."""
        found, depths = [], dict[Any, int]()
        for equation in self.loss.program.equations:
            depth = max([0, *(depths.get(atom, 0) for atom in equation.inputs)])
            if equation.name == "dot_general":
                found.append((depth, tuple(self.loss.at(atom) for atom in equation.inputs)))
                depth += 1
            depths.update(dict.fromkeys(equation.outputs, depth))
        return found

    def depends_on(self, variable: int) -> set[int]:
        """The arguments of the candidate that a variable comes from."""
        program, seen, pending = self.bench.program, set(), [variable]
        while pending:
            atom = pending.pop()
            index = None if atom in seen else program.makers.get(atom)
            seen.add(atom)
            if index is not None:
                pending += [a for a in program.equations[index].inputs if isinstance(a, int)]
        return seen & set(program.inputs)

    def is_made_of_params(self, variable: int) -> bool:
        """Whether a variable is computed from the parameters, and is none of them."""
        return variable not in self.params and not self.depends_on(variable).isdisjoint(self.params)

    def is_of_params_and_indices(self, variable: int, params: Collection[int] | None = None) -> bool:
        """Whether a variable comes from (some of) the parameters, and from no data but indices."""
        own = set(self.params if params is None else params)
        values = {v: self.bench.run.at(v)[0] for v in self.bench.program.inputs if v not in own}
        read = self.depends_on(variable)
        return bool(read & own) and not any(v.ndim and v.dtype.kind == "f" for n, v in values.items() if n in read)

    def is_of_the_penalty(self, variable: int, slope: Quantity) -> bool:
        """Whether a value that comes from parameters alone stands where the slope of a penalty by them belongs."""
        is_a_slope, of = slope.kind == "slope" and self.is_of_params_alone(variable), self.in_the_loss(slope)
        program = self.loss.program
        numbers = [v for n, v in enumerate(program.inputs) if n < len(self.params) or self.loss.at(v)[0].ndim == 0]
        return (
            is_a_slope
            and self.bench.run.at(variable)[0].shape == slope.values[0].shape
            and of.by in set(program.inputs)
            and of.variable is not None
            and _comes_of(program, of.variable, numbers)
        )

    def has_a_penalty(self, path: str) -> bool:
        """Whether the loss uses a parameter more than once, as one with a penalty on it does."""
        return len(self.terms(path)) > 1

    def terms(self, path: str) -> tuple[Values, ...]:
        """The terms of the gradient of a parameter that the loss uses more than once."""
        whole = [leaf_of(path) == of for of in self.paths.values()]
        inputs = [variable for variable, is_it in zip(self.loss.program.inputs, whole, strict=False) if is_it]
        return next((self.knowledge.cotangents[v].terms for v in inputs if v in self.knowledge.cotangents), ())

    def terms_of_the_loss(self, path: str) -> tuple[Values, ...]:
        """What each term of the loss adds to the gradient of a parameter, if that is a sum."""
        variables = dict(zip(self.paths.values(), self.loss.program.inputs, strict=False))
        each = [of_one[variables[path]] for of_one in self.knowledge.of_each_term if path in variables]
        return tuple(values for values in each if any(value.any() for value in values))

    def is_of_params_alone(self, variable: int) -> bool:
        """Whether a variable comes from parameters and plain numbers, and not from the data."""
        data = {v for v in self.bench.program.inputs if v not in self.params and self.bench.run.at(v)[0].ndim > 0}
        read = self.depends_on(variable)
        only_data = bool(read) and read.isdisjoint(self.params)
        return bool(data) and not data & read and not only_data


def is_arithmetic(program: Program, slope: Quantity) -> bool:
    """Whether a slope in the program of a loss comes from products, quotients and powers alone: no activation then."""
    assert slope.variable is not None and slope.by is not None
    if slope.variable not in program.makers:  # that of an activation of the candidate's own
        return False
    moving = _moving(program, slope.by, slope.variable)
    pending, seen = [slope.variable], set()
    while pending:
        variable = pending.pop()
        if variable == slope.by or variable not in moving or variable in seen:
            continue
        seen.add(variable)
        equation = program.equations[program.makers[variable]]
        read = [atom for atom in equation.inputs if isinstance(atom, int) and atom in moving]
        alone = len(set(read)) == 1 and not (equation.name == "div" and equation.inputs[0] not in read)
        if equation.name not in _ARITHMETIC or not alone:
            return False
        pending += read
    return True


def is_an_error(program: Program, slope: Quantity, data: Collection[int]) -> bool:
    """Whether a slope is the error itself: that of a sum in which something stands beside its product with the data, as
    `log(1 + exp(z)) - y * z` is, whose slope by `z` is `sigmoid(z) - y`.
    """
    if slope.variable not in program.makers or slope.by is None:
        return False
    moving = _moving(program, slope.by, slope.variable)
    is_compared = is_a_sum = False
    for variable in moving - {slope.by}:
        equation = program.equations[program.makers[variable]]
        moved = [atom for atom in equation.inputs if atom in moving]
        others = [atom for atom in equation.inputs if isinstance(atom, int) and atom not in moving]
        is_a_sum |= equation.name in ("add", "sub") and len(moved) == 2
        is_compared |= equation.name == "mul" and any(_comes_of(program, atom, data) for atom in others)
    return is_a_sum and is_compared


def _comes_of(program: Program, variable: int, inputs: Collection[int]) -> bool:
    """Whether a value comes of some of the inputs alone, and not of numbers alone."""
    seen, pending = set[int](), [variable]
    while pending:
        atom = pending.pop()
        if atom not in seen and atom in program.makers:
            pending += [each for each in program.equations[program.makers[atom]].inputs if isinstance(each, int)]
        seen.add(atom)
    read = seen.difference(program.makers)
    return bool(read) and read.issubset(inputs)


def _roots(program: Program, atoms: Iterable[Atom], moving: set[int]) -> set[int]:
    """What some values are copies of, but for those that move."""
    found = set()
    for atom in atoms:
        while isinstance(atom, int) and atom not in moving and atom in program.makers:
            equation = program.equations[program.makers[atom]]
            if equation.name not in _COPIES:
                break
            atom = equation.inputs[0]
        if isinstance(atom, int):
            found.add(atom)
    return found


def _moving(program: Program, start: int, end: int) -> set[int]:
    """The variables on the way from one to another element by element."""
    around, pending = set(), [end]
    while pending:
        variable = pending.pop()
        # Variables are numbered in the order of execution.
        if variable in around or variable <= start or variable not in program.makers:
            continue
        equation = program.equations[program.makers[variable]]
        if equation.name in (*ELEMENTWISE, *_COMPARISONS):
            around.add(variable)
            pending += [atom for atom in equation.inputs if isinstance(atom, int)]
    moving = {start}
    for variable in sorted(around):
        if not moving.isdisjoint(a for a in program.equations[program.makers[variable]].inputs if isinstance(a, int)):
            moving.add(variable)
    return moving
