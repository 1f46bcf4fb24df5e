"""The tables of a graded class, and the notes to hand back. They are whole at every moment, also if the power fails.

A run that was interrupted goes on: `kept` reads the verdicts that grades.json has.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints

from ..extras.files import replacing
from .folders import FEEDBACK
from .grading import OURS, TURNS, Verdict, digest_of, student_note
from .table import COURSE, FILE, Collection

Key = tuple[str, str, str]  # of a verdict that is kept: student, file, digest


class Run(NamedTuple):
    """A run of the grader: where its tables go, seed, limit, number of files, names of those it skips, exercises."""

    out: Path
    seed: int
    seconds: float
    files: int
    skipped: Sequence[str]
    held: Collection = COURSE

    def save(self, verdicts: Sequence[Verdict]) -> list[Path]:
        """Write grades.csv, a line for each file, and grades.json, with the notes; return the two paths."""
        columns = ["student", "exercise", "right", "credit", "mistakes", "seconds", "file"]
        lines = [
            [v.student, v.exercise, int(v.right), f"{v.credit:g}", v.mistakes, f"{v.seconds:.2f}", v.file]
            for v in verdicts
        ]
        content = {
            "seed": self.seed,
            "turns": TURNS,
            "exercises": exercises_of(self.held),
            "timeout": self.seconds,
            "finished": len(verdicts) == self.files,
            "skipped": list(self.skipped),
            "verdicts": [v._asdict() for v in verdicts],
        }
        return [
            replace(self.out / "grades.csv", table([columns, *lines])),
            replace(self.out / "grades.json", json.dumps(content, indent=1) + "\n"),
        ]

    def hand_back(self, verdicts: Sequence[Verdict]) -> list[Path]:
        """Write students.csv, a row for each student, and a text for each in feedback/; return table and folder."""
        students: dict[str, list[Verdict]] = {}
        for verdict in verdicts:
            students.setdefault(verdict.student, []).append(verdict)
        rows = [["student", *(e.number for e in self.held.exercises), "total"]]
        folder, taken = self.out / FEEDBACK, set[str]()
        folder.mkdir(exist_ok=True)
        for student, own in students.items():
            points = [max([v.credit for v in own if v.exercise == e.number], default=0) for e in self.held.exercises]
            rows.append([student, *(f"{x:g}" for x in [*points, round(sum(points), 3)])])
            name = file_name(student, taken)
            taken.add(name.casefold())
            replace(folder / name, feedback(student, own, points, self.held))
        return [replace(self.out / "students.csv", table(rows)), folder]


def feedback(student: str, own: Sequence[Verdict], points: Sequence[float], held: Collection = COURSE) -> str:
    """Return the text for a student: the total, and for each exercise the notes; a right file stands for all others."""
    parts = [f"{student}: {round(sum(points), 3):g} of {len(points)}"]
    for exercise in held.exercises:
        mine = [v for v in own if v.exercise == exercise.number]
        best = [v for v in mine if v.right][:1] or mine
        notes = "\n\n".join(map(student_note, best)) or "nothing was handed in"
        parts.append(f"--- {exercise.number} {exercise.name}\n{notes}")
    others = [student_note(v) for v in own if not v.exercise]
    return "\n\n".join([*parts, *(["--- other files", *others] if others else [])]) + "\n"


def exercises_of(held: Collection) -> str:
    """Return a hash of the list of a teacher's exercises; "" of ours."""
    return "" if held is COURSE else digest_of(held.folder / FILE)


def kept(out: Path, seed: int | None, held: Collection = COURSE) -> tuple[int, dict[Key, Verdict]] | None:
    """Return the seed and the verdicts of the run in out that was interrupted; None if there is none, or another seed,
    or if the exercises were others.

    A check that broke off by itself is run again, and so is a file that has changed since.
    """
    try:
        content = json.loads((out / "grades.json").read_text(encoding="utf-8"))
        if content["finished"] is not False or content["turns"] != TURNS or type(content["seed"]) is not int:
            return None
        verdicts = [_verdict(row) for row in content["verdicts"]]
    except (OSError, ValueError, TypeError, KeyError, RecursionError):  # no table, another program's, or damaged
        return None
    if seed not in (None, content["seed"]) or content.get("exercises", "") != exercises_of(held):
        return None
    return content["seed"], {(v.student, v.file, v.digest): v for v in verdicts if v.digest and v.mistakes != OURS}


def _verdict(row: Any) -> Verdict:
    kinds = get_type_hints(Verdict)
    if set(row) != set(kinds) or not all(
        type(row[name]) in (kind, {float: int}.get(kind)) for name, kind in kinds.items()
    ):
        raise ValueError("no verdict")
    if row["right"] is not (row["mistakes"] == "") or row["right"] is not (row["credit"] == 1) or row["credit"] < 0:
        raise ValueError("no verdict")
    return Verdict(**row)


def table(rows: Iterable[Sequence[Any]]) -> str:
    """Return rows as CSV. A cell that a spreadsheet would run as a formula gets an apostrophe before it.

    >>> print(table([["=1+1", -1]]), end="")
    '=1+1,-1
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows([[_cell(x) for x in row] for row in rows])
    return text.getvalue()


def _cell(value: Any) -> Any:
    formula = isinstance(value, str) and re.match(r"\W*[=+\-@\uff1d\uff0b\uff0d\uff20]", value)
    return f"'{value}" if formula else value


def replace(path: Path, text: str) -> Path:
    """Write a text file as a whole, or not at all."""
    with replacing(path) as file:
        file.write(text.encode("utf-8", "backslashreplace"))
    return path


def file_name(student: str, taken: set[str]) -> str:
    """Return a name for a student's file, short and unlike those that are taken, also where case does not count."""
    name = re.sub(r'[\\/:*?"<>|]', "_", student)[:60].strip(". ") or "student"
    if name != student or f"{name}.txt".casefold() in taken:
        name += f"-{sha256(student.encode('utf-8', 'backslashreplace')).hexdigest()[:8]}"
    return f"{name}.txt"
