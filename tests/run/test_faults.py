"""What can happen to a checkpoint: nothing that was whole is lost, and what is damaged is never taken for whole."""

import errno
import os
import shutil
import time
import zlib
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from jaxmlp._run import _checkpoint
from jaxmlp._run._seal import damage

from .problem import accuracy, assert_same, MINIBATCHES, steps_in, train


pytest.importorskip("orbax.checkpoint")

watched = partial(train, steps=12, chunk=4, evaluate=accuracy, **MINIBATCHES)
BEFORE, NEWEST = "4", "8"


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    for steps in (BEFORE, NEWEST):
        watched(steps=int(steps), checkpoint_dir=folder)
    return folder


@pytest.fixture(scope="module")
def whole():
    return watched()


@pytest.fixture
def folder(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "folder")


# Damaged files.


def flip(path):
    content = bytearray(path.read_bytes())
    bit = zlib.crc32(path.name.encode()) % (8 * len(content))
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


DAMAGES = {
    "flipped": flip,
    "cut off": lambda path: os.truncate(path, path.stat().st_size // 2),
    "deleted": lambda path: path.unlink(),
}


@pytest.mark.parametrize("what", DAMAGES)
def test_a_damaged_file_is_told_whichever_it_is(what, folder):
    assert damage(folder / NEWEST) is None
    files = [path for path in (folder / NEWEST).rglob("*") if path.is_file()]
    # Orbax writes these two last, when the checkpoint is sealed; nothing of them is read.
    files = [
        path
        for path in files
        if path.name != "_CHECKPOINT_METADATA" and path.parent.name + path.name != "8commit_success.txt"
    ]
    assert len(files) > 15
    for path in files:
        content = path.read_bytes()
        DAMAGES[what](path)
        assert path.name in str(damage(folder / NEWEST))
        path.write_bytes(content)
    assert damage(folder / NEWEST) is None


@pytest.mark.parametrize("what", DAMAGES)
def test_what_orbax_writes_last_is_not_needed(what, folder, whole):
    for name in ("_CHECKPOINT_METADATA", "commit_success.txt"):
        DAMAGES[what](folder / NEWEST / name)
    resumed = watched(checkpoint_dir=folder)
    assert resumed.resumed_from == int(NEWEST) and resumed.unsaved is None
    assert_same(resumed, whole)


@pytest.mark.parametrize("what", DAMAGES)
def test_a_damaged_checkpoint_is_put_aside_and_the_one_before_taken(what, folder, whole):
    DAMAGES[what](next((folder / NEWEST / "state" / "d").iterdir()))
    with pytest.warns(
        RuntimeWarning, match=r"/8 is damaged \(state/d/.* is not .*\), and is 8.damaged now.* from step 4"
    ) as warned:
        resumed = watched(checkpoint_dir=folder)
    assert [warning.filename for warning in warned] == [__file__]
    assert resumed.resumed_from == int(BEFORE) and resumed.unsaved is None
    assert_same(resumed, whole)
    assert steps_in(folder) == [4, 12] and (folder / "8.damaged").is_dir()
    assert watched(checkpoint_dir=folder).resumed_from == 12  # and says nothing more


def test_a_second_one_is_put_aside_beside_the_first(folder):
    for name in ("8.damaged", "8.damaged.2"):
        shutil.rmtree(folder / NEWEST / "about")
        with pytest.warns(RuntimeWarning, match=f"is {name} now"):
            assert watched(steps=8, checkpoint_dir=folder).resumed_from == 4
        assert (folder / name / "state").is_dir() and steps_in(folder) == [4, 8]


def test_without_a_whole_one_it_refuses_and_touches_nothing(folder):
    for step in (BEFORE, NEWEST):
        flip(folder / step / "about" / "metadata")
    with pytest.raises(
        ValueError, match="no checkpoint that is whole .*/8: about/metadata is not what was .*/4: about/m"
    ):
        watched(checkpoint_dir=folder)
    assert steps_in(folder) == [4, 8]


def test_another_training_is_refused_before_anything_is_put_aside(folder):
    flip(folder / NEWEST / "about" / "metadata")
    with pytest.raises(ValueError, match="another training: `batch_size`"):
        watched(batch_size=1, checkpoint_dir=folder)
    assert steps_in(folder) == [4, 8]


# Disks.


def test_a_folder_that_vanishes_costs_a_warning_and_not_the_training(tmp_path):
    folder = tmp_path / "checkpoints"

    def evaluate(params):
        evaluated.append(params)
        if len(evaluated) == 3:
            while not steps_in(folder) or [path for path in folder.iterdir() if not path.name.isdigit()]:
                time.sleep(0.001)  # caught in the middle of writing, orbax leaves threads behind that complain
            folder.rename(tmp_path / "elsewhere")
            folder.write_text("in the way", encoding="utf-8")
        return 0.0

    evaluated: list = []
    options: dict[str, Any] = dict(chunk=4, evaluate=evaluate, checkpoint_dir=folder, checkpoint_seconds=0)
    with pytest.warns(
        RuntimeWarning, match="no checkpoint could be written to .*checkpoints: .*The training goes on"
    ) as warned:
        result = train(steps=40, **options)
    assert {warning.filename for warning in warned} == {__file__}
    assert (result.reason, result.history.steps) == ("finished", 40)
    assert result.unsaved and "no checkpoint could be written" in result.unsaved


def test_a_disk_with_too_little_room_costs_a_warning_and_not_the_training(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    full = lambda path: usage._replace(free=200_000)
    monkeypatch.setattr(_checkpoint.shutil, "disk_usage", full)
    with pytest.warns(RuntimeWarning, match=r"it needs about 1\.0 MB, and 0\.2 MB are free. The training goes on"):
        result = train(steps=20, chunk=4, checkpoint_dir=tmp_path, checkpoint_seconds=0)
    assert (result.reason, result.history.steps, steps_in(tmp_path)) == ("finished", 20, [])
    assert result.unsaved and "0.2 MB are free" in result.unsaved
    monkeypatch.undo()
    assert train(steps=20, chunk=4, checkpoint_dir=tmp_path).unsaved is None  # with room, it is there


def test_a_disk_that_is_full_in_the_middle_of_writing_leaves_what_was_there(tmp_path, monkeypatch, whole):
    """The last file of a checkpoint is the one that fails, in the thread that writes while the training goes on."""

    def seal(folder):
        (folder / "seal.json").write_text("{", encoding="utf-8")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    watched(steps=4, checkpoint_dir=tmp_path)
    monkeypatch.setattr(_checkpoint, "seal", seal)
    with pytest.warns(RuntimeWarning, match="no checkpoint could be written to .*: No space left on device. The train"):
        met = watched(checkpoint_dir=tmp_path, checkpoint_seconds=0)
    assert met.history.steps == 12 and met.unsaved
    assert [path.name for path in tmp_path.iterdir()] == ["4"] and damage(tmp_path / "4") is None
    monkeypatch.undo()
    resumed = watched(checkpoint_dir=tmp_path)
    assert (resumed.resumed_from, resumed.unsaved) == (4, None)
    assert_same(resumed, whole)
    assert_same(met, whole)


@contextmanager
def nobody():
    """As one who may not write everywhere, which root may."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_read_only_folder_is_refused_before_the_training():
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o555)
        with nobody(), pytest.raises(PermissionError, match=f"`checkpoint_dir` {folder} cannot be written to: Permiss"):
            watched(checkpoint_dir=folder)


def test_a_folder_that_cannot_be_made_is_refused_before_the_training(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(OSError, match="`checkpoint_dir` .*file/inside cannot be written to: Not a directory"):
        train(steps=4, checkpoint_dir=tmp_path / "file" / "inside")
