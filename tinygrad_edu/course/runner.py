"""The exercises as students and teachers run them: list them, start on them, check a file, get a hint, grade a folder.

Each function prints its result and returns the exit status of the command line, which calls it. `check` is for a file
that is run by itself.
"""

from __future__ import annotations

import io
import secrets
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import NoReturn

from .checks import Exercise
from .folders import Work, files, start, submissions, visible, which
from .grading import Verdict, digest_of, judge_work, student_note, table_line
from .progress import following, hints, solution
from .records import Run, kept
from .table import Collection, collection

NO_SANDBOX = "This is no sandbox: submissions may read and write what you may. Grade strangers' work in a container."


def list_exercises(own: Path | None = None) -> int:
    """Print a line for each exercise, and how to begin. own is a teacher's folder, here and below; None for ours."""
    for e in collection(own).exercises:
        print(f"{e.number}  {e.name:<16} {e.title}")
    print(f"\nTo begin, say tinygrad-edu exercise start DIR{_from(own)}: it copies them into this folder.")
    return 0


def start_exercises(folder: Path, number: int | None = None, force: bool = False, own: Path | None = None) -> int:
    """Copy the stubs into folder, and print how to go on. Arguments and errors as in `folders.start`."""
    written = start(folder, number, force, collection(own))
    print("\n".join(f"wrote   {path}" for path in written))
    print(f"\nRead the task at the top of {written[0]}, write the function, then say")
    print(f"  tinygrad-edu exercise check {_quoted(written[0])}{_from(own)}")
    return 0


def show_hint(number: int, own: Path | None = None) -> int:
    """Print the next hint of an exercise, below those that were shown, and the way to the solution."""
    held = collection(own)
    exercise = held.numbered(number)
    print(hints(exercise, held))
    if held.solution(exercise).is_file():
        print(f"All of it: tinygrad-edu exercise solution {number}{_from(own)}")
    return 0


def show_solution(number: int, own: Path | None = None) -> int:
    """Print the solution of an exercise."""
    held = collection(own)
    print(solution(held.numbered(number), held))
    return 0


def _from(own: Path | None) -> str:
    """Return the option that names a teacher's folder."""
    return f" --from {_quoted(own)}" if own else ""


def _quoted(path: Path) -> str:
    """Return a path as one word of a command, for any shell."""
    return f'"{path}"' if " " in str(path) else str(path)


def check_exercises(target: Path, seed: int | None = None, seconds: float = 10.0, own: Path | None = None) -> int:
    """Check a file, or a folder of them, and print a tutor's note on each; return 0 if all are right, else 1.

    Parameters
    ----------
    target : a file, or a folder that holds files of exercises
    seed : for the random numbers; by default a new one, which is printed
    seconds : limit for each file, of the processor (`submission.Submission`)

    Raises
    ------
    ValueError, OSError : as `folders.files`
    """
    held = collection(own)
    paths, skipped = files(target, held)
    seed = new_seed() if seed is None else seed
    verdicts = []
    for path in paths:
        work = Work(visible(path.stem), path, visible(path), exercise=None if path.is_dir() else which(path, held))
        verdicts.append(judge_work(work, seed, seconds))
        print(student_note(verdicts[-1]), end="\n\n", flush=True)
    print_summary(verdicts, list(map(visible, skipped)), seed)
    wrong = [i for i, verdict in enumerate(verdicts) if not verdict.right]
    at = wrong[0] if wrong else len(verdicts) - 1
    if exercise := which(paths[at], held):
        print(way_on(exercise, not wrong, paths[at].parent, held, own), end="")
    return 1 if wrong else 0


def way_on(exercise: Exercise, right: bool, folder: Path, held: Collection, own: Path | None) -> str:
    """Return the lines on what to do after a check: a hint, or else a solution to compare with, and the next one."""
    number, say = exercise.number, "tinygrad-edu exercise"
    if not right:
        return f"Stuck? A hint, and one more each time: {say} hint {number}{_from(own)}\n" * bool(exercise.hints)
    text = f"A solution to compare with: {say} solution {number}{_from(own)}\n" * held.solution(exercise).is_file()
    if (after := following(exercise, held)) is None:
        return f"{text}That was the last one.\n"
    path = folder / held.stub(after).name
    todo = f"check {_quoted(path)}" if path.exists() else f"start {after.number} {_quoted(folder)}"
    return f"{text}Next: {after.number}, {after.title}: {say} {todo}{_from(own)}\n"


def grade_submissions(
    folder: Path,
    out: Path | None = None,
    seed: int | None = None,
    seconds: float = 10.0,
    jobs: int = 1,
    own: Path | None = None,
) -> int:
    """Grade the submissions in folder, print a line for each file, and write the tables of `records`; return 0.

    grades.csv and grades.json are written after each file. If that was interrupted, the same call goes on with the
    files that are left. students.csv and feedback/ come at the end.

    Parameters
    ----------
    folder : holds a folder, or a file, for each student
    out : folder for the tables; by default the same
    seed, seconds : as in `check_exercises`
    jobs : how many files are run at a time

    Raises
    ------
    ValueError, OSError : as `folders.submissions`, or the tables cannot be written
    """
    with tempfile.TemporaryDirectory(prefix="grading-", ignore_cleanup_errors=True) as scratch:
        held = collection(own)
        works, skipped = submissions(folder, Path(scratch), held)
        out = out or folder
        out.mkdir(parents=True, exist_ok=True)
        before, done = kept(out, seed, held) or (new_seed() if seed is None else seed, {})
        verdicts = [done.get((work.student, work.shown, digest_of(work.path))) for work in works]
        run = Run(out, before, seconds, len(works), skipped, held)
        run.save([v for v in verdicts if v])  # a table that cannot be written is an error now, not after an hour
        print(NO_SANDBOX, end="\n\n")
        if already := sum(v is not None for v in verdicts):
            print(f"going on with the run in {visible(out)}: {already} of {len(works)} files are graded", end="\n\n")
        left = [i for i, verdict in enumerate(verdicts) if verdict is None]
        try:
            for i, verdict in _judged(works, left, before, seconds, jobs):
                verdicts[i] = verdict
                print(table_line(verdict), flush=True)
                run.save([v for v in verdicts if v])
        except KeyboardInterrupt:
            print("the verdicts so far are kept: the same command goes on with the rest", file=sys.stderr)
            raise
        all_of_them = [v for v in verdicts if v]
        print()
        print_summary(all_of_them, skipped, before)
        for path in [*run.save(all_of_them), *run.hand_back(all_of_them)]:
            print(f"wrote   {visible(path)}")
    return 0


def _judged(
    works: Sequence[Work], left: Sequence[int], seed: int, seconds: float, jobs: int
) -> Iterator[tuple[int, Verdict]]:
    """Yield the index of each work that is left, and its verdict, as soon as there is one."""
    if jobs == 1:
        yield from ((i, judge_work(works[i], seed, seconds)) for i in left)
        return
    with ThreadPoolExecutor(jobs) as pool:
        waiting = {pool.submit(judge_work, works[i], seed, seconds): i for i in left}
        try:
            for future in as_completed(waiting):
                yield waiting[future], future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def new_seed() -> int:
    """Return a seed that is short enough to be typed."""
    return secrets.randbelow(10**6)


def print_summary(verdicts: Sequence[Verdict], skipped: Sequence[str], seed: int) -> None:
    """Print the files that were skipped, and how many of the others are right."""
    for path in skipped:
        print(f"skipped {path}: its name says no exercise, or more than one")
    right = sum(verdict.right for verdict in verdicts)
    print(f"{right} of {len(verdicts)} right; --seed {seed} brings the same random numbers again")


def check(target: str | Path, seed: int | None = None, seconds: float = 10.0) -> NoReturn:
    """Do `check_exercises`, and end Python with its status, or with 2 and a sentence if target cannot be read."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that has no ·
    try:
        status = check_exercises(Path(target), seed, seconds)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        status = 2
    except KeyboardInterrupt:
        status = 130
    sys.exit(status)
