"""Which mistake: what a statement computes, beside what corrects it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any


import numpy as np

from . import _relate, _words
from ._bench import Bench, results, Site
from ._edits import Offer
from ._known import Knowledge, Quantity, Run
from ._localize import Mistake, snapped
from ._names import line_of, Names, with_name, written
from ._report import Finding
from ._source import Source
from ._trace import Frame, Literal
from ._words import Place


@dataclass(frozen=True, eq=False)
class Case:
    """All that is at hand to explain a mistake."""

    bench: Bench
    sites: Sequence[Site]
    source: Source
    names: Names
    knowledge: Knowledge
    loss: Run
    batches: frozenset[int]
    params: dict[int, str]

    def explained(self, mistake: Mistake) -> Finding:
        """The finding, while the candidate is still as it was."""
        return _Explanation(self, mistake).finding()

    @cached_property
    def layers(self) -> list[tuple[Any, ...]]:
        """What each matrix product of the loss multiplies, in the order of the layers."""
        products = [e for e in self.loss.program.equations if e.name == "dot_general"]
        return [tuple(self.loss.at(atom) for atom in equation.inputs) for equation in products]

    def depends_on(self, variable: int) -> set[int]:
        """The arguments of the candidate that a variable comes from."""
        program, found, pending = self.bench.program, set(), [variable]
        while pending:
            atom = pending.pop()
            index = program.makers.get(atom)
            if index is None:
                found |= {atom} & set(program.inputs)
            else:
                pending += [a for a in program.equations[index].inputs if isinstance(a, int)]
        return found

    def is_of_params_alone(self, variable: int) -> bool:
        """Whether a variable comes from parameters and plain numbers, and not from the data."""
        arguments = self.depends_on(variable)
        scalars = {v for v in arguments if self.bench.run.at(v)[0].ndim == 0}
        return arguments - scalars <= set(self.params)


class _Explanation:
    def __init__(self, case: Case, mistake: Mistake) -> None:
        self.case, self.mistake = case, mistake
        self.site, self.edit, self.facts = mistake.site, mistake.edit, mistake.edit.facts
        program = case.bench.program
        self.outs = results(program, mistake.instances[0])
        self.out = self.outs[self.facts.get("position", 0)] if self.outs else None
        self.name = self.site.statement.target if self.site.statement else None
        self.frame, self.statement = self.site.frame, self.site.statement
        alias = self._alias()
        if alias:
            self.frame, self.statement, self.name = alias[0], alias[1], alias[1].target

    def _alias(self) -> Any:
        """The statement that renames a value which is right in itself, on the way to where it is used wrongly."""
        if not self.mistake.innocent or not self.name or not self.site.statement:
            return None
        return self.case.source.alias(self.name, self.site.statement.last)

    def finding(self) -> Finding:
        handler: Callable[[], Finding] = getattr(self, f"_{self.edit.kind}")
        return handler()

    def place(self, must: str | None = None) -> Place:
        inner = self._helper()
        line = line_of(self.frame, self.case.source, inner)
        evidence = _words.corrected(self.mistake.leaves, self._left())
        computes = written(self.site) if must and self.statement is self.site.statement else None
        return Place(line, self.name, computes, must, evidence)

    def _helper(self) -> Frame | None:
        """The innermost line of another function that the statement calls, where the mistake is."""
        equation = self.case.bench.program.equations[max(self.edit.patches(1.0))]
        for stack in reversed(equation.stacks):
            frame = next((frame for frame in stack if frame), None)
            if frame and self.frame and (frame.file, frame.number) != (self.frame.file, self.frame.number):
                inside = self.statement and frame.file == self.frame.file
                if not (inside and self.statement and self.statement.first <= frame.number <= self.statement.last):
                    return frame
        return None

    def _left(self) -> float:
        bench, patches = self.case.bench, self.mistake.patches
        errors = [
            bench.error(path, bench.value(path, patches, k), k) for path in self.mistake.leaves for k in range(bench.count)
        ]
        return max(errors)

    @property
    def paths(self) -> tuple[str, ...]:
        return self.mistake.leaves

    @property
    def actual(self) -> tuple[np.ndarray, ...]:
        assert self.out is not None
        return self.case.bench.run.at(self.out)

    def _described(self, offer: Offer) -> str | None:
        return offer.name or (self.case.names.known(offer.quantity) if offer.quantity else None)

    # One method for each kind of correction.

    def _scale(self) -> Finding:
        return self._by_a_factor(self.mistake.factor)

    def _by_a_factor(self, correction: float) -> Finding:
        written_so = written(self.site)
        size, factor = abs(correction), snapped(1 / correction)
        if correction == -1:
            return _words.sign(self.paths, place=self.place(f"-({written_so})" if written_so else None))
        for batch in self.case.batches:
            if size in (batch, snapped(1 / batch)):
                must = f"({written_so}) {'*' if size > 1 else '/'} {batch}" if written_so else None
                return _words.scale_batch(self.paths, snapped(1 / size), batch, place=self.place(must))
        must = f"({written_so}) * {correction:g}" if written_so and len(f"{correction:g}") < 6 else None
        return _words.scale_constant(self.paths, float(f"{factor:.6g}"), place=self.place(must))

    def _number(self) -> Finding:
        old, below, correction = self.facts["number"], self.facts["below"], self.mistake.factor
        new = snapped(old / correction if below else old * correction)
        if self._is_stale():
            return self._stale()
        if self._is_regularization():
            return _words.wrong_regularization(self.paths, place=self.place())
        if correction == 0:
            return _words.double_counted(self.paths, place=self.place())
        if below and new in self.case.batches and snapped(correction) not in (-1.0, 1.0):
            return self._by_a_factor(correction)
        if correction == -1:
            return self._by_a_factor(correction)
        found = self._by_a_factor(correction)
        if found.cause == "scale-constant":
            must = with_name(self.site, f"{old:g}", f"{new:g}")
            return _words.scale_constant(self.paths, found.factor or 1.0, place=self.place(must))
        return found

    def _term(self) -> Finding:
        atom = self.facts["equation"].inputs[self.facts["operand"]]
        if self._is_stale():
            return self._stale()
        if isinstance(atom, int) and self.case.is_of_params_alone(atom) and self.mistake.factor != -1:
            return _words.wrong_regularization(self.paths, term=self.case.names.of(atom), place=self.place())
        if self.mistake.factor == 0:
            return _words.double_counted(self.paths, term=self.case.names.of(atom), place=self.place())
        if self.mistake.factor in (1.0, -1.0):
            return _words.sign(self.paths, place=self.place())
        return self._by_a_factor(self.mistake.factor)

    def _is_regularization(self) -> bool:
        """Whether the statement makes a penalty's gradient: from parameters alone, with other leaves of the data."""
        return self.out is not None and self.out in self.case.bench.program.makers and (
            self.case.is_of_params_alone(self.out) and bool(self.case.depends_on(self.out))
        )

    def _is_stale(self) -> bool:
        return bool(self._stale_parameter(self.actual)) if self.out is not None else False

    def _stale_parameter(self, actual: tuple[np.ndarray, ...]) -> str | None:
        """The parameter that a value becomes once it is corrected."""
        bench = self.case.bench
        for variable, name in self.case.params.items():
            values = bench.run.at(variable)
            if values[0].shape != actual[0].shape or _relate.same(actual, values):
                continue
            corrected = [bench.values(self.mistake.instances[0], self.mistake.patches, k) for k in range(bench.count)]
            if self.out is None or any(c is None or self.out not in c for c in corrected):
                return None
            if _relate.same(tuple(c[self.out] for c in corrected if c), values):
                return name
        return None

    def _stale(self) -> Finding:
        parameter = self._stale_parameter(self.actual) or ""
        return _words.stale_weights(self.paths, used=self.name or parameter, instead=parameter, place=self.place(parameter))

    def _transpose(self) -> Finding:
        shape, text = self.actual[0].shape, written(self.site)
        must = f"({text}).T" if text else None
        return _words.transposed(self.paths, shape, shape[::-1], place=self.place(must))

    def _product(self) -> Finding:
        shape = self.actual[0].shape
        return _words.transposed(self.paths, shape, shape, place=self.place())

    def _unreduced(self) -> Finding:
        actual = self.actual[0].shape
        expected = self.case.bench.truth[0][self.paths[0]].shape
        axes = self.facts["axes"]
        return _words.missing_reduction(self.paths, actual=actual, expected=expected, axis=axes, place=self.place())

    def _axes(self) -> Finding:
        if not self.facts["axes"]:
            return _words.wrong_axis(self.paths, place=self.place())
        return _words.wrong_axis(self.paths, actual=self.facts["was"], expected=self.facts["axes"], place=self.place())

    def _times(self) -> Finding:
        offer: Offer = self.facts["offer"]
        text, what = written(self.site), self._described(offer)
        must = f"({text}) * {what}" if text and what and self.mistake.factor == 1 and not self._alias() else None
        if self._alias() and what and self.site.statement:
            must = f"{self.site.statement.target} * {what}"
        place = self.place(_tidy(must))
        if self._lacks_upstream(offer):
            return _words.missing_upstream(self.paths, upstream=what, place=place)
        if offer.quantity is None or offer.quantity.kind != "slope" or self._is_parameter(offer):
            return _words.missing_factor(self.paths, what=what, place=place)
        if self._is_diagonal():
            return _words.softmax_diagonal(self.paths, place=place)
        return _words.missing_slope(self.paths, slope=what, at=self._at(offer), place=place)

    def _at(self, offer: Offer) -> str | None:
        by = offer.quantity.by if offer.quantity else None
        return self.case.names.known(Quantity("value", self.case.loss.at(by), by)) if by is not None else None

    def _is_parameter(self, offer: Offer) -> bool:
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

    def _lacks_upstream(self, offer: Offer) -> bool:
        upstream = offer.quantity is not None and offer.quantity.kind == "cotangent"
        return upstream or (_relate.is_constant(self.actual) and offer.name is not None and self.site.leaf is not None)

    def _is_diagonal(self) -> bool:
        corrected = self._corrected()
        values = [q.values for q in self.case.knowledge.quantities if q.kind in ("value", "part")]
        return corrected is not None and _relate.is_softmax_diagonal(self.actual, corrected, values)

    def _corrected(self) -> tuple[np.ndarray, ...] | None:
        bench = self.case.bench
        found = [bench.values(self.mistake.instances[0], self.mistake.patches, k) for k in range(bench.count)]
        if self.out is None or any(f is None or self.out not in f for f in found):
            return None
        return tuple(f[self.out] for f in found if f)

    def _over(self) -> Finding:
        offer: Offer = self.facts["offer"]
        what = self._described(offer)
        if offer.quantity is None or offer.quantity.kind != "slope" or self._is_parameter(offer):
            return _words.extra_factor(self.paths, what=what, place=self.place())
        return _words.extra_slope(self.paths, slope=what, at=self._at(offer), place=self.place())

    def _slope(self) -> Finding:
        offer: Offer = self.facts["offer"]
        what, corrected = self._described(offer), self._corrected()
        if corrected is not None and _relate.is_another_mask(self.actual, corrected):
            return _words.wrong_mask(self.paths, place=self.place())
        if self._is_diagonal():
            return _words.softmax_diagonal(self.paths, place=self.place())
        return _words.wrong_slope(self.paths, slope=what, at=self._at(offer), place=self.place())

    def _known(self) -> Finding:
        offer: Offer = self.facts["offer"]
        quantity = offer.quantity
        assert quantity is not None
        expected = self._corrected() or quantity.values
        what = self._described(offer)
        if _relate.is_zero(self.actual):
            return _words.zero_gradient(self.paths, place=self.place(what))
        stale = self._stale_parameter(self.actual)
        if stale:
            return self._stale()
        if quantity.kind == "slope":
            if _is_mask(expected) or _relate.is_another_mask(self.actual, expected):
                return _words.wrong_mask(self.paths, place=self.place(what))
            if _relate.is_constant(self.actual):
                return _words.missing_slope(self.paths, slope=what, at=self._at(offer), place=self.place(what))
            return _words.wrong_slope(self.paths, slope=what, at=self._at(offer), place=self.place(what))
        if quantity.kind == "value":
            return _words.wrong_forward(self.paths, instead=what, place=self.place())
        return self._not_that_cotangent(quantity, expected, what)

    def _not_that_cotangent(
        self, quantity: Quantity, expected: tuple[np.ndarray, ...], what: str | None
    ) -> Finding:
        place = self.place(what if what and not what.startswith("d(") else None)
        if _relate.is_another_mask(self.actual, expected):
            return _words.wrong_mask(self.paths, place=place)
        if _relate.is_constant(self.actual):
            return _words.missing_upstream(self.paths, upstream=what, place=place)
        operand = self._stale_operand()
        if operand:
            return _words.stale_weights(self.paths, used=operand[0], instead=operand[1], place=self.place())
        if self._lacks_a_term(quantity):
            return _words.missing_term(self.paths, place=place)
        values = [q.values for q in self.case.knowledge.quantities if q.kind in ("value", "part")]
        if _relate.is_softmax_diagonal(self.actual, expected, values):
            return _words.softmax_diagonal(self.paths, place=place)
        if self.mistake.innocent:
            return _words.wrong_operand(self.paths, used=self.name or "this", instead=what or "another", place=place)
        return _words.unknown(self.paths, place=place)

    def _stale_operand(self) -> tuple[str, str] | None:
        """An operand that is a parameter after a step: its name, and the parameter's."""
        bench, program = self.case.bench, self.case.bench.program
        inside = {out for index in self.mistake.instances[0] for out in program.equations[index].outputs}
        for index in self.mistake.instances[0]:
            for atom in program.equations[index].inputs:
                if isinstance(atom, Literal) or atom in inside or atom in program.inputs:
                    continue
                maker = program.equations[program.makers[atom]] if atom in program.makers else None
                if maker is None or maker.name not in ("sub", "add"):
                    continue
                for term in maker.inputs:
                    if isinstance(term, int) and term in self.case.params:
                        return self.case.names.of(atom) or self.case.params[term], self.case.params[term]
        return None

    def _lacks_a_term(self, quantity: Quantity) -> bool:
        instances = range(len(self.mistake.instances))
        offer: Offer = self.facts["offer"]
        if len(offer.values) > 1:
            # Of a statement in a loop: some executions lack what others, the first or the last, do not have at all.
            outs = [results(self.case.bench.program, instance)[0] for instance in self.mistake.instances]
            actual = [self.case.bench.run.at(out) for out in outs]
            right = [_relate.multiple(actual[i], offer.values[i]) is not None for i in instances]
            return any(right) and not all(right)
        if quantity.terms and _relate.missing_terms(self.actual, quantity.terms) is not None:
            return True
        return any(
            _relate.missing_terms(self.actual, terms) is not None
            for terms in self._sums()
            if 1 < len(terms) <= 8 and terms[0][0].size == self.actual[0].size
        )

    def _sums(self) -> list[list[tuple[np.ndarray, ...]]]:
        """The terms of each matrix product with a cotangent."""
        found = []
        cotangents = [q for q in self.case.knowledge.cotangents.values()]
        for equation in self.case.loss.program.equations:
            if equation.name != "dot_general" or not isinstance(equation.outputs[0], int):
                continue
            out = next((q for q in cotangents if q.variable == equation.outputs[0]), None)
            for position, atom in enumerate(equation.inputs):
                if out is None:
                    continue
                (mine, other), batch = equation.params["dimension_numbers"]
                if any(batch):
                    continue
                weights = self.case.loss.at(atom)
                free = [a for a in range(weights[0].ndim) if a not in (mine, other)[position]]
                lhs_free = self.case.loss.at(equation.inputs[0])[0].ndim - len(mine)
                start = 0 if position == 0 else lhs_free
                if len(free) == 1:
                    found.append(list(_relate.contracted(weights, out.values, ((free[0],), (start,)))))
        return found

    def _plus(self) -> Finding:
        offer: Offer = self.facts["offer"]
        what = self._described(offer)
        if offer.variables and set(offer.variables) <= set(self.case.params):
            return _words.missing_regularization(self.paths, term=what, place=self.place())
        if self.mistake.factor < 0 and offer.name:
            return _words.double_counted(self.paths, term=what, place=self.place())
        return _words.missing_term(self.paths, term=what, place=self.place())

    def _dropped(self) -> Finding:
        atom = self.facts["dropped"]
        name, equation = self.case.names.of(atom), self.facts["equation"]
        values = self.case.bench.run.at(atom)
        if equation.name in ("add", "sub"):
            if isinstance(atom, int) and self.case.is_of_params_alone(atom):
                return _words.wrong_regularization(self.paths, term=name, place=self.place())
            return _words.double_counted(self.paths, term=name, place=self.place())
        if equation.name in ("max", "min"):
            return _words.wrong_mask(self.paths, place=self.place())
        slopes = [q.values for q in self.case.knowledge.quantities if q.kind == "slope"]
        is_slope = any(q[0].shape == values[0].shape and _relate.same(values, q) for q in slopes)
        is_slope = is_slope or self.case.names.as_slope(values) is not None
        if is_slope and not any(_relate.same(values, self.case.bench.run.at(p)) for p in self.case.params):
            return _words.extra_slope(self.paths, slope=name or self.case.names.slope(values), place=self.place())
        return _words.extra_factor(self.paths, what=name, place=self.place())

    def _operand(self) -> Finding:
        offer, atom = self.facts["offer"], self.facts["used"]
        used, instead = self.case.names.of(atom), self._described(offer)
        corrected = self._corrected()
        slopes = [q for q in self.case.knowledge.quantities if q.kind == "slope"]
        if corrected is not None and any(_relate.same(corrected, q.values) for q in slopes):
            return _words.wrong_slope(self.paths, slope=None, at=instead, place=self._with_operand(used, instead))
        if self._taken_elsewhere():
            return _words.wrong_slope(self.paths, at=instead, place=self._with_operand(used, instead))
        place = self._with_operand(used, instead)
        used, instead = used or "what stands there", instead or "another value"
        if isinstance(atom, Literal):
            if self._is_parameter(offer):
                return _words.missing_factor(self.paths, what=instead, place=place)
            return _words.wrong_operand(self.paths, used=used, instead=instead, place=place)
        if self._is_a_layer_off(self.case.bench.run.at(atom), offer):
            return _words.off_by_one_layer(self.paths, used=used, instead=instead, place=place)
        return _words.wrong_operand(self.paths, used=used, instead=instead, place=place)

    def _with_operand(self, used: str | None, instead: str | None) -> Place:
        must = with_name(self.site, used, instead) if used and instead and self.mistake.factor == 1 else None
        return self.place(must)

    def _taken_elsewhere(self) -> bool:
        """Whether the operand is what a slope is taken at: all uses of it go through functions of one number."""
        program, uses = self.case.bench.program, self.facts["uses"]
        if len(uses) < 2:
            return False
        names = {program.equations[self.mistake.instances[0][place]].name for place, _ in uses}
        return names <= {"neg", "exp", "logistic", "tanh", "mul", "sub", "integer_pow", "square", "abs", "gt", "max"}

    def _is_a_layer_off(self, used: tuple[np.ndarray, ...], offer: Offer) -> bool:
        """Whether the two are what neighbouring matrix products of the loss read, or the loss's own output."""
        instead = tuple(offer.at(0, k) for k in range(self.case.bench.count))
        layers = self.case.layers

        def layer(values: tuple[np.ndarray, ...]) -> set[int]:
            return {n for n, operands in enumerate(layers) for o in operands if _relate.same(values, o)}

        mine, other = layer(used), layer(instead)
        if other and not mine:
            mine = {len(layers)} if self._is_forward(used) else set()
        return any(abs(a - b) == 1 for a in mine for b in other)

    def _is_forward(self, values: tuple[np.ndarray, ...]) -> bool:
        return any(
            q.kind == "value" and q.values[0].size == values[0].size and _relate.same(values, q.values)
            for q in self.case.knowledge.quantities
        )

    def _power(self) -> Finding:
        return _words.unknown(self.paths, place=self.place())

    def _mask(self) -> Finding:
        return _words.wrong_mask(self.paths, place=self.place())

    def _returned(self) -> Finding:
        offer: Offer = self.facts["offer"]
        if _relate.is_zero(self.actual):
            return _words.zero_gradient(self.paths, place=self.place(offer.name))
        if _relate.is_constant(self.actual):
            return _words.missing_upstream(self.paths, upstream=offer.name, place=self.place(offer.name))
        used = self.case.names.of(self.case.bench.program.equations[self.mistake.instances[0][0]].inputs[0])
        if self._is_another_leaf():
            return _words.swapped_leaves(self.paths, place=self.place())
        return _words.wrong_operand(
            self.paths, used=used or "what is returned", instead=offer.name or "another", place=self.place()
        )

    def _is_another_leaf(self) -> bool:
        bench = self.case.bench
        others = [path for path in bench.leaves if path not in self.paths]
        return any(
            self.actual[0].size == bench.truth[0][path].size
            and _relate.same(self.actual, tuple(leaves[path] for leaves in bench.truth))
            for path in others
        )

    def _leaf(self) -> Finding:
        [path] = self.paths
        expected = tuple(leaves[path] for leaves in self.case.bench.truth)
        if _relate.is_zero(self.actual):
            return _words.zero_gradient(self.paths, place=self.place())
        if self.actual[0].shape != expected[0].shape:
            return _words.wrong_shape(self.paths, self.actual[0].shape, expected[0].shape, place=self.place())
        if _relate.is_constant(self.actual):
            return _words.missing_upstream(self.paths, place=self.place())
        return _words.unknown(self.paths, place=self.place())


def _is_mask(values: tuple[np.ndarray, ...]) -> bool:
    return all(np.isin(value, (0.0, 1.0)).all() for value in values)


def _tidy(text: str | None) -> str | None:
    """Without the brackets that a single name or call does not need."""
    if text is None:
        return None
    import ast

    return ast.unparse(ast.parse(text, mode="eval"))



