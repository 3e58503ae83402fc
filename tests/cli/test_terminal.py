import io
import signal
import threading
import time

import pytest

from jaxmlp._cli import _terminal, _verify


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("environment", "in_a_terminal", "in_a_pipe"),
    [
        ({}, True, False),
        ({"NO_COLOR": ""}, True, False),
        ({"NO_COLOR": "1"}, False, False),
        ({"TERM": "dumb"}, False, False),
        ({"FORCE_COLOR": "1"}, True, True),
        ({"FORCE_COLOR": "1", "TERM": "dumb"}, True, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False),
    ],
)
def test_color_is_where_it_is_wanted(monkeypatch, environment, in_a_terminal, in_a_pipe):
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert _terminal.wants_color(Terminal()) == in_a_terminal
    assert _terminal.wants_color(io.StringIO()) == in_a_pipe


@pytest.mark.usefixtures("usual_signals")
def test_ctrl_c_waits_until_all_is_loaded():
    loaded = []
    with pytest.raises(KeyboardInterrupt), _terminal.loading():
        signal.raise_signal(signal.SIGINT)
        loaded.append("all")
    assert loaded == ["all"] and signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.usefixtures("usual_signals")
def test_loading_leaves_the_handlers_of_others_and_other_threads_alone():
    own = lambda *event: None
    signal.signal(signal.SIGINT, own)
    with _terminal.loading():
        assert signal.getsignal(signal.SIGINT) is own
    signal.signal(signal.SIGINT, signal.default_int_handler)
    seen = []

    def load():
        with _terminal.loading():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=load)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]


def test_ctrl_c_leaves_no_count_behind():
    def claims():
        raise KeyboardInterrupt
        yield

    terminal = Terminal()
    with pytest.raises(KeyboardInterrupt):
        list(_verify._watched(claims(), _terminal.Progress(terminal)))
    assert terminal.getvalue() == "\r\x1b[Kstarting\r\x1b[K"


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


def test_the_first_word_of_others_takes_it_away_for_good(monkeypatch):
    monkeypatch.setattr(_terminal, "LONG", 0.0)
    terminal = Terminal()
    with _terminal.busy("checking f.py ...", terminal) as others:
        while "checking" not in terminal.getvalue():
            time.sleep(0.001)
        others.write("who? ")
        assert others.isatty()
        time.sleep(0.01)
        others.write("Ada")
    assert terminal.getvalue() == "\r\x1b[Kchecking f.py ...\r\x1b[Kwho? Ada"


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
