"""What the README shows is what happens."""

import inspect
import os
import pathlib
import re
import subprocess
import sys

import jax
import pytest


README = (pathlib.Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
FIRST, RULE, TRACE, TEST, TRAIN, DEVICES = EXAMPLES
COMMANDS = re.findall(r"^jaxmlp (check .*)$", README, re.MULTILINE)

# The first example as a file for the command: it defines `inputs`, and the names of another command line too.
FILE = (
    FIRST.replace("print(check(loss, hand_grads, params, x, y))", "inputs = (params, x, y)")
    + "backward = jax.value_and_grad(loss)\n"
)


def printed(code: str, folder: pathlib.Path, **environment: str) -> str:
    """What a new user sees who saves the code as `backprop.py`: a fresh process, with JAX as it comes."""
    folder = folder.resolve()
    (folder / "backprop.py").write_text(code, encoding="utf-8")
    command = [sys.executable, "backprop.py"]
    own = os.environ | environment
    done = subprocess.run(command, cwd=folder, env=own, capture_output=True, text=True, check=True)
    return done.stdout.replace(f"{folder}{os.sep}", "")


def without_rounding(report: str) -> list[list[str]]:
    """The words of a report, without what rounding on the machine at hand decides."""
    rows = [line.split() for line in re.sub(r"falls to \S+", "falls", report).strip().splitlines()]
    return [row[:-5] + row[-1:] if row and row[-1] in ("right", "wrong") and len(row) > 6 else row for row in rows]


def shown_after(code: str) -> list[str]:
    """What comments behind `print` say is printed, up to a colon."""
    return [comment.split(":")[0] for comment in re.findall(r"^print\(.*\)  # (.*)$", code, re.MULTILINE)]


def test_the_first_example_prints_the_report_shown(tmp_path):
    (shown,) = re.findall(r"```text\n(.*?)```", README, re.DOTALL)
    assert without_rounding(printed(FIRST, tmp_path)) == without_rounding(shown)
    assert "print(check(" in "\n".join(README.splitlines()[:30]), "a checked gradient by line 30"


@pytest.mark.parametrize("code", (RULE, TRACE, TRAIN), ids=("check_rule", "trace_nonfinite", "train"))
def test_an_example_prints_what_its_comment_says(code, tmp_path):
    (shown,) = shown_after(code)
    assert printed(code, tmp_path).split() == shown.split()


def test_the_devices_example_runs_on_eight_devices(tmp_path):
    (shown,) = shown_after(DEVICES)
    code = DEVICES + "assert {leaf.sharding.num_devices for leaf in jax.tree.leaves((state, states))} == {8}\n"
    assert printed(code, tmp_path, JAX_PLATFORMS="cpu", JAX_NUM_CPU_DEVICES="8").strip() == shown


# tests/test_processes.py makes this call in several processes.
def test_what_is_said_of_joining_processes_is_so_in_this_jax():
    (call,) = re.findall(r"```py\n(.*?)```", README, re.DOTALL)
    parameters = inspect.signature(jax.distributed.initialize).parameters
    assert set(re.findall(r"(\w+)=", call)) <= set(parameters)
    said = re.findall(r"(\w+)=\d+,  # seconds; (\d+) unless", call)
    assert len(said) == 2 and all(parameters[name].default == int(seconds) for name, seconds in said)


def test_the_test_fails_with_the_report_at_its_own_line(tmp_path):
    (tmp_path / "test_backprop.py").write_text(FILE + "\n\n" + TEST, encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        *re.findall("--jaxmlp-dtype=\\S+", README),
    ]
    done = subprocess.run([*command, "test_backprop.py"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1 and "2 failed" in done.stdout
    assert "hand_grads is wrong: 2 of 4 leaves" in done.stdout and "assert_gradients(loss, hand_grads" in done.stdout
    assert "jaxmlp/verify" not in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_checks_the_file(command, tmp_path):
    (tmp_path / "backprop.py").write_text(FILE, encoding="utf-8")
    arguments = re.split(r" *[#|]", command)[0].split()
    program = "import sys; from jaxmlp._cli import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run([sys.executable, "-c", program, *arguments], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == (0 if "backward" in arguments else 1), done.stderr
    assert '"verdict": "wrong"' in done.stdout if "--json" in arguments else "is " in done.stdout
    assert (tmp_path / "report.html").is_file() == ("--html" in arguments)
