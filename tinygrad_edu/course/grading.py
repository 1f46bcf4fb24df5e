"""The verdict on a file, for its student and for a teacher's table.

This is no sandbox. A submission runs in a process of its own with limits on time, memory and output, and cannot write
its own verdict. But it can read and write whatever its user may, and it may ask our engine for the answer.
"""

from __future__ import annotations

import csv
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .checks import Exercise
from .folders import unreadable, which
from .submission import Failed, Submission

TURNS = 3  # sets of random numbers for each check


class Verdict(NamedTuple):
    """The result for one file.

    student : the name of the student's folder or file
    exercise : its number, 0 if the file's name says none
    mistakes : the mistakes, as key or "name: key"; empty if there is none
    note : a text for the student
    printed : the beginning of the file's output
    """

    student: str
    file: str
    exercise: int
    right: bool
    mistakes: str
    note: str
    seconds: float
    printed: str = ""


def judge(path: Path, seed: int, seconds: float = 10.0, student: str = "") -> Verdict:
    """Run the check of the file's exercise. The same seed gives every student the same random numbers."""
    exercise = None if os.path.isdir(path) else which(path)
    number, student = exercise.number if exercise else 0, student or path.stem
    if closed := unreadable(path):
        return Verdict(student, str(path), number, False, "file", closed, 0.0)
    if exercise is None:
        note = "which exercise is this? Give the file its number or name, as in 3_linear_layer.py"
        note = "there is no .py file in it" if path.is_dir() else note
        return Verdict(student, str(path), 0, False, "name", note, 0.0)
    rng = np.random.default_rng([seed, number])
    begin, submission = time.monotonic(), Submission(path, seconds)
    try:
        mistakes, note = _mistakes(submission, exercise, rng)
    except Failed as problem:
        mistakes, note = problem.key, problem.text
    except (ValueError, TypeError) as problem:  # the doctor cannot read numbers of another shape or kind
        mistakes, note = "shape", str(problem)
    took = time.monotonic() - begin
    return Verdict(student, str(path), number, not mistakes, mistakes, note, took, submission.printed)


def _mistakes(submission: Submission, exercise: Exercise, rng: np.random.Generator) -> tuple[str, str]:
    """Return the mistakes that show with the first set of numbers that shows any, and the doctor's report."""
    with submission as running:
        for turn in range(TURNS):
            report = exercise.check(running.ask, rng, turn)
            mistakes = ", ".join(f"{name}: {key}" for name, key in report.mistakes.items() if key)
            if mistakes:
                return mistakes, str(report)
    return "", f"right, with {TURNS} sets of random numbers"


def table_line(verdict: Verdict) -> str:
    """Return the verdict as a line of a table."""
    said = "right" if verdict.right else verdict.mistakes if "\n" in verdict.note else verdict.note
    return f"{verdict.student:<20} {verdict.exercise or '-'}  {said}"


def student_note(verdict: Verdict) -> str:
    """Return the verdict as a text for the student: the note, and the file's output."""
    note = f"not yet\n{verdict.note}" if "\n" in verdict.note else verdict.note
    printed = "".join(f"\n  | {line}" for line in verdict.printed.splitlines())
    return f"{verdict.file}: {note}" + (f"\nIt printed:{printed}" if printed else "")


def save(verdicts: Sequence[Verdict], skipped: Sequence[Path], out: Path, seed: int) -> list[Path]:
    """Write grades.csv, a line for each file, and grades.json, with the notes; return the two paths."""
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
