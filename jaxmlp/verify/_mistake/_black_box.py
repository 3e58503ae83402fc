"""The mistake of a gradient that cannot be looked into: the one that, put into the true gradient, gives the same."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from .._line import _relate
from .._line._bench import Bench
from .._line._known import Knowledge, known
from .._line._localize import localized, Mistake
from .._line._matching import snapped
from .._line._offers import Offer, offered
from .._line._relate import Values
from .._program._call import split
from .._program._sites import sites
from .._program._source import Source
from .._program._trace import Literal, Program, traced
from .._program._tree import named_leaves
from .._report import _words
from .._report._gradient_report import Finding
from .._report._words import Place
from ._case import is_arithmetic
from ._diagnose import named_inputs, Patient
from ._names import line_of, Names


@dataclass(frozen=True)
class _Mutant:
    """A mistake put into the program of the true gradient, and what its words need."""

    bench: Bench
    names: Names
    knowledge: Knowledge
    mistake: Mistake
    place: Place
    batches: frozenset[int]
    params: dict[int, str]
    loss: Program

    @property
    def paths(self) -> tuple[str, ...]:
        return self.mistake.leaves

    def is_slope(self, values: tuple[np.ndarray, ...]) -> bool:
        slopes = [q.values for q in self.knowledge.quantities if q.kind == "slope"]
        return any(values[0].shape == slope[0].shape and _relate.same(values, slope) for slope in slopes)

    def described(self, offer: Offer) -> str | None:
        return offer.name or (self.names.known(offer.quantity) if offer.quantity else None)


def recognized(patient: Patient, seen: Sequence[dict[str, np.ndarray]], wrong: Sequence[str]) -> list[Finding]:
    """The mistakes that lead from the true gradient to what was `seen` of the leaves `wrong` at each point.

    The line is the one of the loss whose derivative is wrong. To be called where 64-bit types are on.
    """
    gradient = jax.grad(patient.loss)
    program = traced(gradient, patient.points[0], *patient.args)
    loss = traced(patient.loss, patient.points[0], *patient.args)
    arrays = [split((params, *patient.args))[0] for params in patient.points]
    paths = list(named_leaves(jax.tree.unflatten(program.structure, range(len(program.outputs)))))
    targets = [
        {path: leaves[path] if path in wrong else truth[path] for path in paths}
        for leaves, truth in zip(seen, patient.truth, strict=True)
    ]
    bench, source = Bench(program, arrays, paths, targets), Source(patient.loss)
    places = [site for site in sites(bench.program, source, paths) if site.leaf is None]
    params, inputs = named_inputs(program, patient, patient.loss)
    knowledge = known(loss, loss.inputs[: len(params)], arrays)
    names = Names(bench, (), inputs, knowledge, inputs)
    found = []
    offers = offered(bench, places, inputs, knowledge, ())
    for mistake in localized(bench, places, offers, knowledge, wrong, patient.batches, planted=frozenset(_WORDS)):
        place = Place(line_of(mistake.site.frame, source))
        mutant = _Mutant(bench, names, knowledge, mistake, place, patient.batches, params, loss)
        words = _WORDS.get(mistake.edit.kind)
        finding = words(mutant) if words else None
        found += [finding] if finding else []
    return found


def _scaled(m: _Mutant) -> Finding:
    factor = m.mistake.factor
    size = snapped(abs(factor))
    if size == 1:
        return _words.sign(m.paths, place=m.place)
    if size == 0:
        return _words.missing_term(m.paths, place=m.place)
    for batch in m.batches:
        if size in (batch, snapped(1 / batch)):
            return _words.scale_batch(m.paths, size, batch, place=m.place)
    return _words.scale_constant(m.paths, float(f"{factor:.6g}"), place=m.place)


def _times(m: _Mutant) -> Finding:
    offer: Offer = m.mistake.edit.facts["offer"]
    if offer.quantity is not None and offer.quantity.kind == "slope":
        return _words.extra_slope(m.paths, slope=m.described(offer), place=m.place)
    return _words.extra_factor(m.paths, what=m.described(offer), place=m.place)


def _over(m: _Mutant) -> Finding:
    offer: Offer = m.mistake.edit.facts["offer"]
    if offer.quantity is not None and offer.quantity.kind == "slope":
        return _words.missing_slope(m.paths, slope=m.described(offer), place=m.place)
    return _words.missing_factor(m.paths, what=m.described(offer), place=m.place)


def _dropped(m: _Mutant) -> Finding:
    atom, equation = m.mistake.edit.facts["dropped"], m.mistake.edit.facts["equation"]
    values, name = m.bench.run.at(atom), m.names.of(atom)
    if equation.name in ("add", "sub", "add_any"):
        return _words.missing_term(m.paths, term=name, place=m.place)
    if m.is_slope(values):
        return _words.missing_slope(m.paths, slope=m.names.slope(values), place=m.place)
    if equation.name in ("max", "min"):
        return _words.wrong_mask(m.paths, place=m.place)
    return _words.missing_factor(m.paths, what=name, place=m.place)


def _operand(m: _Mutant) -> Finding | None:
    facts = m.mistake.edit.facts
    used, instead = m.described(facts["offer"]), m.names.of(facts["used"])
    quantity = facts["offer"].quantity
    if quantity is not None and quantity.kind == "slope":
        # What was used may be the slope of a part, as `2 * (a - y)` is of `(tanh(z) - y) ** 2`.
        slope = _slope_between(m, facts["offer"], m.bench.run.at(facts["used"]))
        if slope is not None:
            return slope
        return _words.wrong_slope(m.paths, used=used, place=m.place)
    if isinstance(facts["used"], Literal):
        return None
    if m.is_slope(m.bench.run.at(facts["used"])):
        return _words.wrong_slope(m.paths, used=used, place=m.place)
    return _words.wrong_operand(m.paths, used=used, instead=instead, place=m.place)


def _slope_between(m: _Mutant, used: Offer, instead: Values) -> Finding | None:
    """The slope that `used` lacks to be `instead`, or has too much."""
    actual = tuple(used.at(0, point) for point in range(m.bench.count))
    for quantity in m.knowledge.slopes.values():
        if quantity.values[0].shape != actual[0].shape or is_arithmetic(m.loss, quantity):
            continue
        for words, less, more in ((_words.missing_slope, actual, instead), (_words.extra_slope, instead, actual)):
            product = tuple(a * slope for a, slope in zip(less, quantity.values, strict=True))
            if _relate.multiple(product, more) is not None:
                return words(m.paths, slope=m.names.known(quantity), place=m.place)
    return None


def _plus(m: _Mutant) -> Finding:
    offer: Offer = m.mistake.edit.facts["offer"]
    if offer.variables and set(offer.variables) <= set(m.params):
        words = _words.wrong_regularization if m.mistake.factor > 0 else _words.missing_regularization
        return words(m.paths, term=m.described(offer), place=m.place)
    return (_words.double_counted if m.mistake.factor > 0 else _words.missing_term)(m.paths, place=m.place)


def _transposed(m: _Mutant) -> Finding:
    shape = m.bench.run.at(m.bench.leaves[m.paths[0]])[0].shape
    return _words.transposed(m.paths, shape, shape, place=m.place)


def _axes(m: _Mutant) -> Finding:
    facts = m.mistake.edit.facts
    return _words.wrong_axis(m.paths, actual=facts["axes"] or None, expected=facts["was"], place=m.place)


_WORDS: dict[str, Callable[[_Mutant], Any]] = {
    "scale": _scaled,
    "number": _scaled,
    "term": _scaled,
    "times": _times,
    "over": _over,
    "slope": lambda m: _words.wrong_slope(m.paths, place=m.place),
    "dropped": _dropped,
    "operand": _operand,
    "plus": _plus,
    "transpose": _transposed,
    "product": _transposed,
    "axes": _axes,
    "mask": lambda m: _words.wrong_mask(m.paths, place=m.place),
}
