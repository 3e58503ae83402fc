"""What the README shows is what happens."""

import inspect
import json
import os
import pathlib
import re
import subprocess
import sys
from collections.abc import Sequence

import jax
import pytest


pytestmark = pytest.mark.long


README = (pathlib.Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
FIRST, RULE, TRACE, TEST, TRAIN, MANY, RUN, DEVICES = EXAMPLES
COMMANDS = re.findall(r"^(jaxmlp (?:new|check) .*)$", README, re.MULTILINE)
TRAINING = re.findall(r"^(jaxmlp train .*)$", README, re.MULTILINE)

# The first example as a file for the command: it defines `inputs`, and the names of another command line too.
FILE = (
    FIRST.replace("print(check(loss, hand_grads, params, x, y))", "inputs = (params, x, y)")
    + "backward = jax.value_and_grad(loss)\n"
)


# The command lines in `sys.argv[1:]`, one after another: the status of each, and what it prints.
IN_TURN = """
import json, os, runpy, sys, tempfile
from jaxmlp._cli import main

def status_of(command, *arguments):
    if command == "jaxmlp":
        return main(list(arguments))
    runpy.run_path(*arguments, run_name="__main__")
    return 0

seen, stdout = [], os.dup(1)
for line in sys.argv[1:]:
    with tempfile.TemporaryFile("w+", encoding="utf-8") as out:
        os.dup2(out.fileno(), 1)  # of the processes that a command starts, too
        status = status_of(*line.split())
        sys.stdout.flush()
        os.dup2(stdout, 1)
        out.seek(0)
        seen.append((status, out.read()))
print(json.dumps(seen))
"""


def in_turn(lines: Sequence[str], folder: pathlib.Path, **environment: str) -> dict[str, tuple[int, str]]:
    """What comes of command lines in a fresh process, with JAX as it comes; one for all, for JAX is slow to start."""
    command, own = [sys.executable, "-c", IN_TURN, *lines], os.environ | environment
    done = subprocess.run(command, cwd=folder, env=own, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return dict(zip(lines, json.loads(done.stdout), strict=True))


def without_rounding(report: str) -> list[list[str]]:
    """The words of a report, without what rounding on the machine at hand decides."""
    rows = [line.split() for line in re.sub(r"falls to \S+", "falls", report).strip().splitlines()]
    return [row[:-5] + row[-1:] if row and row[-1] in ("right", "wrong") and len(row) > 6 else row for row in rows]


def shown_after(code: str) -> list[str]:
    """What comments behind `print` say is printed, up to a colon."""
    return [comment.split(":")[0] for comment in re.findall(r"^print\(.*\)  # (.*)$", code, re.MULTILINE)]


SCRIPTS = {
    "first/backprop.py": FIRST,
    "rule.py": RULE,
    "trace.py": TRACE,
    "train.py": TRAIN,
    "run.py": RUN,
    "many.py": MANY,
}
CHECKS = [re.split(r" *[#|]", command)[0] for command in COMMANDS]
TRAININGS = [f"{command} --steps 50" for command in TRAINING]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("readme").resolve()


@pytest.fixture(scope="module")
def seen(folder):
    """The status and the output of every example, by its name, and of every command line."""
    (folder / "first").mkdir()
    for name, code in (SCRIPTS | {"backprop.py": FILE}).items():
        (folder / name).write_text(code, encoding="utf-8")
    return in_turn([*(f"python {name}" for name in SCRIPTS), *CHECKS, *TRAININGS], folder)


def test_the_examples_print_what_is_shown(seen):
    first, *others, many = (seen[f"python {name}"][1] for name in SCRIPTS)
    (shown,) = re.findall(r"```text\n(.*?)```", README, re.DOTALL)
    assert without_rounding(first.replace(f"first{os.sep}", "")) == without_rounding(shown)
    assert "print(check(" in "\n".join(README.splitlines()[:30]), "a checked gradient by line 30"
    for code, out in zip((RULE, TRACE, TRAIN, RUN), others, strict=True):
        (shown,) = shown_after(code)
        assert out.split() == shown.split()
    (shown,) = shown_after(MANY)
    share = lambda text: int(text.removesuffix("% have learned XOR\n"))
    assert abs(share(many) - share(f"{shown}\n")) <= 2  # rounding decides for some of them


def test_the_devices_example_runs_on_eight_devices(tmp_path):
    """In as few steps as show it."""
    fewer = DEVICES.replace("500", "5")
    (shown,) = shown_after(fewer)
    code = fewer + "assert {leaf.sharding.num_devices for leaf in jax.tree.leaves((state, states))} == {8}\n"
    (tmp_path / "devices.py").write_text(code, encoding="utf-8")
    eight = dict(JAX_PLATFORMS="cpu", JAX_NUM_CPU_DEVICES="8")
    ((_, out),) = in_turn(["python devices.py"], tmp_path, **eight).values()
    assert out.strip() == shown


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


def test_the_commands_check_the_file_and_train(folder, seen):
    """Trainings in as few steps as show it."""
    for command in CHECKS:
        status, out = seen[command]
        assert status == (0 if "backward" in command or command.startswith("jaxmlp new") else 1), command
        assert '"verdict": "wrong"' in out if "--json" in command else "is " in out, command
        assert "--html" not in command or (folder / "report.html").is_file()
    for command in TRAININGS:
        status, out = seen[command]
        assert status == 0 and "finished after 50 steps" in out, command
        assert all((folder / path).exists() for path in re.findall(r"--(?:checkpoint|metrics|plot) (\S+)", command))
