"""What a report shows."""

import json
import math

import jax.numpy as jnp

from jaxmlp import check
from jaxmlp.verify import Finding, GradientReport, LeafCheck, Line

from .gradients import changed, grads, loss, problem


LEAF = LeafCheck("w<1>", "wrong", math.inf, 1e-7, (2, 3), "float32", 3.2, 0.5)
LINE = Line("<net>.py", 41, "dz1 = da1 & b")
FINDING = Finding("sign", ("w<1>",), "The gradient of `w<1>` has the wrong sign.", "Look & see.", -1.0, LINE)
REPORT = GradientReport("<hand>", "wrong", (LEAF,), (FINDING,))


def test_the_text_has_a_row_for_each_leaf_and_every_finding(getkey):
    text = str(check(loss, changed(w1=jnp.negative), *problem(getkey())))
    assert text.splitlines()[0] == "wrong_grads is wrong: 1 of 4 leaves"
    for path, verdict in (("b1", "right"), ("b2", "right"), ("w1", "wrong"), ("w2", "right")):
        (row,) = [line for line in text.splitlines() if line.split()[:1] == [path]]
        assert row.endswith(verdict)
    assert "1. sign: The gradient of `w1` has the wrong sign" in text and max(map(len, text.splitlines())) <= 100
    right = check(loss, grads, *problem(getkey()))
    assert str(right).splitlines()[0] == "grads is right: 4 leaves, at 3 points in float64"


def test_a_line_is_shown_with_its_place():
    assert "<net>.py:41  dz1 = da1 & b" in str(REPORT)


def test_the_json_is_strict_and_complete():
    read = json.loads(REPORT.to_json(), parse_constant=lambda name: 1 / 0)
    assert read["schema"] == 1 and read["verdict"] == "wrong" and read["ok"] is False
    assert read["leaves"][0]["error"] == "inf" and read["leaves"][0]["shape"] == [2, 3]
    assert read["findings"][0]["line"] == {"file": "<net>.py", "number": 41, "text": "dz1 = da1 & b"}


def test_the_html_escapes_every_string():
    html = REPORT._repr_html_()
    for raw in ("w<1>", "<hand>", "Look & see"):
        assert raw not in html
    assert "w&lt;1&gt;" in html and "&lt;hand&gt;" in html and "Look &amp; see" in html


def test_a_report_prints_nothing_and_is_a_value(getkey, capsys):
    check(loss, grads, *problem(getkey()))
    assert capsys.readouterr() == ("", "")
    assert hash(REPORT) == hash(GradientReport("<hand>", "wrong", (LEAF,), (FINDING,)))


def test_an_undecided_report_gives_its_reason():
    report = GradientReport("f", "undecided", (LEAF,), reasons=("No power here.",))
    assert not report.ok and "No power here." in str(report) and "No power here." in report._repr_html_()
