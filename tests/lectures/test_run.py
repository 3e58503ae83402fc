import math
import re
from collections import Counter

import pytest

from jaxmlp.lectures import Claim, LECTURES, run


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
