"""Files of machine code on disk: where they lie, whom we trust, and how many there may be. Needs no Numba.

Machine code is run as it is, so a file of somebody else is his program. A folder is used only if it belongs to us or to
root, and nobody else may write to it; a file likewise. Each file begins with the SHA-256 of its name and of the rest:
a flipped bit, half a file or another file under its name is noticed before anything in it is used.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ..extras.files import UNFINISHED, replacing

OURS = re.compile(
    r"tinygrad_edu_step_[0-9a-f]{32}\.py|[\w.]+-[0-9a-f]{32}\.nbc|\.unfinished-\w+|tinygrad_edu_step_[\w.-]+\.nb[ic]"
)
SEAL = hashlib.sha256().digest_size  # bytes
MEGABYTES = 256  # the bound, if TINYGRAD_EDU_CACHE_MB names no other
OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH
_said: set[str] = set()


# --- where ------------------------------------------------------------------------------------------------------------


def folder() -> Path:
    """Return the folder of the cache: TINYGRAD_EDU_CACHE, or one of ours in the user's cache."""
    given = os.environ.get("TINYGRAD_EDU_CACHE")
    if given:
        return Path(given)
    caches = {"win32": os.environ.get("LOCALAPPDATA", "~/AppData/Local"), "darwin": "~/Library/Caches"}
    base = caches.get(sys.platform, os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    return Path(base).expanduser() / "tinygrad_edu"


def code_folder() -> Path:
    """Return the folder of the machine code: below `folder`, or below NUMBA_CACHE_DIR if that is set."""
    given = os.environ.get("NUMBA_CACHE_DIR")
    return (Path(given) / "tinygrad_edu" if given else folder()) / "__pycache__"


def objection(path: Path) -> str:
    """Return why machine code in this folder is not trusted, or "" if it is. One that is not there does no harm."""
    for each in (path.parent, path) if path.name == "__pycache__" else (path,):
        with suppress(FileNotFoundError):
            if why := _objection(each.stat(), stat.S_ISDIR, "no folder"):
                return f"{each} {why}"
    return ""


def _objection(found: os.stat_result, kind: object, otherwise: str) -> str:
    """Return why a folder or a file with this state is not trusted."""
    if not kind(found.st_mode):  # type: ignore[operator]
        return f"is {otherwise}"
    if not hasattr(os, "geteuid"):  # Windows keeps others out of the user's folder by other means
        return ""
    if found.st_uid not in (os.geteuid(), 0):
        return f"belongs to somebody else (user {found.st_uid})"
    return "can be written by others" if found.st_mode & OTHERS_MAY_WRITE else ""


def trusted(path: Path) -> bool:
    """Return whether this folder is trusted; say so once if it is not."""
    why = objection(path)
    if why and why not in _said:
        _said.add(why)
        fix = "chmod go-w it, or name a folder of your own in TINYGRAD_EDU_CACHE"
        message = f"machine code is not kept: {why}, and who can write there could have you run his code; {fix}"
        warnings.warn_explicit(message, UserWarning, str(path), 0)  # the folder is at fault, and no line of the user's
    return not why


# --- a file -----------------------------------------------------------------------------------------------------------


def contents(path: Path) -> bytes | None:
    """Return what is in a file; None if it is not there, or not a trusted regular file."""
    flags = sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))
    with suppress(OSError), open(os.open(path, os.O_RDONLY | flags), "rb") as file:  # a FIFO does not make us wait
        return None if _objection(os.fstat(file.fileno()), stat.S_ISREG, "no file") else file.read()
    return None


def read(path: Path) -> bytes | None:
    """Return the data that `write` has put into a file; None if it is not as it was written, or not trusted."""
    found = contents(path)
    if found is None or found[:SEAL] != _seal(path.name, found[SEAL:]):
        return None
    with suppress(OSError):
        os.utime(path)  # used now
    return found[SEAL:]


def write(path: Path, data: bytes, sealed: bool = True) -> bool:
    """Put data into a file of a trusted folder, whole or not at all. Return False if that cannot be."""
    with suppress(OSError):
        _make(path.parent)
        if trusted(path.parent):
            with replacing(path, private=True) as file:
                file.write((_seal(path.name, data) if sealed else b"") + data)
            return True
    return False


def _seal(name: str, data: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\0" + data).digest()


def _make(path: Path) -> None:
    """Make a folder, and those above it, for us alone."""
    if not path.is_dir():
        _make(path.parent)
        with suppress(FileExistsError):
            path.mkdir(0o700)


# --- all files --------------------------------------------------------------------------------------------------------


def files() -> Iterator[tuple[Path, os.stat_result]]:
    """Yield each file of ours with its state."""
    for place in dict.fromkeys([folder(), code_folder().parent, code_folder()]):
        with suppress(OSError), os.scandir(place) as entries:
            for entry in entries:
                with suppress(OSError):  # another process has taken it away
                    if OURS.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                        yield Path(entry.path), entry.stat(follow_symlinks=False)


def bound() -> int:
    """Return how many bytes the cache may have: TINYGRAD_EDU_CACHE_MB million, or 256."""
    given = os.environ.get("TINYGRAD_EDU_CACHE_MB", "").strip()
    return (int(given) if given.isdecimal() else MEGABYTES) * 1_000_000


def trim(keep: Path | None = None) -> None:
    """Remove what was used least recently until the bound holds, and what a process that died has left unfinished."""
    found = sorted(files(), key=lambda pair: pair[1].st_mtime, reverse=True)
    left, hour_ago = bound(), time.time() - 3600
    for path, state in sorted(found, key=lambda pair: pair[0] != keep):
        left -= state.st_size
        old = path.name.startswith(UNFINISHED) and state.st_mtime < hour_ago
        if old or (left < 0 and path != keep):
            with suppress(OSError):
                path.unlink()


def clear() -> int:
    """Remove all files of ours. Return how many there were."""
    removed = 0
    for path, _ in list(files()):
        with suppress(OSError):
            path.unlink()
            removed += 1
    return removed
