"""The exercises as a teacher and a student use them: list them, start on one, check a file, grade a folder.

This is no sandbox. A submission runs in a process of its own with limits on time, memory and output, and cannot write
its own verdict; but it can read and write whatever its user may, and it may ask our engine for the answer.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import secrets
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np

from .checks import EXERCISES, Exercise
from .submission import Failed, Submission

STUBS = Path(__file__).parent / "exercises"
TURNS = 3  # sets of random numbers for each check
NO_SANDBOX = "This is no sandbox: submissions may read and write what you may. Grade strangers' work in a container."


class Verdict(NamedTuple):
    """What came out for one file.

    student : whose it is, as the folder or file is called
    exercise : its number, 0 if that cannot be told
    mistakes : what is wrong, as key or "name: key"; empty if nothing is
    note : what to tell the student
    printed : the beginning of what the file printed
    """

    student: str
    file: str
    exercise: int
    right: bool
    mistakes: str
    note: str
    seconds: float
    printed: str = ""


def listing() -> str:
    """The exercises, a line each."""
    return "\n".join(f"{e.number}  {e.name:<16} {e.title}" for e in EXERCISES)


def start(folder: Path, number: int | None = None, force: bool = False) -> list[Path]:
    """Copy the stubs, or one of them, into folder. Returns what was written.

    Raises
    ------
    ValueError : one of the files is there already, and force is not set; nothing has been written then
    """
    if number is None and folder.name.isdigit():
        raise ValueError(f"where to? Say tinygrad-edu exercise start {folder.name} DIR")
    wanted = [STUBS / f"{e.number}_{e.name}.py" for e in EXERCISES if number in (None, e.number)]
    targets = [folder / stub.name for stub in wanted]
    there = [str(path) for path in targets if path.exists()]
    if there and not force:
        others = f" and {len(there) - 1} more are" if len(there) > 1 else " is"
        raise ValueError(f"{there[0]}{others} there already, and left alone; --force overwrites what you wrote")
    folder.mkdir(parents=True, exist_ok=True)
    for stub, target in zip(wanted, targets, strict=True):
        shutil.copyfile(stub, target)
    return targets


def which(path: Path) -> Exercise | None:
    """The exercise that a file is about, by its name: 3_linear_layer.py, linear_layer.py, ada-3.py."""
    named = [e for e in EXERCISES if e.name in path.stem.lower()]
    digits = re.findall(r"\d+", path.stem)
    numbered = [e for e in EXERCISES if str(e.number) in digits]
    found = named or numbered
    return found[0] if len(found) == 1 else None


def judge(path: Path, seed: int, seconds: float = 10.0, student: str = "") -> Verdict:
    """Run the check of the file's exercise. The same seed brings the same random numbers for every student."""
    exercise, begin = None if os.path.isdir(path) else which(path), time.monotonic()
    student, closed = student or path.stem, unreadable(path)
    if closed:
        return Verdict(student, str(path), exercise.number if exercise else 0, False, "file", closed, 0.0)
    if exercise is None:
        note = "which exercise is this? Give the file its number or name, as in 3_linear_layer.py"
        note = "there is no .py file in it" if path.is_dir() else note
        return Verdict(student, str(path), 0, False, "name", note, 0.0)
    rng, mistakes, note = np.random.default_rng([seed, exercise.number]), "", ""
    submission = Submission(path, seconds)
    try:
        with submission as running:
            for turn in range(TURNS):
                report = exercise.check(running.ask, rng, turn)
                mistakes = ", ".join(f"{name}: {key}" for name, key in report.mistakes.items() if key)
                if mistakes:
                    note = str(report)
                    break
            else:
                note = f"right, with {TURNS} sets of random numbers"
    except Failed as problem:
        mistakes, note = problem.key, problem.text
    except (ValueError, TypeError) as problem:  # what the doctor cannot read: numbers of another shape or kind
        mistakes, note = "shape", str(problem)
    seconds = time.monotonic() - begin
    return Verdict(student, str(path), exercise.number, not mistakes, mistakes, note, seconds, submission.printed)


def line(verdict: Verdict) -> str:
    """The verdict in a line of a table."""
    said = "right" if verdict.right else verdict.mistakes if "\n" in verdict.note else verdict.note
    return f"{verdict.student:<20} {verdict.exercise or '-'}  {said}"


