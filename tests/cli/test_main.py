"""The command line as a whole."""

import subprocess
import sys

import pytest

import jaxmlp
from jaxmlp import _cli, _placement
from jaxmlp._cli import _check, _template
from jaxmlp.verify._report import _sentence


def left(capsys, *arguments) -> tuple[int, str, str]:
    """The status with which wrong arguments and `--help` leave, and what they print."""
    with pytest.raises(SystemExit) as exit:
        _cli.main(arguments)
    assert isinstance(exit.value.code, int)
    return exit.value.code, *capsys.readouterr()


def test_without_a_command_there_is_help(capsys):
    assert _cli.main([]) == 2
    out, err = capsys.readouterr()
    assert out == "" and "jaxmlp check backprop.py" in err


@pytest.mark.parametrize("command", [[], ["new"], ["check"], ["train"], ["verify"]])
def test_help_shows_examples_and_fits_a_terminal(capsys, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "80")
    status, out, err = left(capsys, *command, "--help")
    assert (status, err) == (0, "") and f"  {' '.join(['jaxmlp', *command])} " in out.split("examples:")[1]
    assert all(len(line) <= 80 for line in out.splitlines())


def test_the_version_is_that_of_the_package(capsys):
    assert left(capsys, "--version") == (0, f"jaxmlp {jaxmlp.__version__}\n", "")


def test_help_says_that_the_file_is_run(capsys):
    assert "FILE is run" in left(capsys, "check", "--help")[1]


def test_the_choices_offered_are_those_there_are():
    assert _check.LANGUAGES == _sentence.LANGUAGES == _template.LANGUAGES
    assert _check.PLATFORMS == _placement.PLATFORMS
    assert _check.DTYPES == _placement.DTYPES


def test_the_status_is_that_of_the_process(tmp_path):
    command = [sys.executable, "-m", "jaxmlp", "check", "none.py"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "jaxmlp: there is no file none.py.\n")


def test_help_and_wrong_arguments_never_wait_for_jax():
    code = """
import sys
from jaxmlp import _cli
for arguments in (["--help"], ["--version"], ["chek"], ["train", "xor", "--steps", "0"], ["check", "none.py"]):
    try:
        _cli.main(arguments)
    except SystemExit:
        pass
print([name for name in ("jax", "numpy", "optax", "shtab") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


# Ctrl-C as the module with the commands is imported, for argv in `sys.argv[1]`; `atexit` tells whether Python took
# itself down.
INTERRUPTED_EARLY = """
import atexit, importlib.abc, json, sys
class Interrupts(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "jaxmlp._cli._commands":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupts())
atexit.register(print, "down")
from jaxmlp._cli import main
sys.exit(main(json.loads(sys.argv[1])))
"""


@pytest.mark.parametrize(("argv", "out"), (("null", ""), ("[]", "down\n")), ids=("the command", "called from Python"))
def test_ctrl_c_while_it_loads_is_one_line(argv, out):
    done = subprocess.run([sys.executable, "-c", INTERRUPTED_EARLY, argv], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, out, "jaxmlp: interrupted\n")
