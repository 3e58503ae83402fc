"""What a report shows: its text, its JSON, and what it is as a value."""

import copy
import json
import math
import pickle
import re

import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp import check
from jaxmlp.verify import Finding, GradientReport, LeafCheck, Line
from jaxmlp.verify._report import _words

from ..gradients import changed, grads, loss, problem


LEAF = LeafCheck("w<1>", "wrong", math.inf, 1e-7, (2, 3), "float32", 3.2, 0.5, np.ones((2, 3)))
SOURCE = ((40, "    da1 = dz2 @ w2.T"), (41, "    dz1 = da1 & b  # 도함수"), (42, ""), (100, "    return dz1"))
LINE = Line("<net>.py", 41, "dz1 = da1 & b  # 도함수", source=SOURCE)
FINDING = Finding("sign", ("w<1>",), "The gradient of `w<1>` has the wrong sign.", "Look & see.", -1.0, LINE)
REPORT = GradientReport("<hand>", "wrong", (LEAF,), (FINDING,))

PLACE = _words.Place(LINE, "dz1", "da1", "da1 * a1 * (1 - a1)", _words.corrected(("w1", "b1"), 1e-15))
LOCATED = _words.missing_slope(("w1", "b1"), at="z1", place=PLACE)
LEAVES = tuple(LeafCheck(path, "wrong", 0.31, 1e-7, (2,), "float32") for path in ("w1", "b1"))


def width(line):
    """The columns that a terminal gives a line of English and Korean."""
    return sum(2 if "가" <= character <= "힣" else 1 for character in line)


def test_the_text_has_a_row_for_each_leaf_and_every_finding(getkey):
    text = str(check(loss, changed(w1=jnp.negative), *problem(getkey())))
    assert text.splitlines()[0] == "wrong_grads is wrong: 1 of 4 leaves"
    for path, verdict in (("b1", "right"), ("b2", "right"), ("w1", "wrong"), ("w2", "right")):
        (row,) = [line for line in text.splitlines() if line.split()[:1] == [path]]
        assert row.endswith(verdict)
    assert "1. sign: The gradient of `w1` has the wrong sign" in text and max(map(len, text.splitlines())) <= 100
    right = check(loss, grads, *problem(getkey()))
    assert str(right).splitlines()[0] == "grads is right: 4 leaves, at 2 points in float64"


def test_a_finding_reads_like_a_compilers_diagnostic():
    report = GradientReport("hand", "wrong", LEAVES, (LOCATED,))
    assert str(report) == (
        "hand is wrong: 2 of 2 leaves\n"
        "\n"
        "1. missing-activation-derivative: `dz1` lacks the slope of the activation at `z1`.\n"
        "\n"
        "   --> <net>.py:41\n"
        "    40 | da1 = dz2 @ w2.T\n"
        " >  41 | dz1 = da1 & b  # 도함수\n"
        "       | ^^^^^^^^^^^^^^^^^^^^^^^\n"
        "    42 |\n"
        "   100 | return dz1\n"
        "\n"
        "   computes  da1\n"
        "   must be   da1 * a1 * (1 - a1)\n"
        "   evidence  With this line corrected, the error of `w1` and `b1` falls to 1e-15.\n"
        "\n"
        "  leaf  shape  dtype    error    allowed  ulps  jax.grad  verdict\n"
        "  w1    (2,)   float32  3.1e-01  1.0e-07  -     -         wrong\n"
        "  b1    (2,)   float32  3.1e-01  1.0e-07  -     -         wrong"
    )


def test_the_same_report_in_korean():
    korean = GradientReport("hand", "wrong", LEAVES, (LOCATED,)).text("ko")
    assert korean.startswith("hand: 틀렸습니다.") and "`dz1`에 `z1`에서의 활성화 함수 도함수가 빠졌습니다." in korean
    assert "   올바른 식  da1 * a1 * (1 - a1)\n   근거       이 줄을 바로잡으면" in korean, "labels line up"
    assert LOCATED.said("ko").message in korean and LOCATED.said("en") == LOCATED
    with pytest.raises(ValueError, match="`lang` must be one of 'en', 'ko', got 'fr'"):
        REPORT.text("fr")


