"""Planted mistakes: each operator makes the mistake that it names, and `check` finds mistakes planted in the source."""

import importlib
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp.verify._line._bench import Bench
from jaxmlp.verify._mutants import mutants
from jaxmlp.verify._program._trace import traced

from ..helpers import normal


pytestmark = pytest.mark.long


BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def planted(grads, *arrays, batch=None):
    """Every mutant of `grads` by cause, as the leaves `(actual, ...)` that it gives."""
    program = traced(grads, *arrays)
    leaves = grads(*arrays)
    paths = [str(i) for i in range(len(leaves))]
    bench = Bench(program, [arrays], paths, [dict(zip(paths, map(np.asarray, leaves), strict=True))])
    found = {}
    for mutant in mutants(bench, batch):
        changed = bench.values(range(len(bench.program.equations)), mutant.patches, 0)
        assert changed is not None
        values = [changed.get(out, bench.run.values[0][out]) for out in bench.leaves.values()]
        found.setdefault(mutant.cause, []).append(values)
    return found


def holds(found, cause, *leaves):
    """Whether one of the mutants of a cause gives exactly `leaves`."""
    return any(all(map(np.allclose, values, leaves)) for values in found[cause])


def test_each_operator_makes_the_mistake_that_it_names(getkey):
    x, w, v = (normal(key, (3, 3)) for key in jax.random.split(getkey(), 3))

    def by_hand(x, w, v):
        a = jnp.tanh(x @ w)
        dz = v * (1 - a**2) - w
        return x.T @ dz, (dz * (x > 0).astype(dz.dtype)).sum(axis=0)

    a = jnp.tanh(x @ w)
    mask = (x > 0).astype(float)

    def right(dz=None, mask=mask, x=x, axis=0):
        dz = v * (1 - a**2) - w if dz is None else dz
        return x.T @ dz, (dz * mask).sum(axis=axis)

    found = planted(by_hand, x, w, v, batch=3)
    dw, db = right()
    assert holds(found, "sign", -dw, db) and holds(found, "sign", *right(v * (1 - a**2) + w))
    assert holds(found, "scale-constant", 2 * dw, db)
    assert holds(found, "scale-batch", dw, 3 * db) and holds(found, "scale-batch", dw, db / 3)
    assert holds(found, "zero-gradient", 0 * dw, db)
    assert holds(found, "missing-activation-derivative", *right(v - w))
    assert holds(found, "missing-factor", *right(1 - a**2 - w))
    assert holds(found, "wrong-activation-derivative", *right(v * a * (1 - a) - w))
    assert holds(found, "missing-term", *right(v * (1 - a**2))) and holds(found, "missing-term", *right(-w))
    assert holds(found, "wrong-mask", *right(mask=1 - mask))
    assert holds(found, "wrong-reduction-axis", *right(axis=1))
    assert holds(found, "transposed", right(x=x.T)[0], db)
    assert found["wrong-operand"]
    assert "swapped-leaves" not in found, "they have different shapes"


def test_leaves_of_one_shape_are_swapped_and_a_logistic_slope_is_replaced(getkey):
    x, v = normal(getkey(), (4,)), normal(getkey(), (4,))

    def by_hand(x, v):
        p = jax.nn.sigmoid(x)
        return v * (p * (1 - p)), v + p

    p = jax.nn.sigmoid(x)
    found = planted(by_hand, x, v)
    assert holds(found, "swapped-leaves", v + p, v * p * (1 - p))
    assert holds(found, "wrong-activation-derivative", v * (1 - p**2), v + p)
    assert "scale-batch" not in found, "the size of the batch is not known"


@pytest.fixture
def benchmark(monkeypatch):
    if not BENCHMARKS.is_dir():
        pytest.skip("installed without the benchmarks")
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.delitem(sys.modules, "mutants", raising=False)
    return importlib.import_module("mutants")


def test_the_programs_to_be_changed_are_right(benchmark):
    for name, program in benchmark.PROGRAMS.items():
        report = benchmark.check(program.loss, program.grads, *program.problem(0))
        assert report.ok, name
        power = report.power()
        assert power.planted == power.caught > 30, f"{name}: {power}"


def test_mistakes_planted_in_the_source_are_found(benchmark):
    """The verdict is always "wrong"; the line is that of the change in 9 of 12.

    Not in all: a wrong forward value may as well be mended in the line that uses it, and a wrong sign in a sum of two
    terms as well in the line that makes one of them.
    """
    reports = [(mutant, benchmark.judged(mutant)[0]) for mutant in benchmark.mutants(12, seed=1)]
    assert {report.verdict for _, report in reports} == {"wrong"}
    assert sum(benchmark.has_line(*pair) for pair in reports) >= 9
