"""Files that are replaced: what is there and no file stays, a link stays a link, and permissions stay."""

import os
import stat

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu.extras.files import place, replacing

ROW = {"epoch": 1, "loss": 0.5}


def replaced(path):
    with replacing(path) as file:
        file.write(b"new")


def written(path):
    history = tg.History()
    history.rows.append(ROW)
    history.to_csv(path)


def checkpoint(path):
    model = tg.mlp([2, 3], rng=0)
    tg.fit(model, *tg.data.blobs(30, rng=0), epochs=1, progress=False, callback=tg.Checkpoint(path))


def swept(path):
    tg.sweep(lambda x, seed: x, {"x": [1]}, n_jobs=1, progress=False).to_csv(path)


WRITERS = {
    "replacing": replaced,
    "save": lambda path: tg.save(path, a=np.ones(2)),
    "history": written,
    "log": lambda path: tg.Log(path)(ROW),
    "checkpoint": checkpoint,
    "sweep": swept,
}
EVERY = pytest.mark.parametrize("name", WRITERS)


@EVERY
def test_what_is_no_file_is_refused_and_stays(tmp_path, name):
    path = tmp_path / "a.csv"
    os.mkfifo(path)
    with pytest.raises(OSError, match=r"a pipe, a device or the like, .*a\.csv'"):
        WRITERS[name](path)
    assert stat.S_ISFIFO(os.lstat(path).st_mode)
    path.unlink()
    path.symlink_to(tmp_path / "b.csv")
    (tmp_path / "b.csv").symlink_to(path)  # a ring
    with pytest.raises(OSError, match="a pipe, a device or the like"):
        WRITERS[name](path)
    assert path.is_symlink()
    path.unlink()
    path.mkdir()
    with pytest.raises(IsADirectoryError, match="a folder, and no file"):
        WRITERS[name](path)
    assert {path.name for path in tmp_path.iterdir()} == {"a.csv", "b.csv"}  # and nothing unfinished


@EVERY
@pytest.mark.parametrize("old", ["epoch,loss\n7,1.0\n", None])
def test_the_file_behind_a_link_is_replaced_with_its_permissions(tmp_path, name, old):
    target, path = tmp_path / "real" / "b.csv", tmp_path / "links" / "a.csv"
    path.parent.mkdir()
    target.parent.mkdir()
    path.symlink_to("../real/b.csv")
    before = os.umask(0o027)
    try:
        if old is not None:
            target.write_text(old)
            target.chmod(0o600)
        WRITERS[name](path)
    finally:
        os.umask(before)
    assert path.is_symlink()
    assert target.read_bytes() not in (b"", (old or "").encode())
    assert stat.S_IMODE(target.stat().st_mode) == (0o640 if old is None else 0o600)
    assert len([*target.parent.iterdir(), *path.parent.iterdir()]) == 2


def test_a_private_file_is_its_owners_whatever_it_was(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    path.chmod(0o644)
    with replacing(path, private=True) as file:
        file.write(b"new")
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"new", 0o600)


def test_the_folder_behind_a_link_is_made(tmp_path):
    (tmp_path / "a.csv").symlink_to("new/b.csv")
    assert place(tmp_path / "a.csv") == tmp_path / "a.csv"
    WRITERS["save"](tmp_path / "a.csv")
    assert (tmp_path / "new" / "b.csv").is_file()
