"""``tinygrad-edu build``: write an engine of one's own in twelve steps, each of them checked."""

from __future__ import annotations

import argparse
from pathlib import Path

from .arguments import above_0, whole

HELP = "build it yourself: from an empty file to a Tensor, layers and Adam, in twelve steps"
DESCRIPTION = """From an empty file to a Tensor, layers and Adam of your own, in twelve steps. Each check runs your file
and says in words what is wrong; the last one trains on digits, beside ours."""
FILE = Path("mine.py")


def add_options(command: argparse.ArgumentParser) -> None:
    """Give the command its four parts, each with its options."""
    parts = command.add_subparsers(dest="part", required=True, metavar="list|start|show|check")
    parts.add_parser("list", help="the steps, a line each")
    start = parts.add_parser("start", help="write the empty file")
    start.add_argument("--force", action="store_true", help="begin again: overwrite what is there")
    show = parts.add_parser("show", help="the task of a step, its idea and a hint")
    check = parts.add_parser("check", help="check your file up to a step")
    for part in (show, check):
        part.add_argument("number", type=int, choices=range(1, 13), metavar="N", help="the step, 1 to 12")
    for part in (start, check):
        part.add_argument("file", nargs="?", type=Path, default=FILE, help=f"your file (default: {FILE})")
    check.add_argument("--seed", type=whole("the seed", 0), metavar="N", help="of the random numbers (default: new)")
    check.add_argument("--timeout", type=above_0, default=10.0, metavar="S",
                       help="seconds of the processor for a step (default: 10)")  # fmt: skip


def run(options: argparse.Namespace) -> int:
    """Do what the part says. Return the exit status."""
    from ..course import build

    if options.part == "list":
        return build.list_steps()
    if options.part == "start":
        return build.start(options.file, options.force)
    if options.part == "show":
        print(build.show(options.number))
        return 0
    return build.check(options.number, options.file, options.seed, options.timeout)
