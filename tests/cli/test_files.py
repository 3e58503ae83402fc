from pathlib import Path

import pytest

from jaxmlp._cli._files import write_whole
from jaxmlp._cli._terminal import CommandError


def test_a_file_is_replaced_whole_and_nothing_is_left_beside_it(tmp_path):
    path = tmp_path / "out"
    path.write_text("old and longer")
    write_whole(path, "새\n")
    assert path.read_text(encoding="utf-8") == "새\n" and list(tmp_path.iterdir()) == [path]


def test_a_link_stays_a_link(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    link.symlink_to(target)
    write_whole(link, "new")
    assert link.is_symlink() and target.read_text() == "new"


@pytest.mark.parametrize("place", ["missing/out", "."])
def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path, place):
    with pytest.raises(CommandError, match="cannot write .*: (there is no|it is a) directory"):
        write_whole(tmp_path / place, "text")


def test_a_full_disk_leaves_the_old_file_and_no_half_of_a_new_one(tmp_path, monkeypatch):
    path = tmp_path / "out"
    path.write_text("old")

    def full(self, *args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(CommandError, match="No space left on device"):
        write_whole(path, "new")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_device_is_one_sentence():
    with pytest.raises(CommandError, match="cannot write /dev/full: No space left on device"):
        write_whole(Path("/dev/full"), "text")
