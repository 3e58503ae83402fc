"""Parameters after a step: what reads them, and what would be right if nothing had been stepped yet."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace

import numpy as np

from .._line._bench import Evaluate, Patch, Patches, Read
from .._line._edits_of_programs import STEPS
from .._line._overwritten import PUTS
from .._line._relate import Values
from .._program._sites import results, wholes
from .._program._source import caller
from .._program._stacks import Frame
from .._program._trace import Atom, Equation
from .._report import _words
from .._report._gradient_report import Finding
from ._explanation import Explanation
from ._names import line_of


def steps(e: Explanation, *, read: bool = False) -> dict[int, tuple[int, int]]:
    """The parameters after a step, such as `w - rate * dw`, that the statement gives, or reads: by the equation that
    makes each, what it is before the step and the parameter that this is, or is a part of.
    """
    program, found = e.case.bench.program, dict[int, tuple[int, int]]()
    for run in e.mistake.instances:
        atoms = {atom for index in run for atom in program.equations[index].inputs} if read else results(program, run)
        for atom in atoms:
            index = program.makers.get(atom) if isinstance(atom, int) else None
            step = _step(e, index) if index is not None and (index not in run or not read) else None
            if index is not None and step is not None:
                found[index] = step
    return found


def _step(e: Explanation, index: int) -> tuple[int, int] | None:
    """What an equation steps, which may be a parameter after an earlier step, and the parameter."""
    program, params = e.case.bench.program, e.case.params
    equation = program.equations[index]
    is_a_sum = equation.name in ("add", "sub") and not e.case.bench.is_corrected(index)
    for position, term in enumerate(equation.inputs if is_a_sum else ()):
        other = equation.inputs[1 - position]
        if not isinstance(term, int) or not isinstance(other, int) or other in params:
            continue
        whole = next((atom for atom in wholes(program, term) if isinstance(atom, int) and atom in params), None)
        before = program.makers.get(term)
        if whole is None and before is not None and e.case.places[before] == e.case.places[index]:
            _, whole = _step(e, before) or (None, None)
        made = e.case.bench.run.at(equation.outputs[0])
        if whole is None or e.case.bench.run.at(term)[0].shape != made[0].shape:
            continue
        if _is_a_parameter(e, other):
            return None  # `old - new`
        read = e.case.depends_on(other)
        if whole in read and read - set(params):  # what is stepped comes of an error of all
            return None if _is_summed_up(e, equation.outputs[0]) else (term, whole)
    return None


def _is_a_parameter(e: Explanation, atom: Atom) -> bool:
    """Whether a variable is a parameter, before its steps or after them."""
    program = e.case.bench.program
    *_, whole = wholes(program, atom)
    start = _before_it_was_filled(e, whole)
    if start != atom:
        return _is_a_parameter(e, start)
    index = program.makers.get(atom) if isinstance(atom, int) else None
    return atom in e.case.params or (index is not None and _step(e, index) is not None)


def _is_summed_up(e: Explanation, value: int) -> bool:
    """Whether a sum is one of the forward pass, or becomes one with more terms: `x[0] * w[0] + b + x[1] * w[1]`."""
    program, pending = e.case.bench.program, [value]
    for each in pending:
        if _is_of_the_forward_pass(e, e.case.bench.run.at(each)):
            return True
        users = [program.equations[user] for user in program.users.get(each, ())]
        more = [out for user in users if user.name == "add" for out in user.outputs if out not in pending]
        pending += more[: max(0, _LONGEST - len(pending))]
    return False


_LONGEST = 100
"""The sums that are looked at, to find whether one is of the forward pass."""


def _is_of_the_forward_pass(e: Explanation, values: Values) -> bool:
    """Whether the loss computes a value, or one number of a value: `w @ x + b` is no step of `b`."""
    return e.is_forward(values) or (values[0].size == 1 and e.case.knowledge.has_number(values))


def stepped_in_rows(e: Explanation) -> int | None:
    """The parameter of which the statement steps some rows, as `w.at[i].add(-rate * dw)` does; none if it is the
    gradient of that which the step tells.
    """
    index = e.case.bench.program.makers.get(e.out) if e.out is not None else None
    is_it = index is not None and e.case.bench.program.equations[index].name == "scatter-add"
    start = _before_it_was_filled(e, e.out) if is_it and e.out is not None else None
    is_it = isinstance(start, int) and start in e.case.params and {*e.paths} != {e.case.paths[start]}
    return start if isinstance(start, int) and is_it else None


def _before_it_was_filled(e: Explanation, atom: Atom) -> Atom:
    """What an array was before rows or numbers of it were replaced or added to, one after the other."""
    program = e.case.bench.program
    while isinstance(atom, int) and (index := program.makers.get(atom)) is not None:
        if program.equations[index].name not in ("scatter-add", *PUTS):
            break
        atom = program.equations[index].inputs[0]
    return atom


def without_steps(e: Explanation) -> Patches:
    """Patches that leave the parameters as they were before the step that the statement makes; or, of one that reads
    them after it, if another mistake is left then. A gradient that is told by the step, `(old - new) / rate`, stays.
    """
    made = e.edit.kind == "departed"
    patches = _undone(e, [index for index, _ in steps(e, read=not made).items()])
    return {} if not made and all(e.case.bench.is_right(path, patches) for path in e.paths) else patches


def after_a_step(e: Explanation, findings: list[Finding]) -> list[Finding]:
    """The findings, as one of parameters that are read after their step, if nothing would be wrong had none been
    stepped yet: other parameters than those of which the gradient is wrong, which may be told by their step.
    """
    bench, own = e.case.bench, {variable for variable, path in e.case.paths.items() if path in e.paths}
    leading = {index for path in e.paths for index in bench.order[path]}
    each = {index: step for index in sorted(leading) if (step := _step(e, index)) is not None}
    stepped = {index: whole for index, (_, whole) in each.items() if whole not in own}
    is_told = {finding.cause for finding in findings} == {"stale-weights"}
    if not stepped or is_told or not all(bench.is_right(path, _undone(e, stepped)) for path in e.paths):
        return findings
    index, whole = next(iter(stepped.items()))
    [new], parameter = bench.program.equations[index].outputs, e.case.params[whole]
    line = line_of(_first_that_reads(e, stepped, sorted(leading)), e.case.source)
    place = replace(e.place(), line=line, name=None) if line is not None and line != e.place().line else e.place()
    return [_words.stale_weights(e.paths, used=e.case.names.of(new) or parameter, instead=parameter, place=place)]


def _first_that_reads(e: Explanation, stepped: Collection[int], leading: Sequence[int]) -> Frame | None:
    """Where a parameter is read first after its step, other than by its next one; if the function does the same
    elsewhere before any step, where it is called.
    """
    program, places = e.case.bench.program, e.case.places
    new = {out for index in stepped for out in program.equations[index].outputs}
    for equation in (program.equations[index] for index in leading):
        new.update(equation.outputs if equation.name in PUTS and not new.isdisjoint(equation.inputs) else ())
    others = [program.equations[i] for i in leading if i not in stepped and program.equations[i].name not in PUTS]
    reads = lambda equation: any(not new.isdisjoint(wholes(program, atom)) for atom in equation.inputs)
    moves = lambda equation: len(list(wholes(program, equation.outputs[0]))) > 1
    first = next((program.makers[e.outputs[0]] for e in others if reads(e) and not moves(e)), None)
    if first is None or places[first] is None:
        return None
    before = [i for i, place in enumerate(places) if place == places[first] and i < min(stepped)]
    return caller(program.equations[first].stacks, places[first]) if before else places[first]


def _undone(e: Explanation, stepped: Iterable[int]) -> Patches:
    """Patches of steps that leave the parameters as they were, but where both are subtracted."""
    program, patches = e.case.bench.program, dict[int, Patch]()
    before: Callable[[int], Patch] = lambda term: lambda inputs, evaluate, read, point: [read(term)]
    for index in stepped:
        term, _ = _step(e, index) or (None, None)
        [new] = program.equations[index].outputs
        if term is not None:
            patches[index] = before(term)
        for user in program.users.get(new, ()):
            if is_taken_from_itself(e, program.equations[user], new):
                patches[user] = _with_the_steps(program.equations[user], _chain(e, index))
    return patches


def _chain(e: Explanation, index: int) -> list[tuple[Equation, int]]:
    """A step and those before it of the same parameter, and what each steps."""
    program, chain = e.case.bench.program, list[tuple[Equation, int]]()
    step = _step(e, index)
    while step is not None:
        chain.append((program.equations[index], step[0]))
        index = program.makers.get(step[0], -1)
        step = _step(e, index) if index >= 0 else None
    return chain


def _with_the_steps(difference: Equation, chain: Sequence[tuple[Equation, int]]) -> Patch:
    """A difference of which one side is what steps make of a parameter, wherever else they are undone."""
    [new] = chain[0][0].outputs

    def patch(inputs: list[np.ndarray], evaluate: Evaluate, read: Read, point: int) -> list[np.ndarray]:
        made = read(chain[-1][1])
        for equation, term in reversed(chain):
            [other] = [atom for atom in equation.inputs if atom != term]
            made = made + read(other) if equation.name == "add" else made - read(other)
        return evaluate([made if atom == new else value for atom, value in zip(difference.inputs, inputs, strict=True)])

    return patch


def stale_operand(e: Explanation) -> tuple[str, str] | None:
    """An operand that is a parameter after a step: its name, and the parameter's."""
    program = e.case.bench.program
    inside = {out for index in e.run for out in program.equations[index].outputs}
    for equation in (program.equations[index] for index in e.run):
        for atom in equation.inputs:
            if isinstance(atom, int) and atom not in inside and not is_taken_from_itself(e, equation, atom):
                if (found := stale_value(e, atom)) is not None:
                    return found
    return None


def stale_value(e: Explanation, variable: int) -> tuple[str, str] | None:
    """The name of a value that is a parameter after a step, or a part of one, and that of the parameter."""
    program, bench = e.case.bench.program, e.case.bench
    if variable in program.inputs or _is_of_the_forward_pass(e, bench.run.at(variable)):
        return None
    *_, whole = wholes(program, variable)
    index = program.makers.get(whole) if isinstance(whole, int) else None
    if index is None or program.equations[index].name not in STEPS or bench.is_corrected(index):
        return None
    before = (_before_it_was_filled(e, term) for term in program.equations[index].inputs)
    for of in (of for term in before for of in wholes(program, term)):
        if isinstance(of, int) and of in e.case.params:
            return e.case.names.of(variable) or e.case.params[of], e.case.params[of]
    return None


def is_taken_from_itself(e: Explanation, equation: Equation, variable: int) -> bool:
    """Whether a parameter after its step and the parameter itself are subtracted: `(old - new) / rate`."""
    others = {atom for read in equation.inputs if read != variable for atom in wholes(e.case.bench.program, read)}
    return equation.name == "sub" and not others.isdisjoint(e.case.depends_on(variable) & set(e.case.params))
