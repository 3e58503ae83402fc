"""No file that the package reads can run code, but for the one that `jaxmlp check` is told to run."""

import ast
import io
import os
import pickle
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import jaxmlp
from jaxmlp import _cli

from .test_architecture import EVERY_FILE, names_used


pytestmark = pytest.mark.long


UNPICKLE = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "Unpickler", "read_pickle"}
RUNS_THE_FILE = Path(jaxmlp.__file__).parent / "_cli" / "_source.py"


class Payload:
    """Unpickled, it makes a folder."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


@pytest.fixture
def effect(tmp_path):
    return tmp_path / "effect"


@pytest.fixture
def payload(effect):
    return pickle.dumps(Payload(effect))


def test_the_payload_would_be_seen(payload, effect):
    pickle.loads(payload)
    assert effect.is_dir()


def test_nothing_in_the_package_unpickles_or_runs_text():
    for path in EVERY_FILE:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert not UNPICKLE & set(names_used(tree)), path
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                assert called not in ("exec", "eval") or path == RUNS_THE_FILE, path
                assert called != "load" or "allow_pickle=False" in ast.unparse(node), path


def zipped(name, content):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, content)
    return file.getvalue()


def saved(save, *arrays, **named):
    file = io.BytesIO()
    save(file, *arrays, **named)
    return file.getvalue()


FILES = {
    "x.npz": lambda payload, thing: {
        "a pickle": payload,
        "an array of objects": saved(np.savez, x=np.array([[thing]], object), y=np.array([1])),
        "an array of objects, alone": saved(np.save, np.array([thing], object)),
        "a pickle in the archive": zipped("x.npy", payload),
        "an array of numbers, alone": saved(np.save, np.arange(3)),
        "half a file": saved(np.savez, x=np.zeros((2, 2)), y=np.array([0, 1]))[:300],
        "an empty file": b"",
    },
    "x.csv": lambda payload, thing: {"a pickle": payload, "bytes": bytes(range(256))},
}


@pytest.mark.parametrize("name", FILES)
def test_a_data_set_runs_nothing(name, payload, effect, tmp_path, capsys):
    for what, content in FILES[name](payload, Payload(effect)).items():
        (tmp_path / name).write_bytes(content)
        status = _cli.main(["train", str(tmp_path / name), "--steps", "1"])
        said = capsys.readouterr()
        assert (status, said.out, effect.exists()) == (2, "", False), (what, said)
        assert said.err.startswith("jaxmlp: ") and said.err.count("\n") == 1 and name in said.err, (what, said)


def test_a_file_of_metrics_runs_nothing(payload, effect, tmp_path, capsys):
    pytest.importorskip("orbax.checkpoint")
    for content in (payload + b"\n", b'{"step": "one"}\n', b"[]\n"):
        (tmp_path / "m.jsonl").write_bytes(content)
        saved = ["--metrics", str(tmp_path / "m.jsonl"), "--checkpoint", str(tmp_path / "c"), "--resume"]
        assert _cli.main(["train", "xor", "--steps", "1", *saved]) == 2
        assert "holds something other than metrics: name another file" in capsys.readouterr().err
        assert (tmp_path / "m.jsonl").read_bytes() == content and not effect.exists()


SCRIPT = """
import pathlib, shutil, sys
import jax
jax.config.update("jax_enable_x64", True)
from jaxmlp._run._seal import seal
from problem_of_run import train

place, effect, payload = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]).read_bytes()
train(steps=4, checkpoint_dir=place / "whole")
names = [path.relative_to(place / "whole") for path in sorted((place / "whole").rglob("*")) if path.is_file()]
ended = []
for number, name in enumerate(names):
    folder = shutil.copytree(place / "whole", place / str(number))
    (folder / name).write_bytes(payload)
    if name.name != "seal.json":  # whoever plants it can seal it
        seal(folder / "4")
    try:
        train(steps=4, checkpoint_dir=folder)
        ended.append("as ever")
    except ValueError:
        ended.append("refused")
    assert not effect.exists(), name
print(len(names), *sorted(set(ended)))
"""


def test_a_checkpoint_runs_nothing(payload, effect, tmp_path):
    """In a process of its own, for what orbax logs of files that it cannot read."""
    pytest.importorskip("orbax.checkpoint")
    shutil.copy(Path(__file__).parent / "run" / "problem.py", tmp_path / "problem_of_run.py")
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    (tmp_path / "payload").write_bytes(payload)
    command = [sys.executable, tmp_path / "script.py", tmp_path, effect, tmp_path / "payload"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-2000:]
    number, *words = ended.stdout.split()
    assert int(number) > 15 and words == ["as", "ever", "refused"]  # not all files are read


def test_check_says_that_it_runs_the_file(capsys):
    for arguments, said in (
        (["check", "--help"], "FILE is run as Python runs it"),
        (["--help"], "run a file, and check"),
    ):
        with pytest.raises(SystemExit):
            _cli.main(arguments)
        assert said in capsys.readouterr().out
    assert "The file is run, so check only files that you would run" in README.read_text(encoding="utf-8")


README = Path(__file__).parents[1] / "README.md"
