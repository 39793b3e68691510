"""Files are whole or absent."""

import os

import pytest

from minigrad import MLP
from minigrad.io.files import write_whole
from minigrad.io.npz import read_npz


def test_a_missing_file_is_an_os_error(tmp_path):
    for act in (read_npz, MLP.load, MLP.init([1, 1]).save):
        with pytest.raises(FileNotFoundError):
            act(tmp_path / "absent" / "net.npz")


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "net.npz"
    write_whole(path, b"old")
    for name in ("replace", "chmod", "fdopen"):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                write_whole(path, b"new")
        assert os.listdir(tmp_path) == ["net.npz"] and path.read_bytes() == b"old"


def test_the_temporary_file_is_on_the_file_system_of_its_target(tmp_path, monkeypatch):
    moved, replace = [], os.replace
    monkeypatch.setattr(os, "replace", lambda *paths: (moved.append(paths), replace(*paths)))
    write_whole(tmp_path / "net.npz", b"1")
    assert [os.path.dirname(path) for path in moved[0]] == [str(tmp_path)] * 2  # elsewhere a rename is not atomic


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_a_written_file_has_the_permissions_of_an_ordinary_one(tmp_path, umask):
    before = os.umask(umask)
    try:
        write_whole(tmp_path / "ours", b"1")
        (tmp_path / "plain").write_bytes(b"1")
    finally:
        assert os.umask(before) == umask  # and the process's own mask is put back
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode
