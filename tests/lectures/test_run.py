"""The claims of the lectures, computed once for all tests of this file."""

import math
import re
from collections import Counter
from functools import cache

import pytest

from jaxmlp.lectures import Claim, LECTURES, run


@pytest.fixture(scope="module")
def claims_of():
    """`claims_of(lecture)`: its claims in float32, as a tuple."""

    @cache
    def compute(lecture: str) -> tuple[Claim, ...]:
        return tuple(run([lecture]))

    return compute


@pytest.mark.parametrize("lecture", LECTURES)
def test_every_claim_holds(claims_of, lecture):
    failed = [f"{claim.name}: {claim.printed} {claim.computed}" for claim in claims_of(lecture) if not claim.ok]
    assert not failed


@pytest.mark.parametrize("lecture", LECTURES)
def test_claims_are_complete_and_plain(claims_of, lecture):
    names = Counter(claim.name for claim in claims_of(lecture))
    assert [name for name, count in names.items() if count > 1] == []
    for claim in claims_of(lecture):
        assert claim.lecture == lecture
        assert claim.source
        assert _is_plain(claim.printed) and _is_plain(claim.computed), claim
        assert math.isfinite(claim.tolerance) and claim.tolerance >= 0
        if isinstance(claim.printed, bool | str | tuple):
            assert claim.tolerance == 0


def _is_plain(value):
    if type(value) is tuple:
        return all(map(_is_plain, value))
    return type(value) in (bool, int, float, str)


@pytest.mark.parametrize(
    ("lecture", "pattern", "count"),
    [
        ("000", r"XOR, one layer: loss at step \d+", 5),
        ("000", r"XOR, one layer: output \d", 4),
        ("000", r"XOR, by hand: cost at step \d+", 5),
        ("000", r"XOR, by hand: prediction \d", 4),
        ("001", r"printed curve: cost at step \d+", 39),
        ("001", r"2-2-1 by hand: step \d+", 29),
        ("001", r"2-2-1 by jax.grad: step \d+", 29),
        ("001", r"2-10-10-10-1 by hand: step \d+", 37),
        ("001", r"2-10-10-10-1 by jax.grad: step \d+", 37),
        ("004", r"loss at epoch (\d+00|10000)", 20 + 3),  # 20 are NaN; 100, 200 and 300 come before
    ],
)
def test_every_printed_number_is_a_claim(claims_of, lecture, pattern, count):
    assert sum(bool(re.fullmatch(pattern, claim.name)) for claim in claims_of(lecture)) == count


def test_printed_numbers_of_one_lecture_are_not_those_of_another_row(claims_of):
    # A tolerance that reaches the next printed number would not tell the two apart.
    for name in ("XOR, by hand: cost", "2-2-1 by hand: step"):
        rows = [claim for lecture in ("000", "001") for claim in claims_of(lecture) if claim.name.startswith(name)]
        for row, other in zip(rows[:-1], rows[1:], strict=True):
            assert abs(row.printed - other.printed) > row.tolerance


# What single lectures claim; their other tests are beside this file.


def test_the_twenty_printed_lines_are_nan(claims_of):
    epochs = {f"loss at epoch {epoch}" for epoch in range(500, 10_001, 500)}
    lines = [claim for claim in claims_of("004") if claim.name in epochs]
    assert len(lines) == 20
    assert all(math.isnan(claim.printed) and math.isnan(claim.computed) and claim.ok for claim in lines)


def test_only_the_sign_repairs_learning(claims_of):
    right = {
        claim.name: claim.computed for claim in claims_of("004") if claim.name.endswith("right answers at the end")
    }
    assert {name for name, count in right.items() if count > 2} == {name for name in right if "flipped" in name}


def test_only_the_repaired_lines_solve_xor(claims_of):
    costs = {claim.name: claim.computed for claim in claims_of("002") if claim.name.startswith("cost at step")}
    assert sorted(cost < 0.05 for cost in costs.values()) == [False, True]


def test_the_student_is_told_the_shapes(claims_of):
    texts = {claim.name: claim.text for claim in claims_of("formulas")}
    for name in ("dW = Xᵀ dZ", "db = Σ dZ", "dX = dZ Wᵀ"):
        assert "Shapes" in texts[f"shape of {name}"] and "(batch, n_out)" in texts[f"shape of {name}"]


@pytest.mark.parametrize("lecture", ("000", "001", "002", "004"))
def test_every_mistake_is_diagnosed(claims_of, lecture):
    diagnoses = [claim for claim in claims_of(lecture) if claim.name.startswith("diagnosed")]
    assert diagnoses and all(claim.ok and claim.computed for claim in diagnoses)


# The order and the errors.


def test_lectures_run_in_order_whatever_order_is_asked_for(monkeypatch):
    for name in LECTURES:
        monkeypatch.setitem(LECTURES, name, LECTURES[name]._replace(claims=lambda dtype, name=name: iter([_of(name)])))
    assert [claim.lecture for claim in run()] == list(LECTURES)
    assert [claim.lecture for claim in run(["004", "000"])] == ["000", "004"]


def _of(lecture):
    return Claim(lecture, "a name", 1, 1, 0, "a source")


def test_unknown_lectures_and_dtypes_are_refused_at_once():
    with pytest.raises(ValueError, match="'005'; the lectures are 000, 001"):
        run(["000", "005"])
    with pytest.raises(ValueError, match="'float16', but must be"):
        run(dtype="float16")  # type: ignore[arg-type]
