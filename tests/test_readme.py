"""What the README shows is what happens."""

import inspect
import json
import os
import pathlib
import re
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

import jax


README = (pathlib.Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
FIRST, RULE, TRACE, TEST, TRAIN, MANY, RUN, DEVICES = EXAMPLES
COMMANDS = re.findall(r"^jaxmlp ((?:new|check) .*)$", README, re.MULTILINE)
TRAINING = re.findall(r"^jaxmlp (train .*)$", README, re.MULTILINE)

# The first example as a file for the command: it defines `inputs`, and the names of another command line too.
FILE = (
    FIRST.replace("print(check(loss, hand_grads, params, x, y))", "inputs = (params, x, y)")
    + "backward = jax.value_and_grad(loss)\n"
)


# The programs in `sys.argv[1:]`, one after another: what each prints.
EXAMPLES_IN_TURN = """
import contextlib, io, json, runpy, sys
shown = []
for name in sys.argv[1:]:
    with contextlib.redirect_stdout(io.StringIO()) as out:
        runpy.run_path(name, run_name="__main__")
    shown.append(out.getvalue())
print(json.dumps(shown))
"""

# The command lines in `sys.argv[1:]`, one after another: the status of each, and what it prints.
COMMANDS_IN_TURN = """
import json, os, sys, tempfile
from jaxmlp._cli import main
seen, stdout = [], os.dup(1)
for arguments in sys.argv[1:]:
    with tempfile.TemporaryFile("w+", encoding="utf-8") as out:
        os.dup2(out.fileno(), 1)  # of the processes that a command starts, too
        status = main(arguments.split())
        sys.stdout.flush()
        os.dup2(stdout, 1)
        out.seek(0)
        seen.append((status, out.read()))
print(json.dumps(seen))
"""


def in_turn(program: str, arguments: Iterable[str], folder: pathlib.Path, **environment: str) -> Any:
    """What `program` prints as JSON in a fresh process, with JAX as it comes; one for all, for JAX is slow to start."""
    command, own = [sys.executable, "-c", program, *arguments], os.environ | environment
    done = subprocess.run(command, cwd=folder, env=own, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def without_rounding(report: str) -> list[list[str]]:
    """The words of a report, without what rounding on the machine at hand decides."""
    rows = [line.split() for line in re.sub(r"falls to \S+", "falls", report).strip().splitlines()]
    return [row[:-5] + row[-1:] if row and row[-1] in ("right", "wrong") and len(row) > 6 else row for row in rows]


def shown_after(code: str) -> list[str]:
    """What comments behind `print` say is printed, up to a colon."""
    return [comment.split(":")[0] for comment in re.findall(r"^print\(.*\)  # (.*)$", code, re.MULTILINE)]


def test_the_examples_print_what_is_shown(tmp_path):
    folder = tmp_path.resolve()
    examples = {
        "backprop.py": FIRST,
        "rule.py": RULE,
        "trace.py": TRACE,
        "train.py": TRAIN,
        "run.py": RUN,
        "many.py": MANY,
    }
    for name, code in examples.items():
        (folder / name).write_text(code, encoding="utf-8")
    first, *others, many = in_turn(EXAMPLES_IN_TURN, examples, folder)
    (shown,) = re.findall(r"```text\n(.*?)```", README, re.DOTALL)
    assert without_rounding(first.replace(f"{folder}{os.sep}", "")) == without_rounding(shown)
    assert "print(check(" in "\n".join(README.splitlines()[:30]), "a checked gradient by line 30"
    for code, out in zip((RULE, TRACE, TRAIN, RUN), others, strict=True):
        (shown,) = shown_after(code)
        assert out.split() == shown.split()
    (shown,) = shown_after(MANY)
    share = lambda text: int(text.removesuffix("% have learned XOR\n"))
    assert abs(share(many) - share(f"{shown}\n")) <= 2  # rounding decides for some of them


def test_the_devices_example_runs_on_eight_devices(tmp_path):
    (shown,) = shown_after(DEVICES)
    code = DEVICES + "assert {leaf.sharding.num_devices for leaf in jax.tree.leaves((state, states))} == {8}\n"
    (tmp_path / "devices.py").write_text(code, encoding="utf-8")
    eight = dict(JAX_PLATFORMS="cpu", JAX_NUM_CPU_DEVICES="8")
    (out,) = in_turn(EXAMPLES_IN_TURN, ["devices.py"], tmp_path, **eight)
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


def test_the_commands_check_the_file_and_train(tmp_path):
    (tmp_path / "backprop.py").write_text(FILE, encoding="utf-8")
    commands = [re.split(r" *[#|]", command)[0] for command in COMMANDS]
    done = in_turn(COMMANDS_IN_TURN, [*commands, *TRAINING], tmp_path)
    checked, trained = done[: len(commands)], done[len(commands) :]
    for command, (status, out) in zip(commands, checked, strict=True):
        assert status == (0 if "backward" in command or command.startswith("new") else 1), command
        assert '"verdict": "wrong"' in out if "--json" in command else "is " in out, command
        assert "--html" not in command or (tmp_path / "report.html").is_file()
    for command, (status, out) in zip(TRAINING, trained, strict=True):
        assert status == 0 and "finished after 2,000 steps" in out, command
        assert all((tmp_path / path).exists() for path in re.findall(r"--(?:checkpoint|metrics|plot) (\S+)", command))
