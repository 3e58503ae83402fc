"""The wheel: what a user installs is pure Python, small, typed, whole, and works."""

import email
import os
import subprocess
import sys
import zipfile
from pathlib import Path, PurePosixPath

import pytest


pytest.importorskip("hatchling", reason="builds the wheel")
ROOT = Path(__file__).parents[1]
MOST_BYTES = 1_000_000


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    if not (ROOT / "pyproject.toml").is_file():
        pytest.skip("these tests do not stand in the project")
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.iterdir()
    return path


def test_it_is_pure_small_and_typed_and_holds_the_package_and_nothing_else(wheel):
    assert wheel.name.endswith("-py3-none-any.whl") and wheel.stat().st_size < MOST_BYTES
    names = set(zipfile.ZipFile(wheel).namelist())
    package = {path.relative_to(ROOT).as_posix() for path in (ROOT / "jaxmlp").rglob("*") if path.is_file()}
    expected = {name for name in package if "__pycache__" not in name} | {"_jaxmlp_pytest.py"}
    assert {"jaxmlp/py.typed", "jaxmlp/__init__.pyi", "jaxmlp/verify/_report/words/ko.toml"} <= expected
    assert {name for name in names if ".dist-info/" not in name} == expected
    assert {PurePosixPath(name).suffix for name in expected} == {".py", ".pyi", ".toml", ".json", ".npz", ".typed"}


def test_its_metadata_are_complete(wheel):
    archive = zipfile.ZipFile(wheel)
    (metadata,) = (email.message_from_bytes(archive.read(n)) for n in archive.namelist() if n.endswith("/METADATA"))
    assert metadata["Name"] == "jaxmlp" and metadata["License-Expression"] == "Apache-2.0" and metadata["Summary"]
    required = {line.split(">")[0] for line in metadata.get_all("Requires-Dist", ()) if "extra ==" not in line}
    assert required == {"jax", "jaxtyping", "lazy-loader", "optax"}
    (points,) = (archive.read(name).decode() for name in archive.namelist() if name.endswith("/entry_points.txt"))
    assert "jaxmlp = jaxmlp._cli:main" in points and "jaxmlp = _jaxmlp_pytest" in points


def test_what_it_unpacks_checks_a_gradient(wheel, tmp_path):
    site, work = tmp_path / "site", tmp_path / "work"
    zipfile.ZipFile(wheel).extractall(site)
    work.mkdir()
    (work / "f.py").write_text("def loss(w): return w * w\ndef grads(w): return 2 * w\ninputs = (3.0,)\n")
    code = "import sys, jaxmlp; from jaxmlp._cli import main; print(jaxmlp.__file__); sys.exit(main(['check', 'f.py']))"
    command = [sys.executable, "-c", code]
    environment = os.environ | {"PYTHONPATH": str(site)}
    done = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True)
    file, head, *_ = done.stdout.splitlines()
    assert (
        (done.returncode, done.stderr) == (0, "")
        and Path(file).is_relative_to(site)
        and head.startswith("grads is right")
    )
