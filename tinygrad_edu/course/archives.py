"""A student's .zip: its scripts and notebooks, taken out with limits, or the reason why not."""

from __future__ import annotations

import zipfile
from pathlib import Path, PurePosixPath

LARGEST = 20_000_000  # bytes of an archive, and of all that is taken out of it
MOST = 1_000  # files in an archive


def take_out(archive: Path, into: Path, suffixes: tuple[str, ...]) -> str:
    """Write the files with these suffixes into a folder; return "", or the reason why the archive is not taken.

    Names lead nowhere else: "..", a root and a drive are dropped, a link comes out as a file. The header of a member
    may promise little: what is read is counted.
    """
    if archive.stat().st_size > LARGEST:
        return f"the archive is larger than {LARGEST / 1e6:.0f} MB"
    left = LARGEST
    try:
        with zipfile.ZipFile(archive) as opened:
            if len(opened.infolist()) > MOST:
                return f"the archive holds more than {MOST:,} files"
            for member in opened.infolist():
                parts = [part for part in PurePosixPath(member.filename.replace("\\", "/")).parts if part.strip("./")]
                parts = [part for part in parts if not part.endswith(":")]
                if member.is_dir() or not parts or not parts[-1].lower().endswith(suffixes):
                    continue
                with opened.open(member) as stream:
                    content = stream.read(left + 1)
                left -= len(content)
                if left < 0:
                    return f"the archive unpacks to more than {LARGEST / 1e6:.0f} MB"
                target = into.joinpath(*parts)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
    except (
        Exception
    ) as error:  # whatever a damaged archive raises: BadZipFile, RuntimeError (encrypted), zlib.error ...
        return f"the archive cannot be unpacked ({type(error).__name__}: {error})"[:300]
    return ""
