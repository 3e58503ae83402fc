import io
import time

import pytest

from jaxmlp._cli import _terminal, _verify


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("variable", "value", "colored"), [("NO_COLOR", "", True), ("NO_COLOR", "1", False), ("TERM", "dumb", False)]
)
def test_color_is_for_terminals_that_want_it(monkeypatch, variable, value, colored):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv(variable, value)
    assert _terminal.wants_color(Terminal()) == colored
    assert not _terminal.wants_color(io.StringIO())


def test_progress_is_one_line_that_fits_and_is_cleared(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    terminal = Terminal()
    progress = _terminal.Progress(terminal)
    for count in range(2):
        progress.say(f"{count + 1} claims, and a name that is longer than the line")
    progress.clear()
    lines = terminal.getvalue().split("\r\x1b[K")
    assert "2 claims" in lines[-2] and lines[-1] == "" and all(len(line) < 40 for line in lines)
    assert "\n" not in terminal.getvalue()


def test_claims_are_counted_as_they_pass():
    class Named:
        lecture, name = "003", "a number"

    terminal = Terminal()
    claims: list = [Named, Named]
    assert list(_verify._watched(claims, _terminal.Progress(terminal))) == claims
    assert "2 claims" in terminal.getvalue() and "003  a number" in terminal.getvalue()


def test_long_work_shows_a_word_that_goes_away(monkeypatch):
    monkeypatch.setattr(_terminal, "LONG", 0.0)
    terminal = Terminal()
    with _terminal.busy("checking f.py ...", terminal):
        while "checking" not in terminal.getvalue():
            time.sleep(0.001)
    assert terminal.getvalue() == "\r\x1b[Kchecking f.py ...\r\x1b[K"


def test_short_work_shows_nothing(monkeypatch):
    monkeypatch.setattr(_terminal, "LONG", 600.0)
    terminal = Terminal()
    with _terminal.busy("checking f.py ...", terminal):
        pass
    assert terminal.getvalue() == ""


def test_nobody_watching_sees_nothing(monkeypatch):
    monkeypatch.setattr(_terminal, "LONG", 0.0)
    stream = io.StringIO()
    with _terminal.busy("checking f.py ...", stream):
        pass
    assert stream.getvalue() == ""
