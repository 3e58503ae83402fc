"""What stands in a report stays text: markup, quotes, what turns the direction of reading or steers a terminal."""

import importlib.util

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmlp import check, trace_nonfinite
from jaxmlp.verify import Finding, GradientReport, LeafCheck, Line
from jaxmlp.verify._nonfinite._report import Birth, NonfiniteReport, Operand
from jaxmlp.verify._report._planted import Power, Survivor

from .test_page import Reader


MARKUP = (
    "<script>document.title = 'taken'</script>",
    '"><img src=x onerror="document.title=1">',
    "' onload='document.title=1' x='",
    "</pre></style></title><svg onload=document.title=1>",
    "&lt;script&gt; &amp; &#60;",
    "`<b>` ``<i>`` `",
    "<!-- --> ]]> <![CDATA[",
    "{path} %s {0} \\x3cscript\\x3e",
)
STEERING = (
    "\x1b[31mred",
    "\r\nover",
    "\x00",
    "\u202egpj.exe",
    "\u2066hidden\u2069",
    "\u200b",
    "\ud800",
    "\x9b0m",
    "\u2028",
)
ONE = " ".join((*MARKUP, *STEERING))


def report_of(text):
    helper = Line(text, 3, text, source=((2, text), (3, text)))
    line = Line(text, 41, text, within=helper, source=((40, text), (41, text)))
    finding = Finding(text, (text,), text, text, 2.0, line, text, text, text)
    leaf = LeafCheck(text, "wrong", 1.0, 1e-7, (2, 3), text, 1.0, 1.0, np.ones((2, 3)))
    return GradientReport(text, "wrong", (leaf,), (finding,), (text,), text)


def nonfinite_report_of(text):
    line, caller = Line(text, 3, text), Line(text, 4, text)
    operand = Operand(0.0, (0,), (2,), text, text)
    birth = Birth(2, text, text, np.nan, "zero-times-inf", (0,), (2,), "float32", (operand,), line, caller)
    return NonfiniteReport(text, 2, 2, None, (text,), birth, birth, (birth, birth), np.ones(2))


def handlers(page):
    return {name for name, _ in Reader(page).attributes if name.startswith("on")}


@pytest.mark.parametrize("text", (*MARKUP, ONE), ids=lambda text: text[:12])
def test_markup_stays_text(text):
    for make in (report_of, nonfinite_report_of):
        plain, evil = make("plain"), make(text)
        pages = [(plain._repr_html_(), evil._repr_html_())]
        if isinstance(plain, GradientReport) and isinstance(evil, GradientReport):
            pages += [(plain.to_html(lang=lang), evil.to_html(lang=lang)) for lang in ("en", "ko")]
        for expected, page in pages:
            tags = [[tag for tag in Reader(one).tags if tag != "code"] for one in (expected, page)]
            assert tags[0] == tags[1] and not handlers(page)
            assert {name for name, _ in Reader(page).attributes} == {name for name, _ in Reader(expected).attributes}


@pytest.mark.parametrize("text", STEERING, ids=ascii)
def test_nothing_steers_a_terminal_or_turns_the_direction(text):
    survivor = Survivor(text, text, Line(text, 3, text), "why")
    reports = (report_of(text), nonfinite_report_of(text), Power(2, 1, (survivor,)))
    for shown in (str(report) for report in reports):
        assert all(character.isprintable() or character == "\n" for character in shown)
    for page in (report_of(text).to_html(), report_of(text)._repr_html_(), nonfinite_report_of(text)._repr_html_()):
        assert all(character.isprintable() or character == "\n" for character in page)
        page.encode("utf-8")


@pytest.fixture
def module(tmp_path):
    """A module whose path and lines hold markup."""
    folder = tmp_path / "<img src=x onerror=document.title=1>"
    folder.mkdir()
    path = folder / "a'\"&b.py"
    path.write_text(
        "import jax.numpy as jnp\n"
        "def loss(params, x):\n"
        "    return sum(jnp.sum((x * leaf) ** 2) for leaf in params.values())\n"
        "def grads(params, x):\n"
        "    return {k: -2 * x * x * v for k, v in params.items()}  # <script>document.title = 1</script> \u202e\n"
        "def step(x):  # <b>\n"
        "    return jnp.log(x - 1) + 0 * len('</pre><script>document.title = 1</script>')\n"
    )
    spec = importlib.util.spec_from_file_location("markup", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_lines_paths_and_leaves_of_a_check_stay_text(module):
    params = {ONE[:60]: jnp.ones(3), "\u202ew": jnp.full(3, 2.0)}
    report = check(module.loss, module.grads, params, jnp.arange(1.0, 4.0))
    page, text = report.to_html(), str(report)
    assert report.verdict == "wrong" and report.findings[0].line
    assert "script" not in Reader(page).tags and "img" not in Reader(page).tags and not handlers(page)
    assert "<script>document.title = 1</script>" in Reader(page).text, "it is shown"
    assert all(character.isprintable() or character == "\n" for character in page + text)


def test_the_lines_of_a_nan_stay_text(module):
    report = trace_nonfinite(module.step, jnp.zeros(2))
    page = Reader(report._repr_html_())
    assert report.found and page.tags == ["pre"] and "<script>" in page.text
    assert jax.tree.leaves(report.state)
