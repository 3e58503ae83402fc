"""`jaxmlp check --time-limit`: a file that does not come to an end is stopped, and where it was is said."""

import os
import subprocess
import threading
import time

import pytest

from jaxmlp import _cli
from jaxmlp._cli import _limit


pytestmark = pytest.mark.long


RIGHT = """\
import numpy as np

def loss(w):
    return (w * w).sum()

def grads(w):
    return 2 * w

inputs = (np.ones(2),)
"""
ENDLESS = {
    "in Python": ("while True:\n        w = w + 0", "w = w + 0"),
    "in C": ("return sum(itertools.repeat(0))", "itertools.repeat"),
    "in XLA": ("return jax.lax.while_loop(lambda c: c[0] >= 0, lambda c: (0, c[1]), (0, w))[1]", None),
}


@pytest.fixture
def file(tmp_path):
    def write(source):
        path = tmp_path / "candidate.py"
        path.write_text(source)
        return str(path)

    return write


@pytest.mark.parametrize("where", ENDLESS)
def test_what_does_not_end_is_stopped_and_its_line_is_said(file, capfd, where):
    body, line = ENDLESS[where]
    path = file("import itertools, jax\n" + RIGHT.replace("return 2 * w", body))
    for seconds in ("0.7", "2", "7", "70"):  # a machine that is busy with other things gets that far only later
        assert _cli.main(["check", path, "--time-limit", seconds]) == 2
        out, err = capfd.readouterr()
        assert out == "" and err.startswith(f"jaxmlp: candidate.py did not come to an end within {seconds} seconds")
        if line is None or line in err:
            break
    assert ", in grads\n" in err and line in err if line else "JAX or another library" in err


def test_what_ends_in_time_is_reported_as_ever_and_can_read_its_input(file, capfd):
    assert _cli.main(["check", file(RIGHT), "--time-limit", "600", "--json", "-"]) == 0
    assert '"verdict": "right"' in capfd.readouterr().out


def test_a_process_that_is_killed_is_told(file, capfd):
    source = RIGHT + "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n"
    assert _cli.main(["check", file(source), "--time-limit", "600"]) == 2
    assert "was killed (signal 9)" in capfd.readouterr().err


@pytest.mark.parametrize("given", ("0", "-1", "nan", "soon"))
def test_a_limit_is_a_number_above_0(file, capsys, given):
    with pytest.raises(SystemExit) as left:
        _cli.main(["check", file(RIGHT), f"--time-limit={given}"])
    assert left.value.code == 2 and "--time-limit must be" in capsys.readouterr().err


def test_the_place_is_the_innermost_line_of_the_users_own(tmp_path):
    path = tmp_path / "candidate.py"
    path.write_text("def f():\n    pass\n")
    threads = (
        f'Thread 0x1 (most recent call first):\n  File "{threading.__file__}", line 5 in wait\n\n'
        f'Thread 0x2 (most recent call first):\n  File "{os.__file__}", line 3 in walk\n'
        f'  File "{path}", line 2 in f\n  File "{path}", line 9 in g\n'
    )
    said = _limit._place(threads, str(path))
    assert f'File "{path}", line 2, in f\n    pass\n' in said and "line 9" not in said
    assert "JAX or another library" in _limit._place("Thread 0x1 (most recent call first):\n", str(path))


def test_without_a_limit_nothing_is_started(monkeypatch):
    monkeypatch.delenv(_limit._WATCH, raising=False)
    assert not _limit.is_limited()
    with _limit.limit(None), _limit.limit(0.01):
        time.sleep(0.02)


def test_the_process_with_the_limit_knows_it_and_its_own_children_do_not(monkeypatch, tmp_path):
    monkeypatch.setenv(_limit._WATCH, str(tmp_path / "where.txt"))
    assert _limit.is_limited()
    with _limit.limit(600.0):
        assert not _limit.is_limited()


def test_ctrl_c_ends_both(monkeypatch):
    class Process:
        waits = 0
        returncode = None

        def __init__(self, *args, **options):
            pass

        def wait(self, timeout=None):
            self.waits += 1
            if self.waits == 1:
                raise KeyboardInterrupt
            if timeout is None:
                pytest.fail("waits for ever")
            raise subprocess.TimeoutExpired("jaxmlp", timeout)

        def kill(self):
            self.returncode = -9

    monkeypatch.setattr(subprocess, "Popen", Process)
    assert _limit.limited(["check", "x.py"], "x.py", 1.0) == 130
