"""A sample of `benchmarks/false_results.py`, and the gradients that it found to be judged falsely."""

import importlib
import sys
from pathlib import Path

import pytest


pytestmark = pytest.mark.long


BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

SAMPLE = (
    *(1118, 43, 1035, 18, 1014, 1115, 1020, 1004, 1082, 1095, 1000, 1110, 7, 6, 1026, 1070, 57, 1094, 49, 1089),
    *(39, 1076, 1119, 1102, 45, 1059, 1013, 56, 15, 1051, 23, 22, 38, 1117, 29, 35, 1048, 1116, 1063, 17),
)
"""Seeds of every arrangement and dtype, of those the ones that are done soonest."""

FOUND = {
    1047: "with inputs of 200 every tanh is 1 to rounding, at smaller parameters too",
    1813: "the derivative of a quotient of exponentials underflows, and autodiff calls the slope of tanh 1",
    644: "a softmax is saturated both here and near by, so that rounding drowns what a black box is off by",
    739: "rounding drowns the mistake here, and the gradient vanishes near by",
    1358: "a leaf is smaller than the smallest normal number of float64, and lost in another order of the sums",
    207: "autodiff has no finite gradient here, and the mistake shows elsewhere",
    1060: "rounding drowns the mistake here, and the gradient vanishes near by",
}
"""Seeds of right gradients that were called wrong, or of mistakes that were called right, and why."""


@pytest.fixture(scope="module")
def lines():
    if not BENCHMARKS.is_dir():
        pytest.skip("installed without the benchmarks")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield importlib.import_module("random_gradients.lines")
    for name in [name for name in sys.modules if name.split(".")[0] in ("random_gradients",)]:
        del sys.modules[name]


def judged(lines, seed, monkeypatch):
    """The line of a seed, and whether it is a false one; without diagnoses, on which no verdict depends."""
    monkeypatch.setattr(lines._judge, "found", lambda *args: ())
    tables = importlib.import_module("random_gradients.tables")
    line = lines.random_line(seed)
    return line, tables.is_accused(line) or tables.is_missed(line)


@pytest.mark.parametrize("part", range(4))
def test_random_gradients_are_judged_truly(lines, part, monkeypatch):
    for seed in SAMPLE[part::4]:
        line, is_false = judged(lines, seed, monkeypatch)
        assert not is_false, line
        assert line["mistake"] is not None, f"nothing was planted in {seed}"
        assert line["right"] == "right" or line["reason"] in ("zero-everywhere", "at-a-kink"), line


@pytest.mark.parametrize("seed", FOUND)
def test_what_was_judged_falsely_no_longer_is(lines, seed, monkeypatch):
    line, is_false = judged(lines, seed, monkeypatch)
    assert not is_false, line


def test_false_verdicts_count_as_such(lines):
    tables = importlib.import_module("random_gradients.tables")
    true = {"part": "random", "seed": 0, "dtype": "float32", "way": "matrices", "right": "right", "reason": ""}
    true |= {"mistake": "a row", "what": "", "verdict": "wrong", "why": "", "seconds": 1.0}
    accused = true | {"seed": 1, "right": "wrong", "finite": True}
    useless = true | {"seed": 2, "right": "wrong", "finite": False}
    missed = true | {"seed": 3, "verdict": "right", "foretold": False}
    foretold = true | {"seed": 4, "verdict": "right", "foretold": True}
    figures = tables.summary([true, accused, useless, missed, foretold])
    assert figures["accused"] == [1] and figures["missed"] == [3] and tables.has_failed(figures)
    assert figures["not finite in their own dtype"] == [2] and figures["foretold"] == [4]
    assert not tables.has_failed(tables.summary([true, useless, foretold]))
    assert "\n| right | 5 | 3 | 1 | 0 |" in tables.table(figures)
