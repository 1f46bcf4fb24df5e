"""A file that is written whole, or not at all: whoever reads it, at any time, finds the old content or the new one."""

from __future__ import annotations

import errno
import os
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
    OSError : path is a folder, a file is in the place of its folder, or the folder cannot be made
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "a folder, and no file; name a file in it", str(path))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise NotADirectoryError(errno.ENOTDIR, "there is a file in the place of its folder", str(path)) from None
    return path


@contextmanager
def replacing(path: Path, private: bool = False) -> Iterator[IO[bytes]]:
    """Yield an empty file beside path, to write into; at the end of the block it takes the place of path.

    After an error, or if the process dies, path is as it was. private leaves the file to its owner (mode 0600);
    otherwise it has the mode that any new file has.
    """
    try:
        number, unfinished = tempfile.mkstemp(prefix=UNFINISHED, dir=path.parent)
    except OSError as error:  # of a folder that is not there, or not ours
        error.filename = str(path)
        raise
    try:
        with open(number, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if not private:
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(unfinished, 0o666 & ~umask)
        os.replace(unfinished, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(unfinished)
        raise
