"""Which mistake: a difference that lies along parameters is that of a penalty's gradient."""

from collections.abc import Iterator, Sequence

import numpy as np

from .._line import _relate
from .._line._bench import Patch, RIGHT
from .._line._matching import snapped
from .._line._patches import with_input
from .._line._relate import Values
from .._program._trace import Literal
from .._report import _words
from .._report._gradient_report import Finding
from .._verdict._accuracy import norm
from ._every_run import every_run, stacked
from ._explanation import Explanation


_TWO = (2.0, 0.5)
"""The factor of a square, lost or twice."""

_LEAST = 4
"""How many numbers have to be along those of a parameter."""


def of_a_penalty(e: Explanation) -> list[Finding] | None:
    """A difference that is made of parameters, and of parameters times what the statement reads: a penalty's."""
    every = every_run(e)
    if every is None:
        return None
    actual, expected = every
    shape = expected[0].shape
    alone = [v for atoms in _columns(e) if _is_of_its_own(e, atoms[0]) for v in [stacked(e, atoms)]]
    if len(e.mistake.instances) == 1:
        alone += [tuple(v[None] for v in e.case.bench.run.at(p)) for p in e.case.params if _is_of_its_own(e, p)]
    alone = [v for v in alone if v is not None and v[0].shape == shape]
    alone += [tuple(along(value) for value in v) for v in alone for along in (np.sign, lambda v: v / norm(v))]
    read = [v for atoms in _columns(e) for v in [stacked(e, atoms)] if v is not None and not _relate.is_constant(v)]
    literals = (a for i in e.run for a in e.case.bench.program.equations[i].inputs if isinstance(a, Literal))
    numbers = {float(literal.value) for literal in literals if literal.value.ndim == 0 and literal.value}
    batches = [s * c for c in map(float, e.case.batches) for s in (1, -1, 1 / c**2, -1 / c**2)]
    for scale in (1.0, -1.0, *numbers, *batches, *_TWO):
        rest = _flat(tuple(a - scale * b for a, b in zip(actual, expected, strict=True)))
        wrong = np.abs(rest) > RIGHT * norm(rest)
        if scale == 1 and _LEAST <= np.count_nonzero(wrong) < rest.size:  # of some of the parameters alone
            # It may be added in some places and taken off in others.
            whole = [_flat(v) * wrong for v in alone]
            if any(_is_made_of(rest, [flat * (rest * flat > 0), flat * (rest * flat < 0)]) for flat in whole):
                return [_words.wrong_regularization(e.paths, place=e.place())]
            alone += [tuple(flat.reshape(len(v), *shape)) for flat, v in zip(whole, list(alone), strict=True)]
        for basis in _bases(alone, read, shape):
            if rest.size >= 2 * len(basis) + 2 and _is_made_of(rest, basis):
                found = [_words.wrong_regularization(e.paths, place=e.place())]
                if abs(scale) in _TWO and scale not in (*numbers, *batches):
                    return [*found, _words.scale_constant(e.paths, abs(scale), place=e.place())]
                if abs(scale) != 1 and scale not in numbers:
                    batch = round(max(abs(scale), 1 / abs(scale)))
                    return [*found, _words.scale_batch(e.paths, abs(scale), batch, place=e.place())]
                return found if scale == 1 or scale in numbers else [*found, _words.sign(e.paths, place=e.place())]
    return None


def of_another_form(e: Explanation, expected: Values) -> Finding | None:
    """A sum in which terms made of parameters alone stand for a penalty's gradient: without them, what is lacking lies
    along the parameter.
    """
    bench, patches, terms = e.case.bench, dict[int, Patch](), list[int]()
    for index in e.run:
        equation = bench.program.equations[index]
        for position, atom in enumerate(equation.inputs if equation.name in ("add", "sub") else ()):
            if isinstance(atom, int) and e.case.is_of_params_alone(atom):
                patches[index] = with_input(position, np.zeros_like)
                terms.append(atom)
    made = [bench.values(e.run, patches, k) for k in range(bench.count)] if len(e.mistake.instances) == 1 else []
    rest = tuple(values[e.out] for values in made if values and e.out is not None and e.out in values)
    if not terms or len(rest) < bench.count or rest[0].shape != expected[0].shape:
        return None
    missing = tuple(x - r for x, r in zip(expected, rest, strict=True))
    for parameter, path in e.case.paths.items():
        own = bench.run.at(parameter)
        if path in e.paths and own[0].shape == missing[0].shape and own[0].size > 1:
            if _relate.multiple(missing, own) is not None:
                term = e.case.names.of(terms[0]) if len(terms) == 1 else None
                return _words.wrong_regularization(e.paths, term=term, place=e.place())
    return None


