"""What the pages of the site show is what happens."""

import importlib.util
import pathlib
import re
import subprocess
import sys

import pytest


pytestmark = pytest.mark.long


ROOT = pathlib.Path(__file__).parents[1]
MIGRATION = (ROOT / "docs" / "migration.md").read_text(encoding="utf-8")


def test_the_korean_readme_shows_the_same_code():
    """Code, commands and what is printed are those of README.md, whose test runs them."""
    shown = [
        re.findall(r"```\w+\n.*?```", (ROOT / name).read_text(encoding="utf-8"), re.DOTALL)
        for name in ("README.md", "README.ko.md")
    ]
    assert shown[0] == shown[1]


def test_the_examples_of_the_migration_page_print_what_is_shown(tmp_path):
    """In one process, with JAX as it comes; what needs torch only where torch is installed."""
    common, torch = MIGRATION.split("## From `torch.autograd.gradcheck`")
    page = MIGRATION if importlib.util.find_spec("torch") else common
    assert "torch" not in re.sub("## .*", "", common)
    code = "\n\n".join(re.findall(r"```python\n(.*?)```", page, re.DOTALL))
    (tmp_path / "migration.py").write_text(code, encoding="utf-8")
    done = subprocess.run([sys.executable, "migration.py"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    shown = re.findall(r"^print\(.*\)  # (.*)$", code, re.MULTILINE)
    assert len(shown) >= 2 and done.stdout.splitlines() == shown
