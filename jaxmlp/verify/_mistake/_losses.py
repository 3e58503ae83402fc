"""The gradient of another loss: what stands at the output is right, but for a loss that is not the one meant."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from .._line._quantities import Quantity
from .._line._relate import is_constant, multiple, Values
from .._report import _words
from .._report._gradient_report import Finding
from ._explanation import Explanation
from ._names import line_of


# Each loss of an output `o` and a target `t`, beside its derivative by `o`.
_OF_A_TARGET = (
    ("sum(({o} - {t})**2)", lambda o, t: o - t),
    ("sum(abs({o} - {t}))", lambda o, t: np.sign(o - t)),
    ("-sum({t} * log({o}))", lambda o, t: -t / o),
    ("-sum({t} * log({o}) + (1 - {t}) * log(1 - {o}))", lambda o, t: (o - t) / (o * (1 - o))),
    ("sum(maximum(0, 1 - {t} * {o}))", lambda o, t: -t * (t * o < 1)),
    ("sum(maximum(0, 1 - {t} * {o})**2)", lambda o, t: -t * np.maximum(0, 1 - t * o)),
    ("sum(log(1 + exp(-{t} * {o})))", lambda o, t: -t / (1 + np.exp(t * o))),
)
_OF_AN_OUTPUT = (
    ("sum(log({o}))", lambda o: 1 / o),
    ("sum(log(1 - {o}))", lambda o: -1 / (1 - o)),
)


def another_loss(e: Explanation, expected: Values) -> Finding | None:
    """What the statement gives, if it is the derivative of a usual loss by one of the values that it reads."""
    if is_constant(e.actual) or multiple(e.actual, expected) is not None:
        return None
    for text, derivative in _derivatives(e):
        if all(np.isfinite(d).all() for d in derivative) and multiple(e.actual, derivative) is not None:
            return _words.loss_mismatch(e.paths, of=text, place=e.place())
    return None


def of_a_function_of_it(e: Explanation) -> Finding | None:
    """The gradient of a loss that the one meant is a function of, such as the mean of squares under a root: at every
    point all of it is one multiple of the truth, and at each another. What never reads the targets is of no loss.
    """
    bench, loss = e.case.bench, e.case.loss.program
    read = set[int]().union(*map(e.case.depends_on, bench.leaves.values()))
    data = {own for own, its in zip(bench.program.inputs, loss.inputs, strict=False) if its in loss.users}
    if set(e.paths) != set(bench.leaves) or bench.count < 2 or not data.difference(e.case.params) <= read:
        return None
    factors = []
    for point, truth in enumerate(bench.truth):
        given = tuple(np.ravel(bench.run.at(bench.leaves[path])[point]) for path in e.paths)
        needed = tuple(np.ravel(truth[path]) for path in e.paths)
        if any(a.shape != b.shape for a, b in zip(given, needed, strict=True)) or sum(map(len, given)) < 2:
            return None
        factors.append(multiple((np.concatenate(given),), (np.concatenate(needed),)))
    if any(factor is None or factor <= 0 for factor in factors) or is_constant((np.array(factors),)):
        return None
    return _words.loss_mismatch(e.paths, of=None, place=e.place())


def wrong_output_and_sign(e: Explanation, expected: Values) -> list[Finding] | None:
    """The difference `t - o` for `o - t` of an output `o` that is wrong itself: neither alone makes a leaf right."""
    makers, outputs, targets = e.case.bench.program.makers, *_read(e)
    for out, o in outputs.items() if expected[0].shape == e.actual[0].shape else ():
        if e.case.forward.find(o) is not None or out not in makers:
            continue
        for t in targets.values():
            times = multiple(e.actual, tuple(a - b for a, b in zip(o, t, strict=True)))
            needed = tuple(b - x / times for x, b in zip(expected, t, strict=True)) if times else ()
            if needed and any(_is_known(quantity, needed) for quantity in e.quantities()):
                line, name = line_of(e.case.places[makers[out]], e.case.source), e.case.names.of(out)
                place = replace(e.place(), evidence=None)  # one line alone makes no leaf right
                first = _words.wrong_forward(e.paths, place=replace(place, line=line, name=name))
                return [first, _words.sign(e.paths, place=place)]
    return None


def _is_known(quantity: Quantity, values: Values) -> bool:
    alike = quantity.kind in ("value", "part") and quantity.values[0].shape == values[0].shape
    return alike and values[0].size > 1 and multiple(quantity.values, values) is not None


def _read(e: Explanation) -> tuple[dict[int, Values], dict[int, Values]]:
    """What the statement reads of the shape that it gives: of the parameters, and of data alone."""
    program, run = e.case.bench.program, e.case.bench.run
    inside = {out for index in e.run for out in program.equations[index].outputs}
    read = [atom for index in e.run for atom in program.equations[index].inputs]
    values = {
        atom: tuple(np.asarray(v, np.float64) for v in run.at(atom))
        for atom in dict.fromkeys(read)
        if isinstance(atom, int) and atom not in inside and run.at(atom)[0].shape == e.actual[0].shape
    }
    outputs = {atom: value for atom, value in values.items() if e.case.is_made_of_params(atom)}
    return outputs, {atom: t for atom, t in values.items() if e.case.depends_on(atom).isdisjoint(e.case.params)}


def _derivatives(e: Explanation) -> Iterator[tuple[str | None, Values]]:
    """The derivatives by what the statement reads of the shape that it gives."""
    outputs, targets = _read(e)
    with np.errstate(all="ignore"):
        for out, o in outputs.items():
            name = e.case.names.of(out)
            for text, derivative in _OF_AN_OUTPUT:
                yield name and text.format(o=name), tuple(map(derivative, o))
            for target, t in targets.items():
                other = e.case.names.of(target)
                for text, derivative in _OF_A_TARGET:
                    yield name and other and text.format(o=name, t=other), tuple(map(derivative, o, t))