def beside_the_data(e: Explanation) -> list[Finding]:
    """A sum of what the data add to a gradient, right but for a factor, and of something that is no penalty's gradient:
    `g + lam * g` for `g + lam * w`.
    """
    [path, *others], equations, run = e.paths, e.case.bench.program.equations, e.case.bench.run
    terms = e.case.terms(path) if not others else ()
    if not any(_is_along_a_parameter(e, term) for term in terms):
        return []
    added = [atom for i in e.run if equations[i].name == "add" for atom in equations[i].inputs if isinstance(atom, int)]
    for atom in added if len(terms) > 1 else ():
        values = run.at(atom)
        alike = [term for term in terms if term[0].shape == values[0].shape and term[0].size > 1]
        factor = next((c for term in alike if (c := _relate.multiple(values, term)) is not None), None)
        if factor is None or e.case.is_of_params_alone(atom) or e.case.depends_on(atom) <= set(e.case.params):
            continue
        found = [_words.wrong_regularization(e.paths, place=e.place())]
        batch = next((b for b in e.batches if snapped(factor) in (b, snapped(1 / b))), None)
        more = [] if batch is None else [_words.scale_batch(e.paths, snapped(factor), batch, place=e.place())]
        return [*found, *more]
    return []


def beside_a_term(e: Explanation) -> list[Finding]:
    """A gradient that is a multiple of what the data add to it, and of the parameter, where the loss has another
    penalty: `K @ a` belongs, and `a` stands there.
    """
    [path, *others], bench = e.paths, e.case.bench
    terms = e.case.terms_of_the_loss(path) if not others and path in bench.leaves else ()
    if len(terms) < 2:
        return []
    given = bench.run.at(bench.leaves[path])
    if given[0].shape != terms[0][0].shape or given[0].size * len(given) < _LEAST:
        return []
    own = [bench.run.at(parameter) for parameter, of in e.case.paths.items() if of == path]
    batches = [c for batch in e.case.batches for c in (float(batch), 1 / batch)]
    for term in terms:
        for scale in (1.0, 2.0, 0.5, *batches):
            rest = tuple(g - scale * t for g, t in zip(given, term, strict=True))
            if any(norm(r) <= RIGHT * norm(t) for r, t in zip(rest, term, strict=True)):
                continue
            if any(v[0].shape == rest[0].shape and _relate.multiple(rest, v) is not None for v in own):
                found = [_words.wrong_regularization(e.paths, place=e.place())]
                if scale in batches:
                    batch = round(max(scale, 1 / scale))
                    return [*found, _words.scale_batch(e.paths, scale, batch, place=e.place())]
                return found if scale == 1 else [*found, _words.scale_constant(e.paths, scale, place=e.place())]
    return []


def _is_along_a_parameter(e: Explanation, term: Values) -> bool:
    """Whether a term is a multiple of some numbers of a parameter, or of their signs, and zero beside them."""
    for own in (e.case.bench.run.at(parameter) for parameter, path in e.case.paths.items() if path in e.paths):
        if own[0].shape == term[0].shape and not _relate.is_zero(term):
            kept = [tuple(np.where(t != 0, along(v), 0) for t, v in zip(term, own, strict=True)) for along in _ALONG]
            if any(_relate.multiple(term, values) is not None for values in kept):
                return True
    return False


_ALONG = (lambda value: value, np.sign)


def _is_of_its_own(e: Explanation, variable: int) -> bool:
    """Whether a value comes from the parameter itself whose gradient is wrong, and from no data but indices."""
    own = [parameter for parameter, path in e.case.paths.items() if path in e.paths]
    return e.case.is_of_params_and_indices(variable, own)


def _bases(alone: Sequence[Values], read: Sequence[Values], shape: tuple[int, ...]) -> Iterator[list[np.ndarray]]:
    flat = [_flat(v) for v in alone]
    for p in flat:
        yield [p]
    for first, p in enumerate(flat):
        yield from ([p, q] for q in flat[:first])
    for p in alone:
        for v in read:
            try:
                # What is one number in each run lies along the first axis.
                wide = [b.reshape(b.shape + (1,) * (len(shape) - b.ndim)) for b in v]
                yield [_flat(p), _flat(tuple(np.broadcast_to(a * b, shape) for a, b in zip(p, wide, strict=True)))]
            except ValueError:
                continue


def _is_made_of(rest: np.ndarray, basis: list[np.ndarray]) -> bool:
    matrix = np.stack(basis, axis=1)
    if not rest.any() or not np.isfinite(matrix).all() or not np.isfinite(rest).all():
        return False
    weights = np.linalg.lstsq(matrix, rest, rcond=None)[0]
    return norm(rest - matrix @ weights) <= RIGHT * norm(rest)


def _flat(values: Values) -> np.ndarray:
    return np.concatenate([np.ravel(value) for value in values])


def _columns(e: Explanation) -> Iterator[list[int]]:
    """The variables of the statement, each with those that stand for it in the other runs."""
    equations = e.case.bench.program.equations
    seen = set()
    for places in zip(*e.mistake.instances, strict=False):
        for atoms in zip(*((*equations[i].inputs, *equations[i].outputs) for i in places), strict=False):
            numbers = [atom for atom in atoms if isinstance(atom, int)]
            if len(numbers) == len(atoms) and tuple(numbers) not in seen:
                seen.add(tuple(numbers))
                yield numbers
