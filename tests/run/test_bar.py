import io

import numpy as np
import pytest

from jaxmlp._progress import Progress
from jaxmlp._run import _bar

from .problem import train


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def a_terminal_of_80_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


def lines_of(terminal):
    return terminal.getvalue().split("\r\x1b[K")[1:]


def test_one_line_says_how_far_it_is_and_fits(monkeypatch):
    clock = iter((10.0, 12.0, 12.01, 14.0))
    monkeypatch.setattr(_bar.time, "perf_counter", lambda: next(clock))
    terminal = Terminal()
    bar = _bar.Bar(terminal, 4000)
    bar.start(0)
    for made in (1000, 2000, 3000, 4000):
        bar.advance(made, np.array(0.125))
    bar.stop()
    start, first, second, last = lines_of(terminal)  # the third came too soon after the second
    assert start.startswith(f"  0 % {30 * '─'} ") and start.endswith("0/4,000 steps  compiling")
    assert first.endswith("1,000/4,000 steps  loss 0.125")
    assert " 50 % ━━" in second and second.endswith("loss 0.125  500 steps/s  0:04 left")
    assert last.startswith("100 % ━") and "─" not in last and last.endswith("750 steps/s  0:00 left\n")
    assert all(len(line.rstrip("\n")) < 80 for line in (start, first, second, last))


def test_a_terminal_without_the_letters_gets_others():
    terminal = Terminal()
    terminal.encoding = "ascii"
    _bar.Bar(terminal, 10).start(5)
    assert lines_of(terminal)[0].isascii() and " 50 % #" in lines_of(terminal)[0]


@pytest.mark.parametrize(("shown", "terminal"), ((None, io.StringIO()), (False, Terminal())))
def test_nobody_who_does_not_want_it_sees_it(shown, terminal, monkeypatch):
    monkeypatch.setattr("sys.stderr", terminal)
    train(steps=4, progress=shown)
    assert terminal.getvalue() == ""


def test_it_is_shown_where_it_is_asked_for(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    losses = train(steps=4, progress=True).history.losses
    assert f"loss {losses[-1]:.4g}" in stream.getvalue()
    assert "100 %" in stream.getvalue() and stream.getvalue().endswith("\n")


def test_in_a_notebook_blanks_cover_a_longer_line():
    stream = io.StringIO()
    progress = Progress(stream, shown=True)
    progress.say("a long line")
    progress.say("short")
    progress.clear()
    assert stream.getvalue() == "\ra long line\rshort      \r     "


def test_nothing_to_do_leaves_no_empty_line(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    train(steps=0)
    assert terminal.getvalue() == ""


@pytest.mark.parametrize(("seconds", "shown"), ((59.6, "1:00"), (61, "1:01"), (3661, "1:01:01")))
def test_time_is_written_as_a_clock_has_it(seconds, shown):
    assert _bar._clock(seconds) == shown
