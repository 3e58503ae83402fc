"""The HTML of a report: well formed, complete in itself, and with every string escaped."""

import re
from html.parser import HTMLParser

import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp import check
from jaxmlp.verify import Finding, GradientReport, LeafCheck, Line
from jaxmlp.verify._report import _words

from ..gradients import changed, loss, problem


EVIL = """<script>alert('1')</script> "q" & 'a' </pre></style><!-- `<b>` \x1b[31m"""
VOID = {"meta", "rect", "path", "br"}


class Reader(HTMLParser):
    """Reads a page, insisting that every element is closed in its turn."""

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.attributes, self.text = [], [], [], ""
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += "" if self.open[-1:] == ["style"] else data


def report_of(text):
    helper = Line(text, 3, text, source=((2, text), (3, text)))
    line = Line(text, 41, text, within=helper, source=((40, text), (41, text)))
    place = _words.Place(line, text, text, text, text)
    findings = (
        Finding(text, (text,), text, text, 2.0, line, text, text, text),
        _words.wrong_slope((text, "b1"), used=text, slope=text, place=place),
        _words.born_nonfinite((text,), operation=text, operands=text),
    )
    leaf = LeafCheck(text, "wrong", 1.0, 1e-7, (2, 3), text, 1.0, 1.0, np.ones((2, 3)))
    return GradientReport(text, "wrong", (leaf,), findings, (text,), text)


@pytest.mark.parametrize("lang", ("en", "ko"))
def test_every_string_is_escaped(lang):
    plain, evil = Reader(report_of("plain").to_html(lang=lang)), Reader(report_of(EVIL).to_html(lang=lang))
    assert evil.tags.count("script") == 0
    # Backticks mark code in a sentence, so only there may the markup differ.
    assert [tag for tag in evil.tags if tag != "code"] == [tag for tag in plain.tags if tag != "code"]
    assert {name for name, _ in evil.attributes} == {name for name, _ in plain.attributes}
    assert evil.text.count("<script>alert('1')</script> \"q\" & 'a'") >= 20 and "\x1b" not in evil.text
    assert any("<script>" in value for name, value in evil.attributes if name == "aria-label")


def test_the_page_needs_nothing_else_and_says_its_language():
    page = report_of("plain").to_html(lang="ko")
    assert page.startswith("<!doctype html>") and '<html lang="ko">' in page and '<meta charset="utf-8">' in page
    assert "width=device-width" in page and "prefers-color-scheme: dark" in page
    assert not re.search(r"https?:|url\(|@import|<script|<link|<img|\son\w+=", page)
    assert "올바른 식" in page and "must be" not in page


def test_the_page_is_written_in_utf_8(tmp_path):
    report = report_of("도함수 \ud800")
    text = report.to_html(tmp_path / "report.html")
    assert "도함수" in (tmp_path / "report.html").read_text(encoding="utf-8") and "도함수" in text
    report.to_html(str(tmp_path / "same.html"), lang="ko")
    assert 'lang="ko"' in (tmp_path / "same.html").read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="`lang` must be"):
        report.to_html(tmp_path / "none.html", lang="fr")
    assert not (tmp_path / "none.html").exists()


def test_a_notebook_shows_the_same_without_a_background_of_its_own():
    report = report_of("plain")
    fragment = report._repr_html_()
    assert fragment in report.to_html() and "<html" not in fragment and "<body" not in fragment
    Reader(fragment)
    style = re.findall(r"<style>(.*?)</style>", fragment, re.DOTALL)[0]
    backgrounds = set(re.findall(r"background: ([^;}]+)", style))
    assert all(value.startswith(("rgba(", "none")) for value in backgrounds), "tints of whatever lies behind"
    colors = set(re.findall(r"[^-]color: ([^;}]+?)[;\s}]", style)) - {"#2b83ba", "#d95f0e"}
    assert colors == {"inherit"}, "the text takes the colour of what surrounds it"
    assert all(rule.startswith(".jaxmlp") for rule in style.split("\n") if rule.endswith("}") and rule[0] == ".")


def test_the_guilty_line_is_marked_and_the_verdict_is_in_words():
    line = Line("net.py", 41, "dz1 = da1", source=((40, "    da1 = a"), (41, "    dz1 = da1"), (42, "    return")))
    leaf = LeafCheck("w1", "wrong", 1.0, 1e-7, (2,), "float32")
    html = GradientReport("f", "wrong", (leaf,), (Finding("sign", ("w1",), "M.", line=line),)).to_html()
    assert '<pre tabindex="0">   40 | da1 = a\n<mark> &gt; 41 | dz1 = da1</mark>\n   42 | return</pre>' in html
    assert "<td>wrong</td>" in html and "net.py:41" in html and "makes wrong" in html


def test_a_real_report_has_a_map_of_each_wrong_leaf(getkey):
    report = check(loss, changed(w1=jnp.negative, b2=lambda g: g.at[0].multiply(3)), *problem(getkey()))
    html = Reader(report.to_html())
    labels = [value for name, value in html.attributes if name == "aria-label"]
    assert [label.split(":")[0] for label in labels] == ["b2 (2,)", "w1 (3, 4)"]
    assert all("times the largest true entry" in label for label in labels)
    assert "NaN or inf" in html.text and "up to 1e-05" in html.text, "the scale is in words"


def test_long_reports_are_folded():
    leaves = tuple(
        LeafCheck(f"w{i}", "wrong", 1.0, 1e-7, (2,), "float32", difference=np.ones((1, 2))) for i in range(60)
    )
    leaves += tuple(LeafCheck(f"b{i}", "right", 1e-16, 1e-7, (2,), "float32") for i in range(140))
    findings = tuple(_words.scale_constant((f"w{i}",), float(i)) for i in range(2, 62))
    html = Reader(GradientReport("f", "wrong", leaves, findings).to_html())
    assert html.tags.count("details") == 3 and html.tags.count("section") == 60
    assert "52 more findings" in html.text and "and 140 more leaves: 140 right" in html.text
    assert "24 more maps" in html.text and "(32 / 60)" in html.text
    assert all(f"b{i}" in html.text for i in range(140)), "folded, not lost"


def test_a_right_report_has_no_maps_and_no_findings():
    leaf = LeafCheck("w1", "right", 1e-16, 1e-7, (2,), "float32")
    html = Reader(GradientReport("f", "right", (leaf,)).to_html())
    assert "svg" not in html.tags and "section" not in html.tags and "f is right: 1 leaf, at 1 point" in html.text
