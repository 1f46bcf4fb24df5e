"""``tinygrad-edu course``: the chapters of the course as notebooks, with the exercises, in a folder of one's own."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "the course as notebooks, from a slope to Adam, with its exercises"
DESCRIPTION = """The chapters of the course as notebooks, to be run and changed, and the exercises beside them. Open
them with Jupyter, or with an editor that knows notebooks."""


def add_options(command: argparse.ArgumentParser) -> None:
    """Give the command the folder."""
    command.add_argument("folder", nargs="?", type=Path, default=Path("course"), metavar="DIR",
                         help="where they go (default: course)")  # fmt: skip
    command.add_argument("--force", action="store_true", help="begin again: overwrite what is there")


def run(options: argparse.Namespace) -> int:
    """Write the files, and say how to go on. Return the exit status."""
    from ..course.folders import start_course

    written = start_course(options.folder, options.force)
    print("\n".join(f"wrote   {path}" for path in written))
    print(f"\nBegin with {written[0]}. With Jupyter (pip install jupyterlab matplotlib):")
    print(f"  jupyter lab {written[0]}")
    return 0