def test_a_line_without_its_source_and_the_line_of_a_helper_are_shown():
    line = Line("net.py", 7, "out = helper(x)", within=Line("layers.py", 120, "return x.mean(0)"))
    text = GradientReport("f", "wrong", LEAVES, (Finding("sign", ("w1",), "Wrong.", line=line),)).text()
    assert "   --> net.py:7\n > 7 | out = helper(x)\n     | ^^^^^^^^^^^^^^^\n" in text
    assert "   --> layers.py:120\n > 120 | return x.mean(0)\n       | ^^^^^^^^^^^^^^^^\n" in text
    assert "makes wrong  `w1`" in text, "a message that does not name the leaves"
    tabs = Finding("sign", ("w1",), "Wrong.", line=Line("net.py", 7, "out\t= x"))
    assert " > 7 | out = x\n" in GradientReport("f", "wrong", LEAVES, (tabs,)).text(), (
        "a tab ends at every fourth column"
    )


@pytest.mark.parametrize("columns", (80, 100))
def test_a_line_of_the_source_is_cut_only_where_it_does_not_fit(columns):
    fits = "x" * (columns - len(" > 7 | "))
    for text in (fits, fits + "x"):
        finding = Finding("sign", ("w1",), "Wrong.", line=Line("net.py", 7, text))
        shown = GradientReport("f", "wrong", LEAVES, (finding,)).text(width=columns)
        assert f" > 7 | {text if text is fits else fits[:-1] + '…'}\n" in shown


@pytest.mark.parametrize("lang", ("en", "ko"))
@pytest.mark.parametrize("columns", (80, 100))
def test_no_line_is_wider_than_asked_for(lang, columns):
    path = "encoder.layers.12.attention.query_projection.kernel_of_a_very_long_name"
    line = Line("net.py", 41, "out = " + "very_long_name + " * 20, source=((40, "\tx = 1"),))
    place = _words.Place(line, "dz1", "da1", "da1 * " * 30 + "a1")
    findings = (
        _words.wrong_operand((path, "w" * 300), used="a1", instead="x"),
        _words.missing_upstream((path,), place=place),
        _words.unknown(tuple(f"w{i}" for i in range(200))),
    )
    leaves = (LEAF, LeafCheck(path, "wrong", 1e-3, 1e-7, (1000, 1000), "bfloat16", 1e9, 1e9))
    text = GradientReport("f" * 130, "wrong", leaves, findings, ("Why. " * 60,)).text(lang, width=columns)
    assert max(map(width, text.splitlines())) <= columns
    assert "…" in text, "source is cut"
    name = "".join(line.split()[0] for line in text[text.rindex("encoder.") :].splitlines())
    assert name == path, "the name of a leaf is broken, never cut"
    assert "w100" not in text, "200 names are no sentence"


def test_colour_only_on_demand_and_never_from_what_is_reported():
    plain, colored = REPORT.text(), REPORT.text(color=True)
    assert plain == str(REPORT) and "\x1b" not in plain and "\x1b[" in colored
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == plain
    line = Line("n\x1b[2J.py", 1, "x = '\x1b[31m'")
    finding = Finding("s\x1bx", ("w\x1b1",), "Wrong\x1b.", "a\x07b", line=line, computes="\x1b", evidence="\x1b]0;")
    leaf = LeafCheck("w\x1b1", "wrong", 1.0, 1e-7, (2,), "float32")
    hostile = GradientReport("f\x1b[31m", "wrong", (leaf,), (finding,), ("\x1b[0m \x9b",))
    assert not {"\x1b", "\x07", "\x9b"} & set(str(hostile)) and r"\x1b[31m" in str(hostile)


