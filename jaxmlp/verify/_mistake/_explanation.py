"""All that is at hand to put a mistake into words: the values, the names and the place in the source."""

import ast
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import product

import numpy as np

from .._line import _relate
from .._line._localize import Mistake
from .._line._offers import Offer
from .._line._quantities import Quantity
from .._program._expressions import expression_at, with_expression
from .._program._renamed import given_as
from .._program._sites import results, Site
from .._program._stacks import Frame
from .._program._syntax import ignores_an_argument, Statement
from .._report import _words
from .._report._gradient_report import Line
from .._report._words import Place
from ._aliases import renamed
from ._case import Case
from ._names import joined, line_of, written
from ._reading import visible, with_form, written_once


class Explanation:
    """A mistake, with what its words need."""

    def __init__(self, case: Case, mistake: Mistake) -> None:
        self.case, self.mistake = case, mistake
        self.site, self.edit, self.facts = mistake.site, mistake.edit, mistake.edit.facts
        program = case.bench.program
        self.run = _first_changed(case, mistake)
        self.outs = results(program, self.run)
        self.out = self.outs[self.facts.get("position", 0)] if self.outs else None
        self.within: int | None = None
        if "within" in self.facts:
            place, position = self.facts["within"]
            self.out = self.within = program.equations[self.run[place]].inputs[position]
        self.name = self.site.statement.target if self.site.statement and len(self.outs) == 1 else None
        self.frame, self.statement = self.site.frame, self.site.statement
        self.alias = renamed(case, mistake, self.out)
        if self.alias:
            self.frame, self.statement = self.alias
            self.name = self.alias[1].target
        self.is_renamed = self._is_renamed()

    def _is_renamed(self) -> bool:
        """Whether a leaf is named by a statement that computes nothing, such as `db1 = dz2`: then it stands there."""
        source, leaf, program = self.case.source, self.site.leaf, self.case.bench.program
        made = (source.assigned(leaf) or source.assigned_in(program, leaf)) if leaf and not self.alias else None
        frame, statement = made or (None, None)
        lines = {place.number for place in self.case.places if place and frame and place.file == frame.file}
        if statement is None or any(statement.first <= line <= statement.last for line in lines):
            return False
        is_another = self.edit.kind == "returned" and not _relate.is_constant(self.actual)
        self.frame, self.statement = (given_as(frame, statement) if is_another else None) or (frame, statement)
        self.name = self.statement.target
        return True

    @property
    def paths(self) -> tuple[str, ...]:
        """The leaves that it makes wrong."""
        return self.mistake.leaves

    @property
    def actual(self) -> tuple[np.ndarray, ...]:
        """What the statement computes."""
        assert self.out is not None
        return self.case.bench.run.at(self.out)

    @property
    def renames(self) -> str | None:
        """What the statement gives another name, if it only does that: as it is called there, `da` in `dz = da`."""
        value = self.alias and getattr(self.alias[1].node, "value", None)
        return value.id if isinstance(value, ast.Name) else self.site.statement and self.site.statement.target

    @cached_property
    def text(self) -> str | None:
        """What the statement assigns, as it is written, if it is one value that is corrected as a whole."""
        if self.within is not None:
            return None
        return written(self.site) if len(self.outs) == 1 and (self.name or self.site.leaf is None) else None

    @cached_property
    def expressions(self) -> dict[int, ast.expr | None]:
        """The expression of the statement that each equation of its first run stands for, where the source tells."""
        statement = self.site.statement
        if statement is None or self.frame is None or self.statement is not statement:
            return dict.fromkeys(self.run)
        frames = {index: self._frame_of(index, statement) for index in self.run}
        return {index: frame and expression_at(frame, statement) for index, frame in frames.items()}

    def _frame_of(self, index: int, statement: Statement) -> Frame | None:
        """Where in the statement an equation stands."""
        stacks = self.case.bench.program.equations[index].stacks
        frames = (frame for stack in stacks for frame in stack if frame)
        lines = range(statement.first, statement.last + 1)
        return next((f for f in frames if self.frame and f.file == self.frame.file and f.number in lines), None)

    def rewritten(self, old: ast.expr, new: ast.expr) -> str | None:
        """What the statement assigns, with another expression in the place of one of its own."""
        return with_expression(self.statement, old, new) if self.statement is not None and self.text else None

    def place(self, must: str | None = None) -> Place:
        """Where it stands, what the line must compute, and what speaks for it."""
        line = self._line()
        must = visible(must, self.case.source.definition_of(self.frame), self.statement) if self.frame else must
        evidence = _words.corrected(self.paths, self._left) if self.mistake.patches else None
        text = self.text if self.within is None else written(self.site)
        computes = text if must and self.statement is self.site.statement else None
        return Place(line, self.name, computes, must, evidence)

    def joined(self, form: str) -> str | None:
        """What the statement must assign: `form`, in which `{}` is what it gives, or the part that is corrected."""
        if self.within is None:
            return joined(self.text, form)
        index, statement = self.case.bench.program.makers.get(self.within, -1), self.site.statement
        if statement is None:
            return None
        made = self.expressions[index] if index in self.run else None
        part = made or written_once(statement, self.case.names.of(self.within))
        return None if part is None else with_form(statement, part, form)

    def place_of(self, site: Site) -> Place:
        """Where another statement stands that the correction corrects as well."""
        return Place(line_of(site.frame, self.case.source), None, None, None, self.place().evidence)

    def _line(self) -> Line | None:
        """The line: of a function in another file, that which calls it in the candidate, with the other within."""
        source, frame = self.case.source, self.frame
        if frame is None or source.is_own(frame) or frame.file == source.file:
            return line_of(frame, source, self.helper())
        index = self.run[0]
        return line_of(source.frame(self.case.bench.program.equations[index].stacks) or frame, source, frame)

    def helper(self) -> Frame | None:
        """The line of a formula that the statement calls, where the correction is made."""
        if self.alias:
            return None
        patched = set(self.edit.patches(1.0))
        here = patched.intersection(*self.mistake.instances[:1]) if "across" in self.facts else patched
        equation = self.case.bench.program.equations[max(here or patched or self.run)]
        innermost = next((frame for stack in reversed(equation.stacks) for frame in stack if frame), None)
        if innermost is None or self.frame is None or self.statement is None or innermost == self.frame:
            return None
        here = innermost.file == self.frame.file and self.statement.first <= innermost.number <= self.statement.last
        return None if here else innermost

    @cached_property
    def _left(self) -> float:
        """The error that the correction leaves."""
        bench, patches = self.case.bench, self.mistake.patches
        each = product(self.mistake.leaves, range(bench.count))
        return max(bench.error(path, bench.value(path, patches, point), point) for path, point in each)

    @cached_property
    def batches(self) -> frozenset[int]:
        """What may be the number of examples: of all, or of those whose data the statement reads."""
        program, params = self.case.bench.program, self.case.params
        read = {atom for index in self.run for atom in program.equations[index].inputs if isinstance(atom, int)}
        data = (atom for atom in read if self.case.depends_on(atom).isdisjoint(params))
        shapes = [self.case.bench.run.at(atom)[0].shape for atom in data]
        return self.case.batches | {shape[0] for shape in shapes if len(shape) > 1 and shape[0] > 2}

    def differs_in_signs(self) -> bool:
        """Whether nothing but signs differs in what the statement gives and must give."""
        expected = self.corrected()
        if expected is None or self.actual[0].shape != expected[0].shape or _relate.same(self.actual, expected):
            return False
        return _relate.same(*(tuple(map(np.abs, values)) for values in (self.actual, expected)))

    def described(self, offer: Offer) -> str | None:
        """What the user calls it; of a value of which each run needs another part, `x[...]`."""
        if offer.name or offer.quantity is None:
            return offer.name
        known = self.case.names.known(offer.quantity)
        is_in_parts = len(offer.values) > 1 and offer.quantity.values[0].shape != offer.shape
        return f"{known}[...]" if known and is_in_parts else known

    def ignores_an_argument(self) -> bool:
        """Whether the statement stands in a function that the candidate calls with more than it reads."""
        return self.frame is not None and not self.case.source.is_own(self.frame) and ignores_an_argument(self.frame)

    def gives_a_slope(self) -> bool:
        """Whether the statement gives the slope of an activation, as it stands."""
        return self.out is not None and self.case.slopes.find(self.actual) is not None

    def is_stale(self) -> bool:
        """Whether the statement ought to give a parameter."""
        return bool(self.stale_parameter(self.actual)) if self.out is not None else False

    def stale_parameter(self, actual: tuple[np.ndarray, ...]) -> str | None:
        """The parameter that a value becomes once it is corrected."""
        bench = self.case.bench
        for variable, name in self.case.params.items():
            for values in _and_rows(bench.run.at(variable)):
                if values[0].shape != actual[0].shape or _relate.same(actual, values):
                    continue
                corrected = self.corrected()
                if corrected is None:
                    return None
                if _relate.same(corrected, values):
                    return name
        return None

    def at(self, offer: Offer) -> str | None:
        """The value at which a slope is taken."""
        by = offer.quantity.by if offer.quantity else None
        return self.case.names.known(self.case.value(by)) if by is not None else None

    def is_parameter(self, offer: Offer) -> bool:
        """Whether a slope is a parameter, broadcast, as the slope of `g * x` by `x` is `g`."""
        values = offer.at(0, 0), offer.at(0, self.case.bench.count - 1)
        for variable in self.case.params:
            mine = self.case.bench.run.at(variable)
            try:
                wide = [np.broadcast_to(v, values[0].shape) for v in (mine[0], mine[-1])]
            except ValueError:
                continue
            if all(np.allclose(w, v, rtol=1e-9, atol=0) for w, v in zip(wide, values, strict=True)):
                return True
        return False

    def is_a_factor(self, offer: Offer) -> bool:
        """Whether a slope is that of a product with something else, such as a parameter or a mask, or of a power."""
        quantity = offer.quantity
        if self.is_parameter(offer):
            return True
        return quantity is not None and quantity.kind == "slope" and self.case.is_arithmetic(quantity)

    def is_of_another_place(self, offer: Offer, corrected: tuple[np.ndarray, ...]) -> bool:
        """Whether a slope is not one by the value whose cotangent the statement must give: the chain rule needs none
        there, and that it makes the numbers right is by chance.
        """
        knowledge, scale = self.case.knowledge, self.case.backward.scale(corrected)
        wanted = None if scale is None else self.case.backward.find(corrected, (scale,))
        values, *others = offer.values
        if wanted is None or others:
            return False
        ends = set(knowledge.alike(wanted))
        return not any(
            by in ends and _relate.multiple(slope.values, values) is not None
            for (_, by), slope in knowledge.slopes.items()
        )

    def quantities(self) -> Sequence[Quantity]:
        """What is known of the loss; of the steps of a loop, each by itself."""
        return self.case.knowledge.quantities if len(self.site.instances) == 1 else self.case.each

    def corrected(self) -> tuple[np.ndarray, ...] | None:
        """What the statement gives once it is corrected, or what it reads, if it is that which is corrected."""
        if self.within is not None:
            change, factor = self.facts["changed"], self.mistake.factor
            which = self.mistake.instances.index(self.run)
            return tuple(factor * change(value, k, which) for k, value in enumerate(self.actual))
        bench = self.case.bench
        found = [bench.values(self.run, self.mistake.patches, k) for k in range(bench.count)]
        if self.out is None or any(f is None or self.out not in f for f in found):
            return None
        return tuple(f[self.out] for f in found if f)

    def is_forward(self, values: tuple[np.ndarray, ...]) -> bool:
        """Whether it is a value of the loss."""
        return any(
            q.kind == "value" and q.values[0].size == values[0].size and _relate.same(values, q.values)
            for q in self.quantities()
        )

    def is_output(self, values: tuple[np.ndarray, ...]) -> bool:
        """Whether it is what the loss computes of its last matrix product."""
        program = self.case.loss.program
        last = max(equation.outputs[0] for equation in program.equations if equation.name == "dot_general")
        late = (q for variable, q in self.case.knowledge.values.items() if variable >= last)
        return any(q.values[0].shape == values[0].shape and _relate.same(values, q.values) for q in late)


def _first_changed(case: Case, mistake: Mistake) -> tuple[int, ...]:
    """The first run of the statement that the correction changes: others may be right."""
    bench, first = case.bench, mistake.instances[0]
    for run in mistake.instances if len(mistake.instances) > 1 else ():
        own = {index: mistake.patches[index] for index in run if index in mistake.patches}
        made = [bench.values(run, own, k) if own else None for k in range(bench.count)]
        for out in results(bench.program, run):
            then = tuple(values[out] for values in made if values and out in values)
            now = bench.run.at(out)
            if len(then) == bench.count and (then[0].shape != now[0].shape or not _relate.same(then, now)):
                return run
    return first


def _and_rows(values: tuple[np.ndarray, ...]) -> Iterator[tuple[np.ndarray, ...]]:
    """A value, and each of its rows."""
    yield values
    for index in range(len(values[0]) if values[0].ndim else 0):
        yield tuple(value[index] for value in values)
