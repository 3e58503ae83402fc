"""What is said of a function that is no function of its arguments."""

import re

import pytest

from jaxmlp.verify import Line
from jaxmlp.verify._report import _conduct
from jaxmlp.verify._report._finding import Place
from jaxmlp.verify._report._sentence import LANGUAGES, said


LINE = Line("net.py", 41, "x -= 1")
REASONS = (
    _conduct.varies("grads", ("w1", "b1"), 0.25),
    _conduct.varies("grads", ("w1",), float("inf")),
    _conduct.loss_varies(1.5, 2.5),
    _conduct.fails_again("grads", ValueError("lost\nand more")),
)
FINDINGS = (
    _conduct.nondeterministic(Place(LINE)),
    _conduct.changes_arguments("grads", ("w1", "x"), Place()),
)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_everything_is_said_in_every_language_with_its_facts(lang):
    sentences = [*REASONS, *(text for finding in FINDINGS for text in (finding.message, finding.fix))]
    for sentence in sentences:
        text = said(sentence, lang)
        assert not re.search(r"[{}]|None|\binf\b|phrase\.", text)
        assert bool(re.search("[가-힣]", text)) == (lang == "ko")
    shown = [said(reason, lang) for reason in REASONS]
    assert "`w1`" in shown[0] and "0.2" in shown[0] and "2.5" in shown[2] and "ValueError: lost" in shown[3]
    assert "and more" not in shown[3]


def test_a_finding_has_its_line_and_blames_no_leaf():
    assert FINDINGS[0].line == LINE and FINDINGS[1].line is None
    assert all(finding.leaves == () for finding in FINDINGS)
    assert "`w1` and `x`" in FINDINGS[1].message
