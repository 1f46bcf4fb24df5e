"""The files of the exercises: the stubs that are handed out, and the submissions in a folder."""

from __future__ import annotations

import os
import re
import shutil
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from .archives import take_out
from .checks import Exercise
from .table import COURSE, Collection

NOTEBOOKS = Path(__file__).parent / "notebooks"
SUFFIXES = (".py", ".ipynb")  # of the files that are graded
MOODLE = re.compile(r"(?s)(?P<name>.+)_(?P<id>\d+)_assignsubmission_[a-z]+(_(?P<rest>.*))?")  # as Moodle exports them
FEEDBACK = "feedback"  # the folder of `records`, which is no student's


class Work(NamedTuple):
    """A file to grade.

    student : a name that can be shown
    path : where the file is
    shown : what messages and tables call it
    problem : a key and a sentence if it is not to be run, else empty
    exercise : None if it is not known which
    """

    student: str
    path: Path
    shown: str
    problem: tuple[str, str] | tuple[()] = ()
    exercise: Exercise | None = None


def start(folder: Path, number: int | None = None, force: bool = False, held: Collection = COURSE) -> list[Path]:
    """Copy the stubs, or the one of that number, into folder, and return the paths of the copies.

    Raises
    ------
    ValueError : there is no such number; or one of the files exists and force is not set; then nothing is written
    """
    if number is None and folder.name.isdigit():
        raise ValueError(f"where to? Say tinygrad-edu exercise start {folder.name} DIR")
    wanted = map(held.stub, held.exercises if number is None else [held.numbered(number)])
    return copied({folder / stub.name: stub for stub in wanted}, force)


def start_course(folder: Path, force: bool = False) -> list[Path]:
    """Copy the course's notebooks into folder, the exercises into a folder there, and return the paths of the copies.

    Raises
    ------
    ValueError : as `start`
    """
    notebooks = {folder / path.name: path for path in sorted(NOTEBOOKS.glob("*.ipynb"))}
    stubs = map(COURSE.stub, COURSE.exercises)
    return copied({**notebooks, **{folder / "exercises" / stub.name: stub for stub in stubs}}, force)


def copied(sources: dict[Path, Path], force: bool) -> list[Path]:
    """Copy each file to its place, and return the places; refuse as `start` does."""
    existing = [str(path) for path in sources if path.exists()]
    if existing and not force:
        others = f" and {len(existing) - 1} more are" if len(existing) > 1 else " is"
        raise ValueError(f"{existing[0]}{others} there already, and left alone; --force overwrites what you wrote")
    for target, source in sources.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    return [*sources]


def visible(name: str | Path) -> str:
    """Return a file's name as it can be shown: bytes that are no UTF-8, and what would move the cursor, are escaped.

    >>> visible("ada" + chr(27) + "[2J"), visible("b" + chr(0xDCFF))  # what Python makes of the byte 255
    ('ada\\\\x1b[2J', 'b\\\\xff')
    """
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def which(path: Path, held: Collection = COURSE) -> Exercise | None:
    """Return the exercise that a file's name says, as 3_linear_layer.py, linear_layer.py or ada-3.py; else None."""
    moodle = MOODLE.fullmatch(path.stem)
    stem = moodle["rest"] or "" if moodle else path.stem
    named = [e for e in held.exercises if e.name in stem.lower()]
    digits = re.findall(r"\d+", stem)
    numbered = [e for e in held.exercises if str(e.number) in digits]
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


def scripts(folder: Path, suffixes: tuple[str, ...] = SUFFIXES) -> tuple[list[Path], list[Path]]:
    """Return the files with these suffixes in folder and below it, and the folders there that cannot be read.

    Names that begin with . or __ are left out.
    """
    found, closed = list[Path](), list[Path]()
    for top, folders, names in os.walk(folder, onerror=lambda error: closed.append(Path(error.filename))):
        folders[:] = [name for name in folders if not name.startswith((".", "__"))]
        if "pyvenv.cfg" in names:  # a virtual environment: none of its files is the student's
            folders.clear()
        found += [Path(top, name) for name in names if is_script(name, suffixes)]
    return sorted(found), sorted(closed)


def is_script(name: str, suffixes: tuple[str, ...] = SUFFIXES) -> bool:
    """Return whether a name has one of the suffixes, and no . or __ before it."""
    return name.lower().endswith(suffixes) and not name.startswith((".", "__"))


def files(target: Path, held: Collection = COURSE) -> tuple[list[Path], list[Path]]:
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
    named = [path for path in own if which(path, held)]
    if not named and not closed:
        raise ValueError(f"{target} holds no exercise; tinygrad-edu exercise start {target} puts them there")
    return named + closed, [path for path in own if path not in named]