def test_many_leaves_are_folded_but_no_wrong_one():
    def report(verdicts):
        leaves = (LeafCheck(f"w{i}", v, 1e-16 * i, 1e-7, (2,), "float32") for i, v in enumerate(verdicts))
        return GradientReport("f", "wrong", tuple(leaves)).text()

    few = report(["wrong", *["right"] * 11])
    assert all(f"w{i} " in few for i in range(12)) and "more" not in few
    many = report(["wrong", *["right"] * 198, "undecided"])
    rows = [line.split()[0] for line in many.splitlines() if line.startswith("  w")]
    assert rows == ["w0", *(f"w{i}" for i in range(189, 200))], "and of the others those with the largest errors"
    assert many.endswith("and 188 more leaves: 188 right")
    nan = tuple(
        LeafCheck(f"w{i}", "right", math.nan if i == 3 else 1e-16 * i, 1e-7, (2,), "float32") for i in range(99)
    )
    assert "  w3 " in GradientReport("f", "right", nan).text(), "no error is larger than one that is no number"
    all_wrong = report(["right", *["wrong"] * 30])
    assert all(f"w{i} " in all_wrong for i in range(1, 31)) and all_wrong.endswith("and 1 more leaf: 1 right")


def test_of_many_findings_the_first_are_shown_in_full():
    findings = tuple(Finding("sign", ("w1",), f"Mistake {i}.", f"Mend {i}.") for i in range(1, 31))
    text = GradientReport("f", "wrong", LEAVES, findings).text()
    assert "30. sign: Mistake 30." in text and "Mend 10." in text and "Mend 11." not in text


def test_a_leaf_that_params_lacks_counts_as_wrong(getkey):
    text = str(check(loss, lambda *args: grads(*args) | {"extra": jnp.zeros(2)}, *problem(getkey())))
    assert "is wrong: 1 of 5 leaves" in text


def test_the_json_is_strict_and_complete():
    within = Line("layers.py", 3, "return x")
    finding = Finding("sign", ("w1",), "M.", "F.", -1.0, Line("net.py", 4, "y = f(x)", within), "a", "-a", "E.")
    report = GradientReport("<hand>", "wrong", (LEAF,), (finding, Finding("unknown", ("w1",), "M.")), ("R.",))
    read = json.loads(report.to_json(), parse_constant=lambda name: 1 / 0)
    (leaf,) = read.pop("leaves")
    assert leaf.pop("error") == "inf" and leaf.pop("shape") == [2, 3] and "difference" not in leaf
    assert set(leaf) == {"path", "verdict", "allowed", "dtype", "ulps", "autodiff_ulps"}
    first, second = read.pop("findings")
    helper = {"file": "layers.py", "number": 3, "text": "return x", "within": None}
    assert first == {
        "cause": "sign",
        "leaves": ["w1"],
        "message": "M.",
        "fix": "F.",
        "factor": -1.0,
        "line": {"file": "net.py", "number": 4, "text": "y = f(x)", "within": helper},
        "computes": "a",
        "must": "-a",
        "evidence": "E.",
    }
    assert set(second) == set(first) and second["line"] is None
    assert read.pop("summary") == "<hand> is wrong: 2 of 2 leaves"
    head = {"schema": 2, "ok": False, "subject": "<hand>", "verdict": "wrong", "precision": "float64", "points": 1}
    assert read == head | {"reasons": ["R."]}


def test_a_report_prints_nothing_and_is_a_value(getkey, capsys):
    report = check(loss, changed(w1=jnp.negative), *problem(getkey()))
    assert capsys.readouterr() == ("", "")
    assert hash(REPORT) == hash(GradientReport("<hand>", "wrong", (LEAF,), (FINDING,)))
    for twin in (copy.deepcopy(report), pickle.loads(pickle.dumps(report))):
        assert twin == report and twin.text("ko") == report.text("ko")


def test_an_undecided_report_gives_its_reasons():
    leaf = LeafCheck("w1", "undecided", 0.0, 1e-7, (2,), "float32")
    report = GradientReport("f", "undecided", (leaf,), reasons=("No power here.", _words.at_a_kink(("w1",))))
    assert not report.ok and str(report).splitlines()[0] == "f is undecided: 1 of 1 leaf"
    assert "No power here." in str(report) and "the point lies on a kink" in " ".join(str(report).split())
    assert "No power here." in report.text("ko") and "함수가 꺾이는 점" in " ".join(report.text("ko").split())
