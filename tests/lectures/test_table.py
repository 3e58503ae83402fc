"""Claims as rows of text."""

from jaxmlp.lectures import Claim, failures, table


GOOD = Claim("003", "a number", 0.5, 0.5, 1e-3, "a table", "what it teaches")
BAD = Claim("003", "another number", 0.5, 0.75, 1e-3, "another table", "what that teaches")
LONG = Claim("004", "a list", ("learning_rate", "d_w1"), ("learning_rate", "d_w2"), 0, "equality")


def plain(code, text):
    return text


def test_each_claim_is_a_row_with_its_verdict():
    head, titles, good, bad, end = table("lecture 003: a title", [GOOD, BAD], plain, explain=False)
    assert head == "lecture 003: a title  (2 claims, 1 hold)"
    assert titles.split() == ["claim", "printed", "computed", "off", "by", "allowed"]
    assert good.split() == ["ok", "a", "number", "0.5", "0.5", "0", "1.0e-03"]
    assert bad.split() == ["FAIL", "another", "number", "0.5", "0.75", "2.5e-01", "1.0e-03"]
    assert end == ""


def test_an_explanation_stands_before_the_claims_it_is_for():
    lines = list(table("", [GOOD, BAD], plain, explain=True))
    assert lines[2:5] == ["    what it teaches", "    allowed: a table", lines[4]] and "a number" in lines[4]
    assert lines[5:7] == ["    what that teaches", "    allowed: another table"]


def test_long_values_have_a_line_of_their_own():
    *_, row, values, end = table("", [LONG], plain, explain=False)
    assert row.split() == ["FAIL", "a", "list", "differs", "equal"]
    assert values == "        (learning_rate, d_w1), computed (learning_rate, d_w2)"


def test_what_fails_is_shown_in_full():
    assert list(failures([], plain)) == []
    assert list(failures([BAD], plain)) == [
        "FAIL  003  another number",
        "    printed 0.5, computed 0.75, allowed 0.001",
        "    allowed: another table",
        "    what that teaches",
        "",
    ]


def test_colors_are_the_callers():
    text = "\n".join(table("head", [GOOD, BAD], lambda code, text: f"<{code}>{text}</>", explain=False))
    assert "<1>head</>" in text and "<32>ok  </>" in text and "<1;31>FAIL</>" in text
