"""What the README shows is what happens."""

import pathlib
import re
import subprocess
import sys


README = (pathlib.Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def printed(code: str) -> str:
    """What a new user sees: a fresh process, with JAX as it comes."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def without_ulps(report: str) -> list[list[str]]:
    """The words of a report, without the two columns that count rounding errors of the machine at hand."""
    rows = [line.split() for line in report.strip().splitlines()]
    return [row[:-5] + row[-1:] if row and row[-1] in ("right", "wrong") and len(row) > 6 else row for row in rows]


def test_the_first_example_prints_the_report_shown():
    (shown,) = re.findall(r"```text\n(.*?)```", README, re.DOTALL)
    assert without_ulps(printed(EXAMPLES[0])) == without_ulps(shown)
    assert "print(check(" in "\n".join(README.splitlines()[:30]), "a checked gradient by line 30"


def test_training_learns_xor():
    assert printed(EXAMPLES[1]).split() == ["[[0.]", "[1.]", "[1.]", "[0.]]"]


def test_there_are_no_other_examples():
    assert len(EXAMPLES) == 2