def told(verdict: Verdict) -> str:
    """The verdict for the student: the note, and what the file printed."""
    note = f"not yet\n{verdict.note}" if "\n" in verdict.note else verdict.note
    printed = "".join(f"\n  | {line}" for line in verdict.printed.splitlines())
    return f"{verdict.file}: {note}" + (f"\nIt printed:{printed}" if printed else "")


def unreadable(path: Path) -> str:
    """Why a file or folder cannot be read; empty if it can be."""
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
    """The .py files in folder and below it, and the folders there that cannot be read; not what starts with . or __."""
    found, closed = list[Path](), list[Path]()
    for top, folders, names in os.walk(folder, onerror=lambda error: closed.append(Path(error.filename))):
        folders[:] = [name for name in folders if not name.startswith((".", "__"))]
        if "pyvenv.cfg" in names:  # a virtual environment: thousands of files, none the student's
            folders.clear()
        found += [Path(top, name) for name in names if name.endswith(".py") and not name.startswith((".", "__"))]
    return sorted(found), sorted(closed)


def files(target: Path) -> tuple[list[Path], list[Path]]:
    """The file itself, or what a folder holds: files of exercises and folders that cannot be read; and files skipped.

    Raises
    ------
    ValueError : target is not there, or holds no exercise
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
    """(student, file) in order, and the files that are skipped.

    Every folder in folder is a student's, and so is every .py file in it. A student's files count that are named like
    exercises; if none is, all of them, or the folder itself: none of these will pass. So does a folder that cannot be
    read.

    Raises
    ------
    ValueError : folder is not there, or holds nothing to grade
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


def save(verdicts: Sequence[Verdict], skipped: Sequence[Path], out: Path, seed: int) -> list[Path]:
    """Write grades.csv, a line for each file, and grades.json, with the notes. Returns the paths."""
    table, notes = out / "grades.csv", out / "grades.json"
    columns = ["student", "exercise", "right", "mistakes", "seconds", "file"]
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for v in verdicts:
            writer.writerow([v.student, v.exercise, int(v.right), v.mistakes, f"{v.seconds:.2f}", v.file])
    rows = [v._asdict() for v in verdicts]
    content = {"seed": seed, "turns": TURNS, "skipped": [str(path) for path in skipped], "verdicts": rows}
    notes.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return [table, notes]


def run(options: argparse.Namespace) -> int:
    """The command ``tinygrad-edu exercise``; its exit status."""
    if options.part == "list":
        print(listing())
        return 0
    if options.part == "start":
        written = start(options.folder, options.number, options.force)
        print("\n".join(f"wrote   {path}" for path in written))
        print(f"\nRead the task at the top of {written[0]}, write the function, then say")
        print(f"  tinygrad-edu exercise check {written[0]}")
        return 0
    seed = secrets.randbelow(10**6) if options.seed is None else options.seed
    verdicts = []
    if options.part == "check":
        paths, skipped = files(options.target)
        for path in paths:
            verdicts.append(judge(path, seed, options.timeout))
            print(told(verdicts[-1]), end="\n\n", flush=True)
    else:
        out = options.out or options.folder
        found, skipped = submissions(options.folder)
        out.mkdir(parents=True, exist_ok=True)
        (out / "grades.csv").touch()  # what cannot be written is said now
        print(NO_SANDBOX, end="\n\n")
        for student, path in found:
            verdicts.append(judge(path, seed, options.timeout, student))
            print(line(verdicts[-1]), flush=True)
        print()
    for path in skipped:
        print(f"skipped {path}: its name says no exercise, or more than one")
    right = sum(verdict.right for verdict in verdicts)
    print(f"{right} of {len(verdicts)} right; --seed {seed} brings the same random numbers again")
    if options.part == "check":
        return 0 if right == len(verdicts) else 1
    for path in save(verdicts, skipped, out, seed):
        print(f"wrote   {path}")
    return 0


def check(target: str | Path, seed: int | None = None, seconds: float = 10.0) -> NoReturn:
    """Check a file, or a folder of them, print a tutor's note on each, and end Python with status 0 if all are right.

    seed : what the random numbers come from; by default another one each time, which is printed
    """
    from ..cli.main import main

    seeds = [] if seed is None else ["--seed", str(seed)]
    sys.exit(main(["exercise", "check", str(target), "--timeout", str(seconds), *seeds]))
