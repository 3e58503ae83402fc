"""Which verdict, which line and which cause `check` names for mistakes planted in the source of right gradients.

Eight backward passes written by hand (`programs.py`) are changed at random in one place of their source: a sign, a
factor, an operand, a transpose, a lost term or factor, an axis, a mask, a slope, a leaf; in their backward half, or in
the forward values that they compute again. Changes that change nothing, or that do not run, are drawn again. Each kind
of change has the cause that would name it best. Exit status 1 if a verdict is not "wrong". The table of the last run
is kept in `mutants.md`.

    python benchmarks/mutants.py                       200 mutants
    python benchmarks/mutants.py --count 20            fewer
    python benchmarks/mutants.py --failures            and every one whose line or cause is missed
"""

import ast
import inspect
import sys
import textwrap
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import jax
import numpy as np
import script
from changes import changed, changes, defined
from programs import PROGRAMS

from jaxmlp import check


CAUSES = {
    "sign": {"sign"},
    # `1 + a` for the `1 - a` of a slope is a sign and a slope that is wrong.
    "sign of a term": {"sign", "missing-term", "wrong-activation-derivative"},
    "factor 2": {"scale-constant"},
    "batch factor": {"scale-batch"},
    "lost divisor": {"scale-constant", "missing-factor"},
    # Of `a * (1 - a)` one half may be what is lost.
    "lost slope": {"missing-activation-derivative", "wrong-activation-derivative"},
    # A penalty may have lost its 2.
    "lost factor": {
        "missing-factor",
        "missing-upstream",
        "scale-constant",
        "wrong-activation-derivative",
        "wrong-regularization",
    },
    "lost term": {"missing-term", "missing-regularization"},
    "another operand": {"wrong-operand", "off-by-one-layer", "stale-weights"},
    "transpose": {"transposed", "wrong-operand"},
    "another axis": {"wrong-reduction-axis", "missing-reduction"},
    "another mask": {"wrong-mask"},
    "another slope": {"wrong-activation-derivative"},
    "zero leaf": {"zero-gradient"},
    "swapped leaves": {"swapped-leaves"},
}
"""The kinds of changes, and the causes that name them well; in the forward half `wrong-forward` does as well."""


@dataclass(frozen=True)
class Mutant:
    """A gradient with one mistake, and where it stands."""

    program: str
    kind: str
    grads: Callable[..., Any]
    line: int
    was: str
    now: str
    is_forward: bool

    @property
    def row(self) -> str:
        return f"{self.kind}, forward" if self.is_forward else self.kind

    @property
    def causes(self) -> set[str]:
        return CAUSES[self.kind] | ({"wrong-forward"} if self.is_forward else set())


def mutants(count: int, seed: int = 0) -> Iterator[Mutant]:
    """`count` mutants, drawn so that programs and kinds of changes come up about equally often."""
    random = np.random.default_rng(seed)
    sources = {
        name: ast.unparse(ast.parse(textwrap.dedent(inspect.getsource(program.grads))))
        for name, program in PROGRAMS.items()
    }
    possible = {name: list(changes(source)) for name, source in sources.items()}
    seen: set[tuple[str, str]] = set()
    number = 0
    while number < count:
        name = list(PROGRAMS)[random.integers(len(PROGRAMS))]
        kinds = sorted({change.kind for change in possible[name]})
        kind = kinds[random.integers(len(kinds))]
        choice = [change for change in possible[name] if change.kind == kind]
        change = choice[random.integers(len(choice))]
        source = changed(sources[name], change)
        if (name, source) in seen:
            continue
        seen.add((name, source))
        grads = defined(source, f"{PROGRAMS[name].grads.__name__}_{seed}_{number}.py", PROGRAMS[name].grads)
        if not _is_wrong(name, grads):
            continue
        number += 1
        was, now = (text.splitlines()[change.line - 1].strip() for text in (sources[name], source))
        is_forward = not (was.startswith(("d", "grads", "return")) or "dz" in was)
        yield Mutant(name, kind, grads, change.line, was, now, is_forward)