def submissions(folder: Path, scratch: Path, held: Collection = COURSE) -> tuple[list[Work], list[str]]:
    """Return the files to grade, in order of the students, and the names of the files to skip.

    Every folder in folder, and every script, notebook or .zip in it, belongs to one student; Moodle's names say whose
    it is. A student's files are graded if their names say an exercise, and skipped otherwise. If no name does, each of
    the student's files is graded, or else the folder itself; none of these passes. What cannot be read is graded, too.

    Parameters
    ----------
    scratch : an empty folder, for what is in the .zip files

    Raises
    ------
    ValueError : folder does not exist, or holds nothing to grade
    OSError : folder cannot be read
    """
    if not folder.is_dir():
        raise ValueError(f"there is no folder {folder}")
    students = dict[tuple[str, str], list[Path]]()
    for entry in sorted(folder.iterdir()):
        moodle = MOODLE.fullmatch(entry.name)
        if entry.is_dir() and not entry.name.startswith((".", "__")) and not _ours(entry):
            students.setdefault((moodle["name"], moodle["id"]) if moodle else (entry.name, ""), []).append(entry)
        elif not entry.is_dir() and is_script(entry.name, (*SUFFIXES, ".zip")):
            students.setdefault((moodle["name"], moodle["id"]) if moodle else (entry.stem, ""), []).append(entry)
    if not students:
        raise ValueError(f"{folder} holds no submissions: a folder or a .py file for each student")
    found, skipped, names = list[Work](), list[str](), [name for name, _ in students]
    for (name, number), entries in students.items():
        student = visible(f"{name} ({number})" if number and names.count(name) > 1 else name)
        try:
            works = [work for entry in entries for work in _handed_in(student, entry, scratch)]
            works = works or [Work(student, entries[0], visible(entries[0]), ("name", _nothing_in(entries)))]
        except Exception as error:  # whatever is odd in one student's folder costs the others nothing
            text = visible(f"it cannot be read: {type(error).__name__}: {error}")
            works = [Work(student, entries[0], visible(entries[0]), ("file", text))]
        works = [work if work.path.is_dir() else work._replace(exercise=which(work.path, held)) for work in works]
        named = [work for work in works if work.exercise and not work.problem]
        found += [work for work in works if work.problem or work in named or not named]
        skipped += [work.shown for work in works if not work.problem and work not in named and named]
    return found, skipped


def _ours(folder: Path) -> bool:
    """Return whether a folder is the one for feedback, from an earlier run."""
    return folder.name == FEEDBACK and all(path.suffix == ".txt" for path in folder.iterdir())


def _handed_in(student: str, entry: Path, scratch: Path) -> list[Work]:
    """Return the files of one folder, or the one file, in the folder of all."""
    if entry.is_symlink() and entry.exists():
        return [Work(student, entry, visible(entry), ("link", "it is a link: hand in the work itself"))]
    if not entry.is_dir():
        return _unzipped(student, entry, scratch)
    works, home = list[Work](), entry.resolve()
    own, closed = scripts(entry, (*SUFFIXES, ".zip"))
    for path in own:
        if path.resolve().is_relative_to(home):
            works += _unzipped(student, path, scratch)
        else:
            works.append(Work(student, path, visible(path), ("link", "it is a link that leads out of the folder")))
    return works + [
        Work(student, path, visible(path), ("file", unreadable(path) or "it is no file")) for path in closed
    ]


def _unzipped(student: str, path: Path, scratch: Path) -> list[Work]:
    """Return the file itself; or the files in a .zip, which are written into a folder of their own in scratch."""
    if not is_script(path.name, (".zip",)):
        return [Work(student, path, visible(path))]
    into = scratch / str(len(list(scratch.iterdir())))
    into.mkdir()
    problem = unreadable(path) or take_out(path, into, (*SUFFIXES, "pyvenv.cfg"))
    own = [] if problem else scripts(into)[0]
    if not own:
        return [Work(student, path, visible(path), ("zip", problem or "the archive holds no .py file and no notebook"))]
    return [Work(student, inner, visible(path / inner.relative_to(into))) for inner in own]


def _nothing_in(entries: list[Path]) -> str:
    """Return the sentence on folders without a script: what they hold instead."""
    inside = (path for entry in entries for path in entry.rglob("*") if path.is_file())
    names = sorted(visible(path.name) for path in islice(inside, 100))
    held = f": it holds {', '.join(names[:3])}{', ...' * (len(names) > 3)}" if names else ""
    return f"there is no .py file in it{held}"
