"""The command line as a whole."""

import subprocess
import sys

import pytest

import jaxmlp
from jaxmlp import _cli, _placement
from jaxmlp._cli import _check
from jaxmlp.verify import _sentence


@pytest.mark.parametrize("arguments", [[], ["prove"], ["check"], ["check", "f.py", "--dtype", "int8"]])
def test_bad_usage_exits_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as exit:
        _cli.main(arguments)
    assert exit.value.code == 2
    assert "usage: jaxmlp" in capsys.readouterr().err


def test_help_shows_examples_and_version_the_version(capsys):
    for arguments, expected in (
        (["verify", "--help"], "jaxmlp verify --lecture 003"),
        (["check", "--help"], "jaxmlp check backprop.py"),
        (["--version"], jaxmlp.__version__),
    ):
        with pytest.raises(SystemExit) as exit:
            _cli.main(arguments)
        assert exit.value.code == 0 and expected in capsys.readouterr().out


def test_help_says_that_the_file_is_run(capsys):
    with pytest.raises(SystemExit):
        _cli.main(["check", "--help"])
    assert "FILE is run" in capsys.readouterr().out


def test_the_choices_offered_are_those_there_are():
    assert _check.LANGUAGES == _sentence.LANGUAGES
    assert _check.PLATFORMS == _placement.PLATFORMS
    assert _check.DTYPES == _placement.DTYPES


def test_the_status_is_that_of_the_process(tmp_path):
    code = "import sys; from jaxmlp._cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "check", "none.py"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "jaxmlp: there is no file none.py.\n")