def _is_wrong(name: str, grads: Callable[..., Any]) -> bool:
    """Whether the gradient runs, has the shapes of the parameters, and is wrong at a point of random numbers."""
    program = PROGRAMS[name]
    with jax.enable_x64(True):
        problem = program.problem(1)
        try:
            actual, expected = jax.jit(grads)(*problem), _truth(name)
            return any(
                not np.allclose(actual[path], leaf, rtol=0, atol=1e-6 * np.linalg.norm(leaf))
                for path, leaf in expected.items()
            )
        except (TypeError, ValueError, LookupError, NameError):
            return False


@cache
def _truth(name: str) -> dict[str, jax.Array]:
    return jax.jit(jax.grad(PROGRAMS[name].loss))(*PROGRAMS[name].problem(1))


def judged(mutant: Mutant) -> tuple[Any, float]:
    """The report on a mutant, and the seconds that it took."""
    program = PROGRAMS[mutant.program]
    began = time.perf_counter()
    report = check(program.loss, mutant.grads, *program.problem(0))
    return report, time.perf_counter() - began


def has_line(mutant: Mutant, report: Any) -> bool:
    """Whether the first finding stands on the line that was changed."""
    line = report.findings[0].line if report.findings else None
    return line is not None and line.number == mutant.line


def has_cause(mutant: Mutant, report: Any) -> bool:
    """Whether the first finding names the mistake well."""
    return bool(report.findings) and report.findings[0].cause in mutant.causes


def main() -> int:
    parser = script.parser(__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--failures", action="store_true")
    options = parser.parse_args()
    rows: dict[str, list[tuple[Mutant, Any]]] = defaultdict(list)
    seconds = []
    for mutant in mutants(2 if options.smoke else options.count, options.seed):
        report, took = judged(mutant)
        rows[mutant.row].append((mutant, report))
        seconds.append(took)
        if options.failures and not (has_line(mutant, report) and has_cause(mutant, report)):
            print(_failure(mutant, report), flush=True)
    every = [pair for pairs in rows.values() for pair in pairs]
    print("| planted | count | wrong | line | cause | causes named |\n|---|--:|--:|--:|--:|---|")
    for row in sorted(rows):
        causes = Counter(report.findings[0].cause if report.findings else report.verdict for _, report in rows[row])
        named = ", ".join(f"{cause} {count}" for cause, count in causes.most_common())
        print(f"| {row} | {_rates(rows[row])} | {named} |")
    print(f"| all | {_rates(every)} | |\n")
    print(f"{np.median(seconds):.2f} s a check (median), {max(seconds):.2f} s at most, {sum(seconds):.0f} s in all")
    script.write(options.json, dict(zip(("planted", "wrong", "line", "cause"), _counts(every), strict=True)))
    return 0 if all(report.verdict == "wrong" for _, report in every) else 1


def _counts(pairs: list[tuple[Mutant, Any]]) -> tuple[int, int, int, int]:
    wrong = sum(report.verdict == "wrong" for _, report in pairs)
    lines, causes = (sum(has(*pair) for pair in pairs) for has in (has_line, has_cause))
    return len(pairs), wrong, lines, causes


def _rates(pairs: list[tuple[Mutant, Any]]) -> str:
    return " | ".join(map(str, _counts(pairs)))


def _failure(mutant: Mutant, report: Any) -> str:
    lines = [f"{mutant.program}, {mutant.row}: line {mutant.line}: `{mutant.was}` -> `{mutant.now}`"]
    for finding in report.findings:
        line = f"line {finding.line.number}: `{finding.line.text}`" if finding.line else "no line"
        lines.append(f"    {finding.cause} at {line}: {finding.message} must: {finding.must}")
    return "\n".join([*lines, *([] if report.findings else [f"    {report.verdict}"])])


if __name__ == "__main__":
    sys.exit(main())
