"""``tinygrad-edu lab``: write the page on which a network trains in the browser, offline."""

from __future__ import annotations

import argparse
import webbrowser
from pathlib import Path

from .arguments import add_seed, formula

HELP = "write a page on which a network trains in the browser, offline"
DESCRIPTION = """Write one HTML file: a network trains on it, by every rule, step by step. The page runs what this
library runs, written as JavaScript, and shows when it opens how far its numbers are from the library's."""


def add_options(command: argparse.ArgumentParser) -> None:
    """Give the command its options."""
    text = "the file to write (default: lab.html)"
    command.add_argument("--out", type=Path, default=Path("lab.html"), metavar="FILE", help=text)
    command.add_argument("--open", action="store_true", help="open it in the browser")
    text = 'a formula of x and y to optimize on, as "x**2 + 10*y**2", beside the surfaces of the race'
    command.add_argument("--surface", type=formula, metavar="FORMULA", help=text)
    add_seed(command, "of the data and the first weights")


def run(options: argparse.Namespace) -> int:
    """Write the page. Return the exit status."""
    from ..lab.page import page

    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(page(options.seed, options.surface), encoding="utf-8")
    print(f"wrote   {options.out}  ({options.out.stat().st_size / 1000:.0f} kB)")
    if options.open:
        webbrowser.open(options.out.resolve().as_uri())
    return 0
