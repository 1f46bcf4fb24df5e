"""The files of the exercises: the stubs that are handed out, and the submissions in a folder."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from .checks import EXERCISES, Exercise

STUBS = Path(__file__).parent / "exercises"


def start(folder: Path, number: int | None = None, force: bool = False) -> list[Path]:
    """Copy the stubs, or the one of that number, into folder, and return the paths of the copies.

    Raises
    ------
    ValueError : one of the files exists and force is not set; then nothing is written
    """
    if number is None and folder.name.isdigit():
        raise ValueError(f"where to? Say tinygrad-edu exercise start {folder.name} DIR")
    wanted = [STUBS / f"{e.number}_{e.name}.py" for e in EXERCISES if number in (None, e.number)]
    targets = [folder / stub.name for stub in wanted]
    existing = [str(path) for path in targets if path.exists()]
    if existing and not force:
        others = f" and {len(existing) - 1} more are" if len(existing) > 1 else " is"
        raise ValueError(f"{existing[0]}{others} there already, and left alone; --force overwrites what you wrote")
    folder.mkdir(parents=True, exist_ok=True)
    for stub, target in zip(wanted, targets, strict=True):
        shutil.copyfile(stub, target)
    return targets


def which(path: Path) -> Exercise | None:
    """Return the exercise that a file's name says, as 3_linear_layer.py, linear_layer.py or ada-3.py; else None."""
    named = [e for e in EXERCISES if e.name in path.stem.lower()]
    digits = re.findall(r"\d+", path.stem)
    numbered = [e for e in EXERCISES if str(e.number) in digits]
    found = named or numbered
    return found[0] if len(found) == 1 else None


def unreadable(path: Path) -> str:
    """Return the reason why a file or folder cannot be read; an empty string if it can be."""
    try:
        if path.is_dir():
            os.listdir(path)
        elif path.exists() and not path.is_file():  # a pipe would be waited for
            return "it is no file"
        else:
            path.open("rb").close()
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    return ""


def scripts(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the .py files in folder and below it, and the folders there that cannot be read; no names with . or __."""
    found, closed = list[Path](), list[Path]()
    for top, folders, names in os.walk(folder, onerror=lambda error: closed.append(Path(error.filename))):
        folders[:] = [name for name in folders if not name.startswith((".", "__"))]
        if "pyvenv.cfg" in names:  # a virtual environment: none of its files is the student's
            folders.clear()
        found += [Path(top, name) for name in names if name.endswith(".py") and not name.startswith((".", "__"))]
    return sorted(found), sorted(closed)


def files(target: Path) -> tuple[list[Path], list[Path]]:
    """Return the paths to check, and the files to skip.

    For a file that is the file itself, for a folder its files of exercises, and the folders in it that cannot be read.

    Raises
    ------
    ValueError : target does not exist, or holds no exercise
    OSError : target cannot be read
    """
    if not target.exists():
        raise ValueError(f"there is no {target}")
    if target.is_file():
        return [target], []
    os.listdir(target)
    own, closed = scripts(target)
    named = [path for path in own if which(path)]
    if not named and not closed:
        raise ValueError(f"{target} holds no exercise; tinygrad-edu exercise start {target} puts them there")
    return named + closed, [path for path in own if path not in named]


def submissions(folder: Path) -> tuple[list[tuple[str, Path]], list[Path]]:
    """Return the pairs (student, path) to grade, in order, and the files to skip.

    Every folder in folder, and every .py file in it, belongs to one student. A student's files are graded if their
    names say an exercise, and skipped otherwise. If no name does, each of the student's .py files is graded, or else
    the folder itself; none of these passes. A folder that cannot be read is graded, too.

    Raises
    ------
    ValueError : folder does not exist, or holds nothing to grade
    OSError : folder cannot be read
    """
    if not folder.is_dir():
        raise ValueError(f"there is no folder {folder}")
    found, skipped = list[tuple[str, Path]](), list[Path]()
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith((".", "__")):
            continue
        if entry.is_dir():
            own, closed = scripts(entry)
            graded = [path for path in own if which(path)] or own
            found += [(entry.name, path) for path in graded + closed or [entry]]
            skipped += [path for path in own if path not in graded]
        elif entry.suffix == ".py":
            found.append((entry.stem, entry))
    if not found:
        raise ValueError(f"{folder} holds no submissions: a folder or a .py file for each student")
    return found, skipped
