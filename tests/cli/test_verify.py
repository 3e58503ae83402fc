import json
import re
from pathlib import Path

import jax
import pytest

from jaxmlp import _cli, lectures
from jaxmlp._cli import _verify
from jaxmlp.lectures import Claim


LAST_LINE = re.compile(r"(\d+) claims, (\d+) hold \(\d+\.\d s, (cpu|gpu), float32\)")
GOOD = Claim("003", "a number", 0.5, 0.5, 1e-3, "a table", "what it teaches")
BAD = Claim("003", "another number", 0.5, 0.75, 1e-3, "a table", "what it teaches")
EDGE = Claim("004", "an edge", float("nan"), float("nan"), 0, "equality")
PAIR = Claim("004", "a pair", (0.0, float("-inf")), (0.0, float("-inf")), 0, "equality")


@pytest.fixture
def claims(monkeypatch):
    """`claims(*these)` makes the lectures claim these and nothing else."""
    asked = {}

    def use(*these):
        def run(ids=None, *, dtype="float32"):
            asked.update(ids=ids, dtype=dtype)
            return iter(these)

        monkeypatch.setattr(lectures, "run", run)
        return asked

    return use


def totals(out):
    """The two counts of the last line."""
    match = LAST_LINE.fullmatch(out.splitlines()[-1])
    assert match
    return int(match[1]), int(match[2])


def test_a_lecture_is_verified_for_real(capsys):
    assert _cli.main(["verify", "--lecture", "003"]) == 0
    out, err = capsys.readouterr()
    count, holding = totals(out)
    assert count == holding >= 26
    assert "lecture 003" in out and "E_total" in out and "\x1b" not in out
    assert err == ""  # no progress where nobody watches


def test_arguments_reach_the_lectures(claims):
    asked = claims(GOOD)
    _cli.main(["verify", "--lecture", "003", "--lecture", "000", "--dtype", "float64", "--platform", "cpu"])
    assert asked == {"ids": ["003", "000"], "dtype": "float64"}


def test_a_claim_that_fails_is_shown_in_full_and_fails_the_command(claims, capsys):
    claims(GOOD, BAD)
    assert _cli.main(["verify"]) == 1
    out = capsys.readouterr().out
    assert totals(out) == (2, 1)
    assert "FAIL  003  another number" in out and "printed 0.5, computed 0.75" in out and "a table" in out


def test_no_claim_at_all_is_no_success(claims):
    claims()
    assert _cli.main(["verify"]) == 1


def test_explain_says_what_a_claim_teaches(claims, capsys):
    claims(GOOD)
    _cli.main(["verify"])
    assert "what it teaches" not in capsys.readouterr().out
    _cli.main(["verify", "--explain"])
    out = capsys.readouterr().out
    assert "what it teaches" in out and "allowed: a table" in out


def test_json_is_strict_and_complete(claims, tmp_path):
    claims(GOOD, BAD, EDGE, PAIR)
    path = tmp_path / "claims.json"
    path.write_text("old")
    assert _cli.main(["verify", "--json", str(path)]) == 1

    document = json.loads(path.read_text(), parse_constant=pytest.fail)
    assert set(document) == {"claims", "platform", "seconds"}
    assert document["platform"] == jax.devices()[0].platform and document["seconds"] >= 0
    fields = {"lecture", "name", "printed", "computed", "tolerance", "ok"}
    assert all(set(claim) == fields for claim in document["claims"])
    assert [claim["ok"] for claim in document["claims"]] == [True, False, True, True]
    assert document["claims"][1] == {
        "lecture": "003", "name": "another number", "printed": 0.5, "computed": 0.75, "tolerance": 1e-3, "ok": False,
    }  # fmt: skip
    assert document["claims"][2]["printed"] == document["claims"][2]["computed"] == "nan"
    assert document["claims"][3]["computed"] == [0.0, "-inf"]
    assert list(tmp_path.iterdir()) == [path]  # nothing left beside it


@pytest.mark.parametrize("place", ["missing/claims.json", "."])
def test_a_place_that_cannot_be_written_is_one_sentence_and_no_work(claims, tmp_path, capsys, place):
    asked = claims(GOOD)
    assert _cli.main(["verify", "--json", str(tmp_path / place)]) == 2
    out, err = capsys.readouterr()
    assert err.startswith("jaxmlp: cannot write") and len(err.splitlines()) == 1
    assert out == "" and asked == {}


def test_a_write_that_fails_late_is_one_sentence(claims, tmp_path, capsys, monkeypatch):
    claims(GOOD)

    def full(self, *args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    assert _cli.main(["verify", "--json", str(tmp_path / "claims.json")]) == 2
    assert "No space left on device" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["verify", "--lecture", "005"],
        ["verify", "--dtype", "float16"],
        ["verify", "--platform", "abacus"],
    ],
)
def test_bad_usage_exits_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as exit:
        _cli.main(arguments)
    assert exit.value.code == 2
    assert " cannot be " in capsys.readouterr().err


def test_a_missing_platform_is_one_sentence(monkeypatch, capsys):
    def no_devices(backend=None):
        raise RuntimeError(f"Unknown backend {backend}")

    monkeypatch.setattr(jax, "local_devices", no_devices)
    assert _cli.main(["verify", "--platform", "gpu"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err == "jaxmlp: JAX has no gpu device here; for an NVIDIA GPU install jaxmlp[cuda].\n"


def test_the_lectures_offered_are_those_there_are():
    assert _verify.LECTURE_IDS == tuple(lectures.LECTURES)


def test_an_interrupt_leaves_no_traceback(monkeypatch, capsys):
    def interrupted(ids=None, *, dtype="float32"):
        raise KeyboardInterrupt

    monkeypatch.setattr(lectures, "run", interrupted)
    assert _cli.main(["verify"]) == 130
    assert capsys.readouterr().err == "jaxmlp: interrupted\n"
