"""The verdict on a file, for its student and for a teacher's table; `records` writes it down.

This is no sandbox. A submission runs in a process of its own with limits on time, memory and output, and cannot write
its own verdict. But it can read and write whatever its user may, and it may ask our engine for the answer.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from threading import RLock
from typing import Any, NamedTuple

import numpy as np

from ..doctor.report import Report
from ..extras.misfit import reworded
from .checks import Exercise
from .folders import Work, unreadable, visible, which
from .submission import Failed, Submission

TURNS = 3  # sets of random numbers for each check
OURS = "check"  # the key of a check that broke off by itself, for which the student is not to blame

_doctor = RLock()  # one file is judged at a time; meanwhile the others' processes compute


class Verdict(NamedTuple):
    """The result for one file.

    student : the name of the student's folder or file
    exercise : its number, 0 if the file's name says none
    right : True only if every check was run on answers of the file, and found them right
    credit : 1 if right; else the share of its parts that are right, where the first mistake shows
    mistakes : the mistakes, as key or "name: key"; empty if there is none
    note : a text for the student
    printed : the beginning of the file's output
    digest : SHA-256 of the file's content, empty if it was not read
    """

    student: str
    file: str
    exercise: int
    right: bool
    mistakes: str
    note: str
    seconds: float
    printed: str = ""
    digest: str = ""
    credit: float = 0.0


def judge(path: Path, seed: int, seconds: float = 10.0, student: str = "", exercise: Exercise | None = None) -> Verdict:
    """Run the check of the file's exercise. The same seed gives every student the same random numbers."""
    exercise = exercise or (None if path.is_dir() else which(path))
    return judge_work(Work(student or visible(path.stem), path, visible(path), (), exercise), seed, seconds)


def judge_work(work: Work, seed: int, seconds: float = 10.0) -> Verdict:
    """Return the verdict on a file; whatever goes wrong is its verdict, and is not raised."""
    begin, number, submission = time.monotonic(), 0, Submission(work.path, seconds)
    digest, reports, credit = "", list[Report](), 0.0
    try:
        exercise = work.exercise
        number = exercise.number if exercise else 0
        if problem := work.problem or _not_to_be_run(work.path, exercise):
            raise Failed(*problem)
        assert exercise is not None
        submission.probes = exercise.probes
        digest = digest_of(work.path)
        with submission as running:
            for report in _reports(running, exercise, np.random.default_rng([seed, number])):
                reports.append(report)
        mistakes = ", ".join(f"{name}: {key}" for name, key in reports[-1].mistakes.items() if key)
        with np.errstate(all="ignore"):  # the note has yours / right
            right_too = "\n".join(found.text for found in reports[-1].findings if found.text)
            credit = share(reports[-1])
            note = str(reports[-1]) if mistakes else f"right, with {TURNS} sets of random numbers\n{right_too}".rstrip()
    except Failed as failed:
        mistakes, note = failed.key, reworded(failed.text)
    except (ValueError, TypeError) as error:  # the doctor cannot read numbers of another shape or kind
        mistakes, note = "shape", visible(str(error)) if "\n" not in str(error) else str(error)
    except Exception as error:
        text = visible(f"{type(error).__name__}: {error}")
        mistakes, note = OURS, f"the check could not be finished ({text[:300]}); look at this file yourself"
    checked = len(reports) == TURNS and all(report.findings and report.right for report in reports)
    right = checked and submission.answered >= TURNS and not mistakes
    if not right and not mistakes:
        mistakes, note = "no answer", "the checks were not run on its answers"
        credit = 0.0
    took = time.monotonic() - begin
    credit = round(credit, 3)
    return Verdict(work.student, work.shown, number, right, mistakes, note, took, submission.printed, digest, credit)


def share(report: Report) -> float:
    """Return the share of a report's findings that are right."""
    return sum(found.mistake is None for found in report.findings) / max(len(report.findings), 1)


def _not_to_be_run(path: Path, exercise: Exercise | None) -> tuple[str, str] | None:
    """Return key and sentence for a file that cannot be run."""
    if closed := unreadable(path):
        return "file", closed
    if path.is_dir():
        return "name", "there is no .py file in it"
    if path.suffix.lower() == ".zip":
        return "zip", "it is an archive: unpack it, and check what is in it"
    if exercise is None:
        return "name", "which exercise is this? Give the file its number or name, as in 3_linear_layer.py"
    return None


def _reports(running: Submission, exercise: Exercise, rng: np.random.Generator) -> Iterator[Report]:
    """Yield the doctor's report for each set of random numbers, up to the first that shows a mistake."""

    def ask(name: str, *args: Any, returns: int = 1) -> list[Any]:
        with _left(_doctor):
            return running.ask(name, *args, returns=returns)

    for turn in range(TURNS):
        with _doctor, np.errstate(all="ignore"):  # an answer may be 1e308
            report = exercise.check(ask, rng, turn)
        yield report
        if not report.right:
            return


@contextmanager
def _left(lock: RLock) -> Iterator[None]:
    """Give a lock to others, inside ``with``."""
    lock.release()
    try:
        yield
    finally:
        lock.acquire()


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file's content; an empty string if it cannot be read."""
    try:
        return "" if os.path.isdir(path) or unreadable(path) else sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def table_line(verdict: Verdict) -> str:
    """Return the verdict as a line of a table."""
    said = "right" if verdict.right else verdict.mistakes if "\n" in verdict.note else verdict.note
    part = f"; credit {verdict.credit:.2g}" if 0 < verdict.credit < 1 else ""
    return f"{verdict.student:<20} {verdict.exercise or '-'}  {said}{part}"


def student_note(verdict: Verdict) -> str:
    """Return the verdict as a text for the student: the note, and the file's output."""
    part = f", but {verdict.credit:.0%} of it is right" if 0 < verdict.credit < 1 else ""
    note = f"not yet{part}\n{verdict.note}" if "\n" in verdict.note and not verdict.right else verdict.note
    printed = "".join(f"\n  | {line}" for line in verdict.printed.splitlines())
    return f"{verdict.file}: {note}" + (f"\nIt printed:{printed}" if printed else "")
