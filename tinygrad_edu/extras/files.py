"""A file that is written whole, or not at all: whoever reads it, at any time, finds the old content or the new one."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

UNFINISHED = ".unfinished-"  # how the name begins of what a process that died has left behind


def place(path: Any) -> Path:
    """Return the path of a file to write, with a folder around it, which is made if there is none.

    Raises
    ------
    OSError : path is a folder, a pipe or a device, a file is in the place of its folder, or that cannot be made
    """
    path = Path(path)
    target, _ = _behind_links(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise NotADirectoryError(errno.ENOTDIR, "there is a file in the place of its folder", str(path)) from None
    return path


def _behind_links(path: Path) -> tuple[Path, int | None]:
    """Return the file that a path leads to, and its permissions; None if there is none yet."""
    target = Path(os.path.realpath(path))
    try:
        mode = os.lstat(target).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return target, None
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "a folder, and no file; name a file in it", str(path))
    if not stat.S_ISREG(mode):  # a link here is one that leads to itself
        raise OSError(errno.EINVAL, "a pipe, a device or the like, and no file to replace; name another", str(path))
    return target, stat.S_IMODE(mode)


@contextmanager
def replacing(path: Path, private: bool = False) -> Iterator[IO[bytes]]:
    """Yield an empty file beside path, to write into; at the end of the block it takes the place of path.

    After an error, or if the process dies, path is as it was. A link stays: the file behind it is replaced. private
    leaves the file to its owner (mode 0600), and takes the place of a link, as of a stranger's; otherwise a file has
    the mode of the old one, or that of any new file.

    Raises
    ------
    OSError : path is a folder, a pipe or a device, or cannot be written
    """
    target, mode = (path, None) if private else _behind_links(path)
    try:
        number, unfinished = tempfile.mkstemp(prefix=UNFINISHED, dir=target.parent)
    except OSError as error:  # of a folder that is not there, or not ours
        error.filename = str(path)
        raise
    try:
        with open(number, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if not private:
            os.chmod(unfinished, _mode_of_new_files() if mode is None else mode)
        os.replace(unfinished, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(unfinished)
        raise


def _mode_of_new_files() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask
