"""``tinygrad-edu exercise``: list the exercises, hand them out, give hints, check or grade what came back."""

from __future__ import annotations

import argparse
from pathlib import Path

from .arguments import above_0, whole

HELP = "sixteen exercises from a slope to Adam, checked by the doctor"
DESCRIPTION = """Sixteen exercises from a slope to Adam. Start on them, write the functions, check them: the doctor
names what is wrong."""


def add_options(command: argparse.ArgumentParser) -> None:
    """Give the command its parts, each with its options."""
    parts = command.add_subparsers(dest="part", required=True, metavar="list|start|check|hint|solution|grade")
    parts.add_parser("list", help="the exercises, a line each")
    part = parts.add_parser("start", help="copy the exercises into a folder, to be filled in")
    part.add_argument("number", nargs="?", type=int, metavar="N", help="only this one")
    part.add_argument("folder", type=Path, metavar="DIR", help="where they go")
    part.add_argument("--force", action="store_true", help="begin again: overwrite what is there")
    check = parts.add_parser("check", help="check a file, or all exercises in a folder")
    check.add_argument("target", type=Path, metavar="FILE|DIR", help="what you wrote")
    for name, text in (("hint", "a hint, and one more each time"), ("solution", "one way to write it")):
        part = parts.add_parser(name, help=text)
        part.add_argument("number", type=int, metavar="N", help="of the exercise")
    grade = parts.add_parser("grade", help="check the submissions in a folder, write a table")
    grade.add_argument("folder", type=Path, metavar="DIR", help="holds a folder, or a file, for each student")
    grade.add_argument("--out", type=Path, metavar="DIR", help="for the tables (default: the same DIR)")
    grade.add_argument("--jobs", type=whole("the number of jobs", 1), default=1, metavar="N",
                       help="files that are run at a time (default: 1)")  # fmt: skip
    for part in (check, grade):
        part.add_argument("--seed", type=whole("the seed", 0), metavar="N", help="of the random numbers (default: new)")
        part.add_argument(
            "--timeout",
            type=above_0,
            default=10.0,
            metavar="S",
            help="seconds of the processor for a file (default: 10)",
        )
    for part in parts.choices.values():
        part.add_argument("--from", dest="own", type=Path, metavar="DIR", help="a teacher's folder of exercises")


def run(options: argparse.Namespace) -> int:
    """Do what the part says. Return the exit status."""
    from ..course import runner

    if options.part == "list":
        return runner.list_exercises(options.own)
    if options.part == "start":
        return runner.start_exercises(options.folder, options.number, options.force, options.own)
    if options.part == "check":
        return runner.check_exercises(options.target, options.seed, options.timeout, options.own)
    if options.part in ("hint", "solution"):
        return (runner.show_hint if options.part == "hint" else runner.show_solution)(options.number, options.own)
    return runner.grade_submissions(
        options.folder, options.out, options.seed, options.timeout, options.jobs, options.own
    )
